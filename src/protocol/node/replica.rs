//! What a replica of a key, or a fallback in its place, does for other coordinators.

use super::place::Place;
use super::{Node, Pending};
use crate::door::{Effects, Ignored};
use crate::ids::{Key, NodeId, RequestId};
use crate::message::Message;
use crate::store::{Durability, Store};
use crate::versions::Object;

impl<S: Store> Node<S> {
    pub(super) fn replicate(
        &mut self,
        from: NodeId,
        id: RequestId,
        (key, object): (&Key, &Object),
        home: Option<NodeId>,
        durability: Durability,
        effects: &mut Effects,
    ) {
        let Some(place) = self.place(key, home) else {
            return effects.send(from, Message::NotAReplica { id });
        };
        if self.merge_sent(place, key, object, durability, effects) {
            effects.send(from, Message::Replicated { id });
        }
    }

    pub(super) fn confirm_copy(
        &mut self,
        from: NodeId,
        id: RequestId,
        (key, object): (&Key, &Object),
        home: Option<NodeId>,
        effects: &mut Effects,
    ) {
        let Some(place) = self.place(key, home) else {
            return effects.send(from, Message::NotAReplica { id });
        };
        if self.merge_sent(place, key, object, self.usual_durability(), effects) {
            effects.send(from, Message::Copy { id, object: self.copy(key) });
        }
    }

    pub(super) fn repair(&mut self, key: &Key, object: &Object, effects: &mut Effects) {
        if !self.owns(key) {
            return effects.ignore(Ignored::NotAReplica);
        }
        self.merge_sent(Place::Own, key, object, self.usual_durability(), effects);
    }

    pub(super) fn read(
        &mut self,
        from: NodeId,
        id: RequestId,
        key: &Key,
        home: Option<NodeId>,
        effects: &mut Effects,
    ) {
        let message = match self.place(key, home) {
            None => Message::NotAReplica { id },
            Some(Place::Own) if !self.is_synchronised(key) => Message::Unsynchronised { id },
            Some(_) => Message::Copy { id, object: self.copy(key) },
        };
        effects.send(from, message);
    }

    /// A replica has merged an object that this node sent it.
    pub(super) fn replicated(&mut self, from: NodeId, id: RequestId, effects: &mut Effects) {
        match self.state.pending.remove(&id) {
            Some(Pending::Put(put)) => self.put_answered(id, put, from, true, effects),
            other => self.stale(id, other, effects),
        }
    }

    /// A replica has sent its copy.
    pub(super) fn copied(
        &mut self,
        from: NodeId,
        id: RequestId,
        object: Option<Object>,
        effects: &mut Effects,
    ) {
        if !object.as_ref().is_none_or(|object| self.config.versioning().admits(object)) {
            return effects.ignore(Ignored::ForeignObject);
        }
        match self.state.pending.remove(&id) {
            Some(Pending::Get(get)) => {
                if let Some(object) = &object {
                    self.has_moved(get.key(), object);
                }
                self.get_copy(id, get, from, object, effects);
            }
            other => self.stale(id, other, effects),
        }
    }

    /// The other node has no copy that counts; one that is to count later can still store.
    pub(super) fn not_a_replica(
        &mut self,
        from: NodeId,
        id: RequestId,
        stores: bool,
        effects: &mut Effects,
    ) {
        match self.state.pending.remove(&id) {
            Some(Pending::Put(put)) => self.put_answered(id, put, from, false, effects),
            Some(Pending::Get(get)) => self.get_refused(id, get, from, stores, effects),
            other => self.stale(id, other, effects),
        }
    }

    /// An answer that nobody waits for; what it found pending stays as it was.
    pub(super) fn stale(&mut self, id: RequestId, found: Option<Pending>, effects: &mut Effects) {
        if let Some(pending) = found {
            self.state.pending.insert(id, pending);
        }
        effects.ignore(Ignored::Stale);
    }
}

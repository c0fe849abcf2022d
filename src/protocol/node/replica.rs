//! What an owner of a key does for other coordinators.

use super::{Node, Pending};
use crate::door::{Effects, Ignored};
use crate::ids::{Key, NodeId, RequestId};
use crate::message::Message;
use crate::store::Store;
use crate::versions::Object;

impl<S: Store> Node<S> {
    pub(super) fn replicate(
        &mut self,
        from: NodeId,
        id: RequestId,
        key: &Key,
        object: &Object,
        effects: &mut Effects,
    ) {
        if !self.owns(key) {
            return effects.send(from, Message::NotAReplica { id });
        }
        if !self.config.versioning().admits(object) {
            return effects.ignore(Ignored::ForeignObject);
        }
        self.merge(key, object);
        effects.send(from, Message::Replicated { id });
    }

    pub(super) fn confirm_copy(
        &mut self,
        from: NodeId,
        id: RequestId,
        key: &Key,
        object: &Object,
        effects: &mut Effects,
    ) {
        if self.owns(key) && !self.config.versioning().admits(object) {
            return effects.ignore(Ignored::ForeignObject);
        }
        if self.owns(key) {
            self.merge(key, object);
        }
        self.read(from, id, key, effects);
    }

    pub(super) fn repair(&mut self, key: &Key, object: &Object, effects: &mut Effects) {
        if !self.owns(key) {
            return effects.ignore(Ignored::Stale);
        }
        if !self.config.versioning().admits(object) {
            return effects.ignore(Ignored::ForeignObject);
        }
        self.merge(key, object);
    }

    pub(super) fn read(&mut self, from: NodeId, id: RequestId, key: &Key, effects: &mut Effects) {
        let message = if self.owns(key) {
            Message::Copy { id, object: self.load(key) }
        } else {
            Message::NotAReplica { id }
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
    pub(super) fn copy(
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
            Some(Pending::Get(get)) => self.get_copy(id, get, from, object, effects),
            other => self.stale(id, other, effects),
        }
    }

    /// The other node does not count itself an owner.
    pub(super) fn not_a_replica(&mut self, from: NodeId, id: RequestId, effects: &mut Effects) {
        match self.state.pending.remove(&id) {
            Some(Pending::Put(put)) => self.put_answered(id, put, from, false, effects),
            Some(Pending::Get(get)) => self.get_refused(id, get, from, effects),
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

//! After a lost disk (design decision "Amnesia"): a node takes writes at once, but what it holds
//! counts as a copy only when it has merged what all other owners hold, page by page.
//!
//! N-W+1 others would do for the puts that were answered before the disk was lost. But of a put that
//! the lost disk had said yes to, while it was under way, the coordinator alone is sure to have a
//! copy. Among all others are the coordinator and every disk that is left, so it does not matter
//! whether some of them have lost theirs too.

use super::Node;
use super::place::Place;
use crate::door::{Effects, Ignored, Note};
use crate::ids::{Key, NodeId};
use crate::limits;
use crate::message::Message;
use crate::ring::PreferenceList;
use crate::store::{Durability, Record, RecordKey, Store, records_from};
use crate::versions::{Incarnation, Object};
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

impl<S: Store> Node<S> {
    /// Whether this node's copy of `key` counts for reads. What a fallback holds of it does not
    /// count as an owner's copy, be its disk lost or not.
    pub(super) fn is_synchronised(&self, key: &Key) -> bool {
        let Some(merged) = self.merged() else { return true };
        !self.owns(key) || self.has_all(&merged, self.preference_list(key))
    }

    /// The disk is younger than the cluster: nothing is merged yet.
    pub(super) fn merged_nothing(&mut self) {
        self.record_merged(BTreeSet::new(), Durability::Durable);
    }

    /// Keeps in mind whose copies are merged, until that is enough for all keys.
    fn record_merged(&mut self, merged: BTreeSet<NodeId>, durability: Durability) {
        let ring = self.config.ring();
        let mut mine = ring.ranges().filter(|(_, list)| list.contains_primary(self.id));
        if mine.all(|(_, list)| self.has_all(&merged, list)) {
            self.store.remove(&RecordKey::Unsynchronised, durability);
        } else {
            let record = Record::Unsynchronised { merged };
            self.store.put(RecordKey::Unsynchronised, record, durability);
        }
    }

    fn has_all(&self, merged: &BTreeSet<NodeId>, list: &PreferenceList) -> bool {
        list.primaries().iter().all(|node| *node == self.id || merged.contains(node))
    }

    /// Whose copies are merged since the disk was lost; `None` if it was not, or that is over.
    fn merged(&self) -> Option<BTreeSet<NodeId>> {
        match self.store.get(&RecordKey::Unsynchronised) {
            Some(Record::Unsynchronised { merged }) => Some(merged),
            _ => None,
        }
    }

    /// Whether `peer`'s copies are still to be merged.
    pub(super) fn must_pull_from(&self, peer: NodeId) -> bool {
        self.merged().is_some_and(|merged| !merged.contains(&peer))
    }

    /// Asks `peer` for the next page.
    pub(super) fn pull(&self, peer: NodeId, effects: &mut Effects) {
        if let Some(life) = self.state.incarnation {
            let after = self.state.pulls.get(&peer).cloned();
            effects.send(peer, Message::Pull { life, after });
        }
    }

    /// Sends a node that has lost its disk a page of what both of them own.
    pub(super) fn serve_pull(
        &self,
        from: NodeId,
        life: Incarnation,
        after: Option<Key>,
        effects: &mut Effects,
    ) {
        let first = RecordKey::Object(after.clone().unwrap_or_default());
        let sent = after.clone().map(RecordKey::Object);
        let records = records_from(&self.store, first);
        let records = records.filter(move |(name, _)| Some(name) != sent.as_ref());
        let (mut objects, mut bytes, mut next, mut seen) = (Vec::new(), 0, None, 0);
        for record in records {
            let (RecordKey::Object(key), Record::Object(object)) = record else { break };
            let is_full = objects.len() >= limits::MAX_PAGE_OBJECTS
                || (!objects.is_empty() && bytes + object.value_bytes() > limits::MAX_PAGE_BYTES)
                || seen >= limits::MAX_PAGE_RECORDS;
            if is_full {
                return effects.send(from, Message::Page { life, after, objects, next });
            }
            seen += 1;
            next = Some(key.clone());
            let list = self.preference_list(&key);
            if list.contains_primary(from) && list.contains_primary(self.id) {
                bytes += object.value_bytes();
                objects.push((key, object));
            }
        }
        effects.send(from, Message::Page { life, after, objects, next: None });
    }

    /// Whether a page is the one that this life of the disk waits for, and does not lead back.
    pub(super) fn is_expected(
        &self,
        from: NodeId,
        life: Incarnation,
        after: Option<&Key>,
        next: Option<&Key>,
    ) -> bool {
        self.state.incarnation == Some(life)
            && self.must_pull_from(from)
            && self.state.pulls.get(&from) == after
            && next.is_none_or(|next| Some(next) > after)
    }

    /// Merges a page, and asks for the next.
    pub(super) fn take_page(
        &mut self,
        from: NodeId,
        objects: Vec<(Key, Object)>,
        next: Option<Key>,
        effects: &mut Effects,
    ) {
        let durability = self.usual_durability();
        for (key, object) in objects {
            if !self.owns(&key) || !self.config.versioning().admits(&object) {
                return effects.ignore(Ignored::ForeignObject);
            }
            self.merge(Place::Own, &key, &object, durability, effects);
        }
        match next {
            Some(last) => {
                self.state.pulls.insert(from, last);
                self.pull(from, effects);
            }
            None => self.merged_all_of(from, effects),
        }
    }

    fn merged_all_of(&mut self, from: NodeId, effects: &mut Effects) {
        self.state.pulls.remove(&from);
        let Some(mut merged) = self.merged() else { return };
        merged.insert(from);
        effects.note(Note::Resynchronised(from));
        self.record_merged(merged, self.usual_durability());
    }

    /// Whether all of this node's copies count.
    pub fn is_whole(&self) -> bool {
        self.store.get(&RecordKey::Unsynchronised).is_none()
    }
}

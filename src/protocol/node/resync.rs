//! After a lost disk (design decision "Amnesia"): a node takes writes at once, but what it holds
//! counts as a copy only when it has merged what all other owners hold, page by page. So does a node
//! of what a change of the layout brings it.
//!
//! N-W+1 others would do for the puts that were answered before the disk was lost. But of a put that
//! the lost disk had said yes to, while it was under way, the coordinator alone is sure to have a
//! copy. Among all others are the coordinator and every disk that is left.
//!
//! Known gap: if the coordinator loses its disk as well, after the answer, its empty page counts like
//! any other, and a page of a third node may be older than the put. The put is not lost, but this
//! node answers gets without it (scenario `disk-333-two-losses`). To close it, whoever hears that a
//! peer has begun a new life would have to fetch from the others again.

use super::Node;
use super::place::Place;
use super::rings::Rings;
use crate::door::{Effects, Ignored, Note};
use crate::ids::{Key, NodeId};
use crate::limits;
use crate::membership::Phase;
use crate::message::Message;
use crate::policy::{Donor, Fetch, Unsynchronised};
use crate::ring::Position;
use crate::store::{Durability, Missing, Record, RecordKey, Store, records_from};
use crate::versions::{Incarnation, Object};
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

impl<S: Store> Node<S> {
    /// Whether this node's copy of `key` counts for reads. What a fallback holds of it does not
    /// count as an owner's copy, be its disk lost or not.
    pub fn is_synchronised(&self, key: &Key) -> bool {
        let Some((missing, merged)) = self.missing() else { return true };
        match self.config.policy().unsynchronised {
            Unsynchronised::Refuses => {}
            #[cfg(feature = "museum")]
            Unsynchronised::Answers => return true,
        }
        let position = Position::of(&key.0);
        !self.owns(key) || self.vouches(&self.rings, missing, &merged, position)
    }

    /// Whether this node's copies at a position that it owns count, given what it misses.
    fn vouches(
        &self,
        rings: &Rings,
        missing: Missing,
        merged: &BTreeSet<NodeId>,
        position: Position,
    ) -> bool {
        let has_it =
            |node: &NodeId| *node == self.id || merged.contains(node) || rings.is_down(*node);
        let current = rings.current().preference_list_at(position);
        (missing == Missing::Gained && current.contains_primary(self.id))
            || match self.config.policy().fetch {
                Fetch::FromAll => {
                    rings.lists_at(position).all(|l| l.primaries().iter().all(has_it))
                }
                #[cfg(feature = "museum")]
                Fetch::FromOne => current.primaries().iter().any(|owner| merged.contains(owner)),
            }
    }

    /// The disk is younger than the cluster: nothing is merged yet.
    pub(super) fn merged_nothing(&mut self) {
        self.record_missing(Missing::All, BTreeSet::new(), Durability::Durable);
    }

    /// After other layouts have become live: what this node owns now and did not own before, it must
    /// fetch. As long as the present layout gives it none of that, the rest of its copies count.
    pub(super) fn note_gains(&mut self, before: &Rings) {
        let (known, after, then) = (self.missing(), self.view(), before.view());
        let has_ended = after.version == then.version + 1;
        let is_withdrawn = has_ended && self.rings.is_of_the_layout_of(before);
        let is_next = after.version == then.version
            || (has_ended && (is_withdrawn || then.phase == Phase::Reading));
        let had = |position| match &known {
            // Whoever has missed a change does not know what it has missed.
            _ if !is_next => false,
            None if has_ended && !is_withdrawn => {
                before.target().preference_list_at(position).contains_primary(self.id)
            }
            None if !has_ended => before.owns_at(self.id, position),
            Some((Missing::All, _)) => false,
            None | Some((Missing::Gained, _)) => {
                before.current().preference_list_at(position).contains_primary(self.id)
            }
        };
        let current =
            |position| self.rings.current().preference_list_at(position).contains_primary(self.id);
        let mine = |position: &Position| self.rings.owns_at(self.id, *position);
        let positions = || self.rings.positions().chain(before.positions()).filter(mine);
        let missing = if known.is_none() && positions().all(had) {
            return;
        } else if positions().filter(|&position| current(position)).all(had) {
            Missing::Gained
        } else {
            Missing::All
        };
        self.record_missing(missing, BTreeSet::new(), Durability::Durable);
    }

    /// Keeps in mind whose copies are merged, until that is enough for all keys.
    fn record_missing(
        &mut self,
        missing: Missing,
        merged: BTreeSet<NodeId>,
        durability: Durability,
    ) {
        let mine = |position: &Position| self.rings.owns_at(self.id, *position);
        let counts = |position| self.vouches(&self.rings, missing, &merged, position);
        let is_member = self.rings.contains(self.id);
        if is_member && self.rings.positions().filter(mine).all(counts) {
            self.store.remove(&RecordKey::Unsynchronised, durability);
        } else {
            let record = Record::Unsynchronised { missing, merged };
            self.store.put(RecordKey::Unsynchronised, record, durability);
        }
    }

    /// What this node cannot vouch for, and whose copies are merged since; `None` if it is whole.
    fn missing(&self) -> Option<(Missing, BTreeSet<NodeId>)> {
        match self.store.get(&RecordKey::Unsynchronised) {
            Some(Record::Unsynchronised { missing, merged }) => Some((missing, merged)),
            _ => None,
        }
    }

    /// Whether `peer`'s copies are still to be merged.
    pub(super) fn must_pull_from(&self, peer: NodeId) -> bool {
        let is_missing = |(_, merged): (Missing, BTreeSet<NodeId>)| !merged.contains(&peer);
        !self.rings.is_down(peer) && self.missing().is_some_and(is_missing)
    }

    /// Asks `peer` for the next page.
    pub(super) fn pull(&self, peer: NodeId, effects: &mut Effects) {
        if let Some(life) = self.state.incarnation {
            let after = self.state.pulls.get(&peer).cloned();
            effects.send(peer, Message::Pull { life, after });
        }
    }

    /// Sends a node that cannot vouch for its copies a page of what both of them own.
    pub(super) fn serve_pull(
        &mut self,
        from: NodeId,
        life: Incarnation,
        after: Option<Key>,
        effects: &mut Effects,
    ) {
        let (objects, next) = self.page(from, after.as_ref());
        match self.config.policy().donor {
            Donor::KeepsUntilSettled => {}
            #[cfg(feature = "museum")]
            Donor::KeepsUntilSent => self.give_up(&objects, effects),
        }
        effects.send(from, Message::Page { life, after, objects, next });
    }

    /// What `from` and this node both own, as much as a page holds; the last key that was looked at,
    /// unless there is none after it.
    fn page(&self, from: NodeId, after: Option<&Key>) -> (Vec<(Key, Object)>, Option<Key>) {
        let first = RecordKey::Object(after.cloned().unwrap_or_default());
        let sent = after.cloned().map(RecordKey::Object);
        let records = records_from(&self.store, first);
        let records = records.filter(move |(name, _)| Some(name) != sent.as_ref());
        let (mut objects, mut bytes, mut next, mut seen) = (Vec::new(), 0, None, 0);
        for record in records {
            let (RecordKey::Object(key), Record::Object(object)) = record else { break };
            let is_full = objects.len() >= limits::MAX_PAGE_OBJECTS
                || (!objects.is_empty() && bytes + object.value_bytes() > limits::MAX_PAGE_BYTES)
                || seen >= limits::MAX_PAGE_RECORDS;
            if is_full {
                return (objects, next);
            }
            seen += 1;
            next = Some(key.clone());
            if self.rings.owns(from, &key) && self.owns(&key) {
                bytes += object.value_bytes();
                objects.push((key, object));
            }
        }
        (objects, None)
    }

    /// Removes those that are not to stay here.
    #[cfg(feature = "museum")]
    fn give_up(&mut self, objects: &[(Key, Object)], effects: &mut Effects) {
        for (key, _) in objects {
            if !self.rings.target().preference_list(key).contains_primary(self.id) {
                self.index(key, None, Durability::Durable, effects);
                self.store.remove(&RecordKey::Object(key.clone()), Durability::Durable);
            }
        }
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
        let durability = self.durability_of_pages();
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
        let Some((missing, mut merged)) = self.missing() else { return };
        merged.insert(from);
        effects.note(Note::Resynchronised(from));
        self.record_missing(missing, merged, self.durability_of_pages());
    }

    /// Looks again whether what is merged is enough.
    pub(super) fn note_what_is_merged(&mut self) {
        if let Some((missing, merged)) = self.missing() {
            self.record_missing(missing, merged, self.durability_of_pages());
        }
    }

    /// An old owner gives up its copy once its successors have said that they hold it.
    fn durability_of_pages(&self) -> Durability {
        match self.view().phase {
            Phase::Settled => self.usual_durability(),
            Phase::Moving | Phase::Reading => Durability::Durable,
        }
    }

    /// Whether none of this node's copies counts by itself: it may not know the present layout either.
    pub(super) fn has_lost_its_disk(&self) -> bool {
        self.missing().is_some_and(|(missing, _)| missing == Missing::All)
    }

    /// Whether all of this node's copies count.
    pub fn is_whole(&self) -> bool {
        self.store.get(&RecordKey::Unsynchronised).is_none()
    }
}

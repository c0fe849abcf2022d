//! After a lost disk (design decision "Amnesia"): a node takes writes at once, but what it holds
//! counts as a copy only when it has merged what all other owners hold, page by page. So does a node
//! of what a change of the layout brings it.
//!
//! N-W+1 others would do for the puts that were answered before the disk was lost. But of a put that
//! the lost disk had said yes to, while it was under way, the coordinator alone is sure to have a
//! copy. Among all others are the coordinator and every disk that is left.
//!
//! If the coordinator has lost its disk as well, after the answer, a page of a third node may be older
//! than the put. So a page says whether its sender's disk was lost, and whoever hears so for the first
//! time of one life of that disk fetches from all others again. One that is whole once more has what
//! the others had after its loss.

use super::Node;
use super::place::Place;
use super::rings::Rings;
use crate::door::{Effects, Ignored, Note};
use crate::ids::{Key, NodeId};
use crate::limits;
use crate::membership::Phase;
use crate::message::{Message, Refill};
use crate::policy::{Donor, Fetch, Unsynchronised};
use crate::ring::Position;
use crate::store::{Durability, Gap, Missing, Record, RecordKey, Store, records_from};
use crate::versions::{Incarnation, Object};
use alloc::vec::Vec;

impl<S: Store> Node<S> {
    /// Whether this node's copy of `key` counts for reads. What a fallback holds of it does not
    /// count as an owner's copy, be its disk lost or not.
    pub fn is_synchronised(&self, key: &Key) -> bool {
        let Some(gap) = self.gap() else { return true };
        match self.config.policy().unsynchronised {
            Unsynchronised::Refuses => {}
            #[cfg(feature = "museum")]
            Unsynchronised::Answers => return true,
        }
        let position = Position::of(&key.0);
        !self.owns(key) || self.vouches(&self.rings, &gap, position)
    }

    /// Whether this node's copies at a position that it owns count, given what it misses.
    fn vouches(&self, rings: &Rings, gap: &Gap, position: Position) -> bool {
        let is_merged = |node: &NodeId| gap.merged.contains(node);
        let has_it = |node: &NodeId| *node == self.id || is_merged(node) || rings.is_down(*node);
        let current = rings.current().preference_list_at(position);
        (gap.missing == Missing::Gained && current.contains_primary(self.id))
            || match self.config.policy().fetch {
                Fetch::FromAll => {
                    rings.lists_at(position).all(|l| l.primaries().iter().all(has_it))
                }
                #[cfg(feature = "museum")]
                Fetch::FromOne => current.primaries().iter().any(is_merged),
            }
    }

    /// The disk is younger than the cluster: nothing is merged yet.
    pub(super) fn merged_nothing(&mut self) {
        self.keep_in_mind(Gap::of(Missing::All), Durability::Durable);
    }

    /// After other layouts have become live: what this node owns now and did not own before, it must
    /// fetch. As long as the present layout gives it none of that, the rest of its copies count.
    pub(super) fn note_gains(&mut self, before: &Rings) {
        let known = self.gap().map(|gap| gap.missing);
        let (after, then) = (self.view(), before.view());
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
            // What is withdrawn had no second ring.
            None => before.owns_at(self.id, position),
            Some(Missing::All) => false,
            Some(Missing::Gained) => {
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
        self.keep_in_mind(Gap::of(missing), Durability::Durable);
    }

    /// Keeps in mind whose copies are merged, until that is enough for all keys.
    fn keep_in_mind(&mut self, gap: Gap, durability: Durability) {
        let mine = |position: &Position| self.rings.owns_at(self.id, *position);
        let counts = |position| self.vouches(&self.rings, &gap, position);
        let is_member = self.rings.contains(self.id);
        if is_member && self.rings.positions().filter(mine).all(counts) {
            self.store.remove(&RecordKey::Unsynchronised, durability);
        } else {
            self.store.put(RecordKey::Unsynchronised, Record::Unsynchronised(gap), durability);
        }
    }

    /// What this node cannot vouch for; `None` if it is whole.
    fn gap(&self) -> Option<Gap> {
        match self.store.get(&RecordKey::Unsynchronised) {
            Some(Record::Unsynchronised(gap)) => Some(gap),
            _ => None,
        }
    }

    /// Whether `peer`'s copies are still to be merged.
    pub(super) fn must_pull_from(&self, peer: NodeId) -> bool {
        !self.rings.is_down(peer) && self.gap().is_some_and(|gap| !gap.merged.contains(&peer))
    }

    /// Asks `peer` for the next page.
    pub(super) fn pull(&self, peer: NodeId, effects: &mut Effects) {
        if let Some(refill) = self.refill() {
            let after = self.state.pulls.get(&peer).cloned();
            effects.send(peer, Message::Pull { refill, after });
        }
    }

    /// What pages are fetched for at present.
    fn refill(&self) -> Option<Refill> {
        let losses = self.gap()?.lost.len().try_into().unwrap_or(u32::MAX);
        Some(Refill { life: self.state.incarnation?, losses })
    }

    /// Sends a node that cannot vouch for its copies a page of what both of them own.
    pub(super) fn serve_pull(
        &mut self,
        from: NodeId,
        refill: Refill,
        after: Option<Key>,
        effects: &mut Effects,
    ) {
        let (objects, next) = self.page(from, after.as_ref());
        match self.config.policy().donor {
            Donor::KeepsUntilSettled => {}
            #[cfg(feature = "museum")]
            Donor::KeepsUntilSent => self.give_up(&objects, effects),
        }
        let lost = self.state.incarnation.filter(|_| self.has_lost_its_disk());
        effects.send(from, Message::Page { refill, after, objects, next, lost });
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

    /// Whether a page is the one that this node waits for, and does not lead back.
    pub(super) fn is_expected(
        &self,
        from: NodeId,
        refill: Refill,
        after: Option<&Key>,
        next: Option<&Key>,
    ) -> bool {
        self.refill() == Some(refill)
            && self.must_pull_from(from)
            && self.state.pulls.get(&from) == after
            && next.is_none_or(|next| Some(next) > after)
    }

    /// Merges a page, and asks for the next; or begins anew.
    pub(super) fn take_page(
        &mut self,
        from: NodeId,
        objects: Vec<(Key, Object)>,
        next: Option<Key>,
        lost: Option<Incarnation>,
        effects: &mut Effects,
    ) {
        let durability = self.durability_of_pages();
        for (key, object) in objects {
            if !self.owns(&key) || !self.config.versioning().admits(&object) {
                return effects.ignore(Ignored::ForeignObject);
            }
            self.merge(Place::Own, &key, &object, durability, effects);
        }
        let Some(gap) = self.gap() else { return };
        match (lost.map(|life| (from, life)), next) {
            (Some(disk), _) if !gap.lost.contains(&disk) => self.fetch_again(gap, disk, effects),
            (_, Some(last)) => {
                self.state.pulls.insert(from, last);
                self.pull(from, effects);
            }
            (_, None) => self.merged_all_of(gap, from, effects),
        }
    }

    /// What others had before `disk` was lost may not be all that was acknowledged by then.
    fn fetch_again(&mut self, gap: Gap, disk: (NodeId, Incarnation), effects: &mut Effects) {
        self.state.pulls.clear();
        let lost = gap.lost.into_iter().chain([disk]).collect();
        self.keep_in_mind(Gap { lost, ..Gap::of(gap.missing) }, self.durability_of_pages());
        self.set_exchange_timers(effects);
    }

    fn merged_all_of(&mut self, mut gap: Gap, from: NodeId, effects: &mut Effects) {
        self.state.pulls.remove(&from);
        gap.merged.insert(from);
        effects.note(Note::Resynchronised(from));
        self.keep_in_mind(gap, self.durability_of_pages());
    }

    /// Looks again whether what is merged is enough.
    pub(super) fn note_what_is_merged(&mut self) {
        if let Some(gap) = self.gap() {
            self.keep_in_mind(gap, self.durability_of_pages());
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
        self.gap().is_some_and(|gap| gap.missing == Missing::All)
    }

    /// Whether all of this node's copies count.
    pub fn is_whole(&self) -> bool {
        self.store.get(&RecordKey::Unsynchronised).is_none()
    }
}

//! Hinted handoff (paper §4.6): what a fallback keeps for a primary goes back to it, and is
//! released only when the primary has durably merged it, so that the number of replicas never
//! falls on the way (bugs D1 to D3).

use super::Node;
use super::place::Place;
use crate::door::{Delay, Effects, Ignored, Note, Timer};
use crate::ids::{Key, NodeId};
use crate::limits;
use crate::merkle::Hash;
use crate::message::Message;
use crate::policy::HintRelease;
use crate::store::{Durability, Record, RecordKey, Store, first_from, records_from};
use crate::versions::Object;
use alloc::vec::Vec;

impl<S: Store> Node<S> {
    /// A hint for `home` is about to be kept; the first one starts the clock.
    pub(super) fn keep_hint(&mut self, home: NodeId, effects: &mut Effects) {
        effects.note(Note::KeptHint(home));
        if self.config.failures().handoff && self.hints_of(home).next().is_none() {
            effects.set(Timer::Handoff(home), Delay::Handoff);
        }
    }

    /// Offers `home` the first of its hints; the others follow as these are released.
    pub(super) fn handoff_timer(&mut self, home: NodeId, effects: &mut Effects) {
        if !self.config.failures().handoff {
            return effects.ignore(Ignored::Stale);
        }
        let mut bytes = 0;
        let fits = |(_, object): &(Key, Object)| {
            let is_first = bytes == 0;
            bytes += object.value_bytes().max(1);
            is_first || bytes <= limits::MAX_BATCH_BYTES
        };
        let batch = self.hints_of(home).take(limits::HANDOFF_BATCH).take_while(fits);
        let batch: Vec<(Key, Object)> = batch.collect();
        if batch.is_empty() {
            return effects.ignore(Ignored::Stale);
        }
        for (key, object) in batch {
            match self.config.policy().hint_release {
                #[cfg(feature = "museum")]
                HintRelease::OnSend => self.release(home, &key, effects),
                _ => {}
            }
            effects.send(home, Message::Handoff { key, object });
        }
        effects.set(Timer::Handoff(home), Delay::Handoff);
    }

    /// A fallback gives this node what it kept for it.
    pub(super) fn take_handoff(
        &mut self,
        from: NodeId,
        key: Key,
        object: &Object,
        effects: &mut Effects,
    ) {
        // Of what an old owner took now, its successors would not hear.
        if !self.rings.target().preference_list(&key).contains_primary(self.id) {
            return effects.ignore(Ignored::NotAReplica);
        }
        if !self.merge_sent(Place::Own, &key, object, Durability::Durable, effects) {
            return;
        }
        let hash = Hash::of_object(&key, object);
        effects.note(Note::MergedHint(from));
        effects.send(from, Message::HandedOff { key, hash });
    }

    /// The home of a hint has merged it. A hint that has grown since stays (bug D2).
    pub(super) fn handed_off(&mut self, home: NodeId, key: Key, hash: Hash, effects: &mut Effects) {
        let merged = |hint: Object| match self.config.policy().hint_release {
            HintRelease::WhenMerged => Hash::of_object(&key, &hint) == hash,
            #[cfg(feature = "museum")]
            HintRelease::OnSend => false,
            #[cfg(feature = "museum")]
            HintRelease::ByKey => true,
        };
        match self.load(&RecordKey::Hint { home, key: key.clone() }).is_some_and(merged) {
            true => self.release(home, &key, effects),
            false => effects.ignore(Ignored::Stale),
        }
    }

    /// Gives up a hint; the last one stops the clock.
    fn release(&mut self, home: NodeId, key: &Key, effects: &mut Effects) {
        // Whoever removes tombstones is told that it is gone.
        let durability = match self.config.failures().reap {
            true => Durability::Durable,
            false => self.usual_durability(),
        };
        self.store.remove(&RecordKey::Hint { home, key: key.clone() }, durability);
        self.forget_counter(key, durability);
        effects.note(Note::ReleasedHint(home));
        if self.config.failures().handoff && self.hints_of(home).next().is_none() {
            effects.cancel(Timer::Handoff(home));
        }
    }

    /// The hints kept for `home`, in the order of their keys.
    fn hints_of(&self, home: NodeId) -> impl Iterator<Item = (Key, Object)> + '_ {
        let first = RecordKey::Hint { home, key: Key::default() };
        records_from(&self.store, first).map_while(move |record| match record {
            (RecordKey::Hint { home: of, key }, Record::Object(object)) if of == home => {
                Some((key, object))
            }
            _ => None,
        })
    }

    /// Whoever hints are kept for, found again after a restart (bug D3).
    pub(super) fn homes(&self) -> impl Iterator<Item = NodeId> + '_ {
        let next = |home: NodeId| match first_from(
            &self.store,
            RecordKey::Hint { home, key: Key::default() },
        )? {
            (RecordKey::Hint { home, .. }, _) => Some(home),
            _ => None,
        };
        let after = move |home: &NodeId| home.0.checked_add(1).and_then(|id| next(NodeId(id)));
        core::iter::successors(next(NodeId(0)), after)
    }

    /// How many hints this node keeps, for operators and tests: reads them all.
    pub fn hints(&self) -> usize {
        self.homes().map(|home| self.hints_of(home).count()).sum()
    }
}

//! What a change of the layout leaves behind: copies of keys that are not this node's any more, and
//! hints for nodes that own the key no longer. They are looked through a batch at a time.
//!
//! When a change has come to its end all new owners hold what they own, so an old owner's copy may
//! go; owners that were declared down get it as a hint. A hint whose home does not own the key any
//! more goes to all that do. Whoever leaves gives its hints away before the change goes on.

use super::place::Place;
use super::{Node, Pending};
use crate::door::{Delay, Effects, Ignored, Note, Timer};
use crate::ids::{Key, NodeId};
use crate::limits;
use crate::membership::Phase;
use crate::policy::{DroppedCounter, HomelessHint};
use crate::store::{Durability, RecordKey, Store, records_from};
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

impl<S: Store> Node<S> {
    /// Sets out to look through everything, if there may be something to put in order.
    pub(super) fn begin_to_settle(&mut self, effects: &mut Effects) {
        let first = self.settles().filter(|first| {
            let names: Vec<RecordKey> = self.to_settle(first).take(limits::SETTLE_BATCH).collect();
            names.len() == limits::SETTLE_BATCH || names.iter().any(|name| self.is_unsettled(name))
        });
        if first.is_some() {
            effects.set(Timer::Settle, Delay::Settle);
        }
        self.state.settling = first;
    }

    /// Where looking through begins: with the objects when a change has come to its end, with the
    /// hints of a node that leaves while data moves.
    fn settles(&self) -> Option<RecordKey> {
        let version = self.view().version;
        match self.view().phase {
            Phase::Settled if version > 0 => Some(RecordKey::Object(Key::default())),
            Phase::Moving if self.is_leaving() => Some(first_hint()),
            _ => None,
        }
    }

    /// The names of objects and hints from `first` on.
    fn to_settle<'a>(&'a self, first: &RecordKey) -> impl Iterator<Item = RecordKey> + 'a {
        let objects = match first {
            RecordKey::Object(_) => Some(first.clone()),
            _ => None,
        };
        let hints = if objects.is_some() { first_hint() } else { first.clone() };
        let names = |from| records_from(&self.store, from).map(|(name, _)| name);
        let objects = objects.into_iter().flat_map(names);
        objects
            .take_while(|name| matches!(name, RecordKey::Object(_)))
            .chain(names(hints).take_while(|name| matches!(name, RecordKey::Hint { .. })))
    }

    /// It is time for the next batch.
    pub(super) fn settle_timer(&mut self, effects: &mut Effects) {
        let Some(first) = self.state.settling.take() else {
            return effects.ignore(Ignored::Stale);
        };
        let again = self.settle_batch(&first, effects).into_iter().next().map(RecordKey::Object);
        self.state.settling = again.or(self.state.settling.take());
        if self.state.settling.is_some() {
            effects.set(Timer::Settle, Delay::Settle);
        }
    }

    /// Whoever was declared down may learn that others have gone on before all is in order here. A
    /// copy that is to go must not be there when the next layout gives the key back to this node.
    pub(super) fn settle_the_rest(&mut self, effects: &mut Effects) {
        while let Some(first) = self.state.settling.take() {
            for key in self.settle_batch(&first, effects) {
                self.settle_object(&key, effects);
            }
        }
    }

    /// Puts a batch in order, from `first` on, and notes where the next one begins; the keys that have
    /// to be looked at again.
    fn settle_batch(&mut self, first: &RecordKey, effects: &mut Effects) -> Vec<Key> {
        let mut names: Vec<RecordKey> =
            self.to_settle(first).take(limits::SETTLE_BATCH + 1).collect();
        if names.len() > limits::SETTLE_BATCH {
            self.state.settling = names.pop();
        }
        let mut again = Vec::new();
        for name in names {
            match name {
                // Who has not answered yet may have to be sent it again: it begins here once more.
                RecordKey::Object(key) if !self.owns(&key) && self.is_being_put(&key) => {
                    again.push(key);
                }
                RecordKey::Object(key) => self.settle_object(&key, effects),
                RecordKey::Hint { home, key } => self.settle_hint(home, &key, effects),
                _ => {}
            }
        }
        again
    }

    /// Whether there is anything to put in order about a record.
    fn is_unsettled(&self, name: &RecordKey) -> bool {
        match name {
            // Who removes tombstones may have changed.
            RecordKey::Object(key) => !self.owns(key) || self.config.failures().reap,
            RecordKey::Hint { home, key } => !self.owners_to_be(key).contains(home),
            _ => false,
        }
    }

    fn settle_object(&mut self, key: &Key, effects: &mut Effects) {
        let name = RecordKey::Object(key.clone());
        let Some(object) = self.load(&name) else { return };
        if self.owns(key) {
            if self.config.failures().reap {
                self.index_tombstone(key, Some(&object), Durability::Durable, effects);
            }
            return;
        }
        let absent = |node: &NodeId| self.membership().is_some_and(|m| m.is_absent(*node));
        let heirs: Vec<NodeId> = self.owners_to_be(key).into_iter().filter(absent).collect();
        for heir in heirs {
            self.merge(Place::Hint(heir), key, &object, Durability::Durable, effects);
        }
        self.index(key, None, Durability::Durable, effects);
        self.store.remove(&name, Durability::Durable);
        self.forget_counter(key, Durability::Durable);
        effects.note(Note::Dropped);
    }

    fn settle_hint(&mut self, home: NodeId, key: &Key, effects: &mut Effects) {
        let owners = self.owners_to_be(key);
        if owners.contains(&home) {
            return;
        }
        let name = RecordKey::Hint { home, key: key.clone() };
        let Some(hint) = self.load(&name) else { return };
        let heirs = match self.config.policy().homeless_hint {
            HomelessHint::Rehomed => owners,
            #[cfg(feature = "museum")]
            HomelessHint::Dropped => BTreeSet::new(),
        };
        for owner in heirs {
            let place = if owner == self.id { Place::Own } else { Place::Hint(owner) };
            self.merge(place, key, &hint, Durability::Durable, effects);
        }
        self.store.remove(&name, Durability::Durable);
        self.forget_counter(key, Durability::Durable);
        effects.note(Note::Rehomed(home));
    }

    /// Whether a put of `key` is under way here.
    fn is_being_put(&self, key: &Key) -> bool {
        let is_it = |pending: &Pending| matches!(pending, Pending::Put(put) if put.key() == key);
        self.state.pending.values().any(is_it)
    }

    /// The owners in the layout that is to stay, to whom something can be given. Whoever leaves does
    /// not wait for those that are declared down.
    fn owners_to_be(&self, key: &Key) -> BTreeSet<NodeId> {
        // Nobody takes anything from a node that is no member any more.
        let is_outside = !self.rings.contains(self.id);
        let moves = self.view().phase == Phase::Moving;
        let owners = self.rings.target().preference_list(key).primaries().iter().copied();
        let is_lost = |owner: &NodeId| is_outside || (moves && self.rings.is_down(*owner));
        owners.filter(|owner| !is_lost(owner)).collect()
    }

    /// A counter goes with the copy that it counts for.
    pub(super) fn forget_counter(&mut self, key: &Key, durability: Durability) {
        let stays = match self.config.policy().dropped_counter {
            DroppedCounter::Forgotten => self.copy(key).is_some(),
            #[cfg(feature = "museum")]
            DroppedCounter::Kept => true,
        };
        if !stays {
            self.store.remove(&RecordKey::Counter(key.clone()), durability);
        }
    }

    /// Whether something that a change has left behind may be left.
    pub fn is_settling(&self) -> bool {
        self.state.settling.is_some()
    }
}

fn first_hint() -> RecordKey {
    RecordKey::Hint { home: NodeId(0), key: Key::default() }
}

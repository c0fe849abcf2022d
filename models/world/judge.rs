//! The properties, each a sentence of design.md's table turned into a few lines over the ghost.

use super::ClusterModel;
use super::client::Answered;
use super::disk::Disk;
use super::ghost::Ghost;
use super::linear::Judge;
use super::plan::Puts;
use super::shown::{Copy, is_outside};
use super::state::{Envelope, State};
use crate::scenario::{Property, Versioning};
use crate::seal::Sealed;
use dynamo_protocol::store::{Record, RecordKey, Store};
use smallvec::SmallVec;

impl ClusterModel {
    /// Whether a put replaces everything, as under last-writer-wins.
    pub(super) fn is_register(&self) -> bool {
        self.scenario().cluster.versioning == Versioning::LastWriterWins
    }

    /// Judges the properties at `after`, one step from `before`.
    pub(super) fn judge(&self, before: &State, after: &mut State, answered: Option<Answered>) {
        after.violated = before.violated;
        let changed = || before.nodes.iter().zip(&after.nodes).filter(|(a, b)| a != b);
        let wrote = changed().any(|(a, b)| !a.disk().untouched_since(b.disk()));
        let left = changed().any(|(a, b)| is_outside(a) != is_outside(b));
        let acknowledged = before.ghost.acknowledged != after.ghost.acknowledged;
        let is_new = |envelope: &Sealed<Envelope>| !before.network.contains(envelope);
        let mut sent = after.network.iter().filter(|envelope| is_new(envelope));
        let sent_an_object = sent.any(|envelope| envelope.message.objects().next().is_some());
        let mut violated = after.violated;
        for property in self.asked().filter(|property| !property.is_about_continuations()) {
            let may_have_changed = match property {
                Property::NoLostWrite | Property::DurableF => wrote || acknowledged,
                // What leaves the network can only mend it.
                Property::UniqueDots => wrote || sent_an_object || violated.has(property),
                Property::NoFalseConcurrency | Property::BoundedSiblings => wrote,
                Property::NoResurrection => wrote || acknowledged || left,
                _ => true,
            };
            if may_have_changed {
                let holds = match property {
                    Property::NoResurrection => self.no_resurrection(before, after),
                    _ => self.holds(property, after, answered.as_ref()),
                };
                violated.judge(property, holds);
            }
        }
        after.violated = violated;
    }

    /// Whether `property` is true at `state`, into which a step led that gave the answer, if any.
    /// One that speaks of continuations is no property of a state: the engine decides it.
    pub(super) fn holds(
        &self,
        property: Property,
        state: &State,
        answered: Option<&Answered>,
    ) -> bool {
        match property {
            Property::NoLostWrite => self.lost(state, 0).is_empty(),
            // Judged step by step: it speaks of what was.
            Property::NoResurrection => true,
            Property::DurableF => self.durable(state),
            Property::UniqueDots => self.unique_dots(state),
            Property::NoFalseConcurrency => self.no_false_concurrency(state),
            Property::BoundedSiblings => self.bounded_siblings(state),
            Property::ReadYourWrites
            | Property::MonotonicReads
            | Property::Regular
            | Property::Linearizable => self.answer_is_right(property, state, answered),
            Property::Converges | Property::AvailableWrites | Property::AvailableReads => true,
        }
    }

    /// The properties about the answer, if any, that this step gave.
    fn answer_is_right(
        &self,
        property: Property,
        state: &State,
        answered: Option<&Answered>,
    ) -> bool {
        let Some(answered) = answered else { return true };
        if property == Property::Linearizable {
            return self.linearizable(state, answered.key);
        }
        let Some(returned) = answered.returned else { return true };
        // A tombstone that was reaped has nothing to show for it.
        let covered = state.ghost.covered_by(returned.with(state.ghost.reaped));
        let covers = |puts: Puts| puts.without(covered).is_empty();
        match property {
            Property::ReadYourWrites => covers(answered.own),
            Property::MonotonicReads => covers(answered.previous),
            Property::Regular => {
                let old = answered.acknowledged.iter();
                let overwritten =
                    old.fold(Puts::default(), |all, put| all.with(state.ghost.overwrote(put)));
                covers(answered.acknowledged) && returned.shared(overwritten).is_empty()
            }
            _ => true,
        }
    }

    fn linearizable(&self, state: &State, key: usize) -> bool {
        let plan = self.plan();
        let step_of = |operation: usize| {
            let clients = 0..plan.clients();
            let client = clients.rev().find(|&c| plan.operation(c, 0) <= operation).unwrap_or(0);
            (client, operation - plan.operation(client, 0))
        };
        let put_of = |operation| {
            let (client, step) = step_of(operation);
            plan.put(client, step)
        };
        let of_key = |operation| {
            let (client, step) = step_of(operation);
            match plan.step(client, step) {
                Some(step) => plan.key(step) == key,
                // The final free read; it is only present when it is of the key just answered.
                None => true,
            }
        };
        let register = self.is_register();
        Judge { ghost: &state.ghost, put_of: &put_of, of_key: &of_key, register }.is_linearizable()
    }

    /// The acknowledged values that are neither in the merge of all disks but those in the set
    /// `removed`, nor covered by something that is, or by a tombstone that was reaped.
    pub fn lost(&self, state: &State, removed: u32) -> Puts {
        (0..self.plan().keys().len()).fold(Puts::default(), |lost, key| {
            let acknowledged = state.ghost.acknowledged.shared(self.plan().puts_of(key));
            let held = self.merged(state, key, removed).with(state.ghost.reaped);
            lost.with(acknowledged.without(state.ghost.covered_by(held)))
        })
    }

    /// What all disks together hold of all keys, hints included.
    pub fn held(&self, state: &State) -> Puts {
        let keys = 0..self.plan().keys().len();
        keys.fold(Puts::default(), |held, key| held.with(self.merged(state, key, 0)))
    }

    /// What was gone stays gone; then keeps in mind what is gone now.
    fn no_resurrection(&self, before: &State, after: &mut State) -> bool {
        let held = self.held(after);
        let acknowledged = after.ghost.acknowledged.iter();
        let overwritten =
            acknowledged.fold(Puts::default(), |all, put| all.with(after.ghost.overwrote(put)));
        after.ghost.gone = before.ghost.gone.with(overwritten.without(held));
        before.ghost.gone.shared(held).is_empty()
    }

    /// Notes the tombstones that a step has removed from a disk.
    pub(super) fn count_reaped(&self, ghost: &mut Ghost, before: &Disk, after: &Disk) {
        if !self.config().failures().reap || before.untouched_since(after) {
            return;
        }
        for (name, record) in before.records() {
            if let (RecordKey::Object(_), Record::Object(object)) = (name, record)
                && after.get(name).is_none()
            {
                let tombstones = object.siblings().filter(|written| written.value.is_none());
                ghost.reaped = ghost.reaped.with(self.puts(tombstones.map(|written| written.by)));
            }
        }
    }

    /// `no-lost-write` of what is left when any `f` disks vanish.
    fn durable(&self, state: &State) -> bool {
        self.removals(state).all(|removed| self.lost(state, removed).is_empty())
    }

    /// Every set of `f` disks.
    pub fn removals(&self, state: &State) -> impl Iterator<Item = u32> {
        let f = u32::from(self.scenario().f).min(state.nodes.len() as u32);
        (0..1u32 << state.nodes.len()).filter(move |set| set.count_ones() == f)
    }

    /// One dot never names two values, on disks or in flight.
    fn unique_dots(&self, state: &State) -> bool {
        let mut named: SmallVec<[Option<usize>; 16]> = SmallVec::new();
        self.all_dots(state).all(|(dot, put)| {
            if named.len() <= dot {
                named.resize(dot + 1, None);
            }
            *named[dot].get_or_insert(put) == put
        })
    }

    /// No copy holds two siblings where one covers the other, be they of the same put.
    fn no_false_concurrency(&self, state: &State) -> bool {
        let is_right = |copy: &Copy| {
            copy.siblings == copy.held.len() && !state.ghost.has_order_within(copy.held)
        };
        self.disks(state).all(|disk| disk.copies.iter().all(is_right))
    }

    /// No copy holds more siblings than there are truly concurrent puts.
    fn bounded_siblings(&self, state: &State) -> bool {
        let most = |key| state.ghost.most_concurrent(self.plan().puts_of(key));
        let is_bounded = |copy: &Copy| copy.siblings < 2 || copy.siblings <= most(copy.key);
        self.disks(state).all(|disk| disk.copies.iter().all(is_bounded))
    }
}

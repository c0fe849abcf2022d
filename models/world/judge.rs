//! The properties, each a sentence of design.md's table turned into a few lines over the ghost.

use super::ClusterModel;
use super::client::Answered;
use super::disk::Disk;
use super::ghost::Ghost;
use super::linear::Judge;
use super::plan::Puts;
use super::shown::{Copy, Disks, is_outside};
use super::state::{Envelope, State, Violated};
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
        let acknowledged = before.run.ghost.acknowledged != after.run.ghost.acknowledged;
        let is_new = |envelope: &Sealed<Envelope>| !before.network.contains(envelope);
        let mut objects = after.network.iter().filter(|envelope| carries_objects(envelope));
        let sent_an_object = objects.any(is_new);
        let mut violated = after.violated;
        let mut stores = None;
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
                    _ if of_stores(property) => {
                        !stores.get_or_insert_with(|| self.false_of_stores(after)).has(property)
                    }
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
            _ if of_stores(property) => !self.false_of_stores(state).has(property),
            Property::UniqueDots => self.unique_dots(state),
            Property::ReadYourWrites
            | Property::MonotonicReads
            | Property::Regular
            | Property::Linearizable => self.answer_is_right(property, state, answered),
            // Judged step by step, as it speaks of what was; or by the engine.
            _ => true,
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
        let covered = state.run.ghost.covered_by(returned.with(state.run.ghost.reaped));
        let covers = |puts: Puts| puts.without(covered).is_empty();
        match property {
            Property::ReadYourWrites => covers(answered.own),
            Property::MonotonicReads => covers(answered.previous),
            Property::Regular => {
                let old = answered.acknowledged.iter();
                let overwritten =
                    old.fold(Puts::default(), |all, put| all.with(state.run.ghost.overwrote(put)));
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
        Judge { ghost: &state.run.ghost, put_of: &put_of, of_key: &of_key, register }
            .is_linearizable()
    }

    /// Those of these properties that are false at a state.
    fn false_of_stores(&self, state: &State) -> Violated {
        let (disks, ghost) = (&self.disks(state), &state.run.ghost);
        self.stores(disks, ghost, || {
            let durable =
                self.removals(state).all(|set| self.lost_by(disks, ghost, set).is_empty());
            let lost = self.lost_by(disks, ghost, 0);
            let mut violated = Violated::default();
            violated.judge(Property::NoLostWrite, lost.is_empty());
            violated.judge(Property::DurableF, durable);
            violated.judge(Property::NoFalseConcurrency, no_false_concurrency(disks, ghost));
            violated.judge(Property::BoundedSiblings, self.bounded_siblings(disks, ghost));
            violated
        })
    }

    /// The acknowledged values that are neither in the merge of all disks but those in the set
    /// `removed`, nor covered by something that is, or by a tombstone that was reaped.
    pub fn lost(&self, state: &State, removed: u32) -> Puts {
        self.lost_by(&self.disks(state), &state.run.ghost, removed)
    }

    fn lost_by(&self, disks: &Disks, ghost: &Ghost, removed: u32) -> Puts {
        let held = self.held_by(disks, removed).with(ghost.reaped);
        ghost.acknowledged.without(ghost.covered_by(held))
    }

    /// What all disks together hold of all keys, hints included.
    pub fn held(&self, state: &State) -> Puts {
        self.held_by(&self.disks(state), 0)
    }

    /// What was gone stays gone; then keeps in mind what is gone now.
    fn no_resurrection(&self, before: &State, after: &mut State) -> bool {
        let held = self.held(after);
        let acknowledged = after.run.ghost.acknowledged.iter();
        let overwritten =
            acknowledged.fold(Puts::default(), |all, put| all.with(after.run.ghost.overwrote(put)));
        let gone = before.run.ghost.gone.with(overwritten.without(held));
        if gone != after.run.ghost.gone {
            after.run.ghost.gone = gone;
        }
        before.run.ghost.gone.shared(held).is_empty()
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

    /// Every set of `f` disks.
    pub fn removals(&self, state: &State) -> impl Iterator<Item = u32> {
        let f = u32::from(self.scenario().f).min(state.nodes.len() as u32);
        (0..1u32 << state.nodes.len()).filter(move |set| set.count_ones() == f)
    }

    /// One dot never names two values, on disks or in flight.
    fn unique_dots(&self, state: &State) -> bool {
        let mut named: SmallVec<[Option<usize>; 16]> = SmallVec::new();
        let carriers = state.network.iter().filter(|envelope| carries_objects(envelope));
        let in_flight = carriers.map(|envelope| self.in_flight(envelope));
        self.disks(state).into_iter().chain(in_flight).all(|shown| {
            shown.dots.iter().all(|&(dot, put)| {
                if named.len() <= dot {
                    named.resize(dot + 1, None);
                }
                *named[dot].get_or_insert(put) == put
            })
        })
    }

    /// No copy holds more siblings than there are truly concurrent puts.
    fn bounded_siblings(&self, disks: &Disks, ghost: &Ghost) -> bool {
        let most = |key| ghost.most_concurrent(self.plan().puts_of(key));
        let is_bounded = |copy: &Copy| copy.siblings < 2 || copy.siblings <= most(copy.key);
        disks.iter().all(|disk| disk.copies.iter().all(is_bounded))
    }
}

/// No copy holds two siblings where one covers the other, be they of the same put.
fn no_false_concurrency(disks: &Disks, ghost: &Ghost) -> bool {
    let is_right =
        |copy: &Copy| copy.siblings == copy.held.len() && !ghost.has_order_within(copy.held);
    disks.iter().all(|disk| disk.copies.iter().all(is_right))
}

/// Whether a property speaks of nothing but what the disks hold and what truly happened.
fn of_stores(property: Property) -> bool {
    matches!(
        property,
        Property::NoLostWrite
            | Property::NoFalseConcurrency
            | Property::BoundedSiblings
            | Property::DurableF
    )
}

/// Whether a message carries objects.
fn carries_objects(envelope: &Envelope) -> bool {
    envelope.message.objects().next().is_some()
}

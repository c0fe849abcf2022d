//! The properties, each a sentence of design.md's table turned into a few lines over the ghost.

use super::ClusterModel;
use super::client::Answered;
use super::disk::Disk;
use super::ghost::Ghost;
use super::linear::Judge;
use super::plan::Puts;
use super::shown::{Copy, Disks, Dot, is_outside};
use super::state::{Envelope, Host, State, Violated};
use crate::scenario::{Property, Subject, Versioning};
use crate::seal::Sealed;
use dynamo_protocol::store::{Record, RecordKey, Store};
use smallvec::SmallVec;

impl ClusterModel {
    /// Whether a put replaces everything, as under last-writer-wins.
    pub(super) fn is_register(&self) -> bool {
        self.scenario().cluster.versioning == Versioning::LastWriterWins
    }

    /// Judges what only the step from `before` to `after` can tell: the answer that it gave, if any,
    /// and what has come back.
    pub(super) fn judge_step(&self, before: &State, after: &mut State, answered: Option<Answered>) {
        const ANSWER: Violated = Violated::all_of(Subject::Answer);
        after.violated = before.violated.without(ANSWER);
        if let Some(answered) = answered {
            self.judge_answer(after, &answered);
        }
        if self.asked().any(|property| property == Property::NoResurrection)
            && may_lose(before, after)
        {
            let holds = self.no_resurrection(before, after);
            after.violated.judge(Property::NoResurrection, holds);
        }
    }

    /// Judges what disks and messages decide at `after`, one step from `before`, as far as the step
    /// can have changed it.
    pub(super) fn judge_stores(&self, before: &State, after: &mut State) {
        let (wrote, may_lose) = (has_written(before, after), may_lose(before, after));
        let may_have_changed = |property: &Property| match property {
            Property::NoLostWrite | Property::DurableF => may_lose,
            // What leaves the network can only mend it.
            Property::UniqueDots => {
                wrote || has_sent_objects(before, after) || before.violated.has(*property)
            }
            Property::NoFalseConcurrency | Property::BoundedSiblings => wrote,
            _ => false,
        };
        let changed: SmallVec<[Property; 8]> = self.asked().filter(may_have_changed).collect();
        if !changed.is_empty() {
            self.judge_anew(after, changed);
        }
    }

    /// Judges these properties of stores.
    pub(super) fn judge_anew(
        &self,
        state: &mut State,
        properties: impl IntoIterator<Item = Property>,
    ) {
        let (disks, mut stores) = (self.disks(state), None);
        for property in properties {
            let holds = match property {
                Property::UniqueDots => self.unique_dots(state, &disks),
                _ => {
                    let judge = || self.false_of_stores(state, &disks);
                    !stores.get_or_insert_with(judge).has(property)
                }
            };
            state.violated.judge(property, holds);
        }
    }

    /// Judges the answer that the step into a state gave.
    pub(super) fn judge_answer(&self, state: &mut State, answered: &Answered) {
        for property in self.asked().filter(|asked| asked.subject() == Subject::Answer) {
            let holds = self.answer_is_right(property, state, answered);
            state.violated.judge(property, holds);
        }
    }

    pub(super) fn answer_is_right(
        &self,
        property: Property,
        state: &State,
        answered: &Answered,
    ) -> bool {
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

    /// The properties that speak of nothing but disks and what truly happened, and are false.
    fn false_of_stores(&self, state: &State, disks: &Disks) -> Violated {
        let ghost = &state.run.ghost;
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
    fn unique_dots(&self, state: &State, disks: &Disks) -> bool {
        let mut named: SmallVec<[Option<usize>; 16]> = SmallVec::new();
        let mut agree = |dots: &[(Dot, usize)]| {
            dots.iter().all(|&(dot, put)| {
                if named.len() <= dot {
                    named.resize(dot + 1, None);
                }
                *named[dot].get_or_insert(put) == put
            })
        };
        let mut carriers = state.network.iter().filter(|envelope| carries_objects(envelope));
        disks.iter().all(|disk| agree(&disk.dots))
            && carriers.all(|envelope| self.in_flight(envelope, &mut agree))
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

/// Whether a step has written to a disk.
fn has_written(before: &State, after: &State) -> bool {
    changed(before, after).any(|(a, b)| !a.disk().untouched_since(b.disk()))
}

/// Whether a step can have lost what was there, or brought back what was gone.
fn may_lose(before: &State, after: &State) -> bool {
    has_written(before, after)
        || changed(before, after).any(|(a, b)| is_outside(a) != is_outside(b))
        || before.run.ghost.acknowledged != after.run.ghost.acknowledged
}

fn changed<'a>(
    before: &'a State,
    after: &'a State,
) -> impl Iterator<Item = (&'a Sealed<Host>, &'a Sealed<Host>)> {
    before.nodes.iter().zip(&after.nodes).filter(|(a, b)| !a.is(b))
}

/// Whether objects are in flight that were not before.
fn has_sent_objects(before: &State, after: &State) -> bool {
    let is_new = |sent: &&Sealed<Envelope>| !before.network.iter().any(|old| old.is(sent));
    after.network.iter().filter(is_new).any(|envelope| carries_objects(envelope))
}

/// Whether a message carries objects.
fn carries_objects(envelope: &Envelope) -> bool {
    envelope.message.objects().next().is_some()
}

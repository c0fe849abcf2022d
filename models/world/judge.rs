//! The properties, each a sentence of design.md's table turned into a few lines over the ghost.

use super::ClusterModel;
use super::client::Answered;
use super::linear::Judge;
use super::plan::Puts;
use super::state::State;
use crate::scenario::{Property, Versioning};
use dynamo_protocol::message::Message;
use dynamo_protocol::store::{Record, RecordKey, Store};
use dynamo_protocol::versions::Object;
use std::collections::BTreeMap;

impl ClusterModel {
    /// Whether a put replaces everything, as under last-writer-wins.
    pub(super) fn is_register(&self) -> bool {
        self.scenario().cluster.versioning == Versioning::LastWriterWins
    }

    /// Judges the properties at `after`, one step from `before`.
    pub(super) fn judge(&self, before: &State, after: &mut State, answered: Option<Answered>) {
        after.violated = before.violated;
        let disks = before.nodes.iter().zip(&after.nodes);
        let wrote = disks.into_iter().any(|(a, b)| !a.disk().untouched_since(b.disk()));
        let acknowledged = before.ghost.acknowledged != after.ghost.acknowledged;
        let sent = before.network != after.network;
        let mut violated = after.violated;
        for property in self.asked() {
            let may_have_changed = match property {
                Property::NoLostWrite | Property::DurableF => wrote || acknowledged,
                Property::UniqueDots => wrote || sent,
                Property::NoFalseConcurrency | Property::BoundedSiblings => wrote,
                _ => true,
            };
            if may_have_changed {
                violated.judge(property, self.holds(property, after, answered.as_ref()));
            }
        }
        after.violated = violated;
    }

    /// Whether `property` is true at `state`, into which a step led that gave the answer, if any.
    pub(super) fn holds(
        &self,
        property: Property,
        state: &State,
        answered: Option<&Answered>,
    ) -> bool {
        match property {
            Property::NoLostWrite => self.no_lost_write(state, 0),
            Property::DurableF => self.durable(state),
            Property::UniqueDots => self.unique_dots(state),
            Property::NoFalseConcurrency => self.no_false_concurrency(state),
            Property::BoundedSiblings => self.bounded_siblings(state),
            Property::ReadYourWrites
            | Property::MonotonicReads
            | Property::Regular
            | Property::Linearizable => self.answer_is_right(property, state, answered),
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
        let covered = state.ghost.covered_by(returned);
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

    /// Every acknowledged value is in the merge of all disks but those in the set `removed`, or is
    /// covered by something that is.
    fn no_lost_write(&self, state: &State, removed: u32) -> bool {
        (0..self.plan().keys().len()).all(|key| {
            let acknowledged = state.ghost.acknowledged.shared(self.plan().puts_of(key));
            let name = RecordKey::Object(self.plan().keys()[key].clone());
            let left = state.nodes.iter().enumerate().filter(|(node, _)| removed >> node & 1 == 0);
            let copies = left.filter_map(|(_, host)| match host.disk().get(&name) {
                Some(Record::Object(object)) => Some(object),
                _ => None,
            });
            let merged = copies.reduce(|a, b| a.merge(&b));
            let held = merged.map_or(Puts::default(), |object| self.puts_in(&object));
            acknowledged.without(state.ghost.covered_by(held)).is_empty()
        })
    }

    /// `no-lost-write` of what is left when any `f` disks vanish.
    fn durable(&self, state: &State) -> bool {
        let f = u32::from(self.scenario().f);
        let subsets = 0..1u32 << state.nodes.len();
        subsets
            .filter(|set| set.count_ones() == f.min(state.nodes.len() as u32))
            .all(|set| self.no_lost_write(state, set))
    }

    /// One dot never names two values, on disks or in flight.
    fn unique_dots(&self, state: &State) -> bool {
        let mut named: BTreeMap<(usize, String), usize> = BTreeMap::new();
        let mut unique = |key: usize, object: &Object| {
            object.versions().into_iter().all(|(dot, written)| {
                let put = self.plan().put_of_request(written.by);
                put.is_none_or(|put| *named.entry((key, dot)).or_insert(put) == put)
            })
        };
        let place = |key| self.plan().keys().iter().position(|k| k == key).unwrap_or(0);
        for host in &state.nodes {
            for (name, record) in host.disk().records() {
                if let (RecordKey::Object(key), Record::Object(object)) = (name, record)
                    && !unique(place(key), object)
                {
                    return false;
                }
            }
        }
        state.network.iter().all(|envelope| match &envelope.message {
            Message::Replicate { key, object, .. }
            | Message::Confirm { key, object, .. }
            | Message::Repair { key, object } => unique(place(key), object),
            _ => true,
        })
    }

    /// No copy holds two siblings where one covers the other.
    fn no_false_concurrency(&self, state: &State) -> bool {
        self.copies(state).all(|(_, held)| !state.ghost.has_order_within(held))
    }

    /// No copy holds more siblings than there are truly concurrent puts.
    fn bounded_siblings(&self, state: &State) -> bool {
        self.copies(state).all(|(key, held)| {
            held.len() < 2 || held.len() <= state.ghost.most_concurrent(self.plan().puts_of(key))
        })
    }

    /// What each disk holds of each key.
    fn copies<'a>(&'a self, state: &'a State) -> impl Iterator<Item = (usize, Puts)> + 'a {
        let records = state.nodes.iter().flat_map(|host| host.disk().records());
        records.filter_map(|(name, record)| match (name, record) {
            (RecordKey::Object(key), Record::Object(object)) => {
                let place = self.plan().keys().iter().position(|k| k == key)?;
                Some((place, self.puts_in(object)))
            }
            _ => None,
        })
    }

    /// The puts whose values or tombstones an object holds.
    fn puts_in(&self, object: &Object) -> Puts {
        let puts = object.siblings().filter_map(|w| self.plan().put_of_request(w.by));
        puts.fold(Puts::default(), |set, put| set.with(Puts::one(put)))
    }
}

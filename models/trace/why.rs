//! Why a property is false at the end of a trace, where that is easily said.

use super::{Event, Step, Trace};
use crate::scenario::Property;
use crate::world::{Action, Puts, State};
use dynamo_protocol::store::{Record, RecordKey};

impl Trace {
    /// What the nodes hold at the end, what was acknowledged, and why the property is false.
    pub fn summary(&self) -> Vec<String> {
        let last = self.last();
        let mut lines: Vec<String> = (0..self.nodes()).map(|node| holdings(last, node)).collect();
        let acknowledged = self.names(last.run.ghost.acknowledged);
        let acknowledged = if acknowledged.is_empty() { "nothing" } else { &acknowledged };
        lines.push(format!("acknowledged: {acknowledged}"));
        lines.extend(self.why().map(|why| format!("because {why}")));
        lines
    }

    /// Why the property is false at the end, if that is easily said.
    pub fn why(&self) -> Option<String> {
        let property = self.property.filter(|_| self.refutes())?;
        match property {
            Property::NoLostWrite => {
                let lost = self.names(self.model.lost(self.last(), 0));
                Some(format!("{lost} was acknowledged, and all copies together do not cover it"))
            }
            Property::DurableF => {
                let lost = |removed| self.model.lost(self.last(), removed);
                let mut removals = self.model.removals(self.last());
                let removed = removals.find(|&removed| !lost(removed).is_empty())?;
                let gone = (0..self.nodes()).filter(|node| removed >> node & 1 == 1);
                let gone: Vec<String> = gone.map(|node| format!("n{node}")).collect();
                let lost = self.names(lost(removed));
                Some(format!("without {} all copies together do not cover {lost}", gone.join(", ")))
            }
            Property::NoResurrection => {
                let gone = self.before(self.steps.len().checked_sub(1)?).run.ghost.gone;
                let back = self.names(gone.shared(self.model.held(self.last())));
                Some(format!("{back} was overwritten and gone, and is back"))
            }
            Property::Converges | Property::AvailableWrites | Property::AvailableReads => {
                self.ahead().map(str::to_string)
            }
            _ => self.steps.last().and_then(|step| self.wrong_answer(property, step)),
        }
    }

    /// What is wrong with the answer that `step`, the last one, gave.
    fn wrong_answer(&self, property: Property, step: &Step) -> Option<String> {
        let (client, answer) = step.events.iter().find_map(|event| match event {
            Event::Answers { client, answer, .. } => Some((*client, answer)),
            _ => None,
        })?;
        let before = self.before(self.steps.len() - 1);
        let key = self.key_read(before, client, &step.action)?;
        let returned = self.model.returned(answer);
        let covered = step.after.run.ghost.covered_by(returned);
        let memory =
            before.run.clients[client].memory.get(&(key as u8)).cloned().unwrap_or_default();
        let missing =
            |puts: Puts| Some(self.names(puts.without(covered))).filter(|names| !names.is_empty());
        match property {
            Property::ReadYourWrites => missing(memory.own)
                .map(|names| format!("c{client} was told earlier that its {names} is stored")),
            Property::MonotonicReads => {
                missing(memory.read).map(|names| format!("c{client} had read {names} before"))
            }
            Property::Regular => {
                let waiting = before.run.clients[client].waiting.as_ref();
                let of_key = self.model.plan().puts_of(key);
                let now = before.run.ghost.acknowledged.shared(of_key);
                let acknowledged = waiting.map_or(now, |waiting| waiting.acknowledged);
                let ghost = &step.after.run.ghost;
                let overwrote = |all: Puts, put| all.with(ghost.overwrote(put));
                let old = acknowledged.iter().fold(Puts::default(), overwrote).shared(returned);
                missing(acknowledged)
                    .map(|names| format!("{names} was acknowledged before the get began"))
                    .or_else(|| Some(format!("{} had been overwritten before", self.names(old))))
            }
            _ => None,
        }
    }

    /// The key that a client has just read, by its place in the plan.
    fn key_read(&self, before: &State, client: usize, action: &Action) -> Option<usize> {
        let plan = self.model.plan();
        let script = &before.run.clients[client];
        match (&script.waiting, action) {
            (Some(waiting), _) => Some(usize::from(waiting.key)),
            (None, Action::FinalRead { key, .. }) => plan.keys().iter().position(|k| k == key),
            (None, _) => Some(plan.key(plan.step(client, usize::from(script.done))?)),
        }
    }

    fn names(&self, puts: Puts) -> String {
        let names: Vec<String> = puts.iter().map(|put| self.model.plan().put_name(put)).collect();
        names.join(", ")
    }
}

/// What a node holds: `n0 holds k = v1 {n0:1}`, and what it keeps for others.
fn holdings(state: &State, node: usize) -> String {
    let host = &state.nodes[node];
    let copies = host.disk().records().filter_map(|(name, record)| match (name, record) {
        (RecordKey::Object(key), Record::Object(object)) => Some(format!("{key} = {object}")),
        (RecordKey::Hint { home, key }, Record::Object(object)) => {
            Some(format!("for {home}: {key} = {object}"))
        }
        _ => None,
    });
    let copies: Vec<String> = copies.collect();
    let copies = if copies.is_empty() { "nothing".into() } else { copies.join("; ") };
    let down = if host.up().is_none() { " (down)" } else { "" };
    format!("n{node}{down} holds {copies}")
}

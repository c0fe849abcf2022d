//! Why a property is false at the end of a trace, where that is easily said.

use super::{Event, Step, Trace};
use crate::scenario::Property;
use crate::world::{Action, Puts, State};
use dynamo_protocol::message::Answer;
use dynamo_protocol::store::{Record, RecordKey};

impl Trace {
    /// What the nodes hold at the end, what was acknowledged, and why the property is false.
    pub fn summary(&self) -> Vec<String> {
        let last = self.last();
        let mut lines: Vec<String> = (0..self.nodes()).map(|node| holdings(last, node)).collect();
        let acknowledged = self.names(last.ghost.acknowledged);
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
                let ghost = &self.last().ghost;
                let held = self.held(self.last());
                let lost = self.names(ghost.acknowledged.without(ghost.covered_by(held)));
                Some(format!("{lost} was acknowledged, and no node holds it or what covers it"))
            }
            _ => self.steps.last().and_then(|step| self.wrong_answer(property, step)),
        }
    }

    /// What is wrong with the answer that `step`, the last one, gave.
    fn wrong_answer(&self, property: Property, step: &Step) -> Option<String> {
        let (id, answer) = step.events.iter().find_map(|event| match event {
            Event::Answers { client, answer, .. } => Some((*client, answer)),
            _ => None,
        })?;
        let before = self.before(self.steps.len() - 1);
        let client = before.client_index(id)?;
        let key = self.key_read(before, client, &step.action)?;
        let returned = self.returned(answer)?;
        let covered = step.after.ghost.covered_by(returned);
        let memory = before.clients[client].memory.get(&(key as u8)).cloned().unwrap_or_default();
        let missing =
            |puts: Puts| Some(self.names(puts.without(covered))).filter(|names| !names.is_empty());
        match property {
            Property::ReadYourWrites => missing(memory.own)
                .map(|names| format!("{id} was told earlier that its {names} is stored")),
            Property::MonotonicReads => {
                missing(memory.read).map(|names| format!("{id} had read {names} before"))
            }
            Property::Regular => {
                let waiting = before.clients[client].waiting.as_ref();
                let of_key = self.model.plan().puts_of(key);
                let now = before.ghost.acknowledged.shared(of_key);
                let acknowledged = waiting.map_or(now, |waiting| waiting.acknowledged);
                missing(acknowledged)
                    .map(|names| format!("{names} was acknowledged before the get began"))
            }
            _ => None,
        }
    }

    /// The key that a client has just read, by its place in the plan.
    fn key_read(&self, before: &State, client: usize, action: &Action) -> Option<usize> {
        let plan = self.model.plan();
        let script = &before.clients[client];
        match (&script.waiting, action) {
            (Some(waiting), _) => Some(usize::from(waiting.key)),
            (None, Action::FinalRead { key, .. }) => plan.keys().iter().position(|k| k == key),
            (None, _) => Some(plan.key(plan.step(client, usize::from(script.done))?)),
        }
    }

    /// The puts that an answer shows; none if it answers no get.
    fn returned(&self, answer: &Answer) -> Option<Puts> {
        let puts: Vec<_> = match answer {
            Answer::Found { siblings, .. } => siblings.iter().map(|written| written.by).collect(),
            Answer::NotFound { deletes, .. } => deletes.clone(),
            _ => return None,
        };
        let puts = puts.into_iter().filter_map(|id| self.model.plan().put_of_request(id));
        Some(puts.fold(Puts::default(), |set, put| set.with(Puts::one(put))))
    }

    /// All that some node holds.
    fn held(&self, state: &State) -> Puts {
        let records = state.nodes.iter().flat_map(|host| host.disk().records());
        let objects = records.filter_map(|(_, record)| match record {
            Record::Object(object) => Some(object),
            _ => None,
        });
        objects
            .flat_map(|object| object.siblings())
            .filter_map(|written| self.model.plan().put_of_request(written.by))
            .fold(Puts::default(), |set, put| set.with(Puts::one(put)))
    }

    fn names(&self, puts: Puts) -> String {
        let names: Vec<String> = puts.iter().map(|put| self.model.plan().put_name(put)).collect();
        names.join(", ")
    }
}

/// What a node holds: `n0 holds k = v1 {n0:1}`.
fn holdings(state: &State, node: usize) -> String {
    let host = &state.nodes[node];
    let copies = host.disk().records().filter_map(|(name, record)| match (name, record) {
        (RecordKey::Object(key), Record::Object(object)) => Some(format!("{key} = {object}")),
        _ => None,
    });
    let copies: Vec<String> = copies.collect();
    let copies = if copies.is_empty() { "nothing".into() } else { copies.join("; ") };
    let down = if host.up().is_none() { " (down)" } else { "" };
    format!("n{node}{down} holds {copies}")
}

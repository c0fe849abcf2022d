//! Clients: a call and its handling are one step, and so are an answer and its receipt.

use super::ClusterModel;
use super::action::Action;
use super::ghost::Phase;
use super::memo::Event;
use super::plan::{Puts, request_id};
use super::state::{Client, Memory, State, Waiting};
use crate::scenario::Op;
use crate::seal::Sealed;
use dynamo_protocol::ids::{Key, NodeId, RequestId};
use dynamo_protocol::message::{Answer, Operation, Request};

/// What a step's answer is judged by.
pub(super) struct Answered {
    /// The key, by its place in the plan.
    pub(super) key: usize,
    /// What the get returned; none for puts and for gets without an answer.
    pub(super) returned: Option<Puts>,
    /// The puts of the key acknowledged before the get began.
    pub(super) acknowledged: Puts,
    /// The client's own acknowledged puts of the key in this session.
    pub(super) own: Puts,
    /// What its previous get of the key in this session returned.
    pub(super) previous: Puts,
}

impl ClusterModel {
    pub(super) fn client_actions(&self, state: &State, actions: &mut Vec<Action>) {
        for client in 0..self.plan().clients() {
            self.calls(state, client, actions);
            let open = state.run.clients[client].waiting.as_ref();
            if let Some(waiting) = open.filter(|_| self.is_lost(state, client)) {
                actions.push(Action::GiveUp { client, node: waiting.node });
            }
        }
        self.final_reads(state, actions);
    }

    /// The calls that a client can make: its next step, at the node that the step pins or at any.
    fn calls(&self, state: &State, client: usize, actions: &mut Vec<Action>) {
        let script = &state.run.clients[client];
        let step = usize::from(script.done);
        let Some(next) = self.plan().step(client, step) else { return };
        if script.waiting.is_some() || !self.may_start(state, client) {
            return;
        }
        let pinned = |node: &u8| next.contact.is_none_or(|contact| contact == *node);
        let what = self.request(state, client, step).to_string();
        let nodes = (0..self.scenario().cluster.nodes).filter(pinned).map(|id| NodeId(id.into()));
        for node in nodes.filter(|node| state.up(*node).is_some()) {
            actions.push(Action::Call { client, node, what: what.clone() });
        }
    }

    /// When the scripts have ended and the network is empty: one read of any key through any node.
    fn final_reads(&self, state: &State, actions: &mut Vec<Action>) {
        let reader = &state.run.clients[self.plan().clients()];
        let unused = reader.done == 0 && reader.waiting.is_none();
        if !unused || !self.has_ended(state) {
            return;
        }
        for key in self.plan().keys() {
            for node in state.nodes.iter().filter_map(|host| host.up()) {
                actions.push(Action::FinalRead { key: key.clone(), node: node.id() });
            }
        }
    }

    /// Whether all scripts have ended, and nothing is in flight.
    pub fn has_ended(&self, state: &State) -> bool {
        let mut clients = 0..self.plan().clients();
        clients.all(|client| self.has_finished(state, client)) && state.network.is_empty()
    }

    /// Whether the node that a client waits for has lost its request.
    fn is_lost(&self, state: &State, client: usize) -> bool {
        let script = &state.run.clients[client];
        let id = request_id(client, script.session, usize::from(script.done));
        let waits =
            |waiting: &Waiting| state.up(waiting.node).is_some_and(|node| node.is_pending(id));
        script.waiting.as_ref().is_some_and(|waiting| !waits(waiting))
    }

    /// A client's next request.
    pub(super) fn request(&self, state: &State, client: usize, step: usize) -> Request {
        let id = request_id(client, state.run.clients[client].session, step);
        let Some(next) = self.plan().step(client, step) else {
            unreachable!("calls are only offered for steps that exist")
        };
        let index = self.plan().key(next);
        let key = self.plan().keys()[index].clone();
        let memory = state.run.clients[client].memory.get(&(index as u8));
        let context = match next.op {
            Op::Get | Op::PutBlind => None,
            Op::Put | Op::Delete => memory.and_then(|memory| memory.context.clone()),
        };
        let operation = match self.plan().put(client, step) {
            None => Operation::Get,
            Some(put) => Operation::Put { context, value: self.plan().value(put) },
        };
        Request { id, key, operation, quorum: next.quorum.map(super::quorum) }
    }

    pub(super) fn call(&self, state: &mut State, client: usize, node: NodeId) -> (NodeId, Event) {
        let step = usize::from(state.run.clients[client].done);
        let request = self.request(state, client, step);
        self.begin(state, client, step, node);
        self.ask(state, node, request)
    }

    /// A client's step is called at `node`.
    pub(super) fn begin(&self, state: &mut State, client: usize, step: usize, node: NodeId) {
        let key = self.plan().step(client, step).map_or(0, |next| self.plan().key(next));
        match self.plan().put(client, step) {
            Some(put) => self.begin_put(state, client, step, node, key, put),
            None => self.begin_get(state, client, step, node, key),
        }
    }

    pub(super) fn final_read(&self, state: &mut State, key: &Key, node: NodeId) -> (NodeId, Event) {
        let reader = self.plan().clients();
        let index = self.plan().keys().iter().position(|k| k == key).unwrap_or(0);
        self.begin_get(state, reader, 0, node, index);
        let request = Request {
            id: request_id(reader, 0, 0),
            key: key.clone(),
            operation: Operation::Get,
            quorum: None,
        };
        self.ask(state, node, request)
    }

    fn ask(&self, state: &State, node: NodeId, request: Request) -> (NodeId, Event) {
        (node, Event::Request(request, self.ambient(state, node)))
    }

    fn begin_put(
        &self,
        state: &mut State,
        client: usize,
        step: usize,
        node: NodeId,
        key: usize,
        put: usize,
    ) {
        let blind = self.plan().step(client, step).is_some_and(|s| s.op == Op::PutBlind);
        let memory = state.run.clients[client].memory.get(&(key as u8)).filter(|_| !blind);
        let mut read = memory.map_or(Puts::default(), |memory| memory.read);
        if self.is_register() {
            read = read.with(state.run.ghost.acknowledged.shared(self.plan().puts_of(key)));
        }
        let acknowledged = Puts::default();
        let waiting = Waiting { node, key: key as u8, acknowledged };
        state.run.clients[client].waiting = Some(waiting);
        state.run.ghost.call(put, read);
        state.run.ghost.begin(self.plan().operation(client, step), Phase::Maybe);
    }

    fn begin_get(&self, state: &mut State, client: usize, step: usize, node: NodeId, key: usize) {
        let acknowledged = state.run.ghost.acknowledged.shared(self.plan().puts_of(key));
        let waiting = Waiting { node, key: key as u8, acknowledged };
        state.run.clients[client].waiting = Some(waiting);
        state.run.ghost.begin(self.plan().operation(client, step), Phase::Absent);
    }

    /// A client receives its answer.
    pub(super) fn answer(
        &self,
        state: &mut State,
        id: RequestId,
        answer: &Answer,
    ) -> Option<Answered> {
        let client = state.client_index(id.client)?;
        let mut script = (*state.run.clients[client]).clone();
        let step = usize::from(script.done);
        if id != request_id(client, script.session, step) {
            return None;
        }
        let waiting = script.waiting.take()?;
        let operation = self.plan().operation(client, step);
        let key = waiting.key;
        script.done += 1;
        let mut memory = script.memory.remove(&key).unwrap_or_default();
        let mut answered = Answered {
            key: usize::from(key),
            returned: None,
            acknowledged: waiting.acknowledged,
            own: memory.own,
            previous: memory.read,
        };
        let put = self.plan().put(client, step);
        let ends_session = self.plan().ends_session(client, step, answer);
        let returned = self.returned(answer);
        match (answer, put) {
            (Answer::Stored { .. }, Some(put)) => {
                memory.own = memory.own.with(Puts::one(put));
                state.run.ghost.acknowledged = state.run.ghost.acknowledged.with(Puts::one(put));
                state.run.ghost.end(operation, Phase::Stored);
            }
            (Answer::Found { context, .. } | Answer::NotFound { context, .. }, None) => {
                memory.read = returned;
                memory.context = Some(context.clone());
                answered.returned = Some(returned);
                state.run.ghost.end(operation, Phase::Returned(returned));
            }
            (Answer::Refused(_), Some(_)) => state.run.ghost.end(operation, Phase::Absent),
            _ => {}
        }
        if ends_session {
            new_session(&mut script);
        } else if !self.forget(client, step + 1, key, &mut memory) {
            script.memory.insert(key, memory);
        }
        script.memory.retain(|&key, memory| !self.forget(client, step + 1, key, memory));
        state.run.clients[client] = Sealed::new(script);
        Some(answered)
    }

    /// A client goes on without an answer, as a new session.
    pub(super) fn give_up(&self, state: &mut State, client: usize) {
        let script = &mut *state.run.clients[client];
        script.waiting = None;
        script.done += 1;
        new_session(script);
    }

    /// The puts whose values or deletes the answer to a get shows; none if it answers no get.
    pub fn returned(&self, answer: &Answer) -> Puts {
        match answer {
            Answer::Found { siblings, .. } => self.puts(siblings.iter().map(|written| written.by)),
            Answer::NotFound { deletes, .. } => self.puts(deletes.iter().copied()),
            _ => Puts::default(),
        }
    }

    pub(super) fn puts(&self, by: impl Iterator<Item = RequestId>) -> Puts {
        by.filter_map(|id| self.plan().put_of_request(id))
            .fold(Puts::default(), |set, put| set.with(Puts::one(put)))
    }

    /// Drops from a client's memory what no step from `next` on, and no later judgement, needs of a
    /// key; whether nothing is left.
    fn forget(&self, client: usize, next: usize, key: u8, memory: &mut Memory) -> bool {
        let key = usize::from(key);
        let reads = self.plan().reads_later(client, next, key);
        let writes = self.plan().needs_context(client, next, key);
        if !writes {
            memory.context = None;
        }
        if !reads {
            memory.own = Puts::default();
        }
        if !reads && !writes {
            memory.read = Puts::default();
        }
        *memory == Memory::default()
    }
}

/// A client goes on as somebody who knows nothing.
fn new_session(client: &mut Client) {
    client.memory.clear();
    client.session = client.done;
}

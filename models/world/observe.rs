//! Judging a cluster by what its clients themselves have seen, where nobody keeps the global order
//! of their steps: for nodes and clients that run as plain actors.
//!
//! The clients' answers are replayed through the same code that records them in the cluster model,
//! each get after the puts that it returned. So whatever needs no more than the order within each
//! client and the order of true reads is judged alike; `regular` and `linearizable` need real time.

use super::client::Answered;
use super::ghost::Ghost;
use super::state::{Client, Network, Nodes, Run, Spent, State, Violated};
use super::{ClusterModel, request_id};
use crate::scenario::{Property, Subject};
use crate::seal::Sealed;
use dynamo_protocol::ids::NodeId;
use dynamo_protocol::message::{Answer, Request};
use smallvec::{SmallVec, smallvec};

/// What one client has seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// The answers to its steps so far, in order.
    pub answers: Vec<Answer>,
    /// Whether a node may already have handled its next step.
    pub has_called: bool,
}

impl ClusterModel {
    /// Whether `property` can be judged without the global order of the clients' steps, at a state.
    pub fn is_observable(property: Property) -> bool {
        let needs_order = matches!(property, Property::Regular | Property::Linearizable);
        !needs_order && !property.is_about_continuations()
    }

    /// The state that these nodes, messages and clients make up, with the judgement of every
    /// observable property asked. An answer that was ever wrong counts against it.
    pub fn observed(&self, nodes: Nodes, mut network: Network, clients: &[Seen]) -> State {
        network.sort();
        let mut state = self.blank(nodes, network);
        let mut violated = Violated::default();
        self.call_all(&mut state, clients);
        while let Some((client, answer)) = self.next_answer(&state, clients) {
            let id = request_id(
                client,
                state.run.clients[client].session,
                usize::from(state.run.clients[client].done),
            );
            let Some(answered) = self.answer(&mut state, id, answer) else { break };
            self.judge_seen(&state, &answered, &mut violated);
            self.call_all(&mut state, clients);
        }
        let of_stores = self.asked().filter(|property| property.subject() == Subject::Stores);
        self.judge_anew(&mut state, of_stores);
        state.violated = state.violated.with(violated);
        state
    }

    /// A client's next request after these answers; none when its script has ended.
    pub fn next_request(&self, client: usize, answers: &[Answer]) -> Option<Request> {
        self.plan().step(client, answers.len())?;
        let mut state = self.blank(Nodes::new(), Network::new());
        for answer in answers {
            let step = usize::from(state.run.clients[client].done);
            self.replay_call(&mut state, client, step);
            let id = request_id(client, state.run.clients[client].session, step);
            self.answer(&mut state, id, answer);
        }
        Some(self.request(&state, client, answers.len()))
    }

    fn blank(&self, nodes: Nodes, network: Network) -> State {
        let run = Run {
            clients: smallvec![Sealed::new(Client::default()); self.plan().clients() + 1],
            ghost: Ghost::new(self.plan().operations(), false),
            epochs: smallvec![0; nodes.len()],
            ordered: SmallVec::new(),
        };
        State {
            nodes,
            network,
            run: Sealed::new(run),
            spent: Spent::default(),
            far_side: 0,
            violated: Violated::default(),
        }
    }

    /// Calls whatever is known to be called: a put may be read long before it is answered.
    fn call_all(&self, state: &mut State, clients: &[Seen]) {
        for (client, seen) in clients.iter().enumerate() {
            let step = usize::from(state.run.clients[client].done);
            let called = step < seen.answers.len() || seen.has_called;
            if called && state.run.clients[client].waiting.is_none() {
                self.replay_call(state, client, step);
            }
        }
    }

    /// An answer that can be replayed now: all that it returned has been put.
    fn next_answer<'a>(&self, state: &State, clients: &'a [Seen]) -> Option<(usize, &'a Answer)> {
        clients.iter().enumerate().find_map(|(client, seen)| {
            let answer = seen.answers.get(usize::from(state.run.clients[client].done))?;
            let unknown = self.returned(answer).without(state.run.ghost.called);
            unknown.is_empty().then_some((client, answer))
        })
    }

    fn judge_seen(&self, state: &State, answered: &Answered, violated: &mut Violated) {
        let about_answers = [Property::ReadYourWrites, Property::MonotonicReads];
        for property in self.asked().filter(|property| about_answers.contains(property)) {
            if !self.answer_is_right(property, state, answered) {
                violated.judge(property, false);
            }
        }
    }

    fn replay_call(&self, state: &mut State, client: usize, step: usize) {
        if let Some(next) = self.plan().step(client, step) {
            let node = NodeId(next.contact.unwrap_or(0).into());
            self.begin(state, client, step, node);
        }
    }
}

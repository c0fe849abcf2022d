//! What a node does in a step, for those who look on: traces, diagrams, tests.

use super::plan::request_id;
use super::{Action, ClusterModel, State};
use dynamo_protocol::door::{Effects, Input};
use dynamo_protocol::ids::NodeId;
use dynamo_protocol::message::{Operation, Request};

impl ClusterModel {
    /// What the node that takes part in `action` is given; none if no node takes part, or if it is
    /// started or stopped by it.
    pub fn input(&self, before: &State, action: &Action) -> Option<(NodeId, Input)> {
        match action {
            Action::Call { client, node, .. } => {
                let step = usize::from(before.clients[*client].done);
                let mut called = before.clone();
                self.begin(&mut called, *client, step, *node);
                let request = self.request(before, *client, step);
                let ambient = self.ambient(&called, *node);
                Some((*node, Input::Client { request, ambient }))
            }
            Action::FinalRead { key, node } => {
                let id = request_id(self.plan().clients(), 0);
                let request = Request { id, key: key.clone(), operation: Operation::Get };
                Some((*node, Input::Client { request, ambient: self.ambient(before, *node) }))
            }
            Action::Deliver(envelope) | Action::Duplicate(envelope) => {
                let (from, to) = (envelope.from, envelope.to);
                let (message, ambient) = (envelope.message.clone(), self.ambient(before, to));
                Some((to, Input::Peer { from, message, ambient }))
            }
            Action::Fire { node, timer, .. } => Some((*node, Input::Timer(*timer))),
            Action::Lose(_)
            | Action::Drop(_)
            | Action::Crash(_)
            | Action::Recover(_)
            | Action::GiveUp { .. } => None,
        }
    }

    /// What the node that takes part in `action` does.
    pub fn effects(&self, before: &State, action: &Action) -> Effects {
        let input = self.input(before, action);
        let handled = input.and_then(|(node, input)| Some(before.up(node)?.clone().handle(input)));
        handled.unwrap_or_default()
    }
}

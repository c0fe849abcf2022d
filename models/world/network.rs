//! Messages: delivered in any order, lost, duplicated.

use super::ClusterModel;
use super::action::Action;
use super::state::{Envelope, State};
use dynamo_protocol::door::{Effect, Effects, Input, Timer};
use dynamo_protocol::ids::{NodeId, RequestId};
use dynamo_protocol::message::{Answer, Message};
use std::collections::BTreeSet;

impl ClusterModel {
    pub(super) fn network_actions(&self, state: &State, actions: &mut Vec<Action>) {
        let left = state.spent.left(self.faults());
        for envelope in &state.network {
            let arrives = state.up(envelope.to).is_some();
            if arrives {
                actions.push(Action::Deliver(envelope.clone()));
            }
            if !arrives || envelope.orphan {
                actions.push(Action::Lose(envelope.clone()));
            } else if left.drops > 0 {
                actions.push(Action::Drop(envelope.clone()));
            }
            if arrives && left.duplicates > 0 {
                actions.push(Action::Duplicate(envelope.clone()));
            }
        }
    }

    pub(super) fn deliver(&self, state: &State, envelope: &Envelope) -> (NodeId, Input) {
        let Envelope { from, to, message, .. } = envelope.clone();
        (to, Input::Peer { from, message, ambient: self.ambient(state, to) })
    }

    /// Takes messages out of the network that can never matter again: answers to a request that is
    /// finished, and reads whose answer would be one. Request ids are never reused, so finished is
    /// for ever. All that such a message could still do is to clear a suspicion; where suspicion
    /// can arise and be noticed (faults, and nodes that forward), it stays.
    pub(super) fn bury_the_dead(&self, state: &mut State) {
        let cluster = &self.scenario().cluster;
        let no_faults = *self.faults() == crate::scenario::Faults::default();
        if cluster.nodes == cluster.n || no_faults {
            let nodes = &state.nodes;
            let waits = |node: NodeId, id| {
                nodes[node.0 as usize].up().is_some_and(|node| node.is_pending(id))
            };
            state.network.retain(|envelope| match &envelope.message {
                Message::Read { id, .. } => waits(envelope.from, *id),
                message if message.is_answer() => {
                    message.request().is_none_or(|id| waits(envelope.to, id))
                }
                _ => true,
            });
        }
    }
}

/// Lets effects take place; the answer to a client, if there is one, is returned.
pub(super) fn apply(
    effects: Effects,
    from: NodeId,
    timers: &mut BTreeSet<Timer>,
    state: &mut State,
) -> Option<(RequestId, Answer)> {
    let mut reply = None;
    for effect in effects {
        match effect {
            Effect::Send { to, message } => {
                state.send(Envelope { from, to, message, orphan: false });
            }
            Effect::Reply { id, answer } => reply = Some((id, answer)),
            Effect::SetTimer { timer, .. } => {
                timers.insert(timer);
            }
            Effect::CancelTimer(timer) => {
                timers.remove(&timer);
            }
            Effect::Note(_) => {}
        }
    }
    reply
}

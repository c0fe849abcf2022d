//! Messages: delivered in any order, lost, duplicated.

use super::ClusterModel;
use super::action::Action;
use super::state::{Envelope, State};
use crate::seal::Sealed;
use dynamo_protocol::door::{Effect, Effects, Input, Timer};
use dynamo_protocol::ids::{NodeId, RequestId};
use dynamo_protocol::message::{Answer, Message};
use std::collections::BTreeSet;

impl ClusterModel {
    pub(super) fn network_actions(&self, state: &State, actions: &mut Vec<Action>) {
        let left = state.spent.left(self.faults());
        for envelope in &state.network {
            let cut_off = state.is_cut_off(envelope.from, envelope.to);
            let arrives = state.up(envelope.to).is_some() && !cut_off;
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
        let Envelope { from, to, view, message, .. } = envelope.clone();
        (to, Input::Peer { from, view, message, ambient: self.ambient(state, to) })
    }

    /// Takes messages out of the network that can never matter again: answers to a request that is
    /// finished, and reads whose answer would be one. Request ids are never reused, so finished is
    /// for ever. All that such a message could still do is to clear a suspicion, as the timer that
    /// retries a suspect can at any time.
    ///
    /// So do comparisons of trees to which the receiver would have nothing to say: if it has by
    /// the time that they would have come, the next exchange finds it too.
    pub(super) fn bury_the_dead(&self, state: &mut State) {
        let compares =
            |message: &Message| matches!(message, Message::Roots { .. } | Message::Subtree { .. });
        if state.network.iter().any(|envelope| compares(&envelope.message)) {
            let network = std::mem::take(&mut state.network);
            let matters = |envelope: &Sealed<Envelope>| {
                !compares(&envelope.message) || self.is_answered(state, (**envelope).clone())
            };
            state.network = network.into_iter().filter(matters).collect();
        }
        if self.scenario().membership.is_some() {
            let network = std::mem::take(&mut state.network);
            let matters = |envelope: &Sealed<Envelope>| self.view_matters(state, envelope);
            state.network = network.into_iter().filter(matters).collect();
        }
        let nodes = &state.nodes;
        let waits =
            |node: NodeId, id| nodes[node.0 as usize].up().is_some_and(|node| node.is_pending(id));
        state.network.retain(|envelope| match &envelope.message {
            Message::Read { id, .. } => waits(envelope.from, *id),
            message if message.is_answer() => {
                message.request().is_none_or(|id| waits(envelope.to, id))
            }
            _ => true,
        });
    }
}

/// Whether a message tells about layouts.
pub(super) fn is_gossip(message: &Message) -> bool {
    matches!(message, Message::Gossip { .. } | Message::News(_))
}

/// Whether a message belongs to an exchange of two owners, or to filling a lost disk.
pub(super) fn is_exchange(message: &Message) -> bool {
    matches!(
        message,
        Message::Roots { .. }
            | Message::Subtree { .. }
            | Message::Swap { .. }
            | Message::Pull { .. }
            | Message::Page { .. }
    )
}

/// The timers that a start sets; it sends nothing.
pub(super) fn timers(effects: Effects) -> BTreeSet<Timer> {
    let set = effects.into_iter().filter_map(|effect| match effect {
        Effect::SetTimer { timer, .. } => Some(timer),
        _ => None,
    });
    set.collect()
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
            Effect::Send { to, view, message } => {
                state.send(Envelope { from, to, view, message, orphan: false, dying: 0 });
            }
            Effect::Reply { id, answer } => reply = Some((id, answer)),
            Effect::SetTimer { timer, .. } => {
                if timer == Timer::Reap {
                    state.let_die(from);
                }
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

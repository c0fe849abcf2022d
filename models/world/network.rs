//! Messages: delivered in any order, lost, duplicated.

use super::ClusterModel;
use super::action::Action;
use super::memo::Event;
use super::state::{Envelope, State};
use crate::seal::Sealed;
use dynamo_protocol::door::{Effect, Effects, Timer};
use dynamo_protocol::ids::{NodeId, RequestId};
use dynamo_protocol::message::{Answer, Message};
use dynamo_protocol::policy::EmptyDisk;
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

    pub(super) fn deliver(&self, state: &State, envelope: Sealed<Envelope>) -> (NodeId, Event) {
        let (to, ambient) = (envelope.to, self.ambient(state, envelope.to));
        (to, Event::Message(envelope, ambient))
    }

    /// The same cluster in which messages that can never matter again stay in the network until they
    /// arrive or are lost. What ends when the network is empty, as the final read waits for, takes longer
    /// then; verdicts are the same.
    #[must_use]
    pub fn with_the_dead(mut self) -> ClusterModel {
        self.keeps_the_dead = true;
        self
    }

    /// Takes messages out of the network that can never matter again: answers to a request that is
    /// finished, and reads whose answer would be one. Finished is for ever: a get comes from its client
    /// only, once, and a put that comes again is known by its session, or the whole session is refused
    /// by a disk that may have lost it. All that such a message could still do is to clear a suspicion,
    /// as the timer that retries a suspect can at any time.
    ///
    /// So do comparisons of trees to which the receiver would have nothing to say: if it has by
    /// the time that they would have come, the next exchange finds it too.
    pub(super) fn bury_the_dead(&self, state: &mut State) {
        if self.keeps_the_dead || self.may_begin_again() {
            return;
        }
        let compares =
            |message: &Message| matches!(message, Message::Roots { .. } | Message::Subtree { .. });
        if state.network.iter().any(|envelope| compares(&envelope.message)) {
            let network = std::mem::take(&mut state.network);
            let matters = |envelope: &Sealed<Envelope>| {
                !compares(&envelope.message) || self.is_answered(state, envelope)
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

    /// Whether a put that is finished may begin again where it was: by a museum's policy an empty disk
    /// does not refuse the sessions that it may have known.
    fn may_begin_again(&self) -> bool {
        self.scenario().faults.duplicates > 0
            && self.config().policy().empty_disk != EmptyDisk::Refill
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
pub(super) fn apply<'a>(
    effects: &'a Effects,
    from: NodeId,
    timers: &mut BTreeSet<Timer>,
    state: &mut State,
) -> Option<(RequestId, &'a Answer)> {
    set_timers(effects, timers);
    let sent: Vec<_> = sent(effects, from).collect();
    release(effects, &sent, from, state)
}

/// Sets and cancels a node's timers.
pub(super) fn set_timers(effects: &Effects, timers: &mut BTreeSet<Timer>) {
    for effect in &effects.0 {
        match effect {
            Effect::SetTimer { timer, .. } => {
                timers.insert(*timer);
            }
            Effect::CancelTimer(timer) => {
                timers.remove(timer);
            }
            _ => {}
        }
    }
}

/// The messages that a node sends, in order.
pub(super) fn sent(effects: &Effects, from: NodeId) -> impl Iterator<Item = Sealed<Envelope>> {
    effects.0.iter().filter_map(move |effect| match effect {
        Effect::Send { to, view, message } => {
            let (to, view, message) = (*to, *view, message.clone());
            Some(Sealed::new(Envelope { from, to, view, message, orphan: false, dying: 0 }))
        }
        _ => None,
    })
}

/// Lets effects take place outside the node, the messages `sent` among them; the answer to a
/// client, if there is one, is returned.
pub(super) fn release<'a>(
    effects: &'a Effects,
    sent: &[Sealed<Envelope>],
    from: NodeId,
    state: &mut State,
) -> Option<(RequestId, &'a Answer)> {
    let (mut sent, mut reply) = (sent.iter(), None);
    for effect in &effects.0 {
        match effect {
            Effect::Send { .. } => {
                sent.next().into_iter().for_each(|it| state.put_in_flight(it.clone()))
            }
            Effect::Reply { id, answer } => reply = Some((*id, answer)),
            Effect::SetTimer { timer: Timer::Reap, .. } => state.let_die(from),
            Effect::SetTimer { .. } | Effect::CancelTimer(_) | Effect::Note(_) => {}
        }
    }
    reply
}

//! What befalls nodes: timers, crashes, lost disks, partitions, and what mends them.

use super::ClusterModel;
use super::action::Action;
use super::memo::{Event, Handled};
use super::network;
use super::plan::request_id;
use super::state::{Client, Envelope, Host, Process, State};
use crate::seal::Sealed;
use dynamo_protocol::door::{Effects, Start, Timer};
use dynamo_protocol::ids::{ClientId, NodeId, RequestId};
use dynamo_protocol::store::Store;
use dynamo_protocol::versions::Incarnation;
use std::sync::Arc;

impl ClusterModel {
    pub(super) fn node_actions(&self, state: &State, actions: &mut Vec<Action>) {
        let left = state.spent.left(self.faults());
        for (index, host) in state.nodes.iter().enumerate() {
            let node = NodeId(index as u64);
            for &timer in &host.timers {
                let premature = self.is_premature(state, node, timer);
                let may = !premature || left.timeouts > 0;
                if may && self.can_matter(state, node, timer) {
                    actions.push(Action::Fire { node, timer, premature });
                }
            }
            match host.process {
                Process::Up(_) if left.crashes > 0 => actions.push(Action::Crash(node)),
                Process::Up(_) => {}
                Process::Down(_) => actions.push(Action::Recover(node)),
            }
            if host.disk().has_buffered() {
                actions.push(Action::Flush(node));
            }
            if left.disk_losses > 0 && host.disk().next(None).is_some() {
                actions.push(Action::LoseDisk(node));
            }
        }
        if state.far_side != 0 {
            actions.push(Action::Heal);
        } else if left.partitions > 0 {
            // n0 is on the near side, so that no split is tried twice.
            let sets = (1..1u8 << state.nodes.len()).filter(|set| set & 1 == 0);
            actions.extend(sets.map(Action::Partition));
        }
    }

    /// Whether an answer could still come: something in flight belongs to the request, or another
    /// node still works on it. Progress timers are never premature.
    pub(super) fn is_premature(&self, state: &State, node: NodeId, timer: Timer) -> bool {
        let id = match timer {
            Timer::Request(id) => id,
            // A put suspects the silent; a get does not.
            Timer::Straggler(id) if self.plan().put_of_request(id).is_some() => id,
            _ => return false,
        };
        // A request that was refused for its view is begun anew when the news has come.
        let is_news =
            |e: &Envelope| network::is_gossip(&e.message) && (e.from == node || e.to == node);
        let belongs = |e: &Envelope| e.message.request() == Some(id) || is_news(e);
        let in_flight = state.network.iter().any(|e| belongs(e));
        let worked_on = |host: &Sealed<Host>| {
            host.up().is_some_and(|other| other.id() != node && other.is_pending(id))
        };
        in_flight || (self.forwards(state, node, id) && state.nodes.iter().any(worked_on))
    }

    /// Whether `node` has only forwarded `id`: then another node's work on it can still answer it.
    /// Nobody answers a coordinator but the replicas, whose messages are in flight.
    fn forwards(&self, state: &State, node: NodeId, id: RequestId) -> bool {
        state.up(node).is_some_and(|node| node.is_forwarded(id))
    }

    /// Whether a background timer could change anything if it fired now. One that could not would
    /// only send a message that is lost or finds nothing to do, and it can fire later as well.
    fn can_matter(&self, state: &State, node: NodeId, timer: Timer) -> bool {
        let reaches = |peer: NodeId| state.up(peer).is_some() && !state.is_cut_off(node, peer);
        match timer {
            Timer::Request(_) | Timer::Straggler(_) | Timer::Retry(_) => true,
            Timer::Handoff(home) => reaches(home),
            // One exchange of a pair at a time.
            Timer::Exchange(peer) => {
                let of_pair = |node_of: NodeId| node_of == node || node_of == peer;
                let begun = state.network.iter().any(|envelope| {
                    let Envelope { from, to, message, .. } = &**envelope;
                    of_pair(*from) && of_pair(*to) && network::is_exchange(message)
                });
                reaches(peer) && !begun && self.finds_something(state, node, peer)
            }
            // The wait outlives every message that was in flight when it began.
            Timer::Reap => !state.network.iter().any(|envelope| envelope.dies_for(node)),
            // One gossip at a time.
            Timer::Gossip(peer) => {
                let mut network = state.network.iter();
                self.begins_gossips(node, peer)
                    && reaches(peer)
                    && !network.any(|envelope| network::is_gossip(&envelope.message))
                    && self.gossip_matters(state, node, peer)
            }
            Timer::Settle => self.settling_matters(state, node),
        }
    }

    /// Whether an exchange that `node` starts with `peer` now, and that nothing delays, gets any
    /// answer: it gets none if both hold the same.
    pub(super) fn finds_something(&self, state: &State, node: NodeId, peer: NodeId) -> bool {
        let begun = self.handled(state.host(node), &Event::Timer(Timer::Exchange(peer)));
        let mut sent = begun.iter().flat_map(|begun| &begun.sent);
        sent.any(|envelope| envelope.to == peer && self.is_answered(state, envelope))
    }

    /// Whether a message, if it came now, would make its receiver say something.
    pub(super) fn is_answered(&self, state: &State, envelope: &Sealed<Envelope>) -> bool {
        let (node, event) = self.deliver(state, envelope.clone());
        let handled = self.handled(state.host(node), &event);
        handled.is_some_and(|handled| !handled.sent.is_empty())
    }

    pub(super) fn crash(&self, state: &mut State, node: NodeId) {
        state.spent.crashes += 1;
        self.befall(state, node, &Event::Crash);
        state.orphan(node);
    }

    pub(super) fn lose_disk(&self, state: &mut State, node: NodeId) {
        state.spent.disk_losses += 1;
        self.befall(state, node, &Event::LoseDisk);
        state.orphan(node);
    }

    pub(super) fn flush(&self, state: &mut State, node: NodeId) {
        self.befall(state, node, &Event::Flush);
    }

    /// A node starts again. An empty disk is a lost one: its life is named by the losses so far.
    pub(super) fn recover(
        &self,
        state: &mut State,
        node: NodeId,
        watch: &mut dyn FnMut(NodeId, &Effects),
    ) {
        let latest = latest_session(state);
        let incarnation = Incarnation(u64::from(state.spent.disk_losses));
        let start = match state.host(node).disk().next(None) {
            Some(_) => Start::Restart { latest },
            None => Start::Amnesia { incarnation, latest },
        };
        if let Some(handled) = self.befall(state, node, &Event::Start(node, start)) {
            watch(node, &handled.effects);
        }
    }

    /// Something happens to a host and to nothing else.
    fn befall(&self, state: &mut State, node: NodeId, event: &Event) -> Option<Arc<Handled>> {
        let handled = self.handled(state.host(node), event)?;
        state.nodes[node.0 as usize] = handled.host.clone();
        Some(handled)
    }
}

/// The highest id of a session in which something was asked.
fn latest_session(state: &State) -> ClientId {
    let latest = |(client, script): (usize, &Sealed<Client>)| {
        let has_asked = script.waiting.is_some() || script.done > script.session;
        let session = if has_asked { Some(script.session) } else { script.session.checked_sub(1) };
        session.map(|session| request_id(client, session, 0).client)
    };
    state.run.clients.iter().enumerate().filter_map(latest).max().unwrap_or(ClientId(0))
}

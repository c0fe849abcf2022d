//! Partial order reduction: where a step commutes with everything else that can happen, now or
//! later, and no property can tell when it happens, it is taken first and alone (an *ample set* of
//! one). The steps themselves stay as they are: a trace is one of the whole space, only not always a
//! shortest.
//!
//! It is done only when the budget is spent. Then no message is dropped or doubled, no node goes
//! down, no disk is lost, nothing is cut off and no timer fires too early, any more. And only where
//! a single put writes a single key: then an owner's copy is not there, or it is there, whole, for
//! good. So these commute with whatever else may happen:
//!
//! - at an owner that has the object: to be sent it again, to be read, to serve a page, and to take
//!   a page that does not decide whether its copy counts;
//! - an answer to a put that is answered already;
//! - a copy for a get that needs all that are missing, or whose result no further copy changes;
//! - the straggler timer of a get when every owner has the object or is sure to be sent it: what
//!   read repair could write is written anyhow.
//!
//! Not if the sender is suspected: to hear of it changes whom the next request asks. Nor if the step
//! writes to a disk beyond what it knows of pages, nor, with the whole history, if it answers
//! a client. Each such step leaves less to do behind, so that none puts off another for ever. As it
//! is the only step that is taken, and no fault, reduced and whole space branch alike: agreement can
//! be reached after it exactly if it could be before. Thus `converges` may be asked, too. In general
//! fewer orders are sound for what speaks of one run, and not for AG EF; but they are for all of CTL*
//! without next where either one step is taken alone or all are (Gerth, Kuiper, Peled and Penczek, "A
//! partial order approach to branching time logic model checking", Information and Computation 150,
//! 1999).

use super::ClusterModel;
use super::action::Action;
use super::disk::Disk;
use super::memo::{Event, Handled};
use super::state::{Envelope, Host, Spent, State};
use crate::scenario::{Durability, Expectation, Op, Property, Step, Switch, Versioning};
use crate::seal::Sealed;
use dynamo_protocol::door::{Effect, Timer};
use dynamo_protocol::ids::NodeId;
use dynamo_protocol::message::Message;
use dynamo_protocol::node::Node;
use dynamo_protocol::store::{RecordKey, Store};
use std::sync::Arc;

impl ClusterModel {
    /// The same cluster with fewer orders of its steps, all verdicts unchanged. Without effect where
    /// that is not known to be sound: see [`ClusterModel::is_reduced`].
    #[must_use]
    pub fn reduced(mut self) -> ClusterModel {
        self.reduced = self.can_be_reduced();
        self
    }

    /// Whether orders of steps that make no difference are left out.
    pub fn is_reduced(&self) -> bool {
        self.reduced
    }

    /// Whether all that the reduction rests on is true of the scenario.
    fn can_be_reduced(&self) -> bool {
        let scenario = self.scenario();
        let cluster = &scenario.cluster;
        let looks_ahead = |(property, _): &(Property, Option<Expectation>)| {
            matches!(property, Property::AvailableWrites | Property::AvailableReads)
        };
        let is_simple = |step: &Step| match step.op {
            Op::Get => true,
            Op::Put | Op::PutBlind => step.contact.is_some(),
            Op::Delete => false,
        };
        self.plan().puts() == 1
            && self.plan().keys().len() == 1
            && scenario.clients.iter().flatten().all(is_simple)
            && scenario.membership.is_none()
            && cluster.versioning == Versioning::Dotted
            && cluster.durability == Durability::Durable
            && cluster.anti_entropy == Switch::Off
            && cluster.reap == Switch::Off
            && !scenario.expect.iter().any(looks_ahead)
    }

    /// A step that need not be tried in any other order.
    pub(super) fn ample(&self, state: &State) -> Option<Action> {
        if !self.reduced || state.spent.left(self.faults()) != Spent::default() {
            return None;
        }
        let mut arrive = state.network.iter().filter(|envelope| is_sure(state, envelope));
        let delivery = arrive.find(|envelope| self.commutes(state, envelope));
        let deliver = |envelope: &Sealed<Envelope>| Action::Deliver(envelope.clone());
        delivery.map(deliver).or_else(|| self.idle_straggler(state))
    }

    /// Whether a message that is sure to arrive may as well arrive now.
    fn commutes(&self, state: &State, envelope: &Sealed<Envelope>) -> bool {
        let host = state.host(envelope.to);
        let Some(node) = host.up() else { return false };
        if node.suspects().any(|suspect| suspect == envelope.from) {
            return false;
        }
        let has_it = self.has_it(host);
        match &envelope.message {
            Message::Replicate { .. }
            | Message::Confirm { .. }
            | Message::Repair { .. }
            | Message::Handoff { .. } => has_it && self.leaves_disk(state, envelope).is_some(),
            Message::Pull { .. } => {
                has_it && node.is_whole() && self.leaves_disk(state, envelope).is_some()
            }
            Message::Read { .. } => {
                let shows = |sent: &Sealed<Envelope>| matches!(sent.message, Message::Copy { .. });
                let served = self.leaves_disk(state, envelope).filter(|_| has_it);
                served.is_some_and(|handled| handled.sent.iter().all(shows))
            }
            Message::Page { lost: None, .. } => has_it && !self.decides(state, envelope),
            Message::Replicated { id } => {
                node.is_answered(*id) && self.leaves_disk(state, envelope).is_some()
            }
            Message::Copy { id, object } => {
                // A copy of nothing, by one who has the object now, asks for no repair any more.
                let is_stale = object.is_none() && !self.has_it(state.host(envelope.from));
                let may = node.takes_copies_in_any_order(*id)
                    || (node.only_repairs_are_open(*id) && !is_stale);
                let answers = |effect: &Effect| matches!(effect, Effect::Reply { .. });
                let handled = self.leaves_disk(state, envelope).filter(|_| may);
                let is_seen =
                    |handled: &Handled| self.has_history() && handled.effects.0.iter().any(answers);
                handled.is_some_and(|handled| !is_seen(&handled))
            }
            _ => false,
        }
    }

    /// Whether a host is an owner of the key and has the object.
    fn has_it(&self, host: &Host) -> bool {
        let key = &self.plan().keys()[0];
        let owns = host
            .up()
            .is_some_and(|node| node.ring().preference_list(key).contains_primary(node.id()));
        owns && host.disk().get(&RecordKey::Object(key.clone())).is_some()
    }

    /// What its receiver does with a message, unless that writes to its disk.
    fn leaves_disk(&self, state: &State, envelope: &Sealed<Envelope>) -> Option<Arc<Handled>> {
        let (node, event) = self.deliver(state, envelope.clone());
        let host = state.host(node);
        let handled = self.handled(host, &event)?;
        // By value: what the other thread of a race has written is as good as what this one has,
        // though not in the same place. Else the states left out would depend on who was first.
        (handled.host.disk() == host.disk()).then_some(handled)
    }

    /// Whether a page makes its receiver's copy count, or the receiver whole.
    fn decides(&self, state: &State, page: &Sealed<Envelope>) -> bool {
        let key = &self.plan().keys()[0];
        let counts =
            |host: &Host| host.up().map(|node| (node.is_synchronised(key), node.is_whole()));
        let (node, event) = self.deliver(state, page.clone());
        let handled = self.handled(state.host(node), &event);
        handled.is_none_or(|handled| counts(&handled.host) != counts(state.host(node)))
    }

    /// The straggler timer of a get that has nothing left to repair.
    fn idle_straggler(&self, state: &State) -> Option<Action> {
        let timers = (0..)
            .zip(&state.nodes)
            .flat_map(|(node, host)| host.timers.iter().map(move |&timer| (NodeId(node), timer)));
        let of_get = |timer: Timer| match timer {
            Timer::Straggler(id) => self.plan().put_of_request(id).is_none(),
            _ => false,
        };
        let mut idle = timers.filter(|(node, timer)| {
            of_get(*timer)
                && self.is_everywhere(state)
                && self.ends_in_silence(state, *node, *timer)
        });
        let (node, timer) = idle.next()?;
        Some(Action::Fire { node, timer, premature: false })
    }

    /// Whether a timer leaves the disk of its node as it is.
    fn ends_in_silence(&self, state: &State, node: NodeId, timer: Timer) -> bool {
        let host = state.host(node);
        let handled = self.handled(host, &Event::Timer(timer));
        handled.is_some_and(|handled| handled.host.disk() == host.disk())
    }

    /// Whether every owner has the object, or is sure to be sent it.
    fn is_everywhere(&self, state: &State) -> bool {
        if state.run.ghost.called.is_empty() {
            return self.will_reach_all(state);
        }
        let key = &self.plan().keys()[0];
        let brings = |envelope: &&Sealed<Envelope>| {
            let message = &envelope.message;
            is_sure(state, envelope) && message.key() == Some(key) && message.objects().count() > 0
        };
        let served = |owner: NodeId| state.network.iter().filter(brings).any(|it| it.to == owner);
        let Some(any) = state.nodes.iter().find_map(|host| host.up()) else { return false };
        let owners = any.ring().preference_list(key).primaries();
        owners.iter().all(|&owner| self.has_it(state.host(owner)) || served(owner))
    }

    /// Whether the put, not called yet, will be sent to all owners and arrive: everybody is within
    /// reach, and its coordinator suspects nobody and waits for nobody whom it might suspect.
    fn will_reach_all(&self, state: &State) -> bool {
        let mut steps = self.scenario().clients.iter().flatten();
        let put = steps.find(|step| step.op != Op::Get);
        let contact = put.and_then(|put| put.contact).map(|contact| NodeId(contact.into()));
        let trusts_all =
            |node: &Node<Disk>| node.suspects().next().is_none() && node.pending().next().is_none();
        state.far_side == 0
            && state.nodes.iter().all(|host| host.up().is_some())
            && contact.and_then(|contact| state.up(contact)).is_some_and(trusts_all)
    }
}

/// Whether a message is sure to arrive: its receiver is up and within reach, its sender lives.
fn is_sure(state: &State, envelope: &Envelope) -> bool {
    let Envelope { from, to, orphan, .. } = envelope;
    !orphan && state.up(*to).is_some() && !state.is_cut_off(*from, *to)
}

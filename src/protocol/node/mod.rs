//! One node of the cluster: `handle` is the door, the files beside this one are the rooms.
//!
//! `put` and `get` coordinate a client's request, `forward` passes a put on to a node that may,
//! `replica` serves other coordinators; `place` says on which nodes a request acts and where a copy
//! lies. In the background `handoff` gives hints back, `exchange` compares Merkle trees,
//! `resync` fetches what a node cannot vouch for, `reap` removes tombstones. `start` begins a life, `open` tells what is under way. `members` gossips
//! about who takes part, `rings` is what follows from it, `settle` is what a change leaves behind.

mod exchange;
mod forward;
mod get;
mod handoff;
mod members;
mod open;
mod place;
mod put;
mod reap;
mod replica;
mod resync;
mod rings;
mod settle;
mod start;
mod version;

use crate::config::Config;
use crate::door::{Ambient, Delay, Effects, Ignored, Input, Timer};
use crate::ids::{Key, NodeId, RequestId};
use crate::limits;
use crate::membership::View;
use crate::merkle::Hash;
use crate::message::{Answer, Message, Operation, Refusal, Request};
use crate::quorum::Target;
use crate::ring::Ring;
use crate::store::{Record, RecordKey, Store, feed, feed_records};
use crate::versions::Incarnation;
use alloc::{collections::BTreeMap, collections::BTreeSet, sync::Arc};
use core::hash::Hasher;
use rings::Rings;
use serde::Serialize;

/// A node: a deterministic state machine over its store.
#[derive(Clone, Debug)]
pub struct Node<S> {
    config: Arc<Config>,
    id: NodeId,
    state: Volatile,
    store: S,
    /// What follows from the store and the configuration.
    rings: Rings,
}

/// What a crash loses. Finished requests leave nothing behind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize)]
struct Volatile {
    /// Of the disk, once the node is started.
    incarnation: Option<Incarnation>,
    /// Peers that let a request timer fire and have been silent since (paper §4.8.3).
    suspects: BTreeSet<NodeId>,
    pending: BTreeMap<RequestId, Pending>,
    /// While it cannot vouch for its copies: the last key of each node's copies that is merged.
    pulls: BTreeMap<NodeId, Key>,
    /// The tombstones that this node is about to remove.
    reaping: Option<reap::Reaping>,
    /// The last of the tombstones that had their turn, if more come after it.
    reaped_up_to: Option<Key>,
    /// Tombstones that others are about to remove, and of which nothing else has moved here since
    /// this node said that it knows nothing else of them.
    watched: BTreeMap<Key, Hash>,
    /// Those who have said that they have done what the present stage of a change asks of them.
    confirmed: BTreeSet<NodeId>,
    /// Those who have not heard of the present layouts, and whom a request waits for.
    behind: BTreeSet<NodeId>,
    /// Where looking through what a change has left behind goes on, if it is not done.
    settling: Option<RecordKey>,
}

/// A request that is not finished.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
enum Pending {
    Put(put::Put),
    Get(get::Get),
    Forward(forward::Forward),
}

impl Pending {
    /// Whether it has its answer, and only waits for the replicas that this did not need.
    fn is_answered(&self) -> bool {
        match self {
            Pending::Put(put) => put.is_answered(),
            Pending::Get(get) => get.is_answered(),
            Pending::Forward(_) => false,
        }
    }
}

/// Where the answer to a put goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
enum Origin {
    /// To the client itself.
    Client,
    /// To the node that forwarded it.
    Node(NodeId),
}

/// Nodes are equal when their states and disks are; the configuration is the cluster's.
impl<S: PartialEq> PartialEq for Node<S> {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id && self.state == other.state && self.store == other.store
    }
}

impl<S: Eq> Eq for Node<S> {}

impl<S: core::hash::Hash> core::hash::Hash for Node<S> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.id.hash(hasher);
        self.state.hash(hasher);
        self.store.hash(hasher);
    }
}

impl<S: Store> Node<S> {
    /// A node that has not been started: it ignores everything but [`Input::Start`].
    pub fn new(config: Arc<Config>, id: NodeId, store: S) -> Node<S> {
        let rings = known_rings(&config, &store);
        Node { config, id, state: Volatile::default(), store, rings }
    }

    /// Takes one step. Total: whatever comes in, it neither panics nor blocks; the same state and
    /// input give the same effects.
    pub fn handle(&mut self, input: Input) -> Effects {
        let mut effects = Effects::default();
        match input {
            Input::Start(start) => self.start(start, &mut effects),
            _ if self.state.incarnation.is_none() => effects.ignore(Ignored::NotStarted),
            Input::Client { request, ambient } => self.client(request, ambient, &mut effects),
            Input::Peer { from, view, message, ambient } => {
                self.peer((from, view), message, ambient, &mut effects);
            }
            Input::Timer(timer) => self.timer(timer, &mut effects),
            Input::Operator(command) => self.command(command, &mut effects),
        }
        if self.state.incarnation.is_some() {
            self.advance_change(&mut effects);
        }
        effects.name_view(self.view());
        effects
    }

    fn timer(&mut self, timer: Timer, effects: &mut Effects) {
        match timer {
            Timer::Request(id) => self.request_timer(id, effects),
            Timer::Straggler(id) => self.straggler_timer(id, effects),
            Timer::Handoff(home) => self.handoff_timer(home, effects),
            Timer::Retry(node) => self.retry_timer(node, effects),
            Timer::Exchange(node) => self.exchange_timer(node, effects),
            Timer::Reap => self.reap_timer(effects),
            Timer::Gossip(peer) => self.gossip_timer(peer, effects),
            Timer::Settle => self.settle_timer(effects),
        }
    }

    fn client(&mut self, request: Request, ambient: Ambient, effects: &mut Effects) {
        let id = request.id;
        if self.state.pending.contains_key(&id) {
            return effects.ignore(Ignored::Duplicate);
        }
        let is_put = request.operation != Operation::Get;
        if is_put && !self.admit(Origin::Client, id, effects) {
            return;
        }
        if let Some(refusal) = self.refusal(&request) {
            return effects.reply(id, Answer::Refused(refusal));
        }
        let quorum = self.quorum(&request);
        let acts_here = |target: Target| target.node == self.id;
        match &request.operation {
            Operation::Get => self.get(id, request.key, quorum, effects),
            Operation::Put { .. }
                if self.write_targets(&request.key, quorum).into_iter().any(acts_here) =>
            {
                self.put(Origin::Client, request, ambient, effects);
            }
            Operation::Put { .. } => self.forward(request, effects),
        }
    }

    fn peer(
        &mut self,
        (from, view): (NodeId, View),
        message: Message,
        ambient: Ambient,
        effects: &mut Effects,
    ) {
        if !self.listens_to(from, view, &message, effects) {
            return;
        }
        if message.keys().any(|key| key.0.len() > limits::MAX_KEY_BYTES) {
            return effects.ignore(Ignored::KeyTooLong);
        }
        self.trust(from, effects);
        for (key, object) in message.objects() {
            if let Some(key) = key {
                self.has_moved(key, object);
            }
        }
        match message {
            Message::Forward(request) => self.forwarded_to_me(from, request, ambient, effects),
            Message::Forwarded { id, answer } => self.forwarded(from, id, answer, effects),
            Message::Replicate { id, key, object, home, durability } => {
                self.replicate(from, id, (&key, &object), home, durability, effects);
            }
            Message::Confirm { id, key, object, home } => {
                self.confirm_copy(from, id, (&key, &object), home, effects);
            }
            Message::Replicated { id } => self.replicated(from, id, effects),
            Message::Read { id, key, home } => self.read(from, id, &key, home, effects),
            Message::Copy { id, object } => self.copied(from, id, object, effects),
            Message::Unsynchronised { id } => self.not_a_replica(from, id, true, effects),
            Message::NotAReplica { id } => self.not_a_replica(from, id, false, effects),
            Message::Repair { key, object } => self.repair(&key, &object, effects),
            Message::Gossip { digest, done, asks } => {
                self.gossip((from, view), digest, done, asks, effects);
            }
            Message::News(membership) => self.news(from, &membership, effects),
            other => self.background(from, other, effects),
        }
    }

    /// Strangers are not listened to, but a member that has left unheard is told; whoever is no
    /// member itself hears from anybody how to become one. And what is bound to a view is served
    /// under no other.
    fn listens_to(
        &mut self,
        from: NodeId,
        view: View,
        message: &Message,
        effects: &mut Effects,
    ) -> bool {
        let is_known = self.rings.contains(from) || self.gossips_with(from);
        let is_news = matches!(message, Message::Gossip { .. } | Message::News(_));
        let is_outside = !self.rings.contains(self.id);
        if from == self.id || !(is_known || (is_news && is_outside)) {
            effects.ignore(Ignored::Stranger);
            if from != self.id && view.is_before(&self.view()) {
                self.send_news(from, effects);
            }
            return false;
        }
        if message.is_bound_to_view() && view != self.view() {
            self.other_view(from, view, effects);
            return false;
        }
        true
    }

    /// What nodes say to each other on nobody's behalf.
    fn background(&mut self, from: NodeId, message: Message, effects: &mut Effects) {
        match message {
            Message::Handoff { key, object } => self.take_handoff(from, key, &object, effects),
            Message::HandedOff { key, hash } => self.handed_off(from, key, hash, effects),
            Message::Roots { from: first, to, roots } => {
                self.compare_roots(from, first..=to, &roots, effects);
            }
            Message::Subtree { range, path, node } => {
                self.compare_subtree(from, range, &path, &node, effects);
            }
            Message::Swap { key, object } => self.swap(from, key, object, effects),
            Message::Pull { refill, after } => self.serve_pull(from, refill, after, effects),
            Message::Page { refill, after, objects, next, lost } => {
                if self.is_expected(from, refill, after.as_ref(), next.as_ref()) {
                    self.take_page(from, objects, next, lost, effects);
                } else {
                    effects.ignore(Ignored::Stale);
                }
            }
            Message::ReapAsk { round, tombstones } => {
                self.asked_to_reap(from, round, tombstones, effects);
            }
            Message::ReapYes { round, tombstones } => {
                self.reap_answered(from, round, &tombstones, effects);
            }
            Message::Reap { tombstones } => self.reap(from, &tombstones, effects),
            _ => unreachable!("`peer` takes what belongs to requests"),
        }
    }

    /// Whether a request can be refused on sight: broken, or one too many.
    fn refusal(&self, request: &Request) -> Option<Refusal> {
        if !self.rings.contains(self.id) {
            return Some(Refusal::NotAMember);
        }
        if request.key.0.len() > limits::MAX_KEY_BYTES {
            return Some(Refusal::KeyTooLong);
        }
        if let Operation::Put { context, value } = &request.operation {
            let most = put::most_actors(value.is_none());
            let admits = |context| self.config.versioning().admits_context(context, most);
            if !context.as_ref().is_none_or(admits) {
                return Some(Refusal::ForeignContext);
            }
            if value.as_ref().is_some_and(|value| value.0.len() > limits::MAX_VALUE_BYTES) {
                return Some(Refusal::ValueTooLong);
            }
        }
        (self.state.pending.len() >= limits::MAX_IN_FLIGHT).then_some(Refusal::Busy)
    }

    fn request_timer(&mut self, id: RequestId, effects: &mut Effects) {
        match self.overdue(id, false, effects) {
            Some(Pending::Put(put)) => self.put_timed_out(id, put, effects),
            Some(Pending::Get(get)) => self.get_timed_out(id, get, effects),
            Some(Pending::Forward(forward)) => self.forward_timed_out(id, forward, effects),
            None => {}
        }
    }

    /// The replicas that an answer did not need have had their time.
    fn straggler_timer(&mut self, id: RequestId, effects: &mut Effects) {
        match self.overdue(id, true, effects) {
            Some(Pending::Put(put)) => self.put_timed_out(id, put, effects),
            Some(Pending::Get(get)) => self.repair_copies(&get, effects),
            Some(Pending::Forward(_)) | None => {}
        }
    }

    /// Takes the request out, if a timer is for what it is waiting for.
    fn overdue(&mut self, id: RequestId, answered: bool, effects: &mut Effects) -> Option<Pending> {
        let is_meant = |pending: &Pending| pending.is_answered() == answered;
        let is_overdue = self.state.pending.get(&id).is_some_and(is_meant);
        if !is_overdue {
            effects.ignore(Ignored::Stale);
            return None;
        }
        self.state.pending.remove(&id)
    }

    /// Keeps a request and starts its clock.
    fn wait(&mut self, id: RequestId, pending: Pending, effects: &mut Effects) {
        self.state.pending.insert(id, pending);
        effects.set(Timer::Request(id), Delay::Request);
    }

    /// Whether this node is one of the key's top N, in any layout that is live.
    fn owns(&self, key: &Key) -> bool {
        self.rings.owns(self.id, key)
    }

    /// Who owns what in the layout that is to stay.
    pub fn ring(&self) -> &Ring {
        self.rings.target()
    }

    /// This node's name.
    pub fn id(&self) -> NodeId {
        self.id
    }

    /// Its disk.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// Its disk, for the shell that commits it.
    pub fn store_mut(&mut self) -> &mut S {
        &mut self.store
    }

    /// Whether the request is not finished here.
    pub fn is_pending(&self, id: RequestId) -> bool {
        self.state.pending.contains_key(&id)
    }

    /// Whether the request is not finished, and another node was asked to coordinate it.
    pub fn is_forwarded(&self, id: RequestId) -> bool {
        matches!(self.state.pending.get(&id), Some(Pending::Forward(_)))
    }

    /// The requests that are not finished here.
    pub fn pending(&self) -> impl Iterator<Item = RequestId> + '_ {
        self.state.pending.keys().copied()
    }

    /// The peers that this node takes for failed.
    pub fn suspects(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.state.suspects.iter().copied()
    }

    /// A digest of all that this node is and holds, configuration excluded: blake3 over the
    /// canonical encoding of its volatile state and its records in order. Traces compare it.
    pub fn digest(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        feed(&mut hasher, &(self.id, &self.state));
        feed_records(&mut hasher, &self.store);
        *hasher.finalize().as_bytes()
    }
}

fn known_rings<S: Store>(config: &Config, store: &S) -> Rings {
    let known = match store.get(&RecordKey::Membership) {
        Some(Record::Membership(membership)) => Some(membership),
        _ => None,
    };
    Rings::new(config, known)
}

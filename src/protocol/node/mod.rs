//! One node of the cluster: `handle` is the door, the files beside this one are the rooms.
//!
//! `put` and `get` coordinate a client's request, `forward` passes a put on to an owner of its key,
//! `replica` serves other coordinators, `start` begins a life.

mod forward;
mod get;
mod put;
mod replica;
mod start;

use crate::config::Config;
use crate::door::{Ambient, Delay, Effects, Ignored, Input, Note, Timer};
use crate::ids::{Key, NodeId, RequestId};
use crate::limits;
use crate::message::{Answer, Message, Operation, Refusal, Request};
use crate::ring::PreferenceList;
use crate::store::{Record, RecordKey, Store, feed, feed_records};
use crate::versions::{Incarnation, Object};
use alloc::{collections::BTreeMap, collections::BTreeSet, sync::Arc};
use core::hash::{Hash, Hasher};
use serde::Serialize;

/// A node: a deterministic state machine over its store.
#[derive(Clone, Debug)]
pub struct Node<S> {
    config: Arc<Config>,
    id: NodeId,
    state: Volatile,
    store: S,
}

/// What a crash loses. Finished requests leave nothing behind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize)]
struct Volatile {
    /// Of the disk, once the node is started.
    incarnation: Option<Incarnation>,
    /// Peers that let a request timer fire and have been silent since (paper §4.8.3).
    suspects: BTreeSet<NodeId>,
    pending: BTreeMap<RequestId, Pending>,
}

/// A request that is not finished.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
enum Pending {
    Put(put::Put),
    Get(get::Get),
    Forward(forward::Forward),
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

impl<S: Hash> Hash for Node<S> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.id.hash(hasher);
        self.state.hash(hasher);
        self.store.hash(hasher);
    }
}

impl<S: Store> Node<S> {
    /// A node that has not been started: it ignores everything but [`Input::Start`].
    pub fn new(config: Arc<Config>, id: NodeId, store: S) -> Node<S> {
        Node { config, id, state: Volatile::default(), store }
    }

    /// Takes one step. Total: whatever comes in, it neither panics nor blocks; the same state and
    /// input give the same effects.
    pub fn handle(&mut self, input: Input) -> Effects {
        let mut effects = Effects::default();
        match input {
            Input::Start(start) => self.start(start, &mut effects),
            _ if self.state.incarnation.is_none() => effects.ignore(Ignored::NotStarted),
            Input::Client { request, ambient } => self.client(request, ambient, &mut effects),
            Input::Peer { from, message, ambient } => {
                self.peer(from, message, ambient, &mut effects);
            }
            Input::Timer(Timer::Request(id)) => self.request_timer(id, &mut effects),
            Input::Timer(Timer::Straggler(id)) => self.straggler_timer(id, &mut effects),
        }
        effects
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
        match &request.operation {
            Operation::Get => self.get(id, request.key, effects),
            Operation::Put { .. } if self.owns(&request.key) => {
                self.put(Origin::Client, request, ambient, effects);
            }
            Operation::Put { .. } => self.forward(request, effects),
        }
    }

    fn peer(&mut self, from: NodeId, message: Message, ambient: Ambient, effects: &mut Effects) {
        if !self.config.ring().contains(from) || from == self.id {
            return effects.ignore(Ignored::Stranger);
        }
        if message.key().is_some_and(|key| key.0.len() > limits::MAX_KEY_BYTES) {
            return effects.ignore(Ignored::KeyTooLong);
        }
        if self.state.suspects.remove(&from) {
            effects.note(Note::Trusts(from));
        }
        match message {
            Message::Forward(request) => self.forwarded_to_me(from, request, ambient, effects),
            Message::Forwarded { id, answer } => self.forwarded(from, id, answer, effects),
            Message::Replicate { id, key, object } => {
                self.replicate(from, id, &key, &object, effects);
            }
            Message::Confirm { id, key, object } => {
                self.confirm_copy(from, id, &key, &object, effects);
            }
            Message::Replicated { id } => self.replicated(from, id, effects),
            Message::Read { id, key } => self.read(from, id, &key, effects),
            Message::Copy { id, object } => self.copy(from, id, object, effects),
            Message::NotAReplica { id } => self.not_a_replica(from, id, effects),
            Message::Repair { key, object } => self.repair(&key, &object, effects),
        }
    }

    /// Whether a request can be refused on sight: broken, or one too many.
    fn refusal(&self, request: &Request) -> Option<Refusal> {
        if request.key.0.len() > limits::MAX_KEY_BYTES {
            return Some(Refusal::KeyTooLong);
        }
        if let Operation::Put { context, value } = &request.operation {
            let admits = |context| self.config.versioning().admits_context(context);
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
        match self.state.pending.remove(&id) {
            Some(Pending::Put(put)) => self.put_timed_out(id, put, effects),
            Some(Pending::Get(get)) => self.get_timed_out(id, get, effects),
            Some(Pending::Forward(forward)) => self.forward_timed_out(id, forward, effects),
            None => effects.ignore(Ignored::Stale),
        }
    }

    /// Keeps a request and starts its clock.
    fn wait(&mut self, id: RequestId, pending: Pending, effects: &mut Effects) {
        self.state.pending.insert(id, pending);
        effects.set(Timer::Request(id), Delay::Request);
    }

    /// Remembers that `nodes` did not answer in time.
    fn suspect(&mut self, nodes: impl IntoIterator<Item = NodeId>, effects: &mut Effects) {
        for node in nodes {
            if node != self.id && self.state.suspects.insert(node) {
                effects.note(Note::Suspects(node));
            }
        }
    }

    fn preference_list(&self, key: &Key) -> &PreferenceList {
        self.config.ring().preference_list(key)
    }

    /// Whether this node is one of the key's top N.
    fn owns(&self, key: &Key) -> bool {
        self.preference_list(key).contains_primary(self.id)
    }

    fn load(&self, key: &Key) -> Option<Object> {
        match self.store.get(&RecordKey::Object(key.clone())) {
            Some(Record::Object(object)) => Some(object),
            _ => None,
        }
    }

    fn save(&mut self, key: &Key, object: Object) {
        self.store.put(RecordKey::Object(key.clone()), Record::Object(object));
    }

    /// A store is always a merge, never an overwrite (bug D4).
    fn merge(&mut self, key: &Key, object: &Object) {
        let merged = match self.load(key) {
            Some(copy) if copy.includes(object) => return,
            Some(copy) => copy.merge(object),
            None => object.clone(),
        };
        self.save(key, merged);
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

//! One node in the hands of a test: an in-memory disk, and short words for what goes in and out.
//!
//! The ring is always n0, n1, n2, ... in this order for [`KEY`].

use dynamo_protocol::config::{Config, DurabilityMode, FailureHandling, Quorum, ReadRepair};
use dynamo_protocol::door::{Ambient, Delay, Effect, Ignored, Input, Note, Start, Timer};
use dynamo_protocol::ids::{ClientId, Key, NodeId, RequestId, Value};
use dynamo_protocol::message::{Answer, Message, Operation, Replicas, Request};
use dynamo_protocol::node::Node;
use dynamo_protocol::ring::{Position, Ring};
use dynamo_protocol::store::{Durability, Record, RecordKey, Store};
use dynamo_protocol::versions::{Context, Epoch, Incarnation, Object, Stamp, Versioning};
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

/// The key of most tests.
pub(crate) const KEY: &str = "cart-of-client-1";

/// Older than every session of the tests.
pub(crate) const BEFORE: ClientId = ClientId(0);

/// A disk in memory: what the node sees, and what of it a crash leaves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Disk {
    pub(crate) seen: BTreeMap<RecordKey, Record>,
    pub(crate) durable: BTreeMap<RecordKey, Record>,
}

impl Disk {
    /// A disk on which `records` are.
    pub(crate) fn of(records: impl IntoIterator<Item = (RecordKey, Record)>) -> Disk {
        let seen: BTreeMap<_, _> = records.into_iter().collect();
        Disk { durable: seen.clone(), seen }
    }

    /// What a crash leaves: the buffer is lost.
    pub(crate) fn crashed(&self) -> Disk {
        Disk::of(self.durable.clone())
    }

    /// The buffer reaches the disk.
    pub(crate) fn flush(&mut self) {
        self.durable = self.seen.clone();
    }
}

impl Store for Disk {
    fn get(&self, key: &RecordKey) -> Option<Record> {
        self.seen.get(key).cloned()
    }

    fn next(&self, key: Option<&RecordKey>) -> Option<(RecordKey, Record)> {
        let after = key.map_or(Bound::Unbounded, Bound::Excluded);
        let mut range = self.seen.range((after, Bound::Unbounded));
        range.next().map(|(key, record)| (key.clone(), record.clone()))
    }

    fn put(&mut self, key: RecordKey, record: Record, durability: Durability) {
        if durability == Durability::Durable {
            self.durable.insert(key.clone(), record.clone());
        }
        self.seen.insert(key, record);
    }

    fn remove(&mut self, key: &RecordKey, durability: Durability) {
        if durability == Durability::Durable {
            self.durable.remove(key);
        }
        self.seen.remove(key);
    }
}

/// Owners n0..n(`n`-1), and strangers to the key up to n(`nodes`-1). All tokens are at the very
/// beginning, so that every key lies behind them and its walk begins at n0.
pub(crate) fn ring(n: usize, nodes: u64) -> Ring {
    let tokens: Vec<_> =
        (0..nodes).map(|node| (Position(u128::from(node)), NodeId(node))).collect();
    Ring::from_tokens(n as u8, &tokens).expect("a valid ring")
}

/// What varies from test to test.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup {
    pub(crate) n: usize,
    pub(crate) nodes: u64,
    pub(crate) r: u8,
    pub(crate) w: u8,
    pub(crate) versioning: Versioning,
    pub(crate) read_repair: ReadRepair,
    pub(crate) failures: FailureHandling,
}

/// (3,2,2) on four nodes, dotted, without read repair.
pub(crate) const USUAL: Setup = Setup {
    n: 3,
    nodes: 4,
    r: 2,
    w: 2,
    versioning: Versioning::Dotted,
    read_repair: ReadRepair::Off,
    failures: FailureHandling {
        quorum: Quorum::Strict,
        handoff: true,
        anti_entropy: false,
        durability: DurabilityMode::Durable,
        reap: false,
        gossip: false,
    },
};

impl Setup {
    pub(crate) fn config(self) -> Arc<Config> {
        let ring = ring(self.n, self.nodes);
        let config = Config::new(ring, self.r, self.w, self.versioning, self.read_repair);
        Arc::new(config.unwrap().with(self.failures).unwrap())
    }

    /// The same with sloppy quorums.
    pub(crate) fn sloppy(self) -> Setup {
        Setup { failures: FailureHandling { quorum: Quorum::Sloppy, ..self.failures }, ..self }
    }

    /// The same with another way to write.
    pub(crate) fn writing(self, durability: DurabilityMode) -> Setup {
        Setup { failures: FailureHandling { durability, ..self.failures }, ..self }
    }

    /// Node `id`, just started on an empty disk after it had lost another.
    pub(crate) fn amnesiac(self, id: u64, incarnation: u64) -> (Host, Vec<Effect>) {
        let mut host = Host::new(self, id, Disk::default());
        let incarnation = Incarnation(incarnation);
        let start = Start::Amnesia { incarnation, latest: BEFORE };
        let effects = host.take(Input::Start(start));
        (host, effects)
    }

    /// Node `id`, just bootstrapped.
    pub(crate) fn node(self, id: u64) -> Host {
        let mut host = Host::new(self, id, Disk::default());
        let incarnation = Incarnation(id);
        let effects = host.take(Input::Start(Start::Bootstrap { incarnation }));
        assert!(notes(&effects).is_empty(), "{effects:?}");
        host
    }
}

/// A node, and a shell around it that draws fresh epochs.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    pub(crate) node: Node<Disk>,
    pub(crate) setup: Setup,
    pub(crate) ambient: Ambient,
}

impl Host {
    pub(crate) fn new(setup: Setup, id: u64, disk: Disk) -> Host {
        Host {
            node: Node::new(setup.config(), NodeId(id), disk),
            setup,
            ambient: Ambient { stamp: Stamp(1), epoch: Epoch(0) },
        }
    }

    pub(crate) fn take(&mut self, input: Input) -> Vec<Effect> {
        self.node.handle(input).0
    }

    /// A client's request.
    pub(crate) fn ask(&mut self, request: Request) -> Vec<Effect> {
        let ambient = self.fresh();
        self.take(Input::Client { request, ambient })
    }

    /// A peer's message.
    pub(crate) fn hear(&mut self, from: u64, message: Message) -> Vec<Effect> {
        let (from, ambient) = (NodeId(from), self.fresh());
        let view = self.node.view();
        self.take(Input::Peer { from, view, message, ambient })
    }

    pub(crate) fn fire(&mut self, timer: Timer) -> Vec<Effect> {
        self.take(Input::Timer(timer))
    }

    /// The same process on the same disk, started anew.
    pub(crate) fn restarted(&self) -> Host {
        self.started_on(self.node.store().clone()).0
    }

    /// The same process, started anew on what a crash has left.
    pub(crate) fn crashed(&self) -> Host {
        self.started_on(self.node.store().crashed()).0
    }

    /// The same process, started anew on `disk`, and what it does first.
    pub(crate) fn started_on(&self, disk: Disk) -> (Host, Vec<Effect>) {
        self.started_after(disk, BEFORE)
    }

    /// The same when session `latest` has begun.
    pub(crate) fn started_after(&self, disk: Disk, latest: ClientId) -> (Host, Vec<Effect>) {
        let node = Node::new(self.setup.config(), self.node.id(), disk);
        let mut host = Host { node, ..self.clone() };
        let effects = host.take(Input::Start(Start::Restart { latest }));
        assert!(notes(&effects).is_empty(), "{effects:?}");
        (host, effects)
    }

    /// Whether a restart would change nothing.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.node == self.restarted().node
    }

    /// This node's copy.
    pub(crate) fn copy(&self) -> Option<Object> {
        match self.node.store().get(&RecordKey::Object(KEY.into())) {
            Some(Record::Object(object)) => Some(object),
            _ => None,
        }
    }

    /// The values of this node's copy, tombstones as "-".
    pub(crate) fn values(&self) -> Vec<String> {
        self.copy().as_ref().map(values_of).unwrap_or_default()
    }

    fn fresh(&mut self) -> Ambient {
        self.ambient.epoch.0 += 1;
        self.ambient
    }
}

pub(crate) fn values_of(object: &Object) -> Vec<String> {
    let text = |value: &Option<Value>| value.as_ref().map_or("-".into(), Value::to_string);
    let mut values: Vec<String> = object.siblings().map(|written| text(&written.value)).collect();
    values.sort();
    values
}

/// The name of the first request of session `client`.
pub(crate) const fn id(client: u64) -> RequestId {
    RequestId { client: ClientId(client), sequence: 1 }
}

pub(crate) fn get(client: u64) -> Request {
    Request { id: id(client), key: KEY.into(), operation: Operation::Get, quorum: None }
}

/// A blind put.
pub(crate) fn put(client: u64, value: &str) -> Request {
    write(client, None, Some(value))
}

/// A put of a value, or a delete, over what was read.
pub(crate) fn write(client: u64, context: Option<Context>, value: Option<&str>) -> Request {
    let value = value.map(Value::from);
    let operation = Operation::Put { context, value };
    Request { id: id(client), key: Key::from(KEY), operation, quorum: None }
}

/// The object that a blind put of `value` makes through node `id`.
pub(crate) fn object_of(setup: Setup, id: u64, client: u64, value: &str) -> Object {
    let (n, nodes) = (id as usize + 1, id + 1);
    let mut host = Setup { n, nodes, r: 1, w: 1, ..setup }.node(id);
    host.ask(put(client, value));
    host.copy().expect("the put is stored")
}

/// A replica's question, on behalf of a get of session `client`.
pub(crate) fn read_for(client: u64) -> Message {
    Message::Read { id: id(client), key: KEY.into(), home: None }
}

/// An object for a replica, on behalf of a put of session `client`.
pub(crate) fn replicate(client: u64, object: Object) -> Message {
    replicate_as(client, object, None)
}

/// The same for a node that stands in for `home`.
pub(crate) fn replicate_as(client: u64, object: Object, home: Option<u64>) -> Message {
    let (key, home, durability) = (KEY.into(), home.map(NodeId), Durability::Durable);
    Message::Replicate { id: id(client), key, object, home, durability }
}

/// Read repair.
pub(crate) fn repair(object: Object) -> Message {
    Message::Repair { key: KEY.into(), object }
}

pub(crate) fn nodes(ids: &[u64]) -> Vec<NodeId> {
    ids.iter().copied().map(NodeId).collect()
}

/// The replicas that an answer rests on.
pub(crate) fn replicas(primaries: &[u64], fallbacks: &[u64]) -> Replicas {
    Replicas { primaries: nodes(primaries), fallbacks: nodes(fallbacks) }
}

/// The answer to a put that these primaries hold.
pub(crate) fn stored(primaries: &[u64]) -> Answer {
    Answer::Stored { replicas: replicas(primaries, &[]) }
}

/// A replica's copy, on behalf of a get of session `client`.
pub(crate) fn copy_for(client: u64, object: Option<Object>) -> Message {
    Message::Copy { id: id(client), object }
}

pub(crate) fn replicated(client: u64) -> Message {
    Message::Replicated { id: id(client) }
}

pub(crate) fn refused(client: u64) -> Message {
    Message::NotAReplica { id: id(client) }
}

pub(crate) fn ignored(why: Ignored) -> Vec<Effect> {
    vec![Effect::Note(Note::Ignored(why))]
}

/// What was sent, and to whom.
pub(crate) fn sent(effects: &[Effect]) -> Vec<(u64, Message)> {
    let sent = effects.iter().filter_map(|effect| match effect {
        Effect::Send { to, message, .. } => Some((to.0, message.clone())),
        _ => None,
    });
    sent.collect()
}

/// To whom something was sent.
pub(crate) fn receivers(effects: &[Effect]) -> Vec<u64> {
    sent(effects).into_iter().map(|(to, _)| to).collect()
}

/// The answers to clients.
pub(crate) fn answers(effects: &[Effect]) -> Vec<Answer> {
    let answers = effects.iter().filter_map(|effect| match effect {
        Effect::Reply { answer, .. } => Some(answer.clone()),
        _ => None,
    });
    answers.collect()
}

/// The values of the one answer among `effects`.
pub(crate) fn found(effects: &[Effect]) -> Vec<String> {
    let [answer] = &answers(effects)[..] else { panic!("not one answer: {effects:?}") };
    let Answer::Found { siblings, .. } = answer else { panic!("nothing found: {answer}") };
    let mut values: Vec<String> = siblings.iter().map(ToString::to_string).collect();
    values.sort();
    values
}

/// The timers that are set.
pub(crate) fn timers(effects: &[Effect]) -> Vec<(Timer, Delay)> {
    let set = effects.iter().filter_map(|effect| match effect {
        Effect::SetTimer { timer, delay } => Some((*timer, *delay)),
        _ => None,
    });
    set.collect()
}

pub(crate) fn notes(effects: &[Effect]) -> Vec<Note> {
    let notes = effects.iter().filter_map(|effect| match effect {
        Effect::Note(note) => Some(*note),
        _ => None,
    });
    notes.collect()
}

//! One node in the hands of a test: an in-memory disk, and short words for what goes in and out.
//!
//! The ring is always n0, n1, n2, ... in this order for [`KEY`].

use dynamo_protocol::config::{Config, ReadRepair};
use dynamo_protocol::door::{Ambient, Effect, Ignored, Input, Note, Start, Timer};
use dynamo_protocol::ids::{ClientId, Key, NodeId, RequestId, Value};
use dynamo_protocol::message::{Answer, Message, Operation, Request};
use dynamo_protocol::node::Node;
use dynamo_protocol::ring::{Position, Ring};
use dynamo_protocol::store::{Record, RecordKey, Store};
use dynamo_protocol::versions::{Context, Epoch, Incarnation, Object, Stamp, Versioning};
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

/// The key of most tests.
pub(crate) const KEY: &str = "cart-of-client-1";

/// A disk in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Disk(pub(crate) BTreeMap<RecordKey, Record>);

impl Store for Disk {
    fn get(&self, key: &RecordKey) -> Option<Record> {
        self.0.get(key).cloned()
    }

    fn next(&self, key: Option<&RecordKey>) -> Option<(RecordKey, Record)> {
        let after = key.map_or(Bound::Unbounded, Bound::Excluded);
        let mut range = self.0.range((after, Bound::Unbounded));
        range.next().map(|(key, record)| (key.clone(), record.clone()))
    }

    fn put(&mut self, key: RecordKey, record: Record) {
        self.0.insert(key, record);
    }

    fn remove(&mut self, key: &RecordKey) {
        self.0.remove(key);
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
}

/// (3,2,2) on four nodes, dotted, without read repair.
pub(crate) const USUAL: Setup = Setup {
    n: 3,
    nodes: 4,
    r: 2,
    w: 2,
    versioning: Versioning::Dotted,
    read_repair: ReadRepair::Off,
};

impl Setup {
    pub(crate) fn config(self) -> Arc<Config> {
        let ring = ring(self.n, self.nodes);
        Arc::new(Config::new(ring, self.r, self.w, self.versioning, self.read_repair).unwrap())
    }

    /// Node `id`, just bootstrapped.
    pub(crate) fn node(self, id: u64) -> Host {
        let mut host = Host::new(self, id, Disk::default());
        let incarnation = Incarnation(id);
        assert_eq!(host.take(Input::Start(Start::Bootstrap { incarnation })), []);
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
        self.take(Input::Peer { from, message, ambient })
    }

    pub(crate) fn fire(&mut self, timer: Timer) -> Vec<Effect> {
        self.take(Input::Timer(timer))
    }

    /// The same process on the same disk, started anew.
    pub(crate) fn restarted(&self) -> Host {
        let mut host = Host {
            node: Node::new(self.setup.config(), self.node.id(), self.node.store().clone()),
            ..self.clone()
        };
        assert_eq!(host.take(Input::Start(Start::Restart)), []);
        host
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
    Request { id: id(client), key: KEY.into(), operation: Operation::Get }
}

/// A blind put.
pub(crate) fn put(client: u64, value: &str) -> Request {
    write(client, None, Some(value))
}

/// A put of a value, or a delete, over what was read.
pub(crate) fn write(client: u64, context: Option<Context>, value: Option<&str>) -> Request {
    let value = value.map(Value::from);
    Request { id: id(client), key: Key::from(KEY), operation: Operation::Put { context, value } }
}

/// The object that a blind put of `value` makes through node `id`.
pub(crate) fn object_of(setup: Setup, id: u64, client: u64, value: &str) -> Object {
    let (n, nodes) = (id as usize + 1, id + 1);
    let mut host = Setup { n, nodes, r: 1, w: 1, ..setup }.node(id);
    host.ask(put(client, value));
    host.copy().expect("the put is stored")
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
        Effect::Send { to, message } => Some((to.0, message.clone())),
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

pub(crate) fn notes(effects: &[Effect]) -> Vec<Note> {
    let notes = effects.iter().filter_map(|effect| match effect {
        Effect::Note(note) => Some(*note),
        _ => None,
    });
    notes.collect()
}

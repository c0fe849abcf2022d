//! The protocol's node and the scripted client as Stateright actors.
//!
//! Both are thin: a node's step is [`Node::handle`], a client's next request comes from the plan of
//! the cluster model. Actors are numbered nodes first: node `n` is actor `n`, client `c` of a
//! cluster of N nodes is actor N + c.

use crate::world::{ClusterModel, Disk, client_of, request_id, write_node};
use ::stateright::actor::{Actor, Id, Out, model_timeout};
use dynamo_protocol::config::Config;
use dynamo_protocol::door::{Ambient, Effect, Effects, Input, Start, Timer};
use dynamo_protocol::ids::{ClientId, NodeId, RequestId};
use dynamo_protocol::membership::View;
use dynamo_protocol::message::{Answer, Message, Request};
use dynamo_protocol::node::Node;
use dynamo_protocol::store::Record;
use dynamo_protocol::versions::{Epoch, Incarnation, Stamp};
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// What actors send each other.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Msg {
    /// A client asks a node.
    Ask(Request),
    /// A node answers a client.
    Answer(RequestId, Answer),
    /// A node speaks to a node.
    Peer(View, Message),
}

impl fmt::Debug for Msg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Msg::Ask(request) => write!(f, "ask {}: {request}", request.id),
            Msg::Answer(id, answer) => write!(f, "answer {id}: {answer}"),
            Msg::Peer(_, message) => write!(f, "{message}"),
        }
    }
}

/// What outlives a crash.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Saved {
    /// Of a node: its disk.
    Disk(Disk),
    /// Of a client: the answers that it had.
    Answers(Vec<Answer>),
}

/// A node's timer with its owner: Stateright 0.31 hashes the timers of all actors together, so that
/// equal ones of different owners would be taken for each other.
pub type OwnedTimer = (NodeId, Timer);

/// A Dynamo node as a Stateright actor: the protocol's own [`Node`], its effects turned into
/// commands.
///
/// There is no clock: every [`Ambient`] has the stamp 0, so the versioning must not need one. Epochs
/// are numbered 0, 1, ... by node, the next one being read off the disk.
///
/// ```
/// use dynamo_models::scenario::Scenario;
/// use dynamo_models::stateright::ActorEncoding;
/// use stateright::{Checker, Model};
///
/// let scenario = Scenario::parse(
///     r#"
///     format = 1
///     title = "A put and a get through two nodes"
///     [cluster]
///     nodes = 2
///     n = 2
///     r = 1
///     w = 2
///     [[client]]
///     steps = ["put k@0", "get k@1"]
///     [expect]
///     no-lost-write = "holds"
///     read-your-writes = "holds"
///     "#,
///     "doc.toml",
/// )?;
/// let model = ActorEncoding::new(&scenario)?.model();
/// let checker = model.checker().spawn_bfs().join();
/// assert!(checker.unique_state_count() > 10);
/// checker.assert_properties();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct DynamoNode {
    config: Arc<Config>,
    id: NodeId,
    nodes: usize,
    has_timers: bool,
}

/// A node that runs.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct NodeState(pub Node<Disk>);

/// A client that follows its script in a scenario, each step at the node that it pins.
///
/// It waits for every answer as long as it takes, for ever if its node has lost the request. It
/// asks nothing again: after a crash it goes on waiting.
#[derive(Clone, Debug)]
pub struct ScriptedClient {
    model: ClusterModel,
    client: usize,
}

/// What a client has seen.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClientState {
    /// The answers to its steps so far, in order.
    pub answers: Vec<Answer>,
}

impl DynamoNode {
    /// Node `id` of a cluster of `nodes`.
    pub fn new(config: Arc<Config>, id: NodeId, nodes: usize) -> DynamoNode {
        DynamoNode { config, id, nodes, has_timers: true }
    }

    /// The same node, its timers never set.
    #[must_use]
    pub fn without_timers(self) -> DynamoNode {
        DynamoNode { has_timers: false, ..self }
    }

    /// Lets the node handle an input; the state is only written if it changes.
    fn handle<A>(&self, state: &mut Cow<'_, NodeState>, input: Input, out: &mut Out<A>)
    where
        A: Actor<Msg = Msg, Timer = OwnedTimer, Storage = Saved>,
    {
        let mut node = state.0.clone();
        let effects = node.handle(input);
        if node == state.0 {
            return self.perform(effects, out);
        }
        if !node.store().untouched_since(state.0.store()) {
            out.save(Saved::Disk(node.store().clone()));
        }
        *state = Cow::Owned(NodeState(node));
        self.perform(effects, out);
    }

    fn perform<A>(&self, effects: Effects, out: &mut Out<A>)
    where
        A: Actor<Msg = Msg, Timer = OwnedTimer, Storage = Saved>,
    {
        for effect in effects {
            match effect {
                Effect::Send { to, view, message } => {
                    out.send(peer(to), Msg::Peer(view, message));
                }
                Effect::Reply { id, answer } => {
                    let client = Id::from(self.nodes + client_of(id.client));
                    out.send(client, Msg::Answer(id, answer));
                }
                Effect::SetTimer { timer, .. } if self.has_timers => {
                    out.set_timer((self.id, timer), model_timeout());
                }
                Effect::CancelTimer(timer) if self.has_timers => {
                    out.cancel_timer((self.id, timer));
                }
                Effect::SetTimer { .. } | Effect::CancelTimer(_) | Effect::Note(_) => {}
            }
        }
    }
}

fn peer(node: NodeId) -> Id {
    Id::from(node.0 as usize)
}

/// Epochs are taken in order and written down at once, so the next one is above all on disk.
fn ambient(disk: &Disk) -> Ambient {
    let epochs = disk.records().filter_map(|(_, record)| match record {
        Record::Counter { epoch, .. } => Some(epoch.0 + 1),
        _ => None,
    });
    Ambient { stamp: Stamp(0), epoch: Epoch(epochs.max().unwrap_or(0)) }
}

impl Actor for DynamoNode {
    type Msg = Msg;
    type Timer = OwnedTimer;
    type State = NodeState;
    type Storage = Saved;
    type Random = ();

    fn on_start(&self, _: Id, saved: &Option<Saved>, out: &mut Out<Self>) -> NodeState {
        let (disk, start) = match saved {
            Some(Saved::Disk(disk)) => (disk.clone(), Start::Restart { latest: ClientId(0) }),
            _ => (Disk::default(), Start::Bootstrap { incarnation: Incarnation(0) }),
        };
        let node = Node::new(self.config.clone(), self.id, disk);
        let mut state = Cow::Owned(NodeState(node));
        self.handle(&mut state, Input::Start(start), out);
        state.into_owned()
    }

    fn on_msg(
        &self,
        _: Id,
        state: &mut Cow<'_, NodeState>,
        src: Id,
        msg: Msg,
        out: &mut Out<Self>,
    ) {
        let ambient = ambient(state.0.store());
        let input = match msg {
            Msg::Ask(request) => Input::Client { request, ambient },
            Msg::Peer(view, message) => {
                let from = NodeId(usize::from(src) as u64);
                Input::Peer { from, view, message, ambient }
            }
            Msg::Answer(..) => return,
        };
        self.handle(state, input, out);
    }

    fn on_timeout(
        &self,
        _: Id,
        state: &mut Cow<'_, NodeState>,
        timer: &OwnedTimer,
        out: &mut Out<Self>,
    ) {
        self.handle(state, Input::Timer(timer.1), out);
    }

    fn name(&self) -> String {
        self.id.to_string()
    }
}

impl fmt::Debug for NodeState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_node(f, &self.0)
    }
}

impl ScriptedClient {
    /// Client `client` of a scenario.
    pub fn new(model: ClusterModel, client: usize) -> ScriptedClient {
        ScriptedClient { model, client }
    }

    /// The name of the request that is open after these answers.
    fn open(&self, answers: &[Answer]) -> RequestId {
        let session = self.model.plan().session_after(self.client, answers);
        request_id(self.client, session, answers.len())
    }

    fn ask<A: Actor<Msg = Msg>>(&self, answers: &[Answer], out: &mut Out<A>) {
        let step = self.model.plan().step(self.client, answers.len());
        let contact = step.and_then(|step| step.contact);
        if let (Some(contact), Some(request)) =
            (contact, self.model.next_request(self.client, answers))
        {
            out.send(peer(NodeId(contact.into())), Msg::Ask(request));
        }
    }
}

impl Actor for ScriptedClient {
    type Msg = Msg;
    type Timer = OwnedTimer;
    type State = ClientState;
    type Storage = Saved;
    type Random = ();

    fn on_start(&self, _: Id, saved: &Option<Saved>, out: &mut Out<Self>) -> ClientState {
        match saved {
            Some(Saved::Answers(answers)) => ClientState { answers: answers.clone() },
            _ => {
                out.save(Saved::Answers(Vec::new()));
                self.ask(&[], out);
                ClientState { answers: Vec::new() }
            }
        }
    }

    fn on_msg(
        &self,
        _: Id,
        state: &mut Cow<'_, ClientState>,
        _: Id,
        msg: Msg,
        out: &mut Out<Self>,
    ) {
        match msg {
            Msg::Answer(id, answer) if id == self.open(&state.answers) => {
                state.to_mut().answers.push(answer);
                out.save(Saved::Answers(state.answers.clone()));
                self.ask(&state.answers, out);
            }
            _ => {}
        }
    }

    fn name(&self) -> String {
        format!("c{}", self.client)
    }
}

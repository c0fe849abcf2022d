//! One moment of a cluster: nodes, messages in flight, clients, faults spent, ghost.

use super::disk::Disk;
use super::ghost::Ghost;
use super::plan::{Puts, client_of};
use crate::scenario::{Faults, Property, Subject};
use crate::seal::Sealed;
use dynamo_protocol::door::Timer;
use dynamo_protocol::ids::{ClientId, NodeId};
use dynamo_protocol::membership::View;
use dynamo_protocol::message::Message;
use dynamo_protocol::node::Node;
use dynamo_protocol::versions::Context;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::hash::{Hash, Hasher};

/// One state of the cluster model. Every part is canonical: two states that can only do the same
/// and are judged the same should be equal, and unequal ones never merge. Most are made only to find
/// that they were seen before, so a copy should cost next to nothing.
#[derive(PartialEq, Eq, Hash)]
pub struct State {
    /// The nodes, n0 first.
    pub nodes: Nodes,
    /// The messages in flight, a set, in order.
    pub network: Network,
    /// How far the run is. Most steps leave that alone.
    pub run: Sealed<Run>,
    /// The faults spent so far.
    pub spent: Spent,
    /// The nodes on the far side of a partition, as a set; n0 is always on the near side. Empty when
    /// all hear each other.
    pub far_side: u8,
    /// The properties that are false at this state. Those about an answer speak of the answer, if
    /// any, that the step into this state gave.
    pub violated: Violated,
}

/// What changes when a client asks or is answered, an operator gives an order, or a node takes an
/// epoch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Run {
    /// The clients, then the one that makes the final free read.
    pub clients: SmallVec<[Sealed<Client>; 4]>,
    /// What truly happened.
    pub ghost: Ghost,
    /// How many epochs each node has taken; the next one gets this number.
    pub epochs: SmallVec<[u8; 8]>,
    /// How many of its orders each operator has given.
    pub ordered: SmallVec<[u8; 8]>,
}

/// Hosts, n0 first.
pub type Nodes = SmallVec<[Sealed<Host>; 4]>;

/// Messages, in order.
pub type Network = SmallVec<[Sealed<Envelope>; 8]>;

/// A node and its timers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Host {
    /// Its process, or its disk.
    pub process: Process,
    /// The timers that are set. Their names are unique in the cluster only together with the node;
    /// the host is hashed as a whole, so their owner is part of the hash.
    pub timers: BTreeSet<Timer>,
}

/// A process that runs, or what a crash left.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::large_enum_variant)] // Nearly all processes run.
pub enum Process {
    /// Running.
    Up(Node<Disk>),
    /// Crashed.
    Down(Disk),
}

/// A message in flight.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Envelope {
    /// The sender.
    pub from: NodeId,
    /// The receiver.
    pub to: NodeId,
    /// Which layouts the sender acts on.
    pub view: View,
    /// The message.
    pub message: Message,
    /// Whether the sender has crashed since: then the message may be lost, free.
    pub orphan: bool,
    /// The reapers that have begun to wait since it was sent, as a set: it dies out before their
    /// waits end.
    pub dying: u8,
}

/// A client between two steps of its script, or waiting for an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Client {
    /// Steps that have been answered.
    pub done: u8,
    /// The step at which its session began: after a timeout it goes on as a new one.
    pub session: u8,
    /// The node that is to answer, and the puts that were acknowledged before the call.
    pub waiting: Option<Waiting>,
    /// What a later step or judgement needs of each key.
    pub memory: BTreeMap<u8, Memory>,
}

/// An open request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Waiting {
    /// The node that was asked.
    pub node: NodeId,
    /// The key, by its place in the plan.
    pub key: u8,
    /// The puts of the key acknowledged when the request was made (for gets).
    pub acknowledged: Puts,
}

/// What a client knows of a key in its session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Memory {
    /// The context of its last get, while a later put needs it.
    pub context: Option<Context>,
    /// What that get truly returned, while a later put or get needs it.
    pub read: Puts,
    /// Its own acknowledged puts, while a later get must cover them.
    pub own: Puts,
}

/// The faults spent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Spent {
    /// Crashes.
    pub crashes: u8,
    /// Messages dropped.
    pub drops: u8,
    /// Messages duplicated.
    pub duplicates: u8,
    /// Request timers that fired although an answer could still come.
    pub timeouts: u8,
    /// Disks lost.
    pub disk_losses: u8,
    /// Partitions.
    pub partitions: u8,
}

/// A set of properties.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Violated(pub u16);

/// What the other parts of a state decide tells no states apart.
impl Hash for Violated {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        const STORES: Violated = Violated::all_of(Subject::Stores);
        self.without(STORES).0.hash(hasher);
    }
}

impl Violated {
    /// All properties that speak of this.
    pub const fn all_of(subject: Subject) -> Violated {
        let (mut set, mut place) = (0, 0);
        while place < Property::ALL.len() {
            let property = Property::ALL[place];
            if property.subject() as u8 == subject as u8 {
                set |= 1 << property as u16;
            }
            place += 1;
        }
        Violated(set)
    }

    /// This set less the other.
    #[must_use]
    pub const fn without(self, other: Violated) -> Violated {
        Violated(self.0 & !other.0)
    }

    /// Marks `property` as false if `holds` is.
    pub fn judge(&mut self, property: Property, holds: bool) {
        let bit = 1 << property as u16;
        self.0 = if holds { self.0 & !bit } else { self.0 | bit };
    }

    /// Both sets together.
    #[must_use]
    pub fn with(self, other: Violated) -> Violated {
        Violated(self.0 | other.0)
    }

    /// Whether `property` is false.
    pub fn has(self, property: Property) -> bool {
        self.0 >> property as u16 & 1 == 1
    }
}

impl Spent {
    /// The budget with what was spent taken off.
    pub fn left(self, budget: &Faults) -> Spent {
        if budget.total.is_some_and(|total| self.total() >= total) {
            return Spent::default();
        }
        Spent {
            crashes: budget.crashes - self.crashes,
            drops: budget.drops - self.drops,
            duplicates: budget.duplicates - self.duplicates,
            timeouts: budget.timeouts - self.timeouts,
            disk_losses: budget.disk_losses - self.disk_losses,
            partitions: budget.partitions - self.partitions,
        }
    }

    /// How often each kind of fault happened, with its name.
    pub fn kinds(self) -> [(&'static str, u8); 6] {
        [
            ("crash", self.crashes),
            ("drop", self.drops),
            ("duplicate", self.duplicates),
            ("timeout", self.timeouts),
            ("lost disk", self.disk_losses),
            ("partition", self.partitions),
        ]
    }

    /// Faults of all kinds together.
    pub fn total(self) -> u8 {
        self.kinds().iter().map(|(_, times)| times).sum()
    }

    /// Whether no kind of fault happened more often than in `other`.
    pub fn is_within(self, other: Spent) -> bool {
        self.kinds().iter().zip(other.kinds()).all(|((_, mine), (_, other))| *mine <= other)
    }
}

impl Host {
    /// The node, if it runs.
    pub fn up(&self) -> Option<&Node<Disk>> {
        match &self.process {
            Process::Up(node) => Some(node),
            Process::Down(_) => None,
        }
    }

    /// The disk.
    pub fn disk(&self) -> &Disk {
        match &self.process {
            Process::Up(node) => node.store(),
            Process::Down(disk) => disk,
        }
    }
}

impl Clone for State {
    fn clone(&self) -> State {
        let (nodes, network, run) = (self.nodes.clone(), self.network.clone(), self.run.clone());
        let State { spent, far_side, violated, .. } = *self;
        State { nodes, network, run, spent, far_side, violated }
    }

    /// Leaves alone what both share.
    fn clone_from(&mut self, other: &State) {
        self.nodes.clone_from(&other.nodes);
        self.network.clone_from(&other.network);
        self.run.clone_from(&other.run);
        (self.spent, self.far_side) = (other.spent, other.far_side);
        self.violated = other.violated;
    }
}

impl State {
    /// The host of a node.
    pub fn host(&self, node: NodeId) -> &Sealed<Host> {
        &self.nodes[node.0 as usize]
    }

    /// A node, if it runs.
    pub fn up(&self, node: NodeId) -> Option<&Node<Disk>> {
        self.nodes.get(node.0 as usize)?.up()
    }

    /// Whether a partition lies between two nodes.
    pub fn is_cut_off(&self, a: NodeId, b: NodeId) -> bool {
        let side = |node: NodeId| self.far_side >> node.0 & 1;
        side(a) != side(b)
    }

    /// A reaper begins to wait, longer than any message that is in flight now may live.
    pub fn let_die(&mut self, reaper: NodeId) {
        let lives_on = |envelope: &Envelope| !envelope.dies_for(reaper);
        self.relabel(lives_on, |envelope| envelope.dying |= 1 << reaper.0);
    }

    /// A node has crashed: what it has sent may be lost from now on.
    pub(super) fn orphan(&mut self, sender: NodeId) {
        let is_its_own = |envelope: &Envelope| envelope.from == sender && !envelope.orphan;
        self.relabel(is_its_own, |envelope| envelope.orphan = true);
    }

    /// Changes some of the messages in flight.
    fn relabel(&mut self, which: impl Fn(&Envelope) -> bool, change: impl Fn(&mut Envelope)) {
        let network = std::mem::take(&mut self.network).into_iter();
        let (changed, same): (Network, Network) = network.partition(|sealed| which(sealed));
        self.network = same;
        for sealed in changed {
            let mut envelope = (*sealed).clone();
            change(&mut envelope);
            self.send(envelope);
        }
    }

    /// Replaces a host.
    pub fn set_host(&mut self, node: NodeId, host: Host) {
        self.nodes[node.0 as usize] = Sealed::new(host);
    }

    /// Puts a message in flight; one already in flight is not added twice.
    pub fn send(&mut self, envelope: Envelope) {
        self.put_in_flight(Sealed::new(envelope));
    }

    /// The same, for one that is sealed.
    pub(super) fn put_in_flight(&mut self, sealed: Sealed<Envelope>) {
        if let Err(place) = self.network.binary_search(&sealed) {
            self.network.insert(place, sealed);
        }
    }

    /// Takes a message out of the network, if it is in flight.
    pub fn take(&mut self, envelope: &Sealed<Envelope>) -> Option<Sealed<Envelope>> {
        let same = self.network.iter().position(|other| other.is(envelope));
        let place = same.or_else(|| self.network.binary_search(envelope).ok());
        Some(self.network.remove(place?))
    }

    /// The place of a client that waits, by the id in its requests.
    pub fn client_index(&self, client: ClientId) -> Option<usize> {
        Some(client_of(client)).filter(|&index| index < self.run.clients.len())
    }
}

impl Envelope {
    /// Whether `reaper` waits for its end.
    pub fn dies_for(&self, reaper: NodeId) -> bool {
        self.dying >> reaper.0 & 1 == 1
    }
}

impl fmt::Display for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {} {}", self.from, self.to, self.message)
    }
}

//! A few nodes that were founded on a layout, and what they send each other.

use crate::common::*;
use dynamo_protocol::config::{Config, FailureHandling, Quorum, ReadRepair};
use dynamo_protocol::door::{Effect, Input, Start, Timer};
use dynamo_protocol::ids::{Key, NodeId};
use dynamo_protocol::membership::{
    Change, Command, LayoutHash, Membership, Phase, Step, View, plan,
};
use dynamo_protocol::message::{Message, Request};
use dynamo_protocol::node::Node;
use dynamo_protocol::ring::{Layout, Member, Ring, Strategy};
use dynamo_protocol::versions::{Incarnation, Versioning};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

pub(crate) const STRATEGY: Strategy = Strategy::EqualPartitions { partitions: 64 };

pub(crate) fn member(id: u64) -> Member {
    let (name, address) = (format!("n{id}"), String::new());
    Member { id: NodeId(id), name, weight: 1, zone: None, address }
}

/// The layout of n0 to n(`count`-1).
pub(crate) fn layout(n: u8, count: u64) -> Layout {
    Layout::new(STRATEGY, n, (0..count).map(member).collect()).expect("a valid layout")
}

/// A key whose owners are these, in each of the layouts.
pub(crate) fn key_of(lists: &[(&Layout, &[u64])]) -> Key {
    let is_it = |key: &Key| {
        let fits = |(layout, owners): &(&Layout, &[u64])| {
            Ring::new(layout).preference_list(key).primaries() == nodes(owners)
        };
        lists.iter().all(fits)
    };
    (0..2000).map(|i| Key::from(&*format!("key-{i}"))).find(is_it).expect("there is such a key")
}

/// Any membership, reachable or not.
pub(crate) fn made_up(cluster: LayoutHash, version: u64, current: &Layout) -> Membership {
    let (absent, change): (BTreeSet<NodeId>, Option<Change>) = (BTreeSet::new(), None);
    let plain = (cluster, version, current, absent, change);
    let bytes = postcard::to_allocvec(&plain).expect("encoding to memory");
    postcard::from_bytes(&bytes).expect("it decodes")
}

/// From whom, to whom, under which view, and what.
pub(crate) type Sent = (u64, u64, View, Message);

/// Whoever is one of them, and everything that is in flight.
pub(crate) struct Town {
    pub(crate) config: Arc<Config>,
    pub(crate) hosts: Vec<Host>,
    pub(crate) network: VecDeque<Sent>,
}

impl Town {
    /// `count` nodes, of which the first `founders` are members; strict quorums (n, r, w).
    pub(crate) fn new((n, r, w): (u8, u8, u8), founders: u64, count: u64) -> Town {
        Town::of((n, r, w), founders, count, Quorum::Strict)
    }

    pub(crate) fn of((n, r, w): (u8, u8, u8), founders: u64, count: u64, quorum: Quorum) -> Town {
        let failures = FailureHandling { quorum, ..FailureHandling::default() };
        Town::founded_on(layout(n, founders), (r, w), count, failures)
    }

    /// `count` nodes, of which those of `layout` are members.
    pub(crate) fn founded_on(
        layout: Layout,
        (r, w): (u8, u8),
        count: u64,
        failures: FailureHandling,
    ) -> Town {
        let config = Config::founded_on(layout, r, w, Versioning::Dotted, ReadRepair::Off);
        let failures = FailureHandling { gossip: true, ..failures };
        let config = Arc::new(config.unwrap().with(failures).unwrap());
        let mut town = Town { config, hosts: Vec::new(), network: VecDeque::new() };
        for id in 0..count {
            let node = Node::new(town.config.clone(), NodeId(id), Disk::default());
            let mut host = Host { node, ..USUAL.node(0) };
            let incarnation = Incarnation(id);
            host.take(Input::Start(Start::Bootstrap { incarnation }));
            town.hosts.push(host);
        }
        town
    }

    pub(crate) fn founding(&self) -> Membership {
        (**self.config.founding().expect("it was founded on a layout")).clone()
    }

    pub(crate) fn node(&self, id: u64) -> &Node<Disk> {
        &self.hosts[id as usize].node
    }

    pub(crate) fn membership(&self, id: u64) -> Membership {
        (**self.node(id).membership().expect("it was founded on a layout")).clone()
    }

    /// How many changes a node has seen, and on which layouts it acts.
    pub(crate) fn at(&self, id: u64) -> (u64, Phase) {
        let view = self.node(id).view();
        (view.version, view.phase)
    }

    /// A node takes a step; what it sends is in flight.
    pub(crate) fn take(&mut self, id: u64, input: Input) -> Vec<Effect> {
        let effects = self.hosts[id as usize].take(input);
        for effect in &effects {
            if let Effect::Send { to, view, message } = effect {
                self.network.push_back((id, to.0, *view, message.clone()));
            }
        }
        effects
    }

    pub(crate) fn fire(&mut self, id: u64, timer: Timer) -> Vec<Effect> {
        self.take(id, Input::Timer(timer))
    }

    pub(crate) fn ask(&mut self, id: u64, request: Request) -> Vec<Effect> {
        let ambient = self.hosts[id as usize].ambient;
        self.hosts[id as usize].ambient.epoch.0 += 1;
        self.take(id, Input::Client { request, ambient })
    }

    /// A message that is sent under `view`.
    pub(crate) fn hear(&mut self, id: u64, from: u64, view: View, message: Message) -> Vec<Effect> {
        let (from, ambient) = (NodeId(from), self.hosts[id as usize].ambient);
        self.take(id, Input::Peer { from, view, message, ambient })
    }

    /// The same under the receiver's own.
    pub(crate) fn hear_here(&mut self, id: u64, from: u64, message: Message) -> Vec<Effect> {
        self.hear(id, from, self.node(id).view(), message)
    }

    /// A node is told what another may know.
    pub(crate) fn tell(&mut self, id: u64, from: u64, membership: &Membership) -> Vec<Effect> {
        let news = Message::News(Arc::new(membership.clone()));
        self.hear(id, from, membership.view(), news)
    }

    /// Everything in flight arrives, in order; a node beyond the town is never reached.
    pub(crate) fn deliver_all(&mut self) {
        while let Some((from, to, view, message)) = self.network.pop_front() {
            if (to as usize) < self.hosts.len() {
                self.hear(to, from, view, message);
            }
        }
    }

    /// One gossips with the other, and all that follows.
    pub(crate) fn gossip(&mut self, from: u64, to: u64) {
        self.fire(from, Timer::Gossip(NodeId(to)));
        self.deliver_all();
    }

    pub(crate) fn stage(&mut self, id: u64, step: Step) -> Vec<Effect> {
        self.take(id, Input::Operator(Command::Stage(step)))
    }

    /// A plan of these steps is proposed through a node.
    pub(crate) fn order(&mut self, id: u64, steps: Vec<Step>) {
        let planned = plan(self.membership(id).current(), &steps).expect("a possible plan");
        steps.into_iter().for_each(|step| {
            self.stage(id, step);
        });
        let hash = LayoutHash::of_layout(&planned);
        self.take(id, Input::Operator(Command::Commit(hash)));
    }

    /// A node loses its disk, and begins a new life.
    pub(crate) fn lose_disk(&mut self, id: u64) {
        self.hosts[id as usize].node = Node::new(self.config.clone(), NodeId(id), Disk::default());
        let ambient = &mut self.hosts[id as usize].ambient;
        ambient.epoch.0 += 1;
        let incarnation = Incarnation(1000 * (id + 1) + ambient.epoch.0);
        self.take(id, Input::Start(Start::Amnesia { incarnation, latest: BEFORE }));
    }

    /// A node starts anew on the disk that a crash has left it.
    pub(crate) fn restart(&mut self, id: u64) -> Vec<Effect> {
        let disk = self.node(id).store().crashed();
        self.hosts[id as usize].node = Node::new(self.config.clone(), NodeId(id), disk);
        self.take(id, Input::Start(Start::Restart { latest: BEFORE }))
    }
}

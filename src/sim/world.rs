//! One run: everything that there is, and the loop that lets it happen.

use super::clients::Client;
use super::faults;
use super::host::Host;
use super::judge::Judge;
use super::load::Load;
use super::network::Network;
use super::outcome::Outcome;
use super::queue::{Queue, Time};
use super::setup::{Event, Property, Setup};
use crate::analysis::pbs::{Draws, stream};
use crate::shell::counters::Counters;
use anyhow::Result;
use dynamo_protocol::config::Config;
use dynamo_protocol::door::Input;
use dynamo_protocol::ids::{NodeId, RequestId};
use dynamo_protocol::membership::View;
use dynamo_protocol::message::{Answer, Message, Request};
use dynamo_protocol::versions::Versioning;
use rand_xoshiro::Xoshiro256PlusPlus;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// How often it is looked whether all agree, once all is mended, in milliseconds.
const LOOK_EVERY_MS: f64 = 250.0;

/// Of the random numbers from which the plan of faults is drawn.
const FAULTS: u64 = 3;

/// A setup, and what is worked out of it once for all its runs: the ring, delays that files tell.
pub(super) struct Prepared<'a> {
    setup: &'a Setup,
    config: Arc<Config>,
    network: Network,
    load: Load,
    client_link: Draws,
    processing: Draws,
    lengths: faults::Lengths,
}

/// Everything that there is.
pub(super) struct World<'a> {
    pub(super) setup: &'a Setup,
    pub(super) config: Arc<Config>,
    pub(super) now: Time,
    pub(super) queue: Queue<Happening>,
    pub(super) hosts: Vec<Host>,
    pub(super) network: Network,
    pub(super) clients: Vec<Client>,
    /// The client of each session, the first of which has the number 1.
    pub(super) sessions: Vec<u32>,
    /// Clients with nothing to do, in an open loop or between two batches.
    pub(super) idle: Vec<u32>,
    pub(super) load: Load,
    pub(super) judge: Judge,
    pub(super) random: Randoms,
    pub(super) client_link: Draws,
    pub(super) processing: Draws,
    /// What is kept for whom: key, keeper, home.
    pub(super) hints: BTreeSet<(u32, u32, NodeId)>,
    /// When each key was acknowledged last.
    pub(super) acknowledged: Vec<Option<Time>>,
    /// Whether a node had what a probe has put as its copy was read first, by the get's name.
    pub(super) fresh: BTreeMap<(RequestId, NodeId), bool>,
    pub(super) asked: u64,
    /// After how many the clients end.
    pub(super) requests: Option<u64>,
    /// Whether clients begin nothing new.
    pub(super) has_ended: bool,
    /// Lives of disks, and epochs, given so far.
    pub(super) given: u64,
    pub(super) plan: Vec<Event>,
    pub(super) outcome: Outcome,
    pub(super) counters: Counters,
}

/// Random numbers for each purpose, so that one fault less changes nothing else.
pub(super) struct Randoms {
    pub(super) load: Xoshiro256PlusPlus,
    pub(super) network: Xoshiro256PlusPlus,
    pub(super) nodes: Xoshiro256PlusPlus,
}

/// Something that happens at a certain time.
#[derive(Debug)]
pub(super) enum Happening {
    /// A client begins something new.
    Begin { client: u32 },
    /// The next request of an open loop comes.
    Arrive,
    /// A request comes to a node.
    Ask { node: u32, request: Box<Request> },
    /// A packet comes to a node.
    Packet { from: u32, to: u32, packet: Packet },
    /// A node has worked on what came to it in one of its lives.
    Worked { node: u32, life: u32, input: Box<Input> },
    /// A node's clock may have something for it.
    Wake { node: u32, life: u32 },
    /// What is in a node's buffer reaches its disk.
    Flush { node: u32, life: u32 },
    /// It is time to read what a client has put.
    Probe { client: u32, key: u32, probe: usize },
    /// An answer comes to a client.
    Answer { id: RequestId, answer: Box<Answer> },
    /// A client has waited too long.
    GiveUp { id: RequestId },
    /// A fault of the plan begins.
    Fault { event: usize },
    /// A fault of the plan ends.
    Mended { event: usize },
}

/// What nodes send each other.
#[derive(Clone, Debug)]
pub(super) enum Packet {
    Message { view: View, message: Box<Message> },
    Ping,
    Pong,
}

impl<'a> Prepared<'a> {
    /// # Errors
    /// A setup that cannot be simulated, in one sentence.
    pub(super) fn new(setup: &'a Setup) -> Result<Prepared<'a>> {
        Ok(Prepared {
            setup,
            config: Arc::new(setup.config()?),
            network: Network::new(setup)?,
            load: Load::new(setup)?,
            client_link: Draws::new(setup.network.client.delay(&setup.folder)?),
            processing: Draws::new(setup.machines.processing.delay(&setup.folder)?),
            lengths: faults::Lengths::new(setup)?,
        })
    }

    /// The run of a seed, from its beginning to its end.
    pub(super) fn run(&self, seed: u64) -> Outcome {
        World::new(self, seed).run().of_seed(seed)
    }

    /// What goes wrong in the run of a seed, and when.
    pub(super) fn plan(&self, seed: u64) -> Vec<Event> {
        self.lengths.plan(self.setup, &mut stream(seed, FAULTS))
    }
}

impl<'a> World<'a> {
    fn new(prepared: &Prepared<'a>, seed: u64) -> World<'a> {
        let Prepared { setup, config, network, load, client_link, processing, .. } = prepared;
        let [for_load, for_network, for_nodes] = [0, 1, 2].map(|purpose| stream(seed, purpose));
        let random = Randoms { load: for_load, network: for_network, nodes: for_nodes };
        let asks = &setup.load;
        let is_register = config.versioning() == Versioning::LastWriterWins;
        let mut world = World {
            setup,
            config: config.clone(),
            now: Time::default(),
            queue: Queue::default(),
            hosts: Vec::new(),
            network: network.clone(),
            clients: (0..asks.clients).map(|_| Client::default()).collect(),
            sessions: Vec::new(),
            idle: Vec::new(),
            load: load.clone(),
            judge: Judge::new(asks.keys, is_register),
            random,
            client_link: client_link.clone(),
            processing: processing.clone(),
            hints: BTreeSet::new(),
            acknowledged: vec![None; asks.keys as usize],
            fresh: BTreeMap::new(),
            asked: 0,
            // Each probe has a key of its own.
            requests: match asks.probes_ms.is_empty() {
                true => asks.requests,
                false => Some(asks.requests.unwrap_or(u64::MAX).min(asks.keys.into())),
            },
            has_ended: false,
            given: 0,
            plan: prepared.plan(seed),
            outcome: Outcome::default(),
            counters: Counters::default(),
        };
        world.found();
        world
    }

    fn found(&mut self) {
        let setup = self.setup;
        for id in 0..setup.nodes {
            let host = Host::new(&self.config, NodeId(id.into()), setup, &mut self.random.nodes);
            self.hosts.push(host);
            self.bootstrap(id);
        }
        for (index, event) in self.plan.iter().enumerate() {
            let (begin, length) = (Time::from_ms(event.at_ms), event.for_ms);
            self.queue.push(begin, Happening::Fault { event: index });
            self.queue.push(begin.after_ms(length), Happening::Mended { event: index });
        }
        let clients = 0..setup.load.clients;
        if self.load.is_open() {
            self.idle = clients.rev().collect();
            self.queue.push(self.now, Happening::Arrive);
        } else {
            clients.for_each(|client| self.think(client));
        }
    }

    /// Lets everything happen until the clients have ended, mends all, and waits until all agree.
    fn run(mut self) -> Outcome {
        let end = Time(self.setup.load.duration_ms * 1_000_000);
        while !self.has_ended && self.step(end) {}
        self.now = if self.has_ended { self.now } else { end };
        self.has_ended = true;
        self.outcome.load_ns = self.now.0;
        self.mend();
        let latest = self.now.after_ms(self.setup.settle_ms as f64);
        let mended = self.now;
        while !self.agree() {
            if self.now >= latest {
                let what = self.disagreement();
                self.judge.wrong(Property::Converges, self.now, what);
                return self.finish();
            }
            let next = self.now.after_ms(LOOK_EVERY_MS).min(latest);
            while self.step(next) {}
            self.now = next;
        }
        self.outcome.settled_ms.record(self.now.ms() - mended.ms());
        self.finish()
    }

    fn finish(mut self) -> Outcome {
        self.outcome.runs = 1;
        self.outcome.requests = self.asked;
        for (name, value) in self.counters.iter() {
            self.outcome.add(name, value);
        }
        for (property, wrong) in std::mem::take(&mut self.judge.wrongs) {
            self.outcome.wrong(property, wrong);
        }
        self.outcome
    }

    /// Lets the next thing happen, if it does by `end`.
    fn step(&mut self, end: Time) -> bool {
        let Some((now, happening)) = self.queue.pop_until(end) else { return false };
        self.now = now;
        self.outcome.events += 1;
        match happening {
            Happening::Begin { client } => self.begin(client),
            Happening::Arrive => self.arrive(),
            Happening::Ask { node, request } => self.ask_node(node, *request),
            Happening::Packet { from, to, packet } => self.receive(from, to, packet),
            Happening::Worked { node, life, input } => {
                if self.hosts[node as usize].life() == life {
                    self.handle(node, *input);
                }
            }
            Happening::Wake { node, life } => self.wake(node, life),
            Happening::Flush { node, life } => self.flush(node, life),
            Happening::Answer { id, answer } => self.answered(id, *answer),
            Happening::Probe { client, key, probe } => self.probe(client, key, probe),
            Happening::GiveUp { id } => self.give_up(id),
            Happening::Fault { event } => self.befall(event),
            Happening::Mended { event } => self.is_over(event),
        }
        true
    }
}

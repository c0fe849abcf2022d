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
use crate::shell::delays::Lengths;
use anyhow::Result;
use dynamo_protocol::config::Config;
use dynamo_protocol::door::Input;
use dynamo_protocol::ids::{NodeId, RequestId};
use dynamo_protocol::membership::View;
use dynamo_protocol::message::{Answer, Message, Request};
use dynamo_protocol::versions::Versioning;
use rand_xoshiro::Xoshiro256PlusPlus;
use std::sync::Arc;

/// How often it is looked whether all agree, once all is mended, in milliseconds.
const LOOK_EVERY_MS: f64 = 250.0;

/// Of the random numbers from which the plan of faults is drawn.
pub(super) const FAULTS: u64 = 3;

/// Everything that there is.
pub(super) struct World {
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
    /// When each key was acknowledged last.
    pub(super) acknowledged: Vec<Option<Time>>,
    pub(super) asked: u64,
    pub(super) requests: Option<u64>,
    pub(super) batches: bool,
    pub(super) probes_ms: Vec<f64>,
    pub(super) lengths: Lengths,
    pub(super) timeout_ms: f64,
    pub(super) flush_ms: f64,
    pub(super) value_bytes: usize,
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
    Begin {
        client: u32,
    },
    /// The next request of an open loop comes.
    Arrive,
    /// A request comes to a node.
    Ask {
        node: u32,
        request: Box<Request>,
    },
    /// A packet comes to a node.
    Packet {
        from: u32,
        to: u32,
        packet: Packet,
    },
    /// A node has worked on what came to it in one of its lives.
    Worked {
        node: u32,
        life: u32,
        input: Box<Input>,
    },
    /// A node's clock may have something for it.
    Wake {
        node: u32,
        life: u32,
    },
    /// What is in a node's buffer reaches its disk.
    Flush {
        node: u32,
        life: u32,
    },
    /// It is time to read what a client has put.
    Probe {
        client: u32,
        key: u32,
        probe: usize,
    },
    /// An answer comes to a client.
    Answer {
        id: RequestId,
        answer: Box<Answer>,
    },
    /// A client has waited too long.
    GiveUp {
        id: RequestId,
    },
    /// A fault of the plan begins, or ends.
    Fault {
        event: usize,
    },
    Mended {
        event: usize,
    },
}

/// What nodes send each other.
#[derive(Clone, Debug)]
pub(super) enum Packet {
    Message { view: View, message: Box<Message> },
    Ping,
    Pong,
}

impl World {
    /// The beginning of a run.
    ///
    /// # Errors
    /// A setup that cannot be simulated, in one sentence.
    pub(super) fn new(setup: &Setup, seed: u64) -> Result<World> {
        let config = Arc::new(setup.config()?);
        let [load, network, nodes, mut faults] =
            [0, 1, 2, FAULTS].map(|purpose| stream(seed, purpose));
        let random = Randoms { load, network, nodes };
        let load = &setup.load;
        let is_register = config.versioning() == Versioning::LastWriterWins;
        let mut world = World {
            config,
            now: Time::default(),
            queue: Queue::default(),
            hosts: Vec::new(),
            network: Network::new(setup)?,
            clients: (0..load.clients).map(|_| Client::default()).collect(),
            sessions: Vec::new(),
            idle: Vec::new(),
            load: Load::new(setup)?,
            judge: Judge::new(load.keys, is_register),
            random,
            client_link: Draws::new(setup.network.client.delay(&setup.folder)?),
            processing: Draws::new(setup.machines.processing.delay(&setup.folder)?),
            acknowledged: vec![None; load.keys as usize],
            asked: 0,
            // Each probe has a key of its own.
            requests: match load.probes_ms.is_empty() {
                true => load.requests,
                false => Some(load.requests.unwrap_or(u64::MAX).min(load.keys.into())),
            },
            batches: load.batches,
            probes_ms: load.probes_ms.clone(),
            lengths: setup.timers,
            timeout_ms: load.timeout_ms as f64,
            flush_ms: setup.machines.flush_ms as f64,
            value_bytes: load.value_bytes as usize,
            has_ended: false,
            given: 0,
            plan: faults::plan(setup, &mut faults)?,
            outcome: Outcome::default(),
            counters: Counters::default(),
        };
        world.found(setup);
        Ok(world)
    }

    fn found(&mut self, setup: &Setup) {
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
    pub(super) fn run(mut self, setup: &Setup) -> Outcome {
        let end = Time(setup.load.duration_ms * 1_000_000);
        while !self.has_ended && self.step(end) {}
        self.now = if self.has_ended { self.now } else { end };
        self.has_ended = true;
        self.outcome.load_ns = self.now.0;
        self.mend();
        let latest = self.now.after_ms(setup.settle_ms as f64);
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

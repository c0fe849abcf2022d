//! One node: the core, its disk, and the shell around it, which is the runtime's own but for sockets.

use super::disk::Disk;
use super::judge::number_of;
use super::network::{pick, uniform};
use super::queue::Time;
use super::setup::{MAX_SKEW_MS, Setup};
use super::world::{Happening, Packet, World};
use crate::shell::counters::of_note;
use crate::shell::delays::{Delays, Lengths};
use crate::shell::gossip::{GossipClock, Pace};
use crate::shell::leg::Leg;
use crate::shell::timers::Timers;
use dynamo_protocol::config::Config;
use dynamo_protocol::door::{Ambient, Delay, Effect, Effects, Input, Note, Start, Timer};
use dynamo_protocol::ids::{ClientId, NodeId};
use dynamo_protocol::message::{Message, Request};
use dynamo_protocol::node::Node;
use dynamo_protocol::versions::{Epoch, Incarnation, Stamp};
use rand_xoshiro::Xoshiro256PlusPlus;
use std::sync::Arc;
use std::time::Duration;

/// A machine with a node on it.
pub(super) struct Host {
    node: Node<Disk>,
    /// How many faults keep it down.
    faults: u32,
    /// How often it has started.
    life: u32,
    shell: Shell,
    /// When it has worked on all that has come to it.
    free: Time,
    /// How much longer it works on each input, in milliseconds.
    pub(super) slowness: f64,
    /// What its clock differs from the true time by, in microseconds.
    skew: i64,
    is_flushing: bool,
}

/// What has a clock.
struct Shell {
    timers: Timers<Time>,
    delays: Delays,
    gossip: GossipClock<Time>,
    /// The earliest time at which it is woken.
    woken: Option<Time>,
}

/// Every clock shows at least this, so that none that is behind shows less than nothing.
const BEGINNING_US: i64 = 1_000 * MAX_SKEW_MS as i64;

impl Shell {
    /// Nodes that start together do not gossip in step.
    fn new(lengths: Lengths, now: Time, random: &mut Xoshiro256PlusPlus) -> Shell {
        let slow = Duration::from_millis(lengths.gossip_ms);
        let first = now + slow.mul_f64(uniform(random));
        Shell {
            timers: Timers::default(),
            delays: Delays::new(lengths),
            gossip: GossipClock::new(Pace::default(), slow, first),
            woken: None,
        }
    }

    fn next(&self) -> Option<Time> {
        self.timers.next_deadline().into_iter().chain(self.gossip.next_deadline()).min()
    }
}

impl Host {
    pub(super) fn new(
        config: &Arc<Config>,
        id: NodeId,
        setup: &Setup,
        random: &mut Xoshiro256PlusPlus,
    ) -> Host {
        let most = setup.machines.clock_skew_ms as f64 * 1000.0;
        Host {
            node: Node::new(config.clone(), id, Disk::default()),
            faults: 0,
            life: 0,
            shell: Shell::new(setup.timers, Time::default(), random),
            free: Time::default(),
            slowness: 0.0,
            skew: (most * (2.0 * uniform(random) - 1.0)) as i64,
            is_flushing: false,
        }
    }

    pub(super) fn node(&self) -> &Node<Disk> {
        &self.node
    }

    pub(super) fn is_up(&self) -> bool {
        self.faults == 0
    }

    pub(super) fn life(&self) -> u32 {
        self.life
    }

    /// The process ends, and what is not on disk is lost; the disk as well, if it `erases`. It stays
    /// down until as many faults are over.
    pub(super) fn crash(&mut self, erases: bool) {
        self.faults += 1;
        self.life += 1;
        let disk = self.node.store_mut();
        disk.crash();
        if erases {
            disk.erase();
        }
    }

    /// A fault that has kept it down is over. Whether it was the last.
    pub(super) fn recovers(&mut self) -> bool {
        self.faults -= 1;
        self.faults == 0
    }

    /// No fault keeps it down any more.
    pub(super) fn mend(&mut self) {
        (self.faults, self.slowness) = (0, 0.0);
    }

    /// The process starts again, from its disk.
    fn restart(&mut self, config: &Arc<Config>, shell: Shell, now: Time) {
        let disk = std::mem::take(self.node.store_mut());
        self.node = Node::new(config.clone(), self.node.id(), disk);
        (self.is_flushing, self.free, self.shell) = (false, now, shell);
    }
}

impl World<'_> {
    /// A node is born with the cluster.
    pub(super) fn bootstrap(&mut self, node: u32) {
        let incarnation = Incarnation(self.give());
        self.handle(node, Input::Start(Start::Bootstrap { incarnation }));
    }

    /// A node that was down starts again, as it was or with an empty disk.
    pub(super) fn restart(&mut self, node: u32) {
        let shell = Shell::new(self.setup.timers, self.now, &mut self.random.nodes);
        let host = &mut self.hosts[node as usize];
        host.restart(&self.config, shell, self.now);
        let latest = ClientId(self.sessions.len() as u64);
        let start = match host.node.store().is_empty() {
            false => Start::Restart { latest },
            true => Start::Amnesia { incarnation: Incarnation(self.give()), latest },
        };
        self.handle(node, Input::Start(start));
    }

    /// A number that was never given before.
    fn give(&mut self) -> u64 {
        self.given += 1;
        self.given
    }

    /// A request comes to a node; one that is down does not hear it.
    pub(super) fn ask_node(&mut self, node: u32, request: Request) {
        if !self.hosts[node as usize].is_up() {
            return self.counters.count("requests-to-the-dead");
        }
        let ambient = self.ambient(node);
        self.work(node, Input::Client { request, ambient });
    }

    /// A packet comes to a node; one that is down or cut off does not hear it.
    pub(super) fn receive(&mut self, from: u32, to: u32, packet: Packet) {
        if !self.hosts[to as usize].is_up() || self.network.is_cut(from, to) {
            return self.counters.count("packets-to-nowhere");
        }
        let peer = NodeId(from.into());
        match packet {
            Packet::Ping => self.send(to, from, Leg::Acknowledgement, &Packet::Pong),
            Packet::Pong => self.fire(to, Timer::Retry(peer)),
            Packet::Message { view, message } => {
                let ambient = self.ambient(to);
                let Shell { delays, timers, .. } = &mut self.hosts[to as usize].shell;
                delays.heard(peer, timers, self.now);
                self.work(to, Input::Peer { from: peer, view, message: *message, ambient });
            }
        }
    }

    /// What the core may not make itself.
    fn ambient(&mut self, node: u32) -> Ambient {
        let true_us = (self.now.0 / 1000) as i64;
        let shown = BEGINNING_US + true_us + self.hosts[node as usize].skew;
        Ambient { stamp: Stamp(shown.max(0) as u64), epoch: Epoch(self.give()) }
    }

    /// A node takes its time, one input after the other.
    fn work(&mut self, node: u32, input: Input) {
        let ms = self.processing.next(&mut self.random.nodes);
        let host = &mut self.hosts[node as usize];
        let ms = ms + host.slowness;
        if ms == 0.0 && host.free <= self.now {
            return self.handle(node, input);
        }
        host.free = host.free.max(self.now).after_ms(ms);
        let (life, done) = (host.life, host.free);
        self.queue.push(done, Happening::Worked { node, life, input: Box::new(input) });
    }

    /// A node takes one step.
    pub(super) fn handle(&mut self, node: u32, input: Input) {
        self.look_at_copy(node, &input);
        let host = &mut self.hosts[node as usize];
        let before = host.node.view();
        let effects = host.node.handle(input);
        if host.node.view() != before {
            host.shell.gossip.stir(self.now);
        }
        self.look_at_disk(node, effects.0.contains(&Effect::Note(Note::Reaped)));
        self.perform(node, effects);
        self.set_alarm(node);
    }

    /// Remembers of a probe whether the copy that is about to be read has what was put.
    fn look_at_copy(&mut self, node: u32, input: &Input) {
        if self.setup.load.probes_ms.is_empty() {
            return;
        }
        let (id, key) = match input {
            Input::Client { request: Request { id, key, .. }, .. }
            | Input::Peer { message: Message::Read { id, key, .. }, .. } => (*id, key),
            _ => return,
        };
        // Nobody else writes the key of a probe.
        let host = &self.hosts[node as usize].node;
        self.fresh.entry((id, host.id())).or_insert(host.store().object(key).is_some());
    }

    /// Shows the judge what has changed on a disk.
    pub(super) fn look_at_disk(&mut self, node: u32, reaps: bool) {
        let host = &mut self.hosts[node as usize];
        let changes = host.node.store_mut().take_changes();
        let mut doubtful: Vec<u32> = Vec::new();
        for change in changes {
            if let (Some(home), Some(key)) = (change.home, number_of(&change.key)) {
                match change.removed {
                    None => self.hints.insert((key, node, home)),
                    Some(_) => self.hints.remove(&(key, node, home)),
                };
            }
            doubtful.extend(self.judge.changed(&change, reaps, self.now));
        }
        doubtful.dedup();
        doubtful.into_iter().for_each(|key| self.merge_all(key));
        let host = &mut self.hosts[node as usize];
        if host.node.store().has_buffered() && !host.is_flushing {
            host.is_flushing = true;
            let flush = Happening::Flush { node, life: host.life };
            self.queue.push(self.now.after_ms(self.setup.machines.flush_ms as f64), flush);
        }
    }

    pub(super) fn flush(&mut self, node: u32, life: u32) {
        let host = &mut self.hosts[node as usize];
        if host.life == life {
            host.is_flushing = false;
            host.node.store_mut().flush();
        }
    }

    fn perform(&mut self, node: u32, effects: Effects) {
        for effect in effects {
            match effect {
                Effect::Send { to, view, message } => {
                    let (leg, message) = (Leg::of(&message), Box::new(message));
                    self.send(node, to.0 as u32, leg, &Packet::Message { view, message });
                }
                Effect::Reply { id, answer } => {
                    let arrives = self.now.after_ms(self.client_link.next(&mut self.random.load));
                    self.queue.push(arrives, Happening::Answer { id, answer: Box::new(answer) });
                }
                Effect::SetTimer { timer, delay } => self.set_timer(node, timer, delay),
                Effect::CancelTimer(Timer::Gossip(peer)) => {
                    self.hosts[node as usize].shell.gossip.remove(peer);
                }
                Effect::CancelTimer(timer) => self.hosts[node as usize].shell.timers.cancel(timer),
                Effect::Note(note) => self.counters.count(of_note(note)),
            }
        }
    }

    fn set_timer(&mut self, node: u32, timer: Timer, delay: Delay) {
        let host = &mut self.hosts[node as usize];
        if let Timer::Gossip(peer) = timer {
            return host.shell.gossip.add(peer);
        }
        let chance = || uniform(&mut self.random.nodes);
        let length = host.shell.delays.of(&host.node, timer, delay, chance);
        host.shell.timers.set(timer, self.now + length);
    }

    /// Sees to it that a node is woken when its clock has something for it.
    fn set_alarm(&mut self, node: u32) {
        let Host { shell, life, .. } = &mut self.hosts[node as usize];
        // A clock that is late fires at once.
        let next = shell.next().map(|next| next.max(self.now));
        if let Some(next) = next.filter(|next| shell.woken.is_none_or(|woken| *next < woken)) {
            shell.woken = Some(next);
            self.queue.push(next, Happening::Wake { node, life: *life });
        }
    }

    /// Lets the timers fire that are due, and the gossip clock tick.
    pub(super) fn wake(&mut self, node: u32, life: u32) {
        let host = &mut self.hosts[node as usize];
        if host.life != life || host.shell.woken != Some(self.now) {
            return;
        }
        host.shell.woken = None;
        while let Some(timer) = self.hosts[node as usize].shell.timers.pop_due(self.now) {
            match timer {
                Timer::Retry(suspect) => self.ask_suspect(node, suspect),
                _ => self.work(node, Input::Timer(timer)),
            }
        }
        let host = &mut self.hosts[node as usize];
        let is_changing = host.node.membership().is_some_and(|known| known.change().is_some());
        let random = &mut self.random.nodes;
        let peer = host.shell.gossip.tick(self.now, is_changing, |count| pick(random, count));
        if let Some(peer) = peer {
            self.work(node, Input::Timer(Timer::Gossip(peer)));
        }
        self.set_alarm(node);
    }

    /// As the runtime: a suspect is asked whether it is back before it is tried again.
    fn ask_suspect(&mut self, node: u32, suspect: NodeId) {
        self.send(node, suspect.0 as u32, Leg::Acknowledgement, &Packet::Ping);
        self.set_timer(node, Timer::Retry(suspect), Delay::Retry);
    }

    /// A timer fires before its time.
    fn fire(&mut self, node: u32, timer: Timer) {
        self.hosts[node as usize].shell.timers.cancel(timer);
        self.work(node, Input::Timer(timer));
    }

    fn send(&mut self, from: u32, to: u32, leg: Leg, packet: &Packet) {
        self.outcome.packets += 1;
        let random = &mut self.random.network;
        let arrivals = self.network.arrivals((from, to), leg, self.now, random);
        for arrival in arrivals.into_iter().flatten() {
            let packet = packet.clone();
            self.queue.push(arrival, Happening::Packet { from, to, packet });
        }
    }
}

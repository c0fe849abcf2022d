//! A small cluster under worse faults: lost disks, lost buffers, messages as old as they may get.

use crate::common::*;
use dynamo_protocol::config::{DurabilityMode, FailureHandling, Quorum, ReadRepair};
use dynamo_protocol::door::{Effect, Input, Note, Start, Timer};
use dynamo_protocol::ids::{ClientId, RequestId};
use dynamo_protocol::message::{Answer, Message};
use dynamo_protocol::store::{Record, RecordKey};
use dynamo_protocol::versions::Incarnation;
use dynamo_protocol::versions::{Context, Object};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// What happens next; numbers are taken modulo what there is.
#[derive(Clone, Copy, Debug)]
enum Step {
    Put(usize),
    /// A put, or a delete, of all that was read last.
    Over(usize, bool),
    Get(usize),
    Deliver(usize),
    Lose(usize),
    Repeat(usize),
    Fire(usize),
    /// All messages arrive, and the next step of reaping is due.
    Reap,
    Crash(usize),
    LoseDisk(usize),
    Flush(usize),
}

struct World {
    hosts: Vec<Host>,
    network: Vec<(u64, u64, Message)>,
    born: Vec<u64>,
    clock: u64,
    waits: BTreeMap<(u64, Timer), u64>,
    losses: usize,
    dots: BTreeMap<String, RequestId>,
    timers: BTreeSet<(u64, Timer)>,
    requests: u64,
    read: Option<(Context, BTreeSet<RequestId>)>,
    /// What each put has truly read and replaced.
    replaced: BTreeMap<RequestId, BTreeSet<RequestId>>,
    /// The tombstones that were reaped.
    reaped: BTreeSet<RequestId>,
    acknowledged: BTreeSet<RequestId>,
}

impl World {
    fn new(setup: Setup) -> World {
        let mut hosts: Vec<Host> = (0..setup.nodes).map(|id| setup.node(id)).collect();
        // Epochs are never given twice in one life of a disk.
        hosts.iter_mut().for_each(|host| host.ambient.epoch.0 = 0);
        let exchange =
            |at: u64, peer: u64| (at, Timer::Exchange(dynamo_protocol::ids::NodeId(peer)));
        let pairs = (0..setup.nodes).flat_map(|a| (a + 1..setup.nodes).map(move |b| (a, b)));
        let timers = pairs.filter(|_| setup.failures.anti_entropy).map(|(a, b)| exchange(a, b));
        let timers: BTreeSet<(u64, Timer)> = timers.collect();
        World {
            hosts,
            network: Vec::new(),
            born: Vec::new(),
            clock: 0,
            waits: BTreeMap::new(),
            losses: 0,
            dots: BTreeMap::new(),
            timers,
            requests: 0,
            read: None,
            replaced: BTreeMap::new(),
            reaped: BTreeSet::new(),
            acknowledged: BTreeSet::new(),
        }
    }

    fn next_id(&mut self) -> RequestId {
        self.requests += 1;
        RequestId { client: ClientId(self.requests), sequence: 1 }
    }

    fn run(&mut self, at: usize, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Send { to, message, .. } => {
                    self.network.push((at as u64, to.0, message));
                    self.born.push(self.clock);
                }
                Effect::SetTimer { timer, .. } => {
                    self.timers.insert((at as u64, timer));
                    self.clock += 1;
                    self.waits.insert((at as u64, timer), self.clock);
                }
                Effect::CancelTimer(timer) => drop(self.timers.remove(&(at as u64, timer))),
                Effect::Reply { id, answer } => self.answered(id, answer),
                Effect::Note(_) => {}
            }
        }
    }

    fn answered(&mut self, id: RequestId, answer: Answer) {
        match answer {
            Answer::Stored { .. } => drop(self.acknowledged.insert(id)),
            Answer::Found { siblings, context, .. } => {
                self.read = Some((context, siblings.iter().map(|written| written.by).collect()));
            }
            Answer::NotFound { deletes, context, .. } => {
                self.read = Some((context, deletes.into_iter().collect()));
            }
            _ => {}
        }
    }

    fn write(&mut self, at: usize, over: bool, is_delete: bool) {
        let id = self.next_id();
        let read = self.read.clone().filter(|_| over);
        let (context, replaced) = read.map_or((None, BTreeSet::new()), |(c, r)| (Some(c), r));
        let value = format!("v{}", self.requests);
        let request = write(id.client.0, context, (!is_delete).then_some(&value[..]));
        self.replaced.insert(id, replaced);
        let effects = self.hosts[at].ask(request);
        self.run(at, effects);
    }

    fn deliver(&mut self, at: usize, keep: bool) {
        let (from, to, message) = match keep {
            true => self.network[at].clone(),
            false => {
                self.born.remove(at);
                self.network.remove(at)
            }
        };
        self.take(to as usize, |host| host.hear(from, message));
    }

    /// One step of a node, and which tombstones it has reaped.
    fn take(&mut self, at: usize, step: impl FnOnce(&mut Host) -> Vec<Effect>) {
        let before = self.hosts[at].copy();
        let effects = step(&mut self.hosts[at]);
        if effects.contains(&Effect::Note(Note::Reaped)) {
            let siblings = before.iter().flat_map(Object::siblings);
            self.reaped.extend(siblings.map(|written| written.by));
        }
        self.run(at, effects);
    }

    fn deliver_all(&mut self) {
        while !self.network.is_empty() {
            self.deliver(0, false);
        }
    }

    /// A delay of reaping outlives all messages.
    fn fire(&mut self, (at, timer): (u64, Timer)) {
        if timer == Timer::Reap {
            // What was under way when the wait began dies, or arrives just before its end.
            let since = self.waits[&(at, timer)];
            let old: Vec<_> = (0..self.network.len()).filter(|&i| self.born[i] < since).collect();
            if let Some(&first) = old.first() {
                let dies = (first + old.len()) % 3 == 0;
                match dies {
                    true => {
                        self.born.remove(first);
                        self.network.remove(first);
                    }
                    false => self.deliver(first, false),
                }
                return;
            }
        }
        self.timers.remove(&(at, timer));
        self.take(at as usize, |host| host.fire(timer));
    }

    fn step(&mut self, step: Step) {
        let nodes = self.hosts.len();
        let messages = self.network.len();
        match step {
            Step::Put(at) => self.write(at % nodes, false, false),
            Step::Over(at, is_delete) => self.write(at % nodes, true, is_delete),
            Step::Get(at) => {
                let id = self.next_id();
                let effects = self.hosts[at % nodes].ask(get(id.client.0));
                self.run(at % nodes, effects);
            }
            Step::Deliver(n) if messages > 0 => self.deliver(n % messages, false),
            Step::Repeat(n) if messages > 0 => self.deliver(n % messages, true),
            Step::Lose(n) if messages > 0 => {
                self.born.remove(n % messages);
                self.network.remove(n % messages);
            }
            Step::Flush(at) => self.hosts[at % nodes].node.store_mut().flush(),
            Step::LoseDisk(at) if self.losses + 1 < usize::from(self.hosts[0].setup.w) => {
                self.losses += 1;
                let at = at % nodes;
                let ambient = self.hosts[at].ambient;
                let mut host = Host::new(self.hosts[at].setup, at as u64, Disk::default());
                host.ambient = ambient;
                let incarnation = Incarnation(100 + self.losses as u64);
                let latest = ClientId(self.requests);
                let effects = host.take(Input::Start(Start::Amnesia { incarnation, latest }));
                self.hosts[at] = host;
                self.timers.retain(|(of, _)| *of != at as u64);
                self.run(at, effects);
            }
            Step::Fire(n) if !self.timers.is_empty() => {
                let timer = *self.timers.iter().nth(n % self.timers.len()).unwrap();
                self.fire(timer);
            }
            Step::Reap if self.timers.contains(&(0, Timer::Reap)) => {
                self.fire((0, Timer::Reap));
            }
            Step::Crash(at) => {
                let at = at % nodes;
                let disk = self.hosts[at].node.store().crashed();
                let latest = ClientId(self.requests);
                let (host, effects) = self.hosts[at].started_after(disk, latest);
                self.hosts[at] = host;
                self.timers.retain(|(of, _)| *of != at as u64);
                self.run(at, effects);
            }
            _ => {}
        }
        self.always();
    }

    /// One dot never names two puts; no sibling covers another.
    fn always(&mut self) {
        for (_, object) in self.objects() {
            for (dot, written) in object.versions() {
                let by = *self.dots.entry(dot.clone()).or_insert(written.by);
                assert_eq!(by, written.by, "{dot} names two puts");
            }
            let held: BTreeSet<_> = object.siblings().map(|written| written.by).collect();
            for &put in &held {
                let mut covered = self.covered_by(put);
                covered.remove(&put);
                let both: Vec<_> = covered.intersection(&held).collect();
                assert!(both.is_empty(), "{both:?} beside {put}");
            }
        }
    }

    /// Delivers everything and lets every timer fire, until nothing but periodic work is left.
    fn settle(&mut self) {
        for round in 0..80 {
            self.deliver_all();
            let timers: Vec<_> = self.timers.iter().copied().collect();
            timers.into_iter().for_each(|timer| self.fire(timer));
            // All owners are read, so that read repair brings them together.
            if round % 4 == 0 {
                self.step(Step::Get(round / 4));
            }
        }
        self.deliver_all();
    }

    fn objects(&self) -> Vec<(u64, Object)> {
        let mut objects = Vec::new();
        for host in &self.hosts {
            for (name, record) in &host.node.store().seen {
                if let (RecordKey::Object(_) | RecordKey::Hint { .. }, Record::Object(object)) =
                    (name, record)
                {
                    objects.push((host.node.id().0, object.clone()));
                }
            }
        }
        objects
    }

    /// Everything that `put` has replaced, however indirectly, itself included.
    fn covered_by(&self, put: RequestId) -> BTreeSet<RequestId> {
        let mut covered = BTreeSet::from([put]);
        let mut left = vec![put];
        while let Some(put) = left.pop() {
            for &other in &self.replaced[&put] {
                if covered.insert(other) {
                    left.push(other);
                }
            }
        }
        covered
    }

    fn judge(&self) {
        if self.hosts[0].setup.failures.durability != DurabilityMode::Durable {
            return;
        }
        let objects = self.objects();
        let merged = objects.iter().map(|(_, object)| object.clone()).reduce(|a, b| a.merge(&b));
        let held: BTreeSet<RequestId> = merged
            .iter()
            .flat_map(|object| object.siblings().map(|written| written.by).collect::<Vec<_>>())
            .collect();
        let covered: BTreeSet<RequestId> =
            held.iter().flat_map(|&put| self.covered_by(put)).collect();
        // It, or something that has replaced it, may have been a tombstone that was reaped.
        let reaped = |put| self.reaped.iter().any(|&by| self.covered_by(by).contains(&put));
        for &put in &self.acknowledged {
            assert!(covered.contains(&put) || reaped(put), "{put} is lost: {held:?}");
            let mut replaced = self.covered_by(put);
            replaced.remove(&put);
            let back: Vec<_> = replaced.intersection(&held).collect();
            assert!(back.is_empty(), "{back:?} came back in spite of {put}");
        }
    }

    fn assert_quiet(&self) {
        let setup = self.hosts[0].setup;
        for host in &self.hosts {
            assert_eq!(host.node.pending().count(), 0);
            assert_eq!(host.node.hints(), 0, "n{}", host.node.id().0);
            assert_eq!(host.node.suspects().count(), 0);
            assert!(host.node.is_whole());
        }
        let owners = &self.hosts[..setup.n];
        assert!(owners.iter().all(|host| host.copy() == owners[0].copy()), "{:?}", self.objects());
        if setup.failures.reap {
            let is_deleted = owners[0].copy().is_some_and(|copy| copy.is_deleted());
            assert!(!is_deleted, "a tombstone that all hold is reaped");
        }
    }
}

fn step() -> impl Strategy<Value = Step> {
    let n = || 0..1000_usize;
    prop_oneof![
        2 => n().prop_map(Step::Put),
        2 => (n(), any::<bool>()).prop_map(|(at, is_delete)| Step::Over(at, is_delete)),
        3 => n().prop_map(Step::Get),
        14 => n().prop_map(Step::Deliver),
        2 => n().prop_map(Step::Lose),
        1 => n().prop_map(Step::Repeat),
        8 => n().prop_map(Step::Fire),
        2 => Just(Step::Reap),
        1 => n().prop_map(Step::Crash),
        1 => n().prop_map(Step::LoseDisk),
        2 => n().prop_map(Step::Flush),
    ]
}

fn setup() -> impl Strategy<Value = Setup> {
    use DurabilityMode::{Buffered, Durable, OneDurable};
    use ReadRepair::{Async, Blocking, Off};
    let durability = proptest::sample::select(&[Durable, Durable, Buffered, OneDurable][..]);
    let sizes = prop_oneof![Just((1, 3)), Just((2, 4)), Just((3, 5)), Just((2, 3))];
    let repair = proptest::sample::select(&[Async, Off, Blocking][..]);
    let quorum = proptest::sample::select(&[Quorum::Strict, Quorum::Sloppy, Quorum::Sloppy][..]);
    (sizes, 1..4_u8, 1..4_u8, repair, quorum, any::<bool>(), any::<bool>(), durability).prop_map(
        |((n, nodes), r, w, read_repair, quorum, reap, anti_entropy, durability)| {
            let handoff = true;
            let failures =
                FailureHandling { quorum, reap, anti_entropy, durability, handoff, gossip: false };
            let (r, w) = (r.min(n as u8), w.min(n as u8));
            Setup { n, nodes, r, w, read_repair, failures, ..USUAL }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2000,
        failure_persistence: None,
        max_shrink_iters: 20_000,
        ..ProptestConfig::default()
    })]

    #[test]
    fn whatever_else_happens_nothing_acknowledged_is_lost_or_undone(
        setup in setup(),
        steps in vec(step(), 0..200),
    ) {
        let mut world = World::new(setup);
        for step in steps {
            world.step(step);
        }
        world.settle();
        world.judge();
        if setup.read_repair == ReadRepair::Async || setup.failures.anti_entropy {
            world.assert_quiet();
        }
    }
}

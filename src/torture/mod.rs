//! A real cluster under load, faults and kills, and the question what it has lost.
//!
//! | module | what it is |
//! |---|---|
//! | [`plan`] | what happens when, drawn from a seed |
//! | [`judge`] | the verdict over a history: pure |
//! | `nodes`, `load`, `quiet` | processes, clients, and the wait for agreement |

pub mod judge;
mod load;
mod nodes;
pub mod plan;
mod quiet;

pub use load::siblings;
pub use quiet::Unrest;

use crate::client::Client;
use crate::wire::status::Digests;
use anyhow::{Context, Result, anyhow};
use dynamo_protocol::config::Quorum;
use dynamo_protocol::ids::{RequestId, Value};
use judge::{Outcome, Seen, Wrongs};
use load::{Done, Worker};
use nodes::Nodes;
use plan::{Kill, Options};
use serde::Serialize;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

/// How often somebody looks whether it is time for the next thing.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How long the last reads may take, each.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// What has happened.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Report {
    /// Of the plan.
    pub seed: u64,
    /// How long the load lasted.
    pub load_ms: u64,
    /// Operations by what became of them.
    pub operations: BTreeMap<String, u64>,
    /// What was done to nodes.
    pub kills: Vec<String>,
    /// What the nodes' receive paths did, and what the nodes did about it. Of a node that was
    /// killed: as far as it told shortly before.
    pub counters: BTreeMap<String, u64>,
    /// How long after load and faults all was at rest; `None` if that was not seen.
    pub rest_after_ms: Option<u64>,
    /// What was left to do when the patience was at its end.
    pub unrest: Option<Unrest>,
    /// Writes that were acknowledged.
    pub acknowledged: usize,
    /// Reads in the end: of each key from each node.
    pub reads: usize,
    /// Such reads that got no answer.
    pub unread: usize,
    /// What is wrong with what was read.
    pub wrongs: Wrongs,
    /// Keys that nodes do not agree about.
    pub differing: Vec<String>,
    /// Whether it was interrupted.
    pub interrupted: bool,
}

impl Report {
    /// Whether nothing was lost and everybody agrees.
    pub fn is_good(&self) -> bool {
        self.wrongs.is_empty() && self.differing.is_empty() && self.is_complete()
    }

    /// Whether everything was seen that has to be.
    fn is_complete(&self) -> bool {
        self.rest_after_ms.is_some() && self.unread == 0
    }
}

/// Tortures a new cluster. `stop` ends it early, with what is known by then; `tell` hears what is
/// going on. Whatever happens, no process is left behind.
///
/// # Errors
/// One sentence if the cluster cannot be run; what it does wrong is in the report.
pub fn run(options: &Options, stop: &AtomicBool, tell: &dyn Fn(&str)) -> Result<Report> {
    let mut nodes = Nodes::start(options, stop)?;
    let mut report = Report { seed: options.seed, ..Report::default() };
    tell(&format!("{} nodes are up, seed {}", options.nodes, options.seed));
    let started = Instant::now();
    let done = load_and_kill(options, &mut nodes, stop, tell, &mut report)?;
    report.load_ms = started.elapsed().as_millis() as u64;
    account(&mut report, &done);
    // The last of the clients may end after the faults.
    while Instant::now() < nodes.faults_until() && !stop.load(Ordering::SeqCst) {
        sleep(LOOK_EVERY);
    }
    tell("load and faults have ended");
    let since = Instant::now();
    let count = options.nodes.into();
    if !stop.load(Ordering::SeqCst) {
        match quiet::wait(&nodes, count, since, since + options.settle, stop)? {
            Ok(took) => report.rest_after_ms = Some(took.as_millis() as u64),
            Err(unrest) => report.unrest = Some(unrest),
        }
    }
    if !stop.load(Ordering::SeqCst) {
        tell("reading every key from every node");
        let seen = read_all(options, &nodes.addresses(), stop, &mut report);
        let writes: Vec<_> = done.into_iter().flat_map(|done| done.writes).collect();
        report.wrongs = judge::judge(&writes, &seen);
        report.differing = differing(&seen);
    }
    (0..count).for_each(|node| collect(&nodes, node, &mut report.counters));
    report.interrupted = stop.load(Ordering::SeqCst);
    nodes.stop()?;
    Ok(report)
}

/// Lets the clients loose while nodes are killed and come back.
fn load_and_kill(
    options: &Options,
    nodes: &mut Nodes,
    stop: &AtomicBool,
    tell: &dyn Fn(&str),
    report: &mut Report,
) -> Result<Vec<Done>> {
    let addresses = nodes.addresses();
    let start = Instant::now();
    let end = nodes.faults_until();
    // Set when the load is to end before its time.
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let spawn = |name| {
            let (addresses, over) = (&addresses, &over);
            scope.spawn(move || -> Result<Done> {
                let mut worker = Worker::new(name, addresses)?;
                for step in options.steps(name) {
                    let is_over = over.load(Ordering::SeqCst) || stop.load(Ordering::SeqCst);
                    if is_over || Instant::now() >= end {
                        break;
                    }
                    worker.step(step);
                }
                Ok(worker.done())
            })
        };
        let clients: Vec<_> = (0..options.clients).map(spawn).collect();
        let mut killed = Ok(());
        for kill in options.kills() {
            killed = killed.and_then(|()| kill_one(kill, start, nodes, stop, tell, report));
        }
        over.store(killed.is_err(), Ordering::SeqCst);
        let join = |client: thread::ScopedJoinHandle<'_, Result<Done>>| {
            client.join().map_err(|_| anyhow!("a client has panicked"))?
        };
        let done: Result<Vec<Done>> = clients.into_iter().map(join).collect();
        killed.and(done)
    })
}

fn kill_one(
    kill: Kill,
    start: Instant,
    nodes: &mut Nodes,
    stop: &AtomicBool,
    tell: &dyn Fn(&str),
    report: &mut Report,
) -> Result<()> {
    let name = format!("n{}", kill.node);
    if !sleep_until(start + kill.at, stop) {
        return Ok(());
    }
    // What it has counted goes with it.
    collect(nodes, kill.node, &mut report.counters);
    nodes.kill(kill.node)?;
    let at = start.elapsed();
    tell(&format!("{name} is killed after {at:.1?}"));
    // Interrupted or not, it comes back, so that what is known in the end is about all nodes.
    sleep_until(start + kill.back, stop);
    nodes.restart(kill.node, kill.erase).with_context(|| format!("{name} does not come back"))?;
    let how = if kill.erase { "with its data erased" } else { "with its data" };
    let what = format!("{name} killed after {at:.1?}, back {how} after {:.1?}", start.elapsed());
    tell(&what);
    report.kills.push(what);
    Ok(())
}

/// Sleeps; whether nobody stopped it.
fn sleep_until(until: Instant, stop: &AtomicBool) -> bool {
    while Instant::now() < until && !stop.load(Ordering::SeqCst) {
        sleep(LOOK_EVERY);
    }
    !stop.load(Ordering::SeqCst)
}

fn account(report: &mut Report, done: &[Done]) {
    for (what, count) in done.iter().flat_map(|done| &done.operations) {
        *report.operations.entry((*what).into()).or_default() += count;
    }
    let writes = done.iter().flat_map(|done| &done.writes);
    report.acknowledged = writes.filter(|w| w.outcome == Outcome::Acknowledged).count();
}

/// Adds what a node has counted, if it says so.
fn collect(nodes: &Nodes, node: usize, counters: &mut BTreeMap<String, u64>) {
    let timeout = Duration::from_millis(300);
    let status = (0..3).find_map(|_| nodes.examine(node, Digests::Roots, timeout).ok().flatten());
    for (name, value) in status.into_iter().flat_map(|status| status.counters) {
        *counters.entry(name).or_default() += value;
    }
}

/// Every key from every node, with a strict quorum.
fn read_all(
    options: &Options,
    nodes: &[SocketAddr],
    stop: &AtomicBool,
    report: &mut Report,
) -> Vec<Seen> {
    let mut all = Vec::new();
    for (node, address) in nodes.iter().enumerate() {
        for key in 0..options.keys {
            let seen = read_one(*address, key, stop);
            report.reads += 1;
            report.unread += usize::from(seen.is_none());
            let key = load::name_of(key);
            all.extend(seen.map(|siblings| Seen { node, key, siblings }));
        }
    }
    all
}

fn read_one(
    node: SocketAddr,
    key: u64,
    stop: &AtomicBool,
) -> Option<BTreeMap<RequestId, Option<Value>>> {
    let mut client = Client::connect(&[node]).ok()?.with_quorum(Quorum::Strict);
    let deadline = Instant::now() + READ_TIMEOUT;
    while Instant::now() < deadline && !stop.load(Ordering::SeqCst) {
        let read = client.get(&load::name_of(key)).ok().and_then(siblings);
        if let Some((_, siblings)) = read {
            return Some(siblings);
        }
    }
    None
}

/// The keys of which different nodes show different siblings.
fn differing(seen: &[Seen]) -> Vec<String> {
    let mut first: BTreeMap<_, &Seen> = BTreeMap::new();
    let mut differ = Vec::new();
    for seen in seen {
        let other = first.entry(&seen.key).or_insert(seen);
        if other.siblings != seen.siblings {
            differ.push(format!("{} at nodes {} and {}", seen.key, other.node, seen.node));
        }
    }
    differ
}

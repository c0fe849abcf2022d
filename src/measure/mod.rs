//! How stale reads truly are: what PBS asks about, asked of real nodes on this machine whose messages
//! take longer on purpose.
//!
//! A client puts a key of its own by one owner, and t ms after it has heard of the acknowledgement
//! it gets the key by an owner that is chosen anew. There are N nodes, so all are owners.

mod nodes;

use crate::analysis::pbs::{Histogram, Quorum};
use crate::client::{Client, Read};
use crate::latency::Latency;
use crate::node::carrier::be_punctual;
use crate::node::local::MAX_LOCAL_NODES;
use anyhow::{Result, anyhow, ensure};
use dynamo_protocol::ids::{Key, Value};
use nodes::Nodes;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Longest time between a put and its get, in milliseconds.
pub const MAX_AFTER_MS: f64 = 10_000.0;

/// What is to be measured.
#[derive(Clone, Debug)]
pub struct Options {
    /// Replicas of a key, and nodes.
    pub n: u8,
    /// Those that must answer a get.
    pub r: u8,
    /// Those that must hold a put.
    pub w: u8,
    /// What messages between nodes take beside what they take anyway.
    pub latency: Latency,
    /// Milliseconds between acknowledgements and gets; each has as many puts.
    pub times: Vec<f64>,
    /// Puts in all.
    pub puts: u64,
    /// Clients that work at the same time, each with one request at a time.
    pub clients: u64,
}

impl Options {
    /// Whether it can be measured. Latencies are checked when nodes are made.
    ///
    /// # Errors
    /// What cannot be, in one sentence.
    pub fn check(&self) -> Result<()> {
        Quorum::new(self.n.into(), self.r.into(), self.w.into())?;
        let most = MAX_LOCAL_NODES;
        ensure!(u16::from(self.n) <= most, "{} nodes on one machine; use 1 to {most}", self.n);
        ensure!(!self.times.is_empty(), "there is no t; use one or more");
        for t in &self.times {
            ensure!((0.0..=MAX_AFTER_MS).contains(t), "t is {t}; use 0 to {MAX_AFTER_MS} ms");
        }
        Ok(())
    }
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// One for each of the times, in their order.
    pub probes: Vec<Probe>,
    /// From sending a put to hearing of its acknowledgement, in milliseconds.
    pub put: Histogram,
    /// From sending a get to hearing the answer.
    pub get: Histogram,
    /// From asking a node whether it is there to hearing that it is: what requests and answers
    /// take by themselves.
    pub ping: Histogram,
    /// Puts, gets and pings that were not answered for.
    pub failed: u64,
    /// Whether it was ended early.
    pub interrupted: bool,
}

/// Gets that came so long after their puts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Probe {
    /// Gets that were answered.
    pub gets: u64,
    /// Those that returned what was put.
    pub fresh: u64,
    /// The sum of the times, in milliseconds, that truly lay between coordinators' sending of
    /// acknowledgements and of others' receiving these gets: what clients waited, and what a ping
    /// took there and back.
    pub after_ms: f64,
}

impl Report {
    fn empty(options: &Options) -> Report {
        Report { probes: vec![Probe::default(); options.times.len()], ..Report::default() }
    }

    fn add(&mut self, other: &Report) {
        for (mine, theirs) in self.probes.iter_mut().zip(&other.probes) {
            mine.gets += theirs.gets;
            mine.fresh += theirs.fresh;
            mine.after_ms += theirs.after_ms;
        }
        self.put.add(&other.put);
        self.get.add(&other.get);
        self.ping.add(&other.ping);
        self.failed += other.failed;
    }
}

/// Measures. `goes_on` hears how many puts have begun, and may end it all, with what is known by then.
///
/// # Errors
/// One sentence: options that make no sense, or nodes that cannot be run.
pub fn run(options: &Options, goes_on: &(dyn Fn(u64) -> bool + Sync)) -> Result<Report> {
    options.check()?;
    let mut nodes = Nodes::start(options)?;
    let (begun, interrupted) = (AtomicU64::new(0), AtomicBool::new(false));
    let next = || {
        let put = begun.fetch_add(1, Ordering::Relaxed);
        let is_left = put < options.puts;
        if is_left && !goes_on(put) {
            interrupted.store(true, Ordering::Relaxed);
        }
        (is_left && !interrupted.load(Ordering::Relaxed)).then_some(put)
    };
    let mut whole = Report::empty(options);
    let workers = (0..options.clients).map(|_| Worker::new(nodes.addresses(), options));
    let workers = workers.collect::<Result<Vec<Worker>>>()?;
    thread::scope(|scope| -> Result<()> {
        let next = &next;
        let clients = workers.into_iter().map(|worker| scope.spawn(move || worker.run(next)));
        for client in clients.collect::<Vec<_>>() {
            whole.add(&client.join().map_err(|_| anyhow!("a client has panicked"))?);
        }
        Ok(())
    })?;
    nodes.stop()?;
    whole.interrupted = interrupted.into_inner();
    Ok(whole)
}

/// One client, as each node knows it.
struct Worker<'a> {
    clients: Vec<Client>,
    times: &'a [f64],
    report: Report,
}

impl Worker<'_> {
    fn new<'a>(nodes: &[SocketAddr], options: &'a Options) -> Result<Worker<'a>> {
        let connect = |node: &SocketAddr| -> Result<Client> {
            let mut client = Client::connect(&[*node])?;
            // Whom it has not heard yet it would ask first.
            client.ping()?;
            Ok(client)
        };
        let clients = nodes.iter().map(connect).collect::<Result<_>>()?;
        Ok(Worker { clients, times: &options.times, report: Report::empty(options) })
    }

    fn run(mut self, next: &dyn Fn() -> Option<u64>) -> Report {
        be_punctual();
        while let Some(put) = next() {
            let time = (put % self.times.len() as u64) as usize;
            if self.probe(put, time).is_none() {
                self.report.failed += 1;
            }
        }
        self.report
    }

    /// A put, a get, and a ping to compare them with; `None` if they are not answered for.
    fn probe(&mut self, put: u64, time: usize) -> Option<()> {
        let name = put.to_string();
        let (key, value) = (Key::from(name.as_str()), Value::from(name.as_str()));
        let asked = Instant::now();
        self.owner().put(&key, value.clone(), None).ok()?;
        let acknowledged = Instant::now();
        self.report.put.record(ms(acknowledged - asked));
        let due = acknowledged + Duration::from_secs_f64(self.times[time] / 1000.0);
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let owner = self.owner();
        let sent = Instant::now();
        let read = owner.get(&key).ok()?;
        let answered = Instant::now();
        let is_fresh = match read {
            Read::Found { siblings, .. } => {
                siblings.iter().any(|s| s.value.as_ref() == Some(&value))
            }
            Read::NotFound { .. } => false,
            Read::QuorumUnavailable { .. } | Read::TimedOut => return None,
        };
        owner.ping().ok()??;
        let there_and_back = answered.elapsed();
        self.report.ping.record(ms(there_and_back));
        self.report.get.record(ms(answered - sent));
        let probe = &mut self.report.probes[time];
        probe.gets += 1;
        probe.fresh += u64::from(is_fresh);
        probe.after_ms += ms(sent - acknowledged + there_and_back);
        Some(())
    }

    /// The client of one of the owners.
    fn owner(&mut self) -> &mut Client {
        let node = rand::random_range(0..self.clients.len());
        &mut self.clients[node]
    }
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

//! Probabilistically bounded staleness (Bailis et al., PVLDB 5(8), 2012; CACM 57(8), 2014): how old
//! is what a read returns when R + W <= N?
//!
//! [`closed`] has what can be said in formulas, [`Study::run`] what must be simulated: trials of
//! the WARS model, in which one write and one read race over N replicas. The model knows no
//! failures, no read repair, no handoff and no anti-entropy, its coordinators are no replicas, and
//! replicas are alike and independent; so it is conservative where a store repairs, and silent
//! where it fails.

pub mod closed;
mod delay;
mod histogram;
mod interval;
pub(crate) mod math;
mod trial;

pub use delay::{Delay, Draws, Legs, NAMES};
pub use histogram::{Histogram, RELATIVE_ERROR, SMALLEST_MS};
pub use interval::{CONFIDENCE, Proportion, Quantile, wilson};
pub use trial::stream;

use std::fmt::{self, Display};
use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use trial::Trials;

/// Most replicas of a study.
pub const MAX_N: usize = 100;

/// Most trials of a study: more would take hours.
pub const MAX_SAMPLES: u64 = 100_000_000_000;

/// Most times of a study.
pub const MAX_TIMES: usize = 1000;

/// Trials of one block. A block has a stream of random numbers of its own, so that it does not
/// matter which thread works on it.
pub const BLOCK: u64 = 1 << 16;

/// What makes no study, in one sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadStudy(String);

impl Display for BadStudy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadStudy {}

/// N replicas, of which a read waits for R and a write for W.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quorum {
    n: usize,
    r: usize,
    w: usize,
}

impl Quorum {
    /// # Errors
    /// N is 0 or beyond [`MAX_N`]; R or W is 0 or more than N.
    pub fn new(n: usize, r: usize, w: usize) -> Result<Quorum, BadStudy> {
        if !(1..=MAX_N).contains(&n) {
            return Err(BadStudy(format!("N is {n}; use 1 to {MAX_N}")));
        }
        match [("R", r), ("W", w)].into_iter().find(|(_, size)| !(1..=n).contains(size)) {
            Some((name, size)) => {
                Err(BadStudy(format!("{name} is {size}, but N is {n}; use 1 to {n}")))
            }
            None => Ok(Quorum { n, r, w }),
        }
    }

    /// N.
    pub fn n(self) -> usize {
        self.n
    }

    /// R.
    pub fn r(self) -> usize {
        self.r
    }

    /// W.
    pub fn w(self) -> usize {
        self.w
    }

    /// Whether reads and writes always have a replica in common.
    pub fn is_strict(self) -> bool {
        self.r + self.w > self.n
    }
}

/// What is to be simulated.
#[derive(Clone, Debug)]
pub struct Study {
    legs: Legs,
    quorum: Quorum,
    times: Vec<f64>,
    samples: u64,
    seed: u64,
}

impl Study {
    /// Trials over these delays and this quorum; `times` are what P(consistent) is asked for, in
    /// milliseconds after the write was acknowledged.
    ///
    /// # Errors
    /// A time that is negative or no number, or more than [`MAX_TIMES`]; no samples, or more than
    /// [`MAX_SAMPLES`].
    pub fn new(
        legs: Legs,
        quorum: Quorum,
        times: Vec<f64>,
        samples: u64,
        seed: u64,
    ) -> Result<Study, BadStudy> {
        if let Some(time) = times.iter().find(|time| !(time.is_finite() && **time >= 0.0)) {
            return Err(BadStudy(format!("t is {time}; use milliseconds, 0 or more")));
        }
        if times.len() > MAX_TIMES {
            return Err(BadStudy(format!("{} times; use at most {MAX_TIMES}", times.len())));
        }
        if !(1..=MAX_SAMPLES).contains(&samples) {
            return Err(BadStudy(format!("{samples} samples; use 1 to {MAX_SAMPLES}")));
        }
        Ok(Study { legs, quorum, times, samples, seed })
    }

    /// Runs all trials. Nothing but the study decides on the outcome: neither the number of threads
    /// nor the machine. `goes_on` is told how many trials are done, now and then, and may end it all.
    ///
    /// Nothing is returned when it has.
    pub fn run(
        &self,
        threads: NonZeroUsize,
        goes_on: &(dyn Fn(u64) -> bool + Sync),
    ) -> Option<Outcome> {
        let blocks = self.samples.div_ceil(BLOCK);
        let (next, done) = (AtomicU64::new(0), AtomicU64::new(0));
        let stopped = AtomicBool::new(false);
        let whole = Mutex::new(Outcome::empty(self));
        let work = || {
            let mut trials = Trials::new(&self.legs, self.quorum);
            let mut part = Outcome::empty(self);
            while !stopped.load(Ordering::Relaxed) {
                let block = next.fetch_add(1, Ordering::Relaxed);
                if block >= blocks {
                    break;
                }
                let size = BLOCK.min(self.samples - block * BLOCK);
                trials.run(self.seed, block, size, &mut part);
                if !goes_on(done.fetch_add(size, Ordering::Relaxed) + size) {
                    stopped.store(true, Ordering::Relaxed);
                }
            }
            // Counts only: their sum does not depend on the order.
            whole.lock().expect("no thread panics with it").add(&part);
        };
        std::thread::scope(|scope| {
            for _ in 1..threads.get().min(usize::try_from(blocks).unwrap_or(usize::MAX)) {
                scope.spawn(work);
            }
            work();
        });
        let whole = whole.into_inner().expect("no thread panics with it");
        (!stopped.into_inner()).then_some(whole)
    }
}

/// What trials came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    samples: u64,
    /// Each time, and the trials that are consistent then.
    fresh: Vec<(f64, u64)>,
    /// Latency of reads, in milliseconds.
    pub read: Histogram,
    /// Latency of writes, in milliseconds.
    pub write: Histogram,
    /// For each trial the time after the write's acknowledgement from which on a read is
    /// consistent, in milliseconds; 0 if it always is. Its quantiles are t-visibility.
    pub visibility: Histogram,
}

impl Outcome {
    fn empty(study: &Study) -> Outcome {
        Outcome {
            samples: 0,
            fresh: study.times.iter().map(|time| (*time, 0)).collect(),
            read: Histogram::default(),
            write: Histogram::default(),
            visibility: Histogram::default(),
        }
    }

    fn add(&mut self, other: &Outcome) {
        self.samples += other.samples;
        for ((_, mine), (_, theirs)) in self.fresh.iter_mut().zip(&other.fresh) {
            *mine += theirs;
        }
        self.read.add(&other.read);
        self.write.add(&other.write);
        self.visibility.add(&other.visibility);
    }

    /// Counts trials by their latencies and thresholds, in milliseconds.
    fn record(&mut self, read: &[f64], write: &[f64], thresholds: &[f64]) {
        self.samples += thresholds.len() as u64;
        for (time, fresh) in &mut self.fresh {
            *fresh += thresholds.iter().filter(|threshold| *threshold <= time).count() as u64;
        }
        read.iter().for_each(|latency| self.read.record(*latency));
        write.iter().for_each(|latency| self.write.record(*latency));
        thresholds.iter().for_each(|threshold| self.visibility.record(*threshold));
    }

    /// P(consistent) at each time that was asked for, in the order in which they were.
    pub fn consistent(&self) -> impl Iterator<Item = (f64, Proportion)> {
        self.fresh.iter().map(|(time, fresh)| (*time, wilson(*fresh, self.samples)))
    }
}

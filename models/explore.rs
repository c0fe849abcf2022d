//! The exploration engine: breadth-first over every reachable state, so that the first violation
//! found is a shortest one; or depth-first, in a fraction of the memory.
//!
//! A state is remembered by a 64-bit fingerprint and the number of its parent, 18 to 24 bytes; only
//! the two newest layers are kept whole. A trace is rebuilt by stepping again from the start. Two
//! states that shared a fingerprint would be taken for one: [`Exploration::omission_odds`] tells
//! how likely that is, and the tests compare the counts with an explorer that keeps whole states.
//!
//! Most properties are judged at each state. Those that speak of continuations are decided here:
//! `converges` over the graph of all steps, once the space is exhausted, `available-writes` and
//! `available-reads` by a search of the space's own from each state.

mod checkpoint;
mod continuations;
mod coverage;
mod crew;
mod depth;
mod known;
mod ledger;
mod resume;
mod search;
mod space;
mod visited;

pub use checkpoint::{Checkpoint, CheckpointError};
pub use continuations::cut_off;
pub use coverage::{Coverage, KINDS, Taken};
pub use depth::explore_depth_first;
pub use known::Known;
pub use space::{Agreement, Marks, Space};

use crate::scenario::Property;
use search::Search;
use serde::{Deserialize, Serialize};
use std::num::NonZero;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// What a whole state takes, on average, for the estimate of memory.
const STATE_BYTES: u64 = 1024;

/// How much an exploration may take. What ends it early leaves inconclusive what is not refuted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// Unique states.
    pub states: Option<u64>,
    /// Bytes that the engine may take, by its own estimate.
    pub memory_bytes: Option<u64>,
    /// Wall time.
    pub time: Option<Duration>,
    /// Threads; one a core if it is not said. What is found does not depend on their number.
    pub threads: Option<NonZero<usize>>,
    /// Whoever sets this ends the exploration.
    pub stop: Option<&'static AtomicBool>,
}

impl Limits {
    /// The one that is met, after so long.
    pub(crate) fn met(&self, progress: &Progress, elapsed: Duration) -> Option<Stopped> {
        let over = |limit: Option<u64>, value: u64| limit.is_some_and(|limit| value >= limit);
        if over(self.states, progress.unique) {
            Some(Stopped::States)
        } else if over(self.memory_bytes, progress.memory_bytes) {
            Some(Stopped::Memory)
        } else if self.time.is_some_and(|limit| elapsed >= limit) {
            Some(Stopped::Time)
        } else if self.stop.is_some_and(|stop| stop.load(Ordering::Relaxed)) {
            Some(Stopped::Interrupted)
        } else {
            None
        }
    }
}

/// Why an exploration ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// The limit of states came first.
    States,
    /// A single search ahead would have taken more configurations than there may be states.
    StatesAhead,
    /// The limit of memory came first.
    Memory,
    /// The limit of time came first.
    Time,
    /// The user asked.
    Interrupted,
    /// Every property asked is refuted: nothing is left to learn. Not a limit.
    AllRefuted,
}

impl Stopped {
    /// Why, for people.
    pub const fn reason(self) -> &'static str {
        match self {
            Stopped::States => "the limit of states",
            Stopped::StatesAhead => "the limit of states, in a search ahead of a single one",
            Stopped::Memory => "the limit of memory",
            Stopped::Time => "the limit of time",
            Stopped::Interrupted => "an interruption",
            Stopped::AllRefuted => "every property asked is refuted",
        }
    }
}

/// How an exploration is going.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Unique states found.
    pub unique: u64,
    /// States generated, repetitions included.
    pub generated: u64,
    /// Unique states not yet expanded.
    pub queue: u64,
    /// The layer being expanded.
    pub depth: u32,
    /// Memory taken, estimated, in bytes.
    pub memory_bytes: u64,
    /// The part of it that remembers the states seen: fingerprints and parents.
    pub visited_bytes: u64,
    /// Unique states at which the replicas agree; counted only for `converges`.
    pub agreed: u64,
    /// Those of them at which something was written.
    pub agreed_on_something: u64,
    /// Configurations that the searches ahead remember by their fingerprints.
    pub known: u64,
}

/// What an exploration found.
#[derive(Clone, Debug)]
pub struct Exploration<A> {
    /// Counts at the end.
    pub progress: Progress,
    /// Why it ended before the space was exhausted, if it did.
    pub stopped: Option<Stopped>,
    /// How long it took.
    pub elapsed: Duration,
    /// For each refuted property a shortest sequence of actions into a state that violates it; of
    /// [`explore_frontier`] one for each minimal set of faults that is enough, shortest first.
    pub refuted: Vec<(Property, Vec<A>)>,
    /// What all steps together have done.
    pub marks: Marks,
    /// How many steps there were of each kind.
    pub coverage: Coverage,
    /// Why it could not be kept on disk as it ended, if that was wanted.
    pub unkept: Option<String>,
}

impl<A> Exploration<A> {
    /// An upper bound on the probability that two different states shared a fingerprint, so that
    /// one was never expanded, or two configurations, so that one was never searched: n²/2⁶⁵ each.
    pub fn omission_odds(&self) -> f64 {
        let odds = |n: u64| n as f64 * n as f64 / 2f64.powi(65);
        odds(self.progress.unique) + odds(self.progress.known)
    }

    /// The trace that refutes a property.
    pub fn trace(&self, property: Property) -> Option<&[A]> {
        self.refuted.iter().find(|(p, _)| *p == property).map(|(_, trace)| trace.as_slice())
    }

    /// Whether a limit came before the end.
    pub fn hit_limit(&self) -> bool {
        !matches!(self.stopped, None | Some(Stopped::AllRefuted))
    }
}

/// Explores `space` to the end, for all that is enough to violate each property: sets of faults of
/// which no part is enough. Nothing is left to find of a property that needs no fault.
pub fn explore_frontier<S: Space>(
    space: &S,
    asked: &[Property],
    limits: Limits,
    report: &mut dyn FnMut(&Progress) -> bool,
) -> Exploration<S::Action> {
    Search::new(space, asked, limits, report).with_frontier().explore()
}

/// Explores `space`, judging `asked`. `report` is told now and then how it goes, and stops it by
/// returning false.
pub fn explore<S: Space>(
    space: &S,
    asked: &[Property],
    limits: Limits,
    report: &mut dyn FnMut(&Progress) -> bool,
) -> Exploration<S::Action> {
    Search::new(space, asked, limits, report).explore()
}

/// The same, kept on disk now and then and when it ends: whoever calls it again goes on from there, and
/// finds what a call would have found that nothing had ended. The limit of time is that of a call, and
/// begins when what waits is there again.
///
/// # Errors
/// If there is a checkpoint and it cannot be read.
pub fn explore_kept<S: Space>(
    space: &S,
    asked: &[Property],
    limits: Limits,
    checkpoint: &Checkpoint,
    report: &mut dyn FnMut(&Progress) -> bool,
) -> Result<Exploration<S::Action>, CheckpointError> {
    Ok(Search::new(space, asked, limits, report).kept_in(checkpoint)?.explore())
}

//! The exploration engine: breadth-first over every reachable state, so that the first violation
//! found is a shortest one.
//!
//! A state is remembered by a 64-bit fingerprint and the number of its parent, about 20 bytes; only
//! the two newest layers are kept whole. A trace is rebuilt by stepping again from the start. Two
//! states that shared a fingerprint would be taken for one: [`Exploration::omission_odds`] tells
//! how likely that is, and the tests compare the counts with an explorer that keeps whole states.
//!
//! Most properties are judged at each state. Those that speak of continuations are decided here:
//! `converges` over the graph of all steps, once the space is exhausted, `available-writes` and
//! `available-reads` by a search of the space's own from each state.

mod continuations;
mod known;
mod space;
mod visited;

pub use continuations::cut_off;
pub use known::Known;
pub use space::{Agreement, Marks, Space};

use crate::scenario::Property;
use crate::seal::fingerprint;
use crate::world::Violated;
use continuations::Continuations;
use std::time::{Duration, Instant};
use visited::Visited;

/// What ends an exploration early; then what is not refuted is inconclusive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Unique states.
    pub states: Option<u64>,
    /// Bytes that the engine may take, by its own estimate.
    pub memory_bytes: Option<u64>,
    /// Wall time.
    pub time: Option<Duration>,
}

/// Why an exploration ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// The limit of states came first.
    States,
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
            Stopped::Memory => "the limit of memory",
            Stopped::Time => "the limit of time",
            Stopped::Interrupted => "an interruption",
            Stopped::AllRefuted => "every property asked is refuted",
        }
    }
}

/// How an exploration is going.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
    /// For each refuted property a shortest sequence of actions into a state that violates it.
    pub refuted: Vec<(Property, Vec<A>)>,
    /// What all steps together have done.
    pub marks: Marks,
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

/// Explores `space`, judging `asked`. `report` is told now and then how it goes, and stops it by
/// returning false.
pub fn explore<S: Space>(
    space: &S,
    asked: &[Property],
    limits: Limits,
    report: &mut dyn FnMut(&Progress) -> bool,
) -> Exploration<S::Action> {
    let mut search = Search {
        space,
        limits,
        report,
        open: asked.to_vec(),
        visited: Visited::default(),
        continuations: asked.contains(&Property::Converges).then(Continuations::default),
        known: Known::default(),
        marks: Marks::default(),
        found: Vec::new(),
        progress: Progress::default(),
        started: Instant::now(),
    };
    let stopped = search.run(!asked.is_empty());
    if stopped.is_none() {
        search.decide_converges();
    }
    let refuted = std::mem::take(&mut search.found);
    let rebuild = |(property, index)| (property, search.rebuild(index));
    let refuted = refuted.into_iter().map(rebuild).collect();
    Exploration {
        progress: search.progress,
        stopped,
        elapsed: search.started.elapsed(),
        refuted,
        marks: search.marks,
    }
}

/// States between two looks at the clock, the memory and two reports.
const REPORT_EVERY: u64 = 1024;

/// What a state in a layer takes besides its fingerprint, on average, for the memory estimate.
const LAYER_BYTES_PER_STATE: u64 = 1024;

struct Search<'a, S: Space> {
    space: &'a S,
    limits: Limits,
    report: &'a mut dyn FnMut(&Progress) -> bool,
    /// Properties not refuted yet. `converges` is one of them to the end.
    open: Vec<Property>,
    visited: Visited,
    /// Kept only while `converges` is asked.
    continuations: Option<Continuations>,
    known: Known,
    marks: Marks,
    /// Refuted properties and the number of the violating state.
    found: Vec<(Property, u32)>,
    progress: Progress,
    started: Instant,
}

type Layer<S> = Vec<(u32, <S as Space>::State)>;

impl<S: Space> Search<'_, S> {
    fn run(&mut self, stop_when_all_refuted: bool) -> Option<Stopped> {
        let initial = self.space.initial();
        let mut layer: Layer<S> = Vec::new();
        self.discover(initial, u32::MAX, &mut layer);
        while !layer.is_empty() {
            let mut next: Layer<S> = Vec::new();
            let mut left = layer.len() as u64;
            for (index, state) in layer {
                self.expand(index, &state, &mut next);
                left -= 1;
                let nothing_left = self.open.is_empty() && self.marks.include(self.space.wanted());
                if stop_when_all_refuted && nothing_left {
                    return Some(Stopped::AllRefuted);
                }
                let full = self.limits.states.is_some_and(|limit| self.progress.unique >= limit);
                if full || u64::from(index).is_multiple_of(REPORT_EVERY) {
                    self.progress.queue = left + next.len() as u64;
                    if let Some(stopped) = self.limit() {
                        return Some(stopped);
                    }
                }
            }
            layer = next;
            if !layer.is_empty() {
                self.progress.depth += 1;
            }
        }
        self.progress.queue = 0;
        self.measure();
        None
    }

    fn expand(&mut self, index: u32, state: &S::State, next: &mut Layer<S>) {
        for action in self.space.actions(state) {
            let successor = self.space.step(state, &action, &mut self.marks);
            self.progress.generated += 1;
            let to = self.discover(successor, index, next);
            if let Some(continuations) = &mut self.continuations
                && !self.space.is_fault(&action)
            {
                continuations.leads_to(to);
            }
        }
        if let Some(continuations) = &mut self.continuations {
            continuations.expanded();
        }
    }

    /// The number of a state; one that is new is judged and put into the layer.
    fn discover(&mut self, state: S::State, parent: u32, layer: &mut Layer<S>) -> u32 {
        let (index, is_new) = self.visited.insert(fingerprint(&state), parent);
        if !is_new {
            return index;
        }
        self.progress.unique += 1;
        if let Some(continuations) = &mut self.continuations {
            let agreement = self.space.agreement(&state);
            self.progress.agreed += u64::from(agreement != Agreement::Apart);
            self.progress.agreed_on_something += u64::from(agreement == Agreement::OnSomething);
            continuations.found(agreement != Agreement::Apart);
        }
        let ahead = self.space.violated_ahead(&state, &self.open, &mut self.known);
        let violated = self.space.violated(&state).with(ahead);
        if violated != Violated::default() {
            let found = &mut self.found;
            self.open.retain(|&property| {
                if violated.has(property) {
                    found.push((property, index));
                }
                !violated.has(property)
            });
        }
        layer.push((index, state));
        index
    }

    /// The space is exhausted: whether agreement can be reached from everywhere.
    fn decide_converges(&mut self) {
        let Some(continuations) = self.continuations.take() else { return };
        if let Some(index) = continuations.first_cut_off() {
            self.found.push((Property::Converges, index));
        }
    }

    fn limit(&mut self) -> Option<Stopped> {
        self.measure();
        let over = |limit: Option<u64>, value: u64| limit.is_some_and(|limit| value >= limit);
        if over(self.limits.states, self.progress.unique) || self.visited.is_full() {
            Some(Stopped::States)
        } else if over(self.limits.memory_bytes, self.progress.memory_bytes) {
            Some(Stopped::Memory)
        } else if self.limits.time.is_some_and(|limit| self.started.elapsed() >= limit) {
            Some(Stopped::Time)
        } else if !(self.report)(&self.progress) {
            Some(Stopped::Interrupted)
        } else {
            None
        }
    }

    fn measure(&mut self) {
        let layers = self.progress.queue * LAYER_BYTES_PER_STATE;
        self.progress.visited_bytes = self.visited.bytes();
        self.progress.known = self.known.len() as u64;
        let graph = self.continuations.as_ref().map_or(0, Continuations::bytes);
        let remembered = self.progress.visited_bytes + self.known.bytes() + graph;
        self.progress.memory_bytes = remembered + layers;
    }

    /// The actions that lead from the start to a visited state.
    fn rebuild(&self, index: u32) -> Vec<S::Action> {
        let mut state = self.space.initial();
        let mut trace = Vec::new();
        for wanted in self.visited.path(index).into_iter().skip(1) {
            let mut actions = self.space.actions(&state).into_iter();
            let step = actions.find_map(|action| {
                let next = self.space.step(&state, &action, &mut Marks::default());
                (fingerprint(&next) == wanted).then_some((action, next))
            });
            let Some((action, next)) = step else {
                unreachable!("a state steps the same way twice")
            };
            trace.push(action);
            state = next;
        }
        trace
    }
}

//! Depth-first, for volume: of a state that was seen only its fingerprint is kept, 10 to 21 bytes with
//! the table that holds it, and whole states on the way to the present one alone. Breadth-first, whole
//! states wait by the million where a space is wide.
//!
//! The price: counterexamples are not the shortest, nothing says which state leads to which, so that
//! `converges` cannot be asked, and one thread does it all, or the traces would depend on how many.

use super::coverage::Coverage;
use super::known::Known;
use super::space::{Marks, Space};
use super::{Exploration, Limits, Progress, STATE_BYTES, Stopped};
use crate::scenario::Property;
use crate::seal::fingerprint;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use std::time::Instant;
use std::{mem, vec};

/// States between two looks at the clock, the memory and two reports.
const REPORT_EVERY: u64 = 1024;

/// Explores `space`, judging `asked`, which `converges` must not be among. It takes one thread,
/// whatever the limits say.
pub fn explore_depth_first<S: Space>(
    space: &S,
    asked: &[Property],
    limits: Limits,
    report: &mut dyn FnMut(&Progress) -> bool,
) -> Exploration<S::Action> {
    let started = Instant::now();
    let mut known = Known::default();
    known.keep_to(limits, started);
    let dive = Dive {
        space,
        limits,
        report,
        stop_when_all_refuted: !asked.is_empty(),
        open: asked.to_vec(),
        seen: HashTable::new(),
        way: Vec::new(),
        known,
        refuted: Vec::new(),
        marks: Marks::default(),
        coverage: Coverage::default(),
        progress: Progress::default(),
        started,
    };
    dive.explore()
}

struct Dive<'a, S: Space> {
    space: &'a S,
    limits: Limits,
    report: &'a mut dyn FnMut(&Progress) -> bool,
    /// Whether to end when nothing is left to refute.
    stop_when_all_refuted: bool,
    /// Properties not refuted yet.
    open: Vec<Property>,
    /// The fingerprints of the states seen.
    seen: HashTable<u64>,
    /// The states from the start to the present one.
    way: Vec<Stop<S>>,
    known: Known,
    refuted: Vec<(Property, Vec<S::Action>)>,
    marks: Marks,
    coverage: Coverage,
    progress: Progress,
    started: Instant,
}

/// A state on the way.
struct Stop<S: Space> {
    state: S::State,
    /// What led to it; nothing to the first.
    by: Option<S::Action>,
    /// What was not tried from it yet.
    left: vec::IntoIter<S::Action>,
}

impl<S: Space> Dive<'_, S> {
    fn explore(mut self) -> Exploration<S::Action> {
        let stopped = self.run().or(self.known.gave_up());
        self.measure();
        Exploration {
            progress: self.progress,
            stopped,
            elapsed: self.started.elapsed(),
            refuted: self.refuted,
            marks: self.marks,
            coverage: self.coverage,
            unkept: None,
        }
    }

    fn run(&mut self) -> Option<Stopped> {
        let initial = self.space.initial();
        let mut after = initial.clone();
        self.is_new(fingerprint(&initial));
        self.enter(initial, None);
        while let Some(stop) = self.way.last_mut() {
            let Some(action) = stop.left.next() else {
                self.way.pop();
                continue;
            };
            self.space.step_into(&mut after, &stop.state, &action, &mut self.marks);
            self.progress.generated += 1;
            let kind = self.space.kind(&action);
            let is_new = self.is_new(fingerprint(&after));
            self.coverage.count(kind, is_new);
            if let Some(stop) = self.way.last().filter(|_| is_new) {
                let mut state = mem::replace(&mut after, stop.state.clone());
                self.space.judge(&stop.state, &mut state);
                self.enter(state, Some(action));
            }
            let is_done = self.open.is_empty() && self.marks.include(self.space.wanted());
            if self.stop_when_all_refuted && is_done {
                return Some(Stopped::AllRefuted);
            }
            if let Some(limit) = is_new.then(|| self.limit()).flatten() {
                return Some(limit);
            }
        }
        None
    }

    /// Whether no state with this fingerprint was seen; it is from now on.
    fn is_new(&mut self, fingerprint: u64) -> bool {
        match self.seen.entry(fingerprint, |&it| it == fingerprint, |&it| it) {
            Entry::Occupied(_) => false,
            Entry::Vacant(vacant) => {
                vacant.insert(fingerprint);
                true
            }
        }
    }

    /// Goes to a new state, and judges it.
    fn enter(&mut self, state: S::State, by: Option<S::Action>) {
        self.progress.unique += 1;
        let ahead = self.space.violated_ahead(&state, &self.open, &mut self.known);
        let violated = self.space.violated(&state).with(ahead);
        let left = self.space.actions(&state).into_iter();
        self.way.push(Stop { state, by, left });
        self.progress.depth = self.progress.depth.max(self.way.len() as u32 - 1);
        let refuted: Vec<Property> =
            self.open.iter().copied().filter(|&property| violated.has(property)).collect();
        for property in refuted {
            let way = self.way.iter().filter_map(|stop| stop.by.clone()).collect();
            self.refuted.push((property, way));
            self.open.retain(|open| *open != property);
        }
    }

    /// Why to end at a new state, if there is a reason.
    fn limit(&mut self) -> Option<Stopped> {
        if let Some(stopped) = self.known.gave_up() {
            return Some(stopped);
        }
        if self.limits.states.is_some_and(|limit| self.progress.unique >= limit) {
            return Some(Stopped::States);
        }
        if !self.progress.unique.is_multiple_of(REPORT_EVERY) {
            return None;
        }
        self.measure();
        let interrupted = || (!(self.report)(&self.progress)).then_some(Stopped::Interrupted);
        self.limits.met(&self.progress, self.started.elapsed()).or_else(interrupted)
    }

    fn measure(&mut self) {
        let progress = &mut self.progress;
        progress.queue = self.way.len() as u64;
        progress.known = self.known.len() as u64;
        progress.visited_bytes = self.seen.allocation_size() as u64;
        progress.memory_bytes = progress.visited_bytes
            + progress.queue * STATE_BYTES
            + self.known.bytes()
            + self.space.bytes();
    }
}

//! The search itself: layer by layer, each state's successors in order. States are expanded and judged
//! by all threads; they are numbered and counted by one.

use super::continuations::Continuations;
use super::coverage::Coverage;
use super::crew::Crew;
use super::known::Known;
use super::space::{Agreement, Marks, Space};
use super::visited::Visited;
use super::{Exploration, Limits, Progress, Stopped};
use crate::scenario::Property;
use crate::seal::fingerprint;
use crate::world::{Spent, Violated};
use std::time::Instant;

/// States between two looks at the clock, the memory and two reports.
const REPORT_EVERY: u64 = 1024;

/// States that are expanded before the first of their successors is numbered.
const BATCH: usize = 1024;

/// States that one thread takes at a time. What comes of a piece depends on nothing that is found in
/// the same batch, so that it does not matter who takes it, or when.
const PIECE: usize = 32;

/// What a state in a layer takes besides its fingerprint, on average, for the memory estimate.
const LAYER_BYTES_PER_STATE: u64 = 1024;

pub(super) struct Search<'a, S: Space> {
    space: &'a S,
    limits: Limits,
    crew: Crew,
    report: &'a mut dyn FnMut(&Progress) -> bool,
    /// Whether to end when nothing is left to refute.
    stop_when_all_refuted: bool,
    /// Properties not refuted yet. `converges` is one of them to the end.
    open: Vec<Property>,
    visited: Visited,
    /// Kept only while `converges` is asked.
    continuations: Option<Continuations>,
    known: Known,
    marks: Marks,
    coverage: Coverage,
    found: Vec<Found>,
    /// If all minimal sets of faults are wanted: those of each state by its number, as far as the
    /// question speaks of what can follow it.
    frontier: Option<Vec<Spent>>,
    progress: Progress,
    started: Instant,
}

/// A property is violated at a state with this number, after these faults.
struct Found {
    property: Property,
    spent: Spent,
    index: u32,
}

/// Whole states with their numbers.
type Layer<S> = Vec<(u32, <S as Space>::State)>;

/// What comes of a piece of a batch. The states lie beside the steps, few as they are.
struct Expanded<S> {
    /// For each state its number, how many steps it has, and what they have done.
    states: Vec<(u32, usize, Marks)>,
    steps: Vec<Step>,
    /// The states to which the unseen steps lead, in order.
    unseen: Vec<S>,
}

struct Step {
    to: To,
    is_fault: bool,
    kind: u8,
}

/// Where a step leads.
enum To {
    /// To a state that has a number.
    Seen(u32),
    /// To one that had none when its parent was expanded, with this fingerprint.
    Unseen(u64),
}

/// A state that is expanded, when all that it leads to has numbers.
struct Numbered {
    index: u32,
    /// Where its steps end in the row of all steps of the batch.
    taken_up_to: usize,
    /// How many states the next layer has then.
    found_up_to: usize,
    marks: Marks,
}

/// What comes of a batch besides new states, in order.
#[derive(Default)]
struct Batch {
    states: Vec<Numbered>,
    /// Of each step its kind, and whether it led to a new state.
    taken: Vec<(u8, bool)>,
}

/// A new state, judged.
struct Judged {
    violated: Violated,
    spent: Spent,
    agreement: Agreement,
}

impl<'a, S: Space> Search<'a, S> {
    pub(super) fn new(
        space: &'a S,
        asked: &[Property],
        limits: Limits,
        report: &'a mut dyn FnMut(&Progress) -> bool,
    ) -> Self {
        Search {
            space,
            limits,
            crew: Crew::new(limits.threads),
            report,
            stop_when_all_refuted: !asked.is_empty(),
            open: asked.to_vec(),
            visited: Visited::default(),
            continuations: asked.contains(&Property::Converges).then(Continuations::default),
            known: Known::default(),
            marks: Marks::default(),
            coverage: Coverage::default(),
            found: Vec::new(),
            frontier: None,
            progress: Progress::default(),
            started: Instant::now(),
        }
    }

    /// The same search for all minimal sets of faults.
    pub(super) fn with_frontier(self) -> Self {
        Search { frontier: Some(Vec::new()), ..self }
    }

    pub(super) fn explore(mut self) -> Exploration<S::Action> {
        let stopped = self.run();
        if stopped.is_none() {
            self.decide_converges();
        }
        let rebuild = |found: &Found| (found.property, self.rebuild(found.index));
        let refuted = self.found.iter().map(rebuild).collect();
        Exploration {
            progress: self.progress,
            stopped,
            elapsed: self.started.elapsed(),
            refuted,
            marks: self.marks,
            coverage: self.coverage,
        }
    }

    fn run(&mut self) -> Option<Stopped> {
        let initial = self.space.initial();
        let (index, _) = self.visited.insert(fingerprint(&initial), u32::MAX);
        let mut layer: Layer<S> = vec![(index, initial)];
        let judged = self.judge(&layer);
        judged.into_iter().for_each(|judged| self.record(index, &judged));
        while !layer.is_empty() {
            let mut next: Layer<S> = Vec::new();
            let mut left = layer.len();
            for batch in layer.chunks(BATCH) {
                left -= batch.len();
                if let Some(stopped) = self.explore_batch(batch, left as u64, &mut next) {
                    return Some(stopped);
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

    /// Expands some states and judges what is new, in parallel; then numbers and counts all of it in
    /// order, as if they had been expanded one after the other.
    fn explore_batch(
        &mut self,
        batch: &[(u32, S::State)],
        waiting: u64,
        next: &mut Layer<S>,
    ) -> Option<Stopped> {
        let mut unexpanded = batch.len() as u64;
        let (mut found, mut counted) = (next.len(), 0);
        let Batch { states, taken } = self.number(self.expand(batch), next);
        let fresh = &next[found..];
        let judged = self.judge(fresh);
        let mut new = fresh.iter().map(|(index, _)| *index).zip(judged).peekable();
        for Numbered { index, taken_up_to, found_up_to, marks } in states {
            unexpanded -= 1;
            let taken = &taken[counted..taken_up_to];
            counted = taken_up_to;
            taken.iter().for_each(|&(kind, is_new)| self.coverage.count(kind, is_new));
            self.progress.generated += taken.len() as u64;
            self.marks = self.marks.with(marks);
            while let Some((index, judged)) = new.next_if(|_| found < found_up_to) {
                found += 1;
                self.record(index, &judged);
            }
            if let Some(stopped) = self.stop(index, waiting + unexpanded + found as u64) {
                return Some(stopped);
            }
        }
        None
    }

    fn expand(&self, batch: &[(u32, S::State)]) -> Vec<Expanded<S::State>> {
        let (space, visited) = (self.space, &self.visited);
        self.crew.share(batch.chunks(PIECE).collect(), |piece: &[(u32, S::State)]| {
            let (states, steps) = (Vec::with_capacity(PIECE), Vec::with_capacity(8 * PIECE));
            let mut expanded = Expanded { states, steps, unseen: Vec::with_capacity(4 * PIECE) };
            let mut after = piece[0].1.clone();
            for (index, state) in piece {
                let (mut marks, begin) = (Marks::default(), expanded.steps.len());
                for action in space.actions(state) {
                    space.step_into(&mut after, state, &action, &mut marks);
                    let fingerprint = fingerprint(&after);
                    let seen = visited.find(fingerprint).map(To::Seen);
                    let to = seen.unwrap_or_else(|| {
                        let mut unseen = std::mem::replace(&mut after, state.clone());
                        space.judge(state, &mut unseen);
                        expanded.unseen.push(unseen);
                        To::Unseen(fingerprint)
                    });
                    expanded.steps.push(Step {
                        to,
                        is_fault: space.is_fault(&action),
                        kind: space.kind(&action),
                    });
                }
                expanded.states.push((*index, expanded.steps.len() - begin, marks));
            }
            expanded
        })
    }

    /// Gives the unseen successors their numbers; what is new waits in the next layer.
    fn number(&mut self, pieces: Vec<Expanded<S::State>>, next: &mut Layer<S>) -> Batch {
        let mut batch = Batch::default();
        for Expanded { states, steps, unseen } in pieces {
            let (mut steps, mut unseen) = (steps.into_iter(), unseen.into_iter());
            for (index, count, marks) in states {
                for Step { to, is_fault, kind } in steps.by_ref().take(count) {
                    let (to, is_new) = match to {
                        To::Seen(to) => (to, false),
                        To::Unseen(fingerprint) => {
                            let (to, is_new) = self.visited.insert(fingerprint, index);
                            if let Some(state) = unseen.next()
                                && is_new
                            {
                                next.push((to, state));
                            }
                            (to, is_new)
                        }
                    };
                    batch.taken.push((kind, is_new));
                    if let Some(continuations) = self.continuations.as_mut().filter(|_| !is_fault) {
                        continuations.leads_to(to);
                    }
                }
                if let Some(continuations) = &mut self.continuations {
                    continuations.expanded();
                }
                let (taken_up_to, found_up_to) = (batch.taken.len(), next.len());
                batch.states.push(Numbered { index, taken_up_to, found_up_to, marks });
            }
        }
        batch
    }

    /// Judges new states.
    fn judge(&mut self, fresh: &[(u32, S::State)]) -> Vec<Judged> {
        let (space, open, known) = (self.space, &self.open, &self.known);
        let asks_agreement = self.continuations.is_some();
        let judge = |(_, state): &(u32, S::State), known: &mut Known| Judged {
            violated: space.violated(state).with(space.violated_ahead(state, open, known)),
            spent: space.spent(state),
            agreement: match asks_agreement {
                true => space.agreement(state),
                false => Agreement::Apart,
            },
        };
        let piece = |piece: &[(u32, S::State)]| {
            let mut known = known.fork();
            let judged: Vec<Judged> = piece.iter().map(|state| judge(state, &mut known)).collect();
            (judged, known)
        };
        let judged = self.crew.share(fresh.chunks(PIECE).collect(), piece);
        let (judged, learned): (Vec<_>, Vec<_>) = judged.into_iter().unzip();
        self.known.learn(learned);
        judged.into_iter().flatten().collect()
    }

    /// Counts a new state, and keeps it as the first that violates a property if it is.
    fn record(&mut self, index: u32, judged: &Judged) {
        self.progress.unique += 1;
        if let Some(continuations) = &mut self.continuations {
            let agreement = judged.agreement;
            self.progress.agreed += u64::from(agreement != Agreement::Apart);
            self.progress.agreed_on_something += u64::from(agreement == Agreement::OnSomething);
            continuations.found(agreement != Agreement::Apart);
        }
        if let Some(spent) = &mut self.frontier
            && self.continuations.is_some()
        {
            spent.push(judged.spent);
        }
        if judged.violated != Violated::default() {
            for property in self.open.clone() {
                if judged.violated.has(property) {
                    self.find(Found { property, spent: judged.spent, index });
                }
            }
        }
    }

    /// Notes that a property is violated, unless less is known to be enough. Shorter ways are found
    /// first.
    fn find(&mut self, new: Found) {
        let is_new = |old: &Found| old.property != new.property || !old.spent.is_within(new.spent);
        if self.found.iter().all(is_new) {
            if self.frontier.is_none() || new.spent == Spent::default() {
                self.open.retain(|property| *property != new.property);
            }
            let is_minimal =
                |old: &Found| old.property != new.property || !new.spent.is_within(old.spent);
            self.found.retain(is_minimal);
            self.found.push(new);
        }
    }

    /// Why to end after a state is expanded, if there is a reason; `queue` states wait.
    fn stop(&mut self, index: u32, queue: u64) -> Option<Stopped> {
        let nothing_left = self.open.is_empty() && self.marks.include(self.space.wanted());
        if self.stop_when_all_refuted && nothing_left {
            return Some(Stopped::AllRefuted);
        }
        let full = self.limits.states.is_some_and(|limit| self.progress.unique >= limit);
        if !full && !u64::from(index).is_multiple_of(REPORT_EVERY) {
            return None;
        }
        self.progress.queue = queue;
        self.limit()
    }

    /// The space is exhausted: whether agreement can be reached from everywhere.
    fn decide_converges(&mut self) {
        let Some(continuations) = self.continuations.take() else {
            return;
        };
        let property = Property::Converges;
        let cut_off = continuations.cut_off();
        match self.frontier.take() {
            None => cut_off.first().into_iter().for_each(|&index| {
                self.found.push(Found { property, spent: Spent::default(), index });
            }),
            Some(spent) => cut_off.into_iter().for_each(|index| {
                self.find(Found { property, spent: spent[index as usize], index });
            }),
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
        let spent = self.frontier.as_ref().map_or(0, |spent| spent.capacity() * size_of::<Spent>());
        let remembered = self.progress.visited_bytes + self.known.bytes() + graph + spent as u64;
        self.progress.memory_bytes = remembered + layers + self.space.bytes();
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

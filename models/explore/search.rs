//! The search itself: layer by layer, each state's successors in order. States are expanded and judged
//! by all threads; they are numbered and counted by one.

use super::checkpoint::{Checkpoint, CheckpointError, Keeper};
use super::crew::Crew;
use super::known::Known;
use super::ledger::{Found, Judged, Ledger};
use super::resume::{Halt, waiting};
use super::space::{Agreement, Marks, Space};
use super::{Exploration, Limits, Progress, STATE_BYTES, Stopped};
use crate::scenario::Property;
use crate::seal::fingerprint;
use std::mem;
use std::time::{Duration, Instant};

/// States that are expanded before the first of their successors is numbered.
pub(super) const BATCH: usize = 1024;

/// States that one thread takes at a time. What comes of a piece depends on nothing that is found in
/// the same batch, so that it does not matter who takes it, or when.
pub(super) const PIECE: usize = 32;

pub(super) struct Search<'a, S: Space> {
    begin: Begin<S>,
    space: &'a S,
    limits: Limits,
    crew: Crew,
    report: &'a mut dyn FnMut(&Progress) -> bool,
    /// Whether to end when nothing is left to refute.
    stop_when_all_refuted: bool,
    keeper: Option<Keeper>,
    ledger: Ledger,
    /// What was refuted in a batch that had to be forgotten.
    beside: Vec<(Property, Vec<S::Action>)>,
    /// When it was called.
    called: Instant,
    /// When it began to explore: to make states again takes time, too.
    began: Instant,
}

/// Where a search begins.
enum Begin<S: Space> {
    /// At the initial state.
    Start,
    /// Where one ended that was kept on disk.
    At(Waiting<S>),
    /// Nowhere: the one that was kept has nothing left to find, or making its states again was
    /// interrupted.
    Nowhere(Stopped),
}

/// Whole states with their numbers.
type Layer<S> = Vec<(u32, <S as Space>::State)>;

/// What is left of the layer that is being expanded, and what was found of the next.
pub(super) struct Waiting<S: Space> {
    pub(super) layer: Layer<S>,
    pub(super) next: Layer<S>,
}

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
            begin: Begin::Start,
            stop_when_all_refuted: !asked.is_empty(),
            keeper: None,
            ledger: Ledger::new(asked),
            beside: Vec::new(),
            called: Instant::now(),
            began: Instant::now(),
        }
    }

    /// The same search for all minimal sets of faults.
    pub(super) fn with_frontier(mut self) -> Self {
        self.ledger.frontier = Some(Vec::new());
        self
    }

    /// The same search, kept on disk; it goes on from where the one that is kept there ended.
    pub(super) fn kept_in(mut self, checkpoint: &Checkpoint) -> Result<Self, CheckpointError> {
        let mut kept = None;
        match checkpoint.load()? {
            None => self.ledger.visited.keep_actions(),
            Some(ledger) => {
                kept = Some(ledger.expanded);
                self.begin = self.go_on_from(&ledger).ok_or_else(|| checkpoint.damaged())?;
                self.ledger = ledger;
            }
        }
        self.keeper = Some(Keeper::new(checkpoint.clone(), kept));
        Ok(self)
    }

    /// Where to go on from what was kept; nowhere to be found if an action leads elsewhere than it did.
    fn go_on_from(&mut self, ledger: &Ledger) -> Option<Begin<S>> {
        if ledger.all_refuted {
            return Some(Begin::Nowhere(Stopped::AllRefuted));
        }
        let mut goes_on = || (self.report)(&ledger.progress);
        match waiting(self.space, ledger, self.crew, &mut goes_on) {
            Ok(waiting) => Some(Begin::At(waiting)),
            Err(Halt::Interrupted) => Some(Begin::Nowhere(Stopped::Interrupted)),
            Err(Halt::LeadsElsewhere) => None,
        }
    }

    pub(super) fn explore(mut self) -> Exploration<S::Action> {
        self.began = Instant::now();
        self.ledger.known.keep_to(self.limits, self.began);
        let stopped = match mem::replace(&mut self.begin, Begin::Start) {
            Begin::Start => {
                let start = self.start();
                self.ledger.known.gave_up().or_else(|| self.run(start, Vec::new()))
            }
            // A limit that is met stays met.
            Begin::At(Waiting { layer, next }) => self.limit().or_else(|| self.run(layer, next)),
            Begin::Nowhere(stopped) => Some(stopped),
        };
        if stopped.is_none() {
            self.ledger.decide_converges();
        }
        let rebuild = |found: &Found| (found.property, self.rebuild(found.index));
        let mut refuted: Vec<_> = self.ledger.found.iter().map(rebuild).collect();
        refuted.append(&mut self.beside);
        Exploration {
            progress: self.ledger.progress,
            stopped,
            elapsed: self.elapsed(),
            refuted,
            marks: self.ledger.marks,
            coverage: self.ledger.coverage,
            unkept: self.keeper.and_then(Keeper::why_not),
        }
    }

    fn start(&mut self) -> Layer<S> {
        let initial = self.space.initial();
        let (index, _) = self.ledger.visited.insert(fingerprint(&initial), u32::MAX, 0);
        let layer = vec![(index, initial)];
        self.ledger.layer_end = 1;
        let judged = self.judge(&layer);
        judged.into_iter().for_each(|judged| self.ledger.record(index, &judged));
        layer
    }

    /// Explores a layer, or the rest of one, and what follows. Some of the next may be found.
    fn run(&mut self, mut layer: Layer<S>, mut next: Layer<S>) -> Option<Stopped> {
        loop {
            let mut left = layer.len();
            for batch in layer.chunks(BATCH) {
                if let Some(stopped) = self.explore_batch(batch, &mut next) {
                    self.ledger.all_refuted = stopped == Stopped::AllRefuted;
                    self.keep(true);
                    return Some(stopped);
                }
                left -= batch.len();
                self.ledger.expanded += batch.len() as u32;
                self.ledger.progress.queue = (left + next.len()) as u64;
                let stopped = self.limit();
                self.keep(stopped.is_some());
                if stopped.is_some() {
                    return stopped;
                }
            }
            layer = mem::take(&mut next);
            self.ledger.layer_end = self.ledger.visited.len();
            if layer.is_empty() {
                self.keep(true);
                return None;
            }
            self.ledger.progress.depth += 1;
        }
    }

    /// Expands some states and judges what is new, in parallel; then numbers and counts all of it in
    /// order, as if they had been expanded one after the other. Why to end, if there is a reason: nothing
    /// is left to refute; or a search ahead was given up, and then the batch is forgotten.
    fn explore_batch(&mut self, batch: &[(u32, S::State)], next: &mut Layer<S>) -> Option<Stopped> {
        let (mut found, mut counted, visited) = (next.len(), 0, self.ledger.visited.len());
        let Batch { states, taken } = self.number(self.expand(batch), next);
        let fresh = &next[found..];
        let judged = self.judge(fresh);
        if let Some(stopped) = self.ledger.known.gave_up() {
            self.beside = self.refuted_among(fresh, &judged);
            self.ledger.forget_batch(visited);
            return Some(stopped);
        }
        let mut new = fresh.iter().map(|(index, _)| *index).zip(judged).peekable();
        for Numbered { taken_up_to, found_up_to, marks } in states {
            let ledger = &mut self.ledger;
            let taken = &taken[counted..taken_up_to];
            counted = taken_up_to;
            taken.iter().for_each(|&(kind, is_new)| ledger.coverage.count(kind, is_new));
            ledger.progress.generated += taken.len() as u64;
            ledger.marks = ledger.marks.with(marks);
            while let Some((index, judged)) = new.next_if(|_| found < found_up_to) {
                found += 1;
                ledger.record(index, &judged);
            }
            let is_done = ledger.open.is_empty() && ledger.marks.include(self.space.wanted());
            if self.stop_when_all_refuted && is_done {
                return Some(Stopped::AllRefuted);
            }
        }
        None
    }

    fn expand(&self, batch: &[(u32, S::State)]) -> Vec<Expanded<S::State>> {
        let (space, visited) = (self.space, &self.ledger.visited);
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
                        let mut unseen = mem::replace(&mut after, state.clone());
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
        let ledger = &mut self.ledger;
        let mut batch = Batch::default();
        for Expanded { states, steps, unseen } in pieces {
            let (mut steps, mut unseen) = (steps.into_iter(), unseen.into_iter());
            for (index, count, marks) in states {
                for (place, step) in steps.by_ref().take(count).enumerate() {
                    let (to, is_new) = match step.to {
                        To::Seen(to) => (to, false),
                        To::Unseen(fingerprint) => {
                            let (to, is_new) = ledger.visited.insert(fingerprint, index, place);
                            if let Some(state) = unseen.next()
                                && is_new
                            {
                                next.push((to, state));
                            }
                            (to, is_new)
                        }
                    };
                    batch.taken.push((step.kind, is_new));
                    if let Some(continuations) = &mut ledger.continuations
                        && !step.is_fault
                    {
                        continuations.leads_to(to);
                    }
                }
                if let Some(continuations) = &mut ledger.continuations {
                    continuations.expanded();
                }
                let (taken_up_to, found_up_to) = (batch.taken.len(), next.len());
                batch.states.push(Numbered { taken_up_to, found_up_to, marks });
            }
        }
        batch
    }

    /// Judges new states.
    fn judge(&mut self, fresh: &[(u32, S::State)]) -> Vec<Judged> {
        let (space, open, known) = (self.space, &self.ledger.open, &self.ledger.known);
        let asks_agreement = self.ledger.continuations.is_some();
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
        self.ledger.known.learn(learned);
        judged.into_iter().flatten().collect()
    }

    /// The first refutation of each open property among new states.
    fn refuted_among(
        &self,
        fresh: &[(u32, S::State)],
        judged: &[Judged],
    ) -> Vec<(Property, Vec<S::Action>)> {
        let first = |&property: &Property| {
            let mut new = fresh.iter().zip(judged);
            let ((index, _), _) = new.find(|(_, judged)| judged.violated.has(property))?;
            Some((property, self.rebuild(*index)))
        };
        self.ledger.open.iter().filter_map(first).collect()
    }

    /// Why to end between two batches, if there is a reason and something is left to explore, or to
    /// search for.
    fn limit(&mut self) -> Option<Stopped> {
        self.measure();
        let Ledger { progress, visited, .. } = &self.ledger;
        if progress.queue == 0 {
            None
        } else if visited.is_full() {
            Some(Stopped::States)
        } else {
            let interrupted = || (!(self.report)(progress)).then_some(Stopped::Interrupted);
            self.limits.met(progress, self.began.elapsed()).or_else(interrupted)
        }
    }

    fn measure(&mut self) {
        let Ledger { progress, visited, known, .. } = &self.ledger;
        let layers = progress.queue * STATE_BYTES;
        let (visited_bytes, known) = (visited.bytes(), known.len() as u64);
        let memory_bytes = self.ledger.bytes() + layers + self.space.bytes();
        self.ledger.progress = Progress { visited_bytes, known, memory_bytes, ..*progress };
    }

    fn elapsed(&self) -> Duration {
        self.ledger.elapsed + self.called.elapsed()
    }

    /// Keeps the ledger on disk, if it is wanted and due, or at the `end`.
    fn keep(&mut self, end: bool) {
        let elapsed = self.elapsed();
        let Ledger { expanded, all_refuted, .. } = self.ledger;
        // Searches ahead have learned something, be it that one of them was given up.
        let is_more = all_refuted || self.ledger.known.gave_up().is_some();
        let is_due = |keeper: &&mut Keeper| match end {
            true => is_more || keeper.kept != Some(expanded),
            false => keeper.is_due(),
        };
        if let Some(keeper) = self.keeper.as_mut().filter(is_due) {
            let before = mem::replace(&mut self.ledger.elapsed, elapsed);
            keeper.keep(&self.ledger);
            self.ledger.elapsed = before;
        }
    }

    /// The actions that lead from the start to a visited state.
    fn rebuild(&self, index: u32) -> Vec<S::Action> {
        let mut state = self.space.initial();
        let mut trace = Vec::new();
        for wanted in self.ledger.visited.path(index).into_iter().skip(1) {
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

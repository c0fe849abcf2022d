//! Stateright's own checkers: a second opinion on verdicts and counts, and what our engine is
//! measured against.

use super::encoding::Encoded;
use super::model::properties;
use crate::check::{CheckError, Report, check_by};
use crate::explore::{Coverage, Exploration, Limits, Marks, Progress, Space, Stopped};
use crate::scenario::{Property as Question, Scenario, Switch};
use crate::world::{ClusterModel, Violated};
use ::stateright::{Checker, Model, Property};
use std::hash::Hash;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Which of Stateright's checkers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// `spawn_bfs`. Its counterexamples are not the shortest in 0.31.
    BreadthFirst,
    /// `spawn_dfs`.
    DepthFirst,
}

/// A model whose states Stateright can judge.
pub trait Judged:
    Model<State: Hash + Clone + PartialEq + Send + Sync, Action: Clone + PartialEq>
{
    /// The properties that are false at a state.
    fn false_at(&self, state: &Self::State) -> Violated;

    /// The state after an action, if it does anything. What the step did of the kinds that verdicts
    /// speak of is added to `marks`.
    fn after(
        &self,
        state: &Self::State,
        action: Self::Action,
        _marks: &mut Marks,
    ) -> Option<Self::State> {
        self.next_state(state, action)
    }
}

impl Judged for ClusterModel {
    fn false_at(&self, state: &Self::State) -> Violated {
        state.violated
    }

    fn after(
        &self,
        state: &Self::State,
        action: Self::Action,
        marks: &mut Marks,
    ) -> Option<Self::State> {
        Some(Space::step(self, state, &action, marks))
    }
}

impl Judged for Encoded {
    fn false_at(&self, state: &Self::State) -> Violated {
        self.violated(state)
    }
}

/// A model that can be brought to an end: Stateright 0.31 heeds no limit of time with one thread,
/// and none of unique states at all.
struct Watched<M> {
    model: M,
    asked: Vec<Question>,
    /// Once it is set, nothing more can happen.
    has_ended: Arc<AtomicBool>,
    marks: Arc<AtomicU32>,
}

impl<M: Judged> Model for Watched<M> {
    type State = M::State;
    type Action = M::Action;

    fn init_states(&self) -> Vec<M::State> {
        self.model.init_states()
    }

    fn actions(&self, state: &M::State, actions: &mut Vec<M::Action>) {
        if !self.has_ended.load(Ordering::Relaxed) {
            self.model.actions(state, actions);
        }
    }

    fn next_state(&self, state: &M::State, action: M::Action) -> Option<M::State> {
        let mut marks = Marks::default();
        let after = self.model.after(state, action, &mut marks);
        if marks != Marks::default() {
            self.marks.fetch_or(marks.0, Ordering::Relaxed);
        }
        after
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties(self.asked.iter().copied())
    }
}

impl<M: Judged> Judged for Watched<M> {
    fn false_at(&self, state: &M::State) -> Violated {
        self.model.false_at(state)
    }
}

/// Whether Stateright can judge a property. It cannot decide what may follow a state.
pub fn can_judge(property: Question) -> bool {
    !property.is_about_continuations()
}

/// Checks a scenario with one of Stateright's checkers: the same two passes as
/// [`crate::check::check`], the properties that it can judge, and always the whole space.
///
/// # Errors
/// If the scenario's cluster cannot be built, or memory is limited.
pub fn check(
    scenario: &Scenario,
    reductions: Switch,
    order: Order,
    limits: Limits,
    report: &mut dyn FnMut(&Progress) -> bool,
) -> Result<Report, CheckError> {
    if limits.memory_bytes.is_some() {
        return Err(CheckError::Memory);
    }
    let pass = |model: &ClusterModel, asked: &[Question]| {
        Ok(run(model.clone(), asked, order, limits, report))
    };
    check_by(scenario, reductions, can_judge, pass)
}

/// Lets Stateright explore a model, with one thread: with more its traces and limits would differ
/// from run to run. A trace is that of the violation that it met last. The limit of memory is not
/// heeded; what was remembered and which steps were taken Stateright does not tell.
pub fn run<M: Judged + Send + Sync + 'static>(
    model: M,
    asked: &[Question],
    order: Order,
    limits: Limits,
    report: &mut dyn FnMut(&Progress) -> bool,
) -> Exploration<M::Action> {
    let (has_ended, marks) = (Arc::default(), Arc::default());
    let watched = Watched { model, asked: asked.to_vec(), has_ended, marks };
    let (has_ended, marks) = (watched.has_ended.clone(), watched.marks.clone());
    let started = Instant::now();
    let mut watch = |progress: &Progress, is_done: bool| {
        let interrupted = || (!is_done && !report(progress)).then_some(Stopped::Interrupted);
        limits.met(progress, started.elapsed()).or_else(interrupted)
    };
    let checker = watched.checker().threads(1);
    let (progress, stopped, refuted) = match order {
        Order::BreadthFirst => follow(checker.spawn_bfs(), asked, &has_ended, &mut watch),
        Order::DepthFirst => follow(checker.spawn_dfs(), asked, &has_ended, &mut watch),
    };
    Exploration {
        unkept: None,
        progress,
        stopped,
        elapsed: started.elapsed(),
        refuted,
        marks: Marks(marks.load(Ordering::Relaxed)),
        coverage: Coverage::default(),
    }
}

/// What [`follow`] brings home.
type Followed<A> = (Progress, Option<Stopped>, Vec<(Question, Vec<A>)>);

/// Waits until a checker has done, or ends it when `watch` says so.
fn follow<M: Judged>(
    mut checker: impl Checker<Watched<M>>,
    asked: &[Question],
    has_ended: &AtomicBool,
    watch: &mut dyn FnMut(&Progress, bool) -> Option<Stopped>,
) -> Followed<M::Action> {
    let (started, handles) = (Instant::now(), checker.handles());
    let mut stopped = None;
    while !handles.iter().all(|handle| handle.is_finished()) {
        // So long that nothing is slowed down, so short that the time is right to a few per cent.
        sleep((started.elapsed() / 32).clamp(SHORTEST_LOOK, LONGEST_LOOK));
        if stopped.is_none() {
            stopped = watch(&progress(&checker), false);
            has_ended.store(stopped.is_some(), Ordering::Relaxed);
        }
    }
    for handle in handles {
        handle.join().unwrap_or_else(|panic| resume_unwind(panic));
    }
    let progress = progress(&checker);
    let stopped = stopped.or_else(|| watch(&progress, true));
    // It walks the paths again to tell them.
    has_ended.store(false, Ordering::Relaxed);
    let mut found = checker.discoveries();
    let refuted = asked.iter().filter_map(|&property| {
        let path = found.remove(property.name())?;
        Some((property, path.into_actions()))
    });
    (progress, stopped, refuted.collect())
}

/// Between two looks at a checker.
const SHORTEST_LOOK: Duration = Duration::from_micros(50);
const LONGEST_LOOK: Duration = Duration::from_millis(20);

/// Counted as our engine counts: the start is not generated by a step, and has depth 0.
fn progress<M: Model>(checker: &impl Checker<M>) -> Progress {
    Progress {
        unique: checker.unique_state_count() as u64,
        generated: checker.state_count().saturating_sub(1) as u64,
        depth: checker.max_depth().saturating_sub(1) as u32,
        ..Progress::default()
    }
}

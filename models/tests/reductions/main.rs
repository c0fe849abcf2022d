//! Orders of steps that are left out make no difference, nor do messages that can never matter, nor
//! does it who of those that are alike is which: every small world is explored whole and reduced, and
//! a reduction that is too bold is caught.

mod messages;
mod orders;
mod symmetry;

use dynamo_models::explore::{
    Agreement, Exploration, Known, Limits, Marks, Space, explore_frontier,
};
use dynamo_models::scenario::{Property, Scenario};
use dynamo_models::world::{Action, ClusterModel, Spent, State, Violated};
use std::collections::BTreeMap;

/// Worlds with more states are not explored whole.
const MOST_STATES: u64 = 30_000;

/// Both passes over a world.
fn passes(scenario: &Scenario) -> [ClusterModel; 2] {
    let model = ClusterModel::new(scenario).expect("a cluster");
    [model.clone(), model.with_history()]
}

fn explored<S: Space<Action = Action>>(space: &S, asked: &[Property]) -> Exploration<Action> {
    let limits = Limits { states: Some(MOST_STATES), ..Limits::default() };
    explore_frontier(space, asked, limits, &mut |_| true)
}

/// Which faults are enough to break which property, and after how many actions.
type Breaks = BTreeMap<(Property, String), usize>;

/// What an exploration found, if `model` takes its steps.
fn found(model: &ClusterModel, done: &Exploration<Action>) -> Breaks {
    let spent = |trace: &[Action]| {
        let step = |state, action: &Action| {
            assert!(model.actions(&state).contains(action), "{action} is possible");
            model.step(&state, action)
        };
        trace.iter().fold(model.initial(), step).spent.to_string()
    };
    let found =
        |(property, trace): &(Property, Vec<Action>)| ((*property, spent(trace)), trace.len());
    done.refuted.iter().map(found).collect()
}

/// What was compared: worlds, states of the whole, states that the reduction left.
#[derive(Default)]
struct Compared {
    worlds: usize,
    whole: u64,
    reduced: u64,
    refuted: usize,
}

impl Compared {
    /// Explores a world, if it is small enough, whole and reduced; `steps` takes the steps that are
    /// found reduced.
    fn compare(
        &mut self,
        whole: &ClusterModel,
        reduced: &ClusterModel,
        steps: &ClusterModel,
        same: impl Fn(&Breaks, &Breaks),
    ) {
        let asked: Vec<Property> = whole.asked().collect();
        if asked.is_empty() {
            return;
        }
        let all = explored(whole, &asked);
        if all.hit_limit() {
            return;
        }
        let some = explored(reduced, &asked);
        let breaks = found(whole, &all);
        // What is all refuted ends early, and whole it may be so sooner.
        assert!(all.stopped.is_some() || some.progress.unique <= all.progress.unique);
        same(&breaks, &found(steps, &some));
        self.worlds += 1;
        self.whole += all.progress.unique;
        self.reduced += some.progress.unique;
        self.refuted += breaks.len();
    }

    fn print(&self) {
        let Compared { worlds, whole, reduced, refuted } = self;
        println!("{worlds} worlds, {whole} states, {reduced} reduced, {refuted} refutations");
    }
}

/// A cluster of whose next actions only some are tried, and from whose states something is taken.
struct Bold {
    model: ClusterModel,
    next: fn(&State, Vec<Action>) -> Vec<Action>,
    after: fn(&mut State),
}

impl Space for Bold {
    type State = State;
    type Action = Action;

    fn initial(&self) -> State {
        self.model.initial()
    }

    fn actions(&self, state: &State) -> Vec<Action> {
        (self.next)(state, self.model.actions(state))
    }

    fn step(&self, state: &State, action: &Action, marks: &mut Marks) -> State {
        let mut after = Space::step(&self.model, state, action, marks);
        (self.after)(&mut after);
        after
    }

    fn violated(&self, state: &State) -> Violated {
        state.violated
    }

    fn violated_ahead(&self, state: &State, open: &[Property], known: &mut Known) -> Violated {
        self.model.violated_ahead(state, open, known)
    }

    fn is_fault(&self, action: &Action) -> bool {
        action.is_fault()
    }

    fn spent(&self, state: &State) -> Spent {
        state.spent
    }

    fn agreement(&self, state: &State) -> Agreement {
        Space::agreement(&self.model, state)
    }
}

/// Whether it would find something else of this cluster to try only `next` of its actions, and to do
/// `after` to its states.
fn is_too_bold(
    whole: &ClusterModel,
    next: fn(&State, Vec<Action>) -> Vec<Action>,
    after: fn(&mut State),
) -> bool {
    let asked: Vec<Property> = whole.asked().collect();
    let bold = Bold { model: whole.clone(), next, after };
    found(whole, &explored(whole, &asked)) != found(whole, &explored(&bold, &asked))
}

//! Orders of steps that are left out make no difference: every small world is explored whole and
//! reduced, and a reduction that is too bold is caught.

use dynamo_models::explore::{
    Agreement, Exploration, Limits, Marks, Space, Stopped, explore_frontier,
};
use dynamo_models::scenario::{Faults, Property, Scenario};
use dynamo_models::theorems::{Configuration, Gets, required};
use dynamo_models::world::{Action, ClusterModel, Spent, State, Violated};
use std::collections::BTreeSet;
use std::num::NonZero;

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

/// Which faults are enough to break which property.
fn found(model: &ClusterModel, done: &Exploration<Action>) -> BTreeSet<(Property, String)> {
    let spent = |trace: &[Action]| {
        let step = |state, action: &Action| {
            assert!(model.actions(&state).contains(action), "{action} is possible");
            model.step(&state, action)
        };
        trace.iter().fold(model.initial(), step).spent.to_string()
    };
    done.refuted.iter().map(|(property, trace)| (*property, spent(trace))).collect()
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
    /// Explores both passes over a world, if they are small enough, whole and reduced.
    fn compare(&mut self, name: &str, scenario: &Scenario) {
        for whole in passes(scenario) {
            let reduced = whole.clone().reduced();
            let asked: Vec<Property> = whole.asked().collect();
            if !reduced.is_reduced() || asked.is_empty() {
                continue;
            }
            let all = explored(&whole, &asked);
            if all.stopped == Some(Stopped::States) {
                continue;
            }
            let some = explored(&reduced, &asked);
            let breaks = found(&whole, &all);
            // The whole cluster takes the steps: each counterexample is one of its own.
            assert_eq!(found(&whole, &some), breaks, "{name}");
            self.worlds += 1;
            self.whole += all.progress.unique;
            self.reduced += some.progress.unique;
            self.refuted += breaks.len();
        }
    }

    fn print(&self) {
        let Compared { worlds, whole, reduced, refuted } = self;
        println!("{worlds} worlds, {whole} states, {reduced} reduced, {refuted} refutations");
    }
}

/// The world of a configuration with a single fault, of a single kind.
fn with_one_fault(configuration: &Configuration) -> impl Iterator<Item = Scenario> {
    let scenario = configuration.scenario(1);
    let no = Faults { total: Some(1), ..Faults::default() };
    let kinds = [
        Faults { crashes: 1, ..no },
        Faults { drops: 1, ..no },
        Faults { duplicates: 1, ..no },
        Faults { timeouts: 1, ..no },
        Faults { disk_losses: 1, ..no },
        Faults { partitions: scenario.faults.partitions, ..no },
    ];
    kinds.into_iter().map(move |faults| Scenario { faults, ..scenario.clone() })
}

fn small() -> impl Iterator<Item = Configuration> {
    let sizes = [(1, 1, 1), (2, 1, 1), (2, 1, 2), (2, 2, 1), (2, 2, 2)];
    required().flat_map(move |one| sizes.map(|(n, r, w)| Configuration { n, r, w, ..one }))
}

#[test]
fn no_theorem_of_a_small_world_depends_on_the_reduction() {
    let mut compared = Compared::default();
    let mut seen = BTreeSet::new();
    for configuration in required().chain(small()) {
        if !seen.insert(configuration.to_string()) {
            continue;
        }
        compared.compare(&configuration.to_string(), &configuration.scenario(0));
        for scenario in with_one_fault(&configuration) {
            compared.compare(&format!("{configuration} {:?}", scenario.faults), &scenario);
        }
    }
    compared.print();
    assert!(compared.worlds > 300 && compared.refuted > 300);
    assert!(compared.reduced < compared.whole);
}

#[test]
fn no_verdict_of_the_suite_depends_on_the_reduction() {
    let suite = Scenario::load_all(concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios"));
    let mut compared = Compared::default();
    let mut refused = 0;
    for (name, scenario) in suite.unwrap_or_else(|error| panic!("{error}")) {
        let [model, _] = passes(&scenario);
        refused += usize::from(!model.reduced().is_reduced());
        compared.compare(&name, &scenario);
    }
    compared.print();
    println!("refused: {refused}");
    // Changes of the layout, several puts, anti-entropy, other versions.
    assert!(compared.worlds > 5 && refused > 50);
}

#[test]
fn what_is_left_out_depends_on_no_thread() {
    let one = required().find(|one| one.to_string() == "322-strict-off").expect("a row");
    let mut most = 0;
    for model in one.worlds(1, Gets::Two).iter().flat_map(passes) {
        let (model, asked) = (model.clone().reduced(), model.asked().collect::<Vec<_>>());
        assert!(model.is_reduced());
        let count = |threads| {
            let limits = Limits { threads: NonZero::new(threads), ..Limits::default() };
            model.forget_steps(); // or the threads of one run would find what those of another wrote
            explore_frontier(&model, &asked, limits, &mut |_| true).progress.unique
        };
        let counts: BTreeSet<u64> = [1, 2, 4].map(count).into();
        assert_eq!(counts.len(), 1, "{}: {counts:?}", model.scenario().title);
        most = most.max(counts.into_iter().sum());
    }
    assert!(most > 50_000, "{most}");
}

/// Takes whatever arrives at once, as if all deliveries commuted.
struct Reckless(ClusterModel);

impl Space for Reckless {
    type State = State;
    type Action = Action;

    fn initial(&self) -> State {
        self.0.initial()
    }

    fn actions(&self, state: &State) -> Vec<Action> {
        let mut actions = self.0.actions(state);
        let delivery = actions.iter().position(|action| matches!(action, Action::Deliver(_)));
        if let Some(place) = delivery {
            actions = vec![actions.swap_remove(place)];
        }
        actions
    }

    fn step(&self, state: &State, action: &Action, marks: &mut Marks) -> State {
        Space::step(&self.0, state, action, marks)
    }

    fn violated(&self, state: &State) -> Violated {
        state.violated
    }

    fn is_fault(&self, action: &Action) -> bool {
        action.is_fault()
    }

    fn spent(&self, state: &State) -> Spent {
        state.spent
    }

    fn agreement(&self, state: &State) -> Agreement {
        Space::agreement(&self.0, state)
    }
}

#[test]
fn a_reduction_that_is_too_bold_is_caught() {
    let mut caught = BTreeSet::new();
    for configuration in required().chain(small()) {
        for whole in passes(&configuration.scenario(0)) {
            let asked: Vec<Property> = whole.asked().collect();
            let all = explored(&whole, &asked);
            let bold = explored(&Reckless(whole.clone()), &asked);
            if found(&whole, &all) != found(&whole, &bold) {
                caught.insert(configuration.to_string());
            }
        }
    }
    println!("caught in {caught:?}");
    assert!(caught.contains("311-strict-off") && caught.contains("322-strict-off"));
}

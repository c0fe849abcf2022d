//! Steps that commute are taken in one order.

use super::{Compared, is_too_bold, passes};
use dynamo_models::explore::{Limits, explore_frontier};
use dynamo_models::scenario::{Faults, Scenario};
use dynamo_models::theorems::{Configuration, Gets, required};
use dynamo_models::world::{Action, State};
use std::collections::BTreeSet;
use std::num::NonZero;

impl Compared {
    /// Explores both passes over a world, if they are small enough, whole and with fewer orders of
    /// steps.
    fn compare_orders(&mut self, name: &str, scenario: &Scenario) {
        for whole in passes(scenario) {
            let reduced = whole.clone().reduced();
            if reduced.is_reduced() {
                // The whole cluster takes the steps: each counterexample is one of its own.
                self.compare(&whole, &reduced, &whole, |all, some| {
                    assert!(all.keys().eq(some.keys()), "{name}: {all:?}, but reduced {some:?}");
                });
            }
        }
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
        compared.compare_orders(&configuration.to_string(), &configuration.scenario(0));
        for scenario in with_one_fault(&configuration) {
            compared.compare_orders(&format!("{configuration} {:?}", scenario.faults), &scenario);
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
        compared.compare_orders(&name, &scenario);
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
fn deliver_at_once(_: &State, mut actions: Vec<Action>) -> Vec<Action> {
    match actions.iter().position(|action| matches!(action, Action::Deliver(_))) {
        Some(place) => vec![actions.swap_remove(place)],
        None => actions,
    }
}

#[test]
fn a_reduction_that_is_too_bold_is_caught() {
    let mut caught = BTreeSet::new();
    for configuration in required().chain(small()) {
        for whole in passes(&configuration.scenario(0)) {
            if is_too_bold(&whole, deliver_at_once, |_| ()) {
                caught.insert(configuration.to_string());
            }
        }
    }
    println!("caught in {caught:?}");
    assert!(caught.contains("311-strict-off") && caught.contains("322-strict-off"));
}

//! Our engine and both of Stateright's checkers, over the scenarios of the suite that are small:
//! equal counts, equal verdicts, equal mechanisms. And what `Exploration` says of the steps taken.

use dynamo_models::check::{Verdict, can_judge_depth_first, check_depth_first};
use dynamo_models::explore::{Exploration, Known, Limits, Space, explore, explore_depth_first};
use dynamo_models::scenario::{Property, Scenario};
use dynamo_models::world::{Action, ClusterModel, Kind};
use std::num::NonZero;
use std::time::Duration;

/// Scenarios with more states than this are left to others.
const SMALL: u64 = 20_000;

/// The scenarios of the suite, with their names.
fn suite() -> Vec<(String, Scenario)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios");
    Scenario::load_all(folder).unwrap_or_else(|error| panic!("{error}"))
}

/// All states of a model, if they are few.
fn whole(model: &ClusterModel) -> Option<Exploration<Action>> {
    let limits = Limits { states: Some(SMALL), ..Limits::default() };
    let found = explore(model, &[], limits, &mut |_| true);
    model.forget_steps();
    (!found.hit_limit()).then_some(found)
}

/// Every pass of every small scenario, explored to the end.
fn passes() -> impl Iterator<Item = (String, ClusterModel, Exploration<Action>)> {
    suite().into_iter().flat_map(|(name, scenario)| {
        let model = ClusterModel::new(&scenario).expect("a model");
        let history = model.clone().with_history();
        let both = [(name.clone(), model), (format!("{name}, with history"), history)];
        let asked = both.into_iter().filter(|(_, model)| model.asked().next().is_some());
        asked.filter_map(|(name, model)| {
            let whole = whole(&model)?;
            Some((name, model, whole))
        })
    })
}

/// Every step is counted once, every state but the first is found by one step, and what a scenario
/// leaves no room for never happens.
#[test]
fn coverage_adds_up_and_keeps_to_the_budgets() {
    let mut taken = Vec::new();
    for (name, model, found) in passes() {
        let all = found.coverage.all();
        assert_eq!(all.steps, found.progress.generated, "{name}: steps");
        assert_eq!(all.new, found.progress.unique - 1, "{name}: new states");
        for &kind in Kind::ALL {
            let steps = found.coverage.of(kind as u8).steps;
            assert!(steps == 0 || kind.is_allowed(model.scenario()), "{name}: {steps} x {kind}");
            taken.extend((steps > 0).then_some(kind));
        }
    }
    taken.sort();
    taken.dedup();
    let never: Vec<_> = Kind::ALL.iter().filter(|kind| !taken.contains(kind)).collect();
    assert!(never.is_empty(), "{never:?} are never taken in any small scenario");
}

/// An exploration that ends early has counted the steps up to there, whoever took them.
#[test]
fn coverage_adds_up_at_a_limit_and_by_any_number_of_threads() {
    let file = format!("{}/scenarios/disk-322-read.toml", env!("CARGO_MANIFEST_DIR"));
    let scenario = Scenario::load(file).unwrap_or_else(|error| panic!("{error}"));
    let model = ClusterModel::new(&scenario).expect("a model");
    let by = |threads: usize, states: u64| {
        let threads = NonZero::new(threads);
        let limits = Limits { states: Some(states), threads, ..Limits::default() };
        let found = explore(&model, &[], limits, &mut |_| true);
        assert!(found.hit_limit());
        let all = found.coverage.all();
        assert_eq!((all.steps, all.new + 1), (found.progress.generated, found.progress.unique));
        found.coverage
    };
    for states in [5, 1_000, 12_345] {
        let alone = by(1, states);
        for threads in [2, 3, 8] {
            assert_eq!(by(threads, states), alone, "{states} states by {threads} threads");
        }
    }
}

/// The same states and steps, found in another order: equal counts, equal verdicts, traces that lead
/// where they say, in fewer bytes.
#[test]
fn depth_first_finds_what_breadth_first_finds() {
    let (mut refuted, mut held, mut longer) = (0, 0, 0);
    for (name, model, whole) in passes() {
        let found = explore_depth_first(&model, &[], Limits::default(), &mut |_| true);
        let steps = |found: &Exploration<Action>| {
            Kind::ALL.iter().map(|&kind| found.coverage.of(kind as u8).steps).collect::<Vec<_>>()
        };
        assert_eq!(found.stopped, None, "{name}");
        assert_eq!(found.progress.unique, whole.progress.unique, "{name}: unique");
        assert_eq!(found.coverage.all(), whole.coverage.all(), "{name}: generated and new");
        assert_eq!(steps(&found), steps(&whole), "{name}: steps");
        assert_eq!(found.marks, whole.marks, "{name}: marks");
        assert!(found.progress.depth >= whole.progress.depth, "{name}: depth");
        if found.progress.unique > 1_000 {
            let bytes = found.progress.visited_bytes as f64 / found.progress.unique as f64;
            assert!(bytes <= 24.0, "{name}: {bytes} bytes a state");
        }
        let can_judge = |&property: &Property| can_judge_depth_first(property);
        let asked: Vec<Property> = model.asked().filter(can_judge).collect();
        let ours = explore(&model, &asked, Limits::default(), &mut |_| true);
        let theirs = explore_depth_first(&model, &asked, Limits::default(), &mut |_| true);
        model.forget_steps();
        for &property in &asked {
            let (Some(short), Some(trace)) = (ours.trace(property), theirs.trace(property)) else {
                assert_eq!(ours.trace(property), theirs.trace(property), "{name}: {property}");
                held += 1;
                continue;
            };
            let step = |state, action: &Action| {
                assert!(model.actions(&state).contains(action), "{name}: {action} is possible");
                model.step(&state, action)
            };
            let end = trace.iter().fold(model.initial(), step);
            let ahead = model.violated_ahead(&end, &[property], &mut Known::default());
            assert!(
                end.violated.with(ahead).has(property),
                "{name}: {property} is true where its trace leads"
            );
            refuted += 1;
            longer += usize::from(trace.len() > short.len());
        }
    }
    println!("{held} hold, {refuted} refuted, {longer} of them by a longer trace");
    assert!(held > 200 && refuted > 50 && longer > 10);
}

/// A limit ends it at a new state, and nothing is said to hold.
#[test]
fn a_limit_ends_depth_first_too() {
    let file = format!("{}/scenarios/crash-322.toml", env!("CARGO_MANIFEST_DIR"));
    let scenario = Scenario::load(file).unwrap_or_else(|error| panic!("{error}"));
    let none = Limits::default();
    for (limits, goes_on, reason) in [
        (Limits { states: Some(100), ..none }, true, "the limit of states"),
        (Limits { time: Some(Duration::ZERO), ..none }, true, "the limit of time"),
        (Limits { memory_bytes: Some(1 << 10), ..none }, true, "the limit of memory"),
        (none, false, "an interruption"),
    ] {
        let report = check_depth_first(&scenario, &limits.into(), &mut |_| goes_on);
        let report = report.expect("a model");
        assert_eq!(report.limited_by(), Some(reason));
        assert!(report.judgements.iter().all(|j| j.verdict != Verdict::Holds), "{reason}");
        assert!(report.judgements.iter().all(|j| j.property != Property::Converges));
    }
}

#[cfg(feature = "stateright")]
mod stateright {
    use super::*;
    use dynamo_models::check::{CheckError, How, Judgement, check};
    use dynamo_models::scenario::Switch;
    use dynamo_models::stateright::{Order, can_judge, check as check_by, run};

    /// A verdict without its trace.
    fn name(judgement: &Judgement) -> (String, &'static str) {
        (judgement.property.to_string(), judgement.verdict.name())
    }

    const ORDERS: [Order; 2] = [Order::BreadthFirst, Order::DepthFirst];

    #[test]
    fn both_of_stateright_s_checkers_count_as_ours_does() {
        let mut compared = 0;
        for (name, model, ours) in passes() {
            for order in ORDERS {
                let theirs = run(model.clone(), &[], order, Limits::default(), &mut |_| true);
                let what = format!("{name} by {order:?}");
                assert_eq!(theirs.stopped, None, "{what}");
                assert_eq!(theirs.progress.unique, ours.progress.unique, "{what}: unique");
                assert_eq!(theirs.progress.generated, ours.progress.generated, "{what}: generated");
                assert_eq!(theirs.marks, ours.marks, "{what}: marks");
                let is_deep_enough = theirs.progress.depth >= ours.progress.depth;
                assert!(is_deep_enough, "{what}: a state cannot be met sooner than breadth-first");
            }
            model.forget_steps();
            compared += 1;
        }
        println!("{compared} passes compared");
        assert!(compared > 80, "only {compared} passes are small");
    }

    /// Equal verdicts, and every trace leads where it says, on no shorter way than ours.
    #[test]
    fn both_of_stateright_s_checkers_judge_as_ours_does() {
        let small = passes().map(|(name, ..)| name).collect::<Vec<_>>();
        let (mut refuted, mut held, mut longer) = (0, 0, 0);
        let is_small = |name: &String| small.contains(name);
        for (scenario, question) in suite().into_iter().filter(|(name, _)| is_small(name)) {
            let ours = check(&question, &How::default(), &mut |_| true).expect("a model");
            if ours.history.as_ref().is_some_and(|pass| pass.progress.unique >= SMALL) {
                continue;
            }
            for order in ORDERS {
                let what = format!("{scenario} by {order:?}");
                let theirs =
                    check_by(&question, Switch::On, order, Limits::default(), &mut |_| true);
                let theirs = theirs.unwrap_or_else(|error| panic!("{what}: {error}"));
                let asked = |j: &&Judgement| can_judge(j.property);
                let judged: Vec<_> = ours.judgements.iter().filter(asked).collect();
                let names: Vec<_> = judged.iter().map(|j| name(j)).collect();
                assert_eq!(theirs.judgements.iter().map(name).collect::<Vec<_>>(), names, "{what}");
                for (ours, judgement) in judged.into_iter().zip(&theirs.judgements) {
                    let (Verdict::Refuted(short), Verdict::Refuted(trace)) =
                        (&ours.verdict, &judgement.verdict)
                    else {
                        held += 1;
                        continue;
                    };
                    let model = theirs.model_of(judgement.property);
                    let step = |state, action: &Action| model.step(&state, action);
                    let end = trace.iter().fold(model.initial(), step);
                    assert!(end.violated.has(judgement.property), "{what}: it leads elsewhere");
                    assert!(trace.len() >= short.len(), "{what}: ours is not the shortest");
                    refuted += 1;
                    longer += usize::from(trace.len() > short.len());
                }
            }
        }
        println!("{held} hold, {refuted} refuted, {longer} of them by a longer trace than ours");
        assert!(held > 200 && refuted > 50, "{held} hold, {refuted} refuted");
        assert!(longer > 0, "its traces are the shortest now: the legend may say so");
    }

    /// A limit ends Stateright too, at whatever state it is then, and nothing is said to hold.
    #[test]
    fn a_limit_is_never_a_pass() {
        let file = format!("{}/scenarios/crash-322.toml", env!("CARGO_MANIFEST_DIR"));
        let scenario = Scenario::load(file).unwrap_or_else(|error| panic!("{error}"));
        let none = Limits::default();
        let limits = [
            (Limits { states: Some(100), ..none }, "the limit of states"),
            (Limits { time: Some(Duration::ZERO), ..none }, "the limit of time"),
        ];
        for order in ORDERS {
            for (limits, reason) in limits {
                let report =
                    check_by(&scenario, Switch::On, order, limits, &mut |_| true).expect("a model");
                assert_eq!(report.limited_by(), Some(reason));
                assert!(report.judgements.iter().all(|j| j.verdict != Verdict::Holds));
            }
            let report =
                check_by(&scenario, Switch::On, order, none, &mut |_| false).expect("a model");
            assert_eq!(report.limited_by(), Some("an interruption"));
            let memory = Limits { memory_bytes: Some(1 << 30), ..none };
            let refused = check_by(&scenario, Switch::On, order, memory, &mut |_| true);
            assert!(matches!(refused, Err(CheckError::Memory)));
        }
    }

    /// What speaks of continuations is not asked, and nothing is said of it.
    #[test]
    fn what_stateright_cannot_judge_is_left_out() {
        let file = format!("{}/scenarios/available-322.toml", env!("CARGO_MANIFEST_DIR"));
        let scenario = Scenario::load(file).unwrap_or_else(|error| panic!("{error}"));
        let report = check_by(&scenario, Switch::On, ORDERS[1], Limits::default(), &mut |_| true);
        let judged = report.expect("a model").judgements;
        assert_eq!(judged.iter().map(|j| j.property).collect::<Vec<_>>(), [Property::NoLostWrite]);
        assert!(scenario.expect.len() > 1);
    }
}

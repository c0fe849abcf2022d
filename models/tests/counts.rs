//! The engine counts what is there: three explorers agree on the number of states, and the engine's
//! traces are as short as an exact breadth-first search says they can be.

mod exact;

use dynamo_models::check::{Verdict, check};
use dynamo_models::explore::{Limits, Marks, Progress, Space, Stopped, explore};
use dynamo_models::scenario::{Property, Scenario};
use dynamo_models::world::{ClusterModel, Violated};
use exact::explore_exactly;
use std::num::NonZero;
use std::time::Duration;

/// Name, cluster, scripts, faults.
const SCENARIOS: &[(&str, &str, &[&str], &str)] = &[
    ("crash", "nodes=2 n=2 r=1 w=2", &["put k@0", "get k@1"], "crashes=1"),
    ("drop", "nodes=2 n=2 r=2 w=1", &["put k@0|get k@0", "get k@1"], "drops=1"),
    ("duplicate", "nodes=2 n=2 r=1 w=1", &["put k@0", "get k@1|put k@1"], "duplicates=1"),
    ("timeout", "nodes=3 n=3 r=1 w=2", &["put k@0", "get k@1"], "timeouts=1"),
    ("forwarding", "nodes=3 n=2 r=1 w=1", &["put k@2|get k@1"], "timeouts=1 crashes=1"),
    ("weak quorums", "nodes=3 n=3 r=1 w=1", &["put k@0", "get k@1|get k@2"], ""),
    (
        "no repair",
        "nodes=3 n=3 r=2 w=2 read-repair=\"off\"",
        &["get k@0|put k@0", "get k@1|get k@1"],
        "",
    ),
    (
        "blocking repair",
        "nodes=3 n=3 r=2 w=2 read-repair=\"blocking\"",
        &["put k@0", "get k@1|get k@2"],
        "timeouts=1",
    ),
    (
        "vector clock",
        "nodes=2 n=2 r=1 w=1 versioning=\"vector-clock\"",
        &["get k@0|put k@0", "put k@0|get k@1"],
        "",
    ),
    (
        "truncated clock",
        "nodes=2 n=2 r=1 w=1 versioning=\"vector-clock\" clock-limit=1",
        &["put k@0|get k@1|put k@1", "get k@0"],
        "",
    ),
    (
        "last writer wins",
        "nodes=2 n=2 r=2 w=2 versioning=\"last-writer-wins\"",
        &["put k@0", "put k@1|get k@0"],
        "drops=1",
    ),
    ("delete", "nodes=2 n=2 r=2 w=1", &["get k@0|delete k@0", "put k@1"], ""),
];

fn scenario(cluster: &str, scripts: &[&str], faults: &str) -> Scenario {
    let lines = |settings: &str| settings.replace(' ', "\n");
    let mut text = format!("format=1\ntitle=\"t\"\n[cluster]\n{}\n", lines(cluster));
    for script in scripts {
        let steps: Vec<String> = script.split('|').map(|step| format!("{step:?}")).collect();
        text += &format!("[[client]]\nsteps=[{}]\n", steps.join(","));
    }
    text += &format!("[faults]\n{}\n", lines(faults));
    Scenario::parse(&text, "test.toml").unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn models() -> impl Iterator<Item = (String, ClusterModel)> {
    SCENARIOS.iter().flat_map(|(name, cluster, scripts, faults)| {
        let scenario = scenario(cluster, scripts, faults);
        let model = ClusterModel::new(&scenario).expect("a model");
        let history = model.clone().with_history();
        [(name.to_string(), model), (format!("{name}, with history"), history)]
    })
}

fn asked(model: &ClusterModel) -> Vec<Property> {
    model.asked().collect()
}

/// The engine's fingerprints and its own hash table, whole states compared by `Eq`, and Stateright's
/// search with Stateright's hashes: one number.
#[test]
fn three_explorers_count_the_same_states() {
    for (name, model) in models() {
        let exact = explore_exactly(&model);
        let ours = explore(&model, &[], Limits::default(), &mut |_| true);
        assert_eq!(ours.stopped, None, "{name}");
        assert_eq!(ours.progress.unique, exact.states.len() as u64, "{name}: the engine");
        assert_eq!(ours.progress.depth as usize, exact.depth, "{name}: depth");
        assert!(exact.states.len() > 20, "{name}: only {}", exact.states.len());
        let theirs = stateright_count(model);
        assert_eq!(theirs.unwrap_or(exact.states.len()), exact.states.len(), "{name}: Stateright");
        println!("{name}: {} states, depth {}", exact.states.len(), exact.depth);
    }
}

#[cfg(feature = "stateright")]
fn stateright_count(model: ClusterModel) -> Option<usize> {
    use stateright::{Checker, Model};
    Some(model.checker().spawn_dfs().join().unique_state_count())
}

#[cfg(not(feature = "stateright"))]
fn stateright_count(_: ClusterModel) -> Option<usize> {
    None
}

/// For each property the engine refutes exactly those that some state violates, with a trace as long
/// as the layer of the first such state, which leads where it says.
#[test]
fn traces_are_the_shortest() {
    let mut refuted = Vec::new();
    for (name, model) in models() {
        let exact = explore_exactly(&model);
        // tests/continuations.rs looks after the others.
        for property in asked(&model).into_iter().filter(|p| !p.is_about_continuations()) {
            let ours = explore(&model, &[property], Limits::default(), &mut |_| true);
            let trace = ours.trace(property);
            let shortest = exact.first_violation.get(&property);
            assert_eq!(trace.map(<[_]>::len), shortest.copied(), "{name}: {property}");
            let Some(trace) = trace else { continue };
            let step = |state, action| model.step(&state, action);
            let end = trace.iter().fold(model.initial(), step);
            assert!(end.violated.has(property), "{name}: {property} is true at the end");
            refuted.push(property);
            println!("{name}: {property} refuted in {} steps", trace.len());
        }
    }
    refuted.sort();
    refuted.dedup();
    assert!(refuted.len() >= 5, "only {refuted:?} were put to the test");
}

/// Whoever expands a state, it is numbered and judged as if one thread did all.
#[test]
fn the_number_of_threads_changes_nothing() {
    let file = format!("{}/scenarios/disk-322-read.toml", env!("CARGO_MANIFEST_DIR"));
    let large = Scenario::load(file).unwrap_or_else(|error| panic!("{error}"));
    let large = ClusterModel::new(&large).expect("a model");
    for (name, model) in models().chain([("disk-322-read".into(), large)]) {
        let mut asked = asked(&model);
        asked.extend([Property::AvailableReads, Property::Converges]);
        asked.sort();
        asked.dedup();
        let explore = |threads: usize| {
            // A space that has learned nothing from the one before.
            model.forget_steps();
            let limits = Limits { threads: NonZero::new(threads), ..Limits::default() };
            let found = explore(&model, &asked, limits, &mut |_| true);
            let progress = Progress { memory_bytes: 0, ..found.progress };
            (progress, found.stopped, found.refuted, found.marks)
        };
        let alone = explore(1);
        for threads in [2, 3, 8] {
            assert_eq!(explore(threads), alone, "{name} by {threads} threads");
        }
        println!("{name}: {} states", alone.0.unique);
    }
}

/// A grid from (0, 0), by steps of one to the right or up. `no-lost-write` is false from x = 2 on;
/// Stateright 0.31 needs 40 steps to say so (`stateright_defects.rs`).
struct Grid {
    size: u32,
}

impl Space for Grid {
    type State = (u32, u32);
    type Action = bool;

    fn initial(&self) -> (u32, u32) {
        (0, 0)
    }

    fn actions(&self, &(x, y): &(u32, u32)) -> Vec<bool> {
        [false, true].into_iter().filter(|&up| if up { y } else { x } < self.size).collect()
    }

    fn step(&self, &(x, y): &(u32, u32), &up: &bool, _: &mut Marks) -> (u32, u32) {
        if up { (x, y + 1) } else { (x + 1, y) }
    }

    fn violated(&self, &(x, y): &(u32, u32)) -> Violated {
        let mut violated = Violated::default();
        violated.judge(Property::NoLostWrite, x < 2);
        violated.judge(Property::UniqueDots, (x, y) != (3, 4));
        violated
    }
}

#[test]
fn a_known_shortest_path_is_found() {
    let properties = [Property::NoLostWrite, Property::UniqueDots, Property::DurableF];
    let found = explore(&Grid { size: 20 }, &properties, Limits::default(), &mut |_| true);
    assert_eq!(found.trace(Property::NoLostWrite), Some([false, false].as_slice()));
    let trace = found.trace(Property::UniqueDots).expect("a trace");
    assert_eq!((trace.len(), trace.iter().filter(|up| **up).count()), (7, 4));
    assert_eq!(found.trace(Property::DurableF), None);
    assert_eq!((found.stopped, found.progress.unique), (None, 21 * 21));
    assert_eq!(found.progress.depth, 40);
}

/// With nothing left to refute the search ends, and that is no limit.
#[test]
fn it_ends_when_all_is_refuted() {
    let found =
        explore(&Grid { size: 500 }, &[Property::NoLostWrite], Limits::default(), &mut |_| true);
    assert_eq!(found.stopped, Some(Stopped::AllRefuted));
    assert!(!found.hit_limit());
    assert!(found.progress.unique < 20, "{} states for a path of 2", found.progress.unique);
}

#[test]
fn limits_stop_it() {
    let none = Limits::default();
    let limits = [
        (Limits { states: Some(2_000), ..none }, Stopped::States),
        (Limits { memory_bytes: Some(200_000), ..none }, Stopped::Memory),
        (Limits { time: Some(Duration::ZERO), ..none }, Stopped::Time),
    ];
    for (limits, stopped) in limits {
        let found = explore(&Grid { size: 500 }, &[Property::DurableF], limits, &mut |_| true);
        assert_eq!(found.stopped, Some(stopped));
        assert!(found.hit_limit() && found.refuted.is_empty());
        assert!(found.progress.unique < 501 * 501, "{stopped:?} came too late");
    }
    let mut reports = 0;
    let found = explore(&Grid { size: 500 }, &[Property::DurableF], none, &mut |_| {
        reports += 1;
        reports < 3
    });
    assert_eq!((found.stopped, reports), (Some(Stopped::Interrupted), 3));
    assert!(found.hit_limit());
}

/// What a limit leaves open is never said to hold.
#[test]
fn a_limit_is_never_a_pass() {
    let scripts = ["get k@0|put k@0", "get k@1|get k@1"];
    let scenario = scenario("nodes=3 n=3 r=2 w=2", &scripts, "timeouts=1");
    let none = Limits::default();
    for limits in [
        Limits { states: Some(1_500), ..none },
        Limits { memory_bytes: Some(100_000), ..none },
        Limits { time: Some(Duration::ZERO), ..none },
    ] {
        let report = check(&scenario, &limits.into(), &mut |_| true).expect("a model");
        for judgement in &report.judgements {
            assert_ne!(judgement.verdict, Verdict::Holds, "{}", judgement.property);
        }
        let open = report.judgements.iter().filter(|j| j.verdict == Verdict::Inconclusive);
        assert!(open.count() > 0);
    }
}

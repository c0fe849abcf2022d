//! The default suite, whole: every verdict is as the files say, every count is golden, and every
//! property is refuted somewhere, so that none of them holds because it cannot fail.

use dynamo_models::check::{How, Judgement, Outcome, Report, Verdict, check};
use dynamo_models::explore::Exploration;
use dynamo_models::scenario::{Expectation, Property, Scenario, Tier};
use dynamo_models::world::Action;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

fn scenarios() -> Vec<(String, Scenario)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios");
    Scenario::load_all(folder).unwrap_or_else(|error| panic!("{error}"))
}

fn check_all(scenarios: &[(String, Scenario)]) -> Vec<Report> {
    let (next, reports) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some((place, (name, scenario))) = {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    scenarios.get(place).map(|scenario| (place, scenario))
                } {
                    let report = check(scenario, &How::default(), &mut |_| true);
                    let report = report.unwrap_or_else(|error| panic!("{name}: {error}"));
                    reports.lock().expect("no panic").push((place, report));
                }
            });
        }
    });
    let mut reports = reports.into_inner().expect("no panic");
    reports.sort_by_key(|(place, _)| *place);
    reports.into_iter().map(|(_, report)| report).collect()
}

#[test]
fn the_default_suite_is_as_expected_to_the_last_count() {
    let default = |(_, scenario): &(String, Scenario)| scenario.tier == Tier::Default;
    let scenarios: Vec<_> = scenarios().into_iter().filter(default).collect();
    assert!(scenarios.len() >= 30, "the suite is there");
    let reports = check_all(&scenarios);
    let mut golden = String::from(HEADER);
    for ((name, scenario), report) in scenarios.iter().zip(&reports) {
        assert!(!scenario.expect.is_empty());
        let unforetold = |j: &&Judgement| j.expected.is_none();
        assert!(!report.judgements.iter().any(|j| unforetold(&j)), "{name} foretells everything");
        assert_eq!(report.outcome(), Outcome::AsExpected, "{name}: {:?}", report.judgements);
        write!(golden, "{name}: {}", pass(report.main.as_ref())).expect("to memory");
        writeln!(golden, " | {}{}", pass(report.history.as_ref()), steps(report))
            .expect("to memory");
    }
    let unique: u64 = reports.iter().map(Report::unique).sum();
    assert!(unique <= 10_000_000, "the default suite stays small: {unique}");
    compare(&golden);
}

/// The first line of the golden file.
const HEADER: &str = "scenario: unique/generated/depth of the main pass | of the pass with history; \
                      length of each counterexample\n";

fn pass(exploration: Option<&Exploration<Action>>) -> String {
    let counts = exploration.map(|e| e.progress);
    counts.map_or("-".into(), |c| format!("{}/{}/{}", c.unique, c.generated, c.depth))
}

fn steps(report: &Report) -> String {
    let refuted = report.judgements.iter().filter_map(|j| match &j.verdict {
        Verdict::Refuted(trace) => Some(format!("; {} {}", j.property, trace.len())),
        _ => None,
    });
    refuted.collect()
}

fn compare(golden: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/suite.txt");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&file, golden).expect("the golden file can be written");
    }
    let expected = std::fs::read_to_string(&file).expect("the golden file is there");
    assert_eq!(golden, expected, "counts changed; understand why, then run again with UPDATE=1");
}

#[test]
fn every_property_but_unique_dots_is_refuted_by_some_scenario_and_holds_in_another() {
    let scenarios = scenarios();
    let expects = |property, verdict| {
        let judged = |(_, s): &(String, Scenario)| s.expect.contains(&(property, Some(verdict)));
        scenarios.iter().any(judged)
    };
    // What breaks `unique-dots` is in tests/canaries.rs: it takes a disk that is lost unnoticed.
    for &property in Property::ALL.iter().filter(|&&p| p != Property::UniqueDots) {
        assert!(expects(property, Expectation::Refuted), "{property} can fail");
        assert!(expects(property, Expectation::Holds), "{property} can hold");
    }
}

#[test]
fn the_lecture_s_rows_are_there_with_sequential_and_concurrent_clients() {
    let scenarios = scenarios();
    for row in ["322", "331", "313", "333", "311"] {
        for schedule in ["sequential", "concurrent"] {
            let name = format!("lecture-{row}-{schedule}");
            let (_, scenario) = scenarios.iter().find(|(n, _)| *n == name).expect("the row");
            let cluster = scenario.cluster;
            assert_eq!(format!("{}{}{}", cluster.n, cluster.r, cluster.w), row);
            assert_eq!(scenario.schedule.to_string(), schedule);
            for property in [
                Property::ReadYourWrites,
                Property::MonotonicReads,
                Property::Regular,
                Property::Linearizable,
            ] {
                assert!(scenario.expect.iter().any(|(asked, _)| *asked == property));
            }
        }
    }
}

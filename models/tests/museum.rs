//! The museum: every catalogued bug is shown or left out for a reason, and what is shown is refuted
//! within its length while the safe protocol holds.
#![cfg(feature = "museum")]

use dynamo_models::check::Outcome;
use dynamo_models::explore::Limits;
use dynamo_models::museum::{CATALOGUE, ENUMERATIONS, LEFT_OUT, show, try_cases};
use dynamo_models::scenario::{Exhibit, Museum, Tier};
use dynamo_models::trace::Trace;
use dynamo_models::world::State;
use dynamo_protocol::policy::Policy;
use std::collections::{BTreeSet, HashSet};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/museum");

fn museum() -> Museum {
    Museum::load(FOLDER).unwrap_or_else(|error| panic!("{error}"))
}

/// The exhibits whose worlds are small enough for a test. The others are shown by `dynamo museum`
/// only.
fn short() -> Vec<Exhibit> {
    let is_short = |exhibit: &Exhibit| exhibit.safe.tier == Tier::Default;
    let short: Vec<Exhibit> = museum().worlds.into_iter().filter(is_short).collect();
    assert!(short.len() >= 50, "{} exhibits", short.len());
    short
}

#[test]
fn each_bug_is_shown_or_left_out_for_a_reason() {
    let museum = museum();
    let mut all: Vec<&str> = museum.bugs().chain(LEFT_OUT.iter().map(|(bug, _)| *bug)).collect();
    all.sort();
    let mut catalogued: Vec<&str> = CATALOGUE.iter().map(|(bug, _)| *bug).collect();
    catalogued.sort();
    assert_eq!(all, catalogued);
}

#[test]
fn each_wrong_decision_is_shown() {
    let exhibits = museum().worlds;
    let chosen = exhibits.iter().flat_map(|exhibit| exhibit.broken.cluster.policy.unsafe_choices());
    let chosen: BTreeSet<(&str, &str)> = chosen.collect();
    for (decision, choices) in Policy::DECISIONS {
        for choice in &choices[1..] {
            assert!(chosen.contains(&(*decision, *choice)), "no exhibit has {decision} {choice}");
        }
    }
}

#[test]
fn bugs_show_within_their_length_and_the_safe_protocol_holds() {
    for exhibit in short() {
        let shown = show(&exhibit, Limits::default(), &mut |_| true).expect("a cluster");
        let (length, within) = (shown.length(), exhibit.within);
        let told = format!("{}: {length:?} of {within}, safe {:?}", exhibit.bug, shown.safe);
        assert_eq!(shown.outcome(&exhibit), Outcome::AsExpected, "{told}");
    }
}

#[test]
fn small_cases_show_that_the_historical_rule_fails_and_ours_does_not() {
    let exhibits = museum().cases;
    for exhibit in &exhibits {
        let tried = try_cases(exhibit).expect("an enumeration of that name");
        println!("{}: {tried:?}", exhibit.bug);
        assert_eq!(tried.outcome(), Outcome::AsExpected, "{}: {tried:?}", exhibit.bug);
        assert!(tried.safe.cases > 10, "{} has enough cases: {tried:?}", exhibit.bug);
    }
    for (name, _) in ENUMERATIONS {
        assert!(exhibits.iter().any(|exhibit| exhibit.enumeration == *name), "{name} is shown");
    }
}

#[test]
fn what_is_no_exhibit_is_refused() {
    let good = "format = 1\ntitle = \"t\"\n[exhibit]\nbug = \"E12\"\nsource = \"s\"\n\
                enumeration = \"claim-tail\"\n";
    assert_eq!(Museum::default().add(good, "x.toml"), Ok(()));
    for (from, to, message) in [
        (
            "format = 1",
            "format = 2",
            "1: format is 2; this dynamo reads format 1: use a newer dynamo",
        ),
        ("format = 1\n", "", "1: the file has no `format`: add `format = 1`"),
        ("\"t\"", "\"\"", "2: title is empty: write one line of 1 to 100 characters"),
        ("[exhibit]", "[exhibits]", "1: the file has no `exhibit`: add `[exhibit]`"),
        (
            "bug = \"E12\"",
            "within = 3",
            "4: key `within` is unknown in [exhibit]: it belongs in [exhibit] beside [unsafe]",
        ),
        ("enumeration", "property", "1: the file has no `unsafe`: add `[unsafe]`"),
    ] {
        let refused = Museum::default().add(&good.replacen(from, to, 1), "x.toml");
        assert_eq!(refused.expect_err(to).to_string(), format!("x.toml:{message}"));
    }
}

/// What re-creates a bug is needed for it, all of it.
#[test]
fn no_change_of_an_exhibit_is_for_nothing() {
    let mut tried = 0;
    for exhibit in short() {
        let changed: Vec<(&str, &str)> = exhibit.broken.cluster.policy.unsafe_choices().collect();
        for (decision, _) in changed.iter().filter(|_| exhibit.changes.len() > 1) {
            let mut less = exhibit.clone();
            let choices = Policy::DECISIONS.iter().find(|(name, _)| name == decision);
            let safe = choices.expect("a decision").1[0];
            assert!(less.broken.cluster.policy.choose(decision, safe));
            let shown = show(&less, Limits::default(), &mut |_| true).expect("a cluster");
            let told = format!("{} without {decision}: {:?}", exhibit.bug, shown.length());
            assert!(shown.length().is_none_or(|length| length > exhibit.within), "{told}");
            tried += 1;
        }
    }
    assert!(tried > 5, "{tried} changes tried");
}

/// Whether some run without further faults from `state` comes to the end of all scripts without a
/// violation: by whole states, from this one alone.
fn can_be_avoided(trace: &Trace, state: &State) -> bool {
    let property = trace.property.expect("a counterexample has one");
    let mut seen = HashSet::from([state.clone()]);
    let mut left = vec![state.clone()];
    while let Some(state) = left.pop() {
        if trace.model.has_ended(&state) {
            return true;
        }
        let actions = trace.model.actions(&state);
        let steps = actions.iter().filter(|action| !action.is_fault());
        for after in steps.map(|action| trace.model.step(&state, action)) {
            if !after.violated.has(property) && seen.insert(after.clone()) {
                left.push(after);
            }
        }
    }
    false
}

#[test]
fn after_the_point_of_no_return_and_not_before_nothing_helps() {
    let mut points = BTreeSet::new();
    let of_the_past = |exhibit: &Exhibit| !exhibit.property.is_about_continuations();
    let is_small = |exhibit: &Exhibit| exhibit.within < 5 && exhibit.broken.membership.is_none();
    for exhibit in short().iter().filter(|exhibit| of_the_past(exhibit) && is_small(exhibit)) {
        let shown = show(exhibit, Limits::default(), &mut |_| true).expect("a cluster");
        let trace = shown.counterexample.expect("it is refuted");
        let point = trace.point_of_no_return().expect("a small world");
        let unavoidable = |step: &usize| !can_be_avoided(&trace, trace.before(*step));
        let first = (0..trace.steps.len()).find(unavoidable).unwrap_or(trace.steps.len());
        assert_eq!(point, first, "{}", exhibit.bug);
        points.insert(trace.steps.len() - point);
    }
    assert!(points.len() > 1, "not always the last step: {points:?}");
}

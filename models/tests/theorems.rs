//! The table of theorems against one check for each set of faults.

use dynamo_models::check::{How, Verdict, check};
use dynamo_models::explore::Limits;
use dynamo_models::scenario::{Faults, Property, Quorum, Switch};
use dynamo_models::theorems::{
    Configuration, Effort, Gets, LECTURE, PROPERTIES, Row, Theorem, required,
};
use dynamo_models::world::Spent;
use std::collections::BTreeSet;

/// Most faults of all kinds together.
const MOST: u8 = 2;

fn row(name: &str, limits: Limits) -> Row {
    let configuration: Configuration = name.parse().expect("a configuration");
    let effort = Effort { most: MOST, gets: Gets::Three, reductions: Switch::Off, limits };
    configuration.theorems(&effort, &mut |_| true).expect("a cluster")
}

/// All sets of at most [`MOST`] faults.
fn sets() -> Vec<Spent> {
    let mut sets = vec![Spent::default()];
    for _ in 0..MOST {
        let one_more = |spent: &Spent| {
            let Spent { crashes, drops, duplicates, timeouts, disk_losses, partitions } = *spent;
            [
                Spent { crashes: crashes + 1, ..*spent },
                Spent { drops: drops + 1, ..*spent },
                Spent { duplicates: duplicates + 1, ..*spent },
                Spent { timeouts: timeouts + 1, ..*spent },
                Spent { disk_losses: disk_losses + 1, ..*spent },
                Spent { partitions: partitions + 1, ..*spent },
            ]
        };
        let more: Vec<Spent> = sets.iter().flat_map(one_more).collect();
        sets.extend(more);
    }
    let mut seen = BTreeSet::new();
    sets.retain(|set| seen.insert(set.kinds()));
    sets
}

/// The length of a shortest counterexample of each property, with these faults and no others.
fn checked(configuration: &Configuration, set: Spent) -> Vec<(Property, Option<usize>)> {
    let mut scenario = configuration.scenario(MOST);
    scenario.faults = Faults {
        crashes: set.crashes,
        drops: set.drops,
        duplicates: set.duplicates,
        timeouts: set.timeouts,
        disk_losses: set.disk_losses,
        partitions: set.partitions,
        total: None,
    };
    let report = check(&scenario, &How::default(), &mut |_| true).expect("a cluster");
    let length = |verdict: &Verdict| match verdict {
        Verdict::Refuted(trace) => Some(trace.len()),
        Verdict::Holds => None,
        Verdict::Inconclusive => panic!("there is no limit"),
    };
    report.judgements.iter().map(|one| (one.property, length(&one.verdict))).collect()
}

/// What one exploration says of all sets of faults is what one check says of each.
#[test]
fn a_set_of_faults_breaks_a_property_exactly_if_it_has_a_minimal_one_within() {
    assert_eq!(sets().len(), 28);
    let (mut broken, mut whole, mut minimal) = (0, 0, 0);
    for name in ["211-strict-off", "212-strict-async", "111-sloppy-off"] {
        let row = row(name, Limits::default());
        for set in sets() {
            for (theorem, (property, shortest)) in
                row.theorems.iter().zip(checked(&row.configuration, set))
            {
                assert_eq!((theorem.property, theorem.total), (property, Some(MOST)));
                let within = theorem.ways.iter().filter(|way| way.spent.is_within(set));
                let about = format!("{name}, {property}, {set}");
                assert_eq!(within.count() > 0, shortest.is_some(), "{about}");
                if let Some(way) = theorem.ways.iter().find(|way| way.spent == set) {
                    assert_eq!(Some(way.trace.len()), shortest, "{about}");
                    let faults = way.trace.iter().filter(|action| action.is_fault()).count();
                    assert_eq!(faults, usize::from(set.total()), "{about}");
                    minimal += 1;
                }
                if shortest.is_some() { broken += 1 } else { whole += 1 }
            }
        }
    }
    println!("{broken} refuted, {whole} hold, {minimal} minimal");
    assert!(broken > 100 && whole > 100 && minimal > 10);
}

#[test]
fn a_limit_leaves_what_fewer_faults_do() {
    let whole = row("211-strict-off", Limits::default());
    let limits = Limits { states: Some(2_000), ..Limits::default() };
    let limited = row("211-strict-off", limits);
    let mut short = 0;
    for (all, some) in whole.theorems.iter().zip(&limited.theorems) {
        let total = some.total.expect("there are fewer states without faults");
        short += usize::from(total < MOST);
        let few = all.ways.iter().filter(|way| way.spent.total() <= total);
        let few: Vec<_> = few.map(|way| (way.spent, way.trace.len())).collect();
        let found: Vec<_> = some.ways.iter().map(|way| (way.spent, way.trace.len())).collect();
        assert_eq!(found, few, "{}", all.property);
    }
    // What is refuted without faults needs no further look.
    assert!(short >= PROPERTIES.len() - 1, "{short}");
}

#[test]
fn configurations_have_names() {
    let all: Vec<Configuration> = required().collect();
    assert_eq!(all.len(), LECTURE.len() * 2 * 3);
    for configuration in all {
        assert_eq!(configuration.to_string().parse(), Ok(configuration));
        let asked = configuration.scenario(1).expect;
        assert!(asked.iter().map(|(property, _)| *property).eq(PROPERTIES));
    }
    for bad in
        ["322", "322-strict", "32-strict-off", "342-strict-off", "322-weak-off", "3x2-strict-off"]
    {
        assert!(bad.parse::<Configuration>().is_err(), "{bad}");
    }
}

/// The worlds with two gets each find all that the one with three finds.
#[test]
fn two_gets_together_are_as_good_as_three() {
    let found = |configuration: &Configuration, gets| {
        let (reductions, limits) = (Switch::On, Limits::default());
        let effort = Effort { most: 1, gets, reductions, limits };
        let row = configuration.theorems(&effort, &mut |_| true).expect("a cluster");
        let ways =
            |theorem: &Theorem| theorem.ways.iter().map(|way| way.spent.to_string()).collect();
        let ways: Vec<BTreeSet<String>> = row.theorems.iter().map(ways).collect();
        (ways, row.unique)
    };
    let sizes = [(2, 1, 1), (2, 1, 2), (2, 2, 1), (2, 2, 2)];
    let strict = required().filter(|one| one.quorum == Quorum::Strict && (one.r, one.w) == (2, 2));
    for one in strict {
        for (n, r, w) in sizes {
            let configuration = Configuration { n, r, w, ..one };
            let [(two, fewer), (three, more)] =
                [Gets::Two, Gets::Three].map(|gets| found(&configuration, gets));
            for ((property, two), three) in PROPERTIES.iter().zip(two).zip(three) {
                // A get repairs, and so it can be what brings agreement: with one less of them more
                // is left undone.
                match property {
                    Property::Converges => assert!(three.is_subset(&two), "{configuration}"),
                    _ => assert_eq!(two, three, "{configuration}, {property}"),
                }
            }
            println!("{configuration}: {fewer} states, {more} with three gets");
        }
    }
}

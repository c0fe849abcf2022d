//! The simulator: the same seed gives the same bytes, the default fault mix breaks nothing, and
//! whatever should break is seen to.
#![cfg(feature = "sim")]

use dynamo::analysis::pbs::{Delay, Legs, Quorum, Study};
use dynamo::sim::{Outcome, Property, Seeds, Setup, Shard, Sum, run, shrink, sweep};
use std::num::NonZeroUsize;

/// The default fault mix, changed.
fn usual(change: impl Fn(&mut Setup)) -> Setup {
    let mut setup = Setup::usual();
    change(&mut setup);
    setup.check().unwrap();
    setup
}

/// A cluster in which nothing goes wrong, with these lines in `[cluster]`, `[load]` and elsewhere.
fn calm(cluster: &str, load: &str, others: &str) -> Setup {
    let text = format!("nodes = 6\n[cluster]\n{cluster}\n[load]\n{load}\n{others}");
    let setup: Setup = toml::from_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    setup.check().unwrap();
    setup
}

fn all(setup: &Setup, runs: u64) -> Outcome {
    let seeds = Seeds { seed: 0, runs, shard: Shard::WHOLE };
    let (outcome, is_complete) = sweep(setup, seeds, two(), &|_| true).unwrap();
    assert!(is_complete && outcome.runs == runs);
    outcome
}

fn two() -> NonZeroUsize {
    NonZeroUsize::new(2).unwrap()
}

fn violations(outcome: &Outcome, property: Property) -> u64 {
    outcome.violations.get(&property).map_or(0, |violation| violation.runs)
}

/// The seeds are few: `reports/simulation.md` has ten thousand.
#[test]
fn the_default_fault_mix_breaks_nothing_that_must_hold() {
    let setup = Setup::usual();
    let outcome = all(&setup, 150);
    for property in Property::ALL.into_iter().filter(|property| setup.must_hold(*property)) {
        assert_eq!(outcome.violations.get(&property), None);
    }
    // Every fault and every mechanism takes part.
    for name in [
        "faults-crashes",
        "faults-lost-disks",
        "faults-partitions",
        "faults-one-way-partitions",
        "faults-clogs",
        "faults-slow-nodes",
        "packets-to-nowhere",
        "requests-to-the-dead",
        "puts-stored",
        "gets-found",
        "gets-not-found",
        "quorum-unavailable",
        "timed-out",
        "given-up",
        "siblings",
        "fallback-puts",
        "kept-hints",
        "released-hints",
        "repaired",
        "exchanged",
        "resynchronised",
        "fresh-epoch",
        "suspects",
        "trusts",
        "ignored-duplicate",
    ] {
        assert!(outcome.counts.get(name).copied().unwrap_or(0) > 50, "{name}: {outcome:?}");
    }
    assert!(outcome.settled_ms.count() == 150 && outcome.siblings.0[2..].iter().sum::<u64>() > 100);
    // Sloppy quorums read what is old now and then: the judge has eyes.
    assert!(violations(&outcome, Property::Regular) > 100);
    assert!(violations(&outcome, Property::ReadYourWrites) > 50);
    assert!(violations(&outcome, Property::MonotonicReads) > 50);
}

/// Tombstones are removed by rule in the middle of all this, and nothing comes back.
#[test]
fn tombstones_are_removed_under_faults_and_nothing_returns() {
    let setup = usual(|setup| {
        setup.cluster.reap = dynamo::shell::scheme::Switch::On;
        setup.timers.reap_ms = 1_000;
        setup.load.mix.delete = 40.0;
    });
    let outcome = all(&setup, 60);
    assert!(outcome.counts["reaped"] > 50, "{:?}", outcome.counts);
    for property in Property::ALL.into_iter().filter(|property| setup.must_hold(*property)) {
        assert_eq!(outcome.violations.get(&property), None);
    }
}

#[test]
fn a_seed_gives_the_same_run_again_and_another_one_another() {
    let setup = Setup::usual();
    let bytes = |seed| serde_json::to_string(&run(&setup, seed).unwrap()).unwrap();
    assert_eq!(bytes(7), bytes(7));
    assert_ne!(bytes(7), bytes(8));
}

/// What a seed gives does not depend on the machine, nor on the day. If this fails for a good
/// reason, seeds that somebody has noted down mean something else from now on: say so in CHANGELOG.
#[test]
fn outcomes_are_the_same_everywhere() {
    let outcome = run(&Setup::usual(), 1).unwrap();
    let found = (outcome.events, outcome.packets, outcome.requests, outcome.load_ns);
    assert_eq!(found, (12_834, 4_128, 475, 30_000_000_000));
}

#[test]
fn neither_threads_nor_shards_change_anything() {
    let setup = usual(|setup| setup.load.duration_ms = 5_000);
    let seeds = |shard: &str| Seeds { seed: 3, runs: 20, shard: shard.parse().unwrap() };
    let sum = |shard: &str, threads| {
        let threads = NonZeroUsize::new(threads).unwrap();
        let (outcome, is_complete) = sweep(&setup, seeds(shard), threads, &|_| true).unwrap();
        Sum::new(setup.clone(), seeds(shard), outcome, is_complete)
    };
    let whole = sum("0/1", 1);
    assert_eq!(whole, sum("0/1", 5));
    let mut shards = sum("2/3", 1);
    assert!(!shards.is_whole() && shards.missing().eq([0, 1]));
    for shard in ["0/3", "1/3"] {
        // As it comes back from a file.
        let text = serde_json::to_string(&sum(shard, 1)).unwrap();
        shards.merge(&serde_json::from_str(&text).unwrap()).unwrap();
    }
    assert!(shards.is_whole());
    assert_eq!(shards.outcome, whole.outcome);
    let twice = shards.merge(&sum("1/3", 1)).unwrap_err().to_string();
    assert!(twice.contains("shard 1/3 is there twice"), "{twice}");
    let mut other = sum("0/3", 1);
    other.setup.load.keys += 1;
    assert!(sum("1/3", 1).merge(&other).unwrap_err().to_string().contains("another setup"));
    assert!(sum("1/4", 1).merge(&sum("0/3", 1)).is_err());
}

#[test]
fn whoever_is_told_to_stop_says_that_it_is_not_all() {
    let seeds = Seeds { seed: 0, runs: 1_000, shard: Shard::WHOLE };
    let (outcome, is_complete) = sweep(&Setup::usual(), seeds, two(), &|done| done < 3).unwrap();
    assert!(!is_complete && (3..=4).contains(&outcome.runs), "{}", outcome.runs);
}

const BUSY: &str =
    "clients = 20\nkeys = 5\nduration-ms = 20000\nthink = { exponential = { rate = 0.1 } }
mix = { get = 60, put = 15, blind = 10, update = 10, delete = 5 }";

/// R + W > N, strict quorums and no failures: every read is regular, so at every t after a write
/// all are consistent. (4,2,3) is the curve of the seeds that must be 100 %.
#[test]
fn overlapping_quorums_are_never_stale_without_failures() {
    for (n, r, w) in [(4, 2, 3), (3, 2, 2), (3, 1, 3), (3, 3, 1), (5, 3, 3), (1, 1, 1)] {
        for repair in ["off", "async", "blocking"] {
            let quorums = format!("n = {n}\nr = {r}\nw = {w}\nquorum = \"strict\"");
            let cluster = format!("{quorums}\nread-repair = \"{repair}\"");
            let outcome = all(&calm(&cluster, BUSY, ""), 3);
            // A read beside a put may see it, and the next one may not (bug C3), unless it waited.
            let mut violated = outcome
                .violations
                .keys()
                .filter(|property| **property != Property::MonotonicReads || repair == "blocking");
            assert_eq!(violated.next(), None, "{cluster}");
            assert_eq!(outcome.staleness.stale.iter().sum::<u64>(), 0);
            assert!(outcome.staleness.gets.iter().sum::<u64>() > 10_000);
        }
    }
}

#[test]
fn quorums_that_do_not_overlap_are_stale_now_and_then() {
    for (n, r, w) in [(4, 1, 1), (4, 1, 2), (4, 2, 1), (3, 1, 1), (5, 2, 2)] {
        let cluster = format!("n = {n}\nr = {r}\nw = {w}\nquorum = \"strict\"");
        let outcome = all(&calm(&cluster, BUSY, ""), 3);
        assert_eq!(violations(&outcome, Property::Regular), 3, "{cluster}");
    }
}

/// The simulator, PBS and, for R = W = 1, a formula: three ways to the same probability that a read
/// is consistent, t after the put was acknowledged. Whoever coordinates is an owner.
#[test]
fn the_simulator_and_pbs_agree_on_how_stale_reads_are() {
    let times = [0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0];
    for (r, w) in [(1, 1), (1, 2), (2, 1), (2, 2)] {
        let quorums = format!("n = 3\nr = {r}\nw = {w}\nquorum = \"strict\"");
        let cluster = format!("{quorums}\nread-repair = \"off\"\nanti-entropy = \"off\"");
        let load = "clients = 50\nkeys = 100000\ncontact = \"owner\"\nduration-ms = 20000
think = { constant = 1 }\nprobes-ms = [0, 1, 2, 5, 10, 20, 50]";
        let network = "[network]\nlatency = \"exponential:0.1:1\"";
        let probes = all(&calm(&cluster, load, network), 3).probes;
        let legs = Legs::of(Delay::Exponential(0.1), Delay::Exponential(1.0)).unwrap();
        let (legs, quorum) = (legs.with_local_coordinators(), Quorum::new(3, r, w).unwrap());
        let study = Study::new(legs, quorum, times.into(), 1 << 20, 0).unwrap();
        let pbs = study.run(two(), &|_| true).unwrap();
        assert_eq!(probes.len(), times.len());
        for (probe, (t, pbs)) in probes.iter().zip(pbs.consistent()) {
            assert_eq!(probe.after_ms, t);
            let (p, n) = (probe.fresh as f64 / probe.gets as f64, probe.gets as f64);
            // Four standard deviations: 28 comparisons, and a seed that does not change.
            let most = 4.0 * (pbs.p * (1.0 - pbs.p) / n).sqrt() + (pbs.high - pbs.low);
            assert!(n > 10_000.0 && (p - pbs.p).abs() <= most, "R={r} W={w} t={t}: {p} {pbs:?}");
            if (r, w) == (1, 1) {
                // The local copy, of one of three owners, of which one had it at once.
                let exact = 1.0 - 2.0 / 3.0 * (-0.1 * t).exp();
                assert!((p - exact).abs() <= most, "t={t}: {p} {exact}");
            }
        }
    }
}

/// Each property that must hold is seen to fail where it should.
#[test]
fn what_should_break_is_seen_to() {
    let cases: [(Property, u64, &str, Setup); 5] = [
        (
            Property::NoLostWrite,
            150,
            "W = 1, and a disk is lost",
            usual(|setup| setup.cluster.w = 1),
        ),
        (
            Property::NoResurrection,
            150,
            "the same: a late copy outlives what replaced it",
            usual(|setup| setup.cluster.w = 1),
        ),
        (
            Property::Converges,
            3,
            "nothing brings replicas together",
            usual(|setup| {
                setup.cluster.handoff = dynamo::shell::scheme::Switch::Off;
                setup.cluster.anti_entropy = dynamo::shell::scheme::Switch::Off;
            }),
        ),
        (
            Property::NoLostWrite,
            1,
            "plain vector clocks, without any fault (paper D4.4-10)",
            calm("n = 3\nr = 2\nw = 2\nversioning = \"vector-clock\"", BUSY, ""),
        ),
        (
            Property::NoFalseConcurrency,
            1,
            "truncated vector clocks, without any fault",
            calm("n = 3\nr = 1\nw = 1\nversioning = \"vector-clock\"\nclock-limit = 1", BUSY, ""),
        ),
    ];
    for (property, runs, why, setup) in cases {
        let outcome = all(&setup, runs);
        let violation = outcome.violations.get(&property);
        assert!(violation.is_some_and(|v| v.times >= v.runs && !v.what.is_empty()), "{why}");
    }
}

#[test]
fn a_failing_run_is_shrunk_to_a_smaller_one_that_fails_alike() {
    let setup = usual(|setup| {
        setup.cluster.w = 1;
        setup.load.duration_ms = 8_000;
        let crashes = setup.faults.crashes.as_mut().unwrap();
        (crashes.erase, crashes.every_ms) = (1.0, 2_000.0);
    });
    let seed = all(&setup, 150).violations[&Property::NoLostWrite].seed;
    let (smaller, found) = shrink(&setup, seed, Property::NoLostWrite, &|| true).unwrap().unwrap();
    // Written down and read again, it is the same.
    let text = toml::to_string(&smaller).unwrap();
    assert_eq!(toml::from_str::<Setup>(&text).unwrap(), smaller);
    let (before, after) = (run(&setup, seed).unwrap(), run(&smaller, found).unwrap());
    assert!(after.violations.contains_key(&Property::NoLostWrite));
    assert!(after.requests * 2 < before.requests, "{} of {}", after.requests, before.requests);
    assert!(smaller.faults.events.len() <= 2 && smaller.faults.crashes.is_none(), "{text}");
    assert_eq!(shrink(&Setup::usual(), 0, Property::NoLostWrite, &|| true).unwrap(), None);
}

#[test]
fn what_cannot_be_simulated_is_refused() {
    let refused = |change: fn(&mut Setup)| {
        let mut setup = Setup::usual();
        change(&mut setup);
        let error = setup.check().and_then(|()| run(&setup, 0).map(drop)).unwrap_err();
        format!("{error:#}")
    };
    type Spoil = fn(&mut Setup);
    let cases: [(Spoil, &str); 8] = [
        (|s| s.nodes = 0, "nodes is 0; use 1 to 1024"),
        (|s| s.nodes = 2, "N is 3"),
        (|s| s.cluster.r = 4, "R is 4"),
        (|s| s.network.loss = 1.5, "network.loss is 1.5; use 0 to 1"),
        (|s| s.load.keys = 0, "load.keys is 0"),
        (|s| s.load.mix.get = f64::NAN, "load.mix gives nothing to do"),
        (|s| s.load.rate = Some(-1.0), "load.rate is -1"),
        (
            |s| s.network.latency = dynamo::sim::Latency::Legs("lnkd".into()),
            "\"lnkd\" is unknown; use lnkd-ssd",
        ),
    ];
    for (change, complaint) in cases {
        let error = refused(change);
        assert!(error.contains(complaint), "{error}");
    }
}

//! Probabilistically bounded staleness: what must hold exactly, what the papers publish, and how
//! often intervals enclose the truth.
#![cfg(feature = "pbs")]

use dynamo::analysis::pbs::{Delay, Histogram, Legs, Outcome, Quorum, Study, closed};
use std::num::NonZeroUsize;

const TIMES: [f64; 5] = [0.0, 0.5, 1.0, 10.0, 100.0];

fn study(legs: &Legs, (n, r, w): (usize, usize, usize), samples: u64, seed: u64) -> Study {
    let quorum = Quorum::new(n, r, w).expect("a quorum");
    Study::new(legs.clone(), quorum, TIMES.to_vec(), samples, seed).expect("a study")
}

fn run(study: &Study, threads: usize) -> Outcome {
    study.run(NonZeroUsize::new(threads).unwrap(), &|_| true).expect("nobody stops it")
}

fn named(name: &str) -> Legs {
    Legs::named(name).expect("a name")
}

/// P(consistent) at each of `TIMES`.
fn shares(outcome: &Outcome) -> Vec<f64> {
    outcome.consistent().map(|(_, p)| p.p).collect()
}

fn all_quorums(n: usize) -> impl Iterator<Item = (usize, usize, usize)> {
    (1..=n).flat_map(move |r| (1..=n).map(move |w| (n, r, w)))
}

#[test]
fn strict_quorums_are_always_consistent() {
    let wide = Legs::of(Delay::Normal(50.0, 50.0), Delay::Uniform(0.0, 100.0)).unwrap();
    let all = ["lnkd-disk", "ymmr", "wan"].map(named).into_iter().chain([wide]);
    for (legs, n) in all.flat_map(|legs| [1, 2, 3, 5].map(|n| (legs.clone(), n))) {
        for (n, r, w) in all_quorums(n).filter(|(n, r, w)| r + w > *n) {
            let outcome = run(&study(&legs, (n, r, w), 20_000, 1), 2);
            assert_eq!(shares(&outcome), [1.0; 5], "N={n} R={r} W={w}");
            assert_eq!(outcome.visibility.quantile(0.999).ms, 0.0);
        }
    }
}

#[test]
fn equal_delays_are_always_consistent() {
    let legs = Legs::of(Delay::Constant(5.0), Delay::Constant(5.0)).unwrap();
    for quorum in all_quorums(4) {
        let outcome = run(&study(&legs, quorum, 1000, 1), 1);
        assert_eq!(shares(&outcome), [1.0; 5], "{quorum:?}");
        assert!((outcome.read.quantile(0.5).ms / 10.0 - 1.0).abs() < 0.001);
    }
}

/// For all t at once in one study; over R and W as far as chance allows.
#[test]
fn more_time_and_larger_quorums_are_no_less_consistent() {
    for name in ["lnkd-ssd", "lnkd-disk", "ymmr", "wan"] {
        let at = |r, w| shares(&run(&study(&named(name), (5, r, w), 200_000, 1), 2));
        for (r, w) in [(1, 1), (2, 1), (1, 2), (2, 2), (3, 1)] {
            let (here, more_r, more_w) = (at(r, w), at(r + 1, w), at(r, w + 1));
            assert!(here.is_sorted(), "{name} {r} {w}: {here:?}");
            for (p, more) in here.iter().zip(&more_r).chain(here.iter().zip(&more_w)) {
                assert!(*more >= p - 0.005, "{name} {r} {w}: {p}, then {more}");
            }
        }
    }
}

#[test]
fn neither_threads_nor_their_order_change_anything() {
    for name in ["lnkd-disk", "wan"] {
        let study = |seed| study(&named(name), (3, 1, 1), 300_001, seed);
        let one = run(&study(1), 1);
        assert_eq!(one, run(&study(1), 2));
        assert_eq!(one, run(&study(1), 5));
        assert_ne!(one, run(&study(2), 1));
    }
}

/// Golden: the same counts on every machine.
#[test]
fn outcomes_are_the_same_everywhere() {
    let normal = Legs::of(Delay::Normal(50.0, 50.0), Delay::Normal(50.0, 50.0)).unwrap();
    let counts = [named("lnkd-disk"), named("wan"), normal].map(|legs| {
        let outcome = run(&study(&legs, (3, 1, 1), 200_000, 42), 2);
        shares(&outcome).iter().map(|p| (p * 200_000.0).round() as u64).collect::<Vec<_>>()
    });
    let golden = [
        [87_173, 103_482, 116_575, 185_206, 199_920],
        [66_231, 66_232, 66_232, 66_250, 199_236],
        [150_804, 151_287, 151_742, 159_155, 196_994],
    ];
    assert_eq!(counts, golden);
}

#[test]
fn it_stops_when_told_to() {
    let study = study(&named("lnkd-ssd"), (3, 1, 1), 1_000_000_000, 1);
    assert_eq!(study.run(NonZeroUsize::MIN, &|done| done < 100_000), None);
}

/// What both papers print in their text, N = 3 unless it says otherwise, R = W = 1. Theirs are
/// shares of 50 000 reads, printed to three digits: ours may be three of their standard deviations
/// and half a digit away.
#[test]
fn published_shares_are_found_again() {
    for (name, n, at, published) in [
        ("lnkd-ssd", 3, 0, 0.974),
        ("lnkd-disk", 3, 0, 0.439),
        ("lnkd-disk", 3, 3, 0.925),
        ("lnkd-disk", 2, 0, 0.575),
        ("lnkd-disk", 10, 0, 0.211),
        ("ymmr-code", 3, 0, 0.893),
        ("wan", 3, 0, 0.33),
    ] {
        let ours = shares(&run(&study(&named(name), (n, 1, 1), 1_000_000, 1), 2))[at];
        let deviation = (published * (1.0 - published) / 50_000.0f64).sqrt();
        let error = (ours - published).abs();
        assert!(error < 3.0 * deviation + 0.000_5, "{name} {n} {at}: {ours}, not {published}");
    }
}

/// As Table 3 prints it, with a shape of 3.35, YMMR is not what the paper's results come from.
#[test]
fn the_printed_shape_of_ymmr_is_not_the_published_result() {
    let ours = |name| shares(&run(&study(&named(name), (3, 1, 1), 1_000_000, 1), 2))[0];
    assert!((ours("ymmr") - 0.887).abs() < 0.001 && (ours("ymmr-code") - 0.893).abs() < 0.001);
}

#[test]
fn published_sweep_of_exponential_writes() {
    let sweep = |rate: f64| {
        let legs = Legs::of(Delay::Exponential(rate), Delay::Exponential(1.0)).unwrap();
        run(&study(&legs, (3, 1, 1), 1_000_000, 1), 2)
    };
    let (fast, slow) = (sweep(4.0), sweep(0.1));
    assert!((shares(&fast)[0] - 0.94).abs() < 0.005 && shares(&fast)[2] > 0.998);
    // Printed as 41 %, and 0.4196 it is.
    assert!((shares(&slow)[0] - 0.415).abs() < 0.006);
    assert!((slow.visibility.quantile(0.999).ms - 65.0).abs() < 2.5);
}

/// Table 4: latencies, of a million each, are within some of their standard deviations. The paper's
/// t is the first of many at which a share of 50 000 reads reached 99.9 % by chance, and so is too
/// small, by up to an eighth (`reports/pbs.md`).
#[test]
fn published_quantiles_are_found_again() {
    for (name, (r, w), [read, write, visibility]) in [
        ("lnkd-ssd", (1, 1), [0.66, 0.66, 1.85]),
        ("lnkd-disk", (1, 1), [0.66, 10.99, 45.5]),
        ("lnkd-disk", (2, 1), [1.63, 10.9, 13.6]),
        ("lnkd-disk", (1, 2), [0.65, 20.97, 43.3]),
        ("ymmr-code", (1, 1), [5.58, 10.83, 1364.0]),
        ("ymmr-code", (2, 1), [32.6, 10.73, 202.0]),
    ] {
        let outcome = run(&study(&named(name), (3, r, w), 4_000_000, 1), 2);
        let ratio = |ours: &Histogram, published: f64| ours.quantile(0.999).ms / published;
        let latencies = [ratio(&outcome.read, read), ratio(&outcome.write, write)];
        assert!(latencies.iter().all(|ratio| (ratio - 1.0).abs() < 0.03), "{name}: {latencies:?}");
        let visible = ratio(&outcome.visibility, visibility);
        assert!((0.98..1.16).contains(&visible), "{name} {r} {w}: {visible}");
    }
}

/// Of 200 independent intervals about 190 enclose the truth: binomial with a deviation of 3.1. The
/// bounds are five deviations away, and 200 of 200 would be an interval that is too wide.
#[test]
fn intervals_enclose_the_truth_as_often_as_they_say() {
    let (rate, quorum) = (0.2, Quorum::new(3, 1, 1).unwrap());
    let instant = Delay::Constant(0.0);
    let legs = Legs::of(Delay::Exponential(rate), instant).unwrap();
    let outcomes: Vec<Outcome> =
        (0..200).map(|seed| run(&study(&legs, (3, 1, 1), 20_000, seed), 1)).collect();
    let fair = |enclosed: usize| assert!((175..200).contains(&enclosed), "{enclosed} of 200");
    for (at, t) in TIMES.into_iter().enumerate().take(4) {
        let truth = 1.0 - closed::stale_with_exponential_writes(quorum, rate, t);
        let hits = |outcome: &&Outcome| outcome.consistent().nth(at).unwrap().1.encloses(truth);
        fair(outcomes.iter().filter(hits).count());
    }
    // p_s e^(-rate t) = 1 - q, and the write is done when the first of three exponential times is.
    for q in [0.5, 0.9, 0.99] {
        let visibility = (closed::stale(quorum) / (1.0 - q)).ln() / rate;
        let write = -(1.0 - q).ln() / (3.0 * rate);
        let encloses = |quantile: dynamo::analysis::pbs::Quantile, truth: f64| {
            quantile.low <= truth && quantile.high.is_some_and(|high| truth <= high)
        };
        let seen = |o: &&Outcome| encloses(o.visibility.quantile(q), visibility);
        fair(outcomes.iter().filter(seen).count());
        fair(outcomes.iter().filter(|o| encloses(o.write.quantile(q), write)).count());
    }
}

//! What a simulation has come to, for people.

use crate::cli::columns;
use comfy_table::presets;
use dynamo::analysis::pbs::{Histogram, Proportion, Quantile, wilson};
use dynamo::sim::{AGES_MS, Outcome, Property, Sum};
use std::path::Path;

/// A property's name in files.
pub(super) fn name(property: Property) -> String {
    let name = serde_json::to_value(property).ok();
    name.as_ref().and_then(|name| name.as_str()).unwrap_or_default().to_owned()
}

pub(super) fn of(sum: &Sum, file: Option<&Path>) -> String {
    let outcome = &sum.outcome;
    let mut parts = vec![head(sum), properties(sum), latencies(outcome)];
    parts.push(match outcome.probes.is_empty() {
        true => staleness(outcome),
        false => probes(outcome),
    });
    parts.push(counts(outcome));
    parts.extend(again(sum, file));
    parts.retain(|part| !part.is_empty());
    parts.join("\n\n")
}

fn head(sum: &Sum) -> String {
    let Sum { setup, seed, runs, of, shards, is_complete, outcome, .. } = sum;
    let last = seed + runs - 1;
    let seeds = if *runs == 1 { format!("seed {seed}") } else { format!("seeds {seed} to {last}") };
    let some = match (shards.len() as u64 == *of, is_complete) {
        (true, true) => String::new(),
        (_, false) => ", NOT RUN TO THEIR END".into(),
        (false, true) => format!(", {} of {of} shares", shards.len()),
    };
    let cluster = &setup.cluster;
    let title = if setup.title.is_empty() { "a cluster" } else { &setup.title };
    format!(
        "{title}: {} nodes, N={} R={} W={}\n{} runs, {seeds}{some}: {} requests in {:.1} simulated \
         minutes, {} packets",
        setup.nodes,
        cluster.n,
        cluster.r,
        cluster.w,
        outcome.runs,
        outcome.requests,
        outcome.load_ns as f64 / 60e9,
        outcome.packets,
    )
}

fn properties(sum: &Sum) -> String {
    let rows = Property::ALL.map(|property| {
        let violation = sum.outcome.violations.get(&property);
        let runs = violation.map_or(0, |violation| violation.runs);
        let Proportion { p, low, high } = wilson(runs, sum.outcome.runs.max(1));
        let first = violation.map_or(String::new(), |violation| {
            format!("seed {}, {:.0} ms: {}", violation.seed, violation.at_ms, violation.what)
        });
        let verdict = match (sum.setup.must_hold(property), runs) {
            (true, 0) => "holds",
            (true, _) => "VIOLATED",
            (false, _) => "",
        };
        let interval = format!("{} to {}", percent(low), percent(high));
        vec![name(property), verdict.into(), runs.to_string(), percent(p), interval, first]
    });
    let head = ["property", "", "runs that violate it", "share", "95 % interval", "first"];
    columns::print(presets::NOTHING, &head, 2..5, rows)
}

fn latencies(outcome: &Outcome) -> String {
    let of = |name: &str, all: &Histogram| {
        let quantile = |q| match all.count() {
            0 => "-".into(),
            _ => {
                let Quantile { ms, .. } = all.quantile(q);
                format!("{ms:.2}")
            }
        };
        let quantiles = [0.5, 0.95, 0.99, 0.999].map(quantile);
        [name.to_owned(), all.count().to_string()].into_iter().chain(quantiles).collect::<Vec<_>>()
    };
    let rows = [
        of("gets", &outcome.get_ms),
        of("puts", &outcome.put_ms),
        of("until all agree", &outcome.settled_ms),
    ];
    columns::print(
        presets::NOTHING,
        &["milliseconds", "count", "p50", "p95", "p99", "p99.9"],
        1..6,
        rows,
    )
}

/// How many gets were not regular, by the time since the key was last acknowledged.
fn staleness(outcome: &Outcome) -> String {
    let staleness = &outcome.staleness;
    let ends = AGES_MS.map(|end| format!("up to {end}"));
    let classes = ends.into_iter().chain(["more".into()]);
    let counts = staleness.gets.iter().zip(&staleness.stale);
    let rows = classes.zip(counts).filter(|(_, (gets, _))| **gets > 0);
    let rows = rows.map(|(class, (gets, stale))| {
        let Proportion { p, low, high } = wilson(*stale, *gets);
        let interval = format!("{} to {}", percent(low), percent(high));
        vec![class, gets.to_string(), stale.to_string(), percent(p), interval]
    });
    let head = ["ms since the last put", "gets", "stale", "share", "95 % interval"];
    columns::print(presets::NOTHING, &head, 1..5, rows)
}

/// How many gets returned what was put, by how long after it they were sent.
fn probes(outcome: &Outcome) -> String {
    let rows = outcome.probes.iter().filter(|probe| probe.gets > 0).map(|probe| {
        let Proportion { p, low, high } = wilson(probe.fresh, probe.gets);
        let interval = format!("{} to {}", percent(low), percent(high));
        let counts = [probe.gets, probe.fresh].map(|count| count.to_string());
        let shares = [percent(p), interval];
        [probe.after_ms.to_string()].into_iter().chain(counts).chain(shares).collect()
    });
    columns::print(
        presets::NOTHING,
        &["t ms", "gets", "consistent", "share", "95 % interval"],
        1..5,
        rows,
    )
}

fn counts(outcome: &Outcome) -> String {
    let counts = outcome.counts.iter().map(|(name, count)| format!("{name}={count}"));
    let mut lines = vec![String::new()];
    for count in counts {
        match lines.last_mut().filter(|line| line.len() + count.len() < 96) {
            Some(line) => *line += &format!(" {count}"),
            None => lines.push(format!(" {count}")),
        }
    }
    format!("What clients were told, nodes did and went wrong:\n {}", lines.join("\n "))
}

/// How to see again what is wrong.
fn again(sum: &Sum, file: Option<&Path>) -> Option<String> {
    let (property, violation) = sum.wrongs().next()?;
    let file = file.map_or(String::new(), |file| format!(" {}", file.display()));
    Some(format!(
        "{} is violated. See it again, or look for a smaller setup in which it is:\n  \
         dynamo simulate{file} --seed {seed}\n  \
         dynamo simulate{file} --seed {seed} --shrink smaller.toml",
        name(property),
        seed = violation.seed,
    ))
}

/// A share; 0 and 100 stand for nothing else.
fn percent(share: f64) -> String {
    match format!("{:.2} %", 100.0 * share).as_str() {
        "0.00 %" if share > 0.0 => "< 0.01 %".into(),
        "100.00 %" if share < 1.0 => "> 99.99 %".into(),
        "0.00 %" => "0 %".into(),
        "100.00 %" => "100 %".into(),
        text => text.into(),
    }
}

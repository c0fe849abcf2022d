//! A trace for people.

use super::Trace;
use crate::scenario::Cluster;
use std::fmt::Write;

/// The trace as text: a head, one numbered step a line with what it did below, and how it ends.
pub fn text(trace: &Trace) -> String {
    let mut text = String::new();
    let scenario = trace.model.scenario();
    let _ = writeln!(text, "{}", scenario.title);
    let _ = writeln!(text, "cluster   {}", cluster(&scenario.cluster));
    if let Some(property) = trace.property {
        let _ = writeln!(text, "property  {property}: {}", property.meaning());
    }
    let _ = writeln!(text, "length    {}\n", trace.length());
    let width = trace.steps.len().to_string().len();
    for (number, step) in (1..).zip(&trace.steps) {
        let _ = writeln!(text, "{number:>width$}  {}", step.text);
        for event in &step.events {
            let _ = writeln!(text, "{:width$}      {event}", "");
        }
    }
    let _ = writeln!(text, "\n{}", ending(trace));
    for line in trace.summary() {
        let _ = writeln!(text, "  {line}");
    }
    text
}

/// How the trace ends, in one line.
pub(super) fn ending(trace: &Trace) -> String {
    let length = super::counted(trace.steps.len(), "action");
    match trace.property {
        Some(property) if trace.refutes() => format!("After {length} {property} is false."),
        _ => format!("After {length}:"),
    }
}

fn cluster(cluster: &Cluster) -> String {
    let limit = match cluster.versioning.clock_limit() {
        Some(limit) => format!(" of at most {limit} pairs"),
        None => String::new(),
    };
    format!(
        "{}, N={} R={} W={}, {} quorum, {}{limit} versions, read repair {}{}",
        super::counted(cluster.nodes.into(), "node"),
        cluster.n,
        cluster.r,
        cluster.w,
        cluster.quorum,
        cluster.versioning.name(),
        cluster.read_repair,
        cluster.unusual(),
    )
}

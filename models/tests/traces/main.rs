//! Traces: what each format says of a run, and that a written trace runs again on the core.

mod formats;
mod replays;

use dynamo_models::explore::Limits;
use dynamo_models::scenario::{Property, Scenario};
use dynamo_models::trace::{Found, Trace, counterexample, model_for};
use dynamo_models::world::ClusterModel;

/// R + W <= N, so that a session that reads twice can read backwards.
const STALE: &str = r#"format = 1
title = "Reads of one replica go backwards"
[cluster]
nodes = 2
n = 2
r = 1
w = 1
read-repair = "off"
[[client]]
steps = ["put k@0"]
[[client]]
steps = ["get k@0", "get k@1"]
[expect]
monotonic-reads = "refuted"
no-lost-write = "holds"
"#;

/// Every kind of fault.
const FAULTS: &str = r#"format = 1
title = "Faults <&> \"all\""
[cluster]
nodes = 3
n = 3
r = 2
w = 2
read-repair = "async"
[[client]]
steps = ["put k@0", "get k@1"]
[[client]]
steps = ["get k@2", "delete k@0"]
[faults]
crashes = 1
drops = 1
duplicates = 1
timeouts = 1
"#;

fn scenario(text: &str) -> Scenario {
    Scenario::parse(text, "inline.toml").expect("a good scenario")
}

/// The shortest counterexample.
fn refuted(text: &str, property: Property) -> Trace {
    let scenario = scenario(text);
    match counterexample(&scenario, Some(property), Limits::default(), &mut |_| true) {
        Ok(Found::Trace(trace)) => *trace,
        _ => panic!("{property} is not refuted"),
    }
}

fn model(text: &str) -> ClusterModel {
    model_for(&scenario(text), None).expect("a cluster")
}

/// The trace of actions whose texts begin like this.
fn follow(text: &str, beginnings: &[&str]) -> Trace {
    let mut trace = Trace::new(&model(text), None, &[]);
    for beginning in beginnings {
        let actions = trace.model.actions(trace.last());
        let action = actions.iter().find(|action| action.to_string().starts_with(beginning));
        let action = action.unwrap_or_else(|| panic!("no `{beginning}` among {actions:#?}"));
        trace.push(action.clone());
    }
    trace
}

/// A run with a duplicate, a drop, a crash, a loss, a client that gives up, a restart and a timer.
fn faulty() -> Trace {
    follow(
        FAULTS,
        &[
            "c0 asks n0: put",
            "FAULT duplicate: n0 -> n2 replicate",
            "FAULT drop: n0 -> n1 replicate",
            "FAULT n0 crashes",
            "lost: n0 -> n2 replicate",
            "c0 gives up",
            "n0 restarts",
            "c0 asks n1: get",
            "n1 -> n2 read",
            "FAULT n1 early request-timeout",
        ],
    )
}

/// A long pseudo-random run.
fn wander(model: &ClusterModel, seed: u64) -> Trace {
    let mut trace = Trace::new(model, None, &[]);
    let mut random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    for _ in 0..60 {
        let actions = model.actions(trace.last());
        if actions.is_empty() {
            break;
        }
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        trace.push(actions[random as usize % actions.len()].clone());
    }
    trace
}

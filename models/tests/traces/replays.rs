//! Trace files are written, read, run again; and every change of one is noticed.

use super::{FAULTS, STALE, faulty, model, refuted, wander};
use dynamo_models::scenario::Property;
use dynamo_models::trace::json::ActionName;
use dynamo_models::trace::{Mismatch, Trace, TraceFile, replay_on_core};

fn stale() -> TraceFile {
    TraceFile::of(&refuted(STALE, Property::MonotonicReads))
}

fn again(trace: &Trace) -> Trace {
    let file = TraceFile::of(trace);
    let read = TraceFile::from_json(&file.to_json()).expect("what was written can be read");
    assert_eq!(read, file);
    replay_on_core(&read).unwrap_or_else(|mismatch| panic!("{mismatch}"))
}

fn mismatch(change: impl FnOnce(&mut TraceFile)) -> String {
    let mut file = stale();
    change(&mut file);
    match replay_on_core(&file) {
        Err(mismatch) => mismatch.to_string(),
        Ok(_) => panic!("the change was not noticed"),
    }
}

#[test]
fn a_written_trace_runs_again_with_equal_digests() {
    for trace in [refuted(STALE, Property::MonotonicReads), faulty()] {
        let replayed = again(&trace);
        assert!(!trace.steps.is_empty());
        assert_eq!(replayed.steps.len(), trace.steps.len());
        for (a, b) in trace.steps.iter().zip(&replayed.steps) {
            assert_eq!((&a.text, &a.digests, &a.events), (&b.text, &b.digests, &b.events));
            assert!(a.after == b.after);
        }
        assert_eq!(trace.flights, replayed.flights);
    }
}

#[test]
fn a_trace_of_linearizable_carries_its_history_again() {
    let trace = refuted(STALE, Property::Linearizable);
    assert!(again(&trace).refutes());
}

#[test]
fn every_action_has_a_name_of_its_own_and_explains_itself_as_it_steps() {
    let model = model(FAULTS);
    let mut compared = 0;
    for seed in 0..300 {
        let trace = wander(&model, seed);
        for place in 0..trace.steps.len() {
            let before = trace.before(place);
            let actions = model.actions(before);
            let names: Vec<ActionName> = actions.iter().map(ActionName::of).collect();
            for (i, name) in names.iter().enumerate() {
                assert!(!names[..i].contains(name), "two actions are called {name:?}");
            }
            compared += names.len();
            let step = &trace.steps[place];
            assert!(model.step(before, &step.action) == step.after);
        }
        again(&trace);
    }
    assert!(compared > 10_000, "the runs were too short: {compared}");
}

#[test]
fn a_digest_differs_when_the_node_does() {
    let trace = faulty();
    for node in 0..trace.nodes() {
        for place in 1..trace.steps.len() {
            let (a, b) = (&trace.steps[place - 1], &trace.steps[place]);
            let process =
                |step: &dynamo_models::trace::Step| step.after.nodes[node].process.clone();
            assert_eq!(
                process(a) == process(b),
                a.digests[node] == b.digests[node],
                "n{node} around step {}",
                place + 1
            );
        }
    }
}

#[test]
fn a_changed_digest_is_reported_with_its_step_and_node() {
    let text = mismatch(|file| {
        let digest = file.steps[1].digests.get_mut("n1").expect("n1 has a digest");
        let first = if digest.starts_with('0') { "1" } else { "0" };
        digest.replace_range(..1, first);
    });
    assert!(text.starts_with("step 2: n1 has the digest "), "{text}");
    let text = mismatch(|file| {
        file.steps[2].digests.remove("n0");
    });
    assert_eq!(text, "step 3: the digests are not those of 2 nodes");
}

#[test]
fn a_changed_action_is_reported_with_its_step() {
    let text = mismatch(|file| {
        file.steps[1].action = ActionName::Crash { node: "n0".into() };
    });
    assert!(text.starts_with("step 2: `") && text.ends_with("` cannot happen there"), "{text}");
    let text = mismatch(|file| file.steps[0].text.push('!'));
    assert!(text.starts_with("step 1: the text is `"), "{text}");
    let text = mismatch(|file| {
        file.steps.pop();
    });
    assert_eq!(
        text,
        "after the last step monotonic-reads is not false, though the trace was kept for it"
    );
}

#[test]
fn the_content_of_a_message_is_part_of_its_name() {
    let mut file = TraceFile::of(&faulty());
    let ActionName::Duplicate(message) = &mut file.steps[1].action else {
        panic!("step 2 is a duplicate")
    };
    let last = message.content.pop().expect("content");
    message.content.push(if last == '0' { '1' } else { '0' });
    let mismatch = replay_on_core(&file).err().expect("a mismatch");
    assert!(matches!(mismatch, Mismatch::Action { step: 2, .. }), "{mismatch}");
}

#[test]
fn a_changed_scenario_is_reported() {
    let text = mismatch(|file| file.scenario.toml = file.scenario.toml.replace("w = 1", "w = 2"));
    assert!(text.contains("has the content hash"), "{text}");
    let text = mismatch(|file| file.scenario.content_hash = "00".into());
    assert!(text.contains("but the trace was made of 00"), "{text}");
    let text = mismatch(|file| file.scenario.toml = "format = 9".into());
    assert!(text.starts_with("the trace's scenario is broken"), "{text}");
    let text = mismatch(|file| file.format = 2);
    assert_eq!(text, "the trace has format 2, but this version reads 1");
    let text = mismatch(|file| file.property = Some("no-such".into()));
    assert!(text.contains("`no-such` is unknown"), "{text}");
}

#[test]
fn what_is_no_trace_is_not_read() {
    for text in ["", "{}", "{\"format\":1}", "[]"] {
        assert!(TraceFile::from_json(text).is_err(), "{text}");
    }
    let extra = stale().to_json().replacen("\"format\"", "\"more\": 1, \"format\"", 1);
    assert!(TraceFile::from_json(&extra).is_err());
}

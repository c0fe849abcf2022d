//! What makes a property fail, and what shows that a mechanism is reached at all.

use dynamo_models::explore::{Limits, Marks, Space, explore};
use dynamo_models::scenario::{Property, Scenario};
use dynamo_models::seal::Sealed;
use dynamo_models::world::{Action, ClusterModel, Disk, Host, Process, State, Violated};
use dynamo_protocol::door::{Effect, Ignored, Note};
use dynamo_protocol::store::{Durability, RecordKey, Store};
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

fn model(toml: &str) -> ClusterModel {
    let scenario = Scenario::parse(toml, "inline").unwrap_or_else(|error| panic!("{error}"));
    ClusterModel::new(&scenario).expect("a valid cluster")
}

/// The cluster model with a twist: `look` sees every state that is expanded and what can happen
/// next, `step` takes the step.
struct Twisted<L, S> {
    model: ClusterModel,
    look: L,
    step: S,
}

impl<L, S> Space for Twisted<L, S>
where
    L: Fn(&State, &[Action]) + Sync,
    S: Fn(&ClusterModel, &State, &Action) -> State + Sync,
{
    type State = State;
    type Action = Action;

    fn initial(&self) -> State {
        self.model.initial()
    }

    fn actions(&self, state: &State) -> Vec<Action> {
        let actions = self.model.actions(state);
        (self.look)(state, &actions);
        actions
    }

    fn step(&self, state: &State, action: &Action, _: &mut Marks) -> State {
        (self.step)(&self.model, state, action)
    }

    fn violated(&self, state: &State) -> Violated {
        state.violated
    }
}

/// Explores a twisted cluster to its end.
fn explore_all<L, S>(twisted: &Twisted<L, S>)
where
    L: Fn(&State, &[Action]) + Sync,
    S: Fn(&ClusterModel, &State, &Action) -> State + Sync,
{
    let done = explore(twisted, &[], Limits::default(), &mut |_| true);
    assert_eq!(done.stopped, None, "the space is explored to its end");
}

/// A step in which a crash empties the disk but for the node's name, and nobody notices: the node
/// restarts as if nothing had happened and counts its epochs from the beginning (bug A2).
fn forgetful_step(model: &ClusterModel, state: &State, action: &Action) -> State {
    let mut after = model.step(state, action);
    if let Action::Crash(node) = action {
        let mut disk = Disk::default();
        let identity = state.host(*node).disk().get(&RecordKey::Identity);
        let identity = identity.expect("it was bootstrapped");
        disk.put(RecordKey::Identity, identity, Durability::Durable);
        let host = Host { process: Process::Down(disk), timers: BTreeSet::new() };
        after.nodes[node.0 as usize] = Sealed::new(host);
        after.run.epochs[node.0 as usize] = 0;
    }
    after
}

const TWO_PUTS_AND_A_CRASH: &str = r#"
format = 1
title = "two puts through one coordinator"
[cluster]
nodes = 2
n = 2
r = 1
w = 1
read-repair = "off"
[[client]]
steps = ["put k@0", "put k@0"]
[faults]
crashes = 1
"#;

#[test]
fn a_disk_lost_unnoticed_uses_a_dot_twice_and_loses_a_write() {
    let model = model(TWO_PUTS_AND_A_CRASH);
    let asked = [Property::UniqueDots, Property::NoLostWrite];
    let sound = explore(&model, &asked, Limits::default(), &mut |_| true);
    assert_eq!((sound.stopped, sound.refuted.len()), (None, 0), "holds with its disk");
    let amnesiac = Twisted { model, look: |_: &State, _: &[Action]| {}, step: forgetful_step };
    let broken = explore(&amnesiac, &asked, Limits::default(), &mut |_| true);
    let dots = broken.trace(Property::UniqueDots).expect("a dot names two values");
    // put v1, crash, restart, put v2: the message with v1 is still in flight.
    assert_eq!(dots.len(), 4, "{dots:?}");
    assert!(broken.trace(Property::NoLostWrite).is_some());
}

/// Everything that nodes note on the way through a scenario's whole space.
fn notes(toml: &str) -> BTreeSet<&'static str> {
    let noted = Mutex::new(BTreeSet::new());
    let step = |model: &ClusterModel, state: &State, action: &Action| {
        model.explain(state, action, &mut |_, effects| {
            let seen = effects.0.iter().filter_map(mechanism);
            noted.lock().expect("no panic").extend(seen);
        })
    };
    explore_all(&Twisted { model: model(toml), look: |_: &State, _: &[Action]| {}, step });
    noted.into_inner().expect("no panic")
}

/// The mechanism that a note shows to be reached.
fn mechanism(effect: &Effect) -> Option<&'static str> {
    let Effect::Note(note) = effect else { return None };
    match note {
        Note::Siblings(_) => Some("siblings"),
        Note::Repaired(_) => Some("repaired"),
        Note::FreshEpoch(_) => Some("fresh epoch"),
        Note::Suspects(_) => Some("suspects"),
        Note::Trusts(_) => Some("trusts"),
        Note::Ignored(Ignored::Duplicate) => Some("duplicate put"),
        _ => None,
    }
}

#[test]
fn the_mechanisms_that_verdicts_speak_of_are_reached() {
    let scenario = |name: &str| {
        let file = format!("{}/scenarios/{name}.toml", env!("CARGO_MANIFEST_DIR"));
        std::fs::read_to_string(file).expect("the scenario is there")
    };
    let cases = [
        ("versions-vector-clock-two-coordinators", ["siblings"].as_slice()),
        ("lecture-322-concurrent", &["siblings", "fresh epoch"]),
        ("read-repair-async", &["repaired"]),
        ("read-repair-blocking", &["repaired"]),
        // No fallback, so nobody to turn to: nothing remembers a suspicion.
        ("timeouts-322", &["suspects"]),
        ("forwarding-timeouts", &["suspects", "trusts"]),
    ];
    for (name, expected) in cases {
        let reached = notes(&scenario(name));
        for mechanism in expected {
            assert!(reached.contains(*mechanism), "{name} reaches {mechanism}: {reached:?}");
        }
    }
    let without = notes(&scenario("read-repair-off"));
    assert!(!without.contains("repaired"), "and switched off it is not reached");
}

#[test]
fn a_duplicated_forward_reaches_the_coordinator_twice_and_is_coordinated_once() {
    let toml = r#"
format = 1
title = "a put through a node that owns nothing"
[cluster]
nodes = 3
n = 2
r = 2
w = 2
read-repair = "off"
[[client]]
steps = ["put k@2", "get k@2"]
[faults]
duplicates = 1
"#;
    assert!(notes(toml).contains("duplicate put"));
    let asked = [Property::BoundedSiblings, Property::UniqueDots, Property::NoFalseConcurrency];
    let done = explore(&model(toml), &asked, Limits::default(), &mut |_| true);
    assert_eq!((done.stopped, done.refuted.len()), (None, 0));
}

/// How many states there are from which an unfinished client gets no further without another fault.
fn stuck(model: ClusterModel) -> usize {
    let (plan, stuck) = (model.plan().clone(), AtomicUsize::new(0));
    let look = |state: &State, actions: &[Action]| {
        let unfinished = |client: usize| {
            let script = &state.run.clients[client];
            script.waiting.is_some() || plan.step(client, script.done.into()).is_some()
        };
        if (0..plan.clients()).any(unfinished) && actions.iter().all(Action::is_fault) {
            stuck.fetch_add(1, Ordering::Relaxed);
        }
    };
    explore_all(&Twisted { model, look, step: ClusterModel::step });
    stuck.into_inner()
}

#[test]
fn no_client_waits_for_ever() {
    for name in
        ["forwarding-unavailable", "timeouts-last-writer-wins", "everything-311", "crash-322"]
    {
        let file = format!("{}/scenarios/{name}.toml", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(file).expect("the scenario is there");
        assert_eq!(stuck(model(&text)), 0, "{name}");
    }
}

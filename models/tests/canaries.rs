//! What makes a property fail, and what shows that a mechanism is reached at all.

use dynamo_models::explore::{Limits, Space, explore};
use dynamo_models::scenario::{Property, Scenario};
use dynamo_models::seal::Sealed;
use dynamo_models::world::{Action, ClusterModel, Disk, Host, Process, State, Violated};
use dynamo_protocol::door::{Effect, Ignored, Note};
use dynamo_protocol::store::{RecordKey, Store};
use std::cell::RefCell;
use std::collections::BTreeSet;

fn model(toml: &str) -> ClusterModel {
    let scenario = Scenario::parse(toml, "inline").unwrap_or_else(|error| panic!("{error}"));
    ClusterModel::new(&scenario).expect("a valid cluster")
}

/// A cluster in which a crash empties the disk but for the node's name, and nobody notices: the
/// node restarts as if nothing had happened and counts its epochs from the beginning (bug A2).
struct Amnesiac(ClusterModel);

impl Space for Amnesiac {
    type State = State;
    type Action = Action;

    fn initial(&self) -> State {
        self.0.initial()
    }

    fn actions(&self, state: &State) -> Vec<Action> {
        self.0.actions(state)
    }

    fn step(&self, state: &State, action: &Action) -> State {
        let mut after = self.0.step(state, action);
        if let Action::Crash(node) = action {
            let mut disk = Disk::default();
            let identity = state.host(*node).disk().get(&RecordKey::Identity);
            disk.put(RecordKey::Identity, identity.expect("it was bootstrapped"));
            let host = Host { process: Process::Down(disk), timers: BTreeSet::new() };
            after.nodes[node.0 as usize] = Sealed::new(host);
            after.epochs[node.0 as usize] = 0;
        }
        after
    }

    fn violated(&self, state: &State) -> Violated {
        state.violated
    }
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
    let broken = explore(&Amnesiac(model), &asked, Limits::default(), &mut |_| true);
    let dots = broken.trace(Property::UniqueDots).expect("a dot names two values");
    // put v1, crash, restart, put v2: the message with v1 is still in flight.
    assert_eq!(dots.len(), 4, "{dots:?}");
    assert!(broken.trace(Property::NoLostWrite).is_some());
}

/// Everything that nodes note on the way through a scenario's whole space.
fn notes(toml: &str) -> BTreeSet<String> {
    struct Watched(ClusterModel, RefCell<BTreeSet<String>>);
    impl Space for Watched {
        type State = State;
        type Action = Action;
        fn initial(&self) -> State {
            self.0.initial()
        }
        fn actions(&self, state: &State) -> Vec<Action> {
            self.0.actions(state)
        }
        fn step(&self, state: &State, action: &Action) -> State {
            self.0.explain(state, action, &mut |_, effects| {
                for effect in &effects.0 {
                    let name = match effect {
                        Effect::Note(Note::Siblings(_)) => "siblings",
                        Effect::Note(Note::Repaired(_)) => "repaired",
                        Effect::Note(Note::FreshEpoch(_)) => "fresh epoch",
                        Effect::Note(Note::Suspects(_)) => "suspects",
                        Effect::Note(Note::Trusts(_)) => "trusts",
                        Effect::Note(Note::Ignored(Ignored::Duplicate)) => "duplicate put",
                        _ => continue,
                    };
                    self.1.borrow_mut().insert(name.into());
                }
            })
        }
        fn violated(&self, state: &State) -> Violated {
            state.violated
        }
    }
    let watched = Watched(model(toml), RefCell::default());
    let done = explore(&watched, &[], Limits::default(), &mut |_| true);
    assert_eq!(done.stopped, None, "the space is explored to its end");
    watched.1.into_inner()
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
        ("timeouts-322", &["suspects", "trusts"]),
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

/// The states from which an unfinished client gets no further without another fault.
fn stuck(model: ClusterModel) -> usize {
    struct Watched(ClusterModel, RefCell<usize>);
    impl Space for Watched {
        type State = State;
        type Action = Action;
        fn initial(&self) -> State {
            self.0.initial()
        }
        fn actions(&self, state: &State) -> Vec<Action> {
            let actions = self.0.actions(state);
            let clients = 0..self.0.plan().clients();
            let unfinished = |client: usize| {
                let client_state = &state.clients[client];
                client_state.waiting.is_some()
                    || self.0.plan().step(client, client_state.done.into()).is_some()
            };
            if clients.into_iter().any(unfinished) && actions.iter().all(Action::is_fault) {
                *self.1.borrow_mut() += 1;
            }
            actions
        }
        fn step(&self, state: &State, action: &Action) -> State {
            self.0.step(state, action)
        }
        fn violated(&self, state: &State) -> Violated {
            state.violated
        }
    }
    let watched = Watched(model, RefCell::default());
    let done = explore(&watched, &[], Limits::default(), &mut |_| true);
    assert_eq!(done.stopped, None, "the space is explored to its end");
    watched.1.into_inner()
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

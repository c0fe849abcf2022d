//! Hints for nodes that own the key no longer, and hints of nodes that leave.

use crate::{World, known, node, swap, with_disk};
use dynamo_models::world::{Action, ClusterModel, State};
use dynamo_protocol::message::Message;
use dynamo_protocol::store::{Durability, RecordKey, Store};

/// n0 seems to be down, and n1 keeps a hint for it when one of them leaves.
const HINT: &str = r#"
format = 1
title = "A fallback keeps a hint while NODE leaves"
reaches = ["hint-kept", "layout-changed"]
[cluster]
nodes = 2
n = 1
r = 1
w = 1
quorum = "sloppy"
read-repair = "off"
[membership]
founders = 2
operators = [["leave LEAVES"]]
gossips = ["0-1", "1-0"]
[[client]]
steps = ["get a@1", "put a@1"]
[faults]
timeouts = 1
[expect]
no-lost-write = "holds"
converges = "holds"
"#;

/// A hint of the key for n0, kept by n1.
fn hint() -> RecordKey {
    RecordKey::Hint { home: node(0), key: "a".into() }
}

/// When its home leaves, a hint is of no use any more.
fn drop_the_hints_of_leavers(model: &ClusterModel, state: &State, action: &Action) -> State {
    let has_left = known(state, node(1)).is_some_and(|m| !m.current().has(node(0)));
    match has_left && state.host(node(1)).disk().get(&hint()).is_some() {
        true => {
            let state = with_disk(state, node(1), |disk| disk.remove(&hint(), Durability::Durable));
            model.step(&state, action)
        }
        false => model.step(state, action),
    }
}

/// D5: a hint for a node that owns the key no longer is dropped.
#[test]
fn a_hint_that_is_dropped_when_its_home_leaves_is_a_lost_write() {
    let toml = HINT.replace("LEAVES", "0@1").replace("NODE", "its home");
    let toml = toml
        .replace("reaches = [", "reaches = [\"hint-rehomed\", ")
        .replace("converges = \"holds\"\n", "");
    World::new(&toml).canary(drop_the_hints_of_leavers);
}

/// Whoever leaves says that it has done all that there is to do.
fn keep_hints(model: &ClusterModel, state: &State, action: &Action) -> State {
    match action {
        Action::Deliver(sent) => match &sent.message {
            Message::Gossip { digest, asks, .. } if sent.from == node(1) => {
                let lie = Message::Gossip { digest: *digest, done: true, asks: *asks };
                swap(model, state, sent, lie)
            }
            _ => model.step(state, action),
        },
        _ => model.step(state, action),
    }
}

/// D5: a node leaves with the hints that it keeps.
#[test]
fn a_node_that_leaves_with_its_hints_takes_a_write_along() {
    let toml = HINT.replace("LEAVES", "1@0").replace("NODE", "it");
    let toml = toml
        .replace("reaches = [", "reaches = [\"hint-delivered\", ")
        .replace("converges = \"holds\"\n", "");
    let nobody_reads = |_: &State, action: &Action| !matches!(action, Action::FinalRead { .. });
    World::new(&toml).only(nobody_reads).canary(keep_hints);
}

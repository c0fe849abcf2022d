//! Puts that are coordinated once, and exchanges.

use crate::{World, envelope, node, with_disk};
use dynamo_models::world::{Action, ClusterModel, State};
use dynamo_protocol::door::Timer;
use dynamo_protocol::message::{Message, Operation, Request};
use dynamo_protocol::store::{Durability, RecordKey, Store};

/// A forwarded put is coordinated whenever it comes.
fn coordinate_again(model: &ClusterModel, state: &State, action: &Action) -> State {
    if let Action::Deliver(envelope) | Action::Duplicate(envelope) = action
        && let Message::Forward(Request { id, .. }) = &envelope.message
    {
        let session = RecordKey::Session(id.client);
        let forgotten =
            with_disk(state, envelope.to, |disk| disk.remove(&session, Durability::Durable));
        return model.step(&forgotten, action);
    }
    model.step(state, action)
}

const TWICE: &str = r#"
format = 1
title = "A forwarded put comes twice"
reaches = ["forwarded", "duplicate-refused"]
[cluster]
nodes = 2
n = 1
r = 1
w = 1
[[client]]
steps = ["put k@1", "get k@1", "put k@1"]
[faults]
duplicates = 1
[expect]
no-false-concurrency = "holds"
bounded-siblings = "holds"
no-resurrection = "holds"
"#;

/// A9: a forwarded put is coordinated again after it was overwritten.
#[test]
fn a_put_coordinated_twice_brings_back_what_was_overwritten() {
    World::new(TWICE).canary(coordinate_again);
}

/// A9: a forwarded put is coordinated twice.
#[test]
fn a_put_coordinated_twice_is_its_own_sibling() {
    let toml = TWICE
        .replace(", \"get k@1\", \"put k@1\"", "")
        .replace("no-resurrection = \"holds\"\n", "");
    World::new(&toml).canary(coordinate_again);
}

/// A forwarder that hears nothing tries the second owner as well.
fn try_the_second_owner(model: &ClusterModel, state: &State, action: &Action) -> State {
    let mut after = model.step(state, action);
    if let Action::Fire { node: forwarder, timer: Timer::Request(id), .. } = action
        && state.up(*forwarder).is_some_and(|node| node.is_forwarded(*id))
        && let Some(put) = model.plan().put_of_request(*id)
    {
        let operation = Operation::Put { context: None, value: model.plan().value(put) };
        let request = Request { id: *id, key: crate::key(), operation, quorum: None };
        after.send(envelope(&after, *forwarder, node(1), Message::Forward(request)));
    }
    after
}

/// A10: a put is tried at a second coordinator after a timeout.
#[test]
fn a_put_tried_at_a_second_owner_brings_back_what_was_overwritten() {
    let toml = r#"
format = 1
title = "A forwarder loses patience"
reaches = ["forwarded", "suspected"]
[cluster]
nodes = 3
n = 2
r = 1
w = 1
read-repair = "off"
[[client]]
steps = ["put k@2", "get k@0", "put k@0"]
[faults]
timeouts = 1
[expect]
no-false-concurrency = "holds"
no-resurrection = "holds"
"#;
    World::new(toml).canary(try_the_second_owner);
}

/// Two owners find out that they differ, and leave it at that.
fn never_swap(model: &ClusterModel, state: &State, action: &Action) -> State {
    if let Action::Deliver(envelope) = action
        && let Message::Swap { .. } = &envelope.message
    {
        let mut after = state.clone();
        after.take(envelope);
        return after;
    }
    model.step(state, action)
}

/// G4: two owners find out that they differ, and leave it at that.
#[test]
fn an_exchange_that_swaps_nothing_leaves_replicas_apart() {
    let toml = r#"
format = 1
title = "A replica misses a put"
reaches = ["object-exchanged"]
[cluster]
nodes = 2
n = 2
r = 1
w = 1
read-repair = "off"
anti-entropy = "on"
[[client]]
steps = ["put k@0"]
[faults]
drops = 1
[expect]
converges = "holds"
"#;
    World::new(toml).canary(never_swap);
}

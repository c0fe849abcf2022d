//! The removal of tombstones.

use crate::{World, envelope, forge, node, sent, uncommitted};
use dynamo_models::world::{Action, ClusterModel, Envelope, State};
use dynamo_protocol::door::Timer;
use dynamo_protocol::message::{Message, Round};

const DELETED: &str = r#"
format = 1
title = "A value is deleted, and the tombstone goes"
reaches = ["reaped"]
[cluster]
nodes = 2
n = 2
r = 1
w = 1
read-repair = "off"
reap = "on"
[[client]]
steps = ["put k@0", "get k@0", "delete k@0"]
[expect]
no-resurrection = "holds"
"#;

/// A reaper does not wait for what is in flight.
fn never_wait(model: &ClusterModel, state: &State, action: &Action) -> State {
    let mut after = model.step(state, action);
    for sealed in std::mem::take(&mut after.network) {
        after.send(Envelope { dying: 0, ..(*sealed).clone() });
    }
    after
}

/// B4: a tombstone goes while an older copy is on its way.
#[test]
fn a_value_still_in_flight_returns_when_the_tombstone_is_gone() {
    World::new(DELETED).canary(never_wait);
}

/// A reaper believes the first answers: to whatever else it asks it is told yes at once.
fn ask_once(model: &ClusterModel, state: &State, action: &Action) -> State {
    let after = model.step(state, action);
    let asks: Vec<_> = sent(state, &after).collect();
    let answered = asks.iter().fold(after.clone(), |mut after, ask| match ask.message.clone() {
        Message::ReapAsk { round, tombstones } if round != Round::First => {
            after.take(ask);
            forge(model, &after, ask.to, ask.from, Message::ReapYes { round, tombstones })
        }
        _ => after,
    });
    match (answered == after, action) {
        (false, &Action::Fire { timer: Timer::Reap, .. }) => ask_once(model, &answered, action),
        _ => after,
    }
}

/// n1 misses the tombstone, and n2 may read what n1 still has while n0 asks the first time.
const MISSED: &str = r#"
format = 1
title = "An owner misses the tombstone, and another node reads its copy"
reaches = ["reaped", "read-repair"]
[cluster]
nodes = 3
n = 2
r = 1
w = 1
read-repair = "blocking"
reap = "on"
[[client]]
steps = ["put k@0", "get k@0", "delete k@0", "get k@0"]
[[client]]
steps = ["get k@2"]
[faults]
drops = 1
[expect]
no-resurrection = "holds"
"#;

/// The tombstone for n1 is what is lost, and n2 does not read before.
fn misses_the_tombstone(state: &State, action: &Action) -> bool {
    match action {
        Action::Drop(envelope) => match &envelope.message {
            Message::Replicate { object, .. } => envelope.to == node(1) && object.is_deleted(),
            _ => false,
        },
        Action::Call { client: 1, .. } => state.spent.drops == 1,
        _ => true,
    }
}

/// B2: a tombstone goes once every node has said yes, at different times.
#[test]
fn a_tombstone_reaped_after_one_round_lets_a_value_return() {
    World::new(MISSED).only(misses_the_tombstone).canary(ask_once);
}

/// The fallback n1 is not asked what it keeps.
fn ask_no_fallback(model: &ClusterModel, state: &State, action: &Action) -> State {
    if let Action::Deliver(ask) = action
        && ask.to == node(1)
        && let Message::ReapAsk { round, tombstones } = ask.message.clone()
    {
        let mut after = state.clone();
        after.take(ask);
        after.send(envelope(&after, ask.to, ask.from, Message::ReapYes { round, tombstones }));
        return after;
    }
    model.step(state, action)
}

/// B3: a tombstone goes while a fallback keeps a hint of what it replaced.
#[test]
fn a_hint_brings_a_value_back_if_its_fallback_was_not_asked() {
    let toml = r#"
format = 1
title = "A value is deleted of which a fallback keeps a hint"
reaches = ["hint-kept", "reaped"]
[cluster]
nodes = 2
n = 1
r = 1
w = 1
quorum = "sloppy"
reap = "on"
[[client]]
steps = ["get k@1", "put k@1", "get k@1", "delete k@0"]
[faults]
timeouts = 1
[expect]
no-resurrection = "holds"
"#;
    World::new(toml).canary(ask_no_fallback);
}

/// n2 may find no answer at n0, and what matters little here takes no time.
fn reads_between(state: &State, action: &Action) -> bool {
    let at_once = |sent: &Envelope| match sent.message {
        Message::ReapYes { .. } | Message::Reap { .. } => true,
        Message::Handoff { .. } | Message::HandedOff { .. } => true,
        Message::ReapAsk { .. } => sent.to == node(3),
        Message::Copy { .. } | Message::Replicated { .. } => sent.to == node(0),
        _ => state.run.ghost.called.len() < 2,
    };
    let busy = state.network.iter().any(|sent| at_once(sent));
    match action {
        Action::Deliver(sent) if busy => at_once(sent),
        _ if busy => false,
        Action::Fire { premature: true, node: at, .. } => *at == node(2),
        Action::Fire { timer: Timer::Retry(_), .. } | Action::FinalRead { .. } => false,
        _ => misses_the_tombstone(state, action),
    }
}

/// B3: an older copy passes through a node between its first yes and its second. That it has moved is
/// why the node says no; without this it would take two moves a round to hide from three rounds, more
/// than can be explored here (`src/protocol/tests/node/reap.rs` has the rule alone).
#[test]
fn a_value_that_moves_between_the_rounds_does_not_return() {
    let toml = MISSED
        .replace("nodes = 3", "nodes = 4")
        .replace("get k@2", "get k@2 sloppy")
        .replace("drops = 1", "drops = 1\ntimeouts = 1");
    World::new(&toml).only(reads_between).holds();
}

/// A node says yes before its tombstone is on its disk.
fn promise_too_early(model: &ClusterModel, state: &State, action: &Action) -> State {
    match action {
        Action::Deliver(ask) if matches!(ask.message, Message::ReapAsk { .. }) => {
            uncommitted(state, &model.step(state, action))
        }
        _ => model.step(state, action),
    }
}

/// B2: a tombstone that a node has promised is lost with its buffer.
#[test]
fn a_crash_takes_back_a_tombstone_that_was_promised() {
    let toml = DELETED
        .replace("w = 1", "w = 2\ndurability = \"buffered\"")
        .replace("[\"reaped\"]", "[\"reaped\", \"buffer-lost\"]")
        .replace("[expect]", "[faults]\ncrashes = 1\n[expect]");
    let only_n1 =
        |_: &State, action: &Action| !matches!(action, Action::Crash(node) if node.0 == 0);
    World::new(&toml).only(only_n1).canary(promise_too_early);
}

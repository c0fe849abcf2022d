//! Hinted handoff, merging and the counters of fallbacks.

use crate::{World, forge, key, node, sent, swap, uncommitted, with_disk};
use dynamo_models::world::{Action, ClusterModel, Envelope, State};
use dynamo_protocol::door::Timer;
use dynamo_protocol::merkle::Hash;
use dynamo_protocol::message::Message;
use dynamo_protocol::store::{Durability, Record, RecordKey, Store};
use dynamo_protocol::versions::{Actor, Dot, Incarnation, Object, VersionVector};

/// The owner n0 seems to be down, so n1 keeps hints for it.
const HINTS: &str = r#"
format = 1
title = "A fallback takes puts"
reaches = ["hint-kept", "hint-delivered", "hint-released"]
[cluster]
nodes = 2
n = 1
r = 1
w = 1
quorum = "sloppy"
[[client]]
steps = ["get k@1", "put k@1", "put k@1"]
[faults]
timeouts = 1
[expect]
no-lost-write = "holds"
"#;

/// A hint is released when it is sent, not when its home has merged it.
fn release_when_sent(model: &ClusterModel, state: &State, action: &Action) -> State {
    let after = model.step(state, action);
    sent(state, &after).fold(after.clone(), |after, envelope| match &envelope.message {
        Message::Handoff { key, object } => {
            let hash = Hash::of_object(key, object);
            let released = Message::HandedOff { key: key.clone(), hash };
            forge(model, &after, envelope.to, envelope.from, released)
        }
        _ => after,
    })
}

/// D1: a hint is forgotten before its transfer is acknowledged.
#[test]
fn a_hint_released_when_sent_is_lost_on_the_way() {
    World::new(HINTS).canary(release_when_sent);
}

/// What a node holds for `home`.
fn hint(state: &State, at: u64, home: u64) -> Option<Object> {
    match state.host(node(at)).disk().get(&hint_name(home)) {
        Some(Record::Object(object)) => Some(object),
        _ => None,
    }
}

fn hint_name(home: u64) -> RecordKey {
    RecordKey::Hint { home: node(home), key: key() }
}

/// A hint is released by its key, whatever has come to it since it was sent.
fn release_by_key(model: &ClusterModel, state: &State, action: &Action) -> State {
    if let Action::Deliver(envelope) = action
        && let Message::HandedOff { key, .. } = &envelope.message
        && let Some(hint) = hint(state, envelope.to.0, envelope.from.0)
    {
        let hash = Hash::of_object(key, &hint);
        return swap(model, state, envelope, Message::HandedOff { key: key.clone(), hash });
    }
    model.step(state, action)
}

/// D2: a hint is released though it has grown since it was sent.
#[test]
fn a_hint_released_by_its_key_takes_along_what_has_come_since() {
    World::new(HINTS).canary(release_by_key);
}

/// A home says that it has merged a hint before that is on its disk.
fn acknowledge_too_early(model: &ClusterModel, state: &State, action: &Action) -> State {
    match action {
        Action::Deliver(sent) if matches!(sent.message, Message::Handoff { .. }) => {
            uncommitted(state, &model.step(state, action))
        }
        _ => model.step(state, action),
    }
}

/// D1: a hint is released before its home has it on disk.
#[test]
fn a_hint_acknowledged_before_it_is_durable_is_lost_in_a_crash() {
    let toml = HINTS
        .replace("[[client]]", "durability = \"buffered\"\n[[client]]")
        .replace("[expect]", "crashes = 1\n[expect]")
        .replace(", \"put k@1\"]", "]");
    // The put comes to n1 alone, so that a crash of n0 loses what the handoff brought or nothing.
    let hinted = |state: &State, action: &Action| match action {
        Action::Crash(at) => *at == node(0),
        Action::Call { .. } if state.run.clients[0].done == 1 => {
            state.up(node(1)).is_some_and(|n1| n1.suspects().next().is_some())
        }
        _ => true,
    };
    World::new(&toml).only(hinted).canary(acknowledge_too_early);
}

/// A node that restarts does not look for hints.
fn forget_hints(model: &ClusterModel, state: &State, action: &Action) -> State {
    let mut after = model.step(state, action);
    if let Action::Recover(node) = action {
        let mut host = (**after.host(*node)).clone();
        host.timers.retain(|timer| !matches!(timer, Timer::Handoff(_)));
        after.set_host(*node, host);
    }
    after
}

/// D3: a fallback that restarts forgets for whom it keeps hints.
#[test]
fn a_hint_forgotten_at_a_restart_never_goes_home() {
    let toml = HINTS
        .replace("[expect]\nno-lost-write", "crashes = 1\n[expect]\nconverges")
        .replace("\"put k@1\", ", "");
    World::new(&toml).canary(forget_hints);
}

/// What comes in replaces what is there.
fn overwrite(model: &ClusterModel, state: &State, action: &Action) -> State {
    if let Action::Deliver(envelope) = action
        && let Message::Handoff { key, .. } | Message::Replicate { key, .. } = &envelope.message
    {
        let name = RecordKey::Object(key.clone());
        let emptied = with_disk(state, envelope.to, |disk| disk.remove(&name, Durability::Durable));
        return model.step(&emptied, action);
    }
    model.step(state, action)
}

/// D4: a handoff overwrites what it should merge with.
#[test]
fn a_handoff_that_overwrites_loses_a_write() {
    let toml = HINTS.replace(", \"put k@1\"]", "]\n[[client]]\nsteps = [\"put k@0\"]");
    World::new(&toml).canary(overwrite);
}

/// D4: a replica overwrites what it should merge with.
#[test]
fn a_replica_that_overwrites_loses_its_copy_of_a_write() {
    let toml = r#"
format = 1
title = "Two blind puts, both on both disks"
[cluster]
nodes = 2
n = 2
r = 1
w = 2
[[client]]
steps = ["put k@0"]
[[client]]
steps = ["put k@0"]
[expect]
durable-f = "holds"
"#;
    World::new(toml).canary(overwrite);
}

/// Twice n1 keeps a hint for n0, which may have got the first before the second comes.
const TWO_HINTS: &str = r#"
format = 1
title = "A fallback takes a put again after it has released its hints"
reaches = ["hint-released", "fresh-epoch"]
[cluster]
nodes = 2
n = 1
r = 1
w = 1
quorum = "sloppy"
[[client]]
steps = ["get k@1", "put k@1", "get k@1", "put-blind k@1"]
[faults]
timeouts = 2
[expect]
no-lost-write = "holds"
"#;

/// A counter stays when the last hint goes.
fn keep_counter(model: &ClusterModel, state: &State, action: &Action) -> State {
    let after = model.step(state, action);
    let Action::Deliver(envelope) = action else { return after };
    let name = RecordKey::Counter(key());
    let disk = |state: &State| state.host(envelope.to).disk().get(&name);
    match (disk(state), disk(&after)) {
        (Some(counter), None) => with_disk(&after, envelope.to, |disk| {
            disk.put(name.clone(), counter, Durability::Durable)
        }),
        _ => after,
    }
}

/// A counter stays when the last hint goes, and the next put goes on from it.
fn continue_counter(model: &ClusterModel, state: &State, action: &Action) -> State {
    let counter = state.host(node(1)).disk().get(&RecordKey::Counter(key()));
    let Some(Record::Counter { epoch, counter }) = counter else {
        return keep_counter(model, state, action);
    };
    if !matches!(action, Action::Call { node, .. } if node.0 == 1) || hint(state, 1, 0).is_some() {
        return keep_counter(model, state, action);
    }
    let actor = Actor { node: node(1), incarnation: Incarnation(0), epoch };
    let nothing = nothing_but(VersionVector::from_iter([Dot { actor, counter }]));
    let record = Record::Object(nothing.clone());
    let pretending =
        with_disk(state, node(1), |disk| disk.put(hint_name(0), record, Durability::Durable));
    let after = keep_counter(model, &pretending, action);
    match hint(&after, 1, 0) == Some(nothing) {
        true => with_disk(&after, node(1), |disk| disk.remove(&hint_name(0), Durability::Durable)),
        false => after,
    }
}

/// An object without versions that claims to have seen them.
fn nothing_but(seen: VersionVector) -> Object {
    let bytes = postcard::to_allocvec(&(0u8, 0u8, seen)).expect("encoding to memory");
    postcard::from_bytes(&bytes).expect("a dotted object")
}

/// A16: a copy is handed off and its counter goes on.
#[test]
fn a_counter_that_goes_on_without_its_copy_loses_a_write() {
    World::new(TWO_HINTS).canary(continue_counter);
}

/// A16 is ruled out twice: a counter goes with its copy, and is compared with it.
#[test]
fn a_counter_that_is_only_kept_is_not_gone_on_with() {
    let world = World::new(TWO_HINTS);
    let done = world.explore(Some(keep_counter));
    assert_eq!((done.stopped, done.refuted), (None, Vec::new()));
}

/// Where a strict put misses n1, n2 takes a hint and counts as n1.
fn count_the_fallback(model: &ClusterModel, state: &State, action: &Action) -> State {
    let Action::Lose(envelope) = action else { return model.step(state, action) };
    let Message::Replicate { id, key, object, durability, .. } = &envelope.message else {
        return model.step(state, action);
    };
    let (id, key, object, home) = (*id, key.clone(), object.clone(), Some(envelope.to));
    let hint = Message::Replicate { id, key, object, home, durability: *durability };
    let mut before = state.clone();
    before.take(envelope);
    let mut after = forge(model, &before, envelope.from, node(2), hint);
    for answer in sent(&before, &after).collect::<Vec<_>>() {
        after.take(&answer);
        after.send(Envelope { from: envelope.to, ..(*answer).clone() });
    }
    after
}

/// C1: a fallback's hint counts as an owner's copy.
#[test]
fn a_hint_that_counts_in_a_strict_quorum_is_not_read() {
    let toml = r#"
format = 1
title = "A strict put misses an owner"
reaches = ["suspected"]
[cluster]
nodes = 3
n = 2
r = 1
w = 2
[[client]]
steps = ["put k@0", "get k@1"]
[faults]
crashes = 1
[expect]
read-your-writes = "holds"
regular = "holds"
"#;
    World::new(toml).canary(count_the_fallback);
}

//! Lost disks and writes that are not durable yet.

use crate::{World, node, swap, uncommitted, with_disk};
use dynamo_models::world::{Action, ClusterModel, Disk, Host, Process, State};
use dynamo_protocol::door::{Input, Start, Timer};
use dynamo_protocol::ids::ClientId;
use dynamo_protocol::message::Message;
use dynamo_protocol::node::Node;
use dynamo_protocol::store::{Durability, Record, RecordKey, Store};
use dynamo_protocol::versions::Incarnation;

/// All have what was acknowledged, and one answer is enough.
const LOST_DISK: &str = r#"
format = 1
title = "A node returns without its disk"
reaches = ["resynchronised"]
[cluster]
nodes = 2
n = 2
r = 1
w = 2
read-repair = "off"
[[client]]
steps = ["put k@1", "get k@0"]
[faults]
disk-losses = 1
[expect]
read-your-writes = "holds"
regular = "holds"
"#;

/// A node without a disk takes what it has for all that there is.
fn count_at_once(model: &ClusterModel, state: &State, action: &Action) -> State {
    let after = model.step(state, action);
    match action {
        Action::Recover(node) => with_disk(&after, *node, |disk| {
            disk.remove(&RecordKey::Unsynchronised, Durability::Durable);
        }),
        _ => after,
    }
}

/// A2: a node whose disk is lost counts as a replica at once.
#[test]
fn a_lost_disk_that_counts_at_once_hides_a_write() {
    World::new(LOST_DISK).canary(count_at_once);
}

/// Whoever has lost its disk lives on as before.
fn same_incarnation(model: &ClusterModel, state: &State, action: &Action) -> State {
    let after = model.step(state, action);
    match action {
        Action::Recover(node) if state.host(*node).disk().next(None).is_none() => {
            let mut process = Node::new(model.config().clone(), *node, Disk::default());
            let latest = ClientId(0);
            let start = Start::Amnesia { incarnation: Incarnation(0), latest };
            let _ = process.handle(Input::Start(start));
            let timers = after.host(*node).timers.clone();
            let mut after = after;
            after.set_host(*node, Host { process: Process::Up(process), timers });
            after
        }
        _ => after,
    }
}

/// A2: two lives of a node have one incarnation, and one takes a page for the other.
#[test]
fn a_page_for_an_earlier_life_hides_a_write() {
    let toml = LOST_DISK.replace("losses = 1", "losses = 2");
    let only_n0 =
        |_: &State, action: &Action| !matches!(action, Action::LoseDisk(node) if node.0 != 0);
    World::new(&toml).only(only_n0).canary(same_incarnation);
}

/// A lost disk takes along which epochs were given.
fn epochs_start_over(model: &ClusterModel, state: &State, action: &Action) -> State {
    let mut after = model.step(state, action);
    if let Action::LoseDisk(node) = action {
        after.run.epochs[node.0 as usize] = 0;
    }
    after
}

fn same_incarnation_and_epochs(model: &ClusterModel, state: &State, action: &Action) -> State {
    let mut after = same_incarnation(model, state, action);
    if let Action::LoseDisk(node) = action {
        after.run.epochs[node.0 as usize] = 0;
    }
    after
}

/// A2 to A4: two lives of a node have one incarnation, and the same epochs.
#[test]
fn an_incarnation_keeps_dots_apart_whose_epochs_start_over() {
    let toml = r#"
format = 1
title = "A coordinator loses its disk and goes on"
reaches = ["fresh-epoch"]
[cluster]
nodes = 2
n = 2
r = 1
w = 2
read-repair = "off"
[[client]]
steps = ["put k@0"]
[[client]]
steps = ["put k@0"]
[faults]
disk-losses = 1
[expect]
no-lost-write = "holds"
"#;
    let world = World::new(toml);
    let done = world.explore(Some(epochs_start_over));
    assert_eq!((done.stopped, done.refuted), (None, Vec::new()));
    world.canary(same_incarnation_and_epochs);
}

/// Whoever has lost its disk is content with the first page that it gets.
fn one_page_is_enough(model: &ClusterModel, state: &State, action: &Action) -> State {
    let after = model.step(state, action);
    match action {
        Action::Deliver(envelope) if matches!(envelope.message, Message::Page { .. }) => {
            with_disk(&after, envelope.to, |disk| {
                disk.remove(&RecordKey::Unsynchronised, Durability::Durable);
            })
        }
        _ => after,
    }
}

/// A lost disk had said yes to a put that has reached nobody else yet but its coordinator.
#[test]
fn a_lost_disk_that_hears_n_minus_w_plus_one_hides_a_write() {
    let toml = LOST_DISK
        .replace("nodes = 2\nn = 2\nr = 1\nw = 2", "nodes = 3\nn = 3\nr = 1\nw = 3")
        .replace("put k@1", "put k@2");
    World::new(&toml).canary(one_page_is_enough);
}

/// First n1 loses its disk, then n0. Of n1 there is a get when that is over.
fn first_n1_then_n0(state: &State, action: &Action) -> bool {
    match action {
        Action::LoseDisk(lost) => *lost == node(1 - u64::from(state.spent.disk_losses)),
        Action::Call { .. } => state.run.clients[0].done == 0 || state.spent.disk_losses == 2,
        Action::Fire { node: of, timer: Timer::Exchange(_), .. } => *of == node(1),
        Action::FinalRead { .. } => false,
        _ => true,
    }
}

/// Whoever fetches what it has lost takes the page of another lost disk for any other.
fn pages_of_lost_disks_count(model: &ClusterModel, state: &State, action: &Action) -> State {
    if let Action::Deliver(envelope) = action
        && let Message::Page { refill, after, objects, next, lost: Some(_) } = &envelope.message
    {
        let (refill, after, next) = (*refill, after.clone(), next.clone());
        let page = Message::Page { refill, after, objects: objects.clone(), next, lost: None };
        return swap(model, state, envelope, page);
    }
    model.step(state, action)
}

/// n1 had said yes to the put, n2 got it after n1 had fetched what n2 held, and n0 had it until then.
#[test]
fn another_lost_disk_hides_a_write_if_nothing_is_fetched_again() {
    let toml = LOST_DISK
        .replace("nodes = 2\nn = 2\nr = 1\nw = 2", "nodes = 3\nn = 3\nr = 1\nw = 3")
        .replace(r#""put k@1", "get k@0""#, r#""put k@0", "get k@1""#)
        .replace("disk-losses = 1", "disk-losses = 2");
    World::new(&toml).only(first_n1_then_n0).canary(pages_of_lost_disks_count);
}

/// A lost disk takes along which puts were coordinated, and nobody minds.
fn keep_no_sessions(model: &ClusterModel, state: &State, action: &Action) -> State {
    let after = model.step(state, action);
    match action {
        Action::Recover(node) => with_disk(&after, *node, |disk| {
            disk.remove(&RecordKey::Sessions, Durability::Durable);
        }),
        _ => after,
    }
}

/// A9: a repeated put comes to a coordinator that has lost its disk.
#[test]
fn a_put_of_a_session_from_before_the_disk_was_lost_is_coordinated_twice() {
    let toml = r#"
format = 1
title = "A forwarded put arrives again after its coordinator has lost its disk"
reaches = ["forwarded", "resynchronised"]
[cluster]
nodes = 3
n = 2
r = 1
w = 1
read-repair = "off"
[[client]]
steps = ["put k@2"]
[faults]
disk-losses = 1
duplicates = 1
[expect]
no-false-concurrency = "holds"
"#;
    World::new(toml).canary(keep_no_sessions);
}

/// A restart goes on with the counters that it finds.
fn trust_counters(model: &ClusterModel, state: &State, action: &Action) -> State {
    let Action::Recover(node) = action else { return model.step(state, action) };
    let unbuffered = with_disk(state, *node, |disk| {
        if let Some(Record::Identity { node, incarnation, versioning, indexes, .. }) =
            disk.get(&RecordKey::Identity)
        {
            let buffered = false;
            let identity = Record::Identity { node, incarnation, versioning, indexes, buffered };
            disk.put(RecordKey::Identity, identity, Durability::Durable);
        }
    });
    model.step(&unbuffered, action)
}

/// A2: a counter is continued although the dots after it are lost with the buffer.
#[test]
fn a_counter_from_before_the_buffer_was_lost_names_two_values_alike() {
    let toml = r#"
format = 1
title = "A coordinator loses what it has buffered and goes on"
reaches = ["buffer-lost", "fresh-epoch"]
[cluster]
nodes = 2
n = 2
r = 1
w = 1
read-repair = "off"
durability = "buffered"
[[client]]
steps = ["put k@0", "put k@0", "put k@0"]
[faults]
crashes = 1
[expect]
unique-dots = "holds"
"#;
    World::new(toml).canary(trust_counters);
}

/// What a step writes reaches the disk some time after its effects have left.
fn answer_before_the_commit(model: &ClusterModel, state: &State, action: &Action) -> State {
    let after = model.step(state, action);
    match action {
        Action::Flush(_) | Action::Crash(_) | Action::Recover(_) => after,
        _ => uncommitted(state, &after),
    }
}

/// Effects leave a node before the writes that they rest on are durable.
#[test]
fn an_answer_before_the_commit_promises_what_a_crash_takes_back() {
    let toml = r#"
format = 1
title = "A durable put on one disk"
[cluster]
nodes = 1
n = 1
r = 1
w = 1
[[client]]
steps = ["put k@0", "get k@0"]
[faults]
crashes = 1
[expect]
no-lost-write = "holds"
"#;
    World::new(toml).canary(answer_before_the_commit);
}

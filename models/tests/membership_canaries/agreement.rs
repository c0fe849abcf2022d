//! Who takes part: one change at a time, no way back, and seeds in common.

use crate::{World, forge, known, node, with_disk};
use dynamo_models::world::{Action, ClusterModel, Host, Process, State};
use dynamo_protocol::door::{Effect, Input, Start, Timer};
use dynamo_protocol::ids::{ClientId, NodeId};
use dynamo_protocol::membership::Stage;
use dynamo_protocol::message::Message;
use dynamo_protocol::node::Node;
use dynamo_protocol::store::{Durability, Record, RecordKey, Store};
use std::collections::BTreeSet;

/// Both owners are told that the other is to leave.
const TWO_PLANS: &str = r#"
format = 1
title = "Two operators commit different plans at once"
reaches = ["layout-changed"]
[cluster]
nodes = 2
n = 1
r = 1
w = 1
read-repair = "off"
[membership]
founders = 2
operators = [["leave 1@0"], ["leave 0@1"]]
gossips = ["0-1", "1-0"]
[[client]]
steps = ["put a@0"]
[expect]
no-lost-write = "holds"
converges = "holds"
"#;

/// Whoever proposes a change takes everybody's consent for granted.
fn nobody_is_asked(model: &ClusterModel, state: &State, action: &Action) -> State {
    let after = model.step(state, action);
    let Action::Order { node, .. } = action else { return after };
    let awaited = after.up(*node).map(Node::awaited).unwrap_or_default();
    awaited.into_iter().fold(after, |after, other| consent(model, &after, other, *node))
}

/// `of` says that it knows what `node` knows, if that is a change which is only proposed.
fn consent(model: &ClusterModel, state: &State, of: NodeId, node: NodeId) -> State {
    let known = known(state, node).expect("it runs");
    match known.change().map(|change| change.stage) {
        Some(Stage::Proposed) => {
            let digest = known.digest();
            forge(model, state, of, node, Message::Gossip { digest, done: true, asks: false })
        }
        _ => state.clone(),
    }
}

/// E7: two changes move data side by side.
#[test]
fn two_changes_that_move_side_by_side_never_come_together() {
    World::new(&TWO_PLANS.replace("no-lost-write = \"holds\"\n", "")).canary(nobody_is_asked);
}

/// n0 is declared down, leaves without hearing of it, and is back when all is over.
const RETURN: &str = r#"
format = 1
title = "A node that was removed returns"
reaches = ["layout-changed"]
[cluster]
nodes = 3
n = 2
r = 2
w = 2
read-repair = "off"
[membership]
founders = 3
operators = [["leave 0@1", "down 0@1"]]
gossips = ["0-1", "1-2"]
[[client]]
steps = ["put a@1"]
[expect]
converges = "holds"
"#;

/// Nothing is put before the new layout is the present one, and n0 hears of nothing before that.
fn hears_nothing(state: &State, action: &Action) -> bool {
    match action {
        Action::Fire { node: n, timer: Timer::Gossip(_), .. } if *n == node(0) => {
            state.run.clients[0].done == 1
        }
        Action::Fire { timer: Timer::Exchange(n), .. } => *n != node(0),
        Action::Call { node, .. } => known(state, *node).is_some_and(|m| m.version() == 1),
        Action::FinalRead { .. } => false,
        _ => true,
    }
}

/// Once the put is answered: of two that know different layouts both go on with the older.
fn the_older_wins(model: &ClusterModel, state: &State, action: &Action) -> State {
    let Action::Deliver(envelope) = action else { return model.step(state, action) };
    let (older, newer) = (known(state, envelope.from), known(state, envelope.to));
    let (Some(older), Some(newer)) = (older, newer) else { return model.step(state, action) };
    if state.run.clients[0].done == 0 || older.version() == newer.version() {
        return model.step(state, action);
    }
    let mut state = state.clone();
    state.take(envelope);
    if older.version() > newer.version() {
        return state;
    }
    let state = with_disk(&state, envelope.to, |disk| {
        disk.put(RecordKey::Membership, Record::Membership(older), Durability::Durable);
    });
    restarted(model, state, envelope.to)
}

/// The same state after a node has started anew on its disk.
fn restarted(model: &ClusterModel, mut state: State, node: NodeId) -> State {
    let disk = state.host(node).disk().clone();
    let mut process = Node::new(model.config().clone(), node, disk);
    let effects = process.handle(Input::Start(Start::Restart { latest: ClientId(0) }));
    let set = |effect: Effect| match effect {
        Effect::SetTimer { timer, .. } => Some(timer),
        _ => None,
    };
    let timers: BTreeSet<_> = effects.into_iter().filter_map(set).collect();
    state.set_host(node, Host { process: Process::Up(process), timers });
    state
}

/// F1, F4: a node that was removed comes back with its old state, and all go back to it.
#[test]
fn a_node_that_brings_back_an_old_layout_takes_its_place_again_without_the_data() {
    World::new(RETURN).only(hears_nothing).canary(the_older_wins);
}

/// Two nodes join, each through another founder.
const SEEDS: &str = r#"
format = 1
title = "Two nodes join through different contacts"
reaches = ["layout-changed"]
[cluster]
nodes = 4
n = 1
r = 1
w = 1
read-repair = "off"
[membership]
founders = 2
operators = [["join 2@0"], ["join 3@1"]]
gossips = [GOSSIPS]
[[client]]
steps = ["get a@0"]
[expect]
converges = "VERDICT"
"#;

/// Nobody gossips before both orders are given, and nobody asks afterwards.
fn after_both_orders(state: &State, action: &Action) -> bool {
    let is_ordered = state.run.ordered.iter().all(|orders| *orders == 1);
    match action {
        Action::Order { .. } => true,
        Action::FinalRead { .. } => false,
        _ => is_ordered,
    }
}

/// F2: without a seed in common two halves of a cluster never hear of each other.
#[test]
fn nodes_that_join_through_different_contacts_need_a_seed_in_common() {
    let world = |gossips, verdict| SEEDS.replace("GOSSIPS", gossips).replace("VERDICT", verdict);
    let apart =
        world("\"0-2\", \"1-3\"", "refuted").replace("reaches = [\"layout-changed\"]\n", "");
    World::new(&apart).is_refuted_by(|model, state, action| model.step(state, action));
    let together = world("\"0-1\", \"0-2\", \"0-3\"", "holds");
    World::new(&together).only(after_both_orders).holds();
}

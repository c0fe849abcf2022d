//! Data that moves to its new owners.

use crate::{World, forge, has_reached, node, with_disk};
use dynamo_models::seal::Sealed;
use dynamo_models::world::{Action, ClusterModel, Envelope, State};
use dynamo_protocol::membership::Phase;
use dynamo_protocol::message::Message;
use dynamo_protocol::store::{Durability, Record, RecordKey, Store};

/// The key moves from n0 to n1, which is the first to know, while n0 takes a put of it.
const MOVE: &str = r#"
format = 1
title = "A put while its key moves"
reaches = ["layout-moves", "layout-changed", "copy-dropped", "resynchronised"]
[cluster]
nodes = 2
n = 1
r = 1
w = 1
read-repair = "off"
[membership]
founders = 2
operators = [["leave 0@1"]]
gossips = ["1-0", "0-1"]
[[client]]
steps = ["put a@0", "get a@1"]
[expect]
no-lost-write = "holds"
regular = "holds"
converges = "holds"
"#;

/// The world in which only these properties are asked.
fn asking(toml: &str, properties: &[&str]) -> String {
    let (world, _) = toml.split_once("[expect]").expect("the scenario expects something");
    let lines = properties.iter().map(|property| format!("{property} = \"holds\"\n"));
    lines.fold(format!("{world}[expect]\n"), |toml, line| toml + &line)
}

/// Whatever was sent under another view is served as if it were of the receiver's.
fn serve_any_view(model: &ClusterModel, state: &State, action: &Action) -> State {
    if let Action::Deliver(envelope) = action
        && envelope.message.is_bound_to_view()
        && let Some(receiver) = state.up(envelope.to)
    {
        let mut state = state.clone();
        state.take(envelope);
        let relabelled = Envelope { view: receiver.view(), ..(**envelope).clone() };
        return model.step(&state, &Action::Deliver(Sealed::new(relabelled)));
    }
    model.step(state, action)
}

/// E6: a coordinator that has not heard of the new layouts takes a put that nobody fetches.
#[test]
fn a_node_that_serves_other_views_loses_what_it_takes_later() {
    let toml =
        asking(MOVE, &["no-lost-write"]).replace("\"resyn", "\"other-view-refused\", \"resyn");
    World::new(&toml).canary(serve_any_view);
}

/// Replicas are asked, but what they do does not matter: they count as if they held it.
fn old_owners_suffice(model: &ClusterModel, state: &State, action: &Action) -> State {
    match action {
        Action::Deliver(envelope) => match &envelope.message {
            Message::Replicate { id, .. } => {
                let mut state = state.clone();
                state.take(envelope);
                forge(model, &state, envelope.to, envelope.from, Message::Replicated { id: *id })
            }
            _ => model.step(state, action),
        },
        _ => model.step(state, action),
    }
}

/// E1: a put while its key moves that only the old owners need to hold.
#[test]
fn a_put_that_new_owners_need_not_hold_is_lost() {
    World::new(&asking(MOVE, &["no-lost-write"])).canary(old_owners_suffice);
}

/// A new owner takes what it has for all that there is.
pub(crate) fn count_at_once(model: &ClusterModel, state: &State, action: &Action) -> State {
    let after = model.step(state, action);
    let nodes = 0..after.nodes.len() as u64;
    nodes.fold(after, |after, id| {
        let gains = after.host(node(id)).disk().get(&RecordKey::Unsynchronised).is_some();
        match gains {
            true => with_disk(&after, node(id), |disk| {
                disk.remove(&RecordKey::Unsynchronised, Durability::Durable);
            }),
            false => after,
        }
    })
}

/// E4: a new owner answers reads before it has fetched its keys.
#[test]
fn a_new_owner_that_counts_at_once_hides_a_write() {
    World::new(&asking(MOVE, &["regular"])).canary(count_at_once);
}

/// Copies go as soon as data begins to move.
fn drop_at_once(model: &ClusterModel, state: &State, action: &Action) -> State {
    let after = model.step(state, action);
    let moves =
        |state: &State| state.up(node(0)).is_some_and(|n0| n0.view().phase == Phase::Moving);
    match !moves(state) && moves(&after) {
        true => with_disk(&after, node(0), |disk| {
            disk.remove(&RecordKey::Object("a".into()), Durability::Durable);
        }),
        false => after,
    }
}

/// E4: a donor gives up its copies before they are fetched.
#[test]
fn a_donor_that_drops_its_copies_early_loses_a_write() {
    World::new(&asking(MOVE, &["no-lost-write", "regular"])).canary(drop_at_once);
}

/// n2 takes the place of n0, which alone is sure to have a put.
const REPLACE: &str = r#"
format = 1
title = "An owner that alone holds a write is replaced"
reaches = ["layout-changed", "copy-dropped", "resynchronised", "other-view-refused"]
[cluster]
nodes = 3
n = 2
r = 2
w = 1
read-repair = "off"
[membership]
founders = 2
operators = [["replace 0 2@1"]]
gossips = ["0-1", "1-2"]
[[client]]
steps = ["put a@0", "get a@1"]
[expect]
no-lost-write = "holds"
regular = "holds"
"#;

/// The put comes first, the get when all is over.
fn before_and_after(state: &State, action: &Action) -> bool {
    match action {
        Action::Order { .. } => state.run.clients[0].done == 1,
        Action::Call { .. } => state.run.clients[0].done == 0 || has_reached(state, 1),
        Action::FinalRead { .. } => false,
        _ => true,
    }
}

/// n2 asks nobody but n1.
fn fetch_from_one(model: &ClusterModel, state: &State, action: &Action) -> State {
    let after = model.step(state, action);
    let name = RecordKey::Unsynchronised;
    match after.host(node(2)).disk().get(&name) {
        Some(Record::Unsynchronised(mut gap)) => {
            gap.merged.insert(node(0));
            let record = Record::Unsynchronised(gap);
            with_disk(&after, node(2), |disk| disk.put(name, record, Durability::Durable))
        }
        _ => after,
    }
}

/// E2: a new owner fetches from one of the old owners.
#[test]
fn a_new_owner_that_fetches_from_one_old_owner_loses_a_write() {
    World::new(REPLACE).only(before_and_after).canary(fetch_from_one);
}

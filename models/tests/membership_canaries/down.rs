//! Members that an operator has declared down.

use crate::handover::count_at_once;
use crate::{World, has_reached, is_down, node};
use dynamo_models::scenario::Mechanism;
use dynamo_models::world::{Action, State};
use dynamo_protocol::door::Timer;
use dynamo_protocol::membership::{Membership, Stage};
use dynamo_protocol::message::Message;

/// n2 is down for good, and is to leave.
const FOR_GOOD: &str = r#"
format = 1
title = "A node that is down for good is removed"
reaches = ["layout-changed"]
[cluster]
nodes = 3
n = 2
r = 1
w = 2
read-repair = "off"
[membership]
founders = 3
operators = [["leave 2@0", "down 2@0"]]
gossips = ["0-1", "1-0"]
[[client]]
steps = ["get a@0"]
[faults]
crashes = 1
[expect]
regular = "holds"
"#;

/// Before anything else n2 crashes, and does not come back.
fn without_n2(state: &State, action: &Action) -> bool {
    match action {
        Action::Crash(crashes) => *crashes == node(2),
        Action::Recover(_) => false,
        _ => is_down(state, node(2)),
    }
}

/// F8: a change waits for a node that is down for good until that is declared.
#[test]
fn a_change_comes_to_its_end_without_a_node_only_if_it_is_declared_down() {
    World::new(FOR_GOOD).only(without_n2).holds();
    let undeclared =
        FOR_GOOD.replace(", \"down 2@0\"", "").replace("reaches = [\"layout-changed\"]\n", "");
    let done = World::new(&undeclared).only(without_n2).explore(None);
    assert_eq!((done.stopped, &done.refuted), (None, &Vec::new()));
    for never in [Mechanism::LayoutMoves, Mechanism::LayoutChanged] {
        assert!(!done.marks.has(never as u32), "{never}");
    }
}

/// n2 agrees to join and hears nothing more; it is an owner when it returns.
const FORGOTTEN: &str = r#"
format = 1
title = "A node that has not heard how its join went on returns"
reaches = ["layout-changed", "copy-dropped", "resynchronised"]
[cluster]
nodes = 3
n = 2
r = 1
w = 2
read-repair = "off"
[membership]
founders = 2
operators = [["join 2@1", "down 2@1"]]
gossips = ["1-0", "1-2"]
[[client]]
steps = ["put e@1", "get e@2"]
[expect]
read-your-writes = "holds"
regular = "holds"
"#;

fn is_proposed(known: &Membership) -> bool {
    known.change().is_some_and(|change| change.stage == Stage::Proposed)
}

/// The put comes first, and n2 hears of no data that moves before the new layout is the present one.
fn without_telling_n2(state: &State, action: &Action) -> bool {
    match action {
        Action::Order { .. } => state.run.clients[0].done == 1,
        Action::Fire { node: from, timer: Timer::Gossip(peer), .. } if *peer == node(2) => {
            has_reached(state, 1) || crate::known(state, *from).is_some_and(|m| is_proposed(&m))
        }
        Action::Deliver(envelope) if envelope.to == node(2) => match &envelope.message {
            Message::News(news) => has_reached(state, 1) || is_proposed(news),
            _ => true,
        },
        Action::Call { node: asked, .. } if *asked == node(2) => {
            crate::known(state, node(2)).is_some_and(|m| m.version() == 1)
        }
        Action::FinalRead { .. } => false,
        _ => true,
    }
}

/// E3 (CASSANDRA-15439): a joiner that was given up comes back and counts as synchronised.
#[test]
fn a_joiner_that_was_given_up_and_counts_at_once_hides_a_write() {
    World::new(FORGOTTEN).only(without_telling_n2).canary(count_at_once);
}

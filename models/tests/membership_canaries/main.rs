//! Every safety mechanism of changes of the layout has a canary: a small world in which the protocol
//! keeps a property and reaches the mechanism, and in which it loses the property once this one
//! mechanism is broken, from outside.

#[path = "../canary/mod.rs"]
mod canary;

mod agreement;
mod down;
mod handover;
mod hints;

use canary::*;
use dynamo_models::world::{Process, State};
use dynamo_protocol::ids::NodeId;
use dynamo_protocol::membership::Membership;
use std::sync::Arc;

/// What a node that runs knows of who takes part.
fn known(state: &State, node: NodeId) -> Option<Arc<Membership>> {
    state.up(node)?.membership().cloned()
}

/// Whether a node's process is down.
fn is_down(state: &State, node: NodeId) -> bool {
    matches!(state.host(node).process, Process::Down(_))
}

/// Whether the cluster has come to its `version`-th layout somewhere.
fn has_reached(state: &State, version: u64) -> bool {
    let nodes = (0..state.nodes.len() as u64).map(NodeId);
    nodes.filter_map(|node| known(state, node)).any(|m| m.version() >= version)
}

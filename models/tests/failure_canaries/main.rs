//! Every safety mechanism of failure handling has a canary: a small world in which the protocol
//! keeps a property and reaches the mechanism, and in which it loses the property once this one
//! mechanism is broken. It is broken from outside, in the messages, timers and records between the
//! model and the nodes.

#[path = "../canary/mod.rs"]
mod canary;

mod disks;
mod hints;
mod reaping;
mod requests;

use canary::*;
use dynamo_models::seal::Sealed;
use dynamo_models::world::{Disk, Envelope, State};
use dynamo_protocol::ids::Key;
use dynamo_protocol::store::{Durability, Store};

fn key() -> Key {
    Key::from("k")
}

/// What a step has sent.
fn sent<'a>(before: &'a State, after: &'a State) -> impl Iterator<Item = Sealed<Envelope>> + 'a {
    after.network.iter().filter(|envelope| !before.network.contains(envelope)).cloned()
}

/// The same state, but what the step into it wrote is still in the buffers.
fn uncommitted(before: &State, after: &State) -> State {
    let nodes = (0..).zip(before.nodes.iter().zip(&after.nodes));
    let wrote = nodes.filter(|(_, (a, b))| !a.disk().untouched_since(b.disk()));
    wrote.fold(after.clone(), |state, (id, (before, _))| {
        with_disk(&state, node(id), |disk| *disk = layered(before.disk().after_crash(), disk))
    })
}

/// A disk that shows what `visible` shows, and keeps what `durable` keeps.
fn layered(durable: Disk, visible: &Disk) -> Disk {
    let mut disk = durable.clone();
    for (name, _) in durable.records().filter(|(name, _)| visible.get(name).is_none()) {
        disk.remove(name, Durability::Buffered);
    }
    for (name, record) in visible.records() {
        disk.put(name.clone(), record.clone(), Durability::Buffered);
    }
    disk
}

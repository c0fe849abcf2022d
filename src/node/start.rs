//! The start of a node: which disk, whose, and with what right.

use super::NodeError;
use super::config::NodeConfig;
use super::disk::Disk;
use dynamo_protocol::door::{Effect, Ignored, Input, Note, Start};
use dynamo_protocol::node::Node;
use dynamo_protocol::store::{Record, RecordKey, Store};
use dynamo_protocol::versions::Incarnation;
use std::sync::Arc;

/// Opens the disk and starts the core on it. `bootstrap` says that the node is new.
pub(super) fn start(config: &NodeConfig, bootstrap: bool) -> Result<Node<Disk>, NodeError> {
    let protocol = config.protocol().map_err(NodeError::Config)?;
    let id = config.member().map_err(NodeError::Config)?.node_id();
    let empty = || NodeError::EmptyFolder(config.data.clone(), config.node.clone());
    // Nothing is written to a folder that is refused.
    if !bootstrap && !Disk::exists(&config.data) {
        return Err(empty());
    }
    let mut disk = Disk::open(&config.data)?;
    let is_empty = disk.next(None).is_none();
    // A failed read shows here, before it passes for an empty disk.
    disk.commit()?;
    let start = match (bootstrap, is_empty) {
        (true, true) => Start::Bootstrap { incarnation: Incarnation(rand::random()) },
        (false, false) => Start::Restart,
        (false, true) => return Err(empty()),
        (true, false) => return Err(NodeError::NotEmpty(config.data.clone())),
    };
    let mut node = Node::new(Arc::new(protocol), id, disk);
    let effects = node.handle(Input::Start(start));
    if effects.0.contains(&Effect::Note(Note::Ignored(Ignored::BadStart))) {
        return Err(wrong_folder(config, &node));
    }
    node.store_mut().commit()?;
    Ok(node)
}

/// Why the core would not start on this disk.
fn wrong_folder(config: &NodeConfig, node: &Node<Disk>) -> NodeError {
    let folder = config.data.clone();
    let owner = match node.store().get(&RecordKey::Identity) {
        Some(Record::Identity { node: owner, versioning, .. }) if owner == node.id() => {
            return NodeError::WrongScheme(folder, format!("{versioning:?}"));
        }
        Some(Record::Identity { node: owner, .. }) => {
            let known = config.nodes.iter().find(|member| member.node_id() == owner);
            known.map_or_else(|| format!("of id {}", owner.0), |member| member.name.clone())
        }
        _ => "unknown".into(),
    };
    NodeError::WrongFolder { folder, owner, node: config.node.clone() }
}

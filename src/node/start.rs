//! The start of a node: which disk, whose, and with what right.

use super::NodeError;
use super::config::NodeConfig;
use super::disk::Disk;
use crate::wire::{last_session_of, now_ms, session_started_ms};
use dynamo_protocol::config::Config;
use dynamo_protocol::door::{Effect, Effects, Ignored, Input, Note, Start};
use dynamo_protocol::ids::{ClientId, NodeId};
use dynamo_protocol::node::Node;
use dynamo_protocol::store::{Record, RecordKey, Store};
use dynamo_protocol::versions::Incarnation;
use std::sync::Arc;

/// Random ids have so many bits less than they could: they are typed and read by people, and JSON
/// numbers are exact up to 53 bits only.
const UNUSED_ID_BITS: u32 = 16;

/// Opens the disk and starts the core on it. `bootstrap` says that the node is new. What the core
/// wants done at its start is committed, and yet to be performed.
pub(super) fn start(
    config: &NodeConfig,
    protocol: &Arc<Config>,
    bootstrap: bool,
) -> Result<(Node<Disk>, Effects), NodeError> {
    let named = config.me().map_err(NodeError::Config)?.id.map(NodeId);
    let mut disk = Disk::open(&config.data)?;
    let is_empty = disk.next(None).is_none();
    let kept = owner(&disk);
    // A failed read shows here, before it passes for an empty disk.
    disk.commit()?;
    let id = match (named, kept) {
        (Some(id), _) | (None, Some(id)) => id,
        (None, None) if bootstrap => NodeId(rand::random::<u64>() >> UNUSED_ID_BITS),
        (None, None) => return Err(NodeError::IdLost(config.data.clone())),
    };
    let start = match (bootstrap, is_empty) {
        (true, true) => Start::Bootstrap { incarnation: Incarnation(rand::random()) },
        (false, false) => Start::Restart { latest: latest_session() },
        (false, true) => {
            tracing::warn!(
                "{} finds no data in {}: it takes writes at once, and counts for reads once it has \
                 merged what the others hold (if the cluster is new, start with --bootstrap)",
                config.name(),
                config.data.display()
            );
            Start::Amnesia { incarnation: Incarnation(rand::random()), latest: latest_session() }
        }
        (true, false) => return Err(NodeError::NotEmpty(config.data.clone())),
    };
    let mut node = Node::new(protocol.clone(), id, disk);
    let effects = node.handle(Input::Start(start));
    if effects.0.contains(&Effect::Note(Note::Ignored(Ignored::BadStart))) {
        return Err(wrong_folder(config, protocol, &node));
    }
    node.store_mut().commit()?;
    node.store_mut().flush()?;
    warn_of_locked_out_sessions(&node);
    Ok((node, effects))
}

/// Whose disk it is; `None` if it is nobody's yet.
fn owner(disk: &Disk) -> Option<NodeId> {
    match disk.get(&RecordKey::Identity) {
        Some(Record::Identity { node, .. }) => Some(node),
        _ => None,
    }
}

/// The highest id of a client session that can have begun by now.
fn latest_session() -> ClientId {
    last_session_of(now_ms())
}

/// If the clock was ahead when sessions were forgotten, those that begin now are taken for older.
fn warn_of_locked_out_sessions(node: &Node<Disk>) {
    let record = node.store().get(&RecordKey::Sessions);
    if let Some(Record::Sessions { forgotten: Some(latest), .. }) = record
        && let ahead = session_started_ms(latest).saturating_sub(now_ms())
        && ahead > 0
    {
        tracing::warn!(
            "the clock was ahead when this node lost its disk or its buffer, or is behind now: it \
             answers puts as maybe applied for another {} s",
            ahead.div_ceil(1000)
        );
    }
}

/// Why the core would not start on this disk.
fn wrong_folder(config: &NodeConfig, protocol: &Config, node: &Node<Disk>) -> NodeError {
    let folder = config.data.clone();
    let owner = match node.store().get(&RecordKey::Identity) {
        Some(Record::Identity { node: owner, versioning, .. }) if owner == node.id() => {
            return match versioning == protocol.versioning() {
                true => NodeError::WrongCluster(folder),
                false => NodeError::WrongScheme(folder, format!("{versioning:?}")),
            };
        }
        Some(Record::Identity { node: owner, .. }) => {
            let known = config.nodes.iter().find(|member| member.node_id() == owner);
            known.map_or_else(|| format!("of id {}", owner.0), |member| member.name.clone())
        }
        _ => "unknown".into(),
    };
    NodeError::WrongFolder { folder, owner, node: config.name().into() }
}

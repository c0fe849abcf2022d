//! What a node keeps on its disk, behind one small trait.

use crate::ids::{ClientId, Key, NodeId};
use crate::membership::{Membership, Step};
use crate::merkle::{Path, TreeNode};
use crate::ring::RangeId;
use crate::versions::{Epoch, Incarnation, Object, Versioning};
use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// The name of a record. The order is the order of [`Store::next`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RecordKey {
    /// Who this disk belongs to.
    Identity,
    /// How many client sessions are remembered, and which are forgotten.
    Sessions,
    /// The highest put of a session that this node was asked for.
    Session(ClientId),
    /// A key's object.
    Object(Key),
    /// The epoch that this node may continue for a key. Local: never shipped, never hashed
    /// for comparison with other replicas.
    Counter(Key),
    /// Kept for `home`, a primary of the key that did not answer (paper §4.6): an object apart from
    /// this node's own.
    Hint {
        /// Whose it is.
        home: NodeId,
        /// The key.
        key: Key,
    },
    /// The disk is younger than the cluster, or the node is to own more than it did: which other
    /// nodes' copies have been merged since.
    Unsynchronised,
    /// The key's object here is nothing but tombstones, and this node is to reap it.
    Tombstone(Key),
    /// A node of the Merkle tree over the objects of a range (paper §4.7).
    Tree {
        /// The range.
        range: RangeId,
        /// The place within the tree.
        path: Path,
    },
    /// What this node knows of who takes part, once a change was proposed.
    Membership,
    /// The plan of a change that an operator is preparing here.
    Staged,
}

/// A record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Record {
    /// Of [`RecordKey::Identity`].
    Identity {
        /// The node.
        node: NodeId,
        /// The life of this disk.
        incarnation: Incarnation,
        /// How its objects are versioned; a node with another scheme could not read them.
        versioning: Versioning,
        /// What is kept beside the objects.
        indexes: Indexes,
        /// Whether the life that wrote this may have left clients' data in the buffer.
        buffered: bool,
    },
    /// Of [`RecordKey::Sessions`].
    Sessions {
        /// How many [`RecordKey::Session`] records there are.
        count: u64,
        /// Sessions up to this one are forgotten, and refused.
        forgotten: Option<ClientId>,
    },
    /// Of [`RecordKey::Session`]: a sequence number.
    Session(u64),
    /// Of [`RecordKey::Object`] and [`RecordKey::Hint`].
    Object(Object),
    /// Of [`RecordKey::Counter`]: the last dot that this node gave to a version of the key.
    Counter {
        /// The dot's epoch.
        epoch: Epoch,
        /// The dot's counter.
        counter: u64,
    },
    /// Of [`RecordKey::Unsynchronised`].
    Unsynchronised(Gap),
    /// Of [`RecordKey::Tombstone`].
    Tombstone,
    /// Of [`RecordKey::Tree`].
    Tree(TreeNode),
    /// Of [`RecordKey::Membership`].
    Membership(Arc<Membership>),
    /// Of [`RecordKey::Staged`].
    Staged(Vec<Step>),
}

/// What a node cannot vouch for, and how far it has come with fetching that.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Gap {
    /// Which of its copies do not count.
    pub missing: Missing,
    /// The nodes whose copies have been merged.
    pub merged: BTreeSet<NodeId>,
    /// The disks of others that could not vouch for what they sent. What was merged before it was
    /// heard of them does not count.
    pub lost: BTreeSet<(NodeId, Incarnation)>,
}

/// Which of its copies a node cannot vouch for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Missing {
    /// All: its disk is younger than the cluster, or it has missed a change of the layout.
    All,
    /// Those that the change under way brings it.
    Gained,
}

impl Gap {
    /// Nothing of it is fetched yet.
    pub fn of(missing: Missing) -> Gap {
        Gap { missing, merged: BTreeSet::new(), lost: BTreeSet::new() }
    }
}

/// What a node keeps beside its objects, as its configuration wants it. If that has changed, the
/// next start makes or drops it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Indexes {
    /// Merkle trees.
    pub trees: bool,
    /// [`RecordKey::Tombstone`].
    pub tombstones: bool,
}

/// What a crash may do to a write; the safer comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Durability {
    /// Nothing, once the effects of the same step have left the node.
    Durable,
    /// Undo it, together with all other buffered writes that have not reached the disk yet.
    Buffered,
}

/// A node's disk, seen by the core: synchronous, and showing it its own writes at once.
///
/// The shell commits what one batch of inputs wrote before it sends any of that batch's effects;
/// a failed commit or read is a crash. So one `handle` is atomic in the model and in reality.
pub trait Store {
    /// The record named `key`.
    fn get(&self, key: &RecordKey) -> Option<Record>;

    /// The first record whose name comes after `key`, or the first of all.
    fn next(&self, key: Option<&RecordKey>) -> Option<(RecordKey, Record)>;

    /// Writes a record.
    fn put(&mut self, key: RecordKey, record: Record, durability: Durability);

    /// Removes a record; no matter if there is none.
    fn remove(&mut self, key: &RecordKey, durability: Durability);
}

/// The first record from `name` on, `name` itself included.
pub fn first_from<S: Store>(store: &S, name: RecordKey) -> Option<(RecordKey, Record)> {
    match store.get(&name) {
        Some(record) => Some((name, record)),
        None => store.next(Some(&name)),
    }
}

/// The records from `name` on, `name` itself included, in order.
pub fn records_from<S: Store>(
    store: &S,
    name: RecordKey,
) -> impl Iterator<Item = (RecordKey, Record)> + '_ {
    core::iter::successors(first_from(store, name), |(name, _)| store.next(Some(name)))
}

/// All records of a store, in order.
pub fn records<S: Store>(store: &S) -> impl Iterator<Item = (RecordKey, Record)> + '_ {
    core::iter::successors(store.next(None), |(key, _)| store.next(Some(key)))
}

/// A digest of a disk whose process is down: blake3 over the canonical encoding of its records in
/// order. While the process runs, [`crate::node::Node::digest`] speaks of both.
pub fn digest<S: Store>(store: &S) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    feed_records(&mut hasher, store);
    *hasher.finalize().as_bytes()
}

pub(crate) fn feed_records<S: Store>(hasher: &mut blake3::Hasher, store: &S) {
    records(store).for_each(|record| feed(hasher, &record));
}

/// Feeds the canonical encoding of `value`, its length first.
pub(crate) fn feed<T: Serialize>(hasher: &mut blake3::Hasher, value: &T) {
    let bytes = postcard::to_allocvec(value).expect("encoding to memory");
    hasher.update(&(bytes.len() as u64).to_le_bytes());
    hasher.update(&bytes);
}

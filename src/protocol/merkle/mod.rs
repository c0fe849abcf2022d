//! Merkle trees: how two replicas of a range find the keys in which they differ (paper §4.7).
//!
//! A node keeps one tree a ring range. It maps the range's keys to hashes of their objects, and
//! is a radix tree of fan-out 16 over [`Path`]s: a subtree of at most [`LEAF_MAX`] keys is one
//! leaf, a larger one a branch. So its shape depends on the set of keys and hashes alone,
//! never on the order of updates: replicas that agree have equal trees, record by record.
//!
//! The records lie in the node's [`Store`](crate::store::Store) and are written with the object
//! that they describe, to be committed together. A tree that missed a write would claim equality
//! for ever: that is why there is no second place that could fall behind.
//!
//! An exchange is a sequence of messages "this is my node at this path". Whoever gets one calls
//! [`compare`], which needs nothing else, so neither side keeps a state between messages and a
//! lost one only ends the exchange early. For one differing key it takes one message a level.

mod compare;
mod path;
mod tree;

pub use compare::{Comparison, MAX_DESCEND, MAX_KEYS, compare};
pub use path::{MAX_DEPTH, Path};
pub use tree::{leaf_after, node, root, roots, update};

use crate::ids::Key;
use crate::limits::MAX_KEY_BYTES;
use crate::versions::Object;
use alloc::collections::BTreeMap;
use core::fmt;
use serde::{Deserialize, Serialize};

/// Keys that a leaf may hold; a subtree of one more is a branch.
pub const LEAF_MAX: usize = 16;

/// 128 bits of blake3 over a canonical encoding. Two different contents share one by accident
/// with odds of 2^-128, and by design at a cost of 2^64.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Hash(pub [u8; 16]);

/// What a hash speaks of; one cannot be taken for another.
#[derive(Serialize)]
enum Subject<'a> {
    Object(&'a Key, &'a Object),
    Node(&'a TreeNode),
    #[cfg(feature = "museum")]
    Arrival(&'a Key, Option<&'a Object>, &'a Object),
    #[cfg(feature = "museum")]
    Clocks(&'a Key, crate::versions::Context),
}

impl Hash {
    /// Of a subtree without keys.
    pub const EMPTY: Hash = Hash([0; 16]);

    /// Of everything in a copy of `key`: values and version stamps. A hash of the stamps alone
    /// would hide two values under one stamp.
    pub fn of_object(key: &Key, object: &Object) -> Hash {
        Hash::of(&Subject::Object(key, object))
    }

    /// Of a copy and of what it was merged from: equal copies may differ in it (bug G1).
    #[cfg(feature = "museum")]
    pub fn of_arrival(key: &Key, before: Option<&Object>, object: &Object) -> Hash {
        Hash::of(&Subject::Arrival(key, before, object))
    }

    /// Of the version stamps in a copy of `key` (bug G5).
    #[cfg(feature = "museum")]
    pub fn of_clocks(key: &Key, object: &Object) -> Hash {
        Hash::of(&Subject::Clocks(key, object.context()))
    }

    fn of(subject: &Subject<'_>) -> Hash {
        let bytes = postcard::to_allocvec(subject).expect("encoding to memory");
        let hash = blake3::hash(&bytes);
        Hash(*hash.as_bytes().first_chunk().expect("a hash has 32 bytes"))
    }
}

/// What lies at a path of a tree.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum TreeNode {
    /// Few keys, with the hashes of their objects.
    Leaf(BTreeMap<Key, Hash>),
    /// Many keys, by the next nibble of their paths; children without keys are left out.
    Branch(BTreeMap<u8, Child>),
}

/// A subtree, as its parent knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Child {
    /// The keys in it, at least one.
    pub count: u64,
    /// Of its node.
    pub hash: Hash,
}

impl TreeNode {
    /// What lies where there are no keys.
    pub const EMPTY: TreeNode = TreeNode::Leaf(BTreeMap::new());

    /// Covers all keys and object hashes below. [`Hash::EMPTY`] if there are none.
    pub fn hash(&self) -> Hash {
        if self.is_empty() { Hash::EMPTY } else { Hash::of(&Subject::Node(self)) }
    }

    /// How many keys are below.
    pub fn count(&self) -> u64 {
        match self {
            TreeNode::Leaf(items) => items.len() as u64,
            TreeNode::Branch(children) => {
                children.values().fold(0, |sum, child| sum.saturating_add(child.count))
            }
        }
    }

    /// Whether there are no keys below.
    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// Whether it is such as a tree has at `path`. One that is not comes from a broken peer. That
    /// the keys lie in the range is for the caller to see, who knows the ring.
    pub fn is_sound_at(&self, path: &Path) -> bool {
        match self {
            TreeNode::Leaf(items) => {
                let admitted = |key: &Key| key.0.len() <= MAX_KEY_BYTES;
                let belongs = |key| admitted(key) && path.contains(&Path::of(key));
                is_leaf(items.len() as u64, path) && items.keys().all(belongs)
            }
            TreeNode::Branch(children) => {
                let sound = |(nibble, child): (&u8, &Child)| *nibble <= 0xf && child.count > 0;
                !is_leaf(self.count(), path) && children.iter().all(sound)
            }
        }
    }

    fn summary(&self) -> Child {
        Child { count: self.count(), hash: self.hash() }
    }
}

/// Whether `count` keys at `path` are a leaf: always at the end of their paths, where nothing
/// could tell them apart.
fn is_leaf(count: u64, path: &Path) -> bool {
    count <= LEAF_MAX as u64 || path.depth() == MAX_DEPTH
}

/// 32 hexadecimal digits.
impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

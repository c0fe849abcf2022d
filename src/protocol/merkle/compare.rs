//! One step of an exchange.

use super::tree::{leaf_after, node};
use super::{Child, Hash, Path, TreeNode};
use crate::ids::Key;
use crate::ring::RangeId;
use crate::store::Store;
use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;

/// Children that one comparison goes on to, so that an exchange of very different trees takes its
/// share of the network and no more.
pub const MAX_DESCEND: usize = 4;

/// Keys that one comparison names on each side.
pub const MAX_KEYS: usize = 64;

/// What to do about a difference; the first of each in order, the rest is for the next exchange.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Paths at which to send my node, for the peer to compare: at most [`MAX_DESCEND`].
    pub descend: Vec<Path>,
    /// Keys whose objects to send, for the peer to merge and to send the merge back if that
    /// differs: those that it lacks or holds otherwise. In the order of paths from leaf to leaf and
    /// of keys within one; at most [`MAX_KEYS`].
    pub mine: Vec<Key>,
    /// Keys whose objects to ask for, as I lack them: at most [`MAX_KEYS`].
    pub theirs: Vec<Key>,
}

/// Compares what a peer holds at `path` with what I hold there (paper §4.7). An exchange that goes
/// on like this, with any caps, leaves fewer differences than it found.
///
/// A leaf settles it: both sides' keys are known. Of two branches the differing children come next.
/// If only theirs is a branch, my leaf goes to them and they settle it.
pub fn compare<S: Store>(store: &S, range: RangeId, path: &Path, theirs: &TreeNode) -> Comparison {
    // Of a node that no tree could have nothing can be learned.
    if !theirs.is_sound_at(path) {
        return Comparison::default();
    }
    let mine = node(store, range, path);
    match (mine, theirs) {
        (TreeNode::Leaf(mine), TreeNode::Leaf(theirs)) => Comparison {
            theirs: lacking(theirs, |key| mine.contains_key(key)),
            mine: missing(mine, theirs),
            ..Comparison::default()
        },
        (TreeNode::Branch(_), TreeNode::Leaf(theirs)) => Comparison {
            mine: missing(items_under(store, range, *path), theirs),
            theirs: lacking(theirs, |key| holds(store, range, key)),
            ..Comparison::default()
        },
        (TreeNode::Leaf(_), TreeNode::Branch(_)) => {
            Comparison { descend: vec![*path], ..Comparison::default() }
        }
        (TreeNode::Branch(mine), TreeNode::Branch(theirs)) => {
            let descend = differing(&mine, theirs).filter_map(|nibble| path.child(nibble));
            let descend = descend.take(MAX_DESCEND).collect();
            Comparison { descend, ..Comparison::default() }
        }
    }
}

fn differing(mine: &BTreeMap<u8, Child>, theirs: &BTreeMap<u8, Child>) -> impl Iterator<Item = u8> {
    (0..16).filter(|nibble| mine.get(nibble) != theirs.get(nibble))
}

/// Of `mine`, what `theirs` lacks or has otherwise.
fn missing(mine: impl IntoIterator<Item = (Key, Hash)>, theirs: &BTreeMap<Key, Hash>) -> Vec<Key> {
    let missing = mine.into_iter().filter(|(key, hash)| theirs.get(key) != Some(hash));
    missing.map(|(key, _)| key).take(MAX_KEYS).collect()
}

/// Of `theirs`, what is not mine.
fn lacking(theirs: &BTreeMap<Key, Hash>, holds: impl Fn(&Key) -> bool) -> Vec<Key> {
    theirs.keys().filter(|key| !holds(key)).take(MAX_KEYS).cloned().collect()
}

fn holds<S: Store>(store: &S, range: RangeId, key: &Key) -> bool {
    match node(store, range, &Path::of(key)) {
        TreeNode::Leaf(items) => items.contains_key(key),
        TreeNode::Branch(_) => false,
    }
}

/// All items of the branch at `path`, read as they are asked for.
fn items_under<S: Store>(
    store: &S,
    range: RangeId,
    path: Path,
) -> impl Iterator<Item = (Key, Hash)> {
    let first = leaf_after(store, range, Some(&path));
    let pages =
        core::iter::successors(first, move |(last, _)| leaf_after(store, range, Some(last)));
    pages.take_while(move |(last, _)| path.contains(last)).flat_map(|(_, items)| items)
}

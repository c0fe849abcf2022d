//! A tree as records of the store.

use super::{Hash, Path, TreeNode, is_leaf};
use crate::ids::Key;
use crate::ring::RangeId;
use crate::store::{Durability, Record, RecordKey, Store};
use alloc::collections::BTreeMap;

/// One key's new hash, `None` to remove it.
struct Change<'a> {
    key: &'a Key,
    path: Path,
    hash: Option<Hash>,
}

/// A tree that is being changed.
struct Editor<'s, S> {
    store: &'s mut S,
    range: RangeId,
    durability: Durability,
}

/// Makes `hash` the entry of `key`, or removes the entry. Nothing is written if nothing changes,
/// and an empty tree leaves no record.
///
/// Reads and writes one record a level, and up to 16 more where a leaf splits or leaves unite.
pub fn update<S: Store>(
    store: &mut S,
    range: RangeId,
    key: &Key,
    hash: Option<Hash>,
    durability: Durability,
) {
    let change = Change { key, path: Path::of(key), hash };
    let mut editor = Editor { store, range, durability };
    if let Some(node) = editor.changed(Path::ROOT, &change) {
        editor.write(Path::ROOT, node);
    }
}

/// What lies at `path`: also within a leaf further up, of which the part under `path` is given,
/// and where nothing is, an empty leaf. Reads one record a level.
pub fn node<S: Store>(store: &S, range: RangeId, path: &Path) -> TreeNode {
    if let Some(node) = read(store, range, *path) {
        return node;
    }
    match deepest(store, range, path) {
        Some((_, TreeNode::Leaf(mut items))) => {
            items.retain(|key, _| path.contains(&Path::of(key)));
            TreeNode::Leaf(items)
        }
        _ => TreeNode::EMPTY,
    }
}

/// The hash of the whole tree: equal to another replica's if both hold equal copies of all keys.
pub fn root<S: Store>(store: &S, range: RangeId) -> Hash {
    read(store, range, Path::ROOT).map_or(Hash::EMPTY, |node| node.hash())
}

/// All trees that are not empty, in order, with their root hashes. Reads one record a tree.
pub fn roots<S: Store>(store: &S) -> impl Iterator<Item = (RangeId, Hash)> + '_ {
    let first = || {
        let range = RangeId(0);
        let node = read(store, range, Path::ROOT).map(|node| (range, node));
        node.or_else(|| root_after(store, range))
    };
    let trees = core::iter::successors(first(), |(range, _)| root_after(store, *range));
    trees.map(|(range, node)| (range, node.hash()))
}

/// The first leaf with keys whose paths come after `after`, or of all: these keys, and the path of
/// the last of them, with which to ask for the next leaf. Keys that stay in the tree from the first
/// call to the last are all given, exactly once, however the tree changes in between.
pub fn leaf_after<S: Store>(
    store: &S,
    range: RangeId,
    after: Option<&Path>,
) -> Option<(Path, BTreeMap<Key, Hash>)> {
    let Some(after) = after else {
        return match read(store, range, Path::ROOT)? {
            TreeNode::Leaf(items) => page(items),
            TreeNode::Branch(_) => leaf_after(store, range, Some(&Path::ROOT)),
        };
    };
    if let Some((_, TreeNode::Leaf(mut items))) = deepest(store, range, after) {
        items.retain(|key, _| Path::of(key) > *after);
        if !items.is_empty() {
            return page(items);
        }
    }
    // A branch comes right before its first child.
    let next = |path: &Path| next(store, range, *path).filter(|(found, ..)| *found == range);
    let mut nodes = core::iter::successors(next(after), |(_, path, _)| next(path));
    nodes.find_map(|(_, _, node)| match node {
        TreeNode::Leaf(items) => page(items),
        TreeNode::Branch(_) => None,
    })
}

fn page(items: BTreeMap<Key, Hash>) -> Option<(Path, BTreeMap<Key, Hash>)> {
    items.keys().map(Path::of).max().map(|last| (last, items))
}

impl<S: Store> Editor<'_, S> {
    /// The node at `path` after `change`, or `None` if nothing changes. What lies below it is written,
    /// the node itself is not: it may yet become part of a leaf further up.
    fn changed(&mut self, path: Path, change: &Change<'_>) -> Option<TreeNode> {
        let mut children = match read(self.store, self.range, path).unwrap_or(TreeNode::EMPTY) {
            TreeNode::Leaf(mut items) => {
                let old = match change.hash {
                    Some(hash) => items.insert(change.key.clone(), hash),
                    None => items.remove(change.key),
                };
                return (old != change.hash).then(|| self.planted(path, items));
            }
            TreeNode::Branch(children) => children,
        };
        let (nibble, below) = path.toward(&change.path)?;
        let child = self.changed(below, change)?;
        match child.is_empty() {
            true => children.remove(&nibble),
            false => children.insert(nibble, child.summary()),
        };
        self.write(below, child);
        let node = TreeNode::Branch(children);
        if is_leaf(node.count(), &path) {
            return Some(TreeNode::Leaf(self.uprooted(path, node)));
        }
        Some(node)
    }

    /// The node of `items` at `path`; what belongs below it is written.
    fn planted(&mut self, path: Path, items: BTreeMap<Key, Hash>) -> TreeNode {
        if is_leaf(items.len() as u64, &path) {
            return TreeNode::Leaf(items);
        }
        let mut parts: BTreeMap<(u8, Path), BTreeMap<Key, Hash>> = BTreeMap::new();
        for (key, hash) in items {
            let step = path.toward(&Path::of(&key)).expect("a branch is shorter than a key's path");
            parts.entry(step).or_default().insert(key, hash);
        }
        let mut children = BTreeMap::new();
        for ((nibble, below), items) in parts {
            let child = self.planted(below, items);
            children.insert(nibble, child.summary());
            self.write(below, child);
        }
        TreeNode::Branch(children)
    }

    /// The keys of `node`, which lies at `path`; the records below it are removed.
    fn uprooted(&mut self, path: Path, node: TreeNode) -> BTreeMap<Key, Hash> {
        let children = match node {
            TreeNode::Leaf(items) => return items,
            TreeNode::Branch(children) => children,
        };
        let mut items = BTreeMap::new();
        for below in children.keys().filter_map(|nibble| path.child(*nibble)) {
            if let Some(child) = read(self.store, self.range, below) {
                items.append(&mut self.uprooted(below, child));
                self.write(below, TreeNode::EMPTY);
            }
        }
        items
    }

    /// No record stands for no keys.
    fn write(&mut self, path: Path, node: TreeNode) {
        let key = RecordKey::Tree { range: self.range, path };
        if node.is_empty() {
            self.store.remove(&key, self.durability);
        } else {
            self.store.put(key, Record::Tree(node), self.durability);
        }
    }
}

/// The last node on the way from the root to `path`, and where it lies.
fn deepest<S: Store>(store: &S, range: RangeId, path: &Path) -> Option<(Path, TreeNode)> {
    let at = |path: Path| read(store, range, path).map(|node| (path, node));
    let root = at(Path::ROOT);
    core::iter::successors(root, |(above, _)| at(above.toward(path)?.1)).last()
}

fn root_after<S: Store>(store: &S, range: RangeId) -> Option<(RangeId, TreeNode)> {
    // The root comes first of a tree's records.
    next(store, range, Path::LAST).map(|(range, _, node)| (range, node))
}

fn next<S: Store>(store: &S, range: RangeId, path: Path) -> Option<(RangeId, Path, TreeNode)> {
    match store.next(Some(&RecordKey::Tree { range, path }))? {
        (RecordKey::Tree { range, path }, Record::Tree(node)) => Some((range, path, node)),
        _ => None,
    }
}

fn read<S: Store>(store: &S, range: RangeId, path: Path) -> Option<TreeNode> {
    match store.get(&RecordKey::Tree { range, path })? {
        Record::Tree(node) => Some(node),
        _ => None,
    }
}

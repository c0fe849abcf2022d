//! Replicas of one range, and the exchange between two of them: what a node does with
//! [`Comparison`], over a network that loses nothing.

use crate::common::Disk;
use dynamo_protocol::ids::Key;
use dynamo_protocol::merkle::{self, Hash, Path, TreeNode, compare};
use dynamo_protocol::ring::RangeId;
use dynamo_protocol::store::Durability;
use std::collections::{BTreeMap, VecDeque};

pub(crate) const RANGE: RangeId = RangeId(7);

/// A copy of a key, of which only that matters: merges never forget.
pub(crate) type Copy = u64;

/// What a replica holds, and its tree.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Replica {
    pub(crate) disk: Disk,
    pub(crate) copies: BTreeMap<Key, Copy>,
}

#[derive(Debug)]
enum Message {
    Root(Hash),
    Node(Path, TreeNode),
    Ask(Key),
    Object(Key, Copy),
}

/// What an exchange took.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Traffic {
    /// About the trees: root hashes and nodes.
    pub(crate) tree_messages: usize,
    /// The bytes of these, in the wire's encoding.
    pub(crate) tree_bytes: usize,
    /// Objects, and requests for objects.
    pub(crate) object_messages: usize,
}

impl Replica {
    pub(crate) fn of<'a>(copies: impl IntoIterator<Item = (&'a Key, &'a Copy)>) -> Replica {
        let mut replica = Replica::default();
        copies.into_iter().for_each(|(key, copy)| replica.merge(key, *copy));
        replica
    }

    /// What a store of an object does: object and tree change together.
    pub(crate) fn merge(&mut self, key: &Key, copy: Copy) {
        let merged = self.merge_without_tree(key, copy);
        merkle::update(&mut self.disk, RANGE, key, Some(hash(merged)), Durability::Durable);
    }

    /// What no node may ever do.
    pub(crate) fn merge_without_tree(&mut self, key: &Key, copy: Copy) -> Copy {
        let mine = self.copies.entry(key.clone()).or_default();
        *mine |= copy;
        *mine
    }

    fn take(&mut self, message: Message) -> Vec<Message> {
        match message {
            Message::Root(theirs) if theirs == merkle::root(&self.disk, RANGE) => vec![],
            Message::Root(_) => vec![self.node(Path::ROOT)],
            Message::Node(path, theirs) => {
                let comparison = compare(&self.disk, RANGE, &path, &theirs);
                let nodes = comparison.descend.into_iter().map(|path| self.node(path));
                let objects = comparison.mine.into_iter().map(|key| self.object(key));
                let asked = comparison.theirs.into_iter().map(Message::Ask);
                nodes.chain(objects).chain(asked).collect()
            }
            Message::Ask(key) => vec![self.object(key)],
            Message::Object(key, theirs) => {
                self.merge(&key, theirs);
                let differs = self.copies[&key] != theirs;
                differs.then(|| self.object(key)).into_iter().collect()
            }
        }
    }

    fn node(&self, path: Path) -> Message {
        Message::Node(path, merkle::node(&self.disk, RANGE, &path))
    }

    fn object(&self, key: Key) -> Message {
        let copy = self.copies[&key];
        Message::Object(key, copy)
    }
}

impl Traffic {
    fn count(&mut self, message: &Message) {
        let bytes = match message {
            Message::Root(hash) => postcard::to_allocvec(hash),
            Message::Node(path, node) => postcard::to_allocvec(&(path, node)),
            Message::Ask(_) | Message::Object(..) => {
                self.object_messages += 1;
                return;
            }
        };
        self.tree_messages += 1;
        self.tree_bytes += bytes.unwrap().len();
    }
}

/// One exchange, begun by `a`.
pub(crate) fn exchange(a: &mut Replica, b: &mut Replica) -> Traffic {
    let mut traffic = Traffic::default();
    let first = Message::Root(merkle::root(&a.disk, RANGE));
    let mut in_flight = VecDeque::from([(true, first)]);
    while let Some((to_b, message)) = in_flight.pop_front() {
        traffic.count(&message);
        let receiver = if to_b { &mut *b } else { &mut *a };
        in_flight.extend(receiver.take(message).into_iter().map(|answer| (!to_b, answer)));
        assert!(traffic.tree_messages < 10_000, "an exchange without end");
    }
    traffic
}

/// In how many keys two replicas differ.
pub(crate) fn differences(a: &Replica, b: &Replica) -> usize {
    let only_b = b.copies.keys().filter(|key| !a.copies.contains_key(*key)).count();
    only_b + a.copies.iter().filter(|(key, copy)| b.copies.get(*key) != Some(*copy)).count()
}

pub(crate) fn hash(copy: Copy) -> Hash {
    Hash(u128::from(copy).to_be_bytes())
}

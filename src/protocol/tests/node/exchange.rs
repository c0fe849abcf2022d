//! Anti-entropy between two owners, message by message (paper §4.7).

use crate::common::*;
use dynamo_protocol::config::FailureHandling;
use dynamo_protocol::door::Ignored;
use dynamo_protocol::ids::Key;
use dynamo_protocol::limits::{MAX_BATCH_BYTES, MAX_ROOTS};
use dynamo_protocol::merkle::{Hash, Path, TreeNode};
use dynamo_protocol::message::Message;
use dynamo_protocol::ring::RangeId;

const FAILURES: FailureHandling = FailureHandling { anti_entropy: true, ..USUAL.failures };
const COMPARING: Setup = Setup { nodes: 3, failures: FAILURES, ..USUAL };

/// That of all keys.
fn range() -> RangeId {
    COMPARING.config().ring().range_of(&Key::from(KEY))
}

/// So many roots.
fn roots(count: usize) -> Message {
    let range = range();
    Message::Roots { from: range, to: range, roots: vec![(range, Hash([7; 16])); count] }
}

/// "I have nothing at all there."
fn nothing() -> Message {
    let node = TreeNode::Leaf([].into_iter().collect());
    Message::Subtree { range: range(), path: Path::ROOT, node }
}

#[test]
fn so_many_roots_are_compared() {
    let mut n1 = COMPARING.node(1);
    assert_eq!(sent(&n1.hear(0, roots(MAX_ROOTS))).len(), 1, "the roots differ");
    assert_eq!(n1.hear(0, roots(MAX_ROOTS + 1)), ignored(Ignored::Stale));
}

#[test]
fn whoever_keeps_no_trees_compares_nothing() {
    let mut n1 = USUAL.node(1);
    assert_eq!(n1.hear(0, roots(1)), ignored(Ignored::Stale));
    assert_eq!(n1.hear(0, nothing()), ignored(Ignored::Stale));
}

/// n1 with so many objects of so many bytes, and how many of them it swaps for nothing.
fn swapped(objects: usize, bytes: usize) -> usize {
    let mut n1 = COMPARING.node(1);
    for number in 0..objects {
        let key = Key::from(&*format!("{number}"));
        let object = object_of(COMPARING, 0, number as u64, &"v".repeat(bytes));
        n1.hear(0, Message::Repair { key, object });
    }
    sent(&n1.hear(0, nothing())).len()
}

#[test]
fn so_many_bytes_are_swapped_at_a_time() {
    assert_eq!(swapped(3, MAX_BATCH_BYTES / 2), 3, "two of them are just as many as may be");
    assert_eq!(swapped(3, MAX_BATCH_BYTES / 2 + 1), 2);
    assert_eq!(swapped(2, MAX_BATCH_BYTES + 1), 1, "a single one may exceed it");
}

//! Anti-entropy between two owners, message by message (paper §4.7).

use crate::common::*;
use crate::town::*;
use dynamo_protocol::config::FailureHandling;
use dynamo_protocol::door::{Ignored, Timer};
use dynamo_protocol::ids::{Key, NodeId};
use dynamo_protocol::limits::{MAX_BATCH_BYTES, MAX_ROOTS};
use dynamo_protocol::merkle::{Hash, Path, TreeNode};
use dynamo_protocol::message::Message;
use dynamo_protocol::ring::{Layout, RangeId, Ring, Strategy};
use std::collections::BTreeSet;

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

/// Neither whoever stores them, nor with anybody who does.
#[test]
fn who_does_not_store_the_keys_of_a_range_compares_none() {
    let four = Setup { nodes: 4, ..COMPARING };
    let (config, key) = (four.config(), Key::from(KEY));
    let list = config.ring().preference_list(&key);
    let (owners, other) = (list.primaries(), list.fallbacks().next().unwrap());
    let range = config.ring().range_of(&key);
    let hears = |node: NodeId, from: NodeId| {
        let Message::Subtree { path, node: tree, .. } = nothing() else { unreachable!() };
        four.node(node.0).hear(from.0, Message::Subtree { range, path, node: tree })
    };
    assert_eq!(hears(owners[0], other), ignored(Ignored::Stale));
    assert_eq!(hears(other, owners[0]), ignored(Ignored::Stale));
    assert_ne!(hears(owners[0], owners[1]), ignored(Ignored::Stale));
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

/// What the oldest of two founders tells a node that joins, of what both keep, while data moves.
fn told_the_joiner(strategy: Strategy) -> Vec<RangeId> {
    let founding = Layout::new(strategy, 2, vec![member(0), member(1)]).unwrap();
    let mut town = Town::founded_on(founding, (1, 2), 3, FAILURES);
    let founding = town.founding();
    let next = founding.current().join(member(2)).unwrap();
    let (ring, next_ring) = (Ring::new(founding.current()), Ring::new(&next));
    town.tell(0, 1, &founding.propose(next).advance());
    let mut moved = BTreeSet::new();
    for number in 0..200 {
        let key = Key::from(&*format!("{number}"));
        let object = object_of(USUAL, 0, number, "milk");
        town.hear_here(0, 1, Message::Repair { key: key.clone(), object });
        if next_ring.preference_list(&key).contains_primary(NodeId(2)) {
            moved.insert(ring.range_of(&key));
        }
    }
    assert!(!moved.is_empty(), "n2 is to keep some of them");
    let effects = town.fire(0, Timer::Exchange(NodeId(2)));
    let [(2, Message::Roots { roots, .. })] = &sent(&effects)[..] else { panic!("{effects:?}") };
    let told: Vec<RangeId> = roots.iter().map(|(range, _)| *range).collect();
    assert!(told.is_empty() || told.iter().copied().eq(moved), "all that n2 is to keep: {told:?}");
    told
}

#[test]
fn a_range_that_both_layouts_have_is_compared_with_its_new_owner() {
    assert_ne!(told_the_joiner(Strategy::EqualPartitions { partitions: 16 }), []);
}

/// Under strategy 1 the same number is another range in the other layout.
#[test]
fn a_range_of_only_one_layout_is_compared_by_its_owners_there() {
    assert_eq!(told_the_joiner(Strategy::RandomTokens { tokens: 8 }), []);
}

use crate::cases;
use crate::replica::{Copy, RANGE, Replica, differences, exchange};
use dynamo_protocol::ids::Key;
use dynamo_protocol::merkle::root;
use proptest::collection::btree_map;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn key(i: u32) -> Key {
    Key::from(&*format!("key {i}"))
}

fn copies(max: usize) -> impl Strategy<Value = BTreeMap<Key, Copy>> {
    btree_map((0..600_u32).prop_map(key), 1..4_u64, 0..max)
}

/// Exchanges until both are equal; how many it took. Each one must leave fewer differences.
fn converge(a: &mut Replica, b: &mut Replica) -> usize {
    let mut exchanges = 0;
    while differences(a, b) > 0 {
        let before = differences(a, b);
        let traffic = if exchanges % 2 == 0 { exchange(a, b) } else { exchange(b, a) };
        assert!(traffic.object_messages > 0);
        assert!(differences(a, b) < before, "{before} differences, and none is gone");
        exchanges += 1;
    }
    assert_eq!(a, b);
    let traffic = exchange(a, b);
    assert_eq!((traffic.tree_messages, traffic.object_messages), (1, 0), "there is nothing to do");
    exchanges
}

fn union(a: &Replica, b: &Replica) -> Replica {
    let mut union = a.clone();
    b.copies.iter().for_each(|(key, copy)| union.merge(key, *copy));
    union
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn any_two_replicas_converge(
        a in copies(400),
        b in copies(400),
        common in copies(400),
    ) {
        let mut a = Replica::of(common.iter().chain(&a));
        let mut b = Replica::of(common.iter().chain(&b));
        let union = union(&a, &b);
        converge(&mut a, &mut b);
        prop_assert_eq!(a, union);
    }

    #[test]
    fn few_differences_take_one_exchange(
        common in copies(600),
        a in copies(3),
        b in copies(2),
    ) {
        let mut a = Replica::of(common.iter().chain(&a));
        let mut b = Replica::of(common.iter().chain(&b));
        // At most MAX_DESCEND of them: no cap is met.
        prop_assert!(converge(&mut a, &mut b) <= 1);
    }
}

#[test]
fn very_different_replicas_converge_under_the_caps() {
    let replica = |keys: std::ops::Range<u32>| {
        let copies: BTreeMap<Key, Copy> = keys.map(|i| (key(i), 1)).collect();
        Replica::of(&copies)
    };
    for (a, b) in [(0..0, 0..5000), (0..3000, 3000..6000), (0..3000, 2000..2010)] {
        let (mut first, mut second) = (replica(a.clone()), replica(b.clone()));
        let both = union(&first, &second);
        let exchanges = converge(&mut first, &mut second);
        println!("keys {a:?} and {b:?}: {exchanges} exchanges");
        assert!(exchanges > 1, "the caps are met");
        assert_eq!(first, both);
    }
}

/// Bug G2, the canary of the tests above: an object stored without its tree.
#[test]
fn a_stale_tree_hides_a_difference() {
    for count in [10, 1000] {
        let copies: BTreeMap<Key, Copy> = (0..count).map(|i| (key(i), 1)).collect();
        let mut a = Replica::of(&copies);
        let mut b = a.clone();
        a.merge_without_tree(&key(5), 2);
        assert_eq!(exchange(&mut a, &mut b).object_messages, 0);
        assert_eq!(differences(&a, &b), 1, "the stale tree claims equality");

        a.merge(&key(5), 2);
        assert_ne!(root(&a.disk, RANGE), root(&b.disk, RANGE));
        assert_eq!(converge(&mut a, &mut b), 1);
    }
}

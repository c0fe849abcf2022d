use crate::replica::{RANGE, Replica};
use crate::{hash, keys_under};
use dynamo_protocol::ids::{Key, NodeId, Value};
use dynamo_protocol::limits::MAX_KEY_BYTES;
use dynamo_protocol::merkle::{
    Child, Comparison, Hash, LEAF_MAX, MAX_DESCEND, MAX_KEYS, Path, TreeNode, compare, node,
};
use dynamo_protocol::versions::{
    Actor, Dot, Epoch, Incarnation, NewVersion, Object, Stamp, Versioning, Written,
};

const NONE: Comparison = Comparison { descend: vec![], mine: vec![], theirs: vec![] };

fn path(nibbles: &[u8]) -> Path {
    Path::from_nibbles(nibbles).unwrap()
}

fn holding(keys: &[Key]) -> Replica {
    Replica::of(keys.iter().map(|key| (key, &1)))
}

fn at(replica: &Replica, nibbles: &[u8]) -> TreeNode {
    node(&replica.disk, RANGE, &path(nibbles))
}

fn compared(mine: &Replica, theirs: &Replica, nibbles: &[u8]) -> Comparison {
    compare(&mine.disk, RANGE, &path(nibbles), &at(theirs, nibbles))
}

#[test]
fn two_leaves_settle_it() {
    let mut keys = keys_under(&[], 4);
    keys.sort();
    let [a, b, c, d] = [0, 1, 2, 3].map(|i| keys[i].clone());
    let mine = Replica::of([(&a, &1), (&b, &1), (&c, &1)]);
    let theirs = Replica::of([(&b, &1), (&c, &2), (&d, &1)]);
    let expected = Comparison { mine: vec![a, c], theirs: vec![d], ..NONE };
    assert_eq!(compared(&mine, &theirs, &[]), expected);
    assert_eq!(compared(&mine, &mine, &[]), NONE);
    assert_eq!(compared(&Replica::default(), &Replica::default(), &[]), NONE);
}

#[test]
fn a_leaf_goes_to_the_branch() {
    let keys = keys_under(&[], 40);
    let (many, few) = (holding(&keys[..39]), holding(&keys[30..]));
    let sent_back = Comparison { descend: vec![Path::ROOT], ..NONE };
    assert_eq!(compared(&few, &many, &[]), sent_back);
    assert_eq!(compared(&Replica::default(), &many, &[]), sent_back);

    let settled = compared(&many, &few, &[]);
    assert_eq!(settled.descend, []);
    let (mut missing, mut lacking) = (keys[..30].to_vec(), settled.mine);
    missing.sort();
    lacking.sort();
    assert_eq!(lacking, missing);
    assert_eq!(settled.theirs, keys[39..]);
    // A leaf below, in which a part of either may lie.
    let below = compared(&many, &few, &[3]);
    let mut under = keys_under(&[3], 9);
    under.retain(|key| keys[..30].contains(key));
    under.sort();
    assert_eq!(below, Comparison { mine: under, ..NONE });
}

#[test]
fn only_keys_under_the_path_are_named() {
    let all = holding(&keys_under(&[], 500));
    let mut under: Vec<Key> = all.copies.keys().cloned().collect();
    under.retain(|key| path(&[3]).contains(&Path::of(key)));
    assert!((LEAF_MAX + 1..MAX_KEYS).contains(&under.len()), "a branch, and all can be named");
    let mut comparison = compared(&all, &Replica::default(), &[3]);
    comparison.mine.sort();
    assert_eq!(comparison, Comparison { mine: under, ..NONE });
}

#[test]
fn every_list_has_its_limit() {
    let keys = keys_under(&[], 3000);
    let all = holding(&keys);
    let but = |children: u8| {
        let mut replica = all.clone();
        (0..children).for_each(|nibble| replica.merge(&keys_under(&[nibble * 2], 1)[0], 2));
        replica
    };
    let limit = MAX_DESCEND as u8;
    for (children, descended) in [(0, 0), (1, 1), (limit, limit), (limit + 1, limit)] {
        let expected: Vec<Path> = (0..descended).map(|nibble| path(&[nibble * 2])).collect();
        let comparison = compared(&all, &but(children), &[]);
        assert_eq!(comparison, Comparison { descend: expected, ..NONE });
    }
    for (lacked, named) in [(MAX_KEYS, MAX_KEYS), (MAX_KEYS + 1, MAX_KEYS)] {
        let comparison = compared(&holding(&keys[..lacked]), &Replica::default(), &[]);
        assert_eq!(comparison.mine.len(), named);
        let first = |key: &Key| Path::of(key).nibbles().next();
        assert!(comparison.mine.iter().map(first).is_sorted(), "the lowest paths come first");
        assert_eq!(comparison, Comparison { mine: comparison.mine.clone(), ..NONE });
    }
}

#[test]
fn what_no_tree_could_have_is_not_looked_at() {
    let mine = holding(&keys_under(&[], 100));
    let leaf =
        |keys: &[Key]| TreeNode::Leaf(keys.iter().map(|key| (key.clone(), hash(1))).collect());
    let branch =
        |nibble, count| TreeNode::Branch([(nibble, Child { count, hash: hash(1) })].into());
    let long = |bytes| leaf(&[Key(vec![0; bytes])]);
    let limit = LEAF_MAX as u64;
    let root = Path::ROOT;
    let nowhere = path(&[1; 32]);
    for (path, theirs, sound) in [
        (root, leaf(&keys_under(&[], LEAF_MAX)), true),
        (root, leaf(&keys_under(&[], LEAF_MAX + 1)), false),
        (path(&[4]), leaf(&keys_under(&[4], 2)), true),
        (path(&[4]), leaf(&keys_under(&[5], 2)), false),
        (root, long(MAX_KEY_BYTES), true),
        (root, long(MAX_KEY_BYTES + 1), false),
        (root, branch(15, limit + 1), true),
        (root, branch(15, limit), false),
        (root, branch(16, limit + 1), false),
        (root, branch(15, u64::MAX), true),
        (root, branch(15, 0), false),
        (root, TreeNode::Branch([].into()), false),
        (nowhere, branch(1, 100), false),
        (nowhere, TreeNode::EMPTY, true),
    ] {
        assert_eq!(theirs.is_sound_at(&path), sound, "{theirs:?} at {path}");
        let comparison = compare(&mine.disk, RANGE, &path, &theirs);
        assert!(sound || comparison == NONE, "{comparison:?}");
    }
}

fn object(value: &str, counter: u64) -> Object {
    let actor = Actor { node: NodeId(1), incarnation: Incarnation(1), epoch: Epoch(1) };
    let new = NewVersion::new(Dot { actor, counter }, Stamp(0));
    let scheme = Versioning::Dotted;
    let written = Written { by: crate::common::id(1), value: Some(Value::from(value)) };
    scheme.put(&scheme.empty_object(), &scheme.empty_context(), NodeId(1), new, written)
}

/// Bug G5: a hash of stamps alone hides two values under one stamp.
#[test]
fn a_hash_covers_key_value_and_stamp() {
    let of = |key: &str, object| Hash::of_object(&Key::from(key), &object);
    let one = of("k", object("v", 1));
    assert_eq!(one, of("k", object("v", 1)));
    for other in [of("l", object("v", 1)), of("k", object("w", 1)), of("k", object("v", 2))] {
        assert_ne!(one, other);
    }
    assert_ne!(one, Hash::EMPTY);
    assert_eq!(one.to_string().len(), 32);
}

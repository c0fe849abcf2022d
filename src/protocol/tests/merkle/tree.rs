use crate::common::Disk;
use crate::{cases, hash, keys_under};
use dynamo_protocol::ids::Key;
use dynamo_protocol::merkle::{
    self, Hash, LEAF_MAX, Path, TreeNode, leaf_after, node, root, roots,
};
use dynamo_protocol::ring::RangeId;
use dynamo_protocol::store::{Durability, Record, RecordKey, Store};
use proptest::collection::vec;
use proptest::prelude::*;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::LazyLock;

const RANGE: RangeId = RangeId(3);

type Entries = BTreeMap<Key, Hash>;

fn update(store: &mut impl Store, range: RangeId, key: &Key, hash: Option<Hash>) {
    merkle::update(store, range, key, hash, Durability::Durable);
}

/// Half of them agree in three nibbles: the trees are both deep and wide.
static KEYS: LazyLock<Vec<Key>> = LazyLock::new(|| {
    let near = keys_under(&[1, 2, 3], 24);
    let far = (0..24).map(|i| Key::from(&*format!("far {i}")));
    near.into_iter().chain(far).collect()
});

/// Sets or removes the entries of keys, by their numbers.
fn changes() -> impl Strategy<Value = Vec<(usize, Option<u8>)>> {
    let change = prop_oneof![3 => (1..4_u8).prop_map(Some), 2 => Just(None)];
    vec((0..KEYS.len(), change), 0..200)
}

fn built<'a>(entries: impl IntoIterator<Item = (&'a Key, &'a Hash)>) -> Disk {
    let mut disk = Disk::default();
    entries.into_iter().for_each(|(key, hash)| update(&mut disk, RANGE, key, Some(*hash)));
    disk
}

fn entries(keys: &[Key]) -> Entries {
    keys.iter().map(|key| (key.clone(), hash(1))).collect()
}

fn pages(disk: &Disk) -> Vec<(Path, Entries)> {
    let next = |(last, _): &(Path, Entries)| leaf_after(disk, RANGE, Some(last));
    std::iter::successors(leaf_after(disk, RANGE, None), next).collect()
}

fn records(disk: &Disk) -> Vec<(String, u64)> {
    let record = |(key, record): (&RecordKey, &Record)| match (key, record) {
        (RecordKey::Tree { path, .. }, Record::Tree(node)) => (path.to_string(), node.count()),
        _ => panic!("not of a tree: {key:?}"),
    };
    disk.seen.iter().map(record).collect()
}

/// What the tree must be, written down a second time.
fn oracle(disk: &mut Disk, path: Path, entries: Entries) -> TreeNode {
    let node = if entries.len() <= LEAF_MAX {
        TreeNode::Leaf(entries)
    } else {
        let under = |path: Path| {
            let under = entries.iter().filter(move |(key, _)| path.contains(&Path::of(key)));
            under.map(|(key, hash)| (key.clone(), *hash)).collect::<Entries>()
        };
        let children = (0..16).filter_map(|nibble| {
            let below = path.child(nibble)?;
            let node = oracle(disk, below, under(below));
            let child = merkle::Child { count: node.count(), hash: node.hash() };
            (child.count > 0).then_some((nibble, child))
        });
        TreeNode::Branch(children.collect())
    };
    if node.count() > 0 {
        let key = RecordKey::Tree { range: RANGE, path };
        disk.put(key, Record::Tree(node.clone()), Durability::Durable);
    }
    node
}

proptest! {
    #![proptest_config(cases(600))]

    #[test]
    fn the_records_depend_on_the_set_alone(changes in changes()) {
        let (mut disk, mut entries) = (Disk::default(), Entries::new());
        for (key, content) in changes {
            let (key, content) = (&KEYS[key], content.map(hash));
            update(&mut disk, RANGE, key, content);
            match content {
                Some(hash) => entries.insert(key.clone(), hash),
                None => entries.remove(key),
            };
        }
        prop_assert_eq!(&disk, &built(&entries));
        prop_assert_eq!(&disk, &built(entries.iter().rev()));
        let mut expected = Disk::default();
        let top = oracle(&mut expected, Path::ROOT, entries.clone());
        prop_assert_eq!(&disk, &expected);
        prop_assert_eq!(top.hash(), root(&disk, RANGE));

        let read: Entries = pages(&disk).into_iter().flat_map(|(_, items)| items).collect();
        prop_assert_eq!(read, entries.clone());
        entries.keys().for_each(|key| update(&mut disk, RANGE, key, None));
        prop_assert_eq!(disk, Disk::default());
    }

    #[test]
    fn roots_are_equal_if_and_only_if_the_sets_are(a in changes(), b in changes()) {
        let set = |changes: Vec<(usize, Option<u8>)>| -> Entries {
            let some = changes.into_iter().take(4);
            some.map(|(key, content)| (KEYS[key % 2].clone(), hash(content.unwrap_or(0)))).collect()
        };
        let (a, b) = (set(a), set(b));
        prop_assert_eq!(root(&built(&a), RANGE) == root(&built(&b), RANGE), a == b);
    }

    #[test]
    fn every_path_shows_what_is_under_it(
        changes in changes(),
        nibbles in vec(0..16_u8, 0..6),
        towards in 0..48_usize,
        depth in 0..32_usize,
    ) {
        let entries: Entries =
            changes.into_iter().map(|(key, _)| (KEYS[key].clone(), hash(1))).collect();
        let disk = built(&entries);
        let towards: Vec<u8> = Path::of(&KEYS[towards]).nibbles().take(depth).collect();
        for path in [nibbles, towards].iter().filter_map(|nibbles| Path::from_nibbles(nibbles)) {
            let mut under = entries.clone();
            under.retain(|key, _| path.contains(&Path::of(key)));
            let found = node(&disk, RANGE, &path);
            prop_assert_eq!(found.count(), under.len() as u64);
            prop_assert!(found.is_sound_at(&path));
            prop_assert_eq!(found, oracle(&mut Disk::default(), path, under));
        }
    }

    /// Entries come and go between two pages, and leaves split and unite.
    #[test]
    fn paging_through_a_changing_tree_shows_each_lasting_key_once(
        lasting in vec(0..KEYS.len(), 1..40),
        changes in vec(changes(), 48),
    ) {
        let lasting = entries(&lasting.into_iter().map(|i| KEYS[i].clone()).collect::<Vec<_>>());
        let (mut disk, mut seen, mut last) = (built(&lasting), Vec::new(), None);
        let mut changes = changes.into_iter();
        while let Some((path, items)) = leaf_after(&disk, RANGE, last.as_ref()) {
            prop_assert!(last.is_none_or(|last| last < path));
            last = Some(path);
            seen.extend(items.into_keys().filter(|key| lasting.contains_key(key)));
            for (key, content) in changes.next().into_iter().flatten() {
                if !lasting.contains_key(&KEYS[key]) {
                    update(&mut disk, RANGE, &KEYS[key], content.map(hash));
                }
            }
        }
        seen.sort();
        prop_assert_eq!(seen, lasting.into_keys().collect::<Vec<Key>>());
    }
}

#[test]
fn a_leaf_splits_beyond_its_limit_and_unites_again() {
    let keys = keys_under(&[], LEAF_MAX + 1);
    let mut disk = built(&entries(&keys[..LEAF_MAX]));
    let at_limit = disk.clone();
    assert_eq!(records(&disk), [("root".into(), 16)]);

    update(&mut disk, RANGE, &keys[LEAF_MAX], Some(hash(1)));
    assert!(matches!(node(&disk, RANGE, &Path::ROOT), TreeNode::Branch(_)));
    assert_eq!(node(&disk, RANGE, &Path::ROOT).count(), 17);
    assert_eq!(records(&disk)[1..].iter().map(|(_, count)| count).sum::<u64>(), 17);

    update(&mut disk, RANGE, &keys[LEAF_MAX], None);
    assert_eq!(disk, at_limit);
}

#[test]
fn keys_whose_paths_agree_for_long_make_a_chain_of_branches() {
    let near = keys_under(&[5, 0, 7, 15], LEAF_MAX + 1);
    let mut disk = built(&entries(&near));
    let chain: Vec<_> =
        ["root", "5", "50", "507", "507f"].map(|path| (path.to_string(), 17)).into();
    assert_eq!(records(&disk)[..5], chain);
    assert!(records(&disk).len() > 6);

    // One key elsewhere goes beside the chain; without one of the chain's keys all but the root
    // collapses.
    let far = &keys_under(&[6], 1)[0];
    update(&mut disk, RANGE, far, Some(hash(1)));
    update(&mut disk, RANGE, &near[3], None);
    assert_eq!(records(&disk), [("root".into(), 17), ("5".into(), 16), ("6".into(), 1)]);
    update(&mut disk, RANGE, &near[4], None);
    assert_eq!(records(&disk), [("root".into(), 16)]);
}

#[test]
fn an_entry_s_content_counts_and_so_does_its_key() {
    let keys = keys_under(&[], 2);
    let disk = |a, b| built([(&keys[0], &hash(a)), (&keys[1], &hash(b))]);
    assert_ne!(root(&disk(1, 2), RANGE), root(&disk(2, 1), RANGE));
    assert_ne!(root(&disk(1, 1), RANGE), root(&built([(&keys[0], &hash(1))]), RANGE));
    assert_eq!(root(&Disk::default(), RANGE), Hash::EMPTY);
    assert_eq!(TreeNode::EMPTY.hash(), Hash::EMPTY);
}

/// A disk that counts.
#[derive(Default)]
struct Counting {
    disk: Disk,
    reads: Cell<usize>,
    writes: usize,
}

impl Store for Counting {
    fn get(&self, key: &RecordKey) -> Option<Record> {
        self.reads.set(self.reads.get() + 1);
        self.disk.get(key)
    }

    fn next(&self, key: Option<&RecordKey>) -> Option<(RecordKey, Record)> {
        self.reads.set(self.reads.get() + 1);
        self.disk.next(key)
    }

    fn put(&mut self, key: RecordKey, record: Record, durability: Durability) {
        self.writes += 1;
        self.disk.put(key, record, durability);
    }

    fn remove(&mut self, key: &RecordKey, durability: Durability) {
        self.writes += 1;
        self.disk.remove(key, durability);
    }
}

impl Counting {
    fn taken(&mut self) -> (usize, usize) {
        (self.reads.take(), std::mem::take(&mut self.writes))
    }
}

#[test]
fn an_update_costs_one_record_a_level() {
    let keys = keys_under(&[], 20_000);
    let mut store = Counting { disk: built(&entries(&keys)), ..Counting::default() };
    for key in &keys[..2000] {
        update(&mut store, RANGE, key, Some(hash(2)));
        let (reads, writes) = store.taken();
        assert!((4..=5).contains(&writes) && reads == writes, "{reads} reads, {writes} writes");
        update(&mut store, RANGE, key, Some(hash(2)));
        assert_eq!(store.taken(), (reads, 0), "nothing changes, nothing is written");
    }
    for hash in [None, Some(hash(1))] {
        for key in &keys[..2000] {
            update(&mut store, RANGE, key, hash);
            let (reads, writes) = store.taken();
            assert!(reads <= 6 + 16 && writes <= 6 + 16, "{reads} reads, {writes} writes");
        }
    }
    assert_eq!(store.disk, built(&entries(&keys)));
}

#[test]
fn all_roots_are_found_with_one_read_a_tree() {
    let keys = keys_under(&[], 100);
    let mut store = Counting::default();
    assert_eq!(roots(&store).count(), 0);
    for ranges in [[1, 2, 9], [0, 1, u32::MAX]] {
        let mut expected = Vec::new();
        for (range, count) in ranges.map(RangeId).into_iter().zip([100, 1, 40]) {
            keys[..count].iter().for_each(|k| update(&mut store, range, k, Some(hash(1))));
            expected.push((range, root(&store, range)));
        }
        // Other records lie before the trees.
        let counter = RecordKey::Counter(Key(vec![255; 9]));
        store.put(counter, Record::Session(1), Durability::Durable);
        store.put(RecordKey::Identity, Record::Session(1), Durability::Durable);
        store.taken();
        assert_eq!(roots(&store).collect::<Vec<_>>(), expected);
        assert!(store.taken().0 <= expected.len() + 2);
        store.disk = Disk::default();
    }
}

#[test]
fn ranges_do_not_mix() {
    let keys = keys_under(&[], 40);
    let mut disk = built(&entries(&keys));
    let one = (RangeId(RANGE.0 + 1), hash(9));
    update(&mut disk, one.0, &keys[0], Some(one.1));
    assert_eq!(pages(&disk).iter().map(|(_, items)| items.len()).sum::<usize>(), 40);
    assert_eq!(leaf_after(&disk, one.0, None).unwrap().1, [(keys[0].clone(), one.1)].into());
    assert_eq!(leaf_after(&disk, one.0, Some(&Path::LAST)), None);
    assert_eq!(node(&disk, RangeId(0), &Path::ROOT), TreeNode::EMPTY);
    update(&mut disk, one.0, &keys[0], None);
    assert_eq!(disk, built(&entries(&keys)));
}

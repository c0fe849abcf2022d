//! How this node is, for whoever asks. Answered by the shell; the core only shows itself.

use crate::shell::counters::Counters;
use crate::wire::status::{Digests, Members, Status};
use dynamo_protocol::config::Config;
use dynamo_protocol::ids::{Key, NodeId};
use dynamo_protocol::merkle::{self, Hash};
use dynamo_protocol::node::Node;
use dynamo_protocol::ring::{Member, RangeId};
use dynamo_protocol::store::{Record, RecordKey, Store, records_from};
use std::collections::BTreeMap;

/// The state of `node`. Reads all of its hints, and all of its objects if `digests` says so: fine
/// for the some ten thousand of them that fit a test, a pause for a large store.
pub(super) fn of<S: Store>(
    node: &Node<S>,
    config: &Config,
    me: &Member,
    digests: Digests,
    faults: bool,
    counters: &Counters,
) -> Status {
    let mine =
        node.ring().ranges().zip(0..).filter(|((_, list), _)| list.contains_primary(node.id()));
    // Empty ranges are named as well: not to hold what others hold is a difference.
    let mut ranges: BTreeMap<RangeId, Hash> =
        mine.map(|(_, range)| (RangeId(range), Hash::default())).collect();
    let mut stored = None;
    match digests {
        Digests::Nothing => ranges.clear(),
        Digests::Roots if !config.failures().anti_entropy => ranges.clear(),
        Digests::Roots => {
            for (range, root) in merkle::roots(node.store()) {
                ranges.entry(range).and_modify(|hash| *hash = root);
            }
        }
        Digests::Objects => stored = Some(of_objects(node, &mut ranges)),
    }
    let members = members(node, me);
    Status {
        hints: members.as_ref().map_or(0, |members| members.hints.values().sum()),
        synchronised: node.is_whole(),
        suspects: node.suspects().collect(),
        pending: node.pending().count() as u64,
        faults,
        ranges: ranges.into_iter().collect(),
        stored,
        counters: counters.iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        members,
    }
}

fn members<S: Store>(node: &Node<S>, me: &Member) -> Option<Box<Members>> {
    let membership = node.membership()?.clone();
    let merged = match node.store().get(&RecordKey::Unsynchronised) {
        Some(Record::Unsynchronised(gap)) => Some(gap.merged),
        _ => None,
    };
    Some(Box::new(Members {
        me: me.clone(),
        membership,
        staged: node.staged(),
        awaited: node.awaited(),
        has_done: node.has_done(),
        is_settling: node.is_settling(),
        merged,
        hints: hints(node.store()),
    }))
}

/// How many hints there are for each node.
fn hints<S: Store>(store: &S) -> BTreeMap<NodeId, u64> {
    let first = RecordKey::Hint { home: NodeId(0), key: Key::default() };
    let mut hints = BTreeMap::new();
    for (name, _) in records_from(store, first) {
        let RecordKey::Hint { home, .. } = name else { break };
        *hints.entry(home).or_default() += 1;
    }
    hints
}

/// Puts a hash over each range's objects, in the order of their keys, into `ranges`. Counts these
/// objects and the bytes of their values; those of other ranges are on their way out.
fn of_objects<S: Store>(node: &Node<S>, ranges: &mut BTreeMap<RangeId, Hash>) -> (u64, u64) {
    let mut hashers: BTreeMap<RangeId, blake3::Hasher> = BTreeMap::new();
    let (mut count, mut bytes) = (0, 0);
    for record in records_from(node.store(), RecordKey::Object(Key::default())) {
        let (RecordKey::Object(key), Record::Object(object)) = record else { break };
        let range = node.ring().range_of(&key);
        if !ranges.contains_key(&range) {
            continue;
        }
        (count, bytes) = (count + 1, bytes + object.value_bytes() as u64);
        hashers.entry(range).or_default().update(&Hash::of_object(&key, &object).0);
    }
    for (range, hasher) in hashers {
        let mut hash = [0; 16];
        hasher.finalize_xof().fill(&mut hash);
        ranges.insert(range, Hash(hash));
    }
    (count, bytes)
}

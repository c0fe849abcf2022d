//! How this node is, for whoever asks. Answered by the shell; the core only shows itself.

use super::counters::Counters;
use crate::wire::status::{Digests, Status};
use dynamo_protocol::config::Config;
use dynamo_protocol::merkle::{self, Hash};
use dynamo_protocol::node::Node;
use dynamo_protocol::ring::RangeId;
use dynamo_protocol::store::{Record, RecordKey, Store, records_from};
use std::collections::BTreeMap;

/// The state of `node`. Reads all of its hints, and all of its objects if `digests` says so: fine
/// for the some ten thousand of them that fit a test, a pause for a large store.
pub(super) fn of<S: Store>(
    node: &Node<S>,
    config: &Config,
    digests: Digests,
    faults: bool,
    counters: &Counters,
) -> Status {
    let me = node.id();
    let mine = config.ring().ranges().zip(0..).filter(|((_, list), _)| list.contains_primary(me));
    // Empty ranges are named as well: not to hold what others hold is a difference.
    let mut ranges: BTreeMap<RangeId, Hash> =
        mine.map(|(_, range)| (RangeId(range), Hash::default())).collect();
    match digests {
        Digests::Roots if !config.failures().anti_entropy => ranges.clear(),
        Digests::Roots => ranges.extend(merkle::roots(node.store())),
        Digests::Objects => ranges.extend(of_objects(node.store(), config)),
    }
    Status {
        hints: node.hints() as u64,
        synchronised: node.is_whole(),
        suspects: node.suspects().collect(),
        pending: node.pending().count() as u64,
        faults,
        ranges: ranges.into_iter().collect(),
        counters: counters.iter().map(|(name, value)| (name.to_owned(), value)).collect(),
    }
}

/// A hash over each range's objects in the order of their keys.
fn of_objects<S: Store>(store: &S, config: &Config) -> BTreeMap<RangeId, Hash> {
    let mut hashers: BTreeMap<RangeId, blake3::Hasher> = BTreeMap::new();
    for record in records_from(store, RecordKey::Object(Default::default())) {
        let (RecordKey::Object(key), Record::Object(object)) = record else { break };
        let hasher = hashers.entry(config.ring().range_of(&key)).or_default();
        hasher.update(&Hash::of_object(&key, &object).0);
    }
    let short = |hasher: blake3::Hasher| {
        let mut hash = [0; 16];
        hasher.finalize_xof().fill(&mut hash);
        Hash(hash)
    };
    hashers.into_iter().map(|(range, hasher)| (range, short(hasher))).collect()
}

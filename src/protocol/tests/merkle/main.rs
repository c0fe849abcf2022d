//! Merkle trees (paper §4.7): their shape, their records, and the exchange over them.

#[path = "../common/mod.rs"]
#[allow(dead_code, reason = "each test file uses its part")]
mod common;

mod compare;
mod exchange;
mod path;
mod replica;
mod tree;

use dynamo_protocol::ids::Key;
use dynamo_protocol::merkle::{Hash, Path};
use proptest::prelude::ProptestConfig;

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

fn hash(content: u8) -> Hash {
    Hash([content; 16])
}

/// The first `count` of the keys 0, 1, ... whose paths begin with these nibbles.
fn keys_under(nibbles: &[u8], count: usize) -> Vec<Key> {
    let path = Path::from_nibbles(nibbles).unwrap();
    let keys = (0..).map(|i| Key::from(&*format!("key {i}")));
    keys.filter(|key| path.contains(&Path::of(key))).take(count).collect()
}

//! Records as bytes: their names in the order of [`RecordKey`], their contents with a checksum.

use dynamo_protocol::ids::{ClientId, Key, NodeId};
use dynamo_protocol::merkle::Path;
use dynamo_protocol::ring::RangeId;
use dynamo_protocol::store::{Record, RecordKey};

const CHECKSUM_BYTES: usize = 4;

/// A record's name as bytes, in the order of [`RecordKey`].
pub(super) fn encode_key(key: &RecordKey) -> Vec<u8> {
    let named = |tag, rest: &[u8]| [&[tag], rest].concat();
    match key {
        RecordKey::Identity => named(0, &[]),
        RecordKey::Sessions => named(1, &[]),
        RecordKey::Session(client) => named(2, &client.0.to_be_bytes()),
        RecordKey::Object(key) => named(3, &key.0),
        RecordKey::Counter(key) => named(4, &key.0),
        RecordKey::Hint { home, key } => named(5, &[&home.0.to_be_bytes()[..], &key.0].concat()),
        RecordKey::Unsynchronised => named(6, &[]),
        RecordKey::Tombstone(key) => named(7, &key.0),
        RecordKey::Membership => named(9, &[]),
        RecordKey::Staged => named(10, &[]),
        RecordKey::Tree { range, path } => {
            // A byte a nibble: the order of such names is the order of paths.
            let nibbles: Vec<u8> = path.nibbles().collect();
            named(8, &[&range.0.to_be_bytes()[..], &nibbles].concat())
        }
    }
}

/// The name that `bytes` stand for; `None` if they are damaged.
pub(super) fn decode_key(bytes: &[u8]) -> Option<RecordKey> {
    let (tag, rest) = bytes.split_first()?;
    let key = |bytes: &[u8]| Key(bytes.to_vec());
    match (tag, rest) {
        (0, []) => Some(RecordKey::Identity),
        (1, []) => Some(RecordKey::Sessions),
        (2, rest) => Some(RecordKey::Session(ClientId(u64::from_be_bytes(rest.try_into().ok()?)))),
        (3, rest) => Some(RecordKey::Object(key(rest))),
        (4, rest) => Some(RecordKey::Counter(key(rest))),
        (5, rest) => {
            let (home, rest) = rest.split_first_chunk()?;
            Some(RecordKey::Hint { home: NodeId(u64::from_be_bytes(*home)), key: key(rest) })
        }
        (6, []) => Some(RecordKey::Unsynchronised),
        (7, rest) => Some(RecordKey::Tombstone(key(rest))),
        (9, []) => Some(RecordKey::Membership),
        (10, []) => Some(RecordKey::Staged),
        (8, rest) => {
            let (range, nibbles) = rest.split_first_chunk()?;
            let path = Path::from_nibbles(nibbles)?;
            Some(RecordKey::Tree { range: RangeId(u32::from_be_bytes(*range)), path })
        }
        _ => None,
    }
}

/// What people call the record with this name.
pub(super) fn describe(name: &[u8]) -> String {
    match decode_key(name) {
        Some(RecordKey::Identity) => "the identity".into(),
        Some(RecordKey::Sessions) => "the table of sessions".into(),
        Some(RecordKey::Session(client)) => format!("the session {client}"),
        Some(RecordKey::Object(key)) => format!("the object of key {key}"),
        Some(RecordKey::Counter(key)) => format!("the counter of key {key}"),
        Some(RecordKey::Hint { home, key }) => format!("the hint of key {key} for {home}"),
        Some(RecordKey::Unsynchronised) => "the state of the recovery".into(),
        Some(RecordKey::Tombstone(key)) => format!("the note of the deleted key {key}"),
        Some(RecordKey::Membership) => "the state of the layout".into(),
        Some(RecordKey::Staged) => "the plan of a change".into(),
        Some(RecordKey::Tree { range, path }) => {
            format!("the node {path} of the Merkle tree of range {}", range.0)
        }
        None => format!("the record {}", name.escape_ascii()),
    }
}

/// A record's content as bytes, a checksum over it and its name first.
pub(super) fn encode_record(name: &[u8], record: &Record) -> Vec<u8> {
    let room = vec![0; CHECKSUM_BYTES];
    let mut bytes = postcard::to_extend(record, room).expect("a record always encodes");
    let checksum = checksum(name, &bytes[CHECKSUM_BYTES..]);
    bytes[..CHECKSUM_BYTES].copy_from_slice(&checksum);
    bytes
}

/// The record named `name`; `None` if `bytes` are damaged or another's.
pub(super) fn decode_record(name: &[u8], bytes: &[u8]) -> Option<Record> {
    let (head, content) = bytes.split_at_checked(CHECKSUM_BYTES)?;
    if head != checksum(name, content) {
        return None;
    }
    match postcard::take_from_bytes(content) {
        Ok((record, [])) => Some(record),
        _ => None,
    }
}

fn checksum(name: &[u8], content: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(name);
    hasher.update(content);
    hasher.finalize().to_le_bytes()
}

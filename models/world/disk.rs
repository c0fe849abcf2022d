//! A node's disk in the model: a persistent map, so that a state shares what did not change.

use dynamo_protocol::store::{Record, RecordKey, Store};
use std::hash::{Hash, Hasher};
use std::ops::Bound;

/// The records of one node. All writes are durable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Disk(im::OrdMap<RecordKey, Record>);

/// `im` hashes its maps without their length, so that adjacent ones could run into each other.
impl Hash for Disk {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.0.len().hash(hasher);
        self.0.iter().for_each(|record| record.hash(hasher));
    }
}

impl Disk {
    /// Whether nothing was written since `other` was cloned from here, or the reverse.
    pub fn untouched_since(&self, other: &Disk) -> bool {
        self.0.ptr_eq(&other.0)
    }

    /// All records, in order.
    pub fn records(&self) -> impl Iterator<Item = (&RecordKey, &Record)> {
        self.0.iter()
    }
}

impl Store for Disk {
    fn get(&self, key: &RecordKey) -> Option<Record> {
        self.0.get(key).cloned()
    }

    fn next(&self, key: Option<&RecordKey>) -> Option<(RecordKey, Record)> {
        let start = key.map_or(Bound::Unbounded, Bound::Excluded);
        let range = (start, Bound::<&RecordKey>::Unbounded);
        self.0
            .range::<_, RecordKey>(range)
            .next()
            .map(|(key, record)| (key.clone(), record.clone()))
    }

    fn put(&mut self, key: RecordKey, record: Record) {
        self.0.insert(key, record);
    }

    fn remove(&mut self, key: &RecordKey) {
        self.0.remove(key);
    }
}

//! A node's disk in the model: persistent maps, so that a state shares what did not change.

use dynamo_protocol::store::{Durability, Record, RecordKey, Store};
use std::hash::{Hash, Hasher};
use std::ops::Bound;

/// The records of one node: what the node sees, and what a crash leaves of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Disk {
    visible: Records,
    /// What is durable, if that is not all.
    durable: Option<Records>,
}

type Records = im::OrdMap<RecordKey, Record>;

/// `im` hashes its maps without their length, so that adjacent ones could run into each other.
impl Hash for Disk {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        for records in std::iter::once(&self.visible).chain(&self.durable) {
            records.len().hash(hasher);
            records.iter().for_each(|record| record.hash(hasher));
        }
        self.durable.is_some().hash(hasher);
    }
}

impl Disk {
    /// Whether nothing was written since `other` was cloned from here, or the reverse.
    pub fn untouched_since(&self, other: &Disk) -> bool {
        self.visible.ptr_eq(&other.visible)
    }

    /// All records, in order.
    pub fn records(&self) -> impl Iterator<Item = (&RecordKey, &Record)> {
        self.visible.iter()
    }

    /// Whether a crash would lose something.
    pub fn has_buffered(&self) -> bool {
        self.durable.is_some()
    }

    /// What a crash leaves: exactly the buffered layer is lost.
    #[must_use]
    pub fn after_crash(&self) -> Disk {
        let visible = self.durable.as_ref().unwrap_or(&self.visible).clone();
        Disk { visible, durable: None }
    }

    /// Everything reaches the disk.
    #[must_use]
    pub fn flushed(&self) -> Disk {
        Disk { visible: self.visible.clone(), durable: None }
    }

    fn write(&mut self, durability: Durability, write: impl Fn(&mut Records)) {
        match (durability, &mut self.durable) {
            (Durability::Buffered, None) => self.durable = Some(self.visible.clone()),
            (Durability::Durable, Some(durable)) => write(durable),
            (Durability::Buffered, Some(_)) | (Durability::Durable, None) => {}
        }
        write(&mut self.visible);
        // Equal layers are one, so that equal disks are equal values.
        if self.durable.as_ref() == Some(&self.visible) {
            self.durable = None;
        }
    }
}

impl Store for Disk {
    fn get(&self, key: &RecordKey) -> Option<Record> {
        self.visible.get(key).cloned()
    }

    fn next(&self, key: Option<&RecordKey>) -> Option<(RecordKey, Record)> {
        let start = key.map_or(Bound::Unbounded, Bound::Excluded);
        let range = (start, Bound::<&RecordKey>::Unbounded);
        self.visible
            .range::<_, RecordKey>(range)
            .next()
            .map(|(key, record)| (key.clone(), record.clone()))
    }

    fn put(&mut self, key: RecordKey, record: Record, durability: Durability) {
        self.write(durability, |records| {
            records.insert(key.clone(), record.clone());
        });
    }

    fn remove(&mut self, key: &RecordKey, durability: Durability) {
        // A map is copied to be changed.
        let holds = |records: &Records| records.contains_key(key);
        if holds(&self.visible) || self.durable.as_ref().is_some_and(holds) {
            self.write(durability, |records| {
                records.remove(key);
            });
        }
    }
}

//! A node's disk: what the node sees, what a crash leaves of it, and what has changed of objects.

use dynamo_protocol::ids::{Key, NodeId, RequestId};
use dynamo_protocol::store::{Durability, Record, RecordKey, Store};
use dynamo_protocol::versions::{Dot, Object};
use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};

/// The records of one node.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk {
    visible: BTreeMap<RecordKey, Record>,
    /// What is on disk of the records that are written, but not there yet.
    durable: BTreeMap<RecordKey, Option<Record>>,
    /// Since they were taken.
    changes: Vec<Change>,
}

/// An object or a hint is not what it was.
#[derive(Clone, Debug, Default)]
pub(super) struct Change {
    pub(super) key: Key,
    /// Whom it is kept for, if it is a hint.
    pub(super) home: Option<NodeId>,
    /// The writes that were held, and those that are.
    pub(super) before: Vec<RequestId>,
    pub(super) after: Vec<RequestId>,
    /// The events of those that are new.
    pub(super) dots: Vec<(Dot, RequestId)>,
    /// What was removed, if it was.
    pub(super) removed: Option<Object>,
}

impl Disk {
    /// What has changed since this was last asked.
    pub(super) fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// Whether there is nothing on it.
    pub(super) fn is_empty(&self) -> bool {
        self.visible.is_empty()
    }

    /// Whether a crash would lose something.
    pub(super) fn has_buffered(&self) -> bool {
        !self.durable.is_empty()
    }

    /// Everything reaches the disk.
    pub(super) fn flush(&mut self) {
        self.durable.clear();
    }

    /// What is not on disk yet is lost.
    pub(super) fn crash(&mut self) {
        for (name, record) in std::mem::take(&mut self.durable) {
            self.set(name, record);
        }
    }

    /// Everything is lost.
    pub(super) fn erase(&mut self) {
        self.durable.clear();
        for name in self.visible.keys().cloned().collect::<Vec<_>>() {
            self.set(name, None);
        }
    }

    /// The key's object.
    pub(super) fn object(&self, key: &Key) -> Option<&Object> {
        self.visible.get(&RecordKey::Object(key.clone())).and_then(object)
    }

    /// What is kept of the key for `home`.
    pub(super) fn hint(&self, home: NodeId, key: &Key) -> Option<&Object> {
        self.visible.get(&RecordKey::Hint { home, key: key.clone() }).and_then(object)
    }

    fn write(&mut self, name: RecordKey, record: Option<Record>, durability: Durability) {
        match durability {
            Durability::Durable => _ = self.durable.remove(&name),
            Durability::Buffered if !self.durable.contains_key(&name) => {
                self.durable.insert(name.clone(), self.visible.get(&name).cloned());
            }
            Durability::Buffered => {}
        }
        self.set(name, record);
    }

    fn set(&mut self, name: RecordKey, record: Option<Record>) {
        let (key, home) = match &name {
            RecordKey::Object(key) => (Some(key.clone()), None),
            RecordKey::Hint { home, key } => (Some(key.clone()), Some(*home)),
            _ => (None, None),
        };
        let after = record.as_ref().map(writes).unwrap_or_default();
        let is_removal = record.is_none();
        let dots = record.as_ref().map(dots).unwrap_or_default();
        let before = match record {
            Some(record) => self.visible.insert(name, record),
            None => self.visible.remove(&name),
        };
        let held = before.as_ref().map(writes).unwrap_or_default();
        if let Some(key) = key
            && (held != after || before.is_some() == is_removal)
        {
            let removed = match before {
                Some(Record::Object(object)) if is_removal => Some(object),
                _ => None,
            };
            let is_new = |(_, by): &(Dot, RequestId)| !held.contains(by);
            let dots = dots.into_iter().filter(is_new).collect();
            self.changes.push(Change { key, home, before: held, after, dots, removed });
        }
    }
}

fn object(record: &Record) -> Option<&Object> {
    match record {
        Record::Object(object) => Some(object),
        _ => None,
    }
}

fn writes(record: &Record) -> Vec<RequestId> {
    match record {
        Record::Object(object) => object.siblings().map(|written| written.by).collect(),
        _ => Vec::new(),
    }
}

fn dots(record: &Record) -> Vec<(Dot, RequestId)> {
    match record {
        Record::Object(object) => object.dots().collect(),
        _ => Vec::new(),
    }
}

impl Store for Disk {
    fn get(&self, key: &RecordKey) -> Option<Record> {
        self.visible.get(key).cloned()
    }

    fn next(&self, key: Option<&RecordKey>) -> Option<(RecordKey, Record)> {
        let from = key.map_or(Unbounded, Excluded);
        let mut after = self.visible.range::<RecordKey, _>((from, Unbounded));
        after.next().map(|(key, record)| (key.clone(), record.clone()))
    }

    fn put(&mut self, key: RecordKey, record: Record, durability: Durability) {
        self.write(key, Some(record), durability);
    }

    fn remove(&mut self, key: &RecordKey, durability: Durability) {
        if self.visible.contains_key(key) || self.durable.contains_key(key) {
            self.write(key.clone(), None, durability);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dynamo_protocol::ids::{ClientId, NodeId};
    use dynamo_protocol::versions::Versioning;

    fn session(id: u64) -> RecordKey {
        RecordKey::Session(ClientId(id))
    }

    fn hint() -> RecordKey {
        RecordKey::Hint { home: NodeId(1), key: Key::from("k") }
    }

    #[test]
    fn a_crash_undoes_what_is_in_the_buffer_and_nothing_else() {
        let mut disk = Disk::default();
        disk.put(session(1), Record::Session(1), Durability::Durable);
        disk.put(session(1), Record::Session(2), Durability::Buffered);
        disk.put(session(2), Record::Session(1), Durability::Buffered);
        disk.put(session(2), Record::Session(2), Durability::Durable);
        disk.put(session(3), Record::Session(1), Durability::Buffered);
        disk.remove(&session(2), Durability::Buffered);
        assert_eq!(disk.get(&session(2)), None, "it sees its own writes");
        assert!(disk.has_buffered());
        disk.crash();
        assert_eq!(disk.get(&session(1)), Some(Record::Session(1)));
        assert_eq!(disk.get(&session(2)), Some(Record::Session(2)));
        assert_eq!((disk.get(&session(3)), disk.has_buffered()), (None, false));
        disk.put(session(3), Record::Session(1), Durability::Buffered);
        disk.flush();
        disk.crash();
        assert_eq!(disk.get(&session(3)), Some(Record::Session(1)));
        disk.erase();
        assert_eq!(disk.next(None), None);
    }

    #[test]
    fn hints_that_come_and_go_are_told_of_whatever_they_hold() {
        let object = Record::Object(Versioning::Dotted.empty_object());
        let mut disk = Disk::default();
        let is_gone = |disk: &mut Disk| -> Vec<bool> {
            let changes = disk.take_changes().into_iter();
            changes.filter(|c| c.home == Some(NodeId(1))).map(|c| c.removed.is_some()).collect()
        };
        disk.put(hint(), object.clone(), Durability::Durable);
        disk.put(hint(), object.clone(), Durability::Durable);
        assert_eq!(is_gone(&mut disk), [false]);
        disk.remove(&hint(), Durability::Buffered);
        assert_eq!(is_gone(&mut disk), [true]);
        disk.crash();
        assert_eq!(is_gone(&mut disk), [false]);
        disk.erase();
        assert_eq!(is_gone(&mut disk), [true]);
    }
}

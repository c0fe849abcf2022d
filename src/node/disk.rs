//! The durable store of a node: the core's records in an embedded log-structured database.
//!
//! Writes gather in memory, where the core reads them back, until [`Disk::commit`] writes them all
//! at once. If one of them is durable, the commit waits for the disk; if all are buffered, it hands
//! them to the operating system, and [`Disk::flush`] waits for the disk later. There is one journal:
//! a durable commit also makes durable whatever was buffered before it. A crash of the process alone
//! loses nothing that was committed; a crash of the machine loses what was buffered since the last
//! flush.
//!
//! Each record carries a checksum over its name and its content. A record that cannot be read is
//! never reported as absent: the disk remembers the failure, and the next commit fails with it, so
//! that nothing that rests on the read ever leaves the node.

use super::records::{decode_key, decode_record, describe, encode_key, encode_record};
use dynamo_protocol::store::{Durability, Record, RecordKey, Store};
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::ops::Bound::{Excluded, Unbounded};
use std::path::{Path, PathBuf};

/// The folder of the database within a node's data folder.
const DATABASE: &str = "store";

/// The file that tells other processes to keep off.
const LOCK: &str = "lock";

/// What is wrong with a data folder.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// Another process has it.
    #[error("{0} is in use by another process; stop that one, or choose another data folder")]
    InUse(PathBuf),
    /// The file system refuses.
    #[error("cannot use the data folder {0}: {1}")]
    Io(PathBuf, std::io::Error),
    /// The database refuses.
    #[error("the store in {0} failed: {1}")]
    Database(PathBuf, fjall::Error),
    /// A record is not what was written.
    #[error("{record} in {folder} is damaged; restore this node's data, or take the node out")]
    Damaged {
        /// The data folder.
        folder: PathBuf,
        /// The record's name.
        record: String,
    },
}

/// A node's disk.
pub struct Disk {
    folder: PathBuf,
    database: Database,
    records: Keyspace,
    /// What was written since the last commit; `None` is a removal.
    uncommitted: BTreeMap<RecordKey, Option<Record>>,
    /// Whether any of those is to be on disk when the commit returns.
    is_durable: bool,
    /// Whether there are committed writes that may not be on disk yet.
    is_buffered: bool,
    failure: RefCell<Option<DiskError>>,
    /// Held for as long as the disk is open.
    _lock: File,
}

impl Disk {
    /// Opens the data folder, and makes it if it is not there.
    ///
    /// # Errors
    /// [`DiskError`] if another process has it, or it cannot be read or written.
    pub fn open(folder: &Path) -> Result<Disk, DiskError> {
        let io = |error| DiskError::Io(folder.into(), error);
        let database = |error| DiskError::Database(folder.into(), error);
        fs::create_dir_all(folder).map_err(io)?;
        let lock = lock(folder)?;
        // One loop is the only user: one background thread for flushes is plenty.
        let builder = Database::builder(folder.join(DATABASE)).worker_threads(1);
        let db = builder.open().map_err(database)?;
        let records = db.keyspace("records", KeyspaceCreateOptions::default).map_err(database)?;
        Ok(Disk {
            folder: folder.into(),
            database: db,
            records,
            uncommitted: BTreeMap::new(),
            is_durable: false,
            // What the process before has committed need not be on disk.
            is_buffered: true,
            failure: RefCell::new(None),
            _lock: lock,
        })
    }

    /// Whether a store was ever opened in `folder`.
    pub fn exists(folder: &Path) -> bool {
        folder.join(DATABASE).exists()
    }

    /// Writes everything, together: durably if any of it is to be durable. Gives how many records
    /// they were.
    ///
    /// # Errors
    /// [`DiskError`], also if any read since the last commit has failed. Then nothing may be sent.
    pub fn commit(&mut self) -> Result<usize, DiskError> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        if self.uncommitted.is_empty() {
            return Ok(0);
        }
        let is_durable = std::mem::take(&mut self.is_durable);
        // Even what may be lost with the machine is not lost with the process.
        let mode = if is_durable { PersistMode::SyncData } else { PersistMode::Buffer };
        let mut batch = self.database.batch().durability(Some(mode));
        let writes = std::mem::take(&mut self.uncommitted);
        for (key, record) in &writes {
            let name = encode_key(key);
            match record {
                Some(record) => {
                    let value = encode_record(&name, record);
                    batch.insert(&self.records, name, value);
                }
                None => batch.remove(&self.records, name),
            }
        }
        batch.commit().map_err(|error| self.broken(error))?;
        self.is_buffered = !is_durable;
        Ok(writes.len())
    }

    /// Whether there are committed writes that a crash of the machine could still undo.
    pub fn is_buffered(&self) -> bool {
        self.is_buffered
    }

    /// Waits until everything that was committed is on disk.
    ///
    /// # Errors
    /// [`DiskError`] if the disk refuses.
    pub fn flush(&mut self) -> Result<(), DiskError> {
        if std::mem::take(&mut self.is_buffered) {
            self.database.persist(PersistMode::SyncData).map_err(|error| self.broken(error))?;
        }
        Ok(())
    }

    fn read(&self, key: &RecordKey) -> Result<Option<Record>, DiskError> {
        let name = encode_key(key);
        match self.records.get(&name).map_err(|error| self.broken(error))? {
            Some(bytes) => self.decode(&name, &bytes).map(Some),
            None => Ok(None),
        }
    }

    fn read_next(&self, key: Option<&RecordKey>) -> Result<Option<(RecordKey, Record)>, DiskError> {
        let start = key.map_or(Unbounded, |key| Excluded(encode_key(key)));
        for entry in self.records.range((start, Unbounded)) {
            let (name, bytes) = entry.into_inner().map_err(|error| self.broken(error))?;
            let key = decode_key(&name).ok_or_else(|| self.damaged(&name))?;
            if !self.uncommitted.contains_key(&key) {
                let record = self.decode(&name, &bytes)?;
                return Ok(Some((key, record)));
            }
        }
        Ok(None)
    }

    fn decode(&self, name: &[u8], bytes: &[u8]) -> Result<Record, DiskError> {
        decode_record(name, bytes).ok_or_else(|| self.damaged(name))
    }

    fn broken(&self, error: fjall::Error) -> DiskError {
        DiskError::Database(self.folder.clone(), error)
    }

    fn damaged(&self, name: &[u8]) -> DiskError {
        let record = describe(name);
        DiskError::Damaged { folder: self.folder.clone(), record }
    }

    /// The first failure counts; the process ends with it.
    fn or_remember<T>(&self, result: Result<Option<T>, DiskError>) -> Option<T> {
        result.unwrap_or_else(|error| {
            self.failure.borrow_mut().get_or_insert(error);
            None
        })
    }
}

impl Store for Disk {
    fn get(&self, key: &RecordKey) -> Option<Record> {
        match self.uncommitted.get(key) {
            Some(written) => written.clone(),
            None => self.or_remember(self.read(key)),
        }
    }

    fn next(&self, key: Option<&RecordKey>) -> Option<(RecordKey, Record)> {
        let start = key.map_or(Unbounded, Excluded);
        let mut written = self.uncommitted.range::<RecordKey, _>((start, Unbounded));
        let written = written.find_map(|(key, record)| Some((key, record.as_ref()?)));
        let stored = self.or_remember(self.read_next(key));
        match (written, stored) {
            (Some((key, record)), stored) if stored.as_ref().is_none_or(|(k, _)| key < k) => {
                Some((key.clone(), record.clone()))
            }
            (_, stored) => stored,
        }
    }

    fn put(&mut self, key: RecordKey, record: Record, durability: Durability) {
        self.is_durable |= durability == Durability::Durable;
        self.uncommitted.insert(key, Some(record));
    }

    fn remove(&mut self, key: &RecordKey, durability: Durability) {
        self.is_durable |= durability == Durability::Durable;
        self.uncommitted.insert(key.clone(), None);
    }
}

impl std::fmt::Debug for Disk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Disk").field("folder", &self.folder).finish_non_exhaustive()
    }
}

fn lock(folder: &Path) -> Result<File, DiskError> {
    let path = folder.join(LOCK);
    let io = |error| DiskError::Io(folder.into(), error);
    let file = File::options().create(true).append(true).open(path).map_err(io)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(DiskError::InUse(folder.into())),
        Err(TryLockError::Error(error)) => Err(io(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dynamo_protocol::ids::{ClientId, Key, NodeId};
    use dynamo_protocol::merkle::Path as TreePath;
    use dynamo_protocol::ring::RangeId;
    use dynamo_protocol::store::records;

    fn object(text: &str) -> RecordKey {
        RecordKey::Object(Key::from(text))
    }

    fn hint(home: u64, key: &str) -> RecordKey {
        RecordKey::Hint { home: NodeId(home), key: Key::from(key) }
    }

    fn tree(range: u32, nibbles: &[u8]) -> RecordKey {
        let path = TreePath::from_nibbles(nibbles).expect("nibbles");
        RecordKey::Tree { range: RangeId(range), path }
    }

    fn names(disk: &Disk) -> Vec<RecordKey> {
        records(disk).map(|(key, _)| key).collect()
    }

    #[test]
    fn records_keep_their_order_committed_or_not() {
        let folder = tempfile::tempdir().unwrap();
        let mut disk = Disk::open(folder.path()).unwrap();
        let mut keys = vec![
            RecordKey::Counter(Key::from("")),
            hint(256, ""),
            tree(1, &[2]),
            hint(1, "a"),
            tree(1, &[1, 0]),
            tree(256, &[]),
            RecordKey::Unsynchronised,
            RecordKey::Tombstone(Key::from("b")),
            hint(255, "z"),
            tree(1, &[1]),
            tree(1, &[]),
            hint(1, ""),
            RecordKey::Tombstone(Key::from("")),
            tree(0, &[0xf]),
            RecordKey::Session(ClientId(256)),
            object("b"),
            RecordKey::Identity,
            object("ab"),
            RecordKey::Session(ClientId(7)),
            object("a\0"),
            RecordKey::Sessions,
            object("a"),
        ];
        for (i, key) in keys.iter().enumerate() {
            disk.put(key.clone(), Record::Session(i as u64), Durability::Durable);
            if i == 4 {
                assert_eq!(disk.commit().unwrap(), 5);
            }
        }
        keys.sort();
        assert_eq!(names(&disk), keys);
        disk.remove(&object("b"), Durability::Durable);
        disk.remove(&RecordKey::Sessions, Durability::Durable);
        keys.retain(|key| *key != object("b") && *key != RecordKey::Sessions);
        assert_eq!(names(&disk), keys);
        disk.commit().unwrap();
        assert_eq!(names(&disk), keys);
        drop(disk);
        assert_eq!(names(&Disk::open(folder.path()).unwrap()), keys);
    }

    #[test]
    fn what_is_not_committed_is_gone_after_a_crash() {
        let folder = tempfile::tempdir().unwrap();
        let mut disk = Disk::open(folder.path()).unwrap();
        disk.put(object("a"), Record::Session(1), Durability::Durable);
        disk.commit().unwrap();
        disk.put(object("a"), Record::Session(2), Durability::Durable);
        assert_eq!(disk.get(&object("a")), Some(Record::Session(2)));
        drop(disk);
        let disk = Disk::open(folder.path()).unwrap();
        assert_eq!(disk.get(&object("a")), Some(Record::Session(1)));
    }

    #[test]
    fn one_durable_write_makes_its_batch_and_all_before_it_durable() {
        let folder = tempfile::tempdir().unwrap();
        let mut disk = Disk::open(folder.path()).unwrap();
        let mut write = |key: &str, durability| {
            disk.put(object(key), Record::Session(1), durability);
            disk.put(object("beside"), Record::Session(1), Durability::Buffered);
            disk.commit().unwrap();
            disk.is_buffered()
        };
        assert!(write("a", Durability::Buffered));
        assert!(!write("b", Durability::Durable));
        assert!(write("c", Durability::Buffered), "the next batch starts anew");
        disk.flush().unwrap();
        assert!(!disk.is_buffered());
        disk.remove(&object("a"), Durability::Durable);
        disk.commit().unwrap();
        assert!(!disk.is_buffered());
    }

    #[test]
    fn a_damaged_record_fails_the_commit() {
        let folder = tempfile::tempdir().unwrap();
        let mut disk = Disk::open(folder.path()).unwrap();
        disk.put(object("a"), Record::Session(1), Durability::Durable);
        disk.put(object("b"), Record::Session(1), Durability::Durable);
        disk.commit().unwrap();
        // The record of another key is as wrong as a changed byte.
        let other = disk.records.get(encode_key(&object("b"))).unwrap().unwrap();
        disk.records.insert(encode_key(&object("a")), other).unwrap();
        assert_eq!(disk.get(&object("b")), Some(Record::Session(1)));
        assert_eq!(disk.commit().unwrap(), 0);
        assert_eq!(disk.get(&object("a")), None);
        let error = disk.commit().unwrap_err().to_string();
        assert!(error.contains("the object of key a"), "{error}");
    }

    #[test]
    fn a_second_process_is_kept_off() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::open(folder.path()).unwrap();
        assert!(matches!(Disk::open(folder.path()), Err(DiskError::InUse(_))));
        drop(disk);
        Disk::open(folder.path()).unwrap();
    }
}

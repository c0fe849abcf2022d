//! An exploration on disk, to go on with it later. No state is kept, only how to get to each: its
//! first parent, and which of the parent's actions leads to it. So the states that wait are made again
//! by stepping to them, which takes a part of the time that it took to find them.

use super::ledger::Ledger;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::NamedTempFile;
use xxhash_rust::xxh3::xxh3_64;

/// Where an exploration is kept, and what it must be of.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    path: PathBuf,
    key: String,
}

/// Why an exploration cannot be kept, or one that was kept is no good.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// Reading or writing fails.
    #[error("cannot {what} {}: {error}", path.display())]
    Io {
        /// To read or to write.
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It is not as it was written.
    #[error("{} is no checkpoint, or damaged: remove it to begin anew", .0.display())]
    Damaged(PathBuf),
}

/// Bytes of the checksum at the end.
const SUM: usize = size_of::<u64>();

impl Checkpoint {
    /// One in `folder`, of whatever `key` tells of. What has another key has another file.
    pub fn new(folder: &Path, key: &str) -> Checkpoint {
        let name = &blake3::hash(key.as_bytes()).to_hex()[..16];
        Checkpoint { path: folder.join(format!("{name}.checkpoint")), key: key.into() }
    }

    /// What is kept; nothing if there is no file.
    pub(super) fn load(&self) -> Result<Option<Ledger>, CheckpointError> {
        let bytes = match fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.io("read", error)),
        };
        let (kept, sum) = bytes.split_at(bytes.len().saturating_sub(SUM));
        let is_whole = sum == xxh3_64(kept).to_le_bytes();
        let kept = if is_whole { postcard::from_bytes(kept).ok() } else { None };
        match kept {
            Some((key, ledger)) if self.key == String::as_str(&key) => {
                let mut ledger: Ledger = ledger;
                ledger.visited.find_places();
                Ok(Some(ledger))
            }
            _ => Err(self.damaged()),
        }
    }

    /// Keeps it, in the place of what was kept before: whoever is killed has the one or the other.
    pub(super) fn save(&self, ledger: &Ledger) -> Result<(), CheckpointError> {
        self.write(ledger).map_err(|error| self.io("write", error))
    }

    fn write(&self, ledger: &Ledger) -> io::Result<()> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let kept = postcard::to_allocvec(&(&self.key, ledger)).map_err(io::Error::other)?;
        let mut file = NamedTempFile::new_in(folder)?;
        file.write_all(&kept)?;
        file.write_all(&xxh3_64(&kept).to_le_bytes())?;
        file.as_file().sync_all()?;
        file.persist(&self.path)?;
        Ok(())
    }

    pub(super) fn damaged(&self) -> CheckpointError {
        CheckpointError::Damaged(self.path.clone())
    }

    fn io(&self, what: &'static str, error: io::Error) -> CheckpointError {
        CheckpointError::Io { what, path: self.path.clone(), error }
    }
}

/// Keeps a ledger now and then.
pub(super) struct Keeper {
    pub(super) checkpoint: Checkpoint,
    /// When it last did so, and how long that took.
    last: (Instant, Duration),
    /// Why it could not, the last time.
    pub(super) failed: Option<String>,
}

/// Between two times that a ledger is kept pass at least this and twenty times what it takes.
const KEEP_EVERY: Duration = Duration::from_secs(60);

impl Keeper {
    pub(super) fn new(checkpoint: Checkpoint) -> Keeper {
        Keeper { checkpoint, last: (Instant::now(), Duration::ZERO), failed: None }
    }

    pub(super) fn is_due(&self) -> bool {
        let (at, took) = self.last;
        at.elapsed() >= KEEP_EVERY.max(20 * took)
    }

    /// Keeps it. Whoever cannot tries again, and loses nothing but what is kept.
    pub(super) fn keep(&mut self, ledger: &Ledger) {
        let began = Instant::now();
        self.failed = self.checkpoint.save(ledger).err().map(|error| error.to_string());
        self.last = (Instant::now(), began.elapsed());
    }
}

//! An exploration on disk, to go on with it later. No state is kept, only how to get to each: its
//! first parent, and which of the parent's actions leads to it. So the states that wait are made again
//! by stepping to them, which takes a part of the time that it took to find them.

use super::ledger::Ledger;
use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::NamedTempFile;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// Where an exploration is kept, and what it must be of.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    path: PathBuf,
    key: String,
    is_eager: bool,
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

/// The least time between two writes.
const SELDOM: Duration = Duration::from_secs(60);

/// And of that time no more than one part in so many is spent on writing.
const SHARE: u32 = 20;

/// Bytes of the checksum at the end.
const SUM: usize = size_of::<u64>();

impl Checkpoint {
    /// One in `folder`, of whatever `key` tells of. What has another key has another file.
    pub fn new(folder: &Path, key: &str) -> Checkpoint {
        let name = &blake3::hash(key.as_bytes()).to_hex()[..16];
        let path = folder.join(format!("{name}.checkpoint"));
        Checkpoint { path, key: key.into(), is_eager: false }
    }

    /// The same, written after each batch of states, however long that takes, and not once a minute or
    /// so.
    #[must_use]
    pub fn eager(self) -> Checkpoint {
        Checkpoint { is_eager: true, ..self }
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
        let file = NamedTempFile::new_in(folder)?;
        let mut to = BufWriter::new(Summed { to: file, sum: Xxh3::new(), failed: None });
        if let Err(error) = postcard::to_io(&(&self.key, ledger), &mut to) {
            return Err(to.get_mut().failed.take().unwrap_or_else(|| io::Error::other(error)));
        }
        let Summed { to: mut file, sum, .. } =
            to.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.write_all(&sum.digest().to_le_bytes())?;
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

/// Sums up what is written, and knows why it could not be: `postcard` does not tell.
struct Summed {
    to: NamedTempFile,
    sum: Xxh3,
    failed: Option<io::Error>,
}

impl Write for Summed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes).map_err(|error| {
            let kind = error.kind();
            self.failed = Some(error);
            kind
        })?;
        self.sum.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// Keeps a ledger now and then.
pub(super) struct Keeper {
    checkpoint: Checkpoint,
    /// States that are expanded in what is kept, if anything is.
    pub(super) kept: Option<u32>,
    /// When it last did so, and how long that took.
    last: (Instant, Duration),
    /// Why it could not, the last time.
    failed: Option<String>,
}

impl Keeper {
    pub(super) fn new(checkpoint: Checkpoint, kept: Option<u32>) -> Keeper {
        let last = (Instant::now(), Duration::ZERO);
        Keeper { checkpoint, kept, last, failed: None }
    }

    pub(super) fn is_due(&self) -> bool {
        let (at, took) = self.last;
        self.checkpoint.is_eager || at.elapsed() >= SELDOM.max(SHARE * took)
    }

    /// Keeps it. Whoever cannot tries again, and loses nothing but what is kept.
    pub(super) fn keep(&mut self, ledger: &Ledger) {
        let began = Instant::now();
        self.failed = self.checkpoint.save(ledger).err().map(|error| error.to_string());
        self.last = (Instant::now(), began.elapsed());
        if self.failed.is_none() {
            self.kept = Some(ledger.expanded);
        }
    }

    /// Why it has not kept how an exploration ended, if it has not.
    pub(super) fn why_not(self) -> Option<String> {
        let nothing = || "its first state could not be judged within the limits".into();
        self.failed.or_else(|| self.kept.is_none().then(nothing))
    }
}

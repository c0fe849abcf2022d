//! What long work has found, kept in a file so that it need not be found again.

use anyhow::{Context as _, Result};
use serde::{Serialize, de::DeserializeOwned};
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Findings, one JSON object a line; without a file nothing is kept.
pub(super) struct Kept<R> {
    path: Option<PathBuf>,
    records: Vec<R>,
}

impl<R: Serialize + DeserializeOwned + Clone> Kept<R> {
    /// What a file holds; nothing if there is none yet.
    pub(super) fn open(path: Option<&Path>) -> Result<Kept<R>> {
        let Some(path) = path else { return Ok(Kept { path: None, records: Vec::new() }) };
        let text = match std::fs::read_to_string(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            read => read.with_context(|| format!("cannot read {}", path.display()))?,
        };
        // A line that was cut off is found again.
        let records = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        Ok(Kept { path: Some(path.into()), records })
    }

    /// A finding of the kind that is wanted.
    pub(super) fn find(&self, is_wanted: impl Fn(&R) -> bool) -> Option<&R> {
        self.records.iter().find(|record| is_wanted(record))
    }

    /// Keeps a finding for the next time, unless it was found before.
    pub(super) fn keep_new(&mut self, record: &R, is_it: impl Fn(&R) -> bool) -> Result<()> {
        if self.find(is_it).is_some() { Ok(()) } else { self.keep(record) }
    }

    fn keep(&mut self, record: &R) -> Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        let failed = || format!("cannot write {}", path.display());
        let mut file =
            OpenOptions::new().create(true).append(true).open(path).with_context(failed)?;
        let line = serde_json::to_string(record).context("a record is JSON")?;
        // On a line of its own, even if the one before was cut off.
        write!(file, "\n{line}\n").with_context(failed)?;
        self.records.push(record.clone());
        Ok(())
    }
}

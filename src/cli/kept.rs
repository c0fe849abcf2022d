//! Long work, piece by piece: what one finds is printed, and kept in a file so that it need not be
//! found again.

use super::check::progress::Meters;
use super::{is_interrupted, say};
use anyhow::{Context as _, Result};
use clap::Args;
use dynamo::report::Sheet;
use dynamo_models::explore::Progress;
use serde::{Serialize, de::DeserializeOwned};
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// What becomes of findings.
#[derive(Args)]
pub(super) struct Findings {
    /// Keep what is found in this file, and do not look for it again
    #[arg(long, value_name = "FILE")]
    pub(super) resume: Option<PathBuf>,
    /// Print one JSON object a line instead of a table
    #[arg(long)]
    json: bool,
    /// Print the table for reports/
    #[arg(long, conflicts_with = "json")]
    markdown: bool,
}

impl Findings {
    /// Prints one as soon as it is there, unless a table is asked for.
    pub(super) fn say_one(&self, record: &impl Serialize) -> Result<()> {
        if self.json { say(format_args!("{}\n", line(record)?)) } else { Ok(()) }
    }

    /// Prints the table of all of them, if it is asked for.
    pub(super) fn say_all(&self, sheet: &Sheet, legend: &str) -> Result<()> {
        let table = match (self.json, self.markdown) {
            (true, _) => return Ok(()),
            (_, true) => sheet.markdown(),
            _ => sheet.text(),
        };
        say(format_args!("{table}\n\n{legend}\n"))
    }
}

/// What one piece of work has found.
pub(super) trait Finding: Clone + Serialize + DeserializeOwned {
    /// Whether it is what depends on `key`, and no limit came first.
    fn tells(&self, key: &str) -> bool;
}

/// Findings, one JSON object a line; without a file nothing is kept.
pub(super) struct Kept<R> {
    path: Option<PathBuf>,
    records: Vec<R>,
    meters: Meters,
}

impl<R: Finding> Kept<R> {
    /// What a file holds; nothing if there is none yet. So many pieces of work are to be done.
    pub(super) fn open(path: Option<&Path>, pieces: usize) -> Result<Kept<R>> {
        let records = path.filter(|path| path.exists()).map_or(Ok(Vec::new()), read)?;
        Ok(Kept { path: path.map(PathBuf::from), records, meters: Meters::new(pieces) })
    }

    /// What is known of a piece of work, or else what `work` finds, which is kept for the next time;
    /// nothing after an interruption.
    pub(super) fn find(
        &mut self,
        name: &str,
        key: &str,
        work: impl FnOnce(&mut dyn FnMut(&Progress) -> bool) -> Result<R>,
    ) -> Result<Option<R>> {
        let meter = self.meters.start(name);
        let known = self.records.iter().find(|record| record.tells(key)).cloned();
        let is_known = known.is_some();
        let mut report = |progress: &Progress| {
            meter.show(progress);
            !is_interrupted()
        };
        let record = known.map_or_else(|| work(&mut report), Ok)?;
        meter.finish();
        if is_interrupted() {
            return Ok(None);
        }
        if !is_known {
            self.keep(&record)?;
        }
        Ok(Some(record))
    }

    fn keep(&mut self, record: &R) -> Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        let failed = || format!("cannot write {}", path.display());
        let mut file =
            OpenOptions::new().create(true).append(true).open(path).with_context(failed)?;
        // On a line of its own, even if the one before was cut off.
        write!(file, "\n{}\n", line(record)?).with_context(failed)?;
        self.records.push(record.clone());
        Ok(())
    }
}

/// The findings of a file. A line that was cut off is found again.
pub(super) fn read<R: Finding>(path: &Path) -> Result<Vec<R>> {
    let text = std::fs::read_to_string(path);
    let text = text.with_context(|| format!("cannot read {}", path.display()))?;
    Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
}

fn line(record: &impl Serialize) -> Result<String> {
    serde_json::to_string(record).context("a record is JSON")
}

//! Counters by name: datagrams, commits, refusals, the core's notes.

use dynamo_protocol::door::{Ignored, Note};
use std::collections::BTreeMap;
use std::fmt;

/// Named counters, all from 0. They print as `name=value name=value`, in order of their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters(BTreeMap<&'static str, u64>);

impl Counters {
    /// Counts one more of `name`.
    pub fn count(&mut self, name: &'static str) {
        self.add(name, 1);
    }

    /// Counts `more` of `name`.
    pub fn add(&mut self, name: &'static str, more: usize) {
        *self.0.entry(name).or_default() += more as u64;
    }

    /// All of them, in order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.0.iter().map(|(name, value)| (*name, *value))
    }

    /// How many of `name` there were.
    pub fn get(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or(0)
    }
}

impl fmt::Display for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (name, value)) in self.0.iter().enumerate() {
            write!(f, "{}{name}={value}", if i == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}

/// The counter of something that the core noted.
pub fn of_note(note: Note) -> &'static str {
    match note {
        Note::Siblings(_) => "siblings",
        Note::Repaired(_) => "repaired",
        Note::FreshEpoch(_) => "fresh-epoch",
        Note::Suspects(_) => "suspects",
        Note::Trusts(_) => "trusts",
        Note::KeptHint(_) => "kept-hints",
        Note::MergedHint(_) => "merged-hints",
        Note::ReleasedHint(_) => "released-hints",
        Note::FallbackPut(_) => "fallback-puts",
        Note::FallbackRead(_) => "fallback-reads",
        Note::Exchanged(_) => "exchanged",
        Note::Resynchronised(_) => "resynchronised",
        Note::Reaped => "reaped",
        Note::Layout(_) => "layouts",
        Note::Withdrawn(_) => "withdrawn-changes",
        Note::Dropped => "dropped-copies",
        Note::Rehomed(_) => "rehomed-hints",
        Note::Ignored(Ignored::NotStarted) => "ignored-not-started",
        Note::Ignored(Ignored::BadStart) => "ignored-bad-start",
        Note::Ignored(Ignored::Duplicate) => "ignored-duplicate",
        Note::Ignored(Ignored::Stale) => "ignored-stale",
        Note::Ignored(Ignored::ForeignObject) => "ignored-foreign-object",
        Note::Ignored(Ignored::KeyTooLong) => "ignored-key-too-long",
        Note::Ignored(Ignored::Stranger) => "ignored-stranger",
        Note::Ignored(Ignored::NotAReplica) => "ignored-not-a-replica",
        Note::Ignored(Ignored::OtherView) => "ignored-other-view",
        Note::Ignored(Ignored::OtherCluster) => "ignored-other-cluster",
        Note::Ignored(Ignored::BadCommand) => "ignored-bad-command",
    }
}

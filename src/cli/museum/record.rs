//! What exhibits have shown, as it is printed and kept.

use crate::cli::kept::Finding;
use anyhow::Context as _;
use dynamo::report::Sheet;
use dynamo_models::SOURCES;
use dynamo_models::check::Outcome;
use dynamo_models::museum::{Shown, try_cases};
use dynamo_models::scenario::{Enumerated, Exhibit};
use dynamo_models::trace::{Trace, TraceFile, replay_on_core};
use serde::{Deserialize, Serialize};
use std::time::Instant;

/// What one exhibit has shown, as it is printed and kept.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Record {
    pub(crate) bug: String,
    pub(crate) title: String,
    pub(crate) source: String,
    property: String,
    /// What re-creates it.
    changes: Vec<(String, String)>,
    /// Operations, faults and exchanges that it may take, if it is no case that shows it.
    within: Option<usize>,
    /// Those that it takes, if it shows.
    length: Option<usize>,
    /// The counterexample.
    counterexample: Option<TraceFile>,
    /// The case that shows it, if cases do.
    pub(crate) case: Option<String>,
    broken_states: u64,
    /// The verdict on the safe protocol.
    safe: String,
    safe_states: u64,
    /// `as-catalogued`, `different` or `inconclusive`.
    pub(super) outcome: String,
    seconds: f64,
    /// Of what it was found: the sources, both scenarios.
    key: String,
}

impl Record {
    pub(super) fn of(exhibit: &Exhibit, shown: &Shown, key: String) -> Record {
        Record {
            bug: exhibit.bug.clone(),
            title: exhibit.safe.title.clone(),
            source: exhibit.source.clone(),
            property: exhibit.property.to_string(),
            changes: exhibit.changes.clone(),
            within: Some(exhibit.within),
            length: shown.length(),
            counterexample: shown.counterexample.as_ref().map(TraceFile::of),
            case: None,
            broken_states: shown.broken_states,
            safe: shown.safe.name().into(),
            safe_states: shown.safe_states,
            outcome: named(shown.outcome(exhibit)),
            seconds: shown.elapsed.as_secs_f64(),
            key,
        }
    }

    /// The counterexample, run again.
    pub(crate) fn trace(&self) -> Option<Trace> {
        replay_on_core(self.counterexample.as_ref()?).ok()
    }

    /// Of rules that are tried on all small cases.
    pub(super) fn of_cases(exhibit: &Enumerated) -> anyhow::Result<Record> {
        let started = Instant::now();
        let tried = try_cases(exhibit).with_context(|| {
            format!("exhibit {}: no enumeration is called {:?}", exhibit.bug, exhibit.enumeration)
        })?;
        let outcome = named(tried.outcome());
        Ok(Record {
            bug: exhibit.bug.clone(),
            title: exhibit.title.clone(),
            source: exhibit.source.clone(),
            property: "all small cases".into(),
            changes: vec![("enumeration".into(), exhibit.enumeration.clone())],
            within: None,
            length: None,
            counterexample: None,
            case: tried.broken.wrong,
            broken_states: tried.broken.cases,
            safe: if tried.safe.wrong.is_none() { "holds" } else { "refuted" }.into(),
            safe_states: tried.safe.cases,
            outcome,
            seconds: started.elapsed().as_secs_f64(),
            key: String::new(),
        })
    }

    /// Whether a limit came first.
    pub(crate) fn is_inconclusive(&self) -> bool {
        self.outcome == "inconclusive"
    }
}

impl Finding for Record {
    fn tells(&self, key: &str) -> bool {
        self.key == key && !self.is_inconclusive()
    }
}

/// An outcome, as it is kept.
fn named(outcome: Outcome) -> String {
    match outcome {
        Outcome::AsExpected => "as-catalogued",
        Outcome::Inconclusive => "inconclusive",
        Outcome::Different => "different",
    }
    .into()
}

/// What a finding depends on.
pub(super) fn key(exhibit: &Exhibit) -> String {
    let worlds = [&exhibit.safe, &exhibit.broken].map(|world| world.content_hash());
    format!("{}-{}-{}-{}", &SOURCES[..16], &worlds[0][..16], &worlds[1][..16], exhibit.within)
}

/// One line an exhibit.
pub(crate) fn sheet(records: &[Record]) -> Sheet {
    let head = vec!["bug", "what happens", "breaks", "re-created by", "length", "safe", "seconds"];
    let row = |record: &Record| {
        let changes: Vec<String> =
            record.changes.iter().map(|(key, value)| format!("{key} = {value}")).collect();
        let length = match (record.length, record.within) {
            (Some(length), Some(within)) if length <= within => format!("{length} of {within}"),
            (Some(length), Some(within)) => format!("!{length} of {within}"),
            _ if record.case.is_some() => format!("case {}", record.broken_states),
            _ if record.is_inconclusive() => "?".into(),
            _ => "!none".into(),
        };
        vec![
            record.bug.clone(),
            record.title.clone(),
            record.property.clone(),
            changes.join(", "),
            length,
            format!(
                "{}{}, {} {}",
                if record.safe == "refuted" { "!" } else { "" },
                record.safe,
                record.safe_states,
                if record.within.is_none() { "cases" } else { "states" },
            ),
            format!("{:.1}", record.seconds),
        ]
    };
    Sheet { head, rows: records.iter().map(row).collect(), numbers: 4..7 }
}

/// What the table says, and of how much.
pub(crate) fn legend(records: &[Record]) -> String {
    let shown = records.iter().filter(|record| record.outcome == "as-catalogued").count();
    format!(
        "{} exhibits, {shown} as catalogued. length: client operations, faults and background \
         exchanges of the counterexample, and within how many the catalogue wants it; safe: the same \
         world without what re-creates the bug, within its bounds. case N: the first of all small cases that \
         the historical rule gets wrong; of this protocol's layouts only those are tried together that can \
         meet. !: not as catalogued; ?: a limit came first.",
        records.len(),
    )
}

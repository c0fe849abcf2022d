//! What was found, as it is printed and kept.

use crate::cli::kept;
use dynamo_models::theorems::{Configuration, Effort, Row, SOURCES, Theorem};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A row of the table.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Record {
    pub(super) configuration: String,
    /// Of what it was found: the sources, the scenario.
    pub(super) key: String,
    /// Most faults that were tried.
    faults: u8,
    pub(super) theorems: Vec<Finding>,
    pub(super) states: u64,
    pub(super) seconds: f64,
    pub(super) odds: f64,
}

/// A cell of the table.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Finding {
    property: String,
    /// `holds`, `refuted`, or `inconclusive`.
    verdict: String,
    /// Up to how many faults all was explored, if any.
    explored_faults: Option<u8>,
    ways: Vec<Way>,
}

/// A minimal set of faults, and a counterexample with it: a shortest one if no order of steps was
/// left out.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Way {
    faults: BTreeMap<String, u8>,
    actions: Vec<String>,
}

/// The letter of a kind of fault in a cell.
const LETTERS: [(&str, char); 6] = [
    ("crash", 'c'),
    ("drop", 'd'),
    ("duplicate", 'u'),
    ("timeout", 't'),
    ("lost disk", 'l'),
    ("partition", 'p'),
];

impl Record {
    /// What was found with at most so many faults.
    pub(super) fn of(row: &Row, faults: u8, key: String) -> Record {
        Record {
            configuration: row.configuration.to_string(),
            key,
            faults,
            theorems: row.theorems.iter().map(|theorem| Finding::of(theorem, faults)).collect(),
            states: row.unique,
            seconds: row.elapsed.as_secs_f64(),
            odds: row.odds,
        }
    }

    /// Up to how many faults all was explored, whatever the property; the more, the larger.
    #[cfg(feature = "museum")]
    pub(super) fn explored(&self) -> Option<Option<u8>> {
        self.theorems.iter().map(|theorem| theorem.explored_faults).min()
    }

    /// Whether no limit came first.
    pub(super) fn is_complete(&self) -> bool {
        self.theorems.iter().all(|theorem| theorem.explored_faults == Some(self.faults))
    }
}

impl kept::Finding for Record {
    fn tells(&self, key: &str) -> bool {
        self.key == key && self.is_complete()
    }
}

impl Finding {
    fn of(theorem: &Theorem, faults: u8) -> Finding {
        let ways = theorem.ways.iter().map(|way| Way {
            faults: (way.spent.kinds().into_iter().filter(|(_, times)| *times > 0))
                .map(|(kind, times)| (kind.to_string(), times))
                .collect(),
            actions: way.trace.iter().map(ToString::to_string).collect(),
        });
        let verdict = match theorem.total {
            _ if !theorem.ways.is_empty() => "refuted",
            Some(total) if total == faults => "holds",
            _ => "inconclusive",
        };
        Finding {
            property: theorem.property.to_string(),
            verdict: verdict.into(),
            explored_faults: theorem.total,
            ways: ways.collect(),
        }
    }

    /// In a few characters.
    pub(super) fn cell(&self, faults: u8) -> String {
        let ways = self.ways.iter().map(|way| {
            let times = |kind: &str| usize::from(*way.faults.get(kind).unwrap_or(&0));
            let letters = LETTERS.iter().map(|(kind, c)| c.to_string().repeat(times(kind)));
            let letters: String = letters.collect();
            let letters = if letters.is_empty() { "0" } else { &letters };
            format!("{letters}:{}", way.actions.len())
        });
        let ways: Vec<String> = ways.collect();
        let found = if ways.is_empty() { "holds".into() } else { ways.join(" ") };
        // What breaks without faults has no other minimal set.
        let needs_none = self.ways.iter().any(|way| way.faults.is_empty());
        match self.explored_faults {
            Some(total) if total == faults || needs_none => found,
            Some(total) => format!("{found} <{}", total + 1),
            None => "?".into(),
        }
    }
}

/// What a finding depends on.
pub(super) fn key(configuration: &Configuration, question: &Effort) -> String {
    let scenario = configuration.scenario(question.most).content_hash();
    let whole = if question.reductions.is_on() { "" } else { "-whole" };
    format!("{}-{}-{}{whole}", &SOURCES[..16], &scenario[..16], question.gets)
}

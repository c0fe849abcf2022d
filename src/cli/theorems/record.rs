//! What was found, as it is printed and kept.

use crate::cli::kept;
use anyhow::Context as _;
use dynamo_models::SOURCES;
use dynamo_models::scenario::Property;
use dynamo_models::theorems::{self, Configuration, Effort, Row, Theorem};
use dynamo_models::trace::{Trace, TraceFile, replay_on_core};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A row of the table.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Record {
    pub(crate) configuration: String,
    /// Of what it was found: the sources, the scenario.
    pub(super) key: String,
    /// Most faults that were tried.
    pub(crate) faults: u8,
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
pub(crate) struct Way {
    faults: BTreeMap<String, u8>,
    counterexample: TraceFile,
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
    pub(super) fn of(row: &Row, faults: u8, key: String) -> anyhow::Result<Record> {
        let findings = row.theorems.iter().map(|theorem| Finding::of(theorem, faults));
        Ok(Record {
            configuration: row.configuration.to_string(),
            key,
            faults,
            theorems: findings.collect::<anyhow::Result<_>>()?,
            states: row.unique,
            seconds: row.elapsed.as_secs_f64(),
            odds: row.odds,
        })
    }

    /// What was found of a property with at most so many faults, in a few characters.
    pub(super) fn cell(&self, property: Property, faults: u8) -> String {
        self.finding(property).map_or_else(|| "?".into(), |finding| finding.cell(faults))
    }

    /// The minimal sets of faults that break a property, the shortest counterexample first.
    pub(crate) fn ways(&self, property: Property) -> &[Way] {
        self.finding(property).map_or(&[], |finding| &finding.ways)
    }

    fn finding(&self, property: Property) -> Option<&Finding> {
        self.theorems.iter().find(|finding| finding.property == property.name())
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
    fn of(theorem: &Theorem, faults: u8) -> anyhow::Result<Finding> {
        let ways = theorem.ways.iter().map(|way| Way::of(way, theorem.property));
        let verdict = match theorem.total {
            _ if !theorem.ways.is_empty() => "refuted",
            Some(total) if total == faults => "holds",
            _ => "inconclusive",
        };
        Ok(Finding {
            property: theorem.property.to_string(),
            verdict: verdict.into(),
            explored_faults: theorem.total,
            ways: ways.collect::<anyhow::Result<_>>()?,
        })
    }

    /// In a few characters.
    pub(super) fn cell(&self, faults: u8) -> String {
        let ways: Vec<String> = self.ways.iter().map(Way::cell).collect();
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

impl Way {
    fn of(way: &theorems::Way, property: Property) -> anyhow::Result<Way> {
        let faults = way.spent.kinds().into_iter().filter(|(_, times)| *times > 0);
        let trace = way.counterexample(property).context("the world of a theorem")?;
        Ok(Way {
            faults: faults.map(|(kind, times)| (kind.to_string(), times)).collect(),
            counterexample: TraceFile::of(&trace),
        })
    }

    /// Whether it is the same run, which may have been found for another property.
    #[cfg(feature = "museum")]
    pub(crate) fn is_run_of(&self, other: &Way) -> bool {
        let (one, other) = (&self.counterexample, &other.counterexample);
        one.scenario.title == other.scenario.title && one.steps == other.steps
    }

    /// The faults that it takes, in words.
    pub(crate) fn faults(&self) -> String {
        let named = self.faults.iter().map(|(kind, times)| match times {
            1 => format!("one {kind}"),
            _ => format!("{kind} {times} times"),
        });
        let named: Vec<String> = named.collect();
        if named.is_empty() { "no fault".into() } else { named.join(" and ") }
    }

    /// The counterexample, run again on the core.
    ///
    /// # Errors
    /// If the core does anything else now.
    pub(crate) fn trace(&self) -> anyhow::Result<Trace> {
        let TraceFile { scenario, property, .. } = &self.counterexample;
        let property = property.as_deref().unwrap_or("nothing");
        replay_on_core(&self.counterexample)
            .with_context(|| format!("{}, {property}: it cannot be run again", scenario.title))
    }

    fn cell(&self) -> String {
        let times = |kind: &str| usize::from(*self.faults.get(kind).unwrap_or(&0));
        let letters = LETTERS.iter().map(|(kind, c)| c.to_string().repeat(times(kind)));
        let letters: String = letters.collect();
        let letters = if letters.is_empty() { "0" } else { &letters };
        format!("{letters}:{}", self.counterexample.steps.len())
    }
}

/// What a finding depends on.
pub(super) fn key(configuration: &Configuration, question: &Effort) -> String {
    let scenario = configuration.scenario(question.most).content_hash();
    let whole = if question.reductions.is_on() { "" } else { "-whole" };
    format!("{}-{}-{}{whole}", &SOURCES[..16], &scenario[..16], question.gets)
}

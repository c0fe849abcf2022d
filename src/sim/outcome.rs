//! What runs have come to: counts only, so that the sum over many is the same in any order.

use super::judge::Wrong;
use super::setup::Property;
use crate::analysis::pbs::Histogram;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The sum over some runs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// How many runs.
    pub runs: u64,
    /// Things that happened.
    pub events: u64,
    /// Packets that were sent between nodes.
    pub packets: u64,
    /// What clients began.
    pub requests: u64,
    /// Until the clients ended, in simulated nanoseconds.
    pub load_ns: u64,
    /// From then until all agreed, one a run, in simulated milliseconds.
    pub settled_ms: Histogram,
    /// How long answered gets took, in milliseconds.
    pub get_ms: Histogram,
    /// How long answered puts took, in milliseconds.
    pub put_ms: Histogram,
    /// How many siblings gets have found.
    pub siblings: Tally,
    /// Of the owners' copies that the get of a probe rests on, how many had what was put.
    #[serde(default)]
    pub fresh_copies: Tally,
    /// Gets by the time since the key was last acknowledged, see [`Staleness`].
    pub staleness: Staleness,
    /// Of each probe: after how many milliseconds, how many gets, and how many of them were regular.
    pub probes: Vec<Probe>,
    /// Counters by name: what clients were told, what the core noted, what went wrong on purpose.
    pub counts: BTreeMap<String, u64>,
    /// In how many runs a property was violated, how often in all, and where first.
    pub violations: BTreeMap<Property, Violation>,
}

/// Gets so long after a put was acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// How long after, in milliseconds.
    pub after_ms: f64,
    /// How many.
    pub gets: u64,
    /// Of these, how many returned what was put.
    pub fresh: u64,
}

/// Violations of one property.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Violation {
    /// In so many runs.
    pub runs: u64,
    /// So many times in all.
    pub times: u64,
    /// The lowest seed in whose run it was.
    pub seed: u64,
    /// When it was there first, in simulated milliseconds.
    pub at_ms: f64,
    /// What was wrong.
    pub what: String,
}

/// How often each number was found, from 0 on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally(pub Vec<u64>);

impl Tally {
    pub(super) fn record(&mut self, number: usize) {
        if self.0.len() <= number {
            self.0.resize(number + 1, 0);
        }
        self.0[number] += 1;
    }

    fn add(&mut self, other: &Tally) {
        self.0.resize(self.0.len().max(other.0.len()), 0);
        self.0.iter_mut().zip(&other.0).for_each(|(mine, theirs)| *mine += theirs);
    }
}

/// Ends of the classes of [`Staleness`], in milliseconds; the last class has none.
pub const AGES_MS: [f64; 16] = [
    0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0, 2_000.0, 5_000.0,
    10_000.0,
];

/// Answered gets, by how long before they were called the key was last acknowledged: how many, and
/// how many of them were not regular. The first class has no end before [`AGES_MS`] begin; gets of
/// keys that nobody has acknowledged are not among them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Staleness {
    /// All, by class.
    pub gets: [u64; AGES_MS.len() + 1],
    /// The stale ones, by class.
    pub stale: [u64; AGES_MS.len() + 1],
}

impl Outcome {
    pub(super) fn add(&mut self, name: &str, more: u64) {
        match self.counts.get_mut(name) {
            Some(count) => *count += more,
            None => _ = self.counts.insert(name.into(), more),
        }
    }

    /// A get, so long after the key was acknowledged, is answered.
    pub(super) fn get(&mut self, since_ms: Option<f64>, is_regular: bool) {
        let Some(since_ms) = since_ms else { return };
        let class = AGES_MS.partition_point(|end| *end <= since_ms);
        self.staleness.gets[class] += 1;
        self.staleness.stale[class] += u64::from(!is_regular);
    }

    /// A get of a probe is answered.
    pub(super) fn probe(&mut self, after_ms: f64, probe: usize, is_fresh: bool) {
        let probes = &mut self.probes;
        probes.resize(probes.len().max(probe + 1), Probe::default());
        let Probe { gets, fresh, .. } = probes[probe];
        probes[probe] = Probe { after_ms, gets: gets + 1, fresh: fresh + u64::from(is_fresh) };
    }

    pub(super) fn wrong(&mut self, property: Property, wrong: Wrong) {
        let Wrong { times, at, what } = wrong;
        let violation = Violation { runs: 1, times, seed: 0, at_ms: at.ms(), what };
        self.violations.insert(property, violation);
    }

    /// These are of the run of this seed.
    pub(super) fn of_seed(mut self, seed: u64) -> Outcome {
        self.violations.values_mut().for_each(|violation| violation.seed = seed);
        self
    }

    /// Adds other runs.
    pub fn merge(&mut self, other: &Outcome) {
        self.runs += other.runs;
        self.events += other.events;
        self.packets += other.packets;
        self.requests += other.requests;
        self.load_ns += other.load_ns;
        self.settled_ms.add(&other.settled_ms);
        self.get_ms.add(&other.get_ms);
        self.put_ms.add(&other.put_ms);
        self.siblings.add(&other.siblings);
        self.fresh_copies.add(&other.fresh_copies);
        for class in 0..self.staleness.gets.len() {
            self.staleness.gets[class] += other.staleness.gets[class];
            self.staleness.stale[class] += other.staleness.stale[class];
        }
        self.probes.resize(self.probes.len().max(other.probes.len()), Probe::default());
        for (mine, theirs) in self.probes.iter_mut().zip(&other.probes) {
            let (gets, fresh) = (mine.gets + theirs.gets, mine.fresh + theirs.fresh);
            *mine = Probe { after_ms: mine.after_ms.max(theirs.after_ms), gets, fresh };
        }
        for (name, count) in &other.counts {
            self.add(name, *count);
        }
        for (property, theirs) in &other.violations {
            let mine = self.violations.entry(*property).or_insert_with(|| Violation {
                runs: 0,
                times: 0,
                ..theirs.clone()
            });
            let (runs, times) = (mine.runs + theirs.runs, mine.times + theirs.times);
            if theirs.seed < mine.seed {
                *mine = theirs.clone();
            }
            (mine.runs, mine.times) = (runs, times);
        }
    }
}

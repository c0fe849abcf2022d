//! What a sweep has come to, as a file: what was simulated, which seeds, and the outcome. Files of
//! the shards of one sweep can be put together.

use super::outcome::{Outcome, Violation};
use super::setup::{Property, Setup};
use super::sweep::{Seeds, Shard};
use anyhow::{Result, bail, ensure};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The format of such files.
pub const FORMAT: u32 = 1;

/// What a sweep, or some shards of it, have come to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sum {
    /// [`FORMAT`].
    pub format: u32,
    /// What was simulated.
    pub setup: Setup,
    /// The first seed.
    pub seed: u64,
    /// How many seeds the whole sweep has.
    pub runs: u64,
    /// Of how many shards.
    pub of: u64,
    /// The shards that are in here.
    pub shards: BTreeSet<u64>,
    /// Whether they were run to their ends.
    pub is_complete: bool,
    /// What they have come to.
    pub outcome: Outcome,
}

impl Sum {
    /// Of one shard.
    pub fn new(setup: Setup, seeds: Seeds, outcome: Outcome, is_complete: bool) -> Sum {
        let Seeds { seed, runs, shard: Shard { index, of } } = seeds;
        Sum { format: FORMAT, setup, seed, runs, of, shards: [index].into(), is_complete, outcome }
    }

    /// Whether this program can read it.
    ///
    /// # Errors
    /// In one sentence: it is of another format, or of no seeds.
    pub fn check(&self) -> Result<()> {
        let format = self.format;
        ensure!(format == FORMAT, "its format is {format}; this program reads {FORMAT}");
        Seeds { seed: self.seed, runs: self.runs, shard: Shard::WHOLE }.check()
    }

    /// Adds other shards of the same sweep.
    ///
    /// # Errors
    /// In one sentence: they are of another sweep, or here already.
    pub fn merge(&mut self, other: &Sum) -> Result<()> {
        ensure!(self.setup == other.setup, "it is of another setup");
        let sweep = |sum: &Sum| (sum.seed, sum.runs, sum.of);
        ensure!(
            sweep(self) == sweep(other),
            "it is of other seeds, or of another number of shards"
        );
        if let Some(shard) = self.shards.intersection(&other.shards).next() {
            bail!("shard {shard}/{} is there twice", self.of);
        }
        self.shards.extend(&other.shards);
        self.is_complete &= other.is_complete;
        self.outcome.merge(&other.outcome);
        Ok(())
    }

    /// The shards that are missing.
    pub fn missing(&self) -> impl Iterator<Item = u64> {
        (0..self.of).filter(|shard| !self.shards.contains(shard))
    }

    /// Whether every run of the sweep is in here.
    pub fn is_whole(&self) -> bool {
        self.is_complete && self.missing().next().is_none()
    }

    /// What was wrong of that which must not be, in order.
    pub fn wrongs(&self) -> impl Iterator<Item = (Property, &Violation)> {
        let must =
            self.outcome.violations.iter().filter(|(property, _)| self.setup.must_hold(**property));
        must.map(|(property, violation)| (*property, violation))
    }
}

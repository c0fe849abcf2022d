//! Where figures are measured: simulations and PBS studies, on all cores, until Ctrl-C.

use crate::cli::{cores, is_interrupted};
use anyhow::{bail, ensure};
use dynamo::analysis::pbs::{self, Histogram, Legs, Quorum, Study};
use dynamo::latency::Spec;
use dynamo::shell::delays::Lengths;
use dynamo::shell::scheme::{ReadRepair, Scheme, Switch};
use dynamo::sim::{Faults, Latency, Load, Machines, Network, Outcome, Seeds, Setup, Shard, sweep};
use indicatif::ProgressBar;
use std::collections::BTreeMap;

/// What measures.
pub(super) struct Lab {
    /// Every number of samples is divided by this.
    divisor: u64,
    progress: ProgressBar,
}

impl Lab {
    /// With as many samples as the report is made of.
    pub(super) fn whole() -> Lab {
        Lab { divisor: 1, progress: ProgressBar::new_spinner() }
    }

    /// With few samples, for tests.
    #[cfg(test)]
    pub(super) fn small() -> Lab {
        Lab { divisor: 20, progress: ProgressBar::hidden() }
    }

    /// So many samples, or fewer in a small lab.
    pub(super) fn samples(&self, whole: u64) -> u64 {
        (whole / self.divisor).max(1)
    }

    /// So many runs of a setup, the first with the seed 0.
    ///
    /// # Errors
    /// A setup that cannot be simulated; a violated property that must hold; Ctrl-C.
    pub(super) fn simulate(&self, setup: &Setup, runs: u64) -> anyhow::Result<Outcome> {
        self.progress.set_message(setup.title.clone());
        let seeds = Seeds { seed: 0, runs, shard: Shard::WHOLE };
        let (outcome, is_complete) = sweep(setup, seeds, cores(), &|_| self.goes_on())?;
        ensure!(is_complete, "interrupted");
        let mut violated = outcome.violations.keys().filter(|property| setup.must_hold(**property));
        match violated.next() {
            Some(property) => bail!("{}: {property:?} is violated", setup.title),
            None => Ok(outcome),
        }
    }

    /// Races of WARS.
    ///
    /// # Errors
    /// Numbers that make no study; Ctrl-C.
    pub(super) fn race(
        &self,
        legs: Legs,
        quorum: Quorum,
        times: Vec<f64>,
        samples: u64,
    ) -> anyhow::Result<pbs::Outcome> {
        let study = Study::new(legs, quorum, times, self.samples(samples), 0)?;
        self.progress.set_message("PBS");
        match study.run(cores(), &|_| self.goes_on()) {
            Some(outcome) => Ok(outcome),
            None => bail!("interrupted"),
        }
    }

    fn goes_on(&self) -> bool {
        self.progress.tick();
        !is_interrupted()
    }
}

/// A cluster without faults: N, R and W, every message taking `one_way` milliseconds and clients'
/// as well.
pub(super) fn cluster(title: &str, nodes: u32, (n, r, w): (u8, u8, u8), one_way: Spec) -> Setup {
    let network =
        Network { latency: Latency::All(one_way.clone()), client: one_way, ..Network::default() };
    Setup {
        title: title.into(),
        nodes,
        cluster: Scheme::with_quorums(n, r, w),
        timers: Lengths::DEFAULT,
        network,
        machines: Machines::default(),
        load: Load { think: Spec::Constant(0.0), duration_ms: 10_000_000, ..Load::default() },
        faults: Faults::default(),
        settle_ms: 120_000,
        holds: Vec::new(),
        may_fail: Vec::new(),
        folder: Default::default(),
    }
}

/// Nothing repairs copies: what is measured is the race of one write and one read.
pub(super) fn without_repairs(setup: &mut Setup) {
    setup.cluster.read_repair = ReadRepair::Off;
    setup.cluster.anti_entropy = Switch::Off;
}

/// How many per cent of all values lie in each step of `width` milliseconds that has any.
pub(super) fn density(all: &Histogram, width: f64) -> Vec<(f64, f64)> {
    let mut steps: BTreeMap<u64, f64> = BTreeMap::new();
    let mut before = 0.0;
    for (ms, share) in all.cumulative() {
        *steps.entry((ms / width) as u64).or_default() += 100.0 * (share - before);
        before = share;
    }
    steps.into_iter().map(|(step, share)| (step as f64 * width, share)).collect()
}

/// Mean and a quantile, in milliseconds with one decimal.
pub(super) fn mean_and(all: &Histogram, q: f64) -> [String; 2] {
    [all.mean(), all.quantile(q).ms].map(|ms| format!("{ms:.1}"))
}

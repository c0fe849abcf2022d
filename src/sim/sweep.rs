//! Many runs, on all cores and on many machines.

use super::outcome::Outcome;
use super::setup::Setup;
use super::world::Prepared;
use anyhow::{Result, ensure};
use std::num::NonZeroUsize;
use std::str::FromStr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Most runs of a sweep.
pub const MAX_RUNS: u64 = 1_000_000_000;

/// Which seeds are run: those from `seed` on, `runs` of them, of which this machine takes its share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seeds {
    /// The first one.
    pub seed: u64,
    /// How many.
    pub runs: u64,
    /// Which of them are taken here.
    pub shard: Shard,
}

/// One of several shares, as even as can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Which, from 0.
    pub index: u64,
    /// Of how many.
    pub of: u64,
}

impl Shard {
    /// Everything.
    pub const WHOLE: Shard = Shard { index: 0, of: 1 };
}

/// As on the command line: `0/4` to `3/4`.
impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Shard, String> {
        let parts = text.split_once('/');
        let shard = parts.and_then(|(index, of)| {
            Some(Shard { index: index.parse().ok()?, of: of.parse().ok()? })
        });
        let fits = shard.filter(|shard| shard.index < shard.of);
        fits.ok_or_else(|| format!("{text:?} is no share; use 0/4 to 3/4 for four shares"))
    }
}

impl Seeds {
    /// Whether there are as many seeds.
    ///
    /// # Errors
    /// In one sentence, if not.
    pub fn check(self) -> Result<()> {
        ensure!((1..=MAX_RUNS).contains(&self.runs), "{} runs; use 1 to {MAX_RUNS}", self.runs);
        ensure!(self.seed.checked_add(self.runs).is_some(), "there are no {} seeds", self.runs);
        Ok(())
    }

    /// The seeds taken here, in order: every `of`-th one, so that shares are alike.
    pub fn here(self) -> impl Iterator<Item = u64> {
        let Seeds { seed, runs, shard } = self;
        (seed.saturating_add(shard.index)..seed + runs)
            .step_by(usize::try_from(shard.of).unwrap_or(usize::MAX))
    }
}

/// Runs all seeds. Nothing but setup and seeds decides on the sum. `goes_on` is told how many runs
/// are done, and may end it all; what has been done by then is returned, and whether it is all.
///
/// # Errors
/// A setup that cannot be simulated, in one sentence.
pub fn sweep(
    setup: &Setup,
    seeds: Seeds,
    threads: NonZeroUsize,
    goes_on: &(dyn Fn(u64) -> bool + Sync),
) -> Result<(Outcome, bool)> {
    let prepared = Prepared::new(setup)?;
    let (taken, done) = (Mutex::new(seeds.here()), AtomicU64::new(0));
    let stopped = AtomicBool::new(false);
    let whole = Mutex::new(Outcome::default());
    let next = || taken.lock().expect("no thread panics with it").next();
    let work = || {
        let mut part = Outcome::default();
        while !stopped.load(Ordering::Relaxed)
            && let Some(seed) = next()
        {
            part.merge(&prepared.run(seed));
            if !goes_on(done.fetch_add(1, Ordering::Relaxed) + 1) {
                stopped.store(true, Ordering::Relaxed);
            }
        }
        whole.lock().expect("no thread panics with it").merge(&part);
    };
    std::thread::scope(|scope| {
        (1..threads.get()).for_each(|_| _ = scope.spawn(work));
        work();
    });
    let whole = whole.into_inner().expect("no thread panics with it");
    Ok((whole, !stopped.into_inner()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_disjoint_and_leave_nothing_out() {
        let shards = ["0/3", "1/3", "2/3"].map(|text| text.parse().unwrap());
        let mut all: Vec<u64> =
            shards.into_iter().flat_map(|shard| Seeds { seed: 5, runs: 8, shard }.here()).collect();
        all.sort_unstable();
        assert_eq!(all, (5..13).collect::<Vec<_>>());
        let far = Seeds { seed: 0, runs: 2, shard: Shard { index: 5, of: 9 } };
        assert_eq!(far.here().count(), 0);
        for wrong in ["", "3", "3/3", "-1/3", "0/0", "1/x"] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
        }
    }
}

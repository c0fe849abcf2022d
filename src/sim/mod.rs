//! A seeded simulator: the unchanged core and the runtime's own shell, with simulated time, network,
//! disks, clients and faults. One thread, one event after the other; the same setup and seed give
//! the same run, bit for bit, on every machine.
//!
//! A run has two phases. While clients ask, things go wrong; then all is mended, and the replicas
//! must come to agree. Every answer and every change of every disk is judged against the true
//! history as it happens.

mod check;
mod clients;
mod disk;
mod faults;
mod host;
mod judge;
mod load;
mod mending;
mod network;
mod outcome;
mod queue;
mod setup;
mod shrink;
mod sum;
mod sweep;
mod world;

pub use load::Contact;
pub use outcome::{AGES_MS, Outcome, Probe, Staleness, Tally, Violation};
pub use setup::*;
pub use shrink::shrink;
pub use sum::{FORMAT, Sum};
pub use sweep::{MAX_RUNS, Seeds, Shard, sweep};

use anyhow::Result;
use world::Prepared;

/// Simulates one run.
///
/// # Errors
/// A setup that cannot be simulated, in one sentence.
pub fn run(setup: &Setup, seed: u64) -> Result<Outcome> {
    Ok(Prepared::new(setup)?.run(seed))
}

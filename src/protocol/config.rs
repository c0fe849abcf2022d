//! What is fixed for the life of a cluster: outside the state, shared by all nodes.

use crate::ring::Ring;
use crate::versions::Versioning;
use serde::{Deserialize, Serialize};

/// What a get does about replicas that hold an old copy (paper §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ReadRepair {
    /// Nothing.
    Off,
    /// After the answer, stragglers included, it sends them what it has read.
    Async,
    /// Before the answer it waits until N-R+1 replicas hold what it returns, so that no later
    /// read can miss it: monotonic quorum reads (bug C3).
    Blocking,
}

/// The quorums and schemes of a cluster.
#[derive(Clone, Debug)]
pub struct Config {
    n: u8,
    r: u8,
    w: u8,
    versioning: Versioning,
    read_repair: ReadRepair,
    ring: Ring,
}

/// Why a configuration is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// R or W is not within 1..=N.
    #[error("{name} is {value}, but must be between 1 and N={n}")]
    Quorum {
        /// `R` or `W`.
        name: &'static str,
        /// Its value.
        value: u8,
        /// The replicas of a key.
        n: u8,
    },
}

impl Config {
    /// A configuration of `ring`, which fixes N.
    pub fn new(
        ring: Ring,
        r: u8,
        w: u8,
        versioning: Versioning,
        read_repair: ReadRepair,
    ) -> Result<Config, ConfigError> {
        let n = ring.n();
        for (name, value) in [("R", r), ("W", w)] {
            if !(1..=n).contains(&value) {
                return Err(ConfigError::Quorum { name, value, n });
            }
        }
        Ok(Config { n, r, w, versioning, read_repair, ring })
    }

    /// Replicas of a key.
    pub fn n(&self) -> u8 {
        self.n
    }

    /// Replicas that must answer a get.
    pub fn r(&self) -> u8 {
        self.r
    }

    /// Replicas that must hold a put.
    pub fn w(&self) -> u8 {
        self.w
    }

    /// Replicas that must hold what a blocking get returns, so that every later read meets one.
    pub fn confirmations(&self) -> u8 {
        self.n - self.r + 1
    }

    /// How versions are ordered.
    pub fn versioning(&self) -> Versioning {
        self.versioning
    }

    /// What a get does about old copies.
    pub fn read_repair(&self) -> ReadRepair {
        self.read_repair
    }

    /// Who owns what.
    pub fn ring(&self) -> &Ring {
        &self.ring
    }
}

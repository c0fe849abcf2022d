//! What is fixed for the life of a cluster: outside the state, shared by all nodes.

use crate::membership::Membership;
use crate::policy::Policy;
use crate::ring::{Layout, Ring};
use crate::versions::Versioning;
use alloc::sync::Arc;
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

/// Whose answers count towards R and W.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Quorum {
    /// Those of the key's top N nodes only.
    Strict,
    /// Those of the first N healthy nodes of the key's preference list (paper §4.6).
    Sloppy,
}

/// Which writes of clients' data are on disk before they are answered for (paper §6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DurabilityMode {
    /// Every one.
    Durable,
    /// None: a crash loses what is still in the buffer.
    Buffered,
    /// One replica of each put writes durably. The coordinator waits for W answers, not for that
    /// one's.
    OneDurable,
}

/// How a cluster deals with failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FailureHandling {
    /// Whose answers count, unless a request says otherwise.
    pub quorum: Quorum,
    /// Whether fallbacks give their hints back to whom they stand in for (paper §4.6).
    pub handoff: bool,
    /// Whether owners compare their copies and exchange what differs (paper §4.7).
    pub anti_entropy: bool,
    /// Which writes are durable (paper §6.1).
    pub durability: DurabilityMode,
    /// Whether a tombstone goes once every node has shown that nothing older is left.
    pub reap: bool,
    /// Whether nodes tell each other of changes of the layout (paper §4.8).
    pub gossip: bool,
}

impl Default for FailureHandling {
    fn default() -> FailureHandling {
        FailureHandling {
            quorum: Quorum::Strict,
            handoff: true,
            anti_entropy: false,
            durability: DurabilityMode::Durable,
            reap: false,
            gossip: false,
        }
    }
}

/// The quorums and schemes of a cluster.
#[derive(Clone, Debug)]
pub struct Config {
    n: u8,
    r: u8,
    w: u8,
    versioning: Versioning,
    read_repair: ReadRepair,
    failures: FailureHandling,
    policy: Policy,
    ring: Arc<Ring>,
    founding: Option<Arc<Membership>>,
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
    /// Only dots of fresh epochs keep what is put after a reaped delete from being covered by a late
    /// copy of the tombstone (bug B1).
    #[error(
        "tombstones can only be reaped where versions are dotted: set `versioning` to `dotted`, or `reap` to `off`"
    )]
    ReapsWithoutDots,
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
        let (failures, policy) = (FailureHandling::default(), Policy::default());
        let (ring, founding) = (Arc::new(ring), None);
        Ok(Config { n, r, w, versioning, read_repair, failures, policy, ring, founding })
    }

    /// A configuration of the cluster that was founded on `layout`, and may have changed since.
    ///
    /// # Errors
    /// As for [`Config::new`].
    pub fn founded_on(
        layout: Layout,
        r: u8,
        w: u8,
        versioning: Versioning,
        read_repair: ReadRepair,
    ) -> Result<Config, ConfigError> {
        let config = Config::new(Ring::new(&layout), r, w, versioning, read_repair)?;
        Ok(config.found(Some(layout)))
    }

    /// Nodes that go by other settings are no nodes of this cluster.
    fn found(self, layout: Option<Layout>) -> Config {
        let settings = (self.r, self.w, self.versioning, self.read_repair, self.failures);
        let founding = layout.map(|layout| Arc::new(Membership::founding(layout, &settings)));
        Config { founding, ..self }
    }

    /// The same, with other ways to deal with failures than the defaults.
    pub fn with(self, failures: FailureHandling) -> Result<Config, ConfigError> {
        if failures.reap && self.versioning != Versioning::Dotted {
            return Err(ConfigError::ReapsWithoutDots);
        }
        let layout = self.founding.as_ref().map(|founding| founding.current().clone());
        Ok(Config { failures, ..self }.found(layout))
    }

    /// The same, with decisions made as in the museum.
    #[must_use]
    pub fn with_policy(self, policy: Policy) -> Config {
        Config { policy, ..self }
    }

    /// What is decided where it could be decided otherwise.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// How the cluster deals with failures.
    pub fn failures(&self) -> &FailureHandling {
        &self.failures
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

    /// Who owned what when the cluster was founded.
    pub fn ring(&self) -> &Arc<Ring> {
        &self.ring
    }

    /// Who took part when the cluster was founded; `None` if it was not founded on a layout.
    pub fn founding(&self) -> Option<&Arc<Membership>> {
        self.founding.as_ref()
    }
}

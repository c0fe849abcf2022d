//! The cluster's quorums and schemes, as configuration files and command lines name them.

use dynamo_protocol::config::{self, Config, FailureHandling};
use dynamo_protocol::ring::{Layout, Member, Strategy};
use dynamo_protocol::versions;
use serde::{Deserialize, Serialize};

/// Partitions under strategies 2 and 3, unless the file says otherwise.
pub const DEFAULT_PARTITIONS: u32 = 1024;

/// Tokens of a node under strategies 1 and 2, unless the file says otherwise.
pub const DEFAULT_TOKENS: u32 = 128;

/// The table `[cluster]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Scheme {
    /// Replicas of a key.
    pub n: u8,
    /// Replicas that must answer a get.
    pub r: u8,
    /// Replicas that must hold a put.
    pub w: u8,
    /// How versions are ordered.
    #[serde(default)]
    pub versioning: Versioning,
    /// Pairs that a vector clock keeps; without it, all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_limit: Option<u8>,
    /// What a get does about old copies.
    #[serde(default)]
    pub read_repair: ReadRepair,
    /// The paper's partitioning strategy (§6.2): 1, 2 or 3.
    #[serde(default = "three")]
    pub strategy: u8,
    /// Equal partitions, under strategies 2 and 3.
    #[serde(default = "default_partitions")]
    pub partitions: u32,
    /// Tokens of a node of weight 1, under strategies 1 and 2.
    #[serde(default = "default_tokens")]
    pub tokens: u32,
    /// Whose answers count towards R and W, unless a request says otherwise.
    #[serde(default)]
    pub quorum: Quorum,
    /// Whether fallbacks give back what they keep for others.
    #[serde(default = "on")]
    pub handoff: Switch,
    /// Whether owners compare their copies.
    #[serde(default = "on")]
    pub anti_entropy: Switch,
    /// Which writes are on disk before they are answered for.
    #[serde(default)]
    pub durability: Durability,
    /// Whether tombstones are removed once no node knows anything older.
    #[serde(default = "off")]
    pub reap: Switch,
}

/// Whose answers count (see [`config::Quorum`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Quorum {
    /// Those of the key's top N nodes only.
    Strict,
    /// Those of the first N healthy nodes of the key's preference list.
    #[default]
    Sloppy,
}

/// Which writes are on disk before they are answered for (see [`config::DurabilityMode`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Durability {
    /// Every one.
    #[default]
    Durable,
    /// None; they follow within flush-ms.
    Buffered,
    /// That of one replica of each put.
    OneDurable,
}

/// Something that can be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Switch {
    /// It is there.
    On,
    /// It is not.
    Off,
}

/// How versions are ordered (see [`versions::Versioning`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Versioning {
    /// Dotted version vectors.
    #[default]
    Dotted,
    /// The paper's vector clock.
    VectorClock,
    /// The latest stamp wins.
    LastWriterWins,
}

/// What a get does about old copies (see [`config::ReadRepair`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum ReadRepair {
    /// Nothing.
    Off,
    /// It repairs them after the answer.
    #[default]
    Async,
    /// It repairs N-R+1 of them before the answer.
    Blocking,
}

impl Scheme {
    /// The usual scheme with these quorums.
    pub fn with_quorums(n: u8, r: u8, w: u8) -> Scheme {
        Scheme {
            n,
            r,
            w,
            versioning: Versioning::default(),
            clock_limit: None,
            read_repair: ReadRepair::default(),
            strategy: three(),
            partitions: DEFAULT_PARTITIONS,
            tokens: DEFAULT_TOKENS,
            quorum: Quorum::default(),
            handoff: Switch::On,
            anti_entropy: Switch::On,
            durability: Durability::default(),
            reap: Switch::Off,
        }
    }

    /// What the core makes of it.
    ///
    /// # Errors
    /// One sentence about what does not fit together.
    pub fn protocol(&self, members: impl Iterator<Item = Member>) -> Result<Config, String> {
        let layout = self.layout(members)?;
        let (r, w, read_repair) = (self.r, self.w, self.read_repair.into());
        let config = Config::founded_on(layout, r, w, self.versioning()?, read_repair);
        config.and_then(|config| config.with(self.failures())).map_err(|error| error.to_string())
    }

    fn failures(&self) -> FailureHandling {
        FailureHandling {
            quorum: self.quorum.into(),
            handoff: self.handoff == Switch::On,
            anti_entropy: self.anti_entropy == Switch::On,
            durability: self.durability.into(),
            reap: self.reap == Switch::On,
            gossip: true,
        }
    }

    fn versioning(&self) -> Result<versions::Versioning, String> {
        match (self.versioning, self.clock_limit) {
            (Versioning::VectorClock, Some(0)) => {
                Err("clock-limit is 0; use 1 or more, or leave it out".into())
            }
            (Versioning::VectorClock, limit) => Ok(versions::Versioning::VectorClock { limit }),
            (_, Some(_)) => {
                Err("clock-limit needs versioning = \"vector-clock\"; remove one of them".into())
            }
            (Versioning::Dotted, None) => Ok(versions::Versioning::Dotted),
            (Versioning::LastWriterWins, None) => Ok(versions::Versioning::LastWriterWins),
        }
    }

    /// Who takes part at first. The one place that founds a layout.
    fn layout(&self, members: impl Iterator<Item = Member>) -> Result<Layout, String> {
        let (tokens, partitions) = (self.tokens, self.partitions);
        let strategy = match self.strategy {
            1 => Strategy::RandomTokens { tokens },
            2 => Strategy::RandomTokensEqualPartitions { tokens, partitions },
            3 => Strategy::EqualPartitions { partitions },
            other => return Err(format!("there is no strategy {other}; use 1, 2 or 3")),
        };
        Layout::new(strategy, self.n, members.collect()).map_err(|error| error.to_string())
    }
}

impl From<ReadRepair> for config::ReadRepair {
    fn from(read_repair: ReadRepair) -> config::ReadRepair {
        match read_repair {
            ReadRepair::Off => config::ReadRepair::Off,
            ReadRepair::Async => config::ReadRepair::Async,
            ReadRepair::Blocking => config::ReadRepair::Blocking,
        }
    }
}

impl From<Quorum> for config::Quorum {
    fn from(quorum: Quorum) -> config::Quorum {
        match quorum {
            Quorum::Strict => config::Quorum::Strict,
            Quorum::Sloppy => config::Quorum::Sloppy,
        }
    }
}

impl From<Durability> for config::DurabilityMode {
    fn from(durability: Durability) -> config::DurabilityMode {
        match durability {
            Durability::Durable => config::DurabilityMode::Durable,
            Durability::Buffered => config::DurabilityMode::Buffered,
            Durability::OneDurable => config::DurabilityMode::OneDurable,
        }
    }
}

fn on() -> Switch {
    Switch::On
}

fn off() -> Switch {
    Switch::Off
}

fn three() -> u8 {
    3
}

fn default_partitions() -> u32 {
    DEFAULT_PARTITIONS
}

fn default_tokens() -> u32 {
    DEFAULT_TOKENS
}

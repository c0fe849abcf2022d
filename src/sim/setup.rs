//! The file that says what is to be simulated.

use super::load::Contact;
pub use crate::latency::Latency;
use crate::latency::Spec;
use crate::shell::delays::Lengths;
use crate::shell::scheme::Scheme;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Most nodes: as many as a ring may have.
pub const MAX_NODES: u32 = dynamo_protocol::ring::MAX_MEMBERS as u32;

/// Most clients.
pub const MAX_CLIENTS: u32 = 100_000;

/// Most keys.
pub const MAX_KEYS: u32 = 10_000_000;

/// Most that a clock may differ from the true time, in milliseconds.
pub const MAX_SKEW_MS: u64 = 1_000_000;

/// Longest simulated time, in milliseconds: a week.
pub const MAX_MS: u64 = 7 * 24 * 3_600_000;

/// What is to be simulated. Times are milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Setup {
    /// What it is about, in a line.
    #[serde(default)]
    pub title: String,
    /// How many nodes.
    pub nodes: u32,
    /// Quorums and schemes, as in a node's configuration.
    pub cluster: Scheme,
    /// How long the core's delays are.
    #[serde(default)]
    pub timers: Lengths,
    /// How messages travel.
    #[serde(default)]
    pub network: Network,
    /// What the machines are like.
    #[serde(default)]
    pub machines: Machines,
    /// What clients do.
    #[serde(default)]
    pub load: Load,
    /// What goes wrong.
    #[serde(default)]
    pub faults: Faults,
    /// How long the cluster may take to agree once all is mended.
    #[serde(default = "settle_ms")]
    pub settle_ms: u64,
    /// Properties that must hold beside those that always must.
    #[serde(default)]
    pub holds: Vec<Property>,
    /// Properties that need not hold, although they usually must.
    #[serde(default)]
    pub may_fail: Vec<Property>,
    /// Where files of measured delays are looked for.
    #[serde(skip)]
    pub folder: PathBuf,
}

/// What is judged of every run; see the table in README. The order is that of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Property {
    /// Every acknowledged write is held somewhere, or covered by what is.
    NoLostWrite,
    /// One dot never names two values.
    UniqueDots,
    /// No two siblings of which one covers the other.
    NoFalseConcurrency,
    /// What was overwritten by an acknowledged write, once gone, never returns.
    NoResurrection,
    /// Once all is mended the replicas of every key agree, in time.
    Converges,
    /// A read covers the session's own acknowledged writes.
    ReadYourWrites,
    /// A read covers what the session has read before.
    MonotonicReads,
    /// A read covers what was acknowledged before it began, and nothing that was overwritten.
    Regular,
}

impl Property {
    /// All of them.
    pub const ALL: [Property; 8] = [
        Property::NoLostWrite,
        Property::UniqueDots,
        Property::NoFalseConcurrency,
        Property::NoResurrection,
        Property::Converges,
        Property::ReadYourWrites,
        Property::MonotonicReads,
        Property::Regular,
    ];

    /// Whether it must hold unless the file says otherwise. The others depend on R + W, sessions
    /// and read repair; how often they fail is told in any case.
    pub fn is_expected(self) -> bool {
        self <= Property::Converges
    }
}

/// How messages travel between nodes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Network {
    /// How long they take.
    pub latency: Latency,
    /// The probability that one is lost.
    pub loss: f64,
    /// The probability that one comes twice, each copy in its own time.
    pub duplicate: f64,
    /// How long a client's request and its answer take, each.
    pub client: Spec,
    /// Links that are otherwise, by direction; the first that fits counts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<Link>,
}

/// Links from some nodes to some.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Link {
    /// From these; all if there are none.
    #[serde(default)]
    pub from: Vec<u32>,
    /// To these; all if there are none.
    #[serde(default)]
    pub to: Vec<u32>,
    /// How long they take.
    pub latency: Latency,
    /// The probability that one is lost.
    #[serde(default)]
    pub loss: f64,
}

/// What the machines are like.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Machines {
    /// How long a node works on one input; it works on one at a time.
    pub processing: Spec,
    /// Clocks differ from the true time by up to so much, either way.
    pub clock_skew_ms: u64,
    /// How long a buffered write may stay in the buffer.
    pub flush_ms: u64,
}

/// What clients do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Load {
    /// How many clients there are; each waits for its answer before it asks again.
    pub clients: u32,
    /// So many requests a second by whoever is free (an open loop). Without it every client goes on
    /// as soon as it may (a closed loop).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// How long a client thinks between two requests, in a closed loop.
    pub think: Spec,
    /// Whether all clients wait for each other before each request.
    pub batches: bool,
    /// How long they go on.
    pub duration_ms: u64,
    /// After how many requests they end, if earlier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests: Option<u64>,
    /// How many keys there are.
    pub keys: u32,
    /// Which of them are asked for.
    pub choice: Choice,
    /// Whom a client asks.
    pub contact: Contact,
    /// After how long it gives up, and goes on as a new session.
    pub timeout_ms: u64,
    /// How many bytes a value has.
    pub value_bytes: u32,
    /// What is done how often.
    pub mix: Mix,
    /// Instead of the mix: a put of a key of its own, and, so many milliseconds after it was
    /// acknowledged (one of these, drawn each time), a get of it. What PBS asks about.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub probes_ms: Vec<f64>,
}

/// Which keys are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Choice {
    /// All alike.
    Uniform,
    /// The first so many of them get this share.
    Hotspot {
        /// How many.
        keys: u32,
        /// From 0 to 1.
        share: f64,
    },
    /// The k-th with a weight of 1 / k^s.
    Zipf(f64),
}

/// How often what is done, beside the others. Whoever names some leaves out the rest.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Mix {
    /// A get.
    #[serde(default)]
    pub get: f64,
    /// A put over what the session has read last of the key, if anything.
    #[serde(default)]
    pub put: f64,
    /// A get, and a put over what it has returned: the shopping cart of the paper's §4.4.
    #[serde(default)]
    pub update: f64,
    /// A put that replaces nothing.
    #[serde(default)]
    pub blind: f64,
    /// A delete of what the session has read last, if anything.
    #[serde(default)]
    pub delete: f64,
}

/// What goes wrong, until the clients end. What is not named does not.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Faults {
    /// Nodes crash and come back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crashes: Option<Crashes>,
    /// The nodes are split.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partitions: Option<Partitions>,
    /// Links hold back what is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clogs: Option<Every>,
    /// Nodes work slowly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slowness: Option<Slowness>,
    /// What goes wrong at certain times, beside or instead of the above.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<Event>,
}

/// Something that comes by chance, again and again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Every {
    /// The mean time between the begins of two, which are exponential.
    pub every_ms: f64,
    /// How long each lasts.
    pub lasts: Spec,
}

/// Nodes crash and come back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Crashes {
    /// The mean time between two, which are exponential.
    pub every_ms: f64,
    /// How long a node is down.
    pub lasts: Spec,
    /// How many nodes are down at most.
    #[serde(default = "one")]
    pub at_a_time: u32,
    /// The probability that the disk is lost as well.
    #[serde(default)]
    pub erase: f64,
    /// How many disks are lost in all.
    #[serde(default)]
    pub disk_losses: u32,
}

/// The nodes are split in two sides.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Partitions {
    /// The mean time between the begins of two, which are exponential.
    pub every_ms: f64,
    /// How long each lasts.
    pub lasts: Spec,
    /// The probability that only one of two directions is cut.
    #[serde(default)]
    pub one_way: f64,
}

/// Nodes work slowly.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Slowness {
    /// The mean time between the begins of two, which are exponential.
    pub every_ms: f64,
    /// How long each lasts.
    pub lasts: Spec,
    /// How long an input takes more.
    pub extra_ms: f64,
}

/// One fault. Exactly one of those named goes wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Event {
    /// When.
    pub at_ms: f64,
    /// How long it lasts.
    pub for_ms: f64,
    /// This node is down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crash: Option<u32>,
    /// This node is down, and comes back with an empty disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erase: Option<u32>,
    /// Nothing comes from these nodes to the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mute: Option<Vec<u32>>,
    /// Nothing comes from the others to these nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deafen: Option<Vec<u32>>,
    /// Neither: a partition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split: Option<Vec<u32>>,
    /// What the first sends to the second comes only when it is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clog: Option<(u32, u32)>,
    /// This node takes so many milliseconds more for each input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow: Option<(u32, f64)>,
}

impl Default for Network {
    fn default() -> Network {
        let latency = Latency::All(Spec::Uniform { low: 1.0, high: 10.0 });
        let (loss, duplicate, client) = (0.0, 0.0, Spec::Constant(0.0));
        Network { latency, loss, duplicate, client, links: Vec::new() }
    }
}

impl Default for Machines {
    fn default() -> Machines {
        Machines { processing: Spec::Constant(0.0), clock_skew_ms: 0, flush_ms: 1_000 }
    }
}

impl Default for Load {
    fn default() -> Load {
        Load {
            clients: 5,
            rate: None,
            think: Spec::Exponential { rate: 0.05 },
            batches: false,
            duration_ms: 10_000,
            requests: None,
            keys: 20,
            choice: Choice::Uniform,
            contact: Contact::Random,
            timeout_ms: 3_000,
            value_bytes: 16,
            mix: Mix::default(),
            probes_ms: Vec::new(),
        }
    }
}

impl Default for Mix {
    fn default() -> Mix {
        Mix { get: 40.0, put: 20.0, update: 20.0, blind: 10.0, delete: 10.0 }
    }
}

fn settle_ms() -> u64 {
    120_000
}

fn one() -> u32 {
    1
}

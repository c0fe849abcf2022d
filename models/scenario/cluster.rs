//! The cluster of a scenario, and the faults that may befall it.

use super::{MAX_NODES, MAX_PUTS, Problem, names::named};
use dynamo_protocol::policy::Policy;

/// The cluster that a scenario speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cluster {
    /// How many nodes there are: 1 to [`MAX_NODES`].
    pub nodes: u8,
    /// N: how many nodes hold a key (paper §4.3). At most `nodes`.
    pub n: u8,
    /// R: how many replicas a get waits for (paper §4.5). At most N.
    pub r: u8,
    /// W: how many replicas a put waits for (paper §4.5). At most N.
    pub w: u8,
    /// Whose answers count, unless a step says otherwise.
    pub quorum: Quorum,
    /// How versions of a key are told apart.
    pub versioning: Versioning,
    /// What a coordinator does about stale replicas that answered its get.
    pub read_repair: ReadRepair,
    /// Hinted handoff (paper §4.6): whether a fallback gives its hints back to their home.
    pub handoff: Switch,
    /// Anti-entropy (paper §4.7): whether replicas compare Merkle trees and exchange what differs.
    pub anti_entropy: Switch,
    /// When a write is on disk.
    pub durability: Durability,
    /// Whether tombstones that every replica holds are removed.
    pub reap: Switch,
    /// What is decided wrongly, to re-create a known bug.
    pub policy: Policy,
}

named! {
    /// Whose answers count towards R and W.
    pub enum Quorum: "quorum", later [] {
        /// Those of the key's top N nodes only.
        Strict = "strict",
        /// Those of the first N healthy nodes on the walk of the key's preference list (paper §4.6).
        /// Where all nodes hold the key there are no fallbacks, and it is as good as strict.
        Sloppy = "sloppy",
    }
}

named! {
    /// Whether something is done.
    pub enum Switch: "switch", later [] {
        /// It is not.
        Off = "off",
        /// It is.
        On = "on",
    }
}

impl Switch {
    /// Whether it is on.
    pub fn is_on(self) -> bool {
        self == Switch::On
    }
}

named! {
    /// When a write is on disk (paper §6.1).
    pub enum Durability: "durability", later [] {
        /// Before it is answered, on every replica.
        Durable = "durable",
        /// Some time after: a crash loses what is still in the buffer.
        Buffered = "buffered",
        /// As buffered, but one replica of each put has it on disk before it answers.
        OneDurable = "one-durable",
    }
}

named! {
    /// What a coordinator does about stale replicas that answered its get (paper §5).
    pub enum ReadRepair: "read-repair", later [] {
        /// Nothing.
        Off = "off",
        /// It repairs them after the reply.
        Async = "async",
        /// It replies once N-R+1 replicas hold what the get returns.
        Blocking = "blocking",
    }
}

/// How versions of a key are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Versioning {
    /// Dotted version vectors.
    Dotted,
    /// The paper's vector clocks (§4.4).
    VectorClock {
        /// How many (node, counter) pairs a clock keeps, 1 to [`MAX_PUTS`]: the paper's truncation,
        /// which drops the oldest. `None` keeps all.
        limit: Option<u8>,
    },
    /// The highest timestamp wins; there are no siblings.
    LastWriterWins,
}

impl Versioning {
    /// Its names in scenario files.
    pub(super) const NAMES: [&'static str; 3] = ["dotted", "vector-clock", "last-writer-wins"];

    /// Its name in scenario files.
    pub const fn name(self) -> &'static str {
        match self {
            Versioning::Dotted => Self::NAMES[0],
            Versioning::VectorClock { .. } => Self::NAMES[1],
            Versioning::LastWriterWins => Self::NAMES[2],
        }
    }

    /// How many pairs a clock keeps, where there is a limit.
    pub const fn clock_limit(self) -> Option<u8> {
        match self {
            Versioning::VectorClock { limit } => limit,
            Versioning::Dotted | Versioning::LastWriterWins => None,
        }
    }
}

impl Cluster {
    /// Whether such a cluster can be: 1 <= R, W <= N <= nodes <= [`MAX_NODES`], and a clock limit of 1
    /// to [`MAX_PUTS`]. The parser has asked; whoever builds a cluster from elsewhere asks here.
    pub fn check(&self) -> Result<(), Problem> {
        let sizes = [self.nodes, self.n, self.r, self.w].map(i64::from);
        check_sizes(sizes).map_err(|(_, problem)| problem)?;
        match self.versioning.clock_limit() {
            Some(limit) => between("clock-limit", limit.into(), 1, MAX_PUTS as i64),
            None => Ok(()),
        }
    }

    /// The settings of failure handling that are not the defaults, for the line that describes the
    /// cluster: `, handoff off` and the like.
    pub(crate) fn unusual(&self) -> String {
        let settings = self.failure_handling().into_iter();
        let unusual = settings.filter(|(_, value, default)| value != default);
        let unusual = unusual.map(|(key, value, _)| format!(", {key} {value}"));
        let unsafe_choices = self.policy.unsafe_choices();
        let unsafe_choices =
            unsafe_choices.map(|(decision, choice)| format!(", UNSAFE {decision} {choice}"));
        unusual.chain(unsafe_choices).collect()
    }

    /// The keys that joined the format with failure handling, their values and their defaults.
    pub(super) fn failure_handling(&self) -> [(&'static str, &'static str, &'static str); 4] {
        [
            ("handoff", self.handoff.name(), Switch::On.name()),
            ("anti-entropy", self.anti_entropy.name(), Switch::Off.name()),
            ("durability", self.durability.name(), Durability::Durable.name()),
            ("reap", self.reap.name(), Switch::Off.name()),
        ]
    }
}

/// The total budget of each kind of fault, at most [`super::MAX_BUDGET`]: what is not budgeted cannot
/// happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Faults {
    /// Crashes of nodes; recovery is free.
    pub crashes: u8,
    /// Messages lost.
    pub drops: u8,
    /// Messages delivered once more.
    pub duplicates: u8,
    /// Requests that time out although an answer could still arrive.
    pub timeouts: u8,
    /// Losses of a node's disk, and of its process with it; recovery is free.
    pub disk_losses: u8,
    /// Splits of the nodes in two sides that do not hear each other; healing is free.
    pub partitions: u8,
    /// Faults of all kinds together, if there is a bound on that.
    pub total: Option<u8>,
}

impl Faults {
    /// Whether such faults can befall `cluster`: a partition has two sides. The parser has asked;
    /// whoever budgets faults from elsewhere asks here.
    pub fn check(&self, cluster: &Cluster) -> Result<(), Problem> {
        if self.partitions == 0 || cluster.nodes >= 2 {
            return Ok(());
        }
        let message = format!(
            "partitions is {} but nodes is {}; a partition splits the nodes in two sides",
            self.partitions, cluster.nodes
        );
        Err(Problem::new(message, "set nodes to at least 2 or remove partitions"))
    }
}

/// Checks nodes, N, R and W against each other; the first that is wrong is named.
pub(super) fn check_sizes(sizes: [i64; 4]) -> Result<(), (&'static str, Problem)> {
    let [nodes, n, r, w] = sizes;
    let at_most = |key, value, bound, of: &str, why: &str| {
        if value <= bound {
            return between(key, value, 1, bound).map_err(|problem| (key, problem));
        }
        let message = format!("{key} is {value} but {of} is {bound}; {why}");
        Err((key, Problem::new(message, format!("set {key} to at most {bound}"))))
    };
    between("nodes", nodes, 1, MAX_NODES.into()).map_err(|problem| ("nodes", problem))?;
    let why = "a key cannot have more replicas than there are nodes";
    at_most("n", n, nodes, "nodes", why)?;
    let why = "a read cannot wait for more replicas than there are";
    at_most("r", r, n, "n", why)?;
    let why = "a write cannot wait for more replicas than there are";
    at_most("w", w, n, "n", why)
}

/// Checks that a number is between two bounds, both included.
pub(super) fn between(key: &str, value: i64, low: i64, high: i64) -> Result<(), Problem> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    Err(Problem::new(format!("{key} is {value}"), format!("set {key} between {low} and {high}")))
}

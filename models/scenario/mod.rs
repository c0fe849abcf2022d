//! Scenarios: small questions about a cluster, one TOML file each.
//!
//! ```toml
//! format = 1
//! title = "Strict (3,2,2): two clients on one key"
//! schedule = "concurrent"      # or "sequential": a client starts when the one before it has finished
//! tier = "default"             # or "long": checked only with --all
//! f = 1                        # stores that vanish under durable-f, nodes down under available-*
//! note = "what was pinned and why"
//! reaches = ["read-repair"]    # what the exploration must have met, or the check differs
//!
//! [cluster]
//! nodes = 3
//! n = 3
//! r = 2
//! w = 2
//! quorum = "strict"            # or "sloppy": the first N healthy nodes of the key's walk count
//! versioning = "dotted"        # or "vector-clock", "last-writer-wins"
//! # clock-limit = 10           # only with "vector-clock": pairs kept
//! read-repair = "async"        # or "off", "blocking"
//! handoff = "on"               # or "off": fallbacks keep their hints
//! anti-entropy = "off"         # or "on": replicas compare Merkle trees
//! durability = "durable"       # or "buffered", "one-durable": what a crash may lose
//! reap = "off"                 # or "on": tombstones that every replica holds are removed
//!
//! [[client]]
//! # get, put, put-blind or delete, a key, and optionally the node asked and this request's quorum
//! steps = ["get k", "put k@0", "get k sloppy", "put k@1 strict"]
//!
//! [membership]                 # without it all nodes are members, and stay so
//! founders = 3                 # the first so many of the nodes are members at first
//! operators = [["leave 2@0"]]  # a list each; also "join 3@0", "replace 1 3@0", "down 1@0"
//! gossips = ["0-1", "0-2"]     # who begins gossips with whom; by default all with all
//!
//! [faults]                     # total budgets
//! crashes = 1                  # also: drops, duplicates, timeouts, disk-losses, partitions
//! # total = 2                  # of all kinds together
//!
//! [expect]                     # without it every property is asked
//! no-lost-write = "holds"      # or "refuted"
//! ```
//!
//! Only `format`, `title`, `nodes`, `n`, `r`, `w` and a client are required; what is shown above is
//! the default of `schedule`, `tier`, `f` and all of `[cluster]` that is not required, a budget is 0
//! unless it is given, and `reaches` demands nothing unless it is given ([`Mechanism`] has the names).

mod cluster;
mod error;
mod exhibit;
mod mechanism;
mod membership;
pub(crate) mod names;
mod parse;
mod print;
mod properties;
mod steps;
mod table;

pub use cluster::{Cluster, Durability, Faults, Quorum, ReadRepair, Switch, Versioning};
pub use error::{Problem, ScenarioError};
pub use exhibit::{Enumerated, Exhibit, Museum};
pub use mechanism::Mechanism;
pub use membership::{Gossip, MAX_OPERATORS, Membership, Move, Order};
pub use properties::{Expectation, Property, Subject};
pub use steps::{Op, Put, Step};

use names::named;
use std::{
    fs::{DirEntry, File},
    io::Read,
    path::{Path, PathBuf},
};

/// The file format that this crate reads and prints.
pub const FORMAT: u8 = 1;
/// Most nodes of a cluster.
pub const MAX_NODES: u8 = 7;
/// Most clients of a scenario.
pub const MAX_CLIENTS: usize = 4;
/// Most steps of a client.
pub const MAX_STEPS: usize = 8;
/// Most puts, blind puts and deletes of all clients together.
pub const MAX_PUTS: usize = 16;
/// The highest budget of one kind of fault.
pub const MAX_BUDGET: u8 = 8;
/// Most characters of a title.
pub const MAX_TITLE_CHARS: usize = 100;
/// Most characters of a note.
pub const MAX_NOTE_CHARS: usize = 4_000;
/// Most characters of a key.
pub const MAX_KEY_CHARS: usize = 32;
/// Most bytes of a scenario file.
pub const MAX_FILE_BYTES: usize = 64 * 1024;

named! {
    /// How the clients' scripts interleave.
    pub enum Schedule: "schedule", later [] {
        /// In every way.
        Concurrent = "concurrent",
        /// A client starts when the one before it has finished.
        Sequential = "sequential",
    }
}

named! {
    /// When a scenario is checked.
    pub enum Tier: "tier", later [] {
        /// Always.
        Default = "default",
        /// Only when all scenarios are asked for.
        Long = "long",
    }
}

/// A small question about a cluster: who asks what, what may go wrong, what should hold.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Scenario {
    /// One line.
    pub title: String,
    /// How the clients' scripts interleave.
    pub schedule: Schedule,
    /// When the scenario is checked.
    pub tier: Tier,
    /// How many stores vanish under [`Property::DurableF`], and at most how many nodes are down under
    /// [`Property::AvailableWrites`] and [`Property::AvailableReads`]: at most `cluster.nodes`.
    pub f: u8,
    /// What was pinned, and why.
    pub note: Option<String>,
    /// The cluster.
    pub cluster: Cluster,
    /// One script a client, none of them empty.
    pub clients: Vec<Vec<Step>>,
    /// Changes of the layout; without it all nodes are members, and stay so.
    pub membership: Option<Membership>,
    /// What may go wrong, and how often.
    pub faults: Faults,
    /// What the exploration must have met somewhere, so that a verdict that holds is not empty; in
    /// the order of [`Mechanism::ALL`], each once.
    pub reaches: Vec<Mechanism>,
    /// The properties asked, in the order of [`Property::ALL`]: those of `[expect]` with what is
    /// expected of them; all of them with no expectation where the file has no `[expect]`.
    pub expect: Vec<(Property, Option<Expectation>)>,
}

impl Scenario {
    /// Whether some request may use a sloppy quorum; final reads use the cluster's.
    pub fn asks_sloppily(&self) -> bool {
        let mut steps = self.clients.iter().flatten();
        self.cluster.quorum == Quorum::Sloppy || steps.any(|s| s.quorum == Some(Quorum::Sloppy))
    }

    /// Reads a scenario from its text; `file` is what errors call it.
    ///
    /// # Errors
    /// The first thing that is wrong, with its line.
    pub fn parse(text: &str, file: &str) -> Result<Self, ScenarioError> {
        parse::scenario(text, file)
    }

    /// Reads a scenario from a file.
    ///
    /// # Errors
    /// The file cannot be read, exceeds [`MAX_FILE_BYTES`] or is not UTF-8, or what [`Self::parse`]
    /// says.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, ScenarioError> {
        let (text, file) = read(path.as_ref())?;
        Self::parse(&text, &file)
    }

    /// Reads the scenario at a path, or all TOML files of the folder there, in the order of their
    /// names; each with the name of its file, without the ending.
    ///
    /// # Errors
    /// The folder cannot be listed, or what [`Self::load`] says of the first that cannot be read.
    pub fn load_all(path: impl AsRef<Path>) -> Result<Vec<(String, Self)>, ScenarioError> {
        let path = path.as_ref();
        let files = if path.is_dir() { files(path)? } else { vec![path.into()] };
        let load = |file: PathBuf| {
            let name = file.file_stem().unwrap_or(file.as_os_str()).to_string_lossy();
            Ok((name.into_owned(), Self::load(&file)?))
        };
        files.into_iter().map(load).collect()
    }

    /// The scenario as a file: whole, in one order whatever it was read from, with aligned comments.
    /// Reading it back gives an equal scenario.
    pub fn to_toml(&self) -> String {
        print::commented(self)
    }

    /// The scenario's fingerprint: blake3, in hexadecimal, of [`Self::to_toml`] without its comments
    /// (so that a reworded comment orphans no trace), and without those keys that joined the format
    /// later and have their default (so that a new key orphans none either).
    pub fn content_hash(&self) -> String {
        blake3::hash(print::bare(self).as_bytes()).to_hex().to_string()
    }

    /// How many nodes are members at first.
    pub fn founders(&self) -> u8 {
        self.membership.as_ref().map_or(self.cluster.nodes, |membership| membership.founders)
    }

    /// The keys, each once, in the order of their first use.
    pub fn keys(&self) -> Vec<&str> {
        let mut keys = Vec::new();
        for step in self.clients.iter().flatten() {
            if !keys.contains(&step.key.as_str()) {
                keys.push(step.key.as_str());
            }
        }
        keys
    }

    /// Every put, blind put and delete in script order, with the value that it writes.
    pub fn puts(&self) -> Vec<Put<'_>> {
        let steps = self.clients.iter().enumerate().flat_map(|(client, script)| {
            let steps = script.iter().enumerate();
            steps.map(move |(index, step)| (client, index, step))
        });
        (1..)
            .zip(steps.filter(|(_, _, step)| step.is_put()))
            .map(|(value, (client, index, step))| Put { value, client, index, step })
            .collect()
    }

    /// The question that `dynamo check --n 3 --r 2 --w 2` asks: one client reads and writes a key while
    /// another reads it twice; every property, with no expectation.
    ///
    /// Pinned, to keep the space small: the first client asks node 0, the second node 1 (or node 0 if
    /// it is alone). Both are of the key's top N if N is at least 2 and keys are placed from node 0 on.
    pub fn standard(cluster: Cluster, faults: Faults) -> Self {
        let step = |op, node: u8| Step {
            op,
            key: "k".into(),
            contact: Some(node % cluster.nodes.max(1)),
            quorum: None,
        };
        Scenario {
            title: format!(
                "Standard ({},{},{}): a writer and a reader on one key",
                cluster.n, cluster.r, cluster.w
            ),
            schedule: Schedule::Concurrent,
            tier: Tier::Default,
            f: 1,
            note: Some("Contacts are pinned: client 0 asks one node, client 1 another.".into()),
            cluster,
            clients: vec![
                vec![step(Op::Get, 0), step(Op::Put, 0)],
                vec![step(Op::Get, 1), step(Op::Get, 1)],
            ],
            membership: None,
            faults,
            reaches: Vec::new(),
            expect: ask_all(),
        }
    }
}

/// The TOML files of a folder, in the order of their names.
fn files(folder: &Path) -> Result<Vec<PathBuf>, ScenarioError> {
    let fail = |error: std::io::Error| {
        let problem = Problem::new(format!("cannot be listed ({error})"), "check the path");
        ScenarioError::of_file(&folder.display().to_string(), problem)
    };
    let entries: Result<Vec<_>, _> = folder.read_dir().map_err(fail)?.collect();
    let mut files: Vec<PathBuf> = entries.map_err(fail)?.iter().map(DirEntry::path).collect();
    files.retain(|path| path.extension().is_some_and(|ending| ending == "toml") && !path.is_dir());
    files.sort();
    Ok(files)
}

/// The text of a file, and what errors call it.
fn read(path: &Path) -> Result<(String, String), ScenarioError> {
    let file = path.display().to_string();
    let fail =
        |message: String, help: &str| ScenarioError::of_file(&file, Problem::new(message, help));
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|open| open.take(MAX_FILE_BYTES as u64 + 1).read_to_end(&mut bytes))
        .map_err(|error| fail(format!("cannot be read ({error})"), "check the path"))?;
    parse::check_size(bytes.len(), &file)?;
    let text = String::from_utf8(bytes)
        .map_err(|_| fail("is not UTF-8 text".into(), "save it as UTF-8"))?;
    Ok((text, file))
}

/// Every property, with no expectation.
fn ask_all() -> Vec<(Property, Option<Expectation>)> {
    Property::ALL.iter().map(|&property| (property, None)).collect()
}

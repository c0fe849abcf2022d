//! A scenario asked on the command line, without a file.

use clap::Args;
use dynamo_models::scenario::{
    Cluster, Durability, Faults, Property, Quorum, ReadRepair, Scenario, Switch, Versioning,
};
use dynamo_protocol::policy::Policy;
use std::time::Duration;

/// The settings that make a scenario, and so cannot be used beside a file that holds one.
pub(super) const OF_A_SCENARIO: [&str; 14] = [
    "n",
    "r",
    "w",
    "nodes",
    "quorum",
    "versioning",
    "clock_limit",
    "read_repair",
    "handoff",
    "anti_entropy",
    "durability",
    "reap",
    "faults",
    "print",
];

/// The standard two-client scenario under these settings.
#[derive(Args, Default)]
#[group(id = "Question", multiple = true)]
pub(crate) struct Question {
    /// Replicas of a key
    #[arg(long, value_name = "N")]
    n: Option<u8>,
    /// Replicas that must answer a get
    #[arg(long, requires = "n", value_name = "R")]
    r: Option<u8>,
    /// Replicas that must hold a put
    #[arg(long, requires = "n", value_name = "W")]
    w: Option<u8>,
    /// Nodes of the cluster [default: N]
    #[arg(long, requires = "n", value_name = "COUNT")]
    nodes: Option<u8>,
    /// strict: the key's top N nodes answer; sloppy: the first N healthy nodes [default: strict]
    #[arg(long, requires = "n", value_name = "QUORUM")]
    quorum: Option<Quorum>,
    /// dotted, vector-clock or last-writer-wins [default: dotted]
    #[arg(long, requires = "n", value_name = "SCHEME")]
    versioning: Option<String>,
    /// Pairs that a vector clock keeps [default: all]
    #[arg(long, requires = "versioning", value_name = "PAIRS")]
    clock_limit: Option<u8>,
    /// off, async or blocking [default: async]
    #[arg(long, requires = "n", value_name = "MODE")]
    read_repair: Option<ReadRepair>,
    /// Whether fallbacks give their hints back: on or off [default: on]
    #[arg(long, requires = "n", value_name = "SWITCH")]
    handoff: Option<Switch>,
    /// Whether replicas compare Merkle trees: on or off [default: off]
    #[arg(long, requires = "n", value_name = "SWITCH")]
    anti_entropy: Option<Switch>,
    /// When a write is on disk: durable (before it is answered), buffered (later, and a crash loses
    /// it) or one-durable (at once on one replica of each put) [default: durable]
    #[arg(long, requires = "n", value_name = "MODE")]
    durability: Option<Durability>,
    /// Whether tombstones that every replica holds are removed: on or off [default: off]
    #[arg(long, requires = "n", value_name = "SWITCH")]
    reap: Option<Switch>,
    /// Budgets of faults, as in crashes=1,drops=1 (also duplicates, timeouts, disk-losses,
    /// partitions)
    #[arg(long, requires = "n", value_name = "KIND=COUNT,...", value_parser = faults)]
    faults: Option<Faults>,
    /// Ask only this property (may be repeated)
    #[arg(long, value_name = "PROPERTY")]
    property: Vec<Property>,
    /// Print the scenario as a file, check nothing
    #[arg(long, requires = "n")]
    pub(crate) print: bool,
}

impl Question {
    /// The scenario asked for; none if no setting was given.
    pub(crate) fn scenario(&self) -> anyhow::Result<Option<Scenario>> {
        let Some(n) = self.n else { return Ok(None) };
        let majority = n / 2 + 1;
        let cluster = Cluster {
            nodes: self.nodes.unwrap_or(n),
            n,
            r: self.r.unwrap_or(majority),
            w: self.w.unwrap_or(majority),
            quorum: self.quorum.unwrap_or(Quorum::Strict),
            versioning: self.versioning()?,
            read_repair: self.read_repair.unwrap_or(ReadRepair::Async),
            handoff: self.handoff.unwrap_or(Switch::On),
            anti_entropy: self.anti_entropy.unwrap_or(Switch::Off),
            durability: self.durability.unwrap_or(Durability::Durable),
            reap: self.reap.unwrap_or(Switch::Off),
            policy: Policy::default(),
        };
        let faults = self.faults.unwrap_or_default();
        let possible = cluster.check().and_then(|()| faults.check(&cluster));
        possible.map_err(|problem| anyhow::anyhow!("{problem}"))?;
        let mut scenario = Scenario::standard(cluster, faults);
        self.narrow(&mut scenario);
        Ok(Some(scenario))
    }

    /// Lets `scenario` ask the properties of `--property` only, in the usual order. One that it does
    /// not ask by itself is asked with no expectation.
    pub(crate) fn narrow(&self, scenario: &mut Scenario) {
        if self.property.is_empty() {
            return;
        }
        let expected = |property| {
            let mut known = scenario.expect.iter();
            known.find_map(|&(p, expected)| (p == property).then_some(expected)).flatten()
        };
        let asked =
            Property::ALL.iter().copied().filter(|property| self.property.contains(property));
        scenario.expect = asked.map(|property| (property, expected(property))).collect();
    }

    fn versioning(&self) -> anyhow::Result<Versioning> {
        let limit = self.clock_limit;
        let scheme = self.versioning.as_deref().unwrap_or("dotted");
        match scheme {
            "vector-clock" => Ok(Versioning::VectorClock { limit }),
            "dotted" | "last-writer-wins" if limit.is_some() => {
                anyhow::bail!("--clock-limit needs --versioning vector-clock")
            }
            "dotted" => Ok(Versioning::Dotted),
            "last-writer-wins" => Ok(Versioning::LastWriterWins),
            other => anyhow::bail!(
                "--versioning {other:?} is unknown: use dotted, vector-clock or last-writer-wins"
            ),
        }
    }
}

/// Parses `crashes=1,drops=2`.
fn faults(text: &str) -> Result<Faults, String> {
    let mut faults = Faults::default();
    for part in text.split(',') {
        let (kind, count) = part.split_once('=').ok_or("write KIND=COUNT, as in crashes=1")?;
        let budget = match kind {
            "total" => faults.total.insert(0),
            "crashes" => &mut faults.crashes,
            "drops" => &mut faults.drops,
            "duplicates" => &mut faults.duplicates,
            "timeouts" => &mut faults.timeouts,
            "disk-losses" => &mut faults.disk_losses,
            "partitions" => &mut faults.partitions,
            _ => {
                return Err(format!(
                    "{kind:?} is none of crashes, drops, duplicates, timeouts, disk-losses, \
                     partitions, total"
                ));
            }
        };
        let count: u8 = count.parse().map_err(|_| format!("{count:?} is not a small number"))?;
        if count > dynamo_models::scenario::MAX_BUDGET {
            let most = dynamo_models::scenario::MAX_BUDGET;
            return Err(format!("a budget is at most {most}"));
        }
        *budget = count;
    }
    Ok(faults)
}

/// Parses `512MiB`; a bare number is bytes.
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    let units = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("", 1)];
    measure(text, &units).ok_or("write a size as in 512MiB or 4GiB".to_string())
}

/// Parses `30s`, `5m` or `1h`; a bare number is seconds.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let units = [("s", 1), ("m", 60), ("h", 3600), ("", 1)];
    let seconds = measure(text, &units).ok_or("write a time as in 30s, 5m or 1h")?;
    Ok(Duration::from_secs(seconds))
}

fn measure(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let (unit, digits) =
        units.iter().find_map(|(name, unit)| Some((unit, text.strip_suffix(name)?)))?;
    digits.trim().parse::<u64>().ok()?.checked_mul(*unit)
}

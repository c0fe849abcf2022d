//! A scenario asked on the command line, without a file.

use clap::Args;
use dynamo_models::scenario::{
    Cluster, Faults, Property, Quorum, ReadRepair, Scenario, Versioning,
};
use std::time::Duration;

/// The settings that make a scenario, and so cannot be used beside a file that holds one.
pub(super) const OF_A_SCENARIO: [&str; 9] =
    ["n", "r", "w", "nodes", "versioning", "clock_limit", "read_repair", "faults", "print"];

/// The standard two-client scenario under these settings.
#[derive(Args)]
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
    /// dotted, vector-clock or last-writer-wins [default: dotted]
    #[arg(long, requires = "n", value_name = "SCHEME")]
    versioning: Option<String>,
    /// Pairs that a vector clock keeps [default: all]
    #[arg(long, requires = "versioning", value_name = "PAIRS")]
    clock_limit: Option<u8>,
    /// off, async or blocking [default: async]
    #[arg(long, requires = "n", value_name = "MODE")]
    read_repair: Option<ReadRepair>,
    /// Budgets of faults, as in crashes=1,drops=1 (also duplicates, timeouts)
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
            quorum: Quorum::Strict,
            versioning: self.versioning()?,
            read_repair: self.read_repair.unwrap_or(ReadRepair::Async),
        };
        cluster.check().map_err(|problem| anyhow::anyhow!("{problem}"))?;
        let mut scenario = Scenario::standard(cluster, self.faults.unwrap_or_default());
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
            "crashes" => &mut faults.crashes,
            "drops" => &mut faults.drops,
            "duplicates" => &mut faults.duplicates,
            "timeouts" => &mut faults.timeouts,
            _ => return Err(format!("{kind:?} is none of crashes, drops, duplicates, timeouts")),
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

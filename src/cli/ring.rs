//! `dynamo ring`: which nodes store which keys (paper §4.2, §4.3, §4.6 and §6.2).

mod balance;
mod plot;

#[cfg(all(feature = "museum", feature = "sim"))]
pub(super) use balance::figure_8;

use anyhow::{Context as _, bail};
use comfy_table::{Table, presets};
use dynamo_protocol::ids::{Key, NodeId};
use dynamo_protocol::ring::{Layout, Member, Position, Ring, Strategy};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::process::ExitCode;

const DEFAULT_TOKENS: u32 = 128;
const DEFAULT_PARTITIONS: u32 = 1024;

const EXAMPLES: &str = "\
Examples:
  How evenly strategy 3 shares the ring among three nodes, one of them twice as large:
    dynamo ring --node A B C:2
  Where two keys live, with the replicas spread over zones:
    dynamo ring --node A:1:east B:1:east C:1:west D:1:west --key cart:1 --key cart:2
  Who stands in while B and D are down, as JSON:
    dynamo ring --node A B C D E --key cart:1 --down B D --json
  The same under random tokens, 256 for each unit of weight:
    dynamo ring --strategy 1 --tokens 256 --node A B C D E --key cart:1
  The paper's Figure 8, all three strategies at ever more metadata, with a plot:
    dynamo ring --balance --rings 2 --svg balance.svg";

/// Show which nodes store a key, who stands in for nodes that are down, and how even it all is.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RingArgs {
    /// The paper's partitioning strategy (§6.2): 1 random tokens, 2 random tokens over equal
    /// partitions, 3 equal partitions dealt out to the nodes.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=3))]
    strategy: u8,

    /// The nodes, in the order in which they join; the weight is 1 unless given.
    #[arg(long = "node", value_name = "NAME[:WEIGHT[:ZONE]]", num_args = 1.., value_parser = node)]
    nodes: Vec<NodeSpec>,

    /// Tokens for each unit of weight [strategies 1 and 2; default: 128].
    #[arg(long, value_name = "T")]
    tokens: Option<u32>,

    /// Equal partitions of the ring [strategies 2 and 3, with --balance only 2; default: 1024].
    #[arg(long, value_name = "Q")]
    partitions: Option<u32>,

    /// A key to look up; may be repeated. Without one, each node's share of the ring is shown.
    #[arg(long = "key", value_name = "KEY")]
    keys: Vec<String>,

    /// Replicas of each key.
    #[arg(long = "n", value_name = "N", default_value_t = 3)]
    n: u8,

    /// Names of nodes that cannot be reached.
    #[arg(long, value_name = "NAME", num_args = 1..)]
    down: Vec<String>,

    /// Print one JSON object.
    #[arg(long)]
    json: bool,

    /// Instead of one ring, compare how evenly the three strategies share the requests (§6.2).
    #[arg(long, conflicts_with_all = ["strategy", "nodes", "tokens", "keys", "down"])]
    balance: bool,

    #[command(flatten)]
    study: balance::StudyArgs,
}

/// Show where keys live on the ring that `args` describe.
///
/// # Errors
/// Bad usage, in one sentence; and a standard output that cannot be written.
pub(crate) fn run(args: RingArgs) -> anyhow::Result<ExitCode> {
    if args.balance {
        return balance::run(&args);
    }
    let layout = layout(&args)?;
    let names = Names::of(&layout);
    let down = names.nodes(&args.down)?;
    let ring = Ring::new(&layout);
    let places: Vec<Place> =
        args.keys.iter().map(|key| Place::of(key, &ring, &names, &down)).collect();
    let shares = shares(&ring);
    let text = if args.json {
        json_text(&args, &places, &shares, &names)
    } else if args.keys.is_empty() {
        balance_table(&layout, &shares)
    } else {
        place_table(&places, !down.is_empty())
    };
    super::say(format_args!("{text}\n"))?;
    Ok(ExitCode::SUCCESS)
}

/// One value of `--node`.
#[derive(Clone, Debug)]
struct NodeSpec {
    name: String,
    weight: u32,
    zone: Option<String>,
}

fn node(text: &str) -> Result<NodeSpec, String> {
    let mut parts = text.splitn(3, ':');
    let name = parts.next().filter(|name| !name.is_empty()).ok_or("the name is empty")?;
    let weight = match parts.next() {
        None | Some("") => 1,
        Some(weight) => weight
            .parse()
            .map_err(|_| format!("the weight {weight:?} is not a whole number; use 1 or more"))?,
    };
    let zone = parts.next().filter(|zone| !zone.is_empty()).map(str::to_string);
    Ok(NodeSpec { name: name.to_string(), weight, zone })
}

fn layout(args: &RingArgs) -> anyhow::Result<Layout> {
    if args.nodes.is_empty() {
        bail!("no nodes are given; name them, as in --node A B C:2:zone");
    }
    let member = |(id, spec): (u64, &NodeSpec)| Member {
        id: NodeId(id),
        name: spec.name.clone(),
        weight: spec.weight,
        zone: spec.zone.clone(),
        address: String::new(),
    };
    let members = (0..).zip(&args.nodes).map(member).collect();
    Layout::new(strategy(args)?, args.n, members).context("these options give no ring")
}

fn strategy(args: &RingArgs) -> anyhow::Result<Strategy> {
    let tokens = args.tokens.unwrap_or(DEFAULT_TOKENS);
    let partitions = args.partitions.unwrap_or(DEFAULT_PARTITIONS);
    match args.strategy {
        1 if args.partitions.is_some() => {
            bail!("--partitions means nothing under strategy 1; drop it or choose strategy 2 or 3")
        }
        3 if args.tokens.is_some() => {
            bail!("--tokens means nothing under strategy 3; drop it or choose strategy 1 or 2")
        }
        1 => Ok(Strategy::RandomTokens { tokens }),
        2 => Ok(Strategy::RandomTokensEqualPartitions { tokens, partitions }),
        _ => Ok(Strategy::EqualPartitions { partitions }),
    }
}

/// The members' names, each at its id.
struct Names(Vec<String>);

impl Names {
    fn of(layout: &Layout) -> Names {
        Names(layout.members().iter().map(|member| member.name.clone()).collect())
    }

    fn name(&self, node: NodeId) -> String {
        self.0[node.0 as usize].clone()
    }

    fn names(&self, nodes: impl IntoIterator<Item = NodeId>) -> Vec<String> {
        nodes.into_iter().map(|node| self.name(node)).collect()
    }

    fn nodes(&self, names: &[String]) -> anyhow::Result<BTreeSet<NodeId>> {
        names.iter().map(|name| self.node(name)).collect()
    }

    fn node(&self, name: &str) -> anyhow::Result<NodeId> {
        let index = self.0.iter().position(|other| other == name);
        let index = index.with_context(|| {
            format!("--down names {name:?}, which is no node; use one of {}", self.0.join(", "))
        })?;
        Ok(NodeId(index as u64))
    }
}

/// Where one key lives, by names.
struct Place {
    key: String,
    position: Position,
    primaries: Vec<String>,
    fallbacks: Vec<String>,
    healthy: Vec<String>,
    /// Fallback and the primary that it stands in for.
    stand_ins: Vec<(String, String)>,
}

impl Place {
    fn of(key: &str, ring: &Ring, names: &Names, down: &BTreeSet<NodeId>) -> Place {
        let list = ring.preference_list(&Key::from(key));
        let is_up = |node| !down.contains(&node);
        let named = |(node, absent)| (names.name(node), names.name(absent));
        Place {
            key: key.to_string(),
            position: Position::of(key.as_bytes()),
            primaries: names.names(list.primaries().iter().copied()),
            fallbacks: names.names(list.fallbacks()),
            healthy: names.names(list.healthy(is_up)),
            stand_ins: list.stand_ins(is_up).into_iter().map(named).collect(),
        }
    }

    fn json(&self) -> Value {
        let pair = |(node, absent): &(String, String)| json!({ "node": node, "for": absent });
        json!({
            "key": self.key,
            "position": self.position.to_string(),
            "owner": self.primaries[0],
            "primaries": self.primaries,
            "fallbacks": self.fallbacks,
            "healthy": self.healthy,
            "stand_ins": self.stand_ins.iter().map(pair).collect::<Vec<_>>(),
        })
    }
}

/// The fraction of the ring that each node owns as first replica.
fn shares(ring: &Ring) -> Vec<(NodeId, f64)> {
    let whole = 2f64.powi(128);
    ring.ownership().into_iter().map(|(node, owned)| (node, owned as f64 / whole)).collect()
}

fn json_text(args: &RingArgs, places: &[Place], shares: &[(NodeId, f64)], names: &Names) -> String {
    let share =
        |(node, share): &(NodeId, f64)| json!({ "node": names.name(*node), "share": share });
    let object = json!({
        "strategy": args.strategy,
        "n": args.n,
        "keys": places.iter().map(Place::json).collect::<Vec<_>>(),
        "ownership": shares.iter().map(share).collect::<Vec<_>>(),
    });
    format!("{object:#}")
}

fn place_table(places: &[Place], some_down: bool) -> String {
    let mut header = vec!["key", "position", "owner", "preference list", "fallbacks"];
    if some_down {
        header.extend(["healthy", "stand-ins"]);
    }
    let mut table = table(header);
    for place in places {
        let mut row = vec![
            place.key.clone(),
            place.position.to_string(),
            place.primaries[0].clone(),
            place.primaries.join(" "),
            place.fallbacks.join(" "),
        ];
        if some_down {
            let pair = |(node, absent): &(String, String)| format!("{node} for {absent}");
            row.push(place.healthy.join(" "));
            row.push(place.stand_ins.iter().map(pair).collect::<Vec<_>>().join(", "));
        }
        table.add_row(row);
    }
    table.to_string()
}

fn balance_table(layout: &Layout, shares: &[(NodeId, f64)]) -> String {
    let total: f64 = layout.members().iter().map(|member| f64::from(member.weight)).sum();
    let mut table = table(vec!["node", "weight", "zone", "owns", "fair share"]);
    for (member, (_, share)) in layout.members().iter().zip(shares) {
        table.add_row(vec![
            member.name.clone(),
            member.weight.to_string(),
            member.zone.clone().unwrap_or("-".to_string()),
            percent(*share),
            percent(f64::from(member.weight) / total),
        ]);
    }
    table.to_string()
}

fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}

fn table(header: Vec<&str>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_header(header);
    table
}

//! `dynamo status`: how nodes are.

use super::connect::{NODES, TIMEOUT_MS, address, timeout_ms};
use super::contexts::hex;
use super::{say, tell};
use anyhow::{Context, Result};
use comfy_table::{Table, presets};
use dynamo::wire::caller::Caller;
use dynamo::wire::status::{Digests, Status, disagreements};
use dynamo_protocol::ids::NodeId;
use dynamo_protocol::merkle::Hash;
use dynamo_protocol::ring::RangeId;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

/// Show how nodes are: hints kept, recovery from a lost disk, suspects, whether copies agree
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  dynamo status
  dynamo status --node 127.0.0.1:7400,127.0.0.1:7401 --deep --json

The replicas of a range agree if all nodes that are shown name the same hash for it. By default that
is the root of its Merkle tree; --deep has every node read all of its objects instead, which does
not rest on the trees. A node reads all of its hints to count them, and serves nobody meanwhile.
Exit code 1 if a node does not answer.")]
pub(crate) struct StatusArgs {
    /// The nodes
    #[arg(
        long = "node",
        value_name = "ADDR",
        num_args = 1..,
        value_delimiter = ',',
        env = "DYNAMO_NODES",
        value_parser = address,
        default_values = NODES
    )]
    nodes: Vec<SocketAddr>,
    /// Have every node read all of its objects
    #[arg(long)]
    deep: bool,
    /// How long to wait for each node, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = TIMEOUT_MS, value_parser = timeout_ms())]
    timeout_ms: u64,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Asks every node and prints.
pub(crate) fn run(args: StatusArgs) -> Result<ExitCode> {
    let digests = if args.deep { Digests::Objects } else { Digests::Roots };
    let timeout = Duration::from_millis(args.timeout_ms);
    let ask = |&node: &SocketAddr| -> std::io::Result<(SocketAddr, Option<Status>)> {
        Ok((node, Caller::towards(node)?.examine(node, digests, timeout)?))
    };
    let all: std::io::Result<Vec<_>> = args.nodes.iter().map(ask).collect();
    let all = all.context("cannot ask the nodes")?;
    let there: Vec<Status> = all.iter().filter_map(|(_, status)| status.clone()).collect();
    let differ = disagreements(&there).len();
    if args.json {
        let nodes: Vec<Value> = all.iter().map(|(node, status)| as_json(*node, status)).collect();
        say(format_args!("{}\n", json!({ "nodes": nodes, "ranges-that-differ": differ })))?;
    } else {
        say(format_args!("{}\n", table(&all)))?;
        tell(agreement(&there, differ));
    }
    let complete = there.len() == all.len();
    Ok(if complete { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Whether the copies agree, as far as that was compared.
fn agreement(there: &[Status], differ: usize) -> String {
    let silent = there.iter().filter(|status| status.ranges.is_empty()).count();
    match (there.len(), there.len() - silent, differ) {
        (0, ..) => "no node answers".into(),
        (1, ..) => "one node alone: there is nothing to compare".into(),
        (_, 0 | 1, _) => "too few nodes name hashes: they hold nothing, or keep no Merkle trees; \
                          compare the copies with --deep"
            .into(),
        (.., 0) if silent > 0 => {
            format!("the copies that were compared agree; {silent} of the nodes name no hashes")
        }
        (.., 0) => "the copies agree".into(),
        (.., differ) => format!("the copies of {differ} ranges differ"),
    }
}

fn table(all: &[(SocketAddr, Option<Status>)]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header(["node", "state", "hints", "suspects", "pending", "ranges", "faults"]);
    for (node, status) in all {
        let row = match status {
            None => vec![node.to_string(), "no answer".into()],
            Some(status) => vec![
                node.to_string(),
                if status.synchronised { "synchronised" } else { "recovering" }.into(),
                status.hints.to_string(),
                suspects(status).join(" "),
                status.pending.to_string(),
                status.ranges.len().to_string(),
                if status.faults { "on" } else { "off" }.into(),
            ],
        };
        table.add_row(row);
    }
    table
}

fn suspects(status: &Status) -> Vec<String> {
    let name = |node: &NodeId| match &status.members {
        Some(members) => members.name_of(*node),
        None => node.to_string(),
    };
    status.suspects.iter().map(name).collect()
}

fn as_json(node: SocketAddr, status: &Option<Status>) -> Value {
    let Some(status) = status else {
        return json!({ "node": node.to_string(), "answers": false });
    };
    let range = |(range, hash): &(RangeId, Hash)| json!([range.0, hex(&hash.0)]);
    json!({
        "node": node.to_string(),
        "answers": true,
        "synchronised": status.synchronised,
        "hints": status.hints,
        "suspects": suspects(status),
        "pending": status.pending,
        "faults": status.faults,
        "ranges": status.ranges.iter().map(range).collect::<Vec<_>>(),
        "counters": status.counters,
    })
}

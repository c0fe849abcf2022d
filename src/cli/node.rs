//! `dynamo node`: one node of a cluster.

use super::tell;
use anyhow::{Context, Result};
use dynamo::node::Server;
use dynamo::node::config::NodeConfig;
use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;

/// Run one node
#[derive(clap::Args)]
#[command(after_help = r#"Examples:
  dynamo node --config n0.toml --bootstrap    the first time
  dynamo node --config n0.toml                ever after, even if the data was lost

A configuration file, the same on every node but for `node` and `data`:
  node = "n0"
  data = "data/n0"
  [cluster]
  n = 1
  r = 1
  w = 1
  [[nodes]]
  name = "n0"
  id = 0
  address = "127.0.0.1:7400"

A node that is to join later has the same [cluster] and [[nodes]], and in place of `node` a table
  [joiner]
  name = "n1"
  address = "127.0.0.1:7401"
It is started with --bootstrap as well, serves no clients yet, and waits for `dynamo admin join`. Its
id is drawn at random unless [joiner] has one. The [[nodes]] are those that the cluster was founded
on: leave them as they are, whoever joins or leaves. A node that moves gets another `listen`, and its
new address by `dynamo admin address`.

An address may be a host's name and a port. It is looked up whenever a node starts: every node must
find the same one.

Also known: listen, allow-remote, request-timeout-ms, straggler-timeout-ms, handoff-ms, retry-ms,
exchange-ms, reap-ms, flush-ms, gossip-ms, gossip, settle-ms; in [cluster] versioning, clock-limit,
read-repair, strategy, partitions, tokens, quorum, handoff, anti-entropy, durability, reap; in
[[nodes]] and [joiner] weight, zone; for
tests, in [faults] loss, duplicate, reorder, reorder-ms, seed, until-ms, and latency: what messages
to other members take more, as in the files of `dynamo simulate`.
Without --bootstrap an empty data folder is a lost disk: the node takes writes at once, and counts
for reads once it has merged what the others hold.
Ctrl-C ends it; what it has counted is printed last. DYNAMO_LOG=debug tells more."#)]
pub(crate) struct NodeArgs {
    /// The node's configuration file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The node is new: its data folder is empty, and that is right
    #[arg(long)]
    bootstrap: bool,
    /// End when standard input does: a child does not outlive its parent
    #[arg(long, hide = true)]
    until_stdin_ends: bool,
}

/// Serves until it is stopped.
pub(crate) fn run(args: NodeArgs) -> Result<ExitCode> {
    log();
    let config = NodeConfig::read(&args.config)?;
    let server = match Server::open(&config, args.bootstrap) {
        Ok(server) => server,
        Err(error) => return Ok(failed(&config, &error)),
    };
    let stopper = server.stopper();
    ctrlc::set_handler(move || stopper.stop()).context("cannot listen for Ctrl-C")?;
    if args.until_stdin_ends {
        let stopper = server.stopper();
        std::thread::spawn(move || {
            let _ = std::io::stdin().read_to_end(&mut Vec::new());
            stopper.stop();
        });
    }
    match server.run() {
        Ok(counters) => {
            tell(format_args!("counters {counters}"));
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => Ok(failed(&config, &error)),
    }
}

fn failed(config: &NodeConfig, error: &dynamo::node::NodeError) -> ExitCode {
    tell(format_args!("error: node {}: {error}", config.name()));
    ExitCode::FAILURE
}

/// Logs go to standard error; `DYNAMO_LOG=debug` shows more of them.
fn log() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("DYNAMO_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_target(false)
        // A node goes on when nobody reads its log any more.
        .log_internal_errors(false)
        .init();
}

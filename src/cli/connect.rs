//! What the client verbs share: whom to ask, and where contexts are kept.

use super::contexts::{Contexts, Place};
use anyhow::{Context, Result};
use clap::builder::RangedU64ValueParser;
use dynamo::client::Client;
use dynamo::shell::scheme::Quorum;
use dynamo::wire::resolve;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// The nodes of a cluster that `dynamo cluster` has started, for verbs that are given none.
pub(super) const NODES: [&str; 5] =
    ["127.0.0.1:7400", "127.0.0.1:7401", "127.0.0.1:7402", "127.0.0.1:7403", "127.0.0.1:7404"];

/// How long a verb waits for a node's answer unless it is told otherwise.
pub(super) const TIMEOUT_MS: u64 = 3_000;

/// Which cluster, and how.
#[derive(clap::Args)]
pub(super) struct ConnectArgs {
    /// A node to ask; give more to have others asked when it does not answer
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
    /// Whose answers count: those of the key's top N nodes only, or also those of the fallbacks
    /// that stand in for them [default: as the cluster is configured]
    #[arg(long)]
    quorum: Option<Quorum>,
    /// Say which replicas answered, even if no fallback is among them
    #[arg(long, short)]
    pub(super) verbose: bool,
    /// How long to wait for an answer, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = TIMEOUT_MS, value_parser = timeout_ms())]
    timeout_ms: u64,
    /// Print one JSON object
    #[arg(long)]
    pub(super) json: bool,
    /// Keep the key's context in this file instead of the user's state folder
    #[arg(long, value_name = "FILE", conflicts_with = "no_context")]
    context: Option<PathBuf>,
    /// Neither use nor keep a context
    #[arg(long)]
    no_context: bool,
}

/// A timeout on the command line, in milliseconds.
pub(super) fn timeout_ms() -> RangedU64ValueParser {
    RangedU64ValueParser::new().range(1..=600_000)
}

/// A node's address on the command line.
pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    let hint = |why| format!("{why} (a key or value goes before --node, or after --)");
    let address = resolve(text).map_err(hint)?;
    if address.port() == 0 || address.ip().is_unspecified() {
        return Err(format!("nobody is reached at {address}; name address and port"));
    }
    Ok(address)
}

impl ConnectArgs {
    pub(super) fn client(&self) -> Result<Client> {
        let client = Client::connect(&self.nodes).context("cannot connect")?;
        let client = client.with_timeout(Duration::from_millis(self.timeout_ms));
        Ok(match self.quorum {
            Some(quorum) => client.with_quorum(quorum.into()),
            None => client,
        })
    }

    /// Where the context of `key` is kept.
    pub(super) fn contexts(&self, key: &str) -> Contexts {
        let place = match (&self.context, self.no_context) {
            (_, true) => Place::Nowhere,
            (Some(file), _) => Place::File(file.clone()),
            (None, _) => Place::StateFolder,
        };
        Contexts::new(place, &self.nodes, key)
    }
}

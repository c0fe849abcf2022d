//! A node's configuration file.

use super::faults::FaultConfig;
use super::scheme::Scheme;
use dynamo_protocol::config::Config;
use dynamo_protocol::ids::NodeId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a coordinator waits for those it has asked, unless the file says otherwise. Less than half
/// as long as a client waits, so that a sloppy quorum may turn to others and still be in time.
pub const DEFAULT_REQUEST_TIMEOUT_MS: u64 = 1_000;

/// How long read repair waits for stragglers, unless the file says otherwise.
pub const DEFAULT_STRAGGLER_TIMEOUT_MS: u64 = 500;

/// How soon hints are offered to a home that speaks, unless the file says otherwise.
pub const DEFAULT_HANDOFF_MS: u64 = 200;

/// How often a suspect is asked whether it is back, unless the file says otherwise.
pub const DEFAULT_RETRY_MS: u64 = 1_000;

/// How often two nodes compare their copies, on average, unless the file says otherwise.
pub const DEFAULT_EXCHANGE_MS: u64 = 2_000;

/// How long lies between the steps of removing tombstones, unless the file says otherwise.
pub const DEFAULT_REAP_MS: u64 = 60_000;

/// Shortest time between those steps: no message may outlive it.
pub const MIN_REAP_MS: u64 = 5_000;

/// How long a buffered write may stay in the buffer, unless the file says otherwise.
pub const DEFAULT_FLUSH_MS: u64 = 1_000;

/// Longest timeout that makes sense.
pub const MAX_TIMEOUT_MS: u64 = 3_600_000;

/// The file of `dynamo node --config FILE`. `[cluster]` and `[[nodes]]` must be the same on every
/// node of the cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct NodeConfig {
    /// Which of the `[[nodes]]` this one is, by name.
    pub node: String,
    /// The folder that holds its data.
    pub data: PathBuf,
    /// Where it listens; by default at its own address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listen: Option<SocketAddr>,
    /// Whether it may listen where other machines reach it, although nothing authenticates them.
    #[serde(default)]
    pub allow_remote: bool,
    /// How long a coordinator waits for those it has asked, in milliseconds; whoever has forwarded
    /// a put to it waits two and a half times as long.
    #[serde(default = "default_request_timeout_ms")]
    pub request_timeout_ms: u64,
    /// How long read repair waits for the replicas that were not needed, in milliseconds.
    #[serde(default = "default_straggler_timeout_ms")]
    pub straggler_timeout_ms: u64,
    /// How soon hints are offered to their home, in milliseconds. While the home is silent the time
    /// doubles, up to [`super::delays::MAX_HANDOFF`].
    #[serde(default = "default_handoff_ms")]
    pub handoff_ms: u64,
    /// How often a suspect is asked whether it is back, in milliseconds.
    #[serde(default = "default_retry_ms")]
    pub retry_ms: u64,
    /// How often two nodes compare their copies, in milliseconds: on average, for each time is
    /// drawn between half as long and one and a half times as long.
    #[serde(default = "default_exchange_ms")]
    pub exchange_ms: u64,
    /// How long lies between the steps of removing tombstones, in milliseconds.
    #[serde(default = "default_reap_ms")]
    pub reap_ms: u64,
    /// How long a buffered write may stay in the buffer, in milliseconds.
    #[serde(default = "default_flush_ms")]
    pub flush_ms: u64,
    /// What goes wrong on purpose with what the node receives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub faults: Option<FaultConfig>,
    /// Quorums and schemes.
    pub cluster: Scheme,
    /// All nodes of the cluster.
    pub nodes: Vec<MemberConfig>,
}

/// One node of the cluster, as all see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct MemberConfig {
    /// Its name.
    pub name: String,
    /// Its identity, which outlives its address. Never give it to another node.
    pub id: u64,
    /// Where it is reached, and where it speaks from.
    pub address: SocketAddr,
    /// Its capacity in units of your choice.
    #[serde(default = "one")]
    pub weight: u32,
    /// What fails together with it: a rack, a data centre.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
}

/// What is wrong with a configuration.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct BadConfig {
    /// The file, and the line if one is to blame.
    place: String,
    problem: String,
}

impl NodeConfig {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// [`BadConfig`] names file, line, problem and cure.
    pub fn read(file: &Path) -> Result<NodeConfig, BadConfig> {
        let bad = |place, problem| BadConfig { place, problem };
        let name = || file.display().to_string();
        let text = std::fs::read_to_string(file)
            .map_err(|error| bad(name(), format!("cannot be read ({error}); check --config")))?;
        let config: NodeConfig = toml::from_str(&text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start);
            let line = text[..start.min(text.len())].matches('\n').count() + 1;
            let problem = error.message().replace('\n', " ");
            bad(format!("{}:{line}", name()), format!("{problem}; correct or remove it"))
        })?;
        config.check().map_err(|problem| bad(name(), problem))?;
        Ok(config)
    }

    /// What this node is in the cluster.
    ///
    /// # Errors
    /// One sentence if the file names no such node.
    pub fn member(&self) -> Result<&MemberConfig, String> {
        let is_me = |member: &&MemberConfig| member.name == self.node;
        self.nodes.iter().find(is_me).ok_or_else(|| {
            format!("no [[nodes]] entry is called {:?}; correct `node` or add it", self.node)
        })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// As [`NodeConfig::member`].
    pub fn listen(&self) -> Result<SocketAddr, String> {
        Ok(self.listen.unwrap_or(self.member()?.address))
    }

    /// The core's view of it.
    ///
    /// # Errors
    /// One sentence about what does not fit together.
    pub fn protocol(&self) -> Result<Config, String> {
        self.cluster.protocol(&self.nodes)
    }

    /// How long a buffered write may stay in the buffer.
    pub fn flush_every(&self) -> Duration {
        Duration::from_millis(self.flush_ms)
    }

    /// Checks everything that the file's grammar does not.
    ///
    /// # Errors
    /// One sentence: what is wrong, and what to do.
    pub fn check(&self) -> Result<(), String> {
        self.check_addresses()?;
        self.check_times()?;
        self.faults.as_ref().map_or(Ok(()), FaultConfig::check)?;
        self.protocol().map(drop)
    }

    fn check_addresses(&self) -> Result<(), String> {
        let listen = self.listen()?;
        if !listen.ip().is_loopback() && !self.allow_remote {
            return Err(format!(
                "{listen} can be reached from other machines, and nothing authenticates them yet; \
                 listen on 127.0.0.1, or set `allow-remote = true` within a network that you trust"
            ));
        }
        let mut seen = BTreeSet::new();
        for member in &self.nodes {
            if member.address.port() == 0 || member.address.ip().is_unspecified() {
                let (name, address) = (&member.name, member.address);
                return Err(format!(
                    "{name} cannot be reached at {address}; name address and port"
                ));
            }
            if !seen.insert(member.address) {
                return Err(format!("two nodes have the address {}", member.address));
            }
        }
        Ok(())
    }

    fn check_times(&self) -> Result<(), String> {
        for (name, ms, least) in [
            ("request-timeout-ms", self.request_timeout_ms, 1),
            ("straggler-timeout-ms", self.straggler_timeout_ms, 1),
            ("handoff-ms", self.handoff_ms, 1),
            ("retry-ms", self.retry_ms, 1),
            ("exchange-ms", self.exchange_ms, 1),
            ("reap-ms", self.reap_ms, MIN_REAP_MS),
            ("flush-ms", self.flush_ms, 1),
        ] {
            if !(least..=MAX_TIMEOUT_MS).contains(&ms) {
                return Err(format!("{name} is {ms}; use {least} to {MAX_TIMEOUT_MS}"));
            }
        }
        Ok(())
    }
}

impl MemberConfig {
    /// Its identity.
    pub fn node_id(&self) -> NodeId {
        NodeId(self.id)
    }
}

fn default_request_timeout_ms() -> u64 {
    DEFAULT_REQUEST_TIMEOUT_MS
}

fn default_straggler_timeout_ms() -> u64 {
    DEFAULT_STRAGGLER_TIMEOUT_MS
}

fn default_handoff_ms() -> u64 {
    DEFAULT_HANDOFF_MS
}

fn default_retry_ms() -> u64 {
    DEFAULT_RETRY_MS
}

fn default_exchange_ms() -> u64 {
    DEFAULT_EXCHANGE_MS
}

fn default_reap_ms() -> u64 {
    DEFAULT_REAP_MS
}

fn default_flush_ms() -> u64 {
    DEFAULT_FLUSH_MS
}

fn one() -> u32 {
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
node = "b"
data = "d"
[cluster]
n = 2
r = 1
w = 2
[[nodes]]
name = "a"
id = 1
address = "127.0.0.1:7400"
[[nodes]]
name = "b"
id = 2
address = "127.0.0.1:7401"
"#;

    /// What is said about the good file after `from` was replaced by `to`.
    fn said(from: &str, to: &str) -> String {
        assert!(GOOD.contains(from));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("node.toml");
        std::fs::write(&file, GOOD.replace(from, to)).unwrap();
        NodeConfig::read(&file).map_or_else(|error| error.to_string(), |_| "fine".into())
    }

    #[test]
    fn a_file_is_read_or_refused_with_a_reason() {
        for (from, to, expected) in [
            ("n = 2", "n = 2", "fine"),
            ("r = 1", "r = 1\nversioning = \"vector-clock\"\nclock-limit = 10", "fine"),
            ("r = 1", "r = 1\nstrategy = 2\npartitions = 64\ntokens = 8", "fine"),
            ("r = 1", "r = 3", "R is 3, but must be between 1 and N=2"),
            ("n = 2", "n = 3", "N is 3, but there are 2 members"),
            ("r = 1", "r = 1\nclock-limit = 10", "clock-limit needs versioning"),
            ("r = 1", "r = 1\nversioning = \"dots\"", "node.toml:7: unknown variant `dots`"),
            ("r = 1", "r = 1\nstrategy = 4", "there is no strategy 4"),
            ("id = 2", "id = 1", "two members have the id"),
            (":7401", ":7400", "two nodes have the address 127.0.0.1:7400"),
            ("\"b\"\ndata", "\"c\"\ndata", "no [[nodes]] entry is called \"c\""),
            ("127.0.0.1:7401", "10.0.0.1:7401", "can be reached from other machines"),
            ("data", "allow-remote = true\nlisten = \"0.0.0.0:1\"\ndata", "fine"),
            ("data", "request-timeout-ms = 0\ndata", "request-timeout-ms is 0"),
            ("data", "reap-ms = 4999\ndata", "reap-ms is 4999; use 5000 to"),
            ("data", "flush-ms = 3600001\ndata", "flush-ms is 3600001"),
            ("data", "handoff-ms = 1\nretry-ms = 1\nexchange-ms = 1\nreap-ms = 5000\ndata", "fine"),
            ("w = 2", "w = 2\nquorum = \"loose\"", "node.toml:8: unknown variant `loose`"),
            ("w = 2", "w = 2\nquorum = \"strict\"\nhandoff = \"off\"\nreap = \"on\"", "fine"),
            ("w = 2", "w = 2\nanti-entropy = \"off\"\ndurability = \"one-durable\"", "fine"),
            ("w = 2", "w = 2\n[faults]\nloss = 0.5\nreorder = 1.0", "fine"),
            ("w = 2", "w = 2\n[faults]\nloss = 1.5", "loss is 1.5; use 0 to 1"),
            ("w = 2", "w = 2\n[faults]\nreorder-ms = 9999", "reorder-ms is 9999"),
            ("w = 2", "", "missing field `w`"),
        ] {
            let said = said(from, to);
            assert!(said.contains(expected), "{to:?}: {said}");
        }
    }
}

//! A node's configuration file.

use super::scheme::Scheme;
use dynamo_protocol::config::Config;
use dynamo_protocol::ids::NodeId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a client may wait, unless the file says otherwise.
pub const DEFAULT_REQUEST_TIMEOUT_MS: u64 = 2_000;

/// How long read repair waits for stragglers, unless the file says otherwise.
pub const DEFAULT_STRAGGLER_TIMEOUT_MS: u64 = 500;

/// Longest timeout that makes sense.
pub const MAX_TIMEOUT_MS: u64 = 3_600_000;

/// The file of `dynamo node --config FILE`. `[cluster]` and `[[nodes]]` must be the same on every
/// node of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// How long a coordinator waits for its quorum, in milliseconds.
    #[serde(default = "default_request_timeout_ms")]
    pub request_timeout_ms: u64,
    /// How long read repair waits for the replicas that were not needed, in milliseconds.
    #[serde(default = "default_straggler_timeout_ms")]
    pub straggler_timeout_ms: u64,
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

    /// How long a coordinator waits for its quorum.
    pub fn request_timeout(&self) -> Duration {
        Duration::from_millis(self.request_timeout_ms)
    }

    /// How long read repair waits for stragglers.
    pub fn straggler_timeout(&self) -> Duration {
        Duration::from_millis(self.straggler_timeout_ms)
    }

    /// Checks everything that the file's grammar does not.
    ///
    /// # Errors
    /// One sentence: what is wrong, and what to do.
    pub fn check(&self) -> Result<(), String> {
        self.check_addresses()?;
        self.check_timeouts()?;
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

    fn check_timeouts(&self) -> Result<(), String> {
        for (name, ms) in [
            ("request-timeout-ms", self.request_timeout_ms),
            ("straggler-timeout-ms", self.straggler_timeout_ms),
        ] {
            if !(1..=MAX_TIMEOUT_MS).contains(&ms) {
                return Err(format!("{name} is {ms}; use 1 to {MAX_TIMEOUT_MS}"));
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
            ("w = 2", "", "missing field `w`"),
        ] {
            let said = said(from, to);
            assert!(said.contains(expected), "{to:?}: {said}");
        }
    }
}

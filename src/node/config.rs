//! A node's configuration file.

use super::faults::FaultConfig;
use crate::shell::delays::Lengths;
use crate::shell::gossip::Pace;
use crate::shell::scheme::Scheme;
use crate::wire::resolve;
use dynamo_protocol::config::Config;
use dynamo_protocol::ids::NodeId;
use dynamo_protocol::ring::Member;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Shortest time between the steps of removing tombstones: no message may outlive it.
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
    /// Which of the `[[nodes]]` this one is, by name. Left out if it is a `[joiner]`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub node: String,
    /// The folder that holds its data.
    pub data: PathBuf,
    /// Where it listens; by default at its own address.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "optional_address"
    )]
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
    /// doubles, up to [`crate::shell::delays::MAX_HANDOFF`].
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
    /// How often a node gossips about who takes part, in milliseconds.
    #[serde(default = "default_gossip_ms")]
    pub gossip_ms: u64,
    /// Whether it gossips more often while that changes.
    #[serde(default)]
    pub gossip: Pace,
    /// How long lies between two batches of what a change of the layout leaves behind, in
    /// milliseconds.
    #[serde(default = "default_settle_ms")]
    pub settle_ms: u64,
    /// What goes wrong on purpose with what the node receives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub faults: Option<FaultConfig>,
    /// Quorums and schemes.
    pub cluster: Scheme,
    /// What this node is if it is none of the `[[nodes]]`: one that an operator lets join later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub joiner: Option<JoinerConfig>,
    /// The nodes that the cluster was founded on. They stay here, whoever joins or leaves.
    pub nodes: Vec<MemberConfig>,
}

/// A node that joins a cluster after its founding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct JoinerConfig {
    /// Its name.
    pub name: String,
    /// Its identity. Left out, it is drawn at random at the first start and kept on the disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
    /// Where it is reached, and where it speaks from.
    #[serde(deserialize_with = "address")]
    pub address: SocketAddr,
    /// Its capacity in units of your choice.
    #[serde(default = "one")]
    pub weight: u32,
    /// What fails together with it: a rack, a data centre.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
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
    #[serde(deserialize_with = "address")]
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

    /// What this node is called.
    pub fn name(&self) -> &str {
        self.joiner.as_ref().map_or(&self.node, |joiner| &joiner.name)
    }

    /// What this node is or may become in the cluster, and its identity if the file names it.
    ///
    /// # Errors
    /// One sentence if the file does not say.
    pub fn me(&self) -> Result<JoinerConfig, String> {
        if let Some(joiner) = &self.joiner {
            return Ok(joiner.clone());
        }
        let me = self.nodes.iter().find(|member| member.name == self.node);
        me.cloned().map(JoinerConfig::from).ok_or_else(|| match self.node.as_str() {
            "" => "neither `node` nor [joiner] says which node this is; add one of them".into(),
            name => format!("no [[nodes]] entry is called {name:?}; correct `node` or add it"),
        })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// As [`NodeConfig::me`].
    pub fn listen(&self) -> Result<SocketAddr, String> {
        Ok(self.listen.unwrap_or(self.me()?.address))
    }

    /// The core's view of it.
    ///
    /// # Errors
    /// One sentence about what does not fit together.
    pub fn protocol(&self) -> Result<Config, String> {
        self.cluster.protocol(self.nodes.iter().map(MemberConfig::founder))
    }

    /// How long the core's delays are.
    pub fn lengths(&self) -> Lengths {
        Lengths {
            request_timeout_ms: self.request_timeout_ms,
            straggler_timeout_ms: self.straggler_timeout_ms,
            handoff_ms: self.handoff_ms,
            retry_ms: self.retry_ms,
            exchange_ms: self.exchange_ms,
            reap_ms: self.reap_ms,
            gossip_ms: self.gossip_ms,
            settle_ms: self.settle_ms,
        }
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
        self.check_joiner()?;
        self.check_addresses()?;
        self.check_times()?;
        self.faults.as_ref().map_or(Ok(()), FaultConfig::check)?;
        self.protocol().map(drop)
    }

    fn check_joiner(&self) -> Result<(), String> {
        let Some(joiner) = &self.joiner else { return Ok(()) };
        if !self.node.is_empty() && self.node != joiner.name {
            let (node, name) = (&self.node, &joiner.name);
            return Err(format!("`node` is {node:?} and [joiner] is {name:?}; remove one of them"));
        }
        let is_same = |member: &&MemberConfig| {
            member.name == joiner.name
                || Some(member.id) == joiner.id
                || member.address == joiner.address
        };
        match self.nodes.iter().find(is_same) {
            None => Ok(()),
            Some(member) => Err(format!(
                "[joiner] has the name, id or address of {}, one of [[nodes]]; give it its own",
                member.name
            )),
        }
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
        let founders = self.nodes.iter().map(|member| (&member.name, member.address));
        let joiner = self.joiner.iter().map(|joiner| (&joiner.name, joiner.address));
        for (name, address) in founders.chain(joiner) {
            if address.port() == 0 || address.ip().is_unspecified() {
                return Err(format!(
                    "{name} cannot be reached at {address}; name address and port"
                ));
            }
            if !seen.insert(address) {
                return Err(format!("two nodes have the address {address}"));
            }
        }
        Ok(())
    }

    fn check_times(&self) -> Result<(), String> {
        let times = self.lengths().named().into_iter().chain([("flush-ms", self.flush_ms)]);
        for (name, ms) in times {
            let least = if name == "reap-ms" { MIN_REAP_MS } else { 1 };
            if !(least..=MAX_TIMEOUT_MS).contains(&ms) {
                return Err(format!("{name} is {ms}; use {least} to {MAX_TIMEOUT_MS}"));
            }
        }
        Ok(())
    }
}

impl JoinerConfig {
    /// What it is as a member, under this identity.
    pub fn member(&self, id: NodeId) -> Member {
        let (name, weight, zone) = (self.name.clone(), self.weight, self.zone.clone());
        Member { id, name, weight, zone, address: self.address.to_string() }
    }
}

impl From<MemberConfig> for JoinerConfig {
    fn from(member: MemberConfig) -> JoinerConfig {
        let MemberConfig { name, id, address, weight, zone } = member;
        JoinerConfig { name, id: Some(id), address, weight, zone }
    }
}

impl MemberConfig {
    /// What it is as one of those that the cluster is founded on.
    fn founder(&self) -> Member {
        JoinerConfig::from(self.clone()).member(self.node_id())
    }

    /// Its identity.
    pub fn node_id(&self) -> NodeId {
        NodeId(self.id)
    }
}

/// An address as a file names it.
fn address<'de, D: Deserializer<'de>>(from: D) -> Result<SocketAddr, D::Error> {
    resolve(&String::deserialize(from)?).map_err(D::Error::custom)
}

fn optional_address<'de, D: Deserializer<'de>>(from: D) -> Result<Option<SocketAddr>, D::Error> {
    address(from).map(Some)
}

fn default_request_timeout_ms() -> u64 {
    Lengths::DEFAULT.request_timeout_ms
}

fn default_straggler_timeout_ms() -> u64 {
    Lengths::DEFAULT.straggler_timeout_ms
}

fn default_handoff_ms() -> u64 {
    Lengths::DEFAULT.handoff_ms
}

fn default_retry_ms() -> u64 {
    Lengths::DEFAULT.retry_ms
}

fn default_exchange_ms() -> u64 {
    Lengths::DEFAULT.exchange_ms
}

fn default_reap_ms() -> u64 {
    Lengths::DEFAULT.reap_ms
}

fn default_flush_ms() -> u64 {
    DEFAULT_FLUSH_MS
}

fn default_gossip_ms() -> u64 {
    Lengths::DEFAULT.gossip_ms
}

fn default_settle_ms() -> u64 {
    Lengths::DEFAULT.settle_ms
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
            ("127.0.0.1:7401", "localhost:7401", "fine"),
            ("data", "listen = \"localhost:7402\"\ndata", "fine"),
            ("127.0.0.1:7401", "localhost", "node.toml:15: \"localhost\" is no address"),
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
            ("w = 2", "w = 2\n[faults]\nlatency = \"exponential:0.1:1\"", "fine"),
            ("w = 2", "w = 2\n[faults]\nlatency = { uniform = { low = 1, high = 2 } }", "fine"),
            (
                "w = 2",
                "w = 2\n[faults]\nlatency = \"lnkd\"",
                "in [faults] the distribution \"lnkd\" is unknown",
            ),
            (
                "w = 2",
                "w = 2\n[faults]\nlatency = \"wan\"",
                "in [faults] the latency \"wan\" tells",
            ),
            (
                "w = 2",
                "w = 2\n[faults]\nlatency = { constant = -1 }",
                "in [faults] a constant delay is -1",
            ),
            (
                "w = 2",
                "w = 2\n[faults]\nlatency = { empirical = \"none\" }",
                "in [faults] cannot read none",
            ),
            ("w = 2", "", "missing field `w`"),
            ("data", "gossip = \"fixed\"\ngossip-ms = 100\nsettle-ms = 5\ndata", "fine"),
            ("data", "gossip-ms = 0\ndata", "gossip-ms is 0"),
            ("node = \"b\"", "", "neither `node` nor [joiner] says which node"),
            (
                "w = 2",
                "w = 2\n[joiner]\nname = \"j\"\naddress = \"127.0.0.1:1\"",
                "and [joiner] is \"j\"",
            ),
        ] {
            let said = said(from, to);
            assert!(said.contains(expected), "{to:?}: {said}");
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let faults = "[faults]\nloss = 0.5\nuntil-ms = 9\nlatency = { mixture = [
            { weight = 1, of = { constant = 2 } }, { weight = 2, of = { exponential = { rate = 1 } } }] }";
        let config: NodeConfig = toml::from_str(&format!("{GOOD}{faults}")).unwrap();
        assert!(config.faults.as_ref().is_some_and(|faults| faults.latency.is_some()));
        assert_eq!(toml::from_str(&toml::to_string(&config).unwrap()), Ok(config));
    }

    #[test]
    fn a_joiner_is_none_of_the_founders() {
        let is = |fields: &str| {
            let file = GOOD.replace("node = \"b\"", "") + "[joiner]\n" + fields;
            let config: NodeConfig = toml::from_str(&file).unwrap();
            config.check().map(|()| (config.name().to_owned(), config.listen().unwrap()))
        };
        let fine = is("name = \"j\"\naddress = \"127.0.0.1:1\"");
        assert_eq!(fine, Ok(("j".into(), ([127, 0, 0, 1], 1).into())));
        for (fields, name) in [
            ("name = \"a\"\naddress = \"127.0.0.1:1\"", "of a, one of"),
            ("name = \"j\"\nid = 2\naddress = \"127.0.0.1:1\"", "of b, one of"),
            ("name = \"j\"\naddress = \"127.0.0.1:7401\"", "of b, one of"),
            ("name = \"j\"\naddress = \"10.0.0.1:1\"", "from other machines"),
            ("name = \"j\"\naddress = \"127.0.0.1:0\"", "name address and port"),
        ] {
            let said = is(fields).unwrap_err();
            assert!(said.contains(name), "{fields}: {said}");
        }
    }
}

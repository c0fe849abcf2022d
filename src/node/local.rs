//! A cluster on one machine: one process a node, all children of this one.
//!
//! A node that was told to ends when its standard input does, so no child outlives its parent,
//! however the parent ends, and letting go of a child's input is how it is stopped.

use super::config::{self, MemberConfig, NodeConfig};
use super::disk::Disk;
use crate::shell::delays::Lengths;
use crate::shell::gossip::Pace;
use crate::shell::scheme::Scheme;
use crate::wire::caller::{Caller, PING_TIMEOUT};
use crate::wire::status::{Digests, Members};
use anyhow::{Context, Result, bail};
use dynamo_protocol::store::{RecordKey, Store};
use serde::{Deserialize, Serialize};
use std::fs::{self, File, TryLockError};
use std::io::{self, BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

/// Most nodes of a cluster on one machine.
pub const MAX_LOCAL_NODES: u16 = 64;

/// How long the nodes may take to answer their first ping.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// The file that says what the cluster in a folder is; written once all its nodes are born.
const PLAN: &str = "cluster.toml";

/// The file that a running cluster holds locked.
const LOCK: &str = "lock";

/// What a local cluster is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Plan {
    /// How many nodes.
    pub nodes: u16,
    /// The first node's port; the others follow.
    pub port: u16,
    /// How long a coordinator waits for its quorum, in milliseconds.
    pub request_timeout_ms: u64,
    /// Quorums and schemes.
    pub cluster: Scheme,
}

impl Plan {
    /// The plan of the cluster that lives in `folder`; `None` if none does.
    ///
    /// # Errors
    /// One sentence if the file is there and cannot be read.
    pub fn read(folder: &Path) -> Result<Option<Plan>> {
        let file = folder.join(PLAN);
        match fs::read_to_string(&file) {
            Ok(text) => {
                let plan = toml::from_str(&text);
                plan.map(Some).with_context(|| format!("{} is damaged", file.display()))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", file.display())),
        }
    }

    /// The nodes' addresses.
    ///
    /// # Errors
    /// One sentence if there are not so many ports.
    pub fn addresses(&self) -> Result<Vec<SocketAddr>> {
        if !(1..=MAX_LOCAL_NODES).contains(&self.nodes) {
            bail!("{} nodes on one machine; use 1 to {MAX_LOCAL_NODES}", self.nodes);
        }
        let port = |i| self.port.checked_add(i).filter(|&port| port > 0);
        let address = |i| port(i).map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        let all: Option<_> = (0..self.nodes).map(address).collect();
        all.with_context(|| format!("there are no {} ports from {} on", self.nodes, self.port))
    }

    /// The configuration of each node, all on ports that are free now, and the sockets that keep
    /// them so until they are let go. Between letting go of one and using it somebody else may take
    /// it.
    ///
    /// # Errors
    /// One sentence about what does not fit together, or that no ports are free.
    pub fn on_free_ports(&self, folder: &Path) -> Result<(Vec<NodeConfig>, Vec<UdpSocket>)> {
        let mut configs = self.configs(folder)?;
        let sockets: io::Result<Vec<_>> =
            configs.iter().map(|_| UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))).collect();
        let sockets = sockets.context("cannot find free ports")?;
        for config in &mut configs {
            for (member, socket) in config.nodes.iter_mut().zip(&sockets) {
                member.address = socket.local_addr()?;
            }
        }
        Ok((configs, sockets))
    }

    /// The configuration of each node, with its data below `folder`.
    ///
    /// # Errors
    /// One sentence about what does not fit together.
    pub fn configs(&self, folder: &Path) -> Result<Vec<NodeConfig>> {
        let member = |(id, address)| MemberConfig {
            name: format!("n{id}"),
            id,
            address,
            weight: 1,
            zone: None,
        };
        let nodes: Vec<_> = (0..).zip(self.addresses()?).map(member).collect();
        let config = |member: &MemberConfig| {
            let config = NodeConfig {
                node: member.name.clone(),
                data: folder.join(&member.name),
                listen: None,
                allow_remote: false,
                request_timeout_ms: self.request_timeout_ms,
                straggler_timeout_ms: Lengths::DEFAULT.straggler_timeout_ms,
                handoff_ms: Lengths::DEFAULT.handoff_ms,
                retry_ms: Lengths::DEFAULT.retry_ms,
                exchange_ms: Lengths::DEFAULT.exchange_ms,
                reap_ms: Lengths::DEFAULT.reap_ms,
                flush_ms: config::DEFAULT_FLUSH_MS,
                gossip_ms: Lengths::DEFAULT.gossip_ms,
                gossip: Pace::default(),
                settle_ms: Lengths::DEFAULT.settle_ms,
                faults: None,
                cluster: self.cluster.clone(),
                joiner: None,
                nodes: nodes.clone(),
            };
            config.check().map_err(anyhow::Error::msg).map(|()| config)
        };
        nodes.iter().map(config).collect()
    }
}

impl Default for Plan {
    /// Five nodes, N=3, R=W=2, from port 7400 on.
    fn default() -> Plan {
        Plan {
            nodes: 5,
            port: 7400,
            request_timeout_ms: Lengths::DEFAULT.request_timeout_ms,
            cluster: Scheme::with_quorums(3, 2, 2),
        }
    }
}

/// What a local cluster tells its owner.
#[derive(Debug)]
pub enum Event {
    /// A node has printed a line.
    Line(String, String),
    /// A node's process has ended.
    Ended(String, ExitStatus),
    /// Somebody wants the cluster to end.
    Stop,
}

/// The processes of a cluster that runs on this machine.
#[derive(Debug)]
pub struct LocalCluster {
    addresses: Vec<SocketAddr>,
    /// While this is held, the nodes run.
    inputs: Vec<ChildStdin>,
    running: usize,
    /// Held while the cluster runs.
    _lock: File,
}

impl LocalCluster {
    /// Starts the nodes of `plan` with their data in `folder`, as processes of `binary`. A folder
    /// without a cluster gets a new one; in one with a cluster, a node without data recovers. `events` hears what the nodes print and when they end.
    ///
    /// # Errors
    /// One sentence: a port that is taken, a folder or file that cannot be used.
    pub fn start(
        binary: &Path,
        plan: &Plan,
        folder: &Path,
        events: &Sender<Event>,
    ) -> Result<LocalCluster> {
        let configs = plan.configs(folder)?;
        let addresses = plan.addresses()?;
        addresses.iter().try_for_each(|&address| check_free(address))?;
        fs::create_dir_all(folder).with_context(|| format!("cannot use {}", folder.display()))?;
        let lock = lock(folder)?;
        let living = Plan::read(folder)?;
        if living.as_ref().is_some_and(|living| living.port != plan.port) {
            configs.iter().try_for_each(check_movable)?;
        }
        let is_new = living.is_none();
        let (mut inputs, running) = (Vec::new(), configs.len());
        for config in &configs {
            let file = write_config(folder, config)?;
            // A first start that was interrupted may have left some of the nodes born.
            let is_born = Disk::exists(&config.data);
            inputs.push(spawn(binary, &file, is_new && !is_born, config.name(), events)?);
        }
        Ok(LocalCluster { addresses, inputs, running, _lock: lock })
    }

    /// Whether every node answers.
    ///
    /// # Errors
    /// One sentence if the socket fails.
    pub fn is_ready(&self) -> Result<bool> {
        for &address in &self.addresses {
            if Caller::towards(address)?.ping(address, PING_TIMEOUT)?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// When the nodes must be ready.
    pub fn start_deadline() -> Instant {
        Instant::now() + START_TIMEOUT
    }

    /// Notes that the cluster is born, so that a later start takes an empty folder for a lost disk.
    ///
    /// # Errors
    /// One sentence if the file cannot be written.
    pub fn born(plan: &Plan, folder: &Path) -> Result<()> {
        write(&folder.join(PLAN), &toml::to_string(plan)?)
    }

    /// Where the nodes are.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Where those nodes are that are members of the cluster by what the farthest of them knows, and
    /// where the others are. Whoever does not say is not left out; nor is anybody if all are.
    ///
    /// # Errors
    /// One sentence if the socket fails.
    pub fn members(&self) -> Result<(Vec<SocketAddr>, Vec<SocketAddr>)> {
        let mut all: Vec<(SocketAddr, Option<Box<Members>>)> = Vec::new();
        for &address in &self.addresses {
            let mut caller = Caller::towards(address)?;
            let status = caller.examine(address, Digests::Nothing, PING_TIMEOUT)?;
            all.push((address, status.and_then(|status| status.members)));
        }
        let known = all.iter().filter_map(|(_, its)| its.as_ref().map(|its| &its.membership));
        let newest = known.max_by_key(|membership| membership.version());
        let is_inside = |its: &Option<Box<Members>>| match (newest, its) {
            (Some(newest), Some(its)) => newest.has(its.me.id),
            _ => true,
        };
        let (inside, outside): (Vec<_>, Vec<_>) = all.iter().partition(|(_, its)| is_inside(its));
        let addresses = |of: Vec<&(SocketAddr, _)>| of.into_iter().map(|(at, _)| *at).collect();
        Ok(match inside.is_empty() {
            true => (addresses(outside), Vec::new()),
            false => (addresses(inside), addresses(outside)),
        })
    }

    /// Counts an ended node, and gives how many still run.
    pub fn ended(&mut self) -> usize {
        self.running -= 1;
        self.running
    }

    /// How many nodes run.
    pub fn running(&self) -> usize {
        self.running
    }

    /// Tells all nodes to end.
    pub fn stop(&mut self) {
        self.inputs.clear();
    }
}

fn check_free(address: SocketAddr) -> Result<()> {
    let free = UdpSocket::bind(address).map(drop);
    free.with_context(|| {
        format!("cannot listen on {address}; is a cluster running there? choose another --port")
    })
}

/// A node that has taken part in a change knows the others by their addresses in the layout, not by
/// those in the configuration.
fn check_movable(config: &NodeConfig) -> Result<()> {
    let has_changed = Disk::exists(&config.data)
        && Disk::open(&config.data)?.get(&RecordKey::Membership).is_some();
    if has_changed {
        bail!(
            "the members of this cluster have changed, and know each other by their ports; leave \
             --port out, and use `dynamo admin address` to move one of them"
        );
    }
    Ok(())
}

/// Writes the configuration file of a node into `folder`, and gives its name.
///
/// # Errors
/// One sentence if it cannot be written.
pub fn write_config(folder: &Path, config: &NodeConfig) -> Result<PathBuf> {
    let file = folder.join(format!("{}.toml", config.name()));
    write(&file, &toml::to_string(config)?)?;
    Ok(file)
}

/// Makes `text` the content of `file`: all of it, or nothing if the disk is full.
fn write(file: &Path, text: &str) -> Result<()> {
    if fs::read_to_string(file).is_ok_and(|old| old == text) {
        return Ok(());
    }
    let fresh = file.with_extension("new");
    let written = fs::write(&fresh, text).and_then(|()| fs::rename(&fresh, file));
    written.with_context(|| format!("cannot write {}", file.display()))
}

/// Takes `folder` for one cluster, before the files of a running one are overwritten.
fn lock(folder: &Path) -> Result<File> {
    let path = folder.join(LOCK);
    let cannot = || format!("cannot use {}", path.display());
    let file = File::options().create(true).append(true).open(&path).with_context(cannot)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            bail!("a cluster is running in {}; stop it, or choose another --data", folder.display())
        }
        Err(TryLockError::Error(error)) => Err(error).with_context(cannot),
    }
}

fn spawn(
    binary: &Path,
    config: &Path,
    bootstrap: bool,
    name: &str,
    events: &Sender<Event>,
) -> Result<ChildStdin> {
    let mut command = command(binary, config, bootstrap);
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = piped.spawn().with_context(|| format!("cannot start {}", binary.display()))?;
    let (input, output) = (child.stdin.take(), child.stderr.take());
    let (name, events) = (name.to_owned(), events.clone());
    std::thread::spawn(move || watch(child, output, &name, &events));
    input.context("a child without an input")
}

/// The command line of a node that is to be a child: it ends when its standard input does.
pub fn command(binary: &Path, config: &Path, bootstrap: bool) -> Command {
    let mut command = Command::new(binary);
    // Ctrl-C at the terminal is for the owner alone, who then ends the nodes.
    command.process_group(0);
    command.arg("node").arg("--config").arg(config).arg("--until-stdin-ends");
    if bootstrap {
        command.arg("--bootstrap");
    }
    command
}

/// Passes on what a child prints, then how it ended. Nobody may listen any more: no matter.
fn watch(mut child: Child, output: Option<impl Read>, name: &str, events: &Sender<Event>) {
    if let Some(output) = output {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let _ = events.send(Event::Line(name.into(), line));
        }
    }
    if let Ok(status) = child.wait() {
        let _ = events.send(Event::Ended(name.into(), status));
    }
}

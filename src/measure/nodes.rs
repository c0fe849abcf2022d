//! The nodes that are measured: threads of this process, each with a socket and a disk of its own.

use super::Options;
use crate::node::config::{MAX_TIMEOUT_MS, NodeConfig};
use crate::node::faults::FaultConfig;
use crate::node::local::Plan;
use crate::node::{NodeError, Server, Stopper};
use crate::shell::counters::Counters;
use crate::shell::scheme::{Durability, Quorum, ReadRepair, Scheme, Switch};
use anyhow::{Context, Result, anyhow};
use std::net::SocketAddr;
use std::path::Path;
use std::thread::{self, JoinHandle};

/// How often another set of ports is tried.
const TRIES: usize = 5;

type Thread = JoinHandle<Result<Counters, NodeError>>;

/// Nodes that run until this value goes.
pub(super) struct Nodes {
    addresses: Vec<SocketAddr>,
    threads: Vec<(Stopper, Thread)>,
    /// Theirs; it goes after them.
    _folder: tempfile::TempDir,
}

impl Nodes {
    /// Starts N nodes on free ports, with nothing that would repair a copy, and with writes that no
    /// disk has to confirm.
    pub(super) fn start(options: &Options) -> Result<Nodes> {
        let folder = tempfile::tempdir().context("cannot make a folder for the data")?;
        // Between choosing a port and using it somebody else may take it: choose again.
        let mut last = None;
        for attempt in 0..TRIES {
            let configs = configs(options, &folder.path().join(attempt.to_string()))?;
            match configs.iter().map(|config| Server::open(config, true)).collect() {
                Ok(servers) => return Ok(Nodes::run(&configs, servers, folder)),
                Err(taken @ NodeError::Listen(..)) => last = Some(taken),
                Err(error) => return Err(error.into()),
            }
        }
        Err(last.map_or_else(|| anyhow!("no node was tried"), anyhow::Error::from))
    }

    fn run(configs: &[NodeConfig], servers: Vec<Server>, folder: tempfile::TempDir) -> Nodes {
        let spawn = |server: Server| (server.stopper(), thread::spawn(|| server.run()));
        Nodes {
            addresses: configs[0].nodes.iter().map(|member| member.address).collect(),
            threads: servers.into_iter().map(spawn).collect(),
            _folder: folder,
        }
    }

    /// Where they are.
    pub(super) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Ends them all.
    ///
    /// # Errors
    /// What ended one of them before.
    pub(super) fn stop(&mut self) -> Result<()> {
        let threads = std::mem::take(&mut self.threads);
        threads.iter().for_each(|(stopper, _)| stopper.stop());
        let mut all = Ok(());
        for (_, thread) in threads {
            let ended = thread.join().map_err(|_| anyhow!("a node has panicked"));
            all = all.and(ended.and_then(|ended| Ok(ended.map(drop)?)));
        }
        all
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        // Whatever ended a node, it is told only to those who ask.
        let _ = self.stop();
    }
}

fn configs(options: &Options, folder: &Path) -> Result<Vec<NodeConfig>> {
    let Options { n, r, w, .. } = *options;
    let cluster = Scheme {
        quorum: Quorum::Strict,
        read_repair: ReadRepair::Off,
        anti_entropy: Switch::Off,
        durability: Durability::Buffered,
        ..Scheme::with_quorums(n, r, w)
    };
    let plan = Plan { nodes: n.into(), cluster, ..Plan::default() };
    let (mut configs, _) = plan.on_free_ports(folder)?;
    let latency = Some(options.latency.clone());
    let faults = FaultConfig { latency, seed: rand::random(), ..FaultConfig::default() };
    for config in &mut configs {
        config.faults = Some(faults.clone());
        // A node that waits for its disk is late with all else.
        config.flush_ms = MAX_TIMEOUT_MS;
    }
    Ok(configs)
}

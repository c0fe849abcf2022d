//! The processes that are tortured.

use super::plan::Options;
use crate::node::config::NodeConfig;
use crate::node::local::{self, Plan};
use crate::wire::caller::Caller;
use crate::wire::status::{Digests, Status};
use anyhow::{Context, Result, bail};
use std::fs::{self, File};
use std::net::{SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long a node may take to answer after its start.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// How long an answer may take until a node is asked anew: it may have been lost.
const PING_TIMEOUT: Duration = Duration::from_millis(100);

/// How long a node may take to end.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a coordinator waits: short, so that much goes on in little time.
const REQUEST_TIMEOUT_MS: u64 = 200;

/// How long the nodes have to come up before the load begins: faults are told when to end before
/// it is known how long the start takes.
const GRACE: Duration = Duration::from_secs(2);

/// How often another set of ports is tried.
const TRIES: usize = 5;

/// The nodes, each a process or the place of one.
pub(super) struct Nodes {
    binary: PathBuf,
    folder: PathBuf,
    configs: Vec<NodeConfig>,
    places: Vec<Place>,
    faults_until: Instant,
}

enum Place {
    Running(Child),
    /// Nobody else may take the address of a node that is down; what is sent there is lost.
    Kept {
        _socket: UdpSocket,
    },
    Free,
}

impl Nodes {
    /// Starts a new cluster on free ports, and waits until all nodes answer and the load may begin:
    /// its faults end `options.load` later.
    pub(super) fn start(options: &Options, stop: &AtomicBool) -> Result<Nodes> {
        fs::create_dir_all(&options.folder)
            .with_context(|| format!("cannot use {}", options.folder.display()))?;
        if fs::read_dir(&options.folder)?.next().is_some() {
            bail!("{} is not empty; choose another --data", options.folder.display());
        }
        // Between choosing a port and using it somebody else may take it: choose again.
        for _ in 0..TRIES {
            if let Some(nodes) = Nodes::try_start(options, stop)? {
                return Ok(nodes);
            }
            for node in 0..options.nodes {
                let _ = fs::remove_dir_all(options.folder.join(format!("n{node}")));
            }
        }
        let log = fs::read_to_string(options.folder.join("n0.log")).unwrap_or_default();
        bail!("the nodes do not start: {}", log.lines().last().unwrap_or("they say nothing"))
    }

    /// `None` if a node has ended at once.
    fn try_start(options: &Options, stop: &AtomicBool) -> Result<Option<Nodes>> {
        let (nodes, cluster) = (options.nodes, options.cluster.clone());
        let request_timeout_ms = REQUEST_TIMEOUT_MS;
        let plan = Plan { nodes, request_timeout_ms, cluster, ..Plan::default() };
        let (mut configs, kept) = plan.on_free_ports(&options.folder)?;
        configs.iter_mut().for_each(|config| config.faults = Some(options.faults.clone()));
        let mut all = Nodes {
            binary: options.binary.clone(),
            folder: options.folder.clone(),
            places: kept.into_iter().map(|_socket| Place::Kept { _socket }).collect(),
            faults_until: Instant::now() + GRACE + options.load,
            configs,
        };
        (0..usize::from(nodes)).try_for_each(|node| all.spawn(node, true))?;
        for node in 0..usize::from(nodes) {
            if !all.await_answer(node, stop)? {
                return Ok(None);
            }
        }
        let begin = all.faults_until - options.load;
        if Instant::now() > begin + options.load / 2 {
            bail!("the nodes took too long to answer; lose fewer datagrams, or load for longer");
        }
        sleep(begin.saturating_duration_since(Instant::now()));
        Ok(Some(all))
    }

    /// Where the nodes are.
    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        (0..self.configs.len()).map(|node| self.address(node)).collect()
    }

    /// When the faults end.
    pub(super) fn faults_until(&self) -> Instant {
        self.faults_until
    }

    /// How a node is; `None` if it does not say so in time.
    pub(super) fn examine(
        &self,
        node: usize,
        digests: Digests,
        timeout: Duration,
    ) -> Result<Option<Status>> {
        let address = self.address(node);
        let mut caller = Caller::towards(address).context("cannot make a socket")?;
        caller.examine(address, digests, timeout).context("cannot ask a node")
    }

    /// Ends a node with SIGKILL.
    pub(super) fn kill(&mut self, node: usize) -> Result<()> {
        if let Place::Running(child) = &mut self.places[node] {
            child.kill()?;
            child.wait()?;
            self.places[node] = Place::Kept { _socket: UdpSocket::bind(self.address(node))? };
        }
        Ok(())
    }

    /// Starts a node again, without its data if `erase` says so, and waits until it answers.
    pub(super) fn restart(&mut self, node: usize, erase: bool) -> Result<()> {
        if erase {
            let data = &self.configs[node].data;
            fs::remove_dir_all(data).with_context(|| format!("cannot erase {}", data.display()))?;
        }
        self.spawn(node, false)?;
        if !self.await_answer(node, &AtomicBool::new(false))? {
            bail!("it has ended; see {}", self.log(node).display());
        }
        Ok(())
    }

    /// Ends all nodes as a user would, and waits for them.
    pub(super) fn stop(&mut self) -> Result<()> {
        for place in &mut self.places {
            if let Place::Running(child) = place {
                // Its standard input ends.
                drop(child.stdin.take());
            }
        }
        let deadline = Instant::now() + STOP_TIMEOUT;
        for (node, place) in self.places.iter_mut().enumerate() {
            let Place::Running(child) = place else { continue };
            while child.try_wait()?.is_none() {
                if Instant::now() > deadline {
                    bail!("node n{node} does not end; see {}", self.folder.display());
                }
                sleep(Duration::from_millis(10));
            }
        }
        Ok(())
    }

    fn address(&self, node: usize) -> SocketAddr {
        self.configs[node].nodes[node].address
    }

    fn log(&self, node: usize) -> PathBuf {
        self.folder.join(format!("n{node}.log"))
    }

    fn spawn(&mut self, node: usize, bootstrap: bool) -> Result<()> {
        let config = &mut self.configs[node];
        if let Some(faults) = &mut config.faults {
            let left = self.faults_until.saturating_duration_since(Instant::now());
            faults.until_ms = Some(left.as_millis() as u64);
        }
        let file = local::write_config(&self.folder, config)?;
        let log = File::options().create(true).append(true).open(self.log(node))?;
        let mut command = local::command(&self.binary, &file, bootstrap);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(log);
        // From here to the child's start nobody holds its address.
        self.places[node] = Place::Free;
        let child = command.spawn();
        let child = child.with_context(|| format!("cannot start {}", self.binary.display()))?;
        self.places[node] = Place::Running(child);
        Ok(())
    }

    /// Waits until a node answers; false if its process has ended.
    fn await_answer(&mut self, node: usize, stop: &AtomicBool) -> Result<bool> {
        let address = self.address(node);
        let deadline = Instant::now() + START_TIMEOUT;
        while Caller::towards(address)?.ping(address, PING_TIMEOUT)?.is_none() {
            let Place::Running(child) = &mut self.places[node] else { break };
            if child.try_wait()?.is_some() {
                return Ok(false);
            }
            if stop.load(Ordering::SeqCst) {
                bail!("interrupted while n{node} was starting");
            }
            if Instant::now() > deadline {
                bail!("node n{node} does not answer within {START_TIMEOUT:?}");
            }
        }
        Ok(true)
    }
}

impl Drop for Nodes {
    /// No process is left behind, however this ends.
    fn drop(&mut self) {
        for place in &mut self.places {
            if let Place::Running(child) = place {
                let _ = child.kill();
                let _ = child.wait();
            }
        }
    }
}

//! Clusters of real processes for the whole-system tests.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part")]

use dynamo::client::Client;
use dynamo::node::config::{JoinerConfig, NodeConfig};
use dynamo::node::local::Plan;
use dynamo::shell::scheme::Scheme;
use dynamo::wire::caller::Caller;
use dynamo::wire::status::{Digests, Members, Status};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Generous: a loaded machine must not fail a test.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `condition` holds.
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} in vain: {what}");
        sleep(Duration::from_millis(20));
    }
}

/// The nodes of a cluster, each a process, with their data in a folder that goes with them.
pub struct Cluster {
    folder: tempfile::TempDir,
    pub configs: Vec<NodeConfig>,
    processes: Vec<Option<Child>>,
}

impl Cluster {
    /// Starts a new cluster on free ports.
    pub fn start(nodes: u16, n: u8, r: u8, w: u8) -> Cluster {
        Cluster::start_with(nodes, Scheme::with_quorums(n, r, w))
    }

    /// The same with any scheme.
    pub fn start_with(nodes: u16, scheme: Scheme) -> Cluster {
        // Between choosing a port and using it somebody else may take it: choose again.
        (0..10).find_map(|_| Cluster::try_start(nodes, scheme.clone())).expect("free ports")
    }

    fn try_start(nodes: u16, scheme: Scheme) -> Option<Cluster> {
        let folder = tempfile::tempdir().unwrap();
        let plan = Plan { nodes, cluster: scheme, ..Plan::default() };
        let (configs, _) = plan.on_free_ports(folder.path()).unwrap();
        let mut cluster = Cluster { folder, processes: Vec::new(), configs };
        for node in 0..usize::from(nodes) {
            cluster.write_config(&cluster.configs[node]);
            cluster.processes.push(None);
            cluster.spawn(node, &["--bootstrap"]);
        }
        (0..usize::from(nodes)).all(|node| cluster.came_up(node)).then_some(cluster)
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn address(&self, node: usize) -> SocketAddr {
        self.configs[node].listen().unwrap()
    }

    pub fn addresses(&self) -> Vec<SocketAddr> {
        (0..self.configs.len()).map(|node| self.address(node)).collect()
    }

    /// A client that asks `node` only.
    pub fn client(&self, node: usize) -> Client {
        Client::connect(&[self.address(node)]).unwrap()
    }

    /// How a node is, all of its objects read.
    pub fn status(&self, node: usize) -> Status {
        self.examine(node, Digests::Objects)
    }

    /// The same, with the digests of its copies that are asked for.
    pub fn examine(&self, node: usize, digests: Digests) -> Status {
        let address = self.address(node);
        let mut caller = Caller::towards(address).unwrap();
        let mut status = None;
        wait_until("a status", || {
            status = caller.examine(address, digests, Duration::from_secs(5)).unwrap();
            status.is_some()
        });
        status.unwrap()
    }

    /// Starts a node that is no member yet, and gives its number.
    pub fn start_joiner(&mut self) -> usize {
        let node = self.configs.len();
        let (name, id, zone) = (format!("n{node}"), None, None);
        let joiner = JoinerConfig { name, id, address: free_address(), weight: 1, zone };
        let mut config = self.configs[0].clone();
        config.data = self.folder().join(&joiner.name);
        (config.node, config.joiner) = (String::new(), Some(joiner));
        self.write_config(&config);
        self.configs.push(config);
        self.processes.push(None);
        self.spawn(node, &["--bootstrap"]);
        assert!(self.came_up(node), "{}", self.log(node));
        node
    }

    /// Gives an operator's command to `node`: the exit code, and what is said.
    pub fn admin(&self, node: usize, arguments: &[&str]) -> (Option<i32>, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_dynamo"))
            .arg("admin")
            .args(arguments)
            .args(["--node", &self.address(node).to_string()])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let all = [&output.stdout[..], &output.stderr[..]].concat();
        (output.status.code(), String::from_utf8(all).unwrap())
    }

    /// A command that is obeyed.
    #[track_caller]
    pub fn obeyed(&self, node: usize, arguments: &[&str]) -> String {
        let (code, said) = self.admin(node, arguments);
        assert_eq!(code, Some(0), "{arguments:?}: {said}");
        said
    }

    /// Who takes part, as `node` sees it.
    pub fn members(&self, node: usize) -> Members {
        let mut members = None;
        wait_until("who takes part", || {
            members = self.examine(node, Digests::Nothing).members;
            members.is_some()
        });
        *members.unwrap()
    }

    /// Whether all of `nodes` know the same layout, with `version` changes behind it, and have nothing
    /// left to do for it.
    pub fn are_in_layout(&self, nodes: &[usize], version: u64) -> bool {
        let all: Vec<Members> = nodes.iter().map(|node| self.members(*node)).collect();
        let digests: BTreeSet<_> = all.iter().map(|m| m.membership.digest()).collect();
        let is_done = |Members { membership, is_settling, .. }: &Members| {
            membership.version() == version && membership.change().is_none() && !is_settling
        };
        digests.len() == 1 && all.iter().all(is_done)
    }

    /// Sends a signal to a node's process.
    pub fn signal(&self, node: usize, signal: &str) {
        let id = self.processes[node].as_ref().expect("it runs").id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    /// Starts a node that ended, and waits until it answers.
    pub fn restart(&mut self, node: usize) {
        self.spawn(node, &[]);
        assert!(self.came_up(node), "{}", self.log(node));
    }

    /// Ends a node with SIGKILL.
    pub fn kill(&mut self, node: usize) {
        let mut process = self.processes[node].take().expect("it runs");
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// Waits until a node has ended by itself, and gives its exit code.
    pub fn ended(&mut self, node: usize) -> Option<i32> {
        let mut process = self.processes[node].take().expect("it was started");
        let mut status = None;
        wait_until("the node ends", || {
            status = process.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap().code()
    }

    /// Ends a node with SIGTERM, and gives what it has counted.
    pub fn stop(&mut self, node: usize) -> BTreeMap<String, u64> {
        let mut process = self.processes[node].take().expect("it runs");
        let killed = Command::new("kill").arg(process.id().to_string()).status().unwrap();
        assert!(killed.success());
        let mut status = None;
        wait_until("the node ends", || {
            status = process.try_wait().unwrap();
            status.is_some()
        });
        assert!(status.unwrap().success(), "{}", self.log(node));
        counters(&self.log(node))
    }

    /// What a node has printed since its last start.
    pub fn log(&self, node: usize) -> String {
        fs::read_to_string(self.log_file(node)).unwrap()
    }

    /// Writes a configuration file, and gives its name.
    pub fn write_config(&self, config: &NodeConfig) -> PathBuf {
        let file = self.folder().join(format!("{}.toml", config.name()));
        fs::write(&file, toml::to_string(config).unwrap()).unwrap();
        file
    }

    fn log_file(&self, node: usize) -> PathBuf {
        self.folder().join(format!("n{node}.log"))
    }

    pub fn spawn(&mut self, node: usize, flags: &[&str]) {
        let log = File::create(self.log_file(node)).unwrap();
        let config = self.folder().join(format!("n{node}.toml"));
        let child = Command::new(env!("CARGO_BIN_EXE_dynamo"))
            .args(["node", "--until-stdin-ends", "--config"])
            .arg(config)
            .args(flags)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.processes[node] = Some(child);
    }

    pub fn came_up(&mut self, node: usize) -> bool {
        let mut client = self.client(node);
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if client.ping().unwrap().is_some() {
                return true;
            }
            let process = self.processes[node].as_mut().expect("it was started");
            if process.try_wait().unwrap().is_some() {
                return false;
            }
        }
        panic!("node {node} does not answer: {}", self.log(node));
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for mut process in self.processes.drain(..).flatten() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// An address that nobody has.
pub fn free_address() -> SocketAddr {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Runs a node that is not expected to start: its exit code, and what it printed.
pub fn refused(config: &Path, flags: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_dynamo"))
        .args(["node", "--until-stdin-ends", "--config"])
        .arg(config)
        .args(flags)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

fn counters(log: &str) -> BTreeMap<String, u64> {
    let line =
        log.lines().find_map(|line| line.strip_prefix("counters ")).expect("a counters line");
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap();
        (name.to_owned(), value.parse().unwrap())
    };
    line.split(' ').map(pair).collect()
}

//! `dynamo cluster`, `get`, `put` and `delete` as a user runs them.
#![cfg(feature = "node")]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);
const NODES: u16 = 3;

/// A user with a folder of their own and a cluster.
struct User {
    folder: tempfile::TempDir,
    port: u16,
    cluster: Option<Child>,
}

impl User {
    fn new() -> User {
        let folder = tempfile::tempdir().unwrap();
        // Three ports in a row that nobody has, mostly different for different processes and users, below
        // those that the system gives away.
        static USERS: AtomicU16 = AtomicU16::new(0);
        let user = USERS.fetch_add(1, Ordering::Relaxed);
        let start = 20_000 + (std::process::id() as u16 % 1_200) * 8 + user * 100;
        let free = |port: &u16| {
            (*port..port + NODES).all(|port| std::net::UdpSocket::bind(("127.0.0.1", port)).is_ok())
        };
        let port = (0..500).map(|i| start + i * 4).find(free).expect("free ports");
        User { folder, port, cluster: None }
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dynamo"));
        command.args(arguments).env("XDG_STATE_HOME", self.folder.path());
        command.env("DYNAMO_NODES", format!("127.0.0.1:{}", self.port));
        command.stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> (Option<i32>, String) {
        text(&self.command(arguments).output().unwrap())
    }

    fn cluster_command(&self, flags: &[&str]) -> Command {
        let (data, port) = (self.data(), self.port.to_string());
        let mut command = self.command(&["cluster", "--port", &port, "--data"]);
        command.arg(data).args(flags);
        command
    }

    fn start(&mut self, flags: &[&str]) {
        let log = File::create(self.log()).unwrap();
        let child = self.cluster_command(flags).stdout(log).spawn().unwrap();
        self.cluster = Some(child);
        let deadline = Instant::now() + PATIENCE;
        while !fs::read_to_string(self.log()).unwrap().contains("nodes are up") {
            assert!(Instant::now() < deadline, "the cluster does not come up");
            sleep(Duration::from_millis(20));
        }
    }

    /// Ends the cluster as Ctrl-C would.
    fn stop(&mut self) {
        let mut cluster = self.cluster.take().expect("it runs");
        let id = cluster.id().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
        assert!(cluster.wait().unwrap().success());
    }
}

impl Drop for User {
    fn drop(&mut self) {
        if let Some(mut cluster) = self.cluster.take() {
            // Its nodes end when their standard input does.
            let _ = cluster.kill();
            let _ = cluster.wait();
        }
    }
}

fn text(output: &Output) -> (Option<i32>, String) {
    let all = [&output.stdout[..], &output.stderr[..]].concat();
    (output.status.code(), String::from_utf8(all).unwrap())
}

/// A pipe that nobody reads.
fn closed_pipe() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

fn contexts(folder: &Path) -> usize {
    fs::read_dir(folder.join("dynamo/contexts")).map_or(0, Iterator::count)
}

#[test]
fn a_node_outlives_the_reader_of_its_log() {
    let mut user = User::new();
    user.start(&["--nodes", "3"]);
    user.stop();
    let config = user.data().join("n0.toml");
    let mut command = user.command(&["node", "--config"]);
    let mut node = command
        .arg(config)
        .env("DYNAMO_LOG", "debug")
        .stderr(closed_pipe())
        .spawn()
        .expect("dynamo runs");
    let deadline = Instant::now() + PATIENCE;
    // With two nodes of three away there is no quorum, but there is an answer.
    while !user.run(&["get", "cart"]).1.contains("1 of 2 replicas") {
        assert_eq!(node.try_wait().unwrap(), None, "the node has died");
        assert!(Instant::now() < deadline, "the node does not answer");
    }
    let id = node.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    assert!(node.wait().unwrap().success());
}

#[test]
fn an_address_that_is_none_is_explained() {
    let (code, said) = User::new().run(&["get", "--node", "127.0.0.1:7400", "cart"]);
    assert_eq!(code, Some(64));
    assert!(said.contains("\"cart\" is no address ("), "{said}");
    assert!(said.contains("a key or value goes before --node"), "{said}");
}

#[test]
fn who_has_answered_is_told() {
    let mut user = User::new();
    user.start(&["--nodes", "3"]);
    let (code, said) = user.run(&["put", "cart", "apples", "--json", "--quorum", "strict"]);
    assert_eq!(code, Some(0));
    assert!(said.contains(r#""replicas":{"fallbacks":[],"primaries":["n"#), "{said}");
    let (code, said) = user.run(&["get", "cart", "--verbose"]);
    assert_eq!(code, Some(0));
    assert!(said.starts_with("apples\nas n") && said.ends_with(" have it\n"), "{said}");
    let (_, said) = user.run(&["get", "cart", "--json"]);
    assert!(said.contains(r#""replicas":{"fallbacks":[],"primaries":["n"#), "{said}");
    let all: Vec<String> = (0..NODES).map(|i| format!("127.0.0.1:{}", user.port + i)).collect();
    let (code, said) = user.run(&["status", "--deep", "--node", &all.join(",")]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("synchronised") && said.contains("copies"), "{said}");
    user.stop();
    let (code, said) = user.run(&["status", "--timeout-ms", "50"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("no answer"), "{said}");
}

#[test]
fn a_session_at_the_terminal() {
    let mut user = User::new();
    user.start(&["--nodes", "3"]);

    assert_eq!(user.run(&["get", "cart"]), (Some(1), "not found\n".into()));
    assert_eq!(user.run(&["put", "cart", "apples"]), (Some(0), "stored\n".into()));
    assert_eq!(contexts(user.folder.path()), 0, "a stored put uses the context up");
    let (code, said) = user.run(&["put", "cart", "pears"]);
    assert_eq!(code, Some(0));
    assert!(said.contains("blind"), "{said}");
    let (code, said) = user.run(&["get", "cart"]);
    assert_eq!(code, Some(0));
    assert!(said.contains("apples\n") && said.contains("pears\n"), "{said}");
    assert_eq!(user.run(&["put", "cart", "both"]), (Some(0), "stored\n".into()));
    assert_eq!(user.run(&["get", "cart"]), (Some(0), "both\n".into()));

    // Another cluster on these ports is told so, and the same one comes back with its data.
    let (code, said) = text(&user.cluster_command(&["--nodes", "3"]).output().unwrap());
    assert_eq!(code, Some(64));
    assert!(said.contains("cannot listen on"), "{said}");

    // So is one that wants the same data at other ports, before it has changed any file there.
    let config = fs::read_to_string(user.data().join("n0.toml")).unwrap();
    let elsewhere = user.port - NODES;
    let port = elsewhere.to_string();
    let mut rival = user.command(&["cluster", "--nodes", "3", "--port", &port, "--data"]);
    let (code, said) = text(&rival.arg(user.data()).output().unwrap());
    assert_eq!(code, Some(64));
    assert!(said.contains("a cluster is running in"), "{said}");
    assert_eq!(fs::read_to_string(user.data().join("n0.toml")).unwrap(), config);

    // Nobody reads the answer: no panic.
    let mut unread = user.command(&["get", "cart"]);
    unread.stdout(closed_pipe());
    assert_eq!(text(&unread.output().unwrap()), (Some(141), String::new()));
    user.stop();
    let (code, said) = text(&user.cluster_command(&["--nodes", "5"]).output().unwrap());
    assert_eq!(code, Some(64));
    assert!(said.contains("holds a cluster of 3 nodes"), "{said}");
    user.start(&[]);
    assert_eq!(user.run(&["get", "cart"]), (Some(0), "both\n".into()));
    assert_eq!(user.run(&["delete", "cart"]), (Some(0), "stored\n".into()));
    assert_eq!(user.run(&["get", "cart"]), (Some(1), "not found: deleted\n".into()));
    user.stop();

    // A node whose disk was erased comes back by itself.
    fs::remove_dir_all(user.data().join("n1")).unwrap();
    user.start(&[]);
    let nodes = format!("127.0.0.1:{}", user.port + 1);
    let deadline = Instant::now() + PATIENCE;
    while !user.run(&["status", "--node", &nodes, "--json"]).1.contains("\"synchronised\":true") {
        assert!(Instant::now() < deadline, "the erased node does not recover");
        sleep(Duration::from_millis(100));
    }
    assert_eq!(
        user.run(&["get", "cart", "--node", &nodes]),
        (Some(1), "not found: deleted\n".into())
    );
    user.stop();

    let (code, said) = user.run(&["put", "cart", "x", "--no-context"]);
    assert_eq!(code, Some(1));
    assert!(said.contains("not applied: none of the nodes answers"), "{said}");
}

#[test]
fn a_cluster_that_has_changed_comes_back_as_it_is() {
    let mut user = User::new();
    user.start(&["--nodes", "3", "--n", "2"]);
    let node = format!("127.0.0.1:{}", user.port);
    let admin = |user: &User, verb: &[&str]| {
        let (code, said) = user.run(&[&["admin", "--node", &node], verb].concat());
        assert_eq!(code, Some(0), "{said}");
    };
    admin(&user, &["leave", "n2"]);
    admin(&user, &["commit", "--wait"]);
    user.stop();

    user.start(&[]);
    let greeting = fs::read_to_string(user.log()).unwrap();
    let last = user.port + 2;
    assert!(greeting.starts_with("2 nodes are up: "), "{greeting}");
    assert!(greeting.contains(&format!("no members any more: 127.0.0.1:{last}\n")), "{greeting}");
    user.stop();

    // Its members would look for each other at the old ports.
    let port = (user.port - NODES).to_string();
    let mut moved = user.command(&["cluster", "--port", &port, "--data"]);
    let (code, said) = text(&moved.arg(user.data()).output().unwrap());
    assert_eq!(code, Some(64));
    assert!(said.contains("leave --port out"), "{said}");
}

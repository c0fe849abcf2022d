//! `dynamo explore` as a user runs it.
#![cfg(feature = "check")]

use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

const STALE: &str = r#"
format = 1
title = "A read may go backwards"
[cluster]
nodes = 2
n = 2
r = 1
w = 1
read-repair = "off"
[[client]]
steps = ["put k@0"]
[[client]]
steps = ["get k@0", "get k@1"]
[expect]
no-lost-write = "holds"
monotonic-reads = "refuted"
linearizable = "refuted"
"#;

fn file(name: &str, text: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, text).expect("a file");
    path
}

fn explore(file: &PathBuf, arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dynamo"));
    command.arg("explore").arg(file).args(arguments.split_whitespace());
    command.current_dir(env!("CARGO_TARGET_TMPDIR"));
    command
}

fn refusal(file: &PathBuf, arguments: &str) -> String {
    let Output { status, stdout, stderr } = explore(file, arguments).output().expect("dynamo runs");
    let stderr = String::from_utf8(stderr).expect("text is UTF-8");
    assert_eq!(status.code(), Some(64), "{stderr}");
    assert_eq!(String::from_utf8_lossy(&stdout), "");
    assert_eq!(stderr.trim_end().lines().count(), 1, "{stderr}");
    stderr
}

/// A page that is being served; killed if the test fails.
struct Page {
    child: Child,
    sentence: String,
    hint: String,
    /// Host and port.
    host: String,
    /// What follows `/#/steps`.
    path: String,
}

impl Page {
    fn open(file: &PathBuf, arguments: &str) -> Page {
        let mut command = explore(file, &format!("{arguments} --port 0"));
        let mut child = command.stdout(Stdio::piped()).spawn().expect("dynamo runs");
        let mut lines = BufReader::new(child.stdout.as_mut().expect("a pipe")).lines();
        let mut line = || lines.next().expect("a line").expect("text");
        let (sentence, address) = (line(), line());
        let rest = address.strip_prefix("http://").expect(&address);
        let (host, path) = rest.split_once("/#/steps").expect(&address);
        let (host, path) = (host.to_string(), path.to_string());
        let hint: Vec<String> = lines
            .map(|line| line.expect("text"))
            .take_while(|line| line != "Ctrl-C ends.")
            .collect();
        let hint = hint.join("\n");
        assert!(hint.contains("icons"));
        Page { child, sentence, hint, host, path }
    }

    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.host).expect("it listens");
        write!(stream, "GET {path} HTTP/1.0\r\nHost: {}\r\n\r\n", self.host).expect("a request");
        let mut response = String::new();
        stream.read_to_string(&mut response).expect("a response");
        let (head, body) = response.split_once("\r\n\r\n").expect("a head and a body");
        assert!(head.starts_with("HTTP/1.") && head.contains(" 200 "), "{head}");
        body.to_string()
    }

    /// The step that the printed address ends at: action, text of the state, text of the step.
    fn last_step(&self) -> [String; 3] {
        let (before, last) = self.path.rsplit_once('/').expect("a path");
        let last: u64 = last.parse().expect("a number");
        let steps: Value =
            serde_json::from_str(&self.get(&format!("/.states{before}"))).expect("JSON");
        let mut steps = steps.as_array().expect("a list").iter();
        let step = steps.find(|step| step["actionIndex"] == last).expect("the step");
        ["action", "state", "outcome"].map(|field| step[field].as_str().expect(field).to_string())
    }

    /// Ctrl-C.
    fn interrupt(mut self) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-INT", &pid]).status().expect("kill runs");
        assert!(sent.success());
        assert_eq!(self.child.wait().expect("it ends").code(), Some(0));
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_page_opens_at_the_bad_step() {
    let page = Page::open(&file("stale.toml", STALE), "");
    assert_eq!(page.sentence, "monotonic-reads is refuted, in no fewer than 3 steps:");
    assert_eq!(page.path.split('/').count(), 1 + 1 + 3, "the initial state and 3 steps");
    let [action, state, outcome] = page.last_step();
    assert!(action.starts_with("c1 asks n1: get k"), "{action}");
    assert!(state.starts_with("monotonic-reads: FALSE\n"), "{state}");
    assert!(outcome.starts_with("no-lost-write: holds\nmonotonic-reads: FALSE\n"), "{outcome}");
    for text in [&state, &outcome] {
        assert!(text.contains("n0 holds k=v1"), "{text}");
        assert!(text.contains("acknowledged: v1"), "{text}");
    }
    assert!(page.hint.ends_with("Not judged here: linearizable; use --property linearizable."));
    assert!(page.get("/").contains("<html"), "the page itself");
    assert!(page.get("/.states/0").contains("<svg"), "a diagram of each step");
    page.interrupt();
}

#[test]
fn linearizable_is_asked_by_name() {
    let page = Page::open(&file("stale-linear.toml", STALE), "--property linearizable");
    assert!(page.sentence.starts_with("linearizable is refuted"), "{}", page.sentence);
    assert!(!page.hint.contains("Not judged"), "{}", page.hint);
    let [_, state, _] = page.last_step();
    assert!(state.starts_with("linearizable: FALSE\n"), "{state}");
    page.interrupt();
}

#[test]
fn the_actors_can_be_explored() {
    let page = Page::open(&file("stale-actors.toml", STALE), "--encoding actor");
    assert!(page.sentence.starts_with("monotonic-reads is refuted"), "{}", page.sentence);
    let [action, ..] = page.last_step();
    assert!(action.contains("c1.2"), "{action}");
    page.interrupt();
}

#[test]
fn what_holds_opens_at_the_start() {
    let page = Page::open(&file("holds.toml", STALE), "--property no-lost-write");
    assert!(page.sentence.starts_with("Every property judged here holds"), "{}", page.sentence);
    assert_eq!(page.path, "");
    page.interrupt();
}

#[test]
fn a_taken_port_is_said_in_one_sentence() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port();
    let message = refusal(&file("taken.toml", STALE), &format!("--port {port}"));
    assert!(message.contains(&format!("127.0.0.1:{port} cannot be listened on")), "{message}");
    assert!(message.contains("choose another port"), "{message}");
}

#[test]
fn bad_input_is_refused_in_one_sentence() {
    let stale = file("stale-bad.toml", STALE);
    let message = refusal(&stale, "--encoding actor --property regular --port 0");
    assert!(message.contains("use --encoding cluster"), "{message}");
    let unpinned = file("unpinned.toml", &STALE.replace("get k@1", "get k"));
    let message = refusal(&unpinned, "--encoding actor --port 0");
    assert!(message.contains("pin it, as in `get k@0`"), "{message}");
    let message = refusal(&PathBuf::from("missing.toml"), "--port 0");
    assert!(message.contains("missing.toml: cannot be read"), "{message}");
}

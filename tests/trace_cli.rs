//! `dynamo trace` as a user runs it.

#![cfg(feature = "check")]

use std::path::PathBuf;
use std::process::{Command, Output};

const SCENARIO: &str = r#"format = 1
title = "Reads of one replica go backwards"
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
"#;

fn file(name: &str, text: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, text).expect("the file can be written");
    path
}

fn trace(name: &str, arguments: &[&str]) -> Output {
    let scenario = file(name, SCENARIO);
    let mut command = Command::new(env!("CARGO_BIN_EXE_dynamo"));
    command.arg("trace").arg(scenario).args(arguments).output().expect("dynamo runs")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("UTF-8")
}

#[test]
fn every_format_is_printed() {
    let beginnings = [
        ("text", "Reads of one replica go backwards\n"),
        ("json", "{\n  \"format\": 1,"),
        ("mermaid", "sequenceDiagram\n"),
        ("svg", "<svg "),
        ("shiviz", "c0 asks n0: put k=v1 blind\nc0 {\"c0\":1}\n"),
    ];
    for (format, beginning) in beginnings {
        let arguments = ["--property", "monotonic-reads", "--format", format];
        let output = trace(&format!("{format}.toml"), &arguments);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert!(text(&output.stdout).starts_with(beginning), "{}", text(&output.stdout));
    }
}

#[test]
fn without_a_property_the_first_refuted_one_is_shown() {
    let output = trace("first.toml", &[]);
    assert_eq!(output.status.code(), Some(0));
    assert!(
        text(&output.stdout).contains("\nproperty  monotonic-reads: "),
        "{}",
        text(&output.stdout)
    );
}

#[test]
fn what_holds_has_no_counterexample() {
    let output = trace("holds.toml", &["--property", "unique-dots"]);
    assert_eq!(output.status.code(), Some(1));
    let said = "unique-dots holds within these bounds: no counterexample\n";
    assert_eq!((text(&output.stdout), text(&output.stderr)), ("", said));
}

#[test]
fn a_limit_is_never_a_pass() {
    let output = trace("limit.toml", &["--property", "unique-dots", "--max-states", "1"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).starts_with("unique-dots: inconclusive"));
}

#[test]
fn it_writes_to_a_file() {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("trace.svg");
    let name = path.to_str().expect("UTF-8");
    let arguments = ["--property", "regular", "--format", "svg", "--output", name];
    let output = trace("output.toml", &arguments);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(0), ""));
    assert!(std::fs::read_to_string(path).expect("it was written").ends_with("</svg>\n"));
}

#[test]
fn bad_input_is_refused() {
    for arguments in [["--property", "no-such"], ["--format", "pdf"], ["--output", "/no/where/x"]] {
        let output = trace("bad.toml", &arguments);
        assert_eq!(output.status.code(), Some(64), "{arguments:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty());
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_dynamo"));
    let output = command.args(["trace", "no-such.toml"]).output().expect("dynamo runs");
    assert_eq!(output.status.code(), Some(64));
}

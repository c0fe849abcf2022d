//! `dynamo museum` as a user runs it.
#![cfg(feature = "museum")]

use std::process::{Command, Output};

fn dynamo(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dynamo"));
    command.args(arguments).output().expect("it runs")
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

fn complaint(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(64));
    String::from_utf8(output.stderr.clone()).expect("text")
}

#[test]
fn a_bug_is_shown_with_its_counterexample() {
    let shown = dynamo(&["museum", "d2", "E12"]);
    assert_eq!(shown.status.code(), Some(0), "{}", out(&shown));
    assert!(out(&shown).contains("2 exhibits, 2 as catalogued"), "{}", out(&shown));
    let told = out(&dynamo(&["museum", "D2", "--trace"]));
    assert!(told.contains("UNSAFE hint-release by-key"), "{told}");
    assert!(told.contains("n1 releases k of n0"), "{told}");
    assert!(out(&dynamo(&["museum", "E12", "--trace"])).contains("partition"));
}

#[test]
fn its_broken_world_is_a_scenario() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("d2.toml");
    std::fs::write(&file, out(&dynamo(&["museum", "D2", "--print"]))).unwrap();
    let checked = dynamo(&["check", file.to_str().unwrap()]);
    assert_eq!(checked.status.code(), Some(0), "{}", out(&checked));
    assert!(out(&checked).contains("now false: no-lost-write"), "{}", out(&checked));
}

#[test]
fn what_was_found_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kept.jsonl");
    let arguments = ["museum", "D1", "A1", "--json", "--resume", file.to_str().unwrap()];
    let first = out(&dynamo(&arguments));
    assert_eq!(first.matches("\"outcome\":\"as-catalogued\"").count(), 2, "{first}");
    // The times are those of the first run.
    assert_eq!(out(&dynamo(&arguments)), first);
}

#[test]
fn what_is_not_there_is_named() {
    let left_out = complaint(&dynamo(&["museum", "B10"]));
    let why = "B10 (TTL object resurrected by AAE) is not in the museum: values here do not expire";
    assert!(left_out.contains(why), "{left_out}");
    let unknown = complaint(&dynamo(&["museum", "Z1"]));
    assert!(unknown.contains("there is no bug \"Z1\""), "{unknown}");
    let file = "models/museum/d1-hint-forgotten-on-send.toml";
    let belongs = complaint(&dynamo(&["check", file]));
    assert!(belongs.contains("it belongs in a file of models/museum/"), "{belongs}");
}

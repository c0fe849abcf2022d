//! `dynamo simulate` and `dynamo merge` as a user runs them.
#![cfg(feature = "sim")]

use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn dynamo(folder: &Path, arguments: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dynamo"));
    command.current_dir(folder).args(arguments.split_whitespace());
    command.output().expect("dynamo runs")
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// What it prints when it ends with `code`, and nothing on standard error.
fn text(folder: &Path, arguments: &str, code: i32) -> String {
    let output = dynamo(folder, arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), &*errors), (Some(code), ""), "{arguments}");
    String::from_utf8(output.stdout).expect("text is UTF-8")
}

/// What it complains of, with exit code 64 and nothing on standard output.
fn refusal(folder: &Path, arguments: &str) -> String {
    let output = dynamo(folder, arguments);
    assert_eq!(output.status.code(), Some(64), "{arguments}: {output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

const SMALL: &str = "nodes = 3\n[cluster]\nn = 3\nr = 2\nw = 2\n[load]\nduration-ms = 3000\n";

#[test]
fn without_a_file_it_runs_the_default_fault_mix() {
    let folder = folder();
    let told = text(folder.path(), "simulate --runs 4", 0);
    assert!(told.starts_with("five nodes, the default fault mix: 5 nodes, N=3 R=2 W=2\n4 runs"));
    for word in ["no-lost-write         holds", "until all agree", "faults-crashes="] {
        assert!(told.contains(word), "{word}: {told}");
    }
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0, "nothing is written");
}

#[test]
fn shares_are_put_together_to_the_whole() {
    let folder = folder();
    fs::write(folder.path().join("s.toml"), SMALL).unwrap();
    let whole = text(folder.path(), "simulate s.toml --seed 5 --runs 9 --json --threads 1", 0);
    for share in 0..3 {
        let arguments = format!("simulate s.toml --seed 5 --runs 9 --json --shard {share}/3");
        let file = folder.path().join(format!("{share}.json"));
        fs::write(file, text(folder.path(), &arguments, 0)).unwrap();
    }
    let json = |text: &str| serde_json::from_str::<Value>(text).expect("one JSON object");
    let merged = json(&text(folder.path(), "merge 2.json 0.json 1.json --json", 0));
    assert_eq!(merged["outcome"], json(&whole)["outcome"]);
    assert_eq!(merged["outcome"]["runs"], 9);
    let some = text(folder.path(), "merge 0.json 2.json", 2);
    assert!(some.contains("6 runs, seeds 5 to 13, 2 of 3 shares"), "{some}");
    let twice = refusal(folder.path(), "merge 0.json 1.json 0.json");
    assert!(twice.contains("0.json: shard 0/3 is there twice"), "{twice}");
    let none = refusal(folder.path(), "merge s.toml");
    assert!(none.contains("s.toml is no output of `dynamo simulate --json`"), "{none}");
}

/// The command that is told repeats the failure, and the smaller file that is written does as well.
#[test]
fn what_is_wrong_is_repeated_and_shrunk_by_the_commands_that_are_told() {
    let folder = folder();
    let head = SMALL.replace("r = 2\nw = 2", "r = 1\nw = 1\nhandoff = \"off\"");
    let file = head.replace(
        "[load]",
        "anti-entropy = \"off\"\nread-repair = \"off\"\n[network]\nloss = 0.2\n[load]",
    );
    fs::write(folder.path().join("s.toml"), file).unwrap();
    let told = text(folder.path(), "simulate s.toml --runs 3", 1);
    assert!(told.contains("converges             VIOLATED"), "{told}");
    let commands: Vec<&str> =
        told.lines().filter_map(|l| l.trim().strip_prefix("dynamo ")).collect();
    let [again, smaller] = commands[..] else { panic!("{told}") };
    assert!(text(folder.path(), again, 1).contains("converges             VIOLATED"));
    let shrunk = text(folder.path(), smaller, 1);
    let last = shrunk.lines().last().and_then(|line| line.trim().strip_prefix("dynamo "));
    let last = last.unwrap_or_else(|| panic!("{shrunk}"));
    assert!(text(folder.path(), last, 1).contains("converges             VIOLATED"));
    let nothing = refusal(folder.path(), "simulate --seed 0 --shrink x.toml");
    assert!(nothing.contains("nothing is wrong in the run of seed 0"), "{nothing}");
}

#[test]
fn wrong_files_and_wrong_usage_are_told_in_a_sentence() {
    let folder = folder();
    let says = |file: &str, complaint: &str| {
        fs::write(folder.path().join("s.toml"), file).unwrap();
        let said = refusal(folder.path(), "simulate s.toml");
        assert!(said.contains(complaint) && said.lines().count() == 1, "{said}");
    };
    says("nodes = 3\n", "s.toml, line 1: missing field `cluster`");
    says(&SMALL.replace("duration-ms", "duration"), "s.toml, line 7: unknown field `duration`");
    says(&SMALL.replace("n = 3", "n = 4"), "s.toml: [cluster]: N is 4");
    says(&SMALL.replace("3000", "0"), "s.toml: load.duration-ms is 0; use 1 to");
    let events = "[[faults.events]]\nat-ms = 5\nfor-ms = 5\n";
    says(&format!("{SMALL}{events}"), "the event at 5 ms must have exactly one of crash");
    says(&format!("{SMALL}{events}crash = 7\n"), "the event at 5 ms names node 7 of 3");
    says(
        &format!("{SMALL}[[network.links]]\nfrom = [9]\nlatency = {{ constant = 1 }}\n"),
        "node 9 of 3",
    );
    let gone = refusal(folder.path(), "simulate none.toml");
    assert!(gone.contains("cannot read none.toml"), "{gone}");
    assert!(refusal(folder.path(), "simulate --shard 3/3").contains("use 0/4 to 3/4"));
    assert!(refusal(folder.path(), "simulate --runs 0").contains("0 runs; use 1 to"));
}

/// Every file that comes with the project can be simulated, if not in the time of a test.
#[test]
fn all_setups_of_the_project_are_read() {
    let files = fs::read_dir("models/simulations").unwrap();
    let read = files.map(|file| dynamo::sim::Setup::read(&file.unwrap().path()).unwrap());
    assert!(read.filter(|setup| !setup.title.is_empty()).count() >= 2);
}

//! `dynamo check` as a user runs it.
#![cfg(feature = "check")]

use serde_json::Value;
use std::process::{Command, Output, Stdio};

const QUESTION: &[&str] = &["--n", "2", "--r", "1", "--w", "1"];

fn check(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dynamo"));
    command.arg("check").args(arguments).current_dir(env!("CARGO_TARGET_TMPDIR"));
    command
}

fn text(output: Output) -> (Option<i32>, String, String) {
    let text = |bytes| String::from_utf8(bytes).expect("text is UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    text(check(arguments).output().expect("dynamo runs"))
}

/// A scenario file in a folder of its own, which also holds a folder that is called like one.
fn scenario(folder: &std::path::Path) -> String {
    let (code, printed, _) = run(&[QUESTION, &["--print"]].concat());
    assert_eq!(code, Some(0));
    std::fs::create_dir(folder.join("more.toml")).expect("a folder");
    let file = folder.join("scenario.toml");
    let expect = "\n[expect]\nread-your-writes = \"holds\"\nmonotonic-reads = \"holds\"\n";
    std::fs::write(&file, printed + expect).expect("a file");
    file.to_str().expect("text is UTF-8").to_owned()
}

#[test]
fn a_reader_that_has_seen_enough_is_no_panic() {
    for flags in [&[][..], &["--json"], &["--print"]] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut command = check(&[QUESTION, flags].concat());
        let output = command.stdout(Stdio::from(writer)).output().expect("dynamo runs");
        assert_eq!(text(output), (Some(141), String::new(), String::new()), "{flags:?}");
    }
}

#[test]
fn a_file_can_be_asked_one_property() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = scenario(folder.path());
    for path in [&file, folder.path().to_str().expect("text is UTF-8")] {
        let flags = ["--json", "--property", "monotonic-reads", "--property", "unique-dots"];
        let (code, stdout, stderr) = run(&[&[path], &flags[..]].concat());
        assert_eq!(code, Some(0), "{stderr}");
        let line: Value = serde_json::from_str(&stdout).expect("one JSON object");
        let asked: Vec<_> = line["properties"].as_array().expect("a list").iter().collect();
        let names: Vec<_> = asked.iter().map(|property| &property["name"]).collect();
        assert_eq!(names, ["unique-dots", "monotonic-reads"]);
        assert_eq!(asked[0]["expected"], Value::Null);
        assert_eq!(asked[1]["expected"], "holds");
    }
}

#[test]
fn every_setting_of_failure_handling_can_be_asked_without_a_file() {
    let flags = "--n 3 --nodes 4 --quorum sloppy --handoff off --anti-entropy on \
                 --durability buffered --reap on --faults disk-losses=1,partitions=2 --print";
    let (code, printed, stderr) = run(&flags.split_whitespace().collect::<Vec<_>>());
    assert_eq!(code, Some(0), "{stderr}");
    let lines: Vec<_> = printed.lines().filter_map(|line| line.split("  #").next()).collect();
    for line in [
        "quorum = \"sloppy\"",
        "handoff = \"off\"",
        "anti-entropy = \"on\"",
        "durability = \"buffered\"",
        "reap = \"on\"",
        "disk-losses = 1",
        "partitions = 2",
    ] {
        assert!(lines.iter().any(|printed| printed.trim_end() == line), "{line}\n{printed}");
    }
}

#[test]
fn settings_that_cannot_be_are_refused() {
    for (flags, said) in [
        ("--n 1 --faults partitions=1", "a partition splits the nodes in two sides"),
        ("--n 3 --faults disks=1", "timeouts, disk-losses, partitions"),
        ("--n 3 --quorum slopy", "did you mean `sloppy`?"),
        ("--n 3 --reap maybe", "switch `maybe` is unknown: use `off` or `on`"),
        ("--quorum sloppy", "--n <N>"),
    ] {
        let (code, _, stderr) = run(&flags.split_whitespace().collect::<Vec<_>>());
        assert_eq!(code, Some(64), "{flags}: {stderr}");
        assert!(stderr.contains(said), "{flags}: {stderr}");
    }
}

#[test]
fn a_file_beside_settings_is_refused_and_only_what_was_given_is_named() {
    let (code, _, stderr) = run(&["file.toml", "--n", "3"]);
    assert_eq!(code, Some(64));
    assert!(stderr.contains("--n <N>") && !stderr.contains("--versioning"), "{stderr}");
}

/// Every engine gives the verdicts that the usual one gives, and says that its counterexamples are not
/// the shortest and what it was not asked.
#[test]
fn other_engines_give_a_second_opinion() {
    let flags = ["--property", "read-your-writes", "--property", "regular", "--json", "--engine"];
    let json = |engine: &str| -> Value {
        let (code, stdout, stderr) = run(&[QUESTION, &flags, &[engine]].concat());
        assert_eq!(code, Some(0), "{engine}: {stderr}");
        serde_json::from_str(&stdout).expect("one JSON object")
    };
    let verdicts = |line: &Value| -> Vec<(Value, Value)> {
        let properties = line["properties"].as_array().expect("a list").iter();
        properties.map(|p| (p["name"].clone(), p["verdict"].clone())).collect()
    };
    let ours = json("dynamo");
    assert_eq!(ours["engine"], "dynamo");
    assert_eq!(ours["properties"][1]["shortest"], true, "regular is refuted");
    for engine in ["stateright-bfs", "stateright-dfs", "dynamo-dfs"] {
        let theirs = json(engine);
        assert_eq!(theirs["engine"], engine);
        assert_eq!(theirs["properties"][1]["shortest"], false);
        assert_eq!(theirs["coverage"].is_null(), engine.starts_with("stateright"));
        assert_eq!(verdicts(&theirs), verdicts(&ours));
        let flags = ["--engine", engine, "--property", "converges", "--property", "unique-dots"];
        let (code, stdout, _) = run(&[QUESTION, &flags].concat());
        assert_eq!(code, Some(0));
        assert!(stdout.contains(&format!("Engine {engine}: converges")), "{stdout}");
        assert!(!stdout.contains("the shortest"), "{stdout}");
    }
}

#[test]
fn what_stateright_cannot_do_is_refused() {
    for (flags, said) in [
        ("--engine stateright-dfs --max-memory 1GiB", "use --max-states or --timeout"),
        ("--engine stateright-bfs --coverage", "with --engine dynamo"),
        ("--engine spin", "stateright-bfs"),
    ] {
        let flags: Vec<_> = flags.split(' ').collect();
        let (code, _, stderr) = run(&[QUESTION, &flags].concat());
        assert_eq!(code, Some(64), "{flags:?}: {stderr}");
        assert!(stderr.contains(said), "{flags:?}: {stderr}");
    }
    let limited = ["--engine", "stateright-bfs", "--max-states", "10"];
    let (code, stdout, _) = run(&[QUESTION, &limited].concat());
    assert_eq!(code, Some(2), "{stdout}");
    assert!(stdout.contains("inconclusive, the limit of states came first"), "{stdout}");
}

/// The table's sums are the counts of the JSON line, which has the same figures.
#[test]
fn coverage_is_told() {
    let question = [QUESTION, &["--faults", "crashes=1"]].concat();
    let (_, stdout, stderr) = run(&[&question[..], &["--json"]].concat());
    let line: Value = serde_json::from_str(&stdout).unwrap_or_else(|_| panic!("{stderr}"));
    let taken = line["coverage"]["taken"].as_object().expect("kinds");
    let steps: u64 = taken.values().map(|kind| kind["steps"].as_u64().expect("a count")).sum();
    assert_eq!(Some(steps), line["generated"].as_u64());
    let (_, stdout, _) = run(&[&question[..], &["--coverage"]].concat());
    let words = |line: &str| line.split_whitespace().map(str::to_string).collect::<Vec<_>>();
    let table: Vec<_> = stdout.lines().map(words).collect();
    for (name, kind) in taken {
        let row = [name.clone(), kind["steps"].to_string(), kind["new"].to_string()];
        assert!(table.contains(&row.to_vec()), "{row:?}\n{stdout}");
    }
    let never = line["coverage"]["never_taken"].as_array().expect("a list");
    let never: Vec<_> = never.iter().map(|name| name.as_str().expect("a name")).collect();
    let never = if never.is_empty() { "none".into() } else { never.join(", ") };
    assert!(stdout.contains(&format!("never taken: {never}\n")), "{stdout}");
}

/// Every engine explores as much, with reductions and without them, and says which it was.
#[test]
fn clients_that_are_alike_begin_in_their_order() {
    let unique = |flags: &[&str]| {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/models/scenarios/four-writers.toml");
        let (code, stdout, stderr) =
            run(&[&[file, "--property", "regular", "--json"], flags].concat());
        assert_eq!(code, Some(0), "{stderr}");
        let line: Value = serde_json::from_str(&stdout).expect("one JSON object");
        let bounds = line["bounds"].as_str().expect("a sentence");
        let in_order = bounds.ends_with("clients that are alike begin in their order");
        assert_eq!(in_order, !flags.contains(&"off"), "{bounds}");
        assert_eq!(bounds.ends_with("nothing left out"), !in_order, "{bounds}");
        line["unique"].as_u64().expect("a count")
    };
    let (some, all) = (unique(&[]), unique(&["--reductions", "off"]));
    assert!(all > 24 * some, "{some} of {all}");
    assert_eq!(unique(&["--engine", "stateright-dfs"]), some);
    assert_eq!(unique(&["--engine", "dynamo-dfs"]), some);
    assert_eq!(unique(&["--engine", "dynamo-dfs", "--reductions", "off"]), all);
}

/// Who is stopped goes on, and finds what one finds who was not stopped.
#[test]
fn a_check_goes_on_from_its_checkpoint() {
    let folder = tempfile::tempdir().expect("a folder");
    let kept = folder.path().join("kept");
    let kept = kept.to_str().expect("a name");
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/models/scenarios/crash-322.toml");
    let flags = [file, "--checkpoint", kept];
    let (code, stdout, stderr) = run(&[&flags[..], &["--max-states", "5000"]].concat());
    assert_eq!(code, Some(2), "{stdout}{stderr}");
    assert!(stderr.contains("the same command goes on from there"), "{stderr}");
    let verdicts = |flags: &[&str]| {
        let (code, stdout, stderr) = run(&[flags, &["--json"]].concat());
        assert_eq!(code, Some(0), "{stderr}");
        let mut line: Value = serde_json::from_str(&stdout).expect("one JSON object");
        line.as_object_mut().expect("an object").remove("seconds");
        line
    };
    assert_eq!(verdicts(&flags), verdicts(&[file]));
    for entry in std::fs::read_dir(kept).expect("the folder") {
        std::fs::write(entry.expect("a file").path(), "scribble").expect("it is ours");
    }
    let (code, _, stderr) = run(&flags);
    assert_eq!(code, Some(64), "{stderr}");
    assert!(stderr.contains("is no checkpoint, or damaged: remove it to begin anew"), "{stderr}");
    let (code, _, stderr) = run(&[&flags[..], &["--engine", "stateright-bfs"]].concat());
    assert_eq!(code, Some(64), "{stderr}");
    assert!(stderr.contains("use --checkpoint with --engine dynamo"), "{stderr}");
}

//! `dynamo theorems` as a user runs it.
#![cfg(feature = "check")]

use std::path::Path;
use std::process::{Command, Output};

fn theorems(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dynamo"));
    command.arg("theorems").args(arguments).output().expect("it runs")
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

#[test]
fn what_was_found_is_kept_and_not_looked_for_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("known.jsonl");
    let path = file.to_str().unwrap();
    let arguments = ["211-strict-off", "--json", "--resume", path];
    let first = theorems(&arguments);
    assert_eq!(first.status.code(), Some(0));
    let found = out(&first);
    assert!(found.contains("\"property\":\"no-lost-write\",\"verdict\":\"refuted\""), "{found}");
    // The times are those of the first run.
    assert_eq!(out(&theorems(&arguments)), found);
    assert_eq!(lines(&file), 1);
    // What was cut off is found again, and what follows it is whole.
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, &text[..text.len() / 2]).unwrap();
    assert_eq!(theorems(&arguments).status.code(), Some(0));
    assert_eq!(lines(&file), 2);
    let kept = std::fs::read_to_string(&file).unwrap();
    assert_eq!(out(&theorems(&arguments)).trim(), kept.lines().last().unwrap());
    // More faults are another question.
    assert_eq!(
        theorems(&["211-strict-off", "--faults", "0", "--resume", path]).status.code(),
        Some(0)
    );
    assert_eq!(lines(&file), 3);
}

fn lines(file: &Path) -> usize {
    let text = std::fs::read_to_string(file).unwrap();
    text.lines().filter(|line| !line.is_empty()).count()
}

#[test]
fn a_limit_is_no_verdict() {
    let limited = theorems(&["322-sloppy-off", "--timeout", "0s"]);
    assert_eq!(limited.status.code(), Some(2));
    let row = out(&limited).lines().nth(1).expect("a row").to_string();
    assert!(row.contains(" ? ") && !row.contains("holds"), "{row}");
}

#[test]
fn what_breaks_a_property_is_told_step_by_step() {
    let told = |arguments: &[&str]| {
        let output = theorems(arguments);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        out(&output)
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("known.jsonl");
    let kept = ["212-strict-off", "--trace", "linearizable", "--resume", file.to_str().unwrap()];
    let all = told(&kept);
    // One for each minimal set of faults, as the table has them.
    let table = told(&["212-strict-off"]);
    assert!(table.contains("t:4 d:5 c:5 l:5 p:6"), "{table}");
    for (faults, steps) in
        [("timeout", 4), ("drop", 5), ("crash", 5), ("lost disk", 5), ("partition", 6)]
    {
        let heading = format!("212-strict-off with one {faults} breaks linearizable\n");
        let (_, story) = all.split_once(&heading).unwrap_or_else(|| panic!("{heading}{all}"));
        let end = story.lines().find(|line| line.ends_with("linearizable is false."));
        assert_eq!(end, Some(format!("After {steps} actions linearizable is false.").as_str()));
    }
    assert_eq!(told(&kept), all, "what is kept is run again");
    assert!(all.starts_with("212-strict-off linearizable: t:4 d:5 c:5 l:5 p:6\n\n"), "{all}");
    let none = told(&["212-strict-off", "--trace", "no-lost-write"]);
    assert_eq!(none, "212-strict-off no-lost-write: holds\n\n");
    // The same run breaks `regular`; told is what was asked.
    let shared = told(&["311-strict-off", "--trace", "linearizable"]);
    assert!(shared.contains("After 2 actions linearizable is false."), "{shared}");
    assert!(!shared.contains("regular is false."), "{shared}");
    let limited = theorems(&["322-sloppy-off", "--trace", "regular", "--timeout", "0s"]);
    assert_eq!(limited.status.code(), Some(2));
    assert_eq!(out(&limited), "322-sloppy-off regular: ?\n\n", "nothing was found, nothing holds");
    let wrong = theorems(&["212-strict-off", "--trace", "available-writes"]);
    assert_eq!(wrong.status.code(), Some(64));
    let said = String::from_utf8(wrong.stderr).unwrap();
    assert!(said.contains("the table does not speak of available-writes; it has no-lost-write, "));
}

#[test]
fn its_world_is_a_scenario() {
    let printed = theorems(&["322-sloppy-async", "--faults", "2", "--print"]);
    assert_eq!(printed.status.code(), Some(0));
    let text = out(&printed);
    assert!(text.contains("nodes = 4") && text.contains("total = 2"), "{text}");
    let wrong = theorems(&["322-sloppy"]);
    assert_eq!(wrong.status.code(), Some(64));
    let said = String::from_utf8(wrong.stderr).unwrap();
    assert!(said.contains("write NRW-QUORUM-REPAIR, as in 322-sloppy-async"), "{said}");
}

//! `dynamo report` as a user runs it.
#![cfg(feature = "museum")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

fn dynamo(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dynamo"));
    command.args(arguments).output().expect("it runs")
}

fn complaint(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(64), "{output:?}");
    String::from_utf8(output.stderr.clone()).expect("text")
}

/// Two small scenarios, one with a refuted property, and where to write.
struct Desk(TempDir);

impl Desk {
    fn new() -> Desk {
        let desk = Desk(tempfile::tempdir().expect("a folder"));
        fs::create_dir(desk.scenarios()).unwrap();
        for name in ["read-repair-blocking.toml", "read-repair-off.toml"] {
            let from = Path::new("models/scenarios").join(name);
            fs::copy(from, desk.scenarios().join(name)).unwrap();
        }
        desk
    }

    fn scenarios(&self) -> PathBuf {
        self.0.path().join("scenarios")
    }

    fn report(&self, arguments: &[&str]) -> Output {
        let (out, scenarios) = (self.0.path().join("out"), self.scenarios());
        let folders = ["--out", out.to_str().unwrap(), "--scenarios", scenarios.to_str().unwrap()];
        dynamo(&[&["report"], &folders[..], arguments].concat())
    }

    fn written(&self, file: &str) -> String {
        fs::read_to_string(self.0.path().join("out").join(file)).expect("it is written")
    }
}

#[test]
fn the_museum_is_on_one_page_that_needs_no_network() {
    let desk = Desk::new();
    let kept = desk.0.path().join("kept");
    // What is too long for a test is cut short, and said to be.
    let report = desk.report(&["museum", "--resume", kept.to_str().unwrap(), "--timeout", "1s"]);
    assert!(matches!(report.status.code(), Some(0 | 2)), "{report:?}");
    let page = desk.written("index.html");
    assert!(page.contains("<details id=\"museum-D4\">"));
    assert!(page.contains(
        "Point of no return: after step 5 every run to the end without further faults violates it."
    ));
    assert!(
        page.contains("client operations</text>") || page.contains("client operations\n</text>")
    );
    assert!(!page.contains("src=\"http") && !page.contains("href=\"http"));
    let table = desk.written("museum.md");
    assert!(table.contains("| D4  | What comes in takes the place"), "{table}");
    let nowhere = complaint(&dynamo(&["report", "--out", "/dev/null/x"]));
    assert!(nowhere.contains("cannot make /dev/null/x"), "{nowhere}");
}

#[test]
fn what_is_refuted_leads_to_its_counterexample_and_to_the_command_that_repeats_it() {
    let desk = Desk::new();
    let report = desk.report(&["suite", "coverage"]);
    assert_eq!(report.status.code(), Some(0), "{report:?}");
    let page = desk.written("index.html");
    assert!(page.contains("<a href=\"#suite-read-repair-off-monotonic-reads\">10</a>"), "{page}");
    assert!(page.contains("<details id=\"suite-read-repair-off-monotonic-reads\">"), "{page}");
    assert!(!page.contains("<details id=\"suite-read-repair-blocking"), "{page}");
    let file = desk.scenarios().join("read-repair-off.toml");
    let command = format!("dynamo trace {} --property monotonic-reads", file.display());
    assert!(page.contains(&format!("<code>{command}</code>")), "{page}");
    let repeated = dynamo(&command.split(' ').skip(1).collect::<Vec<_>>());
    assert_eq!(repeated.status.code(), Some(0), "{repeated:?}");
    let (suite, coverage) = (desk.written("suite.md"), desk.written("coverage.md"));
    assert!(suite.contains("2 scenarios, 3638 states, 10 verdicts"), "{suite}");
    assert!(suite.contains("3 nodes, 1 keys, "), "{suite}");
    assert!(coverage.contains("| deliver"), "{coverage}");
    assert!(coverage.contains("never taken in any of them: give-up, "), "{coverage}");
}

#[test]
fn a_limit_is_never_a_pass() {
    let desk = Desk::new();
    let report = desk.report(&["suite", "coverage", "--max-states", "10"]);
    assert_eq!(report.status.code(), Some(2), "{report:?}");
    let suite = desk.written("suite.md");
    let rows: Vec<&str> = suite.lines().filter(|line| line.starts_with("| read-")).collect();
    assert_eq!(rows.len(), 2, "{suite}");
    assert!(rows.iter().all(|row| row.contains(" ? ") && !row.contains("holds")), "{suite}");
    for text in [suite, desk.written("coverage.md")] {
        assert!(text.contains("read-repair-off: inconclusive, "), "{text}");
    }
}

#[test]
fn kept_theorems_are_shown_if_these_sources_found_them() {
    let desk = Desk::new();
    let file = desk.0.path().join("theorems.jsonl");
    let path = file.to_str().unwrap();
    assert_eq!(desk.report(&["theorems"]).status.code(), Some(0));
    assert!(desk.written("index.html").contains("dynamo report --theorems FILE"));
    let nowhere = complaint(&desk.report(&["theorems", "--theorems", path]));
    assert!(nowhere.contains("cannot read "), "{nowhere}");
    let rows = ["212-strict-off", "311-strict-off"];
    dynamo(&["theorems", rows[0], rows[1], "--faults", "0", "--resume", path]);
    let page = || {
        assert_eq!(desk.report(&["theorems", "--theorems", path]).status.code(), Some(0));
        desk.written("index.html")
    };
    let known = page();
    assert!(known.contains("<td>311-strict-off</td>"), "{known}");
    // Those of the usual table stand first.
    let place = |row| known.find(&format!("<td>{row}</td>"));
    assert!(place(rows[1]) < place(rows[0]), "{known}");
    assert!(known.contains("1 of 30 configurations of the usual table, others: 1"), "{known}");
    // Only without faults.
    assert!(known.contains("<td>holds &lt;1</td>") && !known.contains("<td>holds</td>"), "{known}");
    // A cell leads to its counterexample, which several properties may share.
    let cell = "<td><a href=\"#theorem-311-strict-off-2\">0:2</a></td>";
    assert!(known.contains(&format!("{cell}{cell}")), "{known}");
    let title = "311-strict-off with no fault breaks regular, linearizable";
    assert!(known.contains(&format!("<summary>{title}</summary>")), "{known}");
    assert!(
        known.contains("dynamo theorems 311-strict-off --faults 0 --trace regular</code>"),
        "{known}"
    );
    let others = fs::read_to_string(&file).unwrap().replace("\"key\":\"", "\"key\":\"x");
    fs::write(&file, others).unwrap();
    let stale = page();
    assert!(
        !stale.contains("311-strict-off") && stale.contains("0 of 30 configurations"),
        "{stale}"
    );
    assert!(!Path::new(&desk.0.path().join("out/theorems.md")).exists());
}

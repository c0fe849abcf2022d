//! A cluster that loses messages, nodes and a disk loses no acknowledged write; and the check that
//! says so can fail.
#![cfg(feature = "node")]

use dynamo::shell::scheme::{ReadRepair, Switch};
use dynamo::torture::plan::Options;
use dynamo::torture::{Report, run};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// What a load may be made longer by.
const LONGEST: Duration = Duration::from_secs(60);

const BINARY: &str = env!("CARGO_BIN_EXE_dynamo");

/// On a slow disk nodes take longer to start: then they are loaded for longer.
fn torture(seed: u64, change: impl Fn(&mut Options)) -> Report {
    let mut more = Duration::ZERO;
    loop {
        let folder = tempfile::tempdir().unwrap();
        let mut options = Options::new(BINARY.into(), folder.path().into(), seed);
        options.load = Duration::from_secs(9);
        change(&mut options);
        options.load += more;
        match run(&options, &AtomicBool::new(false), &|line| println!("{line}")) {
            Err(error) if error.to_string().contains("load for longer") && more < LONGEST => {
                more += Duration::from_secs(20);
            }
            done => return done.unwrap(),
        }
    }
}

#[test]
fn five_nodes_two_kills_and_a_lost_disk_lose_no_acknowledged_write() {
    let report = torture(20_071_014, |_| {});
    println!("at rest {:?} ms after load and faults: {report:?}", report.rest_after_ms);
    assert!(report.wrongs.is_empty(), "{:?}", report.wrongs);
    assert_eq!(report.unrest, None, "hints are left, or copies differ");
    assert!(report.rest_after_ms.is_some());
    assert!(report.differing.is_empty(), "{:?}", report.differing);
    assert!(report.is_good());
    // None of it is vacuous.
    assert_eq!(report.kills.len(), 2);
    assert_eq!(report.kills.iter().filter(|kill| kill.contains("erased")).count(), 1);
    assert_eq!((report.reads, report.unread), (5 * 20, 0));
    assert!(report.acknowledged > 50, "only {} writes", report.acknowledged);
    for name in [
        "faults-lost",
        "faults-duplicated",
        "faults-held-back",
        "suspects",
        "kept-hints",
        "released-hints",
        "exchanged",
        "resynchronised",
    ] {
        assert!(report.counters.get(name).is_some_and(|count| *count > 0), "{name}: {report:?}");
    }
}

#[test]
fn without_handoff_anti_entropy_and_read_repair_the_copies_do_not_agree() {
    let report = torture(20_071_015, |options| {
        options.load = Duration::from_secs(6);
        options.cluster.handoff = Switch::Off;
        options.cluster.anti_entropy = Switch::Off;
        options.cluster.read_repair = ReadRepair::Off;
        // Nothing moves any more.
        options.settle = Duration::from_secs(3);
    });
    let unrest = report.unrest.as_ref().expect("the copies differ");
    println!("left: {unrest}");
    assert!(unrest.hints > 0 && !unrest.ranges.is_empty(), "{unrest:?}");
    assert!(!report.is_good());
}

#[test]
fn an_interrupted_run_tells_what_it_knows_and_leaves_no_process_behind() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut torture = Command::new(BINARY)
        .args(["torture", "--seconds", "600", "--seed", "1", "--json", "--data"])
        .arg(&data)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(torture.stderr.take().unwrap()).lines();
    assert!(said.next().unwrap().unwrap().contains("5 nodes are up, seed 1"));
    let id = torture.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    let output = torture.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("\"seed\":1") && text.contains("\"interrupted\":true"), "{text}");
    assert_eq!(output.status.code(), Some(2), "{text}");
    for node in 0..5 {
        let log = std::fs::read_to_string(data.join(format!("n{node}.log"))).unwrap();
        assert!(log.contains("makes faults on purpose"), "{log}");
        assert!(log.contains(&format!("n{node} stops")), "it has ended in order: {log}");
    }
}

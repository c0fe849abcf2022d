//! Real nodes whose messages take longer: how stale reads are there, and `dynamo measure` as a user
//! runs it.
#![cfg(feature = "node")]

use dynamo::latency::{Latency, Spec};
use dynamo::measure::{Options, Report, run};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

fn measured((r, w): (u8, u8), latency: Latency, times: &[f64], puts: u64) -> Report {
    let options = Options { n: 3, r, w, latency, times: times.into(), puts, clients: 8 };
    let report = run(&options, &|_| true).unwrap();
    println!("{:?}, {} failed", report.probes, report.failed);
    // Whatever else this machine has to do, most of it must be there.
    let gets: u64 = report.probes.iter().map(|probe| probe.gets).sum();
    assert!(gets >= puts / 2 && gets + report.failed == puts && !report.interrupted);
    report
}

fn slow_writes() -> Latency {
    Latency::Legs("exponential:0.1:1".into())
}

#[test]
fn quorums_that_overlap_are_never_stale() {
    for quorum in [(2, 2), (3, 1), (1, 3)] {
        for probe in measured(quorum, slow_writes(), &[0.0, 3.0], 400).probes {
            assert_eq!(probe.fresh, probe.gets, "R, W: {quorum:?}");
        }
    }
}

/// Canary of the above.
#[test]
fn one_replica_of_three_is_stale_sometimes_and_not_always() {
    let at_once = measured((1, 1), slow_writes(), &[0.0], 400).probes[0];
    // A third is to be expected.
    assert!(at_once.fresh > 0 && at_once.fresh < at_once.gets);
}

#[test]
fn messages_between_nodes_take_longer_and_clients_do_not_notice() {
    let each = |ms| Latency::All(Spec::Constant(ms));
    // To a replica and back: however loaded the machine is, it is not less.
    let report = measured((1, 2), each(20.0), &[0.0], 50);
    assert!(report.put.quantile(0.01).ms > 39.9);
    // Nobody waits for other nodes.
    let report = measured((1, 1), each(1500.0), &[0.0], 50);
    for all in [&report.put, &report.get, &report.ping] {
        assert!(all.quantile(0.5).ms < 1500.0);
    }
}

fn command(folder: &Path, arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dynamo"));
    command.arg("measure").args(arguments.split_whitespace());
    command.env("TMPDIR", folder).stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// What it does, and that it leaves nothing behind.
fn measure(arguments: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let output = command(folder.path(), arguments).output().unwrap();
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0, "{arguments}");
    output
}

const SMALL: &str = "--distribution exponential:0.1:1 --t 0 100 --puts 100";

#[test]
fn it_prints_a_table_or_an_object() {
    let output = measure(SMALL);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!((output.status.code(), &*output.stderr), (Some(0), &b""[..]), "{text}");
    assert!(text.starts_with("exponential:0.1:1, N=3 R=1 W=1: real nodes"), "{text}");
    for word in ["P(consistent)", "95 % interval", "PBS", "put", "get", "ping"] {
        assert!(text.contains(word), "{word}: {text}");
    }
    let output = measure(&format!("{SMALL} --n 4 --r 2 --w 3 --json"));
    let object: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!([&object["n"], &object["r"], &object["w"]], [4, 2, 3]);
    assert_eq!((object["failed"].is_u64(), &object["interrupted"]), (true, &false.into()));
    let all = object["p_consistent"].as_array().unwrap();
    for (at, t) in all.iter().zip([0.0, 100.0]) {
        let [told, p, pbs] = ["t_ms", "p", "pbs"].map(|name| at[name].as_f64());
        assert_eq!([told, p, pbs], [Some(t), Some(1.0), Some(1.0)]);
        assert!(at["true_t_ms"].as_f64() >= Some(t) && at["low"].as_f64() < Some(1.0), "{at}");
        assert!(at["gets"].as_u64() > Some(0) && at["gets"] == at["fresh"], "{at}");
    }
    assert!(object["put_p50_ms"].as_f64() > object["ping_p50_ms"].as_f64(), "{object}");
}

#[test]
fn what_cannot_be_measured_is_refused_in_a_sentence() {
    for (arguments, complaint) in [
        ("--distribution lnkd", "the distribution \"lnkd\" is unknown"),
        ("--distribution wan", "the latency \"wan\" tells near replicas from far ones"),
        ("--distribution ymmr --r 4", "R is 4, but N is 3"),
        ("--distribution ymmr --n 65", "65 nodes on one machine; use 1 to 64"),
        ("--distribution ymmr --t -1", "t is -1"),
        ("--distribution ymmr --t 10001", "t is 10001; use 0 to 10000 ms"),
        ("--distribution ymmr --puts 0", "0 is not in 1.."),
        ("", "--distribution"),
    ] {
        let output = measure(arguments);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), &*output.stdout), (Some(64), &b""[..]), "{text}");
        assert!(text.contains(complaint), "{arguments}: {text}");
    }
}

#[test]
fn interrupted_it_tells_what_it_knows_and_cleans_up() {
    let folder = tempfile::tempdir().unwrap();
    let endless = "--distribution exponential:1:1 --t 0 1 --puts 1000000000 --json";
    let measure = command(folder.path(), endless).spawn().unwrap();
    let count = || std::fs::read_dir(&folder).unwrap().count();
    let deadline = Instant::now() + PATIENCE;
    while count() == 0 {
        assert!(Instant::now() < deadline, "no node begins");
        sleep(Duration::from_millis(20));
    }
    let id = measure.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    let output = measure.wait_with_output().unwrap();
    let object: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &object["interrupted"]), (Some(2), &true.into()));
    assert_eq!(count(), 0, "its data is gone");
}

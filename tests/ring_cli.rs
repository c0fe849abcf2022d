//! `dynamo ring` as a user runs it.

use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

fn ring(arguments: &str) -> Output {
    ring_in(Path::new("."), arguments)
}

fn ring_in(folder: &Path, arguments: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dynamo"));
    command.current_dir(folder).arg("ring").args(arguments.split_whitespace());
    command.output().expect("dynamo runs")
}

/// What it prints when all is well.
fn text(arguments: &str) -> String {
    let output = ring(arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments}: {errors}");
    assert_eq!(errors, "", "{arguments}");
    String::from_utf8(output.stdout).expect("text is UTF-8")
}

fn json(arguments: &str) -> Value {
    serde_json::from_str(&text(&format!("{arguments} --json"))).expect("one JSON object")
}

/// What it complains of, with exit code 64 and nothing on standard output.
fn refusal(arguments: &str) -> String {
    let output = ring(arguments);
    assert_eq!(output.status.code(), Some(64), "{arguments}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "", "{arguments}");
    String::from_utf8(output.stderr).expect("text is UTF-8")
}

fn strings(value: &Value) -> Vec<&str> {
    value.as_array().expect("a list").iter().map(|item| item.as_str().expect("a name")).collect()
}

#[test]
fn every_strategy_lists_all_nodes_for_a_key() {
    for strategy in 1..=3 {
        let answer = json(&format!("--strategy {strategy} --node A B C D E --key abc"));
        assert_eq!(answer["strategy"], strategy);
        assert_eq!(answer["n"], 3);
        let key = &answer["keys"][0];
        assert_eq!(key["key"], "abc");
        // MD5("abc"), RFC 1321.
        assert_eq!(key["position"], "900150983cd24fb0d6963f7d28e17f72");
        let (primaries, fallbacks) = (strings(&key["primaries"]), strings(&key["fallbacks"]));
        assert_eq!(key["owner"], primaries[0]);
        assert_eq!((primaries.len(), fallbacks.len()), (3, 2));
        let everyone: BTreeSet<_> = primaries.iter().chain(&fallbacks).copied().collect();
        assert_eq!(everyone, BTreeSet::from(["A", "B", "C", "D", "E"]));
        assert_eq!(key["healthy"], key["primaries"], "nobody is down");
        assert_eq!(key["stand_ins"], Value::Array(vec![]));
    }
}

#[test]
fn one_token_a_node_gives_the_ring_of_the_tokens() {
    // By md5sum the tokens B:0, A:0, C:0 begin with 2a, 57, 8b; the keys a, c, A:0, b with 0c,
    // 4a, 57, 92. The key A:0 lies on the token of A, so it belongs to the next one.
    let keys = [("a", ["B", "A", "C"]), ("c", ["A", "C", "B"]), ("A:0", ["C", "B", "A"])];
    for (key, expected) in keys.into_iter().chain([("b", ["B", "A", "C"])]) {
        let answer = json(&format!("--strategy 1 --tokens 1 --node A B C --key {key}"));
        assert_eq!(strings(&answer["keys"][0]["primaries"]), expected, "{key}");
    }
}

#[test]
fn the_next_healthy_nodes_stand_in_for_those_down() {
    let whole = json("--node A B C D E --key cart");
    let (key, n) = (&whole["keys"][0], 3);
    let order = [strings(&key["primaries"]), strings(&key["fallbacks"])].concat();
    let down = format!("{} {}", order[0], order[n]);
    let answer = json(&format!("--node A B C D E --key cart --down {down}"));
    let key = &answer["keys"][0];
    assert_eq!(strings(&key["primaries"]), &order[..n], "the list does not depend on health");
    assert_eq!(strings(&key["healthy"]), [order[1], order[2], order[4]]);
    assert_eq!(key["stand_ins"].as_array().unwrap().len(), 1);
    assert_eq!(key["stand_ins"][0]["node"], order[4]);
    assert_eq!(key["stand_ins"][0]["for"], order[0]);
    let table = text(&format!("--node A B C D E --key cart --down {down}"));
    assert!(table.contains(&format!("{} for {}", order[4], order[0])), "{table}");
}

#[test]
fn zones_are_spread() {
    let answer = json("--n 2 --node A:1:x B:1:x C:1:x D:1:y --key a --key b --key c --key d");
    for key in answer["keys"].as_array().unwrap() {
        assert!(strings(&key["primaries"]).contains(&"D"), "{key}");
    }
    assert_eq!(answer["keys"].as_array().unwrap().len(), 4);
}

#[test]
fn without_a_key_it_shows_the_balance() {
    let arguments = "--node small:1 large:3:west --n 1 --partitions 8";
    let table = text(arguments);
    let row = |name| table.lines().find(|line| line.contains(name)).expect("a row").to_string();
    assert!(row("small").contains("25.00 %"), "{table}");
    assert!(row("large").contains("75.00 %") && row("large").contains("west"), "{table}");
    let answer = json(arguments);
    assert_eq!(answer["keys"], Value::Array(vec![]));
    assert_eq!(answer["ownership"][0]["node"], "small");
    assert_eq!(answer["ownership"][0]["share"], 0.25);
    assert_eq!(answer["ownership"][1]["share"], 0.75);
}

#[test]
fn shares_add_up_under_every_strategy() {
    for strategy in 1..=3 {
        let answer = json(&format!("--strategy {strategy} --node A B C:2 --n 1"));
        let shares = answer["ownership"].as_array().unwrap().iter();
        let total: f64 = shares.map(|owned| owned["share"].as_f64().unwrap()).sum();
        assert!((total - 1.0).abs() < 1e-9, "strategy {strategy}: {total}");
    }
}

#[test]
fn help_has_examples_that_work() {
    let help = text("--help");
    let examples: Vec<_> =
        help.lines().filter_map(|l| l.trim().strip_prefix("dynamo ring ")).collect();
    assert_eq!(examples.len(), 5, "{help}");
    let folder = tempfile::tempdir().unwrap();
    for example in examples {
        let output = ring_in(folder.path(), example);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{example}: {errors}");
    }
    let picture = std::fs::read_to_string(folder.path().join("balance.svg")).unwrap();
    assert!(picture.starts_with("<svg") && picture.trim_end().ends_with("</svg>"));
    let circles = picture.matches("<circle").count();
    assert_eq!(circles, 31, "ten of the paper's for each strategy, and one in the legend");
}

/// What `--balance` says of strategies 1, 2 and 3 at each size of the metadata.
fn balance(arguments: &str, what: &str) -> Vec<[f64; 3]> {
    let answer = json(&format!("--balance {arguments}"));
    let points = answer["points"].as_array().expect("a list");
    let of = |point: &Value| {
        ["strategy_1", "strategy_2", "strategy_3"].map(|s| point[s][what].as_f64().unwrap())
    };
    points.iter().map(of).collect()
}

#[test]
fn balance_is_that_of_figure_8() {
    let (ours, paper) = (balance("", "efficiency"), balance("--rings 1", "paper"));
    assert_eq!((ours.len(), paper.len()), (10, 10));
    assert_eq!(
        (paper[0], paper[6], paper[9]),
        ([0.52, 0.53, 0.86], [0.91, 0.88, 0.97], [0.96, 0.84, 0.99])
    );
    for (at, (ours, paper)) in ours.iter().zip(&paper).enumerate() {
        for (ours, paper) in ours.iter().zip(paper) {
            // Ten rings stray from the mean of all by up to 0.02, the paper's one point does too.
            assert!((ours - paper).abs() < 0.03, "point {at}: {ours}, the paper has {paper}");
        }
        let [first, second, third] = *ours;
        assert!(third > first && third > second, "strategy 3 is best: {ours:?}");
    }
    for strategy in [0, 2] {
        let rises = ours.windows(2).all(|pair| pair[0][strategy] < pair[1][strategy]);
        assert!(rises, "strategies 1 and 3 gain from more metadata: {ours:?}");
    }
    let second: Vec<f64> = ours.iter().map(|point| point[1]).collect();
    let peak = second.iter().copied().fold(0.0, f64::max);
    assert!(second[..6].is_sorted() && second[5..8].contains(&peak), "rises: {second:?}");
    assert!(second[9] < peak - 0.02 && second[9] < second[8], "and falls: {second:?}");
}

#[test]
fn balance_of_other_clusters() {
    // With one replica nothing but the owner counts, and strategy 3 deals out evenly.
    for [first, second, third] in balance("--n 1 --rings 1", "efficiency") {
        assert!(third > 1.0 - 1e-9 && third <= 1.0, "{third}");
        assert!(first < 0.99 && second < 0.99, "{first} {second}");
    }
    // Where everyone stores everything, all is even.
    for efficiency in balance("--members 4 --n 4 --rings 1", "efficiency").as_flattened() {
        assert!((efficiency - 1.0).abs() < 1e-9, "{efficiency}");
    }
    let answer = json("--balance --members 8 --rings 1 --partitions 64");
    let point = &answer["points"][3];
    assert_eq!((&point["tokens"], &point["metadata"]), (&16.into(), &128.into()));
    assert_eq!(point["strategy_2"]["partitions"], 64);
    assert_eq!(point["strategy_3"]["partitions"], 128);
    assert_eq!(point["strategy_1"]["paper"], Value::Null, "the paper has 30 nodes");
    let table = text("--balance --members 8 --rings 1");
    assert!(!table.contains("paper") && table.contains("S=8 N=3"), "{table}");
}

#[test]
fn balance_follows_from_the_seed() {
    let one = |seed| text(&format!("--balance --members 6 --rings 2 --seed {seed}"));
    assert_eq!(one(5), one(5));
    let numbers = |seed| balance(&format!("--members 6 --rings 2 --seed {seed}"), "efficiency");
    assert_ne!(numbers(5), numbers(6));
}

#[test]
fn bad_input_is_refused_in_one_sentence() {
    for (arguments, complaint) in [
        ("", "no nodes are given"),
        ("--node A B", "N is 3, but there are 2 members"),
        ("--node A A --n 1", "two members are called \"A\""),
        ("--node A:0 --n 1", "weight 0"),
        ("--node A --n 0", "N is 0"),
        ("--node A B --n 1 --partitions 1", "1 partitions are too few for 2 members"),
        ("--node A --n 1 --partitions 65537", "65537 partitions are too many"),
        ("--node A --n 1 --strategy 1 --tokens 0", "T is 0"),
        ("--node A:2 --n 1 --strategy 1 --tokens 4096", "8192 tokens"),
        ("--node A --n 1 --tokens 8", "--tokens means nothing under strategy 3"),
        ("--node A --n 1 --strategy 1 --partitions 8", "--partitions means nothing"),
        ("--balance --members 2", "N is 3, but there are 2 members"),
        ("--balance --partitions 8", "8 partitions are too few for 30 members"),
        ("--balance --members 4 --rings 1 --svg no/such/x.svg", "cannot write the plot to no/such"),
        ("--node A --n 1 --down Z", "--down names \"Z\", which is no node; use one of A"),
    ] {
        let message = refusal(arguments);
        assert!(message.contains(complaint), "{arguments}: {message}");
        assert_eq!(message.trim_end().lines().count(), 1, "{arguments}: {message}");
    }
    for arguments in [
        "--node :1",
        "--node A:heavy",
        "--strategy 4 --node A",
        "--nodes A",
        "--members 5",
        "--node A B C --svg no/such/x.svg",
        "--node A B C --seed 1",
        "--balance --node A B C",
        "--balance --strategy 1",
        "--balance --members 257",
        "--balance --rings 0",
    ] {
        assert!(refusal(arguments).contains("error:"), "{arguments}");
    }
}

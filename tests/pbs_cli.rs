//! `dynamo pbs` as a user runs it.
#![cfg(feature = "pbs")]

use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn pbs_in(folder: &Path, arguments: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dynamo"));
    command.current_dir(folder).arg("pbs").args(arguments.split_whitespace());
    command.output().expect("dynamo runs")
}

fn pbs(arguments: &str) -> Output {
    pbs_in(Path::new("."), arguments)
}

/// What it prints when all is well.
fn text_in(folder: &Path, arguments: &str) -> String {
    let output = pbs_in(folder, arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments}: {errors}");
    assert_eq!(errors, "", "{arguments}");
    String::from_utf8(output.stdout).expect("text is UTF-8")
}

fn text(arguments: &str) -> String {
    text_in(Path::new("."), arguments)
}

fn json(arguments: &str) -> Value {
    serde_json::from_str(&text(&format!("{arguments} --json"))).expect("one JSON object")
}

/// What it complains of, with exit code 64 and nothing on standard output.
fn refusal(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(64), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn json_has_quantiles_and_shares_each_with_an_interval() {
    let found =
        json("--distribution lnkd-disk --n 3 --r 1 --w 1 --t 0 10 --samples 200000 --seed 5");
    assert_eq!(found["distribution"], "lnkd-disk");
    assert_eq!([&found["n"], &found["r"], &found["w"]], [3, 1, 1]);
    assert_eq!((&found["samples"], &found["seed"]), (&200_000.into(), &5.into()));
    // PBS, Table 4; its t is too small (`reports/pbs.md`).
    for (name, expected) in
        [("read_p999", 0.66), ("write_p999", 10.99), ("t_visibility_p999", 51.7)]
    {
        let value = found[format!("{name}_ms")].as_f64().expect(name);
        let interval = &found[format!("{name}_interval_ms")];
        let (low, high) = (interval[0].as_f64().expect(name), interval[1].as_f64().expect(name));
        assert!(low < value && value < high, "{name}: {low} {value} {high}");
        assert!((value / expected - 1.0).abs() < 0.1, "{name}: {value}");
    }
    let consistent = found["p_consistent"].as_array().expect("a list");
    for (point, (t, published)) in consistent.iter().zip([(0.0, 0.439), (10.0, 0.925)]) {
        let [p, low, high] = ["p", "low", "high"].map(|name| point[name].as_f64().expect(name));
        assert_eq!(point["t_ms"], t);
        assert!(low < p && p < high && (p - published).abs() < 0.01, "{point}");
    }
    assert_eq!(consistent.len(), 2);
    let within = &found["p_within_k_versions"][1];
    assert_eq!(within["k"], 2);
    assert!((within["p"].as_f64().unwrap() - 5.0 / 9.0).abs() < 1e-12, "{within}");
}

#[test]
fn the_result_depends_on_the_seed_and_not_on_threads() {
    let with = |more: &str| text(&format!("--distribution wan --samples 200000 --json {more}"));
    assert_eq!(with("--threads 1"), with("--threads 3"));
    assert_eq!(with("--threads 1"), with(""));
    assert_ne!(with("--seed 1"), with("--seed 2"));
}

#[test]
fn a_strict_quorum_is_told_to_be_one() {
    let arguments = "--distribution ymmr --r 2 --w 2 --samples 10000";
    let table = text(arguments);
    assert!(table.contains("R + W > N: every read is consistent."), "{table}");
    let found = json(arguments);
    assert_eq!(found["t_visibility_p999_ms"], 0.0);
    assert!(found["p_consistent"].as_array().unwrap().iter().all(|point| point["p"] == 1.0));
}

#[test]
fn too_few_samples_bound_nothing() {
    let arguments = "--distribution lnkd-ssd --samples 100";
    assert_eq!(json(arguments)["read_p999_interval_ms"][1], Value::Null);
    assert!(text(arguments).contains("? (too few samples)"));
}

#[test]
fn help_has_examples_that_work() {
    let help = text("--help");
    let lines = help.lines().map(|line| line.trim().split("  ").next().unwrap());
    let examples: Vec<_> = lines.filter_map(|line| line.strip_prefix("dynamo pbs ")).collect();
    assert_eq!(examples.len(), 4, "{help}");
    let folder = tempfile::tempdir().unwrap();
    for example in examples {
        text_in(folder.path(), &example.replace("100000", "1000"));
    }
    let picture = fs::read_to_string(folder.path().join("pbs.svg")).unwrap();
    assert!(picture.starts_with("<svg") && picture.trim_end().ends_with("</svg>"));
    assert_eq!(picture.matches("<circle").count(), 8, "one for each time");

    // The file that the help shows.
    let file: String = help
        .lines()
        .skip_while(|line| !line.trim().starts_with("w = "))
        .take_while(|line| !line.trim().is_empty())
        .map(|line| format!("{line}\n"))
        .collect();
    fs::write(folder.path().join("own.toml"), file).unwrap();
    fs::write(folder.path().join("answers.txt"), "1.5\n\n2\n 0.5 \n").unwrap();
    text_in(folder.path(), "--distribution own.toml --samples 1000");
}

#[test]
fn a_file_gives_what_its_name_would() {
    let folder = tempfile::tempdir().unwrap();
    let ars = "{ exponential = { rate = 1.0 } }";
    let file =
        format!("w = {{ exponential = {{ rate = 0.1 }} }}\na = {ars}\nr = {ars}\ns = {ars}\n");
    fs::write(folder.path().join("own.toml"), file).unwrap();
    let found = |distribution: &str| {
        let arguments = format!("--distribution {distribution} --samples 100000 --json");
        let found: Value = serde_json::from_str(&text_in(folder.path(), &arguments)).unwrap();
        (found["p_consistent"].clone(), found["read_p999_ms"].clone())
    };
    assert_eq!(found("own.toml"), found("exponential:0.1:1"));
}

#[test]
fn the_table_has_the_papers_values_beside_ours() {
    let table = text("--table --samples 20000");
    let rows: Vec<_> = table.lines().filter(|line| line.contains("lnkd-disk")).collect();
    assert_eq!(rows.len(), 6, "{table}");
    assert!(rows[0].contains("10.99") && rows[0].contains("45.5"), "{table}");
    assert_eq!(table.lines().count(), 2 + 5 * 6, "{table}");
}

#[test]
fn bad_input_is_refused_in_one_sentence() {
    for (arguments, complaint) in [
        ("--distribution wan --r 4", "R is 4, but N is 3; use 1 to 3"),
        ("--distribution wan --w 0", "W is 0, but N is 3"),
        ("--distribution wan --n 0", "N is 0; use 1 to 100"),
        ("--distribution wan --n 101", "N is 101; use 1 to 100"),
        ("--distribution wan --samples 0", "0 samples; use 1 to 100000000000"),
        ("--table --samples 0", "0 samples"),
        ("--distribution wan --t 0 -1", "t is -1; use milliseconds, 0 or more"),
        ("--distribution wan --t NaN", "t is NaN"),
        ("--distribution lnkd-dsk", "\"lnkd-dsk\" is unknown; did you mean lnkd-disk?"),
        ("--distribution YMMR-CODES", "did you mean ymmr-code?"),
        ("--distribution gaussian", "use lnkd-ssd, lnkd-disk, ymmr, ymmr-code, wan, exponential"),
        (
            "--distribution exponential:1",
            "use two rates, as in exponential:0.1:1: there is one rate",
        ),
        ("--distribution exponential:1:x", "\"x\" is no number"),
        ("--distribution exponential:0:1", "the rate of an exponential delay is 0"),
        ("--distribution exponential:1:-1", "the rate of an exponential delay is -1"),
        ("--distribution none.toml", "cannot read none.toml"),
        ("--distribution wan --samples 10 --svg no/such/x.svg", "cannot write the plot to no/such"),
    ] {
        let message = refusal(&pbs(arguments));
        assert!(message.contains(complaint), "{arguments}: {message}");
        assert_eq!(message.trim_end().lines().count(), 1, "{arguments}: {message}");
    }
    for arguments in [
        "",
        "--distribution wan --t x",
        "--distribution wan --threads 0",
        "--distribution wan --table",
        "--table --json",
    ] {
        assert!(refusal(&pbs(arguments)).contains("error:"), "{arguments}");
    }
}

#[test]
fn damaged_files_are_refused_with_the_line() {
    let folder = tempfile::tempdir().unwrap();
    let whole = "w = { constant = 1 }\na = { constant = 1 }\nr = { constant = 1 }\n";
    for (file, measured, complaint) in [
        ("s = {", "", "own.toml, line 4: "),
        ("", "", "own.toml, line 1: missing field `s`"),
        ("s = { constant = 1 }\nx = 1", "", "own.toml, line 5: unknown field `x`"),
        ("s = { weibull = 1 }", "", "own.toml, line 4: unknown variant `weibull`"),
        ("s = { constant = -1 }", "", "own.toml: a constant delay is -1"),
        ("s = { constant = 1 }\nremote = -5", "", "own.toml: the way to remote replicas is -5"),
        ("s = { empirical = \"m.txt\" }", "1\n2\nx\n", "m.txt, line 3: \"x\" is no delay"),
        ("s = { empirical = \"m.txt\" }", "1\n\n-2\n", "m.txt, line 3: \"-2\" is no delay"),
        ("s = { empirical = \"m.txt\" }", "inf", "m.txt, line 1: \"inf\" is no delay"),
        ("s = { empirical = \"m.txt\" }", "\n", "m.txt has 0 delays"),
        ("s = { empirical = \"n.txt\" }", "", "cannot read n.txt"),
    ] {
        fs::write(folder.path().join("own.toml"), format!("{whole}{file}\n")).unwrap();
        fs::write(folder.path().join("m.txt"), measured).unwrap();
        let message = refusal(&pbs_in(folder.path(), "--distribution own.toml --samples 10"));
        assert!(message.contains(complaint), "{file}: {message}");
        assert_eq!(message.trim_end().lines().count(), 1, "{file}: {message}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn ctrl_c_ends_it_and_nothing_is_told() {
    use std::io::Read as _;
    use std::{thread, time};
    let mut command = Command::new(env!("CARGO_BIN_EXE_dynamo"));
    command.args(["pbs", "--distribution", "wan", "--samples", "100000000000"]);
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mut child = command.spawn().expect("dynamo runs");
    let pid = child.id();
    let catches_it = || {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).expect("a mask");
        u64::from_str_radix(caught.trim(), 16).expect("a number") >> 1 & 1 == 1
    };
    while !catches_it() {
        assert_eq!(child.try_wait().expect("a child"), None, "it goes on");
        thread::sleep(time::Duration::from_millis(5));
    }
    Command::new("kill").args(["-INT", &pid.to_string()]).status().expect("kill runs");
    assert_eq!(child.wait().expect("it ends").code(), Some(2));
    let (mut out, mut errors) = (String::new(), String::new());
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    assert_eq!((out.as_str(), errors.as_str()), ("", "interrupted: nothing is told\n"));
}

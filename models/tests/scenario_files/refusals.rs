//! What is refused, where and with which words.

use crate::{GOOD, edited, refused};

/// Checks cases of the form `what the good file says ⇒ what is written instead ⇒ the line and what
/// is said of it`, in which `⏎` is a line's end.
fn check(cases: &str) {
    for case in cases.lines().filter(|case| !case.is_empty()) {
        let parts: Vec<String> = case.split(" ⇒ ").map(|part| part.replace('⏎', "\n")).collect();
        let [from, to, message] = parts.as_slice() else {
            panic!("not a case: {case}");
        };
        assert_eq!(refused(&edited(from, to)), format!("x.toml:{message}"));
    }
}

#[test]
fn values_of_the_wrong_kind_or_name() {
    check(
        r#"
format = 1 ⇒ format = 2 ⇒ 1: format is 2; this dynamo reads format 1: use a newer dynamo
format = 1 ⇒ format = 0 ⇒ 1: format is 0; this dynamo reads format 1: write `format = 1`
format = 1 ⇒ format = "1" ⇒ 1: format is a string: write a whole number
format = 1⏎ ⇒  ⇒ 1: the file has no `format`: add `format = 1`
"Two clients on one key" ⇒ " " ⇒ 2: title is empty: write one line of 1 to 100 characters
clients on ⇒ clients\non ⇒ 2: title is more than one line of plain text: write one line of 1 to 100 characters
"Two clients on one key" ⇒ [] ⇒ 2: title is an array: write a text in double quotes
title = "Two clients on one key"⏎ ⇒  ⇒ 1: the file has no `title`: add `title = "..."`
"sequential" ⇒ "concurent" ⇒ 3: schedule `concurent` is unknown: did you mean `concurrent`?
"sequential" ⇒ "random" ⇒ 3: schedule `random` is unknown: use `concurrent` or `sequential`
"long" ⇒ true ⇒ 4: tier is a boolean: write a text in double quotes
"long" ⇒ "short" ⇒ 4: tier `short` is unknown: use `default` or `long`
f = 2 ⇒ f = 4 ⇒ 5: f is 4: set f between 0 and 3
"contacts are free" ⇒ 7 ⇒ 6: note is an integer: write a text in double quotes
"strict" ⇒ "slopy" ⇒ 12: quorum `slopy` is unknown: did you mean `sloppy`?
"strict" ⇒ "loose" ⇒ 12: quorum `loose` is unknown: use `strict` or `sloppy`
"vector-clock" ⇒ "vector_clocks" ⇒ 13: versioning `vector_clocks` is unknown: did you mean `vector-clock`?
"vector-clock" ⇒ "dvv" ⇒ 13: versioning `dvv` is unknown: use `dotted`, `vector-clock` or `last-writer-wins`
"vector-clock" ⇒ "dotted" ⇒ 14: clock-limit truncates vector clocks, but versioning is `dotted`: remove clock-limit or set versioning to `vector-clock`
versioning = "vector-clock"⏎ ⇒  ⇒ 13: clock-limit truncates vector clocks, but versioning is `dotted`: remove clock-limit or set versioning to `vector-clock`
"blocking" ⇒ "Blocking!" ⇒ 15: read-repair `Blocking!` is unknown: did you mean `blocking`?
"holds" ⇒ "hold" ⇒ 29: verdict `hold` is unknown: did you mean `holds`?
"holds" ⇒ true ⇒ 29: no-lost-write is a boolean: write a text in double quotes
crashes = 1 ⇒ crashes = [1] ⇒ 24: crashes is an array: write a whole number
"#,
    );
}

#[test]
fn impossible_clusters() {
    check(
        r#"
nodes = 3 ⇒ nodes = 0 ⇒ 8: nodes is 0: set nodes between 1 and 7
nodes = 3 ⇒ nodes = 2 ⇒ 9: n is 3 but nodes is 2; a key cannot have more replicas than there are nodes: set n to at most 2
n = 3⏎r ⇒ n = 0⏎r ⇒ 9: n is 0: set n between 1 and 3
r = 2 ⇒ r = 4 ⇒ 10: r is 4 but n is 3; a read cannot wait for more replicas than there are: set r to at most 3
r = 2 ⇒ r = 0 ⇒ 10: r is 0: set r between 1 and 3
r = 2 ⇒ r = -1 ⇒ 10: r is -1: set r between 1 and 3
r = 2 ⇒ r = 2.5 ⇒ 10: r is a float: write a whole number
r = 2 ⇒ r = "2" ⇒ 10: r is a string: write a whole number
r = 2 ⇒ r = 99999999999999999999 ⇒ 10: r is 99999999999999999999, which is beyond all bounds: write a smaller number
r = 2⏎ ⇒  ⇒ 7: [cluster] has no `r`: add `r = 3`
w = 2 ⇒ w = 4 ⇒ 11: w is 4 but n is 3; a write cannot wait for more replicas than there are: set w to at most 3
w = 2 ⇒ w = 0x0 ⇒ 11: w is 0: set w between 1 and 3
"#,
    );
    let no_cluster = "format = 1\ntitle = \"t\"\n[[client]]\nsteps = [\"get k\"]\n";
    assert_eq!(refused(no_cluster), "x.toml:1: the file has no `cluster`: add `[cluster]`");
}

#[test]
fn unknown_keys_with_what_was_meant() {
    check(
        r#"
read-repair ⇒ read_repair ⇒ 15: key `read_repair` is unknown in [cluster]: did you mean `read-repair`?
read-repair ⇒ readrepair ⇒ 15: key `readrepair` is unknown in [cluster]: did you mean `read-repair`?
read-repair ⇒ antientropy ⇒ 15: key `antientropy` is unknown in [cluster]: did you mean `anti-entropy`?
read-repair ⇒ reaches ⇒ 15: key `reaches` is unknown in [cluster]: it belongs at the top of the file, above the first table
schedule ⇒ shedule ⇒ 3: key `shedule` is unknown in the file: did you mean `schedule`?
crashes = 1 ⇒ crash = 1 ⇒ 24: key `crash` is unknown in [faults]: did you mean `crashes`?
drops = 2 ⇒ losses = 2 ⇒ 25: key `losses` is unknown in [faults]: use `crashes`, `drops`, `duplicates`, `timeouts`, `disk-losses`, `partitions` or `total`
drops = 2 ⇒ disk_losses = 2 ⇒ 25: key `disk_losses` is unknown in [faults]: did you mean `disk-losses`?
drops = 2 ⇒ partition = 2 ⇒ 25: key `partition` is unknown in [faults]: did you mean `partitions`?
drops = 2 ⇒ reap = "on" ⇒ 25: key `reap` is unknown in [faults]: it belongs in [cluster]
drops = 2 ⇒ f = 2 ⇒ 25: key `f` is unknown in [faults]: it belongs at the top of the file, above the first table
f = 2 ⇒ nodes = 2 ⇒ 5: key `nodes` is unknown in the file: it belongs in [cluster]
[[client]]⏎steps = [⏎ ⇒ [[client]]⏎step = [⏎ ⇒ 19: key `step` is unknown in [[client]]: did you mean `steps`?
[[client]] ⇒ [[client]]⏎crashes = 1 ⇒ 17: key `crashes` is unknown in [[client]]: it belongs in [faults]
[faults] ⇒ [fault] ⇒ 23: key `fault` is unknown in the file: did you mean `faults`?
no-lost-write ⇒ no-lost-writes ⇒ 29: property `no-lost-writes` is unknown: did you mean `no-lost-write`?
no-lost-write ⇒ serialisable ⇒ 29: property `serialisable` is unknown: use `no-lost-write`, `unique-dots`, `no-false-concurrency`, `bounded-siblings`, `read-your-writes`, `monotonic-reads`, `regular`, `linearizable`, `durable-f`, `no-resurrection`, `converges`, `available-writes` or `available-reads`
"#,
    );
}

#[test]
fn the_first_of_two_unknown_keys_is_named() {
    // In the alphabet `alpha` comes first, in the file `zeta`.
    let text = edited("drops = 2", "zeta = 1\nalpha = 1");
    assert!(refused(&text).starts_with("x.toml:25: key `zeta` is unknown"));
}

#[test]
fn bad_steps() {
    check(
        r#"
delete k ⇒ put ⇒ 21: step `put` names no key: write `put KEY` or `put KEY@NODE`
delete k ⇒ gett k ⇒ 21: operation `gett` is unknown: did you mean `get`?
delete k ⇒ put_blind k ⇒ 21: operation `put_blind` is unknown: did you mean `put-blind`?
delete k ⇒ increment k ⇒ 21: operation `increment` is unknown: use `get`, `put`, `put-blind` or `delete`
delete k ⇒   ⇒ 21: a step is empty: write an operation and a key, such as `get k`
delete k ⇒ get k @1 ⇒ 21: step `get k @1` has a space before the `@`: write `get KEY@NODE`
delete k ⇒ put k weak ⇒ 21: quorum `weak` is unknown: use `strict` or `sloppy`
delete k ⇒ get k@1 slopy ⇒ 21: quorum `slopy` is unknown: did you mean `sloppy`?
delete k ⇒ get k sloppy strict ⇒ 21: step `get k sloppy strict` has more than an operation, a key and a quorum: write `get KEY` or `get KEY@NODE`, then `strict` or `sloppy` if need be
delete k ⇒ get sloppy@3 strict ⇒ 21: step `get sloppy@3 strict` asks node 3, which does not exist: the cluster's nodes are numbered 0 to 2
delete k ⇒ get k@3 ⇒ 21: step `get k@3` asks node 3, which does not exist: the cluster's nodes are numbered 0 to 2
delete k ⇒ get k@ ⇒ 21: step `get k@` has no node's number after the `@`: write a number from 0 on, such as `@0`
delete k ⇒ get k@+1 ⇒ 21: step `get k@+1` has no node's number after the `@`: write a number from 0 on, such as `@0`
delete k ⇒ get k@256 ⇒ 21: step `get k@256` has no node's number after the `@`: write a number from 0 on, such as `@0`
delete k ⇒ get @1 ⇒ 21: step `get @1` has a bad key: use 1 to 32 letters, digits, `.`, `_`, `/` and `-`
delete k ⇒ get é ⇒ 21: step `get é` has a bad key: use 1 to 32 letters, digits, `.`, `_`, `/` and `-`
"delete k" ⇒ 3 ⇒ 21: a step is an integer: write a text in double quotes
"#,
    );
}

#[test]
fn missing_clients_and_steps() {
    check(
        r#"
steps = ["get k", "put k@0"]⏎ ⇒  ⇒ 16: [[client]] has no `steps`: add `steps = ["get k", "put k"]`
steps = ["get k", "put k@0"] ⇒ steps = [] ⇒ 17: a client has no steps: give it one or remove the client
steps = ["get k", "put k@0"] ⇒ steps = "get k" ⇒ 17: steps is a string: write an array of texts, such as `["get k"]`
"#,
    );
    let head = &GOOD[..GOOD.find("[[client]]").expect("the good file has it")];
    let add = "add a `[[client]]` table with `steps = [\"get k\"]`";
    assert_eq!(refused(head), format!("x.toml:1: the file has no client: {add}"));
    let inline = head.replace("[cluster]", "client = []\n[cluster]");
    assert_eq!(refused(&inline), format!("x.toml:7: the file has no client: {add}"));
    assert_eq!(
        refused(&format!("{head}[client]\nsteps = [\"get k\"]")),
        "x.toml:16: client is a table: write `[[client]]` with two brackets, once for each client"
    );
}

#[test]
fn tables_of_the_wrong_shape() {
    let faults = GOOD.find("[faults]").expect("the good file has it");
    let expect = GOOD.find("[expect]").expect("the good file has it");
    assert_eq!(
        refused(&format!("{}[expect]\n", &GOOD[..expect])),
        "x.toml:28: [expect] is empty and asks nothing: remove the table to ask every property"
    );
    let with_top = |line: &str| GOOD[..faults].replacen("f = 2", line, 1);
    assert_eq!(
        refused(&with_top("faults = 3")),
        "x.toml:5: [faults] is an integer: write a table headed `[faults]`"
    );
    assert_eq!(
        refused(&with_top("expect = \"holds\"")),
        "x.toml:5: [expect] is a string: write a table headed `[expect]`"
    );
    assert_eq!(
        refused("format = 1\ntitle = \"t\"\ncluster = [3, 2, 2]"),
        "x.toml:3: [cluster] is an array: write a table headed `[cluster]`"
    );
}

#[test]
fn what_is_not_toml_is_refused_with_line_and_column() {
    let cases = [
        ("r = 2", "r = ", 10, 5),
        ("r = 2", "r 2", 10, 3),
        ("\"strict\"", "strict", 12, 10),
        ("r = 2", "r = 2\nr = 2", 11, 1),
        ("\"get k\", ", "\"get é\" \"é\" ", 17, 18),
    ];
    for (from, to, line, column) in cases {
        let message = refused(&edited(from, to));
        let start = format!("x.toml:{line}:{column}: the text is not TOML, ");
        assert!(message.starts_with(&start), "{to}: {message}");
        assert!(message.ends_with(": write `key = value` lines under `[table]` headers"));
        assert!(!message.contains('\n'), "{message}");
    }
    let unfinished = refused("format = 1\ntitle = [\n\n\n");
    assert!(unfinished.starts_with("x.toml:2:"), "{unfinished}");
    assert!(refused("").starts_with("x.toml:1: the file has no `format`"));
}

#[test]
fn lines_are_counted_the_same_with_windows_line_ends() {
    let text = edited("r = 2", "r = 4").replace('\n', "\r\n");
    assert!(refused(&text).starts_with("x.toml:10: r is 4 but n is 3"));
}

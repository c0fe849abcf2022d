//! At each limit a file is read, one past it is refused.

use crate::{GOOD, edited, parse, refused, three};
use dynamo_models::scenario::{
    Cluster, Faults, MAX_BUDGET, MAX_CLIENTS, MAX_FILE_BYTES, MAX_KEY_CHARS, MAX_NODES,
    MAX_NOTE_CHARS, MAX_PUTS, MAX_STEPS, MAX_TITLE_CHARS, Versioning,
};

/// At the limit a file is read, one past it is refused on the given line with the given words.
fn limit(at: &str, past: &str, line: usize, message: &str) {
    assert!(parse(at).is_ok(), "{:?}", parse(at));
    let refusal = refused(past);
    let expected = format!("x.toml:{line}: {message}");
    assert!(refusal.starts_with(&expected), "{refusal}");
}

#[test]
fn sizes_have_limits() {
    let nodes = |count: u8| edited("nodes = 3", &format!("nodes = {count}"));
    limit(&nodes(MAX_NODES), &nodes(MAX_NODES + 1), 8, "nodes is 8: set nodes between 1 and 7");
    let f = |count: u8| edited("f = 2", &format!("f = {count}"));
    limit(&f(3), &f(4), 5, "f is 4");
    for (line, kind) in
        [(24, "crashes = 1"), (25, "drops = 2"), (26, "duplicates = 3"), (27, "timeouts = 4")]
    {
        let key = kind.split(' ').next().expect("a key");
        let budget = |count: i16| edited(kind, &format!("{key} = {count}"));
        let past = format!("{key} is 9: set {key} between 0 and 8");
        limit(&budget(MAX_BUDGET.into()), &budget(i16::from(MAX_BUDGET) + 1), line, &past);
        limit(&budget(0), &budget(-1), line, &format!("{key} is -1"));
    }
    for key in ["disk-losses", "partitions"] {
        let budget = |count: i16| edited("crashes = 1", &format!("{key} = {count}"));
        let past = format!("{key} is 9: set {key} between 0 and 8");
        limit(&budget(MAX_BUDGET.into()), &budget(i16::from(MAX_BUDGET) + 1), 24, &past);
        limit(&budget(0), &budget(-1), 24, &format!("{key} is -1"));
    }
    let clock = |pairs: usize| edited("clock-limit = 10", &format!("clock-limit = {pairs}"));
    limit(&clock(MAX_PUTS), &clock(MAX_PUTS + 1), 14, "clock-limit is 17");
    limit(&clock(1), &clock(0), 14, "clock-limit is 0");
}

#[test]
fn texts_have_limits() {
    let title = |length| edited("Two clients on one key", &"é".repeat(length));
    limit(&title(MAX_TITLE_CHARS), &title(MAX_TITLE_CHARS + 1), 2, "title has 101 characters");
    let note = |length| edited("contacts are free", &"é".repeat(length));
    limit(
        &note(MAX_NOTE_CHARS),
        &note(MAX_NOTE_CHARS + 1),
        6,
        "note has 4001 characters: use at most 4000",
    );
    let key = |length| edited("delete k", &format!("delete {}", "k".repeat(length)));
    limit(&key(MAX_KEY_CHARS), &key(MAX_KEY_CHARS + 1), 21, "step `delete kkk");
    let file = |length: usize| format!("{GOOD}#{}", "x".repeat(length - GOOD.len() - 1));
    assert!(parse(&file(MAX_FILE_BYTES)).is_ok());
    assert_eq!(
        refused(&file(MAX_FILE_BYTES + 1)),
        "x.toml: the file has more than 65536 bytes: shorten it"
    );
}

#[test]
fn scripts_have_limits() {
    let head = &GOOD[..GOOD.find("[[client]]").expect("the good file has it")];
    let file = |scripts: &[(&str, usize)]| {
        let client = |&(step, count): &(&str, usize)| {
            format!("[[client]]\nsteps = [{}]\n", format!("\"{step}\",").repeat(count))
        };
        scripts.iter().map(client).fold(head.to_string(), |text, client| text + &client)
    };
    let one = |steps| file(&[("get k", steps)]);
    limit(&one(MAX_STEPS), &one(MAX_STEPS + 1), 17, "a client has more than 8 steps: explore");
    let clients = |count| file(&vec![("get k", 1); count]);
    limit(
        &clients(MAX_CLIENTS),
        &clients(MAX_CLIENTS + 1),
        24,
        "there are 5 clients: use at most 4",
    );
    for put in ["put k", "put-blind k", "delete k"] {
        let full = [("put j", MAX_STEPS), ("delete j", MAX_PUTS - MAX_STEPS)];
        let past = [full[0], full[1], (put, 1)];
        let message = "the clients together have more than 16 puts: explore";
        limit(&file(&[full[0], full[1], ("get k", 1)]), &file(&past), 21, message);
    }
}

#[test]
fn a_cluster_from_elsewhere_is_checked_with_the_same_words() {
    assert_eq!(three(3, 3).check(), Ok(()));
    let message = |cluster: Cluster| cluster.check().expect_err("impossible").to_string();
    assert_eq!(
        message(three(4, 1)),
        "r is 4 but n is 3; a read cannot wait for more replicas than there are: set r to at most 3"
    );
    assert_eq!(message(three(1, 0)), "w is 0: set w between 1 and 3");
    let clocked = |limit| Cluster { versioning: Versioning::VectorClock { limit }, ..three(2, 2) };
    assert_eq!(clocked(None).check(), Ok(()));
    assert_eq!(clocked(Some(16)).check(), Ok(()));
    assert_eq!(message(clocked(Some(17))), "clock-limit is 17: set clock-limit between 1 and 16");
}

#[test]
fn faults_from_elsewhere_are_checked_with_the_same_words() {
    let one = Cluster { nodes: 1, n: 1, ..three(1, 1) };
    let two = Cluster { nodes: 2, ..one };
    let faults = Faults { partitions: 3, ..Faults::default() };
    assert_eq!(faults.check(&two), Ok(()));
    assert_eq!(Faults::default().check(&one), Ok(()));
    assert_eq!(
        faults.check(&one).expect_err("impossible").to_string(),
        "partitions is 3 but nodes is 1; a partition splits the nodes in two sides: set nodes to at \
         least 2 or remove partitions"
    );
}

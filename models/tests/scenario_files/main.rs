//! The scenario format: what is read, what is printed, what is refused, and with which words.

mod failure_handling;
mod limits;
mod membership;
mod refusals;
mod round_trip;

use dynamo_models::scenario::{
    Cluster, Durability, Expectation, Faults, MAX_FILE_BYTES, Mechanism, Op, Property, Quorum,
    ReadRepair, Scenario, ScenarioError, Schedule, Step, Switch, Tier, Versioning,
};
use dynamo_protocol::policy::Policy;

/// A good file, of which the bad ones below are one edit away.
const GOOD: &str = r#"format = 1
title = "Two clients on one key"
schedule = "sequential"
tier = "long"
f = 2
note = "contacts are free"
[cluster]
nodes = 3
n = 3
r = 2
w = 2
quorum = "strict"
versioning = "vector-clock"
clock-limit = 10
read-repair = "blocking"
[[client]]
steps = ["get k", "put k@0"]
[[client]]
steps = [
  "put-blind j@2",
  "delete k",
]
[faults]
crashes = 1
drops = 2
duplicates = 3
timeouts = 4
[expect]
no-lost-write = "holds"
bounded-siblings = "refuted"
"#;

fn parse(text: &str) -> Result<Scenario, ScenarioError> {
    Scenario::parse(text, "x.toml")
}

/// The good file with one edit, which must apply.
fn edited(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "`{from}` is not in the good file");
    GOOD.replacen(from, to, 1)
}

fn refused(text: &str) -> String {
    match parse(text) {
        Err(error) => error.to_string(),
        Ok(scenario) => panic!("accepted: {scenario:?}\n{text}"),
    }
}

fn step(op: Op, key: &str, contact: Option<u8>) -> Step {
    Step { op, key: key.into(), contact, quorum: None }
}

fn three(r: u8, w: u8) -> Cluster {
    Cluster {
        nodes: 3,
        n: 3,
        r,
        w,
        quorum: Quorum::Strict,
        versioning: Versioning::Dotted,
        read_repair: ReadRepair::Async,
        handoff: Switch::On,
        anti_entropy: Switch::Off,
        durability: Durability::Durable,
        reap: Switch::Off,
        policy: Policy::default(),
    }
}

#[test]
fn everything_written_is_read() {
    let expected = Scenario {
        title: "Two clients on one key".into(),
        schedule: Schedule::Sequential,
        tier: Tier::Long,
        f: 2,
        note: Some("contacts are free".into()),
        cluster: Cluster {
            versioning: Versioning::VectorClock { limit: Some(10) },
            read_repair: ReadRepair::Blocking,
            ..three(2, 2)
        },
        clients: vec![
            vec![step(Op::Get, "k", None), step(Op::Put, "k", Some(0))],
            vec![step(Op::PutBlind, "j", Some(2)), step(Op::Delete, "k", None)],
        ],
        membership: None,
        faults: Faults { crashes: 1, drops: 2, duplicates: 3, timeouts: 4, ..Faults::default() },
        reaches: Vec::new(),
        expect: vec![
            (Property::NoLostWrite, Some(Expectation::Holds)),
            (Property::BoundedSiblings, Some(Expectation::Refuted)),
        ],
    };
    assert_eq!(parse(GOOD), Ok(expected));
}

#[test]
fn what_is_absent_has_its_default() {
    let text = "format = 1\ntitle = \"t\"\n[cluster]\nnodes = 3\nn = 3\nr = 1\nw = 2\n\
                [[client]]\nsteps = [\"get k\"]";
    let all = Property::ALL.iter().map(|&property| (property, None));
    let expected = Scenario {
        title: "t".into(),
        schedule: Schedule::Concurrent,
        tier: Tier::Default,
        f: 1,
        note: None,
        cluster: three(1, 2),
        clients: vec![vec![step(Op::Get, "k", None)]],
        membership: None,
        faults: Faults::default(),
        reaches: Vec::new(),
        expect: all.collect(),
    };
    assert_eq!(parse(text), Ok(expected));
}

#[test]
fn the_documented_example_is_a_scenario() {
    let example: String = include_str!("../../scenario/mod.rs")
        .lines()
        .skip_while(|line| *line != "//! ```toml")
        .skip(1)
        .take_while(|line| *line != "//! ```")
        .map(|line| line.trim_start_matches("//!").to_owned() + "\n")
        .collect();
    let scenario = parse(&example).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(scenario.title, "Strict (3,2,2): two clients on one key");
    assert_eq!(scenario.faults.crashes, 1);
    assert_eq!(scenario.reaches, [Mechanism::ReadRepair]);
}

#[test]
fn keys_and_values_are_in_script_order() {
    let scenario = parse(GOOD).expect("good");
    assert_eq!(scenario.keys(), ["k", "j"]);
    let puts: Vec<String> = scenario
        .puts()
        .iter()
        .map(|put| format!("{put} = {} of client {}: {}", put.index, put.client, put.step))
        .collect();
    assert_eq!(
        puts,
        [
            "v1 = 1 of client 0: put k@0",
            "v2 = 0 of client 1: put-blind j@2",
            "v3 = 1 of client 1: delete k",
        ]
    );
}

#[test]
fn names_are_read_back_and_explained() {
    let is_a_sentence = |meaning: &str| {
        assert!(meaning.ends_with('.') && meaning.matches(". ").count() == 0, "{meaning}");
    };
    for &property in Property::ALL {
        assert_eq!(property.to_string().parse(), Ok(property));
        is_a_sentence(property.meaning());
    }
    assert_eq!(Property::ALL.len(), 13);
    for &mechanism in Mechanism::ALL {
        assert_eq!(mechanism.to_string().parse(), Ok(mechanism));
        is_a_sentence(mechanism.meaning());
    }
    assert_eq!(Mechanism::ALL.len(), 22);
}

#[test]
fn the_standard_scenario_is_printed_with_aligned_comments() {
    let scenario = Scenario::standard(three(2, 2), Faults::default());
    let expected = r#"format = 1
title = "Standard (3,2,2): a writer and a reader on one key"
schedule = "concurrent"  # the scripts interleave in every way
tier = "default"         # always checked
f = 1                    # stores that vanish under durable-f, nodes down under available-*
note = "Contacts are pinned: client 0 asks one node, client 1 another."

[cluster]
nodes = 3
n = 3                   # replicas of a key
r = 2                   # replicas that a get waits for
w = 2                   # replicas that a put waits for
quorum = "strict"
versioning = "dotted"
read-repair = "async"
handoff = "on"          # fallbacks give their hints back
anti-entropy = "off"    # replicas do not compare Merkle trees
durability = "durable"  # every write is on disk before it is answered
reap = "off"            # tombstones stay

[[client]]
steps = ["get k@0", "put k@0"]  # writes v1

[[client]]
steps = ["get k@1", "get k@1"]

[faults]  # total budgets
crashes = 0
drops = 0
duplicates = 0
timeouts = 0
disk-losses = 0
partitions = 0
"#;
    assert_eq!(scenario.to_toml(), expected);
    assert_eq!(parse(expected), Ok(scenario));
}

#[test]
fn the_standard_scenario_of_one_node_asks_that_node() {
    let one = Cluster { nodes: 1, n: 1, ..three(1, 1) };
    let scenario = Scenario::standard(one, Faults::default());
    let contacts = scenario.clients.iter().flatten().map(|step| step.contact);
    assert!(contacts.eq([Some(0); 4]));
    assert_eq!(parse(&scenario.to_toml()), Ok(scenario));
}

#[test]
fn the_hash_is_of_the_content() {
    let scenario = parse(GOOD).expect("good");
    let hash = scenario.content_hash();
    let reordered = GOOD
        .replace("f = 2\n", "")
        .replace("tier", "f   =   2 # two\ntier")
        .replace("no-lost-write = \"holds\"\n", "")
        + "no-lost-write = \"holds\"\n";
    assert_eq!(parse(&reordered).expect("good").content_hash(), hash);
    // Traces name their scenario by this hash: it changes only with the file format.
    assert_eq!(hash, "9ba5a2e59eafe9bf3bee80ab68a698edf683494f6d08ac95d472198010f7084f");
    for (from, to) in
        [("drops = 2", "drops = 1"), ("k@0", "k@1"), ("holds", "refuted"), ("free", "pinned")]
    {
        let other = parse(&edited(from, to)).expect("good");
        assert_ne!(other.content_hash(), hash, "{from} or {to}");
    }
}

#[test]
fn files_are_loaded_or_refused() {
    let path = std::env::temp_dir().join(format!("scenario-{}.toml", std::process::id()));
    let load = |bytes: &[u8]| {
        std::fs::write(&path, bytes).expect("the temporary directory takes files");
        Scenario::load(&path).map_err(|error| error.to_string())
    };
    let name = path.display();
    assert_eq!(load(GOOD.as_bytes()), Ok(parse(GOOD).expect("good")));
    assert_eq!(
        load(b"format = 1\n\xff"),
        Err(format!("{name}: is not UTF-8 text: save it as UTF-8"))
    );
    let huge = load(&vec![b'#'; MAX_FILE_BYTES + 1]).expect_err("too large");
    assert!(huge.contains("more than 65536 bytes"), "{huge}");
    let bad = load(edited("r = 2", "r = 4").as_bytes()).expect_err("bad");
    assert!(bad.starts_with(&format!("{name}:10: r is 4")), "{bad}");
    std::fs::remove_file(&path).expect("it was written");
    let missing = Scenario::load(&path).expect_err("removed").to_string();
    assert!(missing.starts_with(&format!("{name}: cannot be read (")), "{missing}");
}

//! The keys of failure handling: fallbacks, handoff, anti-entropy, durability, reaping, lost disks
//! and partitions, and what an exploration must have met.

use crate::{GOOD, parse, refused, step, three};
use dynamo_models::check::{Report, check};
use dynamo_models::explore::Limits;
use dynamo_models::scenario::{Cluster, Durability, Faults, Mechanism, Op, Quorum, Step, Switch};
use dynamo_protocol::policy::Policy;

/// A good file with every key of failure handling, none of them with its default.
pub(crate) const SLOPPY: &str = r#"format = 1
title = "A fallback"
reaches = ["hint-delivered", "siblings", "buffer-lost"]
[cluster]
nodes = 4
n = 3
r = 2
w = 2
quorum = "sloppy"
handoff = "on"
anti-entropy = "on"
durability = "one-durable"
reap = "on"
[[client]]
steps = ["get k strict", "put k@3 sloppy", "delete k"]
[faults]
crashes = 1
disk-losses = 1
partitions = 1
"#;

fn edited(from: &str, to: &str) -> String {
    assert!(SLOPPY.contains(from), "`{from}` is not in the file");
    SLOPPY.replacen(from, to, 1)
}

#[test]
fn everything_written_is_read() {
    let scenario = parse(SLOPPY).expect("good");
    let cluster = Cluster {
        nodes: 4,
        quorum: Quorum::Sloppy,
        handoff: Switch::On,
        anti_entropy: Switch::On,
        durability: Durability::OneDurable,
        reap: Switch::On,
        policy: Policy::default(),
        ..three(2, 2)
    };
    assert_eq!(scenario.cluster, cluster);
    let faults = Faults { crashes: 1, disk_losses: 1, partitions: 1, ..Faults::default() };
    assert_eq!(scenario.faults, faults);
    let asked = |step, quorum| Step { quorum: Some(quorum), ..step };
    let steps = vec![
        asked(step(Op::Get, "k", None), Quorum::Strict),
        asked(step(Op::Put, "k", Some(3)), Quorum::Sloppy),
        step(Op::Delete, "k", None),
    ];
    assert_eq!(scenario.clients, [steps]);
    let reaches = [Mechanism::Siblings, Mechanism::HintDelivered, Mechanism::BufferLost];
    assert_eq!(scenario.reaches, reaches);
}

#[test]
fn everything_is_printed_with_aligned_comments() {
    let expected = r#"format = 1
title = "A fallback"
schedule = "concurrent"  # the scripts interleave in every way
tier = "default"         # always checked
f = 1                    # stores that vanish under durable-f, nodes down under available-*

reaches = [
  "siblings",        # A put made siblings.
  "hint-delivered",  # A fallback's hint reached its home.
  "buffer-lost",     # A crash lost buffered writes.
]

[cluster]
nodes = 4
n = 3                       # replicas of a key
r = 2                       # replicas that a get waits for
w = 2                       # replicas that a put waits for
quorum = "sloppy"           # the first N healthy nodes of the key's walk count
versioning = "dotted"
read-repair = "async"
handoff = "on"              # fallbacks give their hints back
anti-entropy = "on"         # replicas compare Merkle trees
durability = "one-durable"  # one replica of each put has it on disk
reap = "on"                 # tombstones that every replica holds are removed

[[client]]
steps = ["get k strict", "put k@3 sloppy", "delete k"]  # writes v1, v2

[faults]  # total budgets
crashes = 1
drops = 0
duplicates = 0
timeouts = 0
disk-losses = 1
partitions = 1
"#;
    assert_eq!(parse(SLOPPY).expect("good").to_toml(), expected);
}

/// A key at its default says nothing, so a file from before the key has the same fingerprint.
#[test]
fn defaults_are_no_part_of_the_hash_and_every_other_value_is() {
    let hash = |text: &str| parse(text).expect("good").content_hash();
    let plain = "format = 1\ntitle = \"t\"\n[cluster]\nnodes = 3\nn = 2\nr = 1\nw = 2\nCLUSTER\n\
                 [[client]]\nsteps = [\"get kSTEP\"]\n[faults]\nFAULTS\n";
    let with = |place: &str, text: &str| {
        let text = plain.replace(place, text);
        hash(&["CLUSTER", "STEP", "FAULTS"].iter().fold(text, |text, rest| text.replace(rest, "")))
    };
    let without = with("CLUSTER", "");
    let cluster = "handoff = \"on\"\nanti-entropy = \"off\"\ndurability = \"durable\"\n\
                   reap = \"off\"";
    assert_eq!(with("CLUSTER", cluster), without);
    assert_eq!(with("FAULTS", "disk-losses = 0\npartitions = 0"), without);
    let mut hashes = vec![
        without,
        with("CLUSTER", "quorum = \"sloppy\""),
        with("CLUSTER", "handoff = \"off\""),
        with("CLUSTER", "anti-entropy = \"on\""),
        with("CLUSTER", "durability = \"buffered\""),
        with("CLUSTER", "durability = \"one-durable\""),
        with("CLUSTER", "reap = \"on\""),
        with("STEP", " strict"),
        with("STEP", " sloppy"),
        with("FAULTS", "disk-losses = 1"),
        with("FAULTS", "partitions = 1"),
        hash(SLOPPY),
        hash(&edited("\"siblings\", ", "")),
    ];
    let count = hashes.len();
    hashes.sort();
    hashes.dedup();
    assert_eq!(hashes.len(), count);
}

#[test]
fn values_of_the_wrong_kind_or_name() {
    for (from, to, message) in [
        ("handoff = \"on\"", "handoff = \"yes\"", "10: switch `yes` is unknown: use `off` or `on`"),
        ("reap = \"on\"", "reap = true", "13: reap is a boolean: write a text in double quotes"),
        (
            "\"one-durable\"",
            "\"one_durable\"",
            "12: durability `one_durable` is unknown: did you mean `one-durable`?",
        ),
        (
            "\"one-durable\"",
            "\"async\"",
            "12: durability `async` is unknown: use `durable`, `buffered` or `one-durable`",
        ),
        (
            "reaches = [",
            "reaches = \"x\" #",
            "3: reaches is a string: write an array of texts, such as `[\"read-repair\"]`",
        ),
        ("\"siblings\", ", "\n7, ", "4: a mechanism is an integer: write a text in double quotes"),
        ("siblings", "sibling", "3: mechanism `sibling` is unknown: did you mean `siblings`?"),
        ("siblings", "hint-delivered", "3: reaches names `hint-delivered` twice: name it once"),
    ] {
        assert_eq!(refused(&edited(from, to)), format!("x.toml:{message}"));
    }
}

#[test]
fn a_partition_needs_two_sides() {
    let alone = "format = 1\ntitle = \"t\"\n[cluster]\nnodes = 1\nn = 1\nr = 1\nw = 1\n\
                 [[client]]\nsteps = [\"get k\"]\n[faults]\ncrashes = 1\npartitions = 1\n";
    assert_eq!(
        refused(alone),
        "x.toml:12: partitions is 1 but nodes is 1; a partition splits the nodes in two sides: set \
         nodes to at least 2 or remove partitions"
    );
    assert!(parse(&alone.replace("partitions = 1", "partitions = 0")).is_ok());
    assert!(parse(&alone.replace("nodes = 1", "nodes = 2")).is_ok());
}

#[test]
fn a_sloppy_quorum_without_fallbacks_is_allowed() {
    let text =
        edited("nodes = 4", "nodes = 3").replace("@3", "").replace("\"hint-delivered\", ", "");
    assert_eq!(parse(&text).map(|scenario| scenario.cluster.quorum), Ok(Quorum::Sloppy));
}

/// For each mechanism that a setting can rule out: the edit that rules it out, and what is said.
#[test]
fn what_cannot_be_reached_cannot_be_demanded() {
    let strict = "quorum = \"strict\"";
    let all_hold = "nodes = 3 #";
    let no_fallback = "n is all nodes and leaves no fallback: set nodes above n";
    for (mechanism, from, to, why) in [
        (
            "siblings",
            "reap = \"on\"",
            "versioning = \"last-writer-wins\"",
            "last-writer-wins keeps no siblings: set versioning to `dotted`",
        ),
        (
            "read-repair",
            "reap = \"on\"",
            "read-repair = \"off\"",
            "read-repair is `off`: set read-repair to `async`",
        ),
        (
            "hint-kept",
            "quorum = \"sloppy\"",
            strict,
            "every quorum is strict: set quorum to `sloppy`",
        ),
        ("hint-kept", "nodes = 4", all_hold, no_fallback),
        ("fallback-read", "nodes = 4", all_hold, no_fallback),
        ("fallback-put", "nodes = 4", all_hold, no_fallback),
        (
            "hint-delivered",
            "handoff = \"on\"",
            "handoff = \"off\"",
            "handoff is `off`: set handoff to `on`",
        ),
        (
            "hint-released",
            "handoff = \"on\"",
            "handoff = \"off\"",
            "handoff is `off`: set handoff to `on`",
        ),
        (
            "object-exchanged",
            "anti-entropy = \"on\"",
            "",
            "anti-entropy is `off`: set anti-entropy to `on`",
        ),
        ("resynchronised", "disk-losses = 1", "", "no disk is lost: set disk-losses to at least 1"),
        ("reaped", "reap = \"on\"", "", "reap is `off`: set reap to `on`"),
        (
            "buffer-lost",
            "durability = \"one-durable\"",
            "",
            "durability is `durable`: set durability to `buffered`",
        ),
        (
            "buffer-lost",
            "crashes = 1\ndisk-losses = 1",
            "",
            "no node crashes: set crashes to at least 1",
        ),
    ] {
        let demanded = edited(
            "\"hint-delivered\", \"siblings\", \"buffer-lost\"",
            &format!("\"{mechanism}\""),
        )
        .replace("@3 sloppy", "");
        assert!(parse(&demanded).is_ok(), "{mechanism}");
        assert!(demanded.contains(from), "{from}");
        assert_eq!(
            refused(&demanded.replacen(from, to, 1)),
            format!("x.toml:3: `{mechanism}` cannot be reached, {why}")
        );
    }
    let strict_but_for_one_step = edited("quorum = \"sloppy\"", strict);
    assert!(parse(&strict_but_for_one_step).is_ok());
}

#[test]
fn a_mechanism_that_no_setting_rules_out_can_always_be_demanded() {
    let plain = parse(
        "format = 1\ntitle = \"t\"\n[cluster]\nnodes = 3\nn = 3\nr = 2\nw = 2\nread-repair = \"off\"\n\
         versioning = \"last-writer-wins\"\n[[client]]\nsteps = [\"get k\"]",
    )
    .expect("good");
    let all = Mechanism::ALL.iter().copied();
    let free: Vec<Mechanism> = all.filter(|mechanism| mechanism.check(&plain).is_ok()).collect();
    use Mechanism::{DuplicateRefused, Forwarded, FreshEpoch, Suspected};
    assert_eq!(free, [Forwarded, Suspected, FreshEpoch, DuplicateRefused]);
}

/// What is said of a scenario, whatever was found.
fn report(text: &str) -> Report {
    let limits = Limits { states: Some(1), ..Limits::default() };
    check(&parse(text).expect("good"), &limits.into(), &mut |_| true).expect("a cluster")
}

#[test]
fn a_report_names_what_differs_from_the_defaults_and_what_is_excluded() {
    let text = edited("handoff = \"on\"", "handoff = \"off\"").replace("\"hint-delivered\", ", "");
    let sloppy = report(&text);
    let header = sloppy.header();
    let cluster = "cluster   4 nodes, (N,R,W) = (3,2,2), sloppy quorum, dotted, read repair async, \
                   handoff off, anti-entropy on, durability one-durable, reap on\n";
    assert!(header.contains(cluster), "{header}");
    assert!(header.contains("client    c0: get k strict, put k@3 sloppy, delete k\n"), "{header}");
    assert!(sloppy.bounds().ends_with(
        "1 crashes, 0 drops, 0 duplicates, 0 premature timeouts, 1 lost disks, 1 partitions"
    ));
    assert_eq!(
        sloppy.excluded(),
        ["drops", "duplicates", "premature timeouts", "changes of the layout"]
    );
    let plain = report(GOOD);
    assert!(plain.header().contains("vector-clock, read repair blocking\n"), "{}", plain.header());
    assert_eq!(plain.excluded(), ["lost disks", "partitions", "changes of the layout"]);
}

//! Whatever is printed is read back, and no text makes the parser panic.

use crate::{GOOD, failure_handling::SLOPPY, parse};
use dynamo_models::scenario::{
    Cluster, Durability, Expectation, Faults, Gossip, MAX_BUDGET, MAX_CLIENTS, MAX_NODES,
    MAX_OPERATORS, MAX_PUTS, MAX_STEPS, Mechanism, Membership, Move, Op, Order, Property, Quorum,
    ReadRepair, Scenario, Schedule, Step, Switch, Tier, Versioning,
};
use dynamo_protocol::policy::Policy;
use proptest::{
    collection::vec,
    option,
    prelude::*,
    sample::{select, subsequence},
};

fn any_cluster() -> impl Strategy<Value = Cluster> {
    let versioning = prop_oneof![
        Just(Versioning::Dotted),
        option::of(1..=MAX_PUTS as u8).prop_map(|limit| Versioning::VectorClock { limit }),
        Just(Versioning::LastWriterWins),
    ];
    let switch = || select(Switch::ALL);
    let policies =
        (select(Quorum::ALL), switch(), switch(), select(Durability::ALL), switch()).boxed();
    (1..=MAX_NODES)
        .prop_flat_map(|nodes| (Just(nodes), 1..=nodes))
        .prop_flat_map(|(nodes, n)| (Just(nodes), Just(n), 1..=n, 1..=n))
        .prop_flat_map(move |sizes| {
            (Just(sizes), versioning.clone(), select(ReadRepair::ALL), policies.clone())
        })
        .prop_map(|((nodes, n, r, w), versioning, read_repair, policies)| {
            let (quorum, handoff, anti_entropy, durability, reap) = policies;
            Cluster {
                nodes,
                n,
                r,
                w,
                quorum,
                versioning,
                read_repair,
                handoff,
                anti_entropy,
                durability,
                reap,
                policy: Policy::default(),
            }
        })
}

fn any_clients(nodes: u8) -> impl Strategy<Value = Vec<Vec<Step>>> {
    let quorum = option::of(select(Quorum::ALL));
    let step = (select(Op::ALL), "[a-zA-Z0-9._/-]{1,32}", option::of(0..nodes), quorum)
        .prop_map(|(op, key, contact, quorum)| Step { op, key, contact, quorum });
    vec(vec(step, 1..=MAX_STEPS), 1..=MAX_CLIENTS).prop_filter("too many puts", |clients| {
        clients.iter().flatten().filter(|step| step.is_put()).count() <= MAX_PUTS
    })
}

fn any_membership(cluster: &Cluster) -> impl Strategy<Value = Option<Membership>> + use<> {
    let (least, nodes) = (cluster.n, cluster.nodes);
    let part = (0..3, 0..nodes, 0..nodes).prop_map(|(kind, node, other)| match kind {
        0 => Move::Join(node),
        1 => Move::Leave(node),
        _ => Move::Replace(node, other),
    });
    let what = prop_oneof![vec(part, 1..4), (0..nodes).prop_map(|node| vec![Move::Down(node)])];
    let order = (what, 0..nodes).prop_map(|(what, contact)| Order { what, contact });
    let operators = vec(vec(order, 0..=MAX_OPERATORS), 0..=MAX_OPERATORS);
    let pair = (0..nodes, 0..nodes).prop_filter("a pair", |(from, to)| from != to);
    let gossips = match nodes {
        1 => Just(Vec::new()).boxed(),
        _ => vec(pair.prop_map(|(from, to)| Gossip(from, to)), 0..4).boxed(),
    };
    option::of(
        (least..=nodes, operators, gossips).prop_map(|(founders, operators, gossips)| Membership {
            founders,
            operators,
            gossips,
        }),
    )
}

fn any_expect() -> impl Strategy<Value = Vec<(Property, Option<Expectation>)>> {
    let verdicts = vec(option::of(select(Expectation::ALL)), Property::ALL.len());
    verdicts.prop_map(|verdicts| {
        let all = Property::ALL.iter().copied().zip(verdicts);
        let asked: Vec<_> = all.clone().filter(|(_, verdict)| verdict.is_some()).collect();
        if asked.is_empty() { all.collect() } else { asked }
    })
}

fn any_scenario() -> impl Strategy<Value = Scenario> {
    let budgets = [0..=MAX_BUDGET, 0..=MAX_BUDGET, 0..=MAX_BUDGET, 0..=MAX_BUDGET];
    let faults = (budgets, 0..=MAX_BUDGET, 0..=MAX_BUDGET, option::of(0..=MAX_BUDGET)).prop_map(
        |([crashes, drops, duplicates, timeouts], disk_losses, partitions, total)| Faults {
            crashes,
            drops,
            duplicates,
            timeouts,
            disk_losses,
            partitions,
            total,
        },
    );
    // Quotes, backslashes, line ends and control characters more often than chance would have it.
    let note = option::of("([\"\\\\\n\r\t\u{0}\u{7f}\u{85}# a-z]|\\PC){0,60}");
    let words = ("[^\\pC\\s]\\PC{0,99}", note);
    any_cluster()
        .prop_flat_map(|cluster| {
            let nodes = cluster.nodes;
            (Just(cluster), any_clients(nodes), 0..=nodes, any_membership(&cluster))
        })
        .prop_flat_map(move |known| {
            let demanded = subsequence(Mechanism::ALL, 0..=Mechanism::ALL.len());
            let rest = (select(Schedule::ALL), select(Tier::ALL), any_expect(), demanded);
            (Just(known), rest, faults.clone(), words.clone())
        })
        .prop_map(
            |(
                (cluster, clients, f, membership),
                (schedule, tier, expect, reaches),
                faults,
                words,
            )| {
                let (title, note) = words;
                let mut scenario = Scenario {
                    title,
                    schedule,
                    tier,
                    f,
                    note,
                    cluster,
                    clients,
                    membership,
                    faults,
                    reaches,
                    expect,
                };
                possible(&mut scenario);
                scenario
            },
        )
}

/// Takes out what the rest of the scenario rules out.
fn possible(scenario: &mut Scenario) {
    if scenario.faults.check(&scenario.cluster).is_err() {
        scenario.faults.partitions = 0;
    }
    let mut reaches = std::mem::take(&mut scenario.reaches);
    reaches.retain(|mechanism| mechanism.check(scenario).is_ok());
    scenario.reaches = reaches;
}

proptest! {
    #[test]
    fn what_is_printed_is_read_back(scenario in any_scenario()) {
        let text = scenario.to_toml();
        let read = parse(&text).map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
        prop_assert_eq!(&read, &scenario);
        prop_assert_eq!(read.to_toml(), text);
        prop_assert_eq!(read.content_hash(), scenario.content_hash());
    }

    #[test]
    fn no_text_can_make_the_parser_panic(
        file in select(&[GOOD, SLOPPY]),
        at in any::<proptest::sample::Index>(),
        with in "\\PC{0,3}|[\\[\\]\"=\n\r@]{1,3}",
    ) {
        let at = at.index(file.len());
        let mut text = file.to_string();
        text.replace_range(at..at + 1, &with);
        if let Err(error) = parse(&text) {
            let line = error.line.expect("a short file's errors have lines");
            prop_assert!((1..=text.lines().count()).contains(&line), "{}", error);
        }
    }
}

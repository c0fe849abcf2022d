//! Nothing that comes in can make a node panic or differ from its twin.

use crate::any::*;
use crate::common::*;
use dynamo_protocol::config::{DurabilityMode, FailureHandling};
use dynamo_protocol::door::{Effect, Input, Start, Timer};
use dynamo_protocol::ids::{NodeId, RequestId};
use dynamo_protocol::store::RecordKey;
use dynamo_protocol::versions::Incarnation;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// The hash that a model checker would take, with fixed keys.
fn hash(host: &Host) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(&host.node)
}

/// A node exchanges with others, and with members only: no other such timer is ever set.
fn is_possible(setup: Setup, id: u64, input: &Input) -> bool {
    !matches!(input, Input::Timer(Timer::Exchange(peer)) if peer.0 == id || peer.0 >= setup.nodes)
}

/// Sets and cancels timers.
fn run(running: &mut BTreeSet<Timer>, effects: &[Effect]) {
    for effect in effects {
        match effect {
            Effect::SetTimer { timer, .. } => drop(running.insert(*timer)),
            Effect::CancelTimer(timer) => assert!(running.remove(timer), "{timer} did not run"),
            _ => {}
        }
    }
}

/// What is under way, and would stand still for ever, since no timer runs for it.
fn without_timer(host: &Host, running: &BTreeSet<Timer>) -> Vec<Timer> {
    let is_waiting = |id| {
        let timers = [Timer::Request(id), Timer::Straggler(id)];
        timers.iter().filter(|timer| running.contains(timer)).count() == 1
    };
    let requests = host.node.pending().filter(|&id| !is_waiting(id)).map(Timer::Request);
    let suspects = host.node.suspects().map(Timer::Retry);
    // The lower of two begins their exchanges. Whom an unsynchronised node must hear is its secret,
    // but there is somebody.
    let me = host.node.id();
    let begins = |peer: &NodeId| host.setup.failures.anti_entropy && me < *peer;
    let config = host.setup.config();
    let lists = config.ring().ranges().map(|(_, list)| list.primaries());
    let peers = lists.filter(|primaries| primaries.contains(&me)).flatten().copied();
    let peers: BTreeSet<NodeId> = peers.filter(|&peer| peer != me).collect();
    let exchanges = peers.into_iter().filter(begins).map(Timer::Exchange);
    let is_exchanging = running.iter().any(|timer| matches!(timer, Timer::Exchange(_)));
    assert!(host.node.is_whole() || is_exchanging, "it waits for nobody");
    let others = suspects.chain(exchanges).chain(kept(host));
    requests.chain(others.filter(|timer| !running.contains(timer))).collect()
}

/// The timers that the records ask for.
fn kept(host: &Host) -> impl Iterator<Item = Timer> {
    let handoff = host.setup.failures.handoff;
    let names = host.node.store().seen.keys();
    names.filter_map(move |name| match name {
        RecordKey::Hint { home, .. } if handoff => Some(Timer::Handoff(*home)),
        RecordKey::Tombstone(_) => Some(Timer::Reap),
        _ => None,
    })
}

/// Timers of what is finished. Those of exchanges and reaping go out by themselves.
fn without_reason(host: &Host, running: &BTreeSet<Timer>) -> Vec<Timer> {
    let kept: BTreeSet<Timer> = kept(host).collect();
    let is_idle = |timer: &&Timer| match timer {
        Timer::Request(id) | Timer::Straggler(id) => !host.node.is_pending(*id),
        Timer::Retry(node) => !host.node.suspects().any(|suspect| suspect == *node),
        Timer::Handoff(_) => !kept.contains(timer),
        Timer::Exchange(_) | Timer::Reap | Timer::Gossip(_) | Timer::Settle => false,
    };
    running.iter().filter(is_idle).copied().collect()
}

/// Lets all requests run out. A sloppy one turns to others until there are none left.
fn finish(host: &mut Host) {
    for _ in 0..host.setup.nodes {
        let left: Vec<RequestId> = host.node.pending().collect();
        for id in left {
            host.fire(Timer::Request(id));
            host.fire(Timer::Straggler(id));
        }
    }
    assert_eq!(host.node.pending().count(), 0);
}

proptest! {
    #![proptest_config(cases(1500))]

    #[test]
    fn any_sequence_of_inputs_is_survived_and_repeatable(
        setup in setup(),
        id in 0..4_u64,
        is_amnesiac: bool,
        inputs in vec(input(), 0..40),
    ) {
        let mut host = node(setup, id, is_amnesiac);
        for input in inputs.into_iter().filter(|input| is_possible(setup, id, input)) {
            let mut twin = host.clone();
            let effects = host.take(input.clone());
            prop_assert_eq!(&effects, &twin.take(input));
            prop_assert_eq!(&host.node, &twin.node);
            prop_assert_eq!(host.node.digest(), twin.node.digest());
            prop_assert_eq!(hash(&host), hash(&twin));
            for (to, _) in sent(&effects) {
                prop_assert!(to < setup.nodes && to != id);
            }
            // Stored objects are such that every peer takes them.
            let copy = host.copy();
            prop_assert!(copy.is_none_or(|copy| setup.versioning.admits(&copy)));
        }
    }

    #[test]
    fn a_node_whose_requests_are_finished_is_as_if_just_restarted(
        setup in setup(),
        id in 0..4_u64,
        inputs in vec(input(), 0..40),
    ) {
        // A restart drops counters unless all writes are durable, and who reaps remembers more than
        // requests.
        let durability = DurabilityMode::Durable;
        let failures = FailureHandling { durability, reap: false, ..setup.failures };
        let mut host = Setup { failures, ..setup }.node(id);
        inputs.into_iter().for_each(|input| drop(host.take(input)));
        finish(&mut host);
        for peer in (0..setup.nodes).filter(|&peer| peer != id) {
            host.hear(peer, refused(9));
        }
        prop_assert!(host.is_at_rest(), "{:?}", host.node);
    }

    #[test]
    fn whatever_is_under_way_has_a_timer_and_whatever_is_finished_has_none(
        setup in setup(),
        id in 0..4_u64,
        is_amnesiac: bool,
        inputs in vec(input(), 0..40),
    ) {
        let mut host = Host::new(setup, id, Disk::default());
        let mut running = BTreeSet::new();
        let incarnation = Incarnation(0);
        let start = match is_amnesiac {
            true => Start::Amnesia { incarnation, latest: BEFORE },
            false => Start::Bootstrap { incarnation },
        };
        run(&mut running, &host.take(Input::Start(start)));
        for input in inputs {
            if let Input::Timer(timer) = input {
                running.remove(&timer);
            }
            run(&mut running, &host.take(input));
            prop_assert_eq!(without_timer(&host, &running), []);
            prop_assert_eq!(without_reason(&host, &running), []);
        }
        let (again, effects) = host.started_on(host.node.store().crashed());
        let mut running = BTreeSet::new();
        run(&mut running, &effects);
        prop_assert_eq!(without_timer(&again, &running), [], "after a restart");
    }

    #[test]
    fn unequal_nodes_have_unequal_hashes_and_digests(
        setup in setup(),
        ids in [0..4_u64, 0..4_u64],
        one in vec(input(), 0..6),
        other in vec(input(), 0..6),
    ) {
        let run = |id, inputs: Vec<Input>| {
            let mut host = setup.node(id);
            inputs.into_iter().for_each(|input| drop(host.take(input)));
            host
        };
        let (one, other) = (run(ids[0], one), run(ids[1], other));
        let equal = one.node == other.node;
        prop_assert_eq!(hash(&one) == hash(&other), equal);
        prop_assert_eq!(one.node.digest() == other.node.digest(), equal);
    }
}

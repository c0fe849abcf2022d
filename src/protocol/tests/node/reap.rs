//! Reaping of tombstones: three rounds, every node, nothing else known (bugs B1 to B12).

use crate::common::*;
use dynamo_protocol::config::{DurabilityMode, FailureHandling, Quorum, ReadRepair};
use dynamo_protocol::door::{Delay, Effect, Ignored, Note, Timer};
use dynamo_protocol::ids::{Key, NodeId};
use dynamo_protocol::merkle::Hash;
use dynamo_protocol::message::{Message, Round};
use dynamo_protocol::store::RecordKey;
use dynamo_protocol::versions::Object;

use Round::{First, Second};

const NODES: u64 = 4;

pub(crate) fn reaping() -> Setup {
    let failures = FailureHandling { reap: true, ..USUAL.failures };
    Setup { w: 1, r: 1, nodes: NODES, failures, ..USUAL }
}

/// A value and the tombstone that has replaced it.
fn deleted() -> (Object, Object) {
    let mut n0 = Setup { w: 1, ..USUAL }.node(0);
    n0.ask(put(901, "a"));
    let before = n0.copy().unwrap();
    n0.ask(write(902, Some(before.context()), None));
    (before, n0.copy().unwrap())
}

pub(crate) fn tombstone() -> Object {
    deleted().1
}

fn hash(object: &Object) -> Hash {
    Hash::of_object(&KEY.into(), object)
}

fn one(object: &Object) -> Vec<(Key, Hash)> {
    vec![(KEY.into(), hash(object))]
}

fn ask(round: Round) -> Message {
    Message::ReapAsk { round, tombstones: one(&tombstone()) }
}

fn yes(round: Round) -> Message {
    Message::ReapYes { round, tombstones: one(&tombstone()) }
}

fn reap() -> Message {
    Message::Reap { tombstones: one(&tombstone()) }
}

/// Owners hold the tombstone, others nothing.
fn cluster(setup: Setup) -> Vec<Host> {
    let mut hosts: Vec<Host> = (0..setup.nodes).map(|id| setup.node(id)).collect();
    for host in &mut hosts[..setup.n] {
        let from = if host.node.id() == NodeId(1) { 2 } else { 1 };
        host.hear(from, repair(tombstone()));
    }
    hosts
}

fn owner(id: usize) -> Host {
    cluster(reaping()).swap_remove(id)
}

/// Whether `host` says yes to n0's question.
fn agrees(host: &mut Host, round: Round) -> bool {
    let answer = sent(&host.hear(0, ask(round)));
    assert!(answer.is_empty() || answer == [(0, yes(round))], "{answer:?}");
    !answer.is_empty()
}

/// Delivers all that n0 sends, and all answers; whoever is down loses it.
fn deliver(hosts: &mut [Host], effects: &[Effect], down: &[u64]) {
    for (to, message) in sent(effects) {
        if down.contains(&to) {
            continue;
        }
        for (back, answer) in sent(&hosts[to as usize].hear(0, message)) {
            assert_eq!(back, 0);
            hosts[0].hear(to, answer);
        }
    }
}

/// Lets n0's timer fire, and carries the messages.
fn step(hosts: &mut [Host], down: &[u64]) {
    let effects = hosts[0].fire(Timer::Reap);
    deliver(hosts, &effects, down);
}

fn copies(hosts: &[Host]) -> usize {
    hosts.iter().filter(|host| host.copy().is_some()).count()
}

#[test]
fn a_tombstone_goes_from_all_owners_after_three_rounds() {
    let mut hosts = cluster(reaping());
    for left in [3, 3, 3, 0] {
        step(&mut hosts, &[]);
        assert_eq!(copies(&hosts), left);
    }
    for host in &hosts {
        assert!(host.is_at_rest(), "{:?}", host.node);
        let left: Vec<RecordKey> = host.node.store().seen.keys().cloned().collect();
        assert_eq!(left, [RecordKey::Identity]);
    }
    assert_eq!(timers(&hosts[0].fire(Timer::Reap)), [], "nothing is left to be done");
}

#[test]
fn the_first_primary_alone_starts_the_clock() {
    let start = |id: u64| {
        let mut host = reaping().node(id);
        let effects = host.hear((id + 1) % 3, repair(tombstone()));
        timers(&effects)
    };
    assert_eq!(start(0), [(Timer::Reap, Delay::Reap)]);
    assert_eq!((start(1), start(2)), (vec![], vec![]));
    let n0 = owner(0);
    let (_, effects) = n0.started_on(n0.node.store().crashed());
    assert_eq!(timers(&effects), [(Timer::Reap, Delay::Reap)]);
}

#[test]
fn what_is_no_tombstone_is_not_reaped() {
    let mut n0 = owner(0);
    n0.ask(put(1, "b"));
    assert_eq!(n0.values(), ["-", "b"]);
    assert_eq!(n0.fire(Timer::Reap), []);
    let off = FailureHandling { reap: false, ..reaping().failures };
    let mut n0 = Setup { failures: off, ..reaping() }.node(0);
    assert_eq!(timers(&n0.hear(1, repair(tombstone()))), []);
}

#[test]
fn every_node_must_have_said_yes_in_all_rounds() {
    for down in 1..NODES {
        let mut hosts = cluster(reaping());
        for _ in 0..10 {
            step(&mut hosts, &[down]);
        }
        assert_eq!(copies(&hosts), 3, "n{down}, be it no owner, may keep a hint");
        step(&mut hosts, &[]);
        for _ in 0..10 {
            step(&mut hosts, &[down]);
        }
        assert_eq!(copies(&hosts), 3, "once is not enough");
        (0..3).for_each(|_| step(&mut hosts, &[]));
        assert_eq!(copies(&hosts), 3, "nor is twice");
        step(&mut hosts, &[]);
        assert_eq!(copies(&hosts), 0, "it is never given up (bug B7)");
    }
}

#[test]
fn between_the_last_answer_and_the_next_question_lies_a_whole_delay() {
    let mut n0 = owner(0);
    n0.fire(Timer::Reap);
    let again = [(Timer::Reap, Delay::Reap)];
    assert_eq!(timers(&n0.hear(3, yes(First))), again, "what n3 has sent before must die out");
    assert_eq!(timers(&n0.hear(3, yes(First))), again, "it may have changed its mind in between");
    let other = Message::ReapYes { round: First, tombstones: vec![("x".into(), Hash([0; 16]))] };
    assert_eq!(timers(&n0.hear(2, other)), [], "nobody had asked");
    assert_eq!(n0.hear(2, yes(Second)), ignored(Ignored::Stale));
}

#[test]
fn an_owner_says_yes_only_if_it_holds_exactly_this() {
    assert!(agrees(&mut owner(1), First));
    let (older, _) = deleted();
    let mut n1 = reaping().node(1);
    n1.hear(2, repair(older));
    assert!(!agrees(&mut n1, First), "bugs B2 and B4: an older copy");
    let mut n1 = owner(1);
    n1.hear(2, repair(object_of(USUAL, 2, 7, "b")));
    assert!(!agrees(&mut n1, First));
}

/// Bugs B1, B3 and B6.
#[test]
fn a_hint_prevents_it() {
    let (older, _) = deleted();
    let mut n3 = reaping().node(3);
    n3.hear(2, replicate_as(1, older.clone(), Some(1)));
    assert!(!agrees(&mut n3, First));
    let mut n3 = reaping().node(3);
    n3.hear(2, replicate_as(1, tombstone(), Some(1)));
    assert!(!agrees(&mut n3, First), "be it the tombstone itself");
    n3.hear(1, Message::HandedOff { key: KEY.into(), hash: hash(&tombstone()) });
    assert!(agrees(&mut n3, First));
}

#[test]
fn a_get_under_way_prevents_it() {
    let setup = Setup { read_repair: ReadRepair::Async, ..reaping() };
    let mut n3 = setup.node(3);
    n3.ask(get(1));
    assert!(!agrees(&mut n3, First));
    n3.hear(0, copy_for(1, Some(tombstone())));
    assert!(!agrees(&mut n3, First), "it may still repair somebody");
    n3.fire(Timer::Straggler(id(1)));
    assert!(agrees(&mut n3, First));
}

#[test]
fn an_object_that_passes_by_between_the_rounds_prevents_it() {
    let (older, _) = deleted();
    let handoff = |object| Message::Handoff { key: KEY.into(), object };
    let swap = |object| Message::Swap { key: KEY.into(), object: Some(object) };
    let confirm = |object| Message::Confirm { id: id(5), key: KEY.into(), object, home: None };
    for message in [
        repair(older.clone()),
        replicate(5, older.clone()),
        handoff(older.clone()),
        swap(older.clone()),
        confirm(older.clone()),
    ] {
        let mut n1 = owner(1);
        assert!(agrees(&mut n1, First));
        n1.hear(2, message);
        assert_eq!(n1.values(), ["-"], "the tombstone covers it");
        assert!(!agrees(&mut n1, Second));
        assert!(agrees(&mut n1, First), "the next time");
        assert!(agrees(&mut n1, Second));
    }
    let mut n1 = owner(1);
    assert!(agrees(&mut n1, First));
    n1.hear(2, repair(tombstone()));
    assert!(agrees(&mut n1, Second), "the tombstone itself may move");
}

#[test]
fn a_hint_that_comes_and_goes_between_the_rounds_prevents_it() {
    let (older, _) = deleted();
    let mut n3 = reaping().node(3);
    assert!(agrees(&mut n3, First));
    n3.hear(2, replicate_as(1, older.clone(), Some(1)));
    n3.hear(1, Message::HandedOff { key: KEY.into(), hash: hash(&older) });
    assert_eq!(n3.node.hints(), 0);
    assert!(!agrees(&mut n3, Second));
}

#[test]
fn a_get_between_the_rounds_that_has_seen_something_else_prevents_it() {
    let (older, _) = deleted();
    for (copy, prevents) in [(Some(older), true), (Some(tombstone()), false), (None, false)] {
        let mut n3 = reaping().node(3);
        assert!(agrees(&mut n3, First));
        n3.ask(get(1));
        n3.hear(2, copy_for(1, copy));
        assert_eq!(n3.node.pending().count(), 0);
        assert_eq!(agrees(&mut n3, Second), !prevents);
    }
}

#[test]
fn a_restart_between_the_rounds_prevents_it() {
    for id in [1, 3] {
        let mut host = cluster(reaping()).swap_remove(id);
        assert!(agrees(&mut host, First));
        let mut again = host.crashed();
        assert!(!agrees(&mut again, Second), "it does not know what has passed by");
    }
}

#[test]
fn a_reaper_that_restarts_begins_again() {
    let mut hosts = cluster(reaping());
    step(&mut hosts, &[]);
    step(&mut hosts, &[]);
    hosts[0] = hosts[0].crashed();
    assert_eq!(hosts[0].hear(1, yes(Second)), ignored(Ignored::Stale));
    for left in [3, 3, 3, 0] {
        step(&mut hosts, &[]);
        assert_eq!(copies(&hosts), left);
    }
}

#[test]
fn a_put_before_the_end_keeps_what_it_has_written() {
    let mut hosts = cluster(reaping());
    (0..3).for_each(|_| step(&mut hosts, &[]));
    hosts[1].ask(put(1, "b"));
    step(&mut hosts, &[]);
    assert_eq!(hosts[1].values(), ["-", "b"]);
    let object = hosts[1].copy().unwrap();
    hosts[0].hear(1, repair(object));
    assert_eq!(hosts[0].values(), ["-", "b"]);
}

/// Bug B1: the copy of a tombstone that comes late must not cover the put.
#[test]
fn a_put_after_reaping_takes_a_fresh_epoch() {
    let setup = reaping();
    let mut hosts: Vec<Host> = (0..NODES).map(|id| setup.node(id)).collect();
    hosts[0].ask(put(1, "a"));
    let read = hosts[0].copy().unwrap().context();
    hosts[0].ask(write(2, Some(read), None));
    let late = hosts[0].copy().unwrap();
    for host in &mut hosts[1..3] {
        host.hear(0, repair(late.clone()));
    }
    for _ in 0..4 {
        let effects = hosts[0].fire(Timer::Reap);
        deliver(&mut hosts, &effects, &[]);
    }
    assert_eq!(copies(&hosts), 0);
    let noted = notes(&hosts[0].ask(put(3, "b")));
    assert!(noted.iter().any(|note| matches!(note, Note::FreshEpoch(_))), "{noted:?}");
    hosts[0].hear(1, repair(late));
    assert!(hosts[0].values().contains(&"b".to_owned()));
}

#[test]
fn only_a_tombstone_that_is_still_there_is_removed() {
    let mut n1 = owner(1);
    n1.ask(put(1, "b"));
    let before = n1.copy();
    assert_eq!(notes(&n1.hear(0, reap())), []);
    assert_eq!(n1.copy(), before);
    let mut n1 = owner(1);
    assert_eq!(notes(&n1.hear(0, reap())), [Note::Reaped]);
    assert_eq!(n1.copy(), None);
    let after = n1.node.clone();
    n1.hear(0, reap());
    assert_eq!(n1.node, after, "twice is once");
}

#[test]
fn nobody_can_be_made_to_forget_a_value() {
    let mut n1 = reaping().node(1);
    let value = object_of(USUAL, 2, 7, "b");
    n1.hear(2, repair(value.clone()));
    let asked = Message::ReapAsk { round: First, tombstones: one(&value) };
    assert_eq!(sent(&n1.hear(0, asked)), []);
    n1.hear(0, Message::Reap { tombstones: one(&value) });
    assert_eq!(n1.values(), ["b"]);
}

#[test]
fn only_the_first_primary_reaps() {
    let mut n1 = owner(1);
    assert_eq!(sent(&n1.hear(2, ask(First))), []);
    n1.hear(2, reap());
    assert_eq!(n1.values(), ["-"]);
}

#[test]
fn a_cluster_that_does_not_reap_watches_nothing() {
    let mut n3 = USUAL.node(3);
    assert_eq!(n3.hear(0, ask(First)), ignored(Ignored::Stale));
    assert!(n3.is_at_rest());
    assert_eq!(n3.hear(0, reap()), ignored(Ignored::Stale));
}

/// A yes is a promise: what it rests on must not be undone by a crash.
#[test]
fn in_a_buffered_mode_a_yes_is_durable() {
    let (older, tombstone) = deleted();
    for mode in [DurabilityMode::Buffered, DurabilityMode::OneDurable] {
        let mut n1 = reaping().writing(mode).node(1);
        n1.hear(2, replicate(1, older.clone()));
        n1.hear(2, repair(tombstone.clone()));
        assert_eq!(n1.crashed().values(), ["a"]);
        assert!(agrees(&mut n1, First));
        assert_eq!(n1.crashed().values(), ["-"], "{mode:?}: bug B4");

        let mut n3 = reaping().writing(mode).node(3);
        n3.hear(2, replicate_as(1, older.clone(), Some(1)));
        n3.hear(1, Message::HandedOff { key: KEY.into(), hash: hash(&older) });
        assert!(agrees(&mut n3, First));
        assert_eq!(n3.crashed().node.hints(), 0, "{mode:?}: bug B6");
    }
}

#[test]
fn a_sloppy_put_between_the_rounds_is_seen_by_the_owner_that_gets_it() {
    let failures = FailureHandling { quorum: Quorum::Sloppy, ..reaping().failures };
    let mut hosts = cluster(Setup { failures, ..reaping() });
    step(&mut hosts, &[]);
    hosts[3].hear(1, Message::Forward(put(1, "b")));
    let handoff = sent(&hosts[3].fire(Timer::Handoff(NodeId(0))));
    let taken = sent(&hosts[0].hear(3, handoff[0].1.clone()));
    hosts[3].hear(0, taken[0].1.clone());
    (0..3).for_each(|_| step(&mut hosts, &[]));
    assert_eq!(hosts[0].values(), ["-", "b"]);
}

/// Takes the only message out that goes to `to`.
fn to(effects: &[Effect], to: u64) -> Message {
    let mut all: Vec<_> = sent(effects).into_iter().filter(|(node, _)| *node == to).collect();
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0).1
}

/// A repeated question of the first round must not make a node forget what has moved since it
/// answered: no message here is older than a delay of the reaper's.
#[test]
fn a_repeated_question_does_not_hide_what_has_moved() {
    let failures = FailureHandling { quorum: Quorum::Sloppy, ..reaping().failures };
    let read_repair = ReadRepair::Blocking;
    let mut hosts = cluster(Setup { nodes: 5, failures, read_repair, ..reaping() });
    let (older, tombstone) = deleted();
    hosts[1] = hosts[1].setup.node(1);
    hosts[1].hear(2, repair(older));
    let first = hosts[0].fire(Timer::Reap);
    for node in 2..5 {
        let effects = hosts[node as usize].hear(0, to(&first, node));
        hosts[0].hear(node, to(&effects, 0));
    }
    // n4 suspects n0, and knows that n1 and n2 are there.
    hosts[4].ask(get(800));
    hosts[4].fire(Timer::Request(id(800)));
    hosts[4].fire(Timer::Request(id(800)));
    for node in [1, 2, 3] {
        hosts[4].hear(node, Message::Replicated { id: id(801) });
    }
    // A get after n4's answer, and a copy from before n1 has the tombstone.
    let read = hosts[4].ask(get(1));
    let copy = to(&hosts[1].hear(4, to(&read, 1)), 4);
    hosts[1].hear(2, repair(tombstone));
    let effects = hosts[1].hear(0, to(&first, 1));
    hosts[0].hear(1, to(&effects, 0));
    // All have answered: n0 waits. The copy comes, the get fails, the question comes again.
    let confirm = to(&hosts[4].hear(1, copy), 3);
    hosts[4].fire(Timer::Request(id(1)));
    hosts[4].hear(0, to(&first, 4));
    let second = hosts[0].fire(Timer::Reap);
    for node in 1..5 {
        let effects = hosts[node as usize].hear(0, to(&second, node));
        for (_, answer) in sent(&effects) {
            hosts[0].hear(node, answer);
        }
    }
    // n0 waits again, and what n4 had sent before arrives.
    hosts[3].hear(4, confirm);
    step(&mut hosts, &[]);
    for (_, message) in sent(&hosts[3].fire(Timer::Handoff(NodeId(0)))) {
        hosts[0].hear(3, message);
    }
    assert!(!hosts[0].values().contains(&"a".to_owned()), "the deleted value is back");
}

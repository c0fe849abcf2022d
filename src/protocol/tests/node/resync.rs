//! A node that has lost its disk (design decision "Amnesia").

use crate::common::*;
use dynamo_protocol::config::{DurabilityMode, FailureHandling};
use dynamo_protocol::door::{Delay, Ignored, Note, Timer};
use dynamo_protocol::ids::{Key, NodeId};
use dynamo_protocol::limits::{MAX_KEY_BYTES, MAX_PAGE_BYTES, MAX_PAGE_OBJECTS, MAX_PAGE_RECORDS};
use dynamo_protocol::message::{Answer, Message, Refill};
use dynamo_protocol::store::{Durability, Record, RecordKey, Store};
use dynamo_protocol::versions::{Incarnation, Object};

const LIFE: u64 = 9;
const REFILL: Refill = Refill { life: Incarnation(LIFE), losses: 0 };

fn object(node: u64, value: &str) -> Object {
    object_of(USUAL, node, 100 + node, value)
}

/// n0 of a cluster (3,r,w), after it has lost its disk.
fn lost(w: u8) -> Host {
    Setup { w, nodes: 3, ..USUAL }.amnesiac(0, LIFE).0
}

fn pull(after: Option<Key>) -> Message {
    Message::Pull { refill: REFILL, after }
}

/// The one page of a node that holds these objects.
fn page(objects: &[(&str, Object)]) -> Message {
    let objects = objects.iter().map(|(key, object)| (Key::from(*key), object.clone())).collect();
    Message::Page { refill: REFILL, after: None, objects, next: None, lost: None }
}

fn page_from(after: Option<&str>, next: Option<&str>) -> Message {
    let [after, next] = [after, next].map(|key| key.map(Key::from));
    Message::Page { refill: REFILL, after, objects: Vec::new(), next, lost: None }
}

fn exchange(peer: u64) -> Timer {
    Timer::Exchange(NodeId(peer))
}

/// What it says about its copy is no answer to the question whether it holds the result.
#[test]
fn a_blocking_get_waits_for_one_that_is_unsynchronised_to_confirm() {
    let blocking = dynamo_protocol::config::ReadRepair::Blocking;
    let mut n0 = Setup { r: 1, nodes: 3, read_repair: blocking, ..USUAL }.node(0);
    n0.hear(1, repair(object(1, "a")));
    n0.ask(get(1));
    assert_eq!(answers(&n0.hear(2, Message::Unsynchronised { id: id(1) })), []);
    assert_eq!(answers(&n0.hear(1, copy_for(1, Some(object(1, "a"))))), []);
    assert_eq!(found(&n0.hear(2, copy_for(1, Some(object(1, "a"))))), ["a"]);
}

fn counts(host: &mut Host) -> bool {
    let answer = sent(&host.hear(2, read_for(77)));
    match &answer[..] {
        [(2, Message::Copy { .. })] => true,
        [(2, Message::Unsynchronised { .. })] => false,
        other => panic!("{other:?}"),
    }
}

#[test]
fn it_asks_all_its_neighbours_for_what_they_hold() {
    let (mut n0, effects) = Setup { nodes: 5, ..USUAL }.amnesiac(0, LIFE);
    let all = [1, 2, 3, 4].map(|peer| (exchange(peer), Delay::Exchange));
    assert_eq!(timers(&effects), all);
    let effects = n0.fire(exchange(1));
    assert_eq!(sent(&effects), [(1, pull(None))]);
    assert_eq!(timers(&effects), [(exchange(1), Delay::Exchange)], "the page may be lost");
}

#[test]
fn it_takes_writes_and_answers_no_reads() {
    let mut n0 = lost(2);
    assert_eq!(sent(&n0.hear(1, replicate(1, object(1, "a")))), [(1, replicated(1))]);
    assert_eq!(n0.values(), ["a"]);
    assert_eq!(sent(&n0.hear(1, read_for(2))), [(1, Message::Unsynchronised { id: id(2) })]);
    assert_eq!(receivers(&n0.ask(put(3, "b"))), [1, 2], "it coordinates, too");
}

#[test]
fn what_it_holds_does_not_count_in_its_own_gets() {
    let mut n0 = lost(2);
    n0.hear(1, repair(object(1, "a")));
    assert_eq!(receivers(&n0.ask(get(1))), [1, 2]);
    assert_eq!(answers(&n0.hear(1, copy_for(1, None))), []);
    let effects = n0.hear(2, copy_for(1, None));
    let [Answer::NotFound { replicas: named, .. }] = &answers(&effects)[..] else { panic!() };
    assert_eq!(named, &replicas(&[1, 2], &[]));
}

#[test]
fn a_get_does_without_the_unsynchronised() {
    let mut n1 = USUAL.node(1);
    n1.ask(get(1));
    assert_eq!(n1.hear(0, Message::Unsynchronised { id: id(1) }), []);
    assert_eq!(answers(&n1.hear(2, copy_for(1, None))).len(), 1);
    n1.ask(get(2));
    n1.hear(0, Message::Unsynchronised { id: id(2) });
    let unavailable = Answer::QuorumUnavailable { got: 1, need: 2 };
    assert_eq!(answers(&n1.hear(2, Message::Unsynchronised { id: id(2) })), [unavailable]);
}

#[test]
fn with_w_2_it_counts_after_both_others() {
    let mut n0 = lost(2);
    n0.fire(exchange(1));
    let effects = n0.hear(1, page(&[(KEY, object(1, "a"))]));
    assert_eq!(notes(&effects), [Note::Resynchronised(NodeId(1))]);
    assert!(!counts(&mut n0) && !n0.node.is_whole());
    n0.hear(2, page(&[]));
    assert!(counts(&mut n0) && n0.node.is_whole());
    assert_eq!(n0.values(), ["a"]);
    assert!(n0.is_at_rest());
    assert_eq!(n0.fire(exchange(1)), ignored(Ignored::Stale), "no exchange is needed any more");
    assert_eq!(timers(&n0.started_on(n0.node.store().clone()).1), []);
}

/// Whoever coordinates a put is among them: N-W+1 would not do.
#[test]
fn all_other_owners_are_merged_before_copies_count() {
    for (n, w) in [(3, 3), (3, 2), (3, 1), (5, 3), (5, 5), (2, 1)] {
        let mut n0 = Setup { n, w, nodes: n as u64, ..USUAL }.amnesiac(0, LIFE).0;
        for peer in 1..n as u64 {
            assert!(!n0.node.is_whole(), "N={n} W={w} after {}", peer - 1);
            n0.hear(peer, page(&[]));
        }
        assert!(n0.node.is_whole(), "N={n} W={w}");
    }
}

#[test]
fn the_same_other_twice_is_one_other() {
    let mut n0 = lost(2);
    n0.hear(1, page(&[]));
    assert_eq!(n0.hear(1, page(&[])), ignored(Ignored::Stale));
    assert!(!n0.node.is_whole());
}

#[test]
fn the_only_owner_of_its_keys_has_nobody_to_wait_for() {
    let setup = Setup { n: 1, nodes: 2, r: 1, w: 1, ..USUAL };
    let (mut n0, effects) = setup.amnesiac(0, LIFE);
    assert_eq!(timers(&effects), []);
    assert!(n0.node.is_whole(), "else never");
    assert_eq!(answers(&n0.ask(get(1))).len(), 1);
}

#[test]
fn a_fallback_that_has_lost_its_disk_answers_everybody_alike() {
    let setup = Setup { nodes: 5, r: 1, ..USUAL }.sloppy();
    let (mut n3, _) = setup.amnesiac(3, LIFE);
    let as_n0 = Message::Read { id: id(1), key: KEY.into(), home: Some(NodeId(0)) };
    assert_eq!(sent(&n3.hear(1, as_n0)), [(1, copy_for(1, None))]);
    n3.ask(get(2));
    n3.fire(Timer::Request(id(2)));
    n3.hear(4, copy_for(2, None));
    let effects = n3.ask(get(3));
    let [Answer::NotFound { replicas: named, .. }] = &answers(&effects)[..] else { panic!() };
    assert_eq!(named, &replicas(&[], &[3]));
}

#[test]
fn what_was_merged_and_from_whom_survives_a_restart() {
    for mode in [DurabilityMode::Durable, DurabilityMode::Buffered] {
        let mut n0 = Setup { nodes: 3, ..USUAL }.writing(mode).amnesiac(0, LIFE).0;
        n0.hear(1, page(&[(KEY, object(1, "a"))]));
        let (mut again, effects) = n0.started_on(n0.node.store().clone());
        assert_eq!(timers(&effects), [(exchange(2), Delay::Exchange)]);
        assert_eq!(again.hear(1, page(&[])), ignored(Ignored::Stale));
        again.hear(2, page(&[]));
        assert!(again.node.is_whole());

        let mut crashed = n0.crashed();
        assert_eq!(crashed.values().is_empty(), mode == DurabilityMode::Buffered);
        crashed.hear(2, page(&[]));
        assert_eq!(crashed.node.is_whole(), mode == DurabilityMode::Durable, "as if never merged");
    }
}

#[test]
fn pages_follow_each_other_and_late_ones_are_ignored() {
    let mut n0 = lost(3);
    n0.fire(exchange(1));
    let first = || page_from(None, Some("b"));
    assert_eq!(sent(&n0.hear(1, first())), [(1, pull(Some("b".into())))]);
    assert_eq!(n0.hear(1, first()), ignored(Ignored::Stale), "twice");
    assert_eq!(sent(&n0.fire(exchange(1))), [(1, pull(Some("b".into())))], "resumed");
    assert_eq!(n0.hear(1, page_from(Some("a"), None)), ignored(Ignored::Stale));
    assert_eq!(n0.hear(2, page_from(Some("b"), None)), ignored(Ignored::Stale));
    n0.hear(1, page_from(Some("b"), None));
    n0.hear(2, page(&[]));
    assert!(n0.node.is_whole());
    assert!(n0.is_at_rest());
}

#[test]
fn a_page_that_does_not_go_on_is_ignored() {
    let mut n0 = lost(3);
    n0.hear(1, page_from(None, Some("b")));
    for next in ["b", "a"] {
        let backwards = page_from(Some("b"), Some(next));
        assert_eq!(n0.hear(1, backwards), ignored(Ignored::Stale), "it would go on for ever");
    }
}

#[test]
fn pages_of_an_earlier_life_are_ignored() {
    let mut n0 = lost(3);
    let refill = Refill { life: Incarnation(LIFE - 1), losses: 0 };
    let objects = vec![(Key::from(KEY), object(1, "a"))];
    let (after, next, lost) = (None, None, None);
    let early = Message::Page { refill, after, objects, next, lost };
    assert_eq!(n0.hear(1, early), ignored(Ignored::Stale));
    assert_eq!(n0.copy(), None);
    let mut whole = USUAL.node(0);
    assert_eq!(whole.hear(1, page(&[])), ignored(Ignored::Stale), "a disk that was never lost");
}

#[test]
fn what_others_cannot_own_or_read_is_not_merged() {
    let long = "k".repeat(MAX_KEY_BYTES + 1);
    let mut n0 = lost(3);
    let before = n0.node.clone();
    let too_long = page(&[(&long, object(1, "a"))]);
    assert_eq!(n0.hear(1, too_long), ignored(Ignored::KeyTooLong));
    assert_eq!(n0.hear(1, page_from(None, Some(&long))), ignored(Ignored::KeyTooLong));
    assert_eq!(n0.node, before);
    let versioning = dynamo_protocol::versions::Versioning::LastWriterWins;
    let foreign = object_of(Setup { versioning, ..USUAL }, 1, 1, "a");
    n0.hear(1, page(&[(KEY, foreign)]));
    assert_eq!((n0.copy(), n0.node.is_whole()), (None, false));
}

/// The page with which n1, whose disk was lost, answers `pull`; it has `merged` from others since.
fn page_of_lost(pull: Message, life: u64, merged: &[u64]) -> Message {
    let (mut n1, _) = Setup { nodes: 3, ..USUAL }.amnesiac(1, life);
    let refill = Refill { life: Incarnation(life), losses: 0 };
    let (objects, next, lost) = (Vec::new(), None, None);
    let page = Message::Page { refill, after: None, objects, next, lost };
    for peer in merged {
        n1.hear(*peer, page.clone());
    }
    let [(0, page)] = &sent(&n1.hear(0, pull))[..] else { panic!("no page") };
    page.clone()
}

/// What n0 asks `peer` for when it is time.
fn asked(n0: &mut Host, peer: u64) -> Message {
    let [(to, pull)] = &sent(&n0.fire(exchange(peer)))[..] else { panic!("no pull") };
    assert_eq!(*to, peer);
    pull.clone()
}

fn in_refill(losses: u32, page: Message) -> Message {
    let Message::Page { after, objects, next, lost, .. } = page else { panic!("{page}") };
    Message::Page { refill: Refill { losses, ..REFILL }, after, objects, next, lost }
}

/// A put that n0 and n1 had, and that has reached n2 only after n2 was asked, would be at n2 alone.
#[test]
fn whoever_hears_of_another_lost_disk_fetches_from_all_others_again() {
    let mut n0 = lost(3);
    let stale = page(&[]);
    n0.hear(2, stale.clone());
    let page_of_n1 = page_of_lost(asked(&mut n0, 1), 4, &[]);
    assert_eq!(
        timers(&n0.hear(1, page_of_n1)),
        [(exchange(1), Delay::Exchange), (exchange(2), Delay::Exchange)]
    );
    assert_eq!(n0.hear(2, stale), ignored(Ignored::Stale), "it was on its way before");
    let Message::Pull { refill, after: None } = asked(&mut n0, 2) else { panic!("no pull") };
    assert_eq!(refill, Refill { losses: 1, ..REFILL });
    n0.hear(2, in_refill(1, page(&[(KEY, object(2, "a"))])));
    assert!(!n0.node.is_whole(), "n1 is asked again, too");
    let page_of_n1 = page_of_lost(asked(&mut n0, 1), 4, &[]);
    n0.hear(1, page_of_n1);
    assert!(n0.node.is_whole() && n0.copy().is_some(), "the same loss is no news");
}

#[test]
fn a_disk_that_is_lost_once_more_is_news() {
    let mut n0 = lost(3);
    for (losses, life) in [(1, 4), (2, 5)] {
        let page_of_n1 = page_of_lost(asked(&mut n0, 1), life, &[]);
        n0.hear(1, page_of_n1);
        let Message::Pull { refill, .. } = asked(&mut n0, 2) else { panic!("no pull") };
        assert_eq!(refill.losses, losses);
    }
}

#[test]
fn one_that_is_whole_again_is_merged_like_any_other() {
    let mut n0 = lost(3);
    let page_of_n1 = page_of_lost(asked(&mut n0, 1), 4, &[0, 2]);
    n0.hear(2, page(&[]));
    n0.hear(1, page_of_n1);
    assert!(n0.node.is_whole());
}

/// What n2 has sent before counts no more, nor does it go on where it was.
#[test]
fn pages_begin_anew_after_another_lost_disk() {
    let mut n0 = lost(3);
    n0.hear(2, page_from(None, Some("b")));
    let page_of_n1 = page_of_lost(asked(&mut n0, 1), 4, &[]);
    n0.hear(1, page_of_n1);
    assert_eq!(n0.hear(2, page_from(Some("b"), None)), ignored(Ignored::Stale));
    assert!(matches!(asked(&mut n0, 2), Message::Pull { after: None, .. }));
}

#[test]
fn pages_are_served_as_they_are_taken() {
    let mut n1 = Setup { nodes: 3, ..USUAL }.node(1);
    n1.hear(2, repair(object(2, "a")));
    let served = sent(&n1.hear(0, pull(None)));
    assert_eq!(served, [(0, page(&[(KEY, object(2, "a"))]))]);
    assert_eq!(page_of_lost(pull(None), 4, &[0, 2]), page(&[]));
    let Message::Page { lost, .. } = page_of_lost(pull(None), 4, &[0]) else { panic!("no page") };
    assert_eq!(lost, Some(Incarnation(4)), "it cannot vouch for it");
}

/// n1 of `nodes`, that holds `records` objects of so many bytes.
fn holding(nodes: u64, records: usize, bytes: usize) -> Host {
    let mut n1 = Setup { nodes, ..USUAL }.node(1);
    let object = object_of(USUAL, 1, 1, &"v".repeat(bytes));
    for number in 0..records {
        let (name, record) = (RecordKey::Object(name(number)), Record::Object(object.clone()));
        n1.node.store_mut().put(name, record, Durability::Durable);
    }
    n1
}

fn name(number: usize) -> Key {
    Key(format!("{number:05}").into_bytes())
}

/// The objects and the end of each page that n0 gets when it asks page after page.
fn pages(host: &mut Host, asker: u64) -> Vec<(usize, Option<Key>)> {
    let mut pages = Vec::new();
    let mut after = None;
    loop {
        let served = sent(&host.hear(asker, pull(after.clone())));
        let [(to, Message::Page { refill, after: of, objects, next, .. })] = &served[..] else {
            panic!("{served:?}")
        };
        assert_eq!((*to, *refill, of), (asker, REFILL, &after));
        pages.push((objects.len(), next.clone()));
        after = next.clone();
        if after.is_none() {
            return pages;
        }
    }
}

#[test]
fn so_many_objects_make_a_page() {
    let full = MAX_PAGE_OBJECTS;
    assert_eq!(pages(&mut holding(3, full, 1), 0), [(full, None)]);
    let two = [(full, Some(name(full - 1))), (1, None)];
    assert_eq!(pages(&mut holding(3, full + 1, 1), 0), two);
}

#[test]
fn so_many_bytes_make_a_page() {
    assert_eq!(pages(&mut holding(3, 2, MAX_PAGE_BYTES / 2), 0), [(2, None)]);
    let two = [(1, Some(name(0))), (1, None)];
    assert_eq!(pages(&mut holding(3, 2, MAX_PAGE_BYTES / 2 + 1), 0), two);
    assert_eq!(pages(&mut holding(3, 2, MAX_PAGE_BYTES + 1), 0), two, "one may exceed it");
}

/// n4 shares nothing with n1 here.
#[test]
fn so_many_records_are_looked_at_for_a_page() {
    let full = MAX_PAGE_RECORDS;
    assert_eq!(pages(&mut holding(5, full, 1), 4), [(0, None)]);
    assert_eq!(pages(&mut holding(5, full + 1, 1), 4), [(0, Some(name(full - 1))), (0, None)]);
}

/// It gives new dots from the beginning, and its old ones mean something.
#[test]
fn a_new_life_never_gives_an_old_dot() {
    let mut before = Setup { w: 1, nodes: 3, ..USUAL }.node(0);
    before.ask(put(1, "a"));
    let mut n0 = lost(1);
    n0.ask(put(2, "b"));
    let all = before.copy().unwrap().merge(&n0.copy().unwrap());
    assert_eq!(values_of(&all), ["a", "b"]);
}

#[test]
fn with_anti_entropy_exchanges_go_on_afterwards() {
    let failures = FailureHandling { anti_entropy: true, ..USUAL.failures };
    let mut n0 = Setup { nodes: 3, failures, ..USUAL }.amnesiac(0, LIFE).0;
    for peer in [1, 2] {
        n0.hear(peer, page(&[]));
    }
    let effects = n0.fire(exchange(1));
    assert!(matches!(sent(&effects)[..], [(1, Message::Roots { .. })]), "{effects:?}");
    assert_eq!(timers(&effects), [(exchange(1), Delay::Exchange)]);
}

#[test]
fn pages_and_what_asks_for_them_read_well() {
    let page_of_one = page(&[("k", object(1, "v"))]);
    assert_eq!(pull(None).to_string(), "pull");
    assert_eq!(page_from(None, None).to_string(), "page");
    assert_eq!(page_of_one.to_string(), format!("page k={}", object(1, "v")));
    let Message::Page { refill, after, objects, next, .. } = page_of_one else { unreachable!() };
    let lost = Message::Page { refill, after, objects, next, lost: Some(Incarnation(LIFE)) };
    assert_eq!(lost.to_string(), format!("page of a lost disk k={}", object(1, "v")));
}

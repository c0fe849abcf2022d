//! The life of a get, and read repair (paper §4.5, §5).

use crate::common::*;
use dynamo_protocol::config::ReadRepair;
use dynamo_protocol::door::{Delay, Effect, Ignored, Note, Timer};
use dynamo_protocol::ids::NodeId;
use dynamo_protocol::message::{Answer, Message};
use dynamo_protocol::versions::{Object, Versioning};

fn with_r(r: u8, read_repair: ReadRepair) -> Setup {
    Setup { r, read_repair, ..USUAL }
}

fn object(node: u64, value: &str) -> Object {
    object_of(USUAL, node, 100 + node, value)
}

fn confirm(client: u64, object: Object) -> Message {
    Message::Confirm { id: id(client), key: KEY.into(), object, home: None }
}

fn timer(client: u64) -> Timer {
    Timer::Request(id(client))
}

fn nothing(primaries: &[u64]) -> Answer {
    let (deletes, context) = (Vec::new(), Versioning::Dotted.empty_context());
    Answer::NotFound { deletes, context, replicas: replicas(primaries, &[]) }
}

#[test]
fn with_r_1_an_owner_answers_from_its_own_copy_and_asks_nobody() {
    let mut n0 = with_r(1, ReadRepair::Off).node(0);
    n0.hear(1, repair(object(1, "a")));
    let effects = n0.ask(get(1));
    assert_eq!(found(&effects), ["a"]);
    assert_eq!(receivers(&effects), []);
    assert!(n0.is_at_rest());
}

#[test]
fn with_r_2_an_owner_needs_one_more_copy_and_answers_with_the_merge() {
    let mut n0 = with_r(2, ReadRepair::Off).node(0);
    n0.hear(1, repair(object(1, "a")));
    let effects = n0.ask(get(1));
    let read = read_for(1);
    assert_eq!(sent(&effects), [(1, read.clone()), (2, read)]);
    let set = Effect::SetTimer { timer: timer(1), delay: Delay::Request };
    assert_eq!(effects.last(), Some(&set));

    let effects = n0.hear(2, copy_for(1, Some(object(2, "b"))));
    assert_eq!(found(&effects), ["a", "b"]);
    assert!(effects.contains(&Effect::CancelTimer(timer(1))));
    assert!(n0.is_at_rest());
    assert_eq!(n0.hear(1, copy_for(1, None)), ignored(Ignored::Stale));
}

#[test]
fn with_r_3_the_same_copy_twice_and_copies_of_non_owners_count_once_and_never() {
    let mut n0 = with_r(3, ReadRepair::Off).node(0);
    n0.ask(get(1));
    assert_eq!(n0.hear(1, copy_for(1, None)), []);
    assert_eq!(n0.hear(1, copy_for(1, Some(object(1, "late")))), []);
    assert_eq!(n0.hear(3, copy_for(1, Some(object(3, "wrong")))), []);
    assert_eq!(answers(&n0.hear(2, copy_for(1, None))), [nothing(&[0, 1, 2])]);
}

#[test]
fn any_node_coordinates_a_get() {
    let mut n3 = with_r(2, ReadRepair::Off).node(3);
    assert_eq!(receivers(&n3.ask(get(1))), [0, 1, 2]);
    n3.hear(0, copy_for(1, None));
    assert_eq!(found(&n3.hear(2, copy_for(1, Some(object(2, "b"))))), ["b"]);
    assert!(n3.is_at_rest());
}

#[test]
fn an_owner_serves_its_copy_or_says_that_it_has_none() {
    let mut n1 = USUAL.node(1);
    let read = || read_for(1);
    assert_eq!(sent(&n1.hear(3, read())), [(3, copy_for(1, None))]);
    let stored = object(1, "a");
    n1.hear(0, repair(stored.clone()));
    assert_eq!(sent(&n1.hear(3, read())), [(3, copy_for(1, Some(stored)))]);
}

#[test]
fn after_a_delete_there_is_nothing_but_a_context_for_the_next_put() {
    let mut n0 = Setup { w: 1, r: 1, ..USUAL }.node(0);
    n0.ask(put(1, "a"));
    let read = n0.copy().unwrap().context();
    n0.ask(write(2, Some(read), None));
    let seen = n0.copy().unwrap().context();
    let replicas = replicas(&[0], &[]);
    let gone = Answer::NotFound { deletes: vec![id(2)], context: seen.clone(), replicas };
    assert_eq!(answers(&n0.ask(get(3))), [gone]);

    n0.ask(write(4, Some(seen), Some("b")));
    assert_eq!(n0.values(), ["b"], "the tombstone is replaced");
}

#[test]
fn a_tombstone_beside_a_value_is_found_with_it() {
    let mut n0 = Setup { w: 1, r: 1, ..USUAL }.node(0);
    n0.ask(put(1, "a"));
    n0.ask(write(2, None, None));
    assert_eq!(found(&n0.ask(get(3))), ["a", "deleted-by-c2.1"]);
}

#[test]
fn a_get_fails_when_too_few_owners_are_left() {
    let mut n3 = with_r(2, ReadRepair::Off).node(3);
    n3.ask(get(1));
    assert_eq!(n3.hear(0, refused(1)), []);
    let effects = n3.hear(1, refused(1));
    assert_eq!(answers(&effects), [Answer::QuorumUnavailable { got: 0, need: 2 }]);
    assert!(n3.is_at_rest());
}

#[test]
fn a_timeout_says_how_many_answered_and_suspects_the_silent() {
    let mut n3 = with_r(3, ReadRepair::Off).node(3);
    n3.ask(get(1));
    n3.hear(0, copy_for(1, None));
    n3.hear(1, refused(1));
    assert_eq!(n3.node.pending().count(), 0, "3 of 2 can never be reached");

    n3.ask(get(2));
    n3.hear(0, copy_for(2, None));
    let effects = n3.fire(timer(2));
    assert_eq!(notes(&effects), [1, 2].map(|n| Note::Suspects(NodeId(n))));
    assert_eq!(answers(&effects), [Answer::QuorumUnavailable { got: 1, need: 3 }]);
    assert_eq!(n3.hear(0, copy_for(2, None)), ignored(Ignored::Stale));
}

#[test]
fn without_read_repair_nobody_is_repaired() {
    let mut n3 = with_r(2, ReadRepair::Off).node(3);
    n3.ask(get(1));
    n3.hear(0, copy_for(1, None));
    assert_eq!(receivers(&n3.hear(1, copy_for(1, Some(object(1, "a"))))), []);
}

/// An async get at n3 that n0 (nothing) and n1 ("a") have answered.
fn straggling() -> Host {
    let mut n3 = with_r(2, ReadRepair::Async).node(3);
    n3.ask(get(1));
    n3.hear(0, copy_for(1, None));
    let effects = n3.hear(1, copy_for(1, Some(object(1, "a"))));
    assert_eq!(found(&effects), ["a"]);
    let (timer, delay) = (Timer::Straggler(id(1)), Delay::Straggler);
    assert_eq!(effects.last(), Some(&Effect::SetTimer { timer, delay }));
    assert_eq!(receivers(&effects), [], "repair comes after the answer");
    n3
}

#[test]
fn async_repair_waits_for_the_last_copy_and_repairs_everyone_who_lacks_something() {
    let mut n3 = straggling();
    let effects = n3.hear(2, copy_for(1, Some(object(2, "b"))));
    let both = object(1, "a").merge(&object(2, "b"));
    let expected = [0, 1, 2].map(|owner| (owner, repair(both.clone())));
    assert_eq!(sent(&effects), expected, "bug C8: n0, that held nothing, too");
    assert!(effects.contains(&Effect::CancelTimer(Timer::Straggler(id(1)))));
    assert_eq!(answers(&effects), [], "there was an answer already");
    assert!(n3.is_at_rest());
}

#[test]
fn async_repair_goes_without_the_stragglers_when_their_timer_fires() {
    let mut n3 = straggling();
    let effects = n3.fire(Timer::Straggler(id(1)));
    assert_eq!(sent(&effects), [(0, repair(object(1, "a")))]);
    assert_eq!(n3.node.suspects().count(), 0, "nobody had to be quick");
    assert!(n3.is_at_rest());
}

#[test]
fn the_timer_of_another_stage_is_stale() {
    let mut n3 = straggling();
    let before = n3.node.clone();
    assert_eq!(n3.fire(timer(1)), ignored(Ignored::Stale));
    assert_eq!(n3.node, before);

    n3.ask(get(2));
    let before = n3.node.clone();
    assert_eq!(n3.fire(Timer::Straggler(id(2))), ignored(Ignored::Stale));
    assert_eq!(n3.node, before);
}

#[test]
fn a_coordinator_repairs_its_own_copy_too() {
    let mut n0 = with_r(2, ReadRepair::Async).node(0);
    n0.ask(get(1));
    n0.hear(1, copy_for(1, Some(object(1, "a"))));
    assert_eq!(n0.values(), [""; 0]);
    let effects = n0.hear(2, copy_for(1, Some(object(1, "a"))));
    assert_eq!((receivers(&effects), n0.values()), (vec![], vec!["a".to_owned()]));
}

#[test]
fn a_blocking_get_answers_when_enough_owners_hold_what_it_returns() {
    let mut n3 = with_r(2, ReadRepair::Blocking).node(3);
    n3.ask(get(1));
    n3.hear(0, copy_for(1, None));
    let effects = n3.hear(1, copy_for(1, Some(object(1, "a"))));
    assert_eq!(answers(&effects), [], "only n1 holds it, and N-R+1 = 2 must");
    let wanted = confirm(1, object(1, "a"));
    assert_eq!(sent(&effects), [(0, wanted.clone()), (2, wanted)]);

    let shown = || copy_for(1, Some(object(1, "a")));
    assert_eq!(n3.hear(1, shown()), [], "n1 was counted already");
    assert_eq!(n3.hear(3, shown()), ignored(Ignored::Stranger));
    assert_eq!(found(&n3.hear(0, shown())), ["a"]);
    assert!(n3.is_at_rest());
}

#[test]
fn a_blocking_get_counts_only_what_a_replica_shows_that_it_holds() {
    // The get was asked twice under one name: what answers the first run must not confirm the second.
    let mut n3 = with_r(2, ReadRepair::Blocking).node(3);
    n3.ask(get(1));
    n3.hear(0, copy_for(1, None));
    n3.hear(1, copy_for(1, Some(object(1, "a").merge(&object(2, "b")))));
    assert_eq!(n3.hear(0, replicated(1)), ignored(Ignored::Stale));
    assert_eq!(n3.hear(0, copy_for(1, Some(object(1, "a")))), []);
    let both = object(1, "a").merge(&object(2, "b"));
    assert_eq!(found(&n3.hear(0, copy_for(1, Some(both)))), ["a", "b"]);
}

#[test]
fn a_replica_merges_what_it_is_to_confirm_and_shows_its_whole_copy() {
    let mut n1 = USUAL.node(1);
    n1.hear(0, repair(object(2, "b")));
    let effects = n1.hear(0, confirm(1, object(1, "a")));
    let both = object(1, "a").merge(&object(2, "b"));
    assert_eq!(sent(&effects), [(0, copy_for(1, Some(both.clone())))]);
    assert_eq!(n1.copy(), Some(both));
}

#[test]
fn a_blocking_get_counts_a_late_copy_only_if_it_holds_the_result() {
    let confirming = || {
        let mut n3 = with_r(2, ReadRepair::Blocking).node(3);
        n3.ask(get(1));
        n3.hear(0, copy_for(1, None));
        n3.hear(1, copy_for(1, Some(object(1, "a"))));
        n3
    };
    let more = object(1, "a").merge(&object(2, "b"));
    assert_eq!(found(&confirming().hear(2, copy_for(1, Some(more)))), ["a"]);
    assert_eq!(confirming().hear(2, copy_for(1, Some(object(2, "b")))), []);
}

#[test]
fn a_blocking_get_answers_at_once_when_the_copies_agree() {
    let setup = with_r(2, ReadRepair::Blocking);
    let mut n3 = setup.node(3);
    n3.ask(get(1));
    n3.hear(0, copy_for(1, Some(object(1, "a"))));
    let effects = n3.hear(1, copy_for(1, Some(object(1, "a"))));
    assert_eq!((found(&effects), receivers(&effects)), (vec!["a".to_owned()], vec![]));

    let mut n0 = setup.node(0);
    n0.ask(get(1));
    assert_eq!(answers(&n0.hear(1, copy_for(1, None))), [nothing(&[0, 1])]);
}

#[test]
fn a_blocking_get_that_cannot_be_confirmed_fails_or_times_out() {
    let confirming = || {
        let mut n0 = with_r(2, ReadRepair::Blocking).node(0);
        n0.ask(get(1));
        n0.hear(1, copy_for(1, Some(object(1, "a"))));
        n0
    };
    // R = 1 must be confirmed by all three.
    let mut n0 = with_r(1, ReadRepair::Blocking).node(0);
    n0.hear(1, repair(object(1, "a")));
    n0.ask(get(1));
    n0.hear(1, copy_for(1, Some(object(1, "a"))));
    let mut late = n0.clone();
    let unavailable = Answer::QuorumUnavailable { got: 2, need: 3 };
    let effects = n0.fire(timer(1));
    assert_eq!(notes(&effects), [Note::Suspects(NodeId(2))]);
    assert_eq!(answers(&effects)[0], unavailable);
    assert_eq!(answers(&late.hear(2, refused(1))), [unavailable]);
    assert_eq!(confirming().node.pending().count(), 0, "its own merge counts: 2 of 2");
}

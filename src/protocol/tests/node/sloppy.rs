//! On which nodes a request acts when some are silent (paper §4.6), and whose answers count.

use crate::common::*;
use dynamo_protocol::config::{Quorum, ReadRepair};
use dynamo_protocol::door::{Delay, Effect, Ignored, Note, Timer};
use dynamo_protocol::ids::{Key, NodeId};
use dynamo_protocol::message::{Answer, Message, Refusal, Request};
use dynamo_protocol::store::{Record, RecordKey, Store};
use dynamo_protocol::versions::Object;

/// (3,2,2) on seven nodes: n3, n4, n5 and n6 stand in.
const SLOPPY: Setup = Setup { nodes: 7, ..USUAL };

fn node(id: u64) -> Host {
    SLOPPY.sloppy().node(id)
}

/// Node `id`, to which `silent` have not answered.
fn suspecting(setup: Setup, id: u64, silent: &[u64]) -> Host {
    let mut host = setup.node(id);
    falls_silent(&mut host, 1000 + id, silent);
    host
}

/// Nobody but `silent` is suspected any more, after a get of session `client`.
fn falls_silent(host: &mut Host, client: u64, silent: &[u64]) {
    host.ask(strictly(get(client)));
    host.fire(timer(client));
    for other in (0..3).filter(|other| !silent.contains(other)) {
        if NodeId(other) != host.node.id() {
            host.hear(other, replicated(99));
        }
    }
    assert_eq!(host.node.suspects().collect::<Vec<_>>(), nodes(silent));
}

fn homes(effects: &[Effect]) -> Vec<(u64, Option<u64>)> {
    let home = |message| match message {
        Message::Replicate { home, .. }
        | Message::Read { home, .. }
        | Message::Confirm { home, .. } => home.map(|home: NodeId| home.0),
        other => panic!("{other}"),
    };
    sent(effects).into_iter().map(|(to, message)| (to, home(message))).collect()
}

fn strictly(request: Request) -> Request {
    Request { quorum: Some(Quorum::Strict), ..request }
}

fn sloppily(request: Request) -> Request {
    Request { quorum: Some(Quorum::Sloppy), ..request }
}

fn timer(client: u64) -> Timer {
    Timer::Request(id(client))
}

#[test]
fn the_kth_fallback_stands_in_for_the_kth_suspect() {
    let mut n0 = suspecting(SLOPPY.sloppy(), 0, &[1, 2]);
    assert_eq!(homes(&n0.ask(put(1, "a"))), [(3, Some(1)), (4, Some(2))]);
    assert_eq!(homes(&n0.ask(get(2))), [(3, Some(1)), (4, Some(2))]);
    let mut n6 = suspecting(SLOPPY.sloppy(), 6, &[1]);
    assert_eq!(homes(&n6.ask(get(1))), [(0, None), (2, None), (3, Some(1))]);
}

#[test]
fn where_too_few_are_healthy_suspects_are_asked_after_all() {
    let setup = Setup { nodes: 4, ..USUAL }.sloppy();
    let mut n0 = suspecting(setup, 0, &[1, 2]);
    assert_eq!(homes(&n0.ask(put(1, "a"))), [(3, Some(1)), (2, None)]);
}

/// A primary and the fallback in its place count as one: to ask both would leave another out.
#[test]
fn suspicion_alone_does_not_fail_a_request() {
    let setup = Setup { nodes: 4, w: 3, r: 3, ..USUAL }.sloppy();
    let mut n0 = suspecting(setup, 0, &[1, 2]);
    assert_eq!(answers(&n0.ask(put(1, "a"))), []);
    n0.hear(3, replicated(1));
    assert_eq!(answers(&n0.hear(2, replicated(1))).len(), 1);
    let mut n0 = suspecting(setup, 0, &[1, 2]);
    assert_eq!(answers(&n0.ask(get(2))), []);
}

#[test]
fn a_strict_request_asks_the_top_n_whatever_is_suspected() {
    let mut n0 = suspecting(SLOPPY, 0, &[1, 2]);
    assert_eq!(homes(&n0.ask(put(1, "a"))), [(1, None), (2, None)]);
    assert_eq!(receivers(&n0.fire(timer(1))), [], "and nobody else");
}

#[test]
fn each_request_may_choose_its_quorum() {
    let mut strict = suspecting(SLOPPY, 0, &[1, 2]);
    assert_eq!(receivers(&strict.ask(sloppily(put(1, "a")))), [3, 4]);
    assert_eq!(receivers(&strict.ask(sloppily(get(2)))), [3, 4]);
    let mut sloppy = suspecting(SLOPPY.sloppy(), 0, &[1, 2]);
    assert_eq!(receivers(&sloppy.ask(strictly(put(1, "a")))), [1, 2]);
    assert_eq!(receivers(&sloppy.ask(strictly(get(2)))), [1, 2]);
}

#[test]
fn the_answer_names_primaries_and_fallbacks() {
    let mut n0 = suspecting(SLOPPY.sloppy(), 0, &[1, 2]);
    n0.ask(put(1, "a"));
    let stored = Answer::Stored { replicas: replicas(&[0], &[4]) };
    assert_eq!(stored.to_string(), "stored (n0 and fallback n4)");
    assert_eq!(answers(&n0.hear(4, replicated(1))), [stored]);

    n0.ask(get(2));
    let effects = n0.hear(3, copy_for(2, None));
    assert!(notes(&effects).contains(&Note::FallbackRead(NodeId(3))));
    let [Answer::Found { replicas: named, .. }] = &answers(&effects)[..] else { panic!() };
    assert_eq!(named, &replicas(&[0], &[3]));
}

/// Bug C5 cannot be ruled out in a sloppy quorum, but it can be seen.
#[test]
fn a_fallback_that_holds_nothing_counts_in_a_sloppy_get_and_the_answer_says_so() {
    let setup = Setup { r: 1, ..SLOPPY }.sloppy();
    let mut n6 = suspecting(setup, 6, &[0, 1, 2]);
    n6.ask(get(1));
    let effects = n6.hear(3, copy_for(1, None));
    let [Answer::NotFound { replicas: named, .. }] = &answers(&effects)[..] else { panic!() };
    assert_eq!(named, &replicas(&[], &[3]));
}

#[test]
fn in_a_strict_quorum_a_hint_counts_for_nothing() {
    let mut n3 = node(3);
    n3.hear(0, replicate_as(1, object_of(USUAL, 0, 1, "a"), Some(1)));
    assert_eq!(sent(&n3.hear(0, read_for(2))), [(0, refused(2))], "bug C1: asked as an owner");
    let hint = n3.node.store().get(&RecordKey::Hint { home: NodeId(1), key: KEY.into() });
    let Some(Record::Object(hint)) = hint else { panic!("no hint") };
    let as_n1 = Message::Read { id: id(3), key: KEY.into(), home: Some(NodeId(1)) };
    assert_eq!(sent(&n3.hear(0, as_n1)), [(0, copy_for(3, Some(hint)))]);
    let as_n4 = Message::Read { id: id(4), key: KEY.into(), home: Some(NodeId(4)) };
    assert_eq!(sent(&n3.hear(0, as_n4)), [(0, refused(4))], "n4 is no primary");
}

#[test]
fn a_put_whose_replicas_are_silent_goes_on_to_the_fallbacks() {
    let mut n0 = Setup { w: 3, ..SLOPPY }.sloppy().node(0);
    n0.ask(put(1, "a"));
    n0.hear(2, replicated(1));
    let effects = n0.fire(timer(1));
    let object = n0.copy().unwrap();
    assert_eq!(sent(&effects), [(3, replicate_as(1, object, Some(1)))]);
    assert!(timers(&effects).contains(&(timer(1), Delay::Request)));
    assert_eq!(answers(&effects), []);
    // The one that was late is a third replica as good as the fallback.
    let mut late = n0.clone();
    assert_eq!(answers(&late.hear(1, replicated(1))), [stored(&[0, 1, 2])]);
    let stored = Answer::Stored { replicas: replicas(&[0, 2], &[3]) };
    assert_eq!(answers(&n0.hear(3, replicated(1))), [stored]);
    assert_eq!(answers(&n0.fire(Timer::Straggler(id(1)))), []);
    assert_eq!(n0.node.pending().count(), 0);
}

#[test]
fn a_get_whose_replicas_are_silent_counts_what_its_own_coordinator_keeps_for_them() {
    let mut n4 = SLOPPY.sloppy().node(4);
    let hint = object_of(USUAL, 2, 1, "a");
    n4.hear(2, replicate_as(1, hint.clone(), Some(1)));
    n4.ask(get(2));
    n4.hear(2, copy_for(2, Some(hint)));
    let effects = n4.fire(timer(2));
    assert_eq!(homes(&effects), [(3, Some(0))], "n4 itself stands in for n1");
    let [Answer::Found { replicas: named, .. }] = &answers(&effects)[..] else {
        panic!("{effects:?}")
    };
    assert_eq!(named, &replicas(&[2], &[4]));
}

#[test]
fn a_get_whose_replicas_are_silent_goes_on_to_the_fallbacks() {
    let mut n0 = node(0);
    n0.ask(get(1));
    let effects = n0.fire(timer(1));
    assert_eq!(homes(&effects), [(3, Some(1)), (4, Some(2))]);
    assert_eq!(notes(&effects), [1, 2].map(|node| Note::Suspects(NodeId(node))));
    assert_eq!(answers(&n0.hear(4, copy_for(1, None))).len(), 1);
    assert_eq!(n0.hear(3, copy_for(1, None)).len(), 1, "stale");
}

#[test]
fn a_node_that_answers_twice_as_what_it_stands_in_for_counts_once() {
    let mut n0 = Setup { w: 3, ..SLOPPY }.sloppy().node(0);
    n0.ask(put(1, "a"));
    n0.fire(timer(1));
    assert_eq!(answers(&n0.hear(3, replicated(1))), []);
    assert_eq!(answers(&n0.hear(3, replicated(1))), [], "bug E5");
    assert_eq!(answers(&n0.hear(4, replicated(1))).len(), 1);
}

/// n0 asks n3 and n4 in place of n1 and n2; these are silent, too.
#[test]
fn each_missing_replica_is_asked_for_once_each_time() {
    let mut n0 = Setup { w: 3, ..SLOPPY }.sloppy().node(0);
    n0.ask(put(1, "a"));
    assert_eq!(homes(&n0.fire(timer(1))), [(3, Some(1)), (4, Some(2))]);
    assert_eq!(homes(&n0.fire(timer(1))), [(5, Some(1)), (6, Some(2))]);
    let effects = n0.fire(timer(1));
    let unavailable = Answer::QuorumUnavailable { got: 1, need: 3 };
    assert_eq!((answers(&effects), receivers(&effects)), (vec![unavailable], vec![]));
    assert_eq!(n0.node.pending().count(), 0);
}

#[test]
fn where_a_fallback_has_answered_no_second_one_is_asked() {
    let mut n0 = Setup { w: 3, ..SLOPPY }.sloppy().node(0);
    n0.ask(put(1, "a"));
    n0.fire(timer(1));
    n0.hear(3, replicated(1));
    assert_eq!(homes(&n0.fire(timer(1))), [(5, Some(2))], "n3 stands in for n1");
}

#[test]
fn one_missing_replica_is_one_more_node_each_time() {
    let setup = Setup { nodes: 7, n: 2, w: 2, ..USUAL }.sloppy();
    let mut n0 = setup.node(0);
    n0.ask(put(1, "a"));
    assert_eq!(homes(&n0.fire(timer(1))), [(2, Some(1))]);
    assert_eq!(homes(&n0.fire(timer(1))), [(3, Some(1))]);
    assert_eq!(homes(&n0.fire(timer(1))), [(4, Some(1))]);
}

#[test]
fn suspects_are_not_asked_again() {
    let mut n0 = Setup { w: 3, ..SLOPPY }.sloppy().node(0);
    for client in [1, 2] {
        n0.ask(put(client, "a"));
    }
    n0.fire(timer(1));
    n0.fire(timer(1));
    assert_eq!(n0.node.suspects().collect::<Vec<_>>(), nodes(&[1, 2, 3, 4]));
    assert_eq!(homes(&n0.fire(timer(2))), [(5, Some(1)), (6, Some(2))]);
}

/// The put is at n0 and went home from n3, where it was coordinated: nobody may be made believe
/// to hold it by being sent something else.
#[test]
fn a_put_whose_hint_has_gone_home_is_not_counted_where_it_is_not() {
    let setup = Setup { n: 2, nodes: 6, w: 2, ..USUAL }.sloppy();
    let mut n2 = suspecting(setup, 2, &[0, 1]);
    assert_eq!(homes(&n2.ask(put(1, "a"))), [(3, Some(1))]);
    let gone = n2.fire(Timer::Handoff(NodeId(0)));
    let [(0, Message::Handoff { key, object })] = &sent(&gone)[..] else { panic!("{gone:?}") };
    let mut n0 = setup.node(0);
    let [(2, taken)] = &sent(&n0.hear(2, gone_home(key, object)))[..] else { panic!() };
    n2.hear(0, taken.clone());
    n2.ask(put(2, "b"));
    let effects = n2.fire(timer(1));
    for (to, message) in sent(&effects) {
        let Message::Replicate { object, .. } = message else { panic!() };
        assert!(object.includes(&n0.copy().unwrap()), "n{to} would count as a holder");
    }
    assert_eq!(answers(&effects), [Answer::QuorumUnavailable { got: 1, need: 2 }]);
}

fn gone_home(key: &Key, object: &Object) -> Message {
    Message::Handoff { key: key.clone(), object: object.clone() }
}

#[test]
fn a_put_that_is_still_held_goes_on_though_others_have_joined_it() {
    let mut n0 = Setup { w: 3, ..SLOPPY }.sloppy().node(0);
    n0.ask(put(1, "a"));
    let read = n0.copy().unwrap().context();
    n0.ask(write(2, Some(read), Some("b")));
    let effects = n0.fire(timer(1));
    assert_eq!(receivers(&effects), [3, 4]);
    assert!(n0.node.is_pending(id(1)), "what replaces it holds it");
}

#[test]
fn a_fallback_coordinates_and_keeps_a_hint_for_the_primary_it_stands_in_for() {
    let mut n3 = suspecting(SLOPPY.sloppy(), 3, &[1]);
    let effects = n3.ask(put(1, "a"));
    assert_eq!(homes(&effects), [(0, None), (2, None)]);
    let noted = notes(&effects);
    assert!(noted.contains(&Note::FallbackPut(NodeId(1))), "{noted:?}");
    assert!(noted.contains(&Note::KeptHint(NodeId(1))), "{noted:?}");
    assert_eq!((n3.node.hints(), n3.copy()), (1, None), "hints lie apart");
    let stored = Answer::Stored { replicas: replicas(&[0], &[3]) };
    assert_eq!(answers(&n3.hear(0, replicated(1))), [stored]);
}

/// n3 suspects nobody, but whoever forwards to it has found nobody better.
#[test]
fn a_fallback_coordinates_what_is_forwarded_to_it() {
    let mut n3 = node(3);
    let effects = n3.hear(6, Message::Forward(put(1, "a")));
    assert_eq!(homes(&effects), [(0, None), (1, None), (2, None)]);
    assert!(notes(&effects).contains(&Note::FallbackPut(NodeId(0))));
    assert_eq!(n3.node.hints(), 1);
    let answer = Answer::Stored { replicas: replicas(&[1], &[3]) };
    let answer = Message::Forwarded { id: id(1), answer };
    assert_eq!(sent(&n3.hear(1, replicated(1))), [(6, answer)]);
}

#[test]
fn a_fallback_refuses_to_coordinate_a_strict_put() {
    let mut n3 = node(3);
    let refused = Answer::Refused(Refusal::NotAnOwner);
    let refused = Message::Forwarded { id: id(1), answer: refused };
    assert_eq!(sent(&n3.hear(6, Message::Forward(strictly(put(1, "a"))))), [(6, refused)]);
    assert_eq!(n3.node.hints(), 0);
}

#[test]
fn a_put_is_forwarded_to_a_healthy_fallback_rather_than_to_a_suspect() {
    let mut n6 = suspecting(SLOPPY.sloppy(), 6, &[0, 1, 2]);
    assert_eq!(sent(&n6.ask(put(1, "a"))), [(3, Message::Forward(put(1, "a")))]);
    let request = strictly(put(2, "a"));
    assert_eq!(sent(&n6.ask(request.clone())), [(0, Message::Forward(request))]);
}

/// Bugs A9 and A10 at a fallback.
#[test]
fn a_fallback_coordinates_a_put_once() {
    let mut n3 = node(3);
    let forward = || Message::Forward(put(1, "a"));
    n3.hear(6, forward());
    let once = n3.node.clone();
    assert_eq!(n3.hear(6, forward()), ignored(Ignored::Duplicate));
    assert_eq!(n3.hear(5, forward()), ignored(Ignored::Duplicate), "by another way");
    assert_eq!(n3.ask(put(1, "a")), ignored(Ignored::Duplicate));
    assert_eq!(n3.node, once);
    n3.hear(0, replicated(1));
    assert_eq!(n3.hear(6, forward()), ignored(Ignored::Duplicate));
    assert_eq!(n3.restarted().hear(6, forward()), ignored(Ignored::Duplicate));
}

#[test]
fn a_replica_that_gets_the_same_put_twice_merges_it_once() {
    let (mut n3, object) = (node(3), object_of(USUAL, 0, 1, "a"));
    n3.hear(0, replicate_as(1, object.clone(), Some(1)));
    let once = n3.node.clone();
    let effects = n3.hear(0, replicate_as(1, object, Some(1)));
    assert_eq!(sent(&effects), [(0, replicated(1))]);
    assert_eq!(n3.node, once);
}

#[test]
fn a_blocking_get_confirms_at_fallbacks_which_keep_a_hint() {
    let setup = Setup { read_repair: ReadRepair::Blocking, ..SLOPPY }.sloppy();
    let mut n0 = suspecting(setup, 0, &[1, 2]);
    n0.hear(2, repair(object_of(USUAL, 2, 9, "a")));
    falls_silent(&mut n0, 2000, &[1, 2]);
    n0.ask(get(1));
    let effects = n0.hear(3, copy_for(1, None));
    assert_eq!(homes(&effects), [(3, Some(1)), (4, Some(2))]);
    let confirm = sent(&effects)[0].1.clone();
    let mut n3 = setup.node(3);
    let shown = sent(&n3.hear(0, confirm));
    assert_eq!(n3.node.hints(), 1);
    assert_eq!(found(&n0.hear(3, shown[0].1.clone())), ["a"]);
}

#[test]
fn read_repair_leaves_fallbacks_alone() {
    let setup = Setup { read_repair: ReadRepair::Async, ..SLOPPY }.sloppy();
    let mut n6 = suspecting(setup, 6, &[1]);
    n6.ask(get(1));
    n6.hear(0, copy_for(1, None));
    n6.hear(2, copy_for(1, Some(object_of(USUAL, 2, 9, "a"))));
    let effects = n6.hear(3, copy_for(1, None));
    assert_eq!(receivers(&effects), [0]);
}

#[test]
fn a_suspect_is_tried_again_after_a_while_or_when_it_speaks() {
    let retry = Timer::Retry(NodeId(1));
    let suspicious = suspecting(SLOPPY.sloppy(), 0, &[1]);
    let mut n0 = suspicious.clone();
    assert_eq!(notes(&n0.fire(retry)), [Note::Trusts(NodeId(1))]);
    assert!(n0.is_at_rest());
    assert_eq!(n0.fire(retry), ignored(Ignored::Stale));
    let mut n0 = suspicious;
    assert_eq!(notes(&n0.hear(1, replicated(99)))[0], Note::Trusts(NodeId(1)));
    assert!(n0.is_at_rest());
}

#[test]
fn without_fallbacks_nobody_is_suspected() {
    let mut n0 = Setup { nodes: 3, ..USUAL }.sloppy().node(0);
    n0.ask(put(1, "a"));
    let effects = n0.fire(timer(1));
    assert_eq!((timers(&effects), n0.node.suspects().count()), (vec![], 0));
    assert_eq!(answers(&effects), [Answer::QuorumUnavailable { got: 1, need: 2 }]);
}

//! Hints and how they go home (paper §4.6, bugs D1 to D4 and A16).

use crate::common::*;
use dynamo_protocol::config::{DurabilityMode, FailureHandling};
use dynamo_protocol::door::{Delay, Effect, Ignored, Note, Timer};
use dynamo_protocol::ids::{ClientId, Key, NodeId, RequestId, Value};
use dynamo_protocol::limits::{HANDOFF_BATCH, MAX_BATCH_BYTES};
use dynamo_protocol::merkle::Hash;
use dynamo_protocol::message::{Message, Operation, Request};
use dynamo_protocol::store::{Record, RecordKey, Store};
use dynamo_protocol::versions::Object;

/// N = W = 1 at home n0; n1 and n2 stand in.
const ONE: Setup = Setup { n: 1, nodes: 3, r: 1, w: 1, ..USUAL };

const HANDOFF: Timer = Timer::Handoff(NodeId(0));

fn home() -> Host {
    ONE.node(0)
}

/// n1, which takes n0 for failed.
fn fallback() -> Host {
    let mut n1 = ONE.sloppy().node(1);
    n1.ask(get(1000));
    n1.fire(Timer::Request(id(1000)));
    // n2 is asked in place of n0, and answers.
    n1.hear(2, copy_for(1000, None));
    assert_eq!(n1.node.suspects().collect::<Vec<_>>(), nodes(&[0]));
    n1
}

fn offer(object: &Object) -> Message {
    Message::Handoff { key: KEY.into(), object: object.clone() }
}

fn taken(object: &Object) -> Message {
    let key = Key::from(KEY);
    Message::HandedOff { hash: Hash::of_object(&key, object), key }
}

fn hint(host: &Host) -> Option<Object> {
    match host.node.store().get(&RecordKey::Hint { home: NodeId(0), key: KEY.into() }) {
        Some(Record::Object(object)) => Some(object),
        _ => None,
    }
}

/// n0 is suspected again after it has spoken.
fn suspect(host: &mut Host, client: u64) {
    host.ask(get(client));
    host.fire(Timer::Request(id(client)));
    host.hear(2, copy_for(client, None));
}

#[test]
fn the_first_hint_starts_the_clock_and_the_next_ones_do_not_start_it_anew() {
    let mut n1 = fallback();
    assert!(timers(&n1.ask(put(1, "a"))).contains(&(HANDOFF, Delay::Handoff)));
    assert!(timers(&n1.ask(put(2, "b"))).iter().all(|(timer, _)| *timer != HANDOFF));
    let effects = n1.fire(HANDOFF);
    assert_eq!(sent(&effects), [(0, offer(&hint(&n1).unwrap()))]);
    assert_eq!(timers(&effects), [(HANDOFF, Delay::Handoff)], "until it is released");
}

/// Bug D1.
#[test]
fn a_hint_is_kept_until_its_home_has_merged_it() {
    let (mut n0, mut n1) = (home(), fallback());
    n1.ask(put(1, "a"));
    let object = hint(&n1).unwrap();
    n1.fire(HANDOFF);
    n1.hear(0, replicated(99));
    assert_eq!(hint(&n1), Some(object.clone()), "sending releases nothing");

    let effects = n0.hear(1, offer(&object));
    assert_eq!(n0.values(), ["a"]);
    assert_eq!(notes(&effects), [Note::MergedHint(NodeId(1))]);
    assert_eq!(sent(&effects), [(1, taken(&object))]);
    let effects = n1.hear(0, taken(&object));
    assert_eq!(
        effects,
        [Effect::Note(Note::ReleasedHint(NodeId(0))), Effect::CancelTimer(HANDOFF)]
    );
    assert_eq!(n1.node.hints(), 0);
    assert!(n1.is_at_rest());
}

/// Bug D2.
#[test]
fn a_hint_that_has_grown_since_is_not_released() {
    let mut n1 = fallback();
    n1.ask(put(1, "a"));
    let early = hint(&n1).unwrap();
    n1.fire(HANDOFF);
    n1.ask(put(2, "b"));
    assert_eq!(
        n1.hear(0, taken(&early)),
        [
            Effect::Note(Note::Trusts(NodeId(0))),
            Effect::CancelTimer(Timer::Retry(NodeId(0))),
            Effect::Note(Note::Ignored(Ignored::Stale)),
        ]
    );
    let grown = hint(&n1).unwrap();
    assert_eq!(values_of(&grown), ["a", "b"]);
    n1.hear(0, taken(&grown));
    assert_eq!(n1.node.hints(), 0);
}

#[test]
fn only_the_home_releases_a_hint() {
    let mut n1 = fallback();
    n1.ask(put(1, "a"));
    let object = hint(&n1).unwrap();
    assert_eq!(n1.hear(2, taken(&object)), ignored(Ignored::Stale));
    assert_eq!(n1.node.hints(), 1);
}

/// Bug D3.
#[test]
fn hints_are_found_again_after_a_restart() {
    let mut n3 = Setup { nodes: 5, ..USUAL }.sloppy().node(3);
    let object = object_of(USUAL, 0, 1, "a");
    for home in [0, 2] {
        n3.hear(1, replicate_as(1, object.clone(), Some(home)));
    }
    let (again, effects) = n3.started_on(n3.node.store().crashed());
    let expected = [0, 2].map(|home| (Timer::Handoff(NodeId(home)), Delay::Handoff));
    assert_eq!(timers(&effects), expected);
    assert_eq!(again.node.hints(), 2);
    let none = USUAL.node(3);
    assert_eq!(timers(&none.started_on(none.node.store().crashed()).1), []);
}

/// Bug D4, and a handoff that is late or comes twice.
#[test]
fn a_handoff_is_merged_and_never_overwrites() {
    let (mut n0, mut n1) = (home(), fallback());
    n1.ask(put(1, "a"));
    let early = hint(&n1).unwrap();
    n0.ask(put(2, "b"));
    n0.hear(1, offer(&early));
    assert_eq!(n0.values(), ["a", "b"]);
    let read = n0.copy().unwrap().context();
    n0.ask(write(3, Some(read), Some("c")));
    let effects = n0.hear(1, offer(&early));
    assert_eq!(n0.values(), ["c"]);
    assert_eq!(sent(&effects), [(1, taken(&early))], "else it would be offered for ever");
}

/// Bug A16.
#[test]
fn a_fallback_takes_a_fresh_epoch_after_its_hint_was_released() {
    let (mut n0, mut n1) = (home(), fallback());
    n1.ask(put(1, "a"));
    let first = hint(&n1).unwrap();
    n0.hear(1, offer(&first));
    n1.hear(0, taken(&first));
    suspect(&mut n1, 1001);
    let noted = notes(&n1.ask(put(2, "b")));
    assert!(noted.iter().any(|note| matches!(note, Note::FreshEpoch(_))), "{noted:?}");
    n0.hear(1, offer(&hint(&n1).unwrap()));
    assert_eq!(n0.values(), ["a", "b"]);
}

#[test]
fn a_fallback_continues_its_epoch_while_it_keeps_the_hint() {
    let mut n1 = fallback();
    n1.ask(put(1, "a"));
    let noted = notes(&n1.ask(put(2, "b")));
    assert!(!noted.iter().any(|note| matches!(note, Note::FreshEpoch(_))), "{noted:?}");
}

/// Two hints, of which the newer one has gone: what is left knows less than the counter.
#[test]
fn a_fallback_takes_a_fresh_epoch_when_one_of_its_hints_was_released() {
    let setup = Setup { n: 2, nodes: 4, w: 1, ..USUAL }.sloppy();
    let mut n3 = setup.node(3);
    n3.hear(2, Message::Forward(put(1, "a")));
    let first = hint(&n3).unwrap();
    n3.hear(2, replicate_as(9, first.clone(), Some(1)));
    n3.hear(2, Message::Forward(put(2, "b")));
    let both = hint(&n3).unwrap();
    n3.hear(0, taken(&both));
    assert_eq!(n3.node.hints(), 1);
    let noted = notes(&n3.hear(2, Message::Forward(put(3, "c"))));
    assert!(noted.iter().any(|note| matches!(note, Note::FreshEpoch(_))), "{noted:?}");
    assert_eq!(values_of(&hint(&n3).unwrap().merge(&both)), ["a", "b", "c"]);
}

#[test]
fn a_released_hint_leaves_nothing_behind() {
    let mut n1 = fallback();
    n1.ask(put(1, "a"));
    n1.hear(0, taken(&hint(&n1).unwrap()));
    let left: Vec<RecordKey> = n1.node.store().seen.keys().cloned().collect();
    let session = RecordKey::Session(ClientId(1));
    assert_eq!(left, [RecordKey::Identity, RecordKey::Sessions, session]);
}

#[test]
fn a_hint_that_comes_after_a_release_starts_the_clock_again() {
    let mut n1 = fallback();
    n1.ask(put(1, "a"));
    n1.hear(0, taken(&hint(&n1).unwrap()));
    assert_eq!(n1.fire(HANDOFF), ignored(Ignored::Stale), "a timer of the past");
    suspect(&mut n1, 1001);
    assert!(timers(&n1.ask(put(2, "b"))).contains(&(HANDOFF, Delay::Handoff)));
}

#[test]
fn a_hint_for_another_home_has_a_clock_of_its_own() {
    let mut n3 = Setup { nodes: 5, ..USUAL }.sloppy().node(3);
    let object = object_of(USUAL, 0, 1, "a");
    for home in [2, 0] {
        let effects = n3.hear(1, replicate_as(1, object.clone(), Some(home)));
        assert_eq!(timers(&effects), [(Timer::Handoff(NodeId(home)), Delay::Handoff)]);
    }
    assert_eq!(receivers(&n3.fire(Timer::Handoff(NodeId(2)))), [2]);
}

#[test]
fn without_handoff_hints_stay() {
    let failures = FailureHandling { handoff: false, ..ONE.sloppy().failures };
    let mut n1 = Setup { failures, ..ONE }.node(1);
    n1.hear(2, Message::Forward(put(1, "a")));
    assert_eq!(n1.node.hints(), 1);
    assert_eq!(n1.fire(HANDOFF), ignored(Ignored::Stale), "a timer that was never set");
    let mut without = n1.clone();
    let effects = without.hear(0, taken(&hint(&n1).unwrap()));
    assert_eq!(effects, [Effect::Note(Note::ReleasedHint(NodeId(0)))], "no timer to cancel");
    let (again, effects) = n1.started_on(n1.node.store().clone());
    assert_eq!((again.node.hints(), timers(&effects)), (1, vec![]));
}

#[test]
fn a_home_that_is_none_or_cannot_read_the_hint_takes_nothing() {
    let object = object_of(USUAL, 1, 1, "a");
    let mut n1 = ONE.node(1);
    assert_eq!(n1.hear(0, offer(&object)), ignored(Ignored::NotAReplica));
    let versioning = dynamo_protocol::versions::Versioning::LastWriterWins;
    let foreign = object_of(Setup { versioning, ..ONE }, 1, 1, "a");
    assert_eq!(home().hear(1, offer(&foreign)), ignored(Ignored::ForeignObject));
}

#[test]
fn in_every_mode_the_home_takes_a_hint_durably() {
    for mode in [DurabilityMode::Durable, DurabilityMode::Buffered, DurabilityMode::OneDurable] {
        let mut n0 = ONE.writing(mode).node(0);
        let object = object_of(USUAL, 1, 1, "a");
        // Known, but still in the buffer.
        n0.hear(1, repair(object.clone()));
        n0.hear(1, offer(&object));
        assert_eq!(n0.crashed().values(), ["a"], "{mode:?}");
    }
}

fn put_of(number: usize, bytes: usize) -> Request {
    let id = RequestId { client: ClientId(1), sequence: number as u64 + 1 };
    let key = Key(format!("key-{number:04}").into_bytes());
    let operation = Operation::Put { context: None, value: Some(Value(vec![7; bytes])) };
    Request { id, key, operation, quorum: None }
}

/// n1 with hints for n0 of so many bytes each.
fn with_hints(hints: usize, bytes: usize) -> Host {
    let mut n1 = ONE.sloppy().node(1);
    for number in 0..hints {
        n1.hear(2, Message::Forward(put_of(number, bytes)));
    }
    assert_eq!(n1.node.hints(), hints);
    n1
}

fn offered(host: &mut Host) -> usize {
    sent(&host.fire(HANDOFF)).len()
}

#[test]
fn so_many_hints_are_offered_at_a_time() {
    assert_eq!(offered(&mut with_hints(HANDOFF_BATCH, 1)), HANDOFF_BATCH);
    let mut n1 = with_hints(HANDOFF_BATCH + 1, 1);
    let offers = sent(&n1.fire(HANDOFF));
    assert_eq!(offers.len(), HANDOFF_BATCH);
    for (_, message) in offers {
        let Message::Handoff { key, object } = message else { panic!() };
        let hash = Hash::of_object(&key, &object);
        n1.hear(0, Message::HandedOff { key, hash });
    }
    assert_eq!((n1.node.hints(), offered(&mut n1)), (1, 1), "the others follow");
}

#[test]
fn so_many_bytes_are_offered_at_a_time() {
    assert_eq!(offered(&mut with_hints(2, MAX_BATCH_BYTES / 2)), 2);
    assert_eq!(offered(&mut with_hints(2, MAX_BATCH_BYTES / 2 + 1)), 1);
    assert_eq!(offered(&mut with_hints(2, MAX_BATCH_BYTES + 1)), 1, "a single one may exceed it");
}

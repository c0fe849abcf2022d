//! Two answers for one primary are one replica once the hint has gone home.

use crate::common::*;
use dynamo_protocol::config::{DurabilityMode, Quorum};
use dynamo_protocol::door::Timer;
use dynamo_protocol::message::{Answer, Message, Refusal};
use dynamo_protocol::store::Durability;

/// (`n`, 1, `n`) on five nodes, sloppy.
fn all_of(n: usize) -> Setup {
    Setup { n, nodes: 5, r: 1, w: n as u8, ..USUAL }.sloppy()
}

#[test]
fn a_primary_that_answers_late_and_its_fallback_are_one_replica() {
    let mut n0 = all_of(3).node(0);
    n0.ask(put(1, "milk"));
    // n1 and n2 are silent: n3 is asked in place of n1, n4 in place of n2.
    assert_eq!(receivers(&n0.fire(Timer::Request(id(1)))), [3, 4]);
    assert_eq!(answers(&n0.hear(3, replicated(1))), []);
    assert_eq!(answers(&n0.hear(1, replicated(1))), [], "n2 may hold nothing for ever");
    assert_eq!(answers(&n0.hear(4, replicated(1))).len(), 1);
}

#[test]
fn a_fallback_that_nobody_here_would_have_asked_counts_for_no_second_replica() {
    let mut n2 = all_of(2).node(2);
    let request =
        dynamo_protocol::message::Request { quorum: Some(Quorum::Sloppy), ..put(1, "milk") };
    let effects = n2.hear(4, Message::Forward(request));
    assert_eq!(receivers(&effects), [0, 1]);
    let effects = n2.hear(0, replicated(1));
    assert_eq!(sent(&effects), [], "n2's hint is for n0, so n1 may hold nothing for ever");
    let effects = n2.hear(1, replicated(1));
    assert_eq!(sent(&effects).len(), 1);
}

#[test]
fn in_one_durable_mode_a_fallback_writes_durably_in_place_of_a_silent_replica() {
    let setup = Setup { n: 2, nodes: 3, r: 1, w: 2, ..USUAL }.sloppy();
    let mut n0 = setup.writing(DurabilityMode::OneDurable).node(0);
    n0.ask(put(1, "milk"));
    let effects = n0.fire(Timer::Request(id(1)));
    let durable = |(_, message): &(u64, Message)| {
        matches!(message, Message::Replicate { durability: Durability::Durable, .. })
    };
    assert!(sent(&effects).iter().any(durable), "{effects:?}");
}

#[test]
fn a_forwarder_that_has_become_a_stand_in_does_not_forward_to_itself() {
    let mut n3 = Setup { n: 2, nodes: 4, r: 2, w: 1, ..USUAL }.sloppy().node(3);
    assert_eq!(receivers(&n3.ask(put(1, "milk"))), [0]);
    // A get finds everybody else silent.
    n3.ask(get(2));
    n3.fire(Timer::Request(id(2)));
    n3.fire(Timer::Request(id(2)));
    let busy = Answer::Refused(Refusal::Busy);
    let effects = n3.hear(0, Message::Forwarded { id: id(1), answer: busy.clone() });
    assert_eq!(receivers(&effects), [], "not n3, which would not listen to itself");
    assert_eq!(answers(&effects), [busy], "it was certainly not applied");
}

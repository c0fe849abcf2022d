//! A put at a node that does not own its key (paper §4.5, bugs A9 and A10).

use crate::common::*;
use dynamo_protocol::door::{Delay, Effect, Ignored, Note, Timer};
use dynamo_protocol::ids::NodeId;
use dynamo_protocol::membership::View;
use dynamo_protocol::message::{Answer, Message, Operation, Refusal};

const BUSY: Answer = Answer::Refused(Refusal::Busy);

fn forwarded(client: u64, answer: Answer) -> Message {
    Message::Forwarded { id: id(client), answer }
}

fn forward(client: u64) -> Message {
    Message::Forward(put(client, "a"))
}

#[test]
fn a_put_goes_to_the_first_owner_and_its_answer_to_the_client() {
    let mut n3 = USUAL.node(3);
    let (timer, delay) = (Timer::Request(id(1)), Delay::Request);
    let send = Effect::Send { to: NodeId(0), view: View::default(), message: forward(1) };
    assert_eq!(n3.ask(put(1, "a")), [send, Effect::SetTimer { timer, delay }]);

    assert_eq!(n3.hear(1, forwarded(1, stored(&[0, 1]))), ignored(Ignored::Stale));
    let reply = Effect::Reply { id: id(1), answer: stored(&[0, 1]) };
    let effects = n3.hear(0, forwarded(1, stored(&[0, 1])));
    assert_eq!(effects, [Effect::CancelTimer(timer), reply]);
    assert!(n3.is_at_rest());
    assert_eq!(n3.copy(), None);
}

#[test]
fn an_owner_coordinates_a_forwarded_put_and_answers_the_forwarder() {
    let mut n0 = USUAL.node(0);
    assert_eq!(receivers(&n0.hear(3, forward(1))), [1, 2]);
    let effects = n0.hear(1, replicated(1));
    assert_eq!(sent(&effects), [(3, forwarded(1, stored(&[0, 1])))]);
    assert_eq!(answers(&effects), []);
    assert!(n0.is_at_rest());
}

#[test]
fn suspects_come_last() {
    let mut n3 = USUAL.node(3);
    n3.ask(put(1, "a"));
    let effects = n3.fire(Timer::Request(id(1)));
    assert_eq!(notes(&effects), [Note::Suspects(NodeId(0))]);
    assert_eq!(answers(&effects), [Answer::TimedOut]);
    assert_eq!(receivers(&effects), [], "it may be applied, so nobody else is tried");
    assert_eq!(n3.node.pending().count(), 0);

    assert_eq!(receivers(&n3.ask(put(2, "a"))), [1]);
    n3.hear(0, forwarded(1, stored(&[0, 1])));
    assert_eq!(receivers(&n3.ask(put(3, "a"))), [0], "n0 has spoken");
}

#[test]
fn another_owner_is_tried_only_after_one_refuses_for_reasons_of_its_own() {
    let mut n3 = USUAL.node(3);
    n3.ask(put(1, "a"));
    assert_eq!(sent(&n3.hear(0, forwarded(1, BUSY))), [(1, forward(1))]);
    assert_eq!(n3.hear(0, forwarded(1, BUSY)), ignored(Ignored::Stale), "the same refusal again");
    let not_mine = Answer::Refused(Refusal::NotAnOwner);
    assert_eq!(sent(&n3.hear(1, forwarded(1, not_mine))), [(2, forward(1))]);
    assert_eq!(answers(&n3.hear(2, forwarded(1, BUSY))), [BUSY], "no owner is left");
    assert!(n3.is_at_rest());
}

#[test]
fn an_answer_that_every_owner_would_give_is_passed_on() {
    for answer in
        [Answer::Refused(Refusal::TooManySiblings), Answer::QuorumUnavailable { got: 1, need: 2 }]
    {
        let mut n3 = USUAL.node(3);
        n3.ask(put(1, "a"));
        let effects = n3.hear(0, forwarded(1, answer.clone()));
        assert_eq!((answers(&effects), receivers(&effects)), (vec![answer], vec![]));
    }
}

#[test]
fn a_node_that_is_no_owner_refuses_to_coordinate() {
    let mut n3 = Setup { nodes: 5, ..USUAL }.node(3);
    let refused = forwarded(1, Answer::Refused(Refusal::NotAnOwner));
    assert_eq!(sent(&n3.hear(4, forward(1))), [(4, refused)]);
    assert_eq!(n3.copy(), None);
    assert!(n3.is_at_rest());
}

#[test]
fn a_client_put_that_arrives_twice_is_forwarded_once() {
    let mut n3 = USUAL.node(3);
    n3.ask(put(1, "a"));
    assert_eq!(n3.ask(put(1, "a")), ignored(Ignored::Duplicate));
    n3.hear(0, forwarded(1, stored(&[0, 1])));
    // n0 is suspected now: forwarded again, the put would reach a second coordinator.
    n3.ask(put(2, "b"));
    n3.fire(Timer::Request(id(2)));
    assert_eq!(n3.ask(put(1, "a")), ignored(Ignored::Duplicate));
    assert_eq!(n3.restarted().ask(put(1, "a")), ignored(Ignored::Duplicate));
}

#[test]
fn a_get_is_never_forwarded() {
    let mut n0 = USUAL.node(0);
    let before = n0.node.clone();
    assert_eq!(n0.hear(3, Message::Forward(get(1))), ignored(Ignored::Stale));
    assert_eq!(n0.node, before);
    assert_eq!(get(1).operation, Operation::Get);
}

#[test]
fn a_forwarded_put_does_not_displace_a_pending_request_of_the_same_name() {
    let mut n0 = USUAL.node(0);
    n0.ask(get(1));
    assert_eq!(n0.hear(3, forward(1)), ignored(Ignored::Duplicate));
    assert_eq!(n0.copy(), None);
    assert_eq!(answers(&n0.hear(1, copy_for(1, None))).len(), 1, "the get goes on");
}

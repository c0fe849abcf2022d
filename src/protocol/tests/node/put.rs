//! The life of a put at an owner of its key (paper §4.5).

use crate::common::*;
use dynamo_protocol::door::{Delay, Effect, Ignored, Note, Timer};
use dynamo_protocol::ids::NodeId;
use dynamo_protocol::message::{Answer, Message};
use dynamo_protocol::versions::Versioning;

const TIMER: Timer = Timer::Request(id(1));

fn with_w(w: u8) -> Host {
    Setup { w, ..USUAL }.node(0)
}

#[test]
fn a_put_writes_here_sends_the_whole_object_to_the_other_owners_and_waits() {
    let mut n0 = with_w(2);
    let effects = n0.ask(put(1, "a"));
    let replicate = replicate(1, n0.copy().unwrap());
    assert_eq!(sent(&effects), [(1, replicate.clone()), (2, replicate)]);
    let set = Effect::SetTimer { timer: TIMER, delay: Delay::Request };
    assert_eq!(effects.last(), Some(&set));
    assert_eq!(answers(&effects), []);
    assert!(n0.node.is_pending(id(1)));
}

#[test]
fn with_w_1_the_own_copy_is_enough() {
    let mut n0 = with_w(1);
    let effects = n0.ask(put(1, "a"));
    assert_eq!(receivers(&effects), [1, 2]);
    assert_eq!(answers(&effects), [stored(&[0])]);
    assert!(n0.is_at_rest());
}

#[test]
fn with_w_2_one_other_replica_completes_the_put() {
    let mut n0 = with_w(2);
    n0.ask(put(1, "a"));
    let effects = n0.hear(2, replicated(1));
    let stored = Effect::Reply { id: id(1), answer: stored(&[0, 2]) };
    assert_eq!(effects, [Effect::CancelTimer(TIMER), stored]);
    assert!(n0.is_at_rest());
    assert_eq!(n0.hear(1, replicated(1)), ignored(Ignored::Stale), "the late one");
}

#[test]
fn with_w_3_one_replica_that_answers_twice_does_not_complete_the_put() {
    let mut n0 = with_w(3);
    n0.ask(put(1, "a"));
    assert_eq!(n0.hear(1, replicated(1)), []);
    assert_eq!(n0.hear(1, replicated(1)), [], "bug E5");
    assert_eq!(n0.hear(3, replicated(1)), [], "n3 is no owner");
    assert!(n0.node.is_pending(id(1)));
    assert_eq!(answers(&n0.hear(2, replicated(1))), [stored(&[0, 1, 2])]);
}

#[test]
fn a_put_fails_as_soon_as_too_few_replicas_are_left() {
    let mut n0 = with_w(2);
    n0.ask(put(1, "a"));
    assert_eq!(n0.hear(1, refused(1)), []);
    assert_eq!(n0.hear(3, refused(1)), [], "a stranger's refusal counts nothing");
    let unavailable = Answer::QuorumUnavailable { got: 1, need: 2 };
    assert_eq!(answers(&n0.hear(2, refused(1))), [unavailable]);
    assert_eq!(n0.values(), ["a"], "bug C2: it is there all the same");
    assert!(n0.is_at_rest());
}

#[test]
fn a_timeout_says_how_many_hold_the_put_and_suspects_the_silent() {
    let mut n0 = with_w(3);
    n0.ask(put(1, "a"));
    n0.hear(1, replicated(1));
    let effects = n0.fire(TIMER);
    assert_eq!(notes(&effects), [Note::Suspects(NodeId(2))]);
    assert_eq!(answers(&effects), [Answer::QuorumUnavailable { got: 2, need: 3 }]);
    assert_eq!(n0.node.suspects().collect::<Vec<_>>(), [NodeId(2)]);
    assert_eq!(n0.node.pending().count(), 0);
    assert_eq!(n0.fire(TIMER), ignored(Ignored::Stale));
}

#[test]
fn any_message_of_a_suspect_clears_it() {
    let mut n0 = with_w(2);
    n0.ask(put(1, "a"));
    n0.fire(TIMER);
    assert_eq!(n0.node.suspects().collect::<Vec<_>>(), [NodeId(1), NodeId(2)]);
    let late = n0.hear(1, replicated(1));
    assert_eq!(notes(&late), [Note::Trusts(NodeId(1)), Note::Ignored(Ignored::Stale)]);
    n0.hear(2, read_for(7));
    assert!(n0.is_at_rest());
}

#[test]
fn a_put_is_never_coordinated_twice_not_even_after_a_restart() {
    let mut n0 = with_w(1);
    n0.ask(put(1, "a"));
    let (once, forward) = (n0.node.clone(), Message::Forward(put(1, "a")));
    assert_eq!(n0.ask(put(1, "a")), ignored(Ignored::Duplicate));
    assert_eq!(n0.hear(3, forward.clone()), ignored(Ignored::Duplicate));
    let mut again = n0.restarted();
    assert_eq!(again.ask(put(1, "a")), ignored(Ignored::Duplicate));
    assert_eq!(again.hear(3, forward), ignored(Ignored::Duplicate));
    assert_eq!((&n0.node, &again.node), (&once, &once));
}

#[test]
fn a_session_counts_upwards_and_what_lies_below_is_a_duplicate() {
    let mut n0 = with_w(1);
    let numbered = |sequence| {
        let mut request = put(1, "a");
        request.id.sequence = sequence;
        request
    };
    assert_eq!(answers(&n0.ask(numbered(5))), [stored(&[0])]);
    assert_eq!(n0.ask(numbered(4)), ignored(Ignored::Duplicate));
    assert_eq!(answers(&n0.ask(numbered(6))), [stored(&[0])]);
}

#[test]
fn concurrent_puts_become_siblings_and_a_put_over_them_replaces_both() {
    let mut n0 = with_w(1);
    n0.ask(put(1, "a"));
    assert!(notes(&n0.ask(put(2, "b"))).contains(&Note::Siblings(2)));
    assert_eq!(n0.values(), ["a", "b"]);
    let read = n0.copy().unwrap().context();
    n0.ask(write(3, Some(read), Some("c")));
    assert_eq!(n0.values(), ["c"]);
}

#[test]
fn a_delete_is_a_tombstone_that_spares_what_it_has_not_read() {
    let mut n0 = with_w(1);
    n0.ask(put(1, "a"));
    let read = n0.copy().unwrap().context();
    n0.ask(put(2, "b"));
    n0.ask(write(3, Some(read), None));
    assert_eq!(n0.values(), ["-", "b"]);
}

#[test]
fn a_replica_merges_and_never_overwrites() {
    let mut n1 = USUAL.node(1);
    let replicate = |client, value| {
        let object = object_of(USUAL, 10 * client, client, value);
        replicate(client, object)
    };
    for message in [replicate(1, "a"), replicate(2, "b"), replicate(1, "a")] {
        let Message::Replicate { id, .. } = message else { unreachable!() };
        let answer = Message::Replicated { id };
        assert_eq!(sent(&n1.hear(2, message)), [(2, answer)]);
    }
    assert_eq!(n1.values(), ["a", "b"]);
    assert!(n1.is_at_rest());
}

#[test]
fn a_node_that_is_no_owner_says_so_and_stores_nothing() {
    let mut n3 = USUAL.node(3);
    let object = object_of(USUAL, 0, 1, "a");
    let before = n3.node.clone();
    let replicate = replicate(1, object.clone());
    assert_eq!(sent(&n3.hear(0, replicate)), [(0, refused(1))]);
    assert_eq!(sent(&n3.hear(0, read_for(2))), [(0, refused(2))]);
    assert_eq!(n3.hear(0, repair(object)), ignored(Ignored::NotAReplica));
    assert_eq!(n3.node, before);
}

#[test]
fn objects_of_another_scheme_are_left_alone() {
    let foreign = Setup { versioning: Versioning::LastWriterWins, ..USUAL };
    let object = object_of(foreign, 1, 1, "a");
    let mut n0 = with_w(2);
    n0.ask(get(5));
    let before = n0.node.clone();
    for message in [replicate(1, object.clone()), repair(object.clone()), copy_for(5, Some(object))]
    {
        assert_eq!(n0.hear(1, message), ignored(Ignored::ForeignObject));
    }
    assert_eq!(n0.node, before, "the get still waits for n1");
}

#[test]
fn strangers_and_the_node_itself_are_not_heard() {
    let mut n0 = with_w(2);
    n0.ask(put(1, "a"));
    let before = n0.node.clone();
    for from in [0, 4, u64::MAX] {
        assert_eq!(n0.hear(from, replicated(1)), ignored(Ignored::Stranger));
    }
    assert_eq!(n0.node, before);
}

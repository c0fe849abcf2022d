//! Every limit, at the limit and one past it.

use crate::common::*;
use dynamo_protocol::door::{Ignored, Timer};
use dynamo_protocol::ids::{ClientId, Key, NodeId, RequestId, Value};
use dynamo_protocol::limits::*;
use dynamo_protocol::message::{Answer, Message, Operation, Refusal, Request};
use dynamo_protocol::store::{Durability, Record, RecordKey, Store};
use dynamo_protocol::versions::{
    Actor, Context, Dot, Epoch, Incarnation, Stamp, VersionVector, Versioning, WriteStamp,
};

fn ok() -> Answer {
    stored(&[0])
}

fn refusal(refusal: Refusal) -> Answer {
    Answer::Refused(refusal)
}

fn alone() -> Host {
    Setup { n: 1, nodes: 1, r: 1, w: 1, ..USUAL }.node(0)
}

/// The answer to a client, and the one to a forwarding node.
fn both_answers(host: &Host, request: Request) -> [Answer; 2] {
    let direct = answers(&host.clone().ask(request.clone()));
    let forwarded = sent(&host.clone().hear(1, Message::Forward(request)));
    let told = forwarded.into_iter().find_map(|(to, message)| match message {
        Message::Forwarded { answer, .. } if to == 1 => Some(answer),
        _ => None,
    });
    [direct[0].clone(), told.expect("an answer")]
}

fn put_of(key_bytes: usize, value_bytes: usize) -> Request {
    let operation = Operation::Put { context: None, value: Some(Value(vec![7; value_bytes])) };
    Request { id: id(1), key: Key(vec![7; key_bytes]), operation, quorum: None }
}

#[test]
fn keys() {
    let n0 = Setup { w: 1, ..USUAL }.node(0);
    assert_eq!(both_answers(&n0, put_of(MAX_KEY_BYTES, 1)), [ok(), ok()]);
    let too_long = refusal(Refusal::KeyTooLong);
    let answers_past = both_answers(&n0, put_of(MAX_KEY_BYTES + 1, 1));
    assert_eq!(answers_past, [too_long.clone(), too_long.clone()]);

    let read = |bytes| Message::Read { id: id(1), key: Key(vec![7; bytes]), home: None };
    assert!(!sent(&n0.clone().hear(1, read(MAX_KEY_BYTES))).is_empty());
    assert_eq!(n0.clone().hear(1, read(MAX_KEY_BYTES + 1)), ignored(Ignored::KeyTooLong));

    let get = |bytes| Request { operation: Operation::Get, ..put_of(bytes, 0) };
    let mut n0 = alone();
    assert_ne!(answers(&n0.ask(get(MAX_KEY_BYTES)))[0], too_long);
    assert_eq!(answers(&n0.ask(get(MAX_KEY_BYTES + 1))), [too_long]);
}

#[test]
fn values() {
    let n0 = Setup { w: 1, ..USUAL }.node(0);
    assert_eq!(both_answers(&n0, put_of(1, MAX_VALUE_BYTES)), [ok(), ok()]);
    let too_long = refusal(Refusal::ValueTooLong);
    assert_eq!(both_answers(&n0, put_of(1, MAX_VALUE_BYTES + 1)), [too_long.clone(), too_long]);
}

fn context(actors: usize) -> Context {
    let dot = |node| Dot {
        actor: Actor { node: NodeId(node), incarnation: Incarnation(0), epoch: Epoch(0) },
        counter: 1,
    };
    Context::Dotted((0..actors as u64).map(dot).collect::<VersionVector>())
}

#[test]
fn contexts() {
    let n0 = Setup { w: 1, ..USUAL }.node(0);
    let over = |actors| write(1, Some(context(actors)), Some("a"));
    // The coordinator's own dot needs a place too: what it stores must fit into a context.
    assert_eq!(both_answers(&n0, over(MAX_CONTEXT_ACTORS - 1)), [ok(), ok()]);
    let foreign = refusal(Refusal::ForeignContext);
    for actors in [MAX_CONTEXT_ACTORS, MAX_CONTEXT_ACTORS + 1] {
        assert_eq!(both_answers(&n0, over(actors)), [foreign.clone(), foreign.clone()]);
    }

    let of_another_scheme = Versioning::LastWriterWins.empty_context();
    let request = write(1, Some(of_another_scheme), Some("a"));
    assert_eq!(both_answers(&n0, request), [foreign.clone(), foreign]);
}

#[test]
fn a_context_of_the_future_is_refused_and_never_answered_stored() {
    let n0 = Setup { w: 1, versioning: Versioning::LastWriterWins, ..USUAL }.node(0);
    let stamp = WriteStamp { stamp: Stamp(u64::MAX), node: NodeId(9) };
    let first = write(5, Some(Context::Stamp(Some(stamp))), Some("a"));
    let mut poisoned = n0.clone();
    assert_eq!(answers(&poisoned.ask(first)), [ok()]);
    // At the end of time no later write can win, so none is acknowledged.
    assert_eq!(
        answers(&poisoned.ask(write(2, None, Some("A")))),
        [refusal(Refusal::ForeignContext)]
    );
    assert_eq!(poisoned.values(), ["a"]);
}

#[test]
fn siblings() {
    let mut n0 = alone();
    for client in 1..=MAX_SIBLINGS as u64 {
        assert_eq!(answers(&n0.ask(put(client, "a"))), [ok()]);
    }
    let full = n0.copy();
    assert_eq!(answers(&n0.ask(put(1000, "b"))), [refusal(Refusal::TooManySiblings)]);
    assert_eq!(n0.copy(), full, "nothing is trimmed");
    let read = full.unwrap().context();
    assert_eq!(answers(&n0.ask(write(1001, Some(read), Some("b")))), [ok()]);
    assert_eq!(n0.values(), ["b"]);
}

#[test]
fn objects() {
    let mut n0 = alone();
    let put = |client, bytes| {
        let request = put_of(1, bytes);
        Request { id: id(client), key: KEY.into(), ..request }
    };
    let pieces = (MAX_OBJECT_BYTES / MAX_VALUE_BYTES) as u64;
    for client in 1..=pieces {
        assert_eq!(answers(&n0.ask(put(client, MAX_VALUE_BYTES))), [ok()]);
    }
    assert_eq!(n0.copy().unwrap().value_bytes(), MAX_OBJECT_BYTES);
    assert_eq!(answers(&n0.ask(put(1000, 1))), [refusal(Refusal::ObjectTooLarge)]);
    assert_eq!(answers(&n0.ask(put(1001, 0))), [ok()]);
}

#[test]
fn merges_are_never_refused() {
    let mut n0 = alone();
    for client in 1..=MAX_SIBLINGS as u64 {
        n0.ask(put(client, "a"));
    }
    let mut n1 = Setup { w: 1, ..USUAL }.node(1);
    n1.ask(put(1000, "b"));
    let effects = n1.hear(0, replicate(1, n0.copy().unwrap()));
    assert_eq!(sent(&effects), [(0, replicated(1))]);
    assert_eq!(n1.values().len(), MAX_SIBLINGS + 1);
}

fn full_of_gets() -> Host {
    let mut n0 = USUAL.node(0);
    for client in 1..=MAX_IN_FLIGHT as u64 {
        let effects = n0.ask(get(client));
        assert_eq!(answers(&effects), [], "request {client}");
    }
    n0
}

#[test]
fn requests_in_flight() {
    let mut n0 = full_of_gets();
    let busy = refusal(Refusal::Busy);
    let next = MAX_IN_FLIGHT as u64 + 1;
    assert_eq!(both_answers(&n0, put(next, "a")), [busy.clone(), busy.clone()]);
    assert_eq!(answers(&n0.ask(get(next))), [busy]);
    n0.fire(Timer::Request(id(1)));
    assert_eq!(answers(&n0.ask(get(next))), [], "there is room again");
}

#[test]
fn a_busy_node_does_not_call_a_put_refused_that_it_has_coordinated() {
    let mut n0 = USUAL.node(0);
    n0.ask(put(MAX_IN_FLIGHT as u64, "a"));
    for client in 1..MAX_IN_FLIGHT as u64 {
        n0.ask(get(client));
    }
    let request = put(MAX_IN_FLIGHT as u64, "a");
    assert_eq!(n0.ask(request.clone()), ignored(Ignored::Duplicate));
    assert_eq!(n0.hear(3, Message::Forward(request.clone())), ignored(Ignored::Duplicate));
    n0.hear(1, replicated(MAX_IN_FLIGHT as u64));
    n0.ask(get(70_000));
    assert_eq!(n0.hear(3, Message::Forward(request)), ignored(Ignored::Duplicate));
}

#[test]
fn a_put_that_was_refused_is_never_applied_by_a_second_copy_of_the_message() {
    let mut n0 = full_of_gets();
    let forward = || Message::Forward(put(70_000, "a"));
    let busy = Message::Forwarded { id: id(70_000), answer: refusal(Refusal::Busy) };
    assert_eq!(sent(&n0.hear(3, forward())), [(3, busy)]);
    for client in 1..10 {
        n0.fire(Timer::Request(id(client)));
    }
    // By now n3 has had the put coordinated by another owner.
    assert_eq!(n0.hear(3, forward()), ignored(Ignored::Duplicate));
    assert_eq!(n0.copy(), None);
    let mut later = put(70_000, "a");
    later.id.sequence = 2;
    n0.ask(later);
    assert_eq!(n0.values(), ["a"]);
}

/// A node that says to remember `count` sessions, of which only `clients` are really there.
fn remembering(count: u64, clients: &[u64]) -> Host {
    let mut n0 = Setup { w: 1, ..USUAL }.node(0);
    let store = n0.node.store_mut();
    let mut put = |name, record| store.put(name, record, Durability::Durable);
    put(RecordKey::Sessions, Record::Sessions { count, forgotten: None });
    for &client in clients {
        put(RecordKey::Session(ClientId(client)), Record::Session(1));
    }
    n0
}

fn sessions(host: &Host) -> (u64, Option<u64>) {
    match host.node.store().get(&RecordKey::Sessions) {
        Some(Record::Sessions { count, forgotten }) => (count, forgotten.map(|client| client.0)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn sessions_within_the_limit_are_all_remembered() {
    let mut n0 = remembering(MAX_SESSIONS - 1, &[10, 20]);
    assert_eq!(answers(&n0.ask(put(30, "a"))), [ok()]);
    assert_eq!(sessions(&n0), (MAX_SESSIONS, None));
    assert_eq!(n0.ask(put(10, "a")), ignored(Ignored::Duplicate));
    assert_eq!(answers(&n0.ask(write(20, None, None))), [], "known: no new session");
}

#[test]
fn beyond_the_limit_the_oldest_session_is_forgotten_and_its_puts_are_maybe_applied() {
    let mut n0 = remembering(MAX_SESSIONS, &[10, 20]);
    assert_eq!(answers(&n0.ask(put(30, "a"))), [ok()]);
    assert_eq!(sessions(&n0), (MAX_SESSIONS, Some(10)));
    let forgotten = Answer::TimedOut;
    assert_eq!(both_answers(&n0, put(10, "a")), [forgotten.clone(), forgotten.clone()]);
    assert_eq!(both_answers(&n0, put(9, "a")), [forgotten.clone(), forgotten]);
    assert_eq!(n0.ask(put(20, "a")), ignored(Ignored::Duplicate));
    assert_eq!(answers(&n0.ask(put(11, "a"))), [ok()], "younger than all forgotten ones");
}

#[test]
fn a_forgotten_session_stays_forgotten() {
    let mut n0 = remembering(MAX_SESSIONS, &[10, 20]);
    // Session 5 is older than session 10, which goes to make room for it, and is the next to go.
    n0.ask(put(5, "a"));
    n0.ask(put(30, "a"));
    assert_eq!(sessions(&n0), (MAX_SESSIONS, Some(10)));
    assert_eq!(answers(&n0.ask(put(10, "a"))), [Answer::TimedOut]);
}

#[test]
fn requests_of_one_session_need_one_record() {
    let mut n0 = alone();
    for sequence in 1..=20 {
        let mut request = put(1, "a");
        request.id = RequestId { client: ClientId(1), sequence };
        n0.ask(request);
    }
    assert_eq!(sessions(&n0), (1, None));
}

/// One put whose context names many actors must not close the key for good.
#[test]
fn a_key_of_many_actors_can_still_be_deleted() {
    let setup = Setup { w: 1, ..USUAL };
    let mut n0 = setup.node(0);
    n0.ask(write(1, Some(context(MAX_CONTEXT_ACTORS - 1)), Some("a")));
    let object = n0.copy().expect("the put is stored");
    let mut n1 = setup.node(1);
    n1.hear(0, replicate(1, object.clone()));
    let effects = n1.ask(write(2, Some(object.context()), None));
    assert_eq!(answers(&effects).len(), 1);
    assert!(matches!(answers(&effects)[0], Answer::Stored { .. }), "{:?}", answers(&effects));
    let context = n1.copy().map(|object| object.context());
    let refused = answers(&n1.ask(write(3, context.clone(), Some("b"))));
    assert_eq!(refused, [Answer::Refused(Refusal::ForeignContext)], "too long for a put");
    assert!(matches!(answers(&n1.ask(write(4, context, None)))[0], Answer::Stored { .. }));
}

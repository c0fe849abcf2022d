//! Nothing that comes in can make a node panic or differ from its twin.

use crate::common::*;
use dynamo_protocol::config::ReadRepair;
use dynamo_protocol::door::{Ambient, Effect, Input, Start, Timer};
use dynamo_protocol::ids::{ClientId, Key, NodeId, RequestId, Value};
use dynamo_protocol::message::{Answer, Message, Operation, Refusal, Request};
use dynamo_protocol::versions::{
    Actor, Context, Dot, Epoch, Incarnation, Object, Stamp, VersionVector, Versioning,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

const SCHEMES: [Versioning; 3] =
    [Versioning::Dotted, Versioning::VectorClock { limit: Some(1) }, Versioning::LastWriterWins];

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

fn request_id() -> impl Strategy<Value = RequestId> {
    let sequence = prop_oneof![4 => 0..3_u64, 1 => Just(u64::MAX)];
    (0..3_u64, sequence).prop_map(|(client, sequence)| {
        let client = ClientId(client);
        RequestId { client, sequence }
    })
}

fn key() -> impl Strategy<Value = Key> {
    prop_oneof![4 => Just(Key::from(KEY)), 1 => Just(Key(vec![])), 1 => Just(Key(vec![0; 2000]))]
}

fn counter() -> impl Strategy<Value = u64> {
    prop_oneof![4 => 0..4_u64, 1 => Just(u64::MAX)]
}

fn scheme() -> impl Strategy<Value = Versioning> {
    proptest::sample::select(&SCHEMES[..])
}

/// A context of any scheme, most of them lies.
fn context() -> impl Strategy<Value = Context> {
    let dotted = vec((0..4_u64, 0..3_u64, counter()), 0..4).prop_map(|dots| {
        let dots = dots.into_iter().map(|(node, epoch, counter)| Dot {
            actor: Actor {
                node: NodeId(node),
                incarnation: Incarnation(node),
                epoch: Epoch(epoch),
            },
            counter,
        });
        Context::Dotted(dots.collect::<VersionVector>())
    });
    prop_oneof![3 => dotted, 1 => object().prop_map(|object| object.context())]
}

/// An object of any scheme, by one put of an unknown past.
fn object() -> impl Strategy<Value = Object> {
    (scheme(), 0..4_u64, 0..3_u64, counter(), counter()).prop_map(
        |(versioning, node, client, counter, stamp)| {
            let actor =
                Actor { node: NodeId(node), incarnation: Incarnation(node), epoch: Epoch(1) };
            let new = dynamo_protocol::versions::NewVersion {
                dot: Dot { actor, counter },
                stamp: Stamp(stamp),
            };
            let written = dynamo_protocol::versions::Written {
                by: id(client),
                value: (client > 0).then(|| Value::from("x")),
            };
            let (copy, context) = (versioning.empty_object(), versioning.empty_context());
            versioning.put(&copy, &context, NodeId(node), new, written)
        },
    )
}

fn request() -> impl Strategy<Value = Request> {
    let put = (option::of(context()), option::of(Just(Value::from("v"))))
        .prop_map(|(context, value)| Operation::Put { context, value });
    let operation = prop_oneof![1 => Just(Operation::Get), 2 => put];
    (request_id(), key(), operation).prop_map(|(id, key, operation)| Request { id, key, operation })
}

fn answer() -> impl Strategy<Value = Answer> {
    prop_oneof![
        Just(Answer::Stored),
        Just(Answer::TimedOut),
        Just(Answer::Refused(Refusal::Busy)),
        Just(Answer::Refused(Refusal::NotAnOwner)),
        Just(Answer::QuorumUnavailable { got: 9, need: 1 }),
    ]
}

fn message() -> impl Strategy<Value = Message> {
    let forwarded = (request_id(), answer());
    let keyed = (request_id(), key(), object());
    let confirmed = (request_id(), key(), object());
    let read = (request_id(), key());
    let copy = (request_id(), option::of(object()));
    prop_oneof![
        request().prop_map(Message::Forward),
        forwarded.prop_map(|(id, answer)| Message::Forwarded { id, answer }),
        keyed.prop_map(|(id, key, object)| Message::Replicate { id, key, object }),
        confirmed.prop_map(|(id, key, object)| Message::Confirm { id, key, object }),
        request_id().prop_map(|id| Message::Replicated { id }),
        read.prop_map(|(id, key)| Message::Read { id, key }),
        copy.prop_map(|(id, object)| Message::Copy { id, object }),
        request_id().prop_map(|id| Message::NotAReplica { id }),
        (key(), object()).prop_map(|(key, object)| Message::Repair { key, object }),
    ]
}

fn ambient() -> impl Strategy<Value = Ambient> {
    (counter(), 0..3_u64)
        .prop_map(|(stamp, epoch)| Ambient { stamp: Stamp(stamp), epoch: Epoch(epoch) })
}

fn input() -> impl Strategy<Value = Input> {
    let client = (request(), ambient());
    let peer = (0..6_u64, message(), ambient());
    let start =
        prop_oneof![Just(Start::Restart), Just(Start::Bootstrap { incarnation: Incarnation(0) }),];
    prop_oneof![
        4 => client.prop_map(|(request, ambient)| Input::Client { request, ambient }),
        8 => peer.prop_map(|(from, message, ambient)| {
            Input::Peer { from: NodeId(from), message, ambient }
        }),
        1 => request_id().prop_map(|id| Input::Timer(Timer::Request(id))),
        1 => request_id().prop_map(|id| Input::Timer(Timer::Straggler(id))),
        1 => start.prop_map(Input::Start),
    ]
}

fn setup() -> impl Strategy<Value = Setup> {
    use ReadRepair::{Async, Blocking, Off};
    let repair = proptest::sample::select(&[Off, Async, Blocking][..]);
    (1..4_u8, 1..4_u8, scheme(), repair).prop_map(|(r, w, versioning, read_repair)| Setup {
        r,
        w,
        versioning,
        read_repair,
        nodes: 5,
        ..USUAL
    })
}

/// The hash that a model checker would take, with fixed keys.
fn hash(host: &Host) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(&host.node)
}

proptest! {
    #![proptest_config(cases(1500))]

    #[test]
    fn any_sequence_of_inputs_is_survived_and_repeatable(
        setup in setup(),
        id in 0..4_u64,
        inputs in vec(input(), 0..40),
    ) {
        let mut host = setup.node(id);
        for input in inputs {
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
        let mut host = setup.node(id);
        inputs.into_iter().for_each(|input| drop(host.take(input)));
        let timers: Vec<RequestId> = host.node.pending().collect();
        for id in timers {
            host.fire(Timer::Request(id));
            host.fire(Timer::Straggler(id));
        }
        for peer in (0..setup.nodes).filter(|&peer| peer != id) {
            host.hear(peer, refused(9));
        }
        prop_assert!(host.is_at_rest(), "{:?}", host.node);
    }

    #[test]
    fn every_pending_request_has_a_timer_and_every_finished_one_has_none(
        setup in setup(),
        id in 0..4_u64,
        inputs in vec(input(), 0..40),
    ) {
        let mut host = setup.node(id);
        let mut running = std::collections::BTreeSet::new();
        for input in inputs {
            if let Input::Timer(timer) = input {
                running.remove(&timer);
            }
            for effect in host.take(input) {
                match effect {
                    Effect::SetTimer { timer, .. } => prop_assert!(running.insert(timer)),
                    Effect::CancelTimer(timer) => prop_assert!(running.remove(&timer)),
                    _ => {}
                }
            }
            let names = running.iter().map(|(Timer::Request(id) | Timer::Straggler(id))| *id);
            let pending: Vec<RequestId> = host.node.pending().collect();
            let mut names: Vec<RequestId> = names.collect();
            names.sort();
            prop_assert_eq!(names, pending);
        }
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

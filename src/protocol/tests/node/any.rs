//! Anything that may come in at a node, most of it lies.

use crate::common::*;
use dynamo_protocol::config::{DurabilityMode, FailureHandling, Quorum, ReadRepair};
use dynamo_protocol::door::{Ambient, Input, Start, Timer};
use dynamo_protocol::ids::{ClientId, Key, NodeId, RequestId, Value};
use dynamo_protocol::limits::{MAX_ROOTS, REAP_BATCH};
use dynamo_protocol::membership::View;
use dynamo_protocol::merkle::{Hash, Path, TreeNode};
use dynamo_protocol::message::{
    Answer, Message, Operation, Refill, Refusal, Replicas, Request, Round,
};
use dynamo_protocol::ring::RangeId;
use dynamo_protocol::store::Durability;
use dynamo_protocol::versions::{
    Actor, Context, Dot, Epoch, Incarnation, Object, Stamp, VersionVector, Versioning,
};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;

const SCHEMES: [Versioning; 3] =
    [Versioning::Dotted, Versioning::VectorClock { limit: Some(1) }, Versioning::LastWriterWins];

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
            let new =
                dynamo_protocol::versions::NewVersion::new(Dot { actor, counter }, Stamp(stamp));
            let written = dynamo_protocol::versions::Written {
                by: id(client),
                value: (client > 0).then(|| Value::from("x")),
            };
            let (copy, context) = (versioning.empty_object(), versioning.empty_context());
            versioning.put(&copy, &context, NodeId(node), new, written)
        },
    )
}

fn quorum() -> impl Strategy<Value = Option<Quorum>> {
    proptest::sample::select(&[None, Some(Quorum::Strict), Some(Quorum::Sloppy)][..])
}

fn home() -> impl Strategy<Value = Option<NodeId>> {
    option::of((0..6_u64).prop_map(NodeId))
}

fn durability() -> impl Strategy<Value = Durability> {
    proptest::sample::select(&[Durability::Durable, Durability::Buffered][..])
}

/// The hash of an object that may well be there, or of none.
fn hash() -> impl Strategy<Value = Hash> {
    let of_object = (key(), object()).prop_map(|(key, object)| Hash::of_object(&key, &object));
    prop_oneof![8 => of_object, 1 => Just(Hash([7; 16]))]
}

fn range() -> impl Strategy<Value = RangeId> {
    prop_oneof![4 => (0..6_u32).prop_map(RangeId), 1 => Just(RangeId(u32::MAX))]
}

fn tombstones() -> impl Strategy<Value = Vec<(Key, Hash)>> {
    let some = vec((key(), hash()), 0..3);
    let too_many = vec((key(), hash()), 2 * REAP_BATCH);
    prop_oneof![6 => some, 1 => too_many]
}

fn round() -> impl Strategy<Value = Round> {
    proptest::sample::select(&[Round::First, Round::Second, Round::Third][..])
}

fn request() -> impl Strategy<Value = Request> {
    let put = (option::of(context()), option::of(Just(Value::from("v"))))
        .prop_map(|(context, value)| Operation::Put { context, value });
    let operation = prop_oneof![1 => Just(Operation::Get), 2 => put];
    (request_id(), key(), operation, quorum()).prop_map(|(id, key, operation, quorum)| Request {
        id,
        key,
        operation,
        quorum,
    })
}

fn answer() -> impl Strategy<Value = Answer> {
    prop_oneof![
        Just(Answer::Stored { replicas: Replicas::default() }),
        Just(Answer::TimedOut),
        Just(Answer::Refused(Refusal::Busy)),
        Just(Answer::Refused(Refusal::NotAnOwner)),
        Just(Answer::QuorumUnavailable { got: 9, need: 1 }),
    ]
}

/// What is said on behalf of a request.
fn request_message() -> impl Strategy<Value = Message> {
    let forwarded = (request_id(), answer());
    let keyed = (request_id(), key(), object(), home(), durability());
    let confirmed = (request_id(), key(), object(), home());
    let read = (request_id(), key(), home());
    let copy = (request_id(), option::of(object()));
    prop_oneof![
        request().prop_map(Message::Forward),
        forwarded.prop_map(|(id, answer)| Message::Forwarded { id, answer }),
        keyed.prop_map(|(id, key, object, home, durability)| {
            Message::Replicate { id, key, object, home, durability }
        }),
        confirmed.prop_map(|(id, key, object, home)| Message::Confirm { id, key, object, home }),
        request_id().prop_map(|id| Message::Replicated { id }),
        read.prop_map(|(id, key, home)| Message::Read { id, key, home }),
        copy.prop_map(|(id, object)| Message::Copy { id, object }),
        request_id().prop_map(|id| Message::Unsynchronised { id }),
        request_id().prop_map(|id| Message::NotAReplica { id }),
        (key(), object()).prop_map(|(key, object)| Message::Repair { key, object }),
    ]
}

/// What is said in the background.
fn background_message() -> impl Strategy<Value = Message> {
    let roots = (range(), range(), vec((range(), hash()), 0..2 * MAX_ROOTS));
    let path = vec(0..16_u8, 0..33).prop_map(|nibbles| Path::from_nibbles(&nibbles).unwrap());
    let subtree = (range(), path, btree_map(key(), hash(), 0..3));
    let life = || (0..3_u64).prop_map(Incarnation);
    let refill = || (life(), 0..2u32).prop_map(|(life, losses)| Refill { life, losses });
    let pull = (refill(), option::of(key()));
    let next = option::of(key());
    let page =
        (refill(), option::of(key()), vec((key(), object()), 0..3), next, option::of(life()));
    prop_oneof![
        (key(), object()).prop_map(|(key, object)| Message::Handoff { key, object }),
        (key(), hash()).prop_map(|(key, hash)| Message::HandedOff { key, hash }),
        roots.prop_map(|(from, to, roots)| Message::Roots { from, to, roots }),
        subtree.prop_map(|(range, path, keys)| {
            Message::Subtree { range, path, node: TreeNode::Leaf(keys) }
        }),
        (key(), option::of(object())).prop_map(|(key, object)| Message::Swap { key, object }),
        pull.prop_map(|(refill, after)| Message::Pull { refill, after }),
        page.prop_map(|(refill, after, objects, next, lost)| {
            Message::Page { refill, after, objects, next, lost }
        }),
        (round(), tombstones())
            .prop_map(|(round, tombstones)| Message::ReapAsk { round, tombstones }),
        (round(), tombstones())
            .prop_map(|(round, tombstones)| Message::ReapYes { round, tombstones }),
        tombstones().prop_map(|tombstones| Message::Reap { tombstones }),
    ]
}

fn message() -> impl Strategy<Value = Message> {
    prop_oneof![3 => request_message(), 2 => background_message()]
}

fn ambient() -> impl Strategy<Value = Ambient> {
    (counter(), 0..3_u64)
        .prop_map(|(stamp, epoch)| Ambient { stamp: Stamp(stamp), epoch: Epoch(epoch) })
}

fn timer() -> impl Strategy<Value = Timer> {
    let node = || (0..6_u64).prop_map(NodeId);
    prop_oneof![
        2 => request_id().prop_map(Timer::Request),
        1 => request_id().prop_map(Timer::Straggler),
        1 => node().prop_map(Timer::Handoff),
        1 => node().prop_map(Timer::Retry),
        1 => node().prop_map(Timer::Exchange),
        2 => Just(Timer::Reap),
    ]
}

fn start() -> impl Strategy<Value = Start> {
    let incarnation = Incarnation(0);
    prop_oneof![
        (0..3_u64).prop_map(|id| Start::Restart { latest: ClientId(id) }),
        Just(Start::Bootstrap { incarnation }),
        (0..3_u64).prop_map(move |id| Start::Amnesia { incarnation, latest: ClientId(id) }),
    ]
}

/// A node that has just begun its life, in one way or the other.
pub(crate) fn node(setup: Setup, id: u64, is_amnesiac: bool) -> Host {
    if is_amnesiac { setup.amnesiac(id, 1).0 } else { setup.node(id) }
}

pub(crate) fn input() -> impl Strategy<Value = Input> {
    let client = (request(), ambient());
    let peer = (0..6_u64, message(), ambient());
    prop_oneof![
        4 => client.prop_map(|(request, ambient)| Input::Client { request, ambient }),
        8 => peer.prop_map(|(from, message, ambient)| {
            Input::Peer { from: NodeId(from), view: View::default(), message, ambient }
        }),
        3 => timer().prop_map(Input::Timer),
        1 => start().prop_map(Input::Start),
    ]
}

fn failures() -> impl Strategy<Value = FailureHandling> {
    use DurabilityMode::{Buffered, Durable, OneDurable};
    let quorum = proptest::sample::select(&[Quorum::Strict, Quorum::Sloppy][..]);
    let durability = proptest::sample::select(&[Durable, Buffered, OneDurable][..]);
    let [handoff, anti_entropy, reap] = [proptest::bool::ANY; 3];
    (quorum, handoff, anti_entropy, durability, reap).prop_map(
        |(quorum, handoff, anti_entropy, durability, reap)| FailureHandling {
            quorum,
            handoff,
            anti_entropy,
            durability,
            reap,
            gossip: false,
        },
    )
}

pub(crate) fn setup() -> impl Strategy<Value = Setup> {
    use ReadRepair::{Async, Blocking, Off};
    let repair = proptest::sample::select(&[Off, Async, Blocking][..]);
    (1..4_u8, 1..4_u8, scheme(), repair, failures()).prop_map(
        |(r, w, versioning, read_repair, failures)| {
            let reap = failures.reap && versioning == Versioning::Dotted;
            let failures = FailureHandling { reap, ..failures };
            Setup { r, w, versioning, read_repair, failures, nodes: 5, ..USUAL }
        },
    )
}

//! The laws of the wire: what is encoded decodes to itself, and nothing else decodes at all.
#![cfg(feature = "node")]

use dynamo::wire::codec::{
    self, Frame, HEADER_BYTES, Header, MAX_CLIENT_FRAME_BYTES, MAX_DATAGRAM_BYTES,
    MAX_PEER_FRAME_BYTES, Refused,
};
use dynamo::wire::fragments::{Fragments, Limits};
use dynamo::wire::status::{Digests, Members, Status};
use dynamo_protocol::config::Quorum;
use dynamo_protocol::ids::{ClientId, Key, NodeId, RequestId, Value};
use dynamo_protocol::limits;
use dynamo_protocol::membership::{Command, LayoutHash, Membership, Phase, Step, View};
use dynamo_protocol::merkle::{Hash, Path, TreeNode};
use dynamo_protocol::message::{
    Answer, Message, Operation, Refill, Refusal, Replicas, Request, Round,
};
use dynamo_protocol::ring::{Layout, MAX_MEMBERS, MAX_NAME_BYTES, MAX_PARTITIONS, Member, RangeId};
use dynamo_protocol::store::Durability;
use dynamo_protocol::versions::{
    Actor, Context, Dot, Epoch, Incarnation, NewVersion, Object, Stamp, Versioning, Written,
};
use proptest::collection::vec;
use proptest::prelude::*;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

const LIMITS: Limits = Limits {
    max_frame_bytes: MAX_PEER_FRAME_BYTES,
    max_frames: 8,
    max_frames_of_one: 4,
    max_bytes: 1 << 20,
    max_age: Duration::from_secs(1),
};

fn from() -> SocketAddr {
    "127.0.0.1:9".parse().unwrap()
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![vec(any::<u8>(), 0..40), vec(any::<u8>(), 2000..5000)]
}

fn id() -> impl Strategy<Value = RequestId> {
    any::<(u64, u64)>()
        .prop_map(|(client, sequence)| RequestId { client: ClientId(client), sequence })
}

/// An object after a few puts, each blind or over all that is there.
fn object() -> impl Strategy<Value = Object> {
    let versioning = prop_oneof![
        Just(Versioning::Dotted),
        Just(Versioning::VectorClock { limit: Some(3) }),
        Just(Versioning::LastWriterWins),
    ];
    let put = (id(), proptest::option::of(bytes()), 0..4u64, any::<u64>(), any::<bool>());
    (versioning, vec(put, 0..5)).prop_map(|(versioning, puts)| {
        let start = versioning.empty_object();
        puts.into_iter().fold(start, |object, (by, value, node, stamp, blind)| {
            let context = if blind { versioning.empty_context() } else { object.context() };
            let (incarnation, epoch) = (Incarnation(stamp), Epoch(by.sequence));
            let actor = Actor { node: NodeId(node), incarnation, epoch };
            let new = NewVersion::new(Dot { actor, counter: 1 }, Stamp(stamp));
            let written = Written { by, value: value.map(Value) };
            versioning.put(&object, &context, NodeId(node), new, written)
        })
    })
}

fn request() -> impl Strategy<Value = Request> {
    let put = (proptest::option::of(object()), proptest::option::of(bytes()));
    let put = put.prop_map(|(read, value)| Operation::Put {
        context: read.map(|object| object.context()),
        value: value.map(Value),
    });
    let quorum = proptest::option::of(prop_oneof![Just(Quorum::Strict), Just(Quorum::Sloppy)]);
    (id(), bytes(), prop_oneof![Just(Operation::Get), put], quorum)
        .prop_map(|(id, key, operation, quorum)| Request { id, key: Key(key), operation, quorum })
}

fn replicas() -> impl Strategy<Value = Replicas> {
    let nodes = || vec(any::<u64>().prop_map(NodeId), 0..4);
    (nodes(), nodes()).prop_map(|(primaries, fallbacks)| Replicas { primaries, fallbacks })
}

fn answer() -> impl Strategy<Value = Answer> {
    prop_oneof![
        replicas().prop_map(|replicas| Answer::Stored { replicas }),
        Just(Answer::TimedOut),
        Just(Answer::Refused(Refusal::TooManySiblings)),
        any::<(u8, u8)>().prop_map(|(got, need)| Answer::QuorumUnavailable { got, need }),
        (vec(id(), 0..4), object(), replicas()).prop_map(|(deletes, o, replicas)| {
            Answer::NotFound { deletes, context: o.context(), replicas }
        }),
        (object(), replicas()).prop_map(|(object, replicas)| Answer::Found {
            siblings: object.siblings().cloned().collect(),
            context: object.context(),
            replicas,
        }),
    ]
}

fn key() -> impl Strategy<Value = Key> {
    bytes().prop_map(Key)
}

fn maybe_object() -> impl Strategy<Value = Option<Object>> {
    proptest::option::of(object())
}

fn home() -> impl Strategy<Value = Option<NodeId>> {
    proptest::option::of(any::<u64>().prop_map(NodeId))
}

fn hash() -> impl Strategy<Value = Hash> {
    any::<[u8; 16]>().prop_map(Hash)
}

fn range() -> impl Strategy<Value = RangeId> {
    any::<u32>().prop_map(RangeId)
}

/// What is said on behalf of a request.
fn foreground() -> impl Strategy<Value = Message> {
    let durability = || prop_oneof![Just(Durability::Durable), Just(Durability::Buffered)];
    prop_oneof![
        request().prop_map(Message::Forward),
        (id(), answer()).prop_map(|(id, answer)| Message::Forwarded { id, answer }),
        (id(), key(), object(), home(), durability()).prop_map(
            |(id, key, object, home, durability)| {
                Message::Replicate { id, key, object, home, durability }
            }
        ),
        id().prop_map(|id| Message::Replicated { id }),
        (id(), key(), home()).prop_map(|(id, key, home)| Message::Read { id, key, home }),
        (id(), maybe_object()).prop_map(|(id, object)| Message::Copy { id, object }),
        (id(), key(), object(), home()).prop_map(|(id, key, object, home)| Message::Confirm {
            id,
            key,
            object,
            home
        }),
        id().prop_map(|id| Message::Unsynchronised { id }),
        id().prop_map(|id| Message::NotAReplica { id }),
        (key(), object()).prop_map(|(key, object)| Message::Repair { key, object }),
    ]
}

fn refill() -> impl Strategy<Value = Refill> {
    any::<(u64, u32)>().prop_map(|(life, losses)| Refill { life: Incarnation(life), losses })
}

/// What nodes say on nobody's behalf.
fn background() -> impl Strategy<Value = Message> {
    let path = || vec(0..16u8, 0..9).prop_map(|nibbles| Path::from_nibbles(&nibbles).unwrap());
    let leaf = || proptest::collection::btree_map(key(), hash(), 0..4).prop_map(TreeNode::Leaf);
    let round = || prop_oneof![Just(Round::First), Just(Round::Second), Just(Round::Third)];
    let tombstones = || vec((key(), hash()), 0..4);
    prop_oneof![
        (key(), object()).prop_map(|(key, object)| Message::Handoff { key, object }),
        (key(), hash()).prop_map(|(key, hash)| Message::HandedOff { key, hash }),
        (range(), range(), vec((range(), hash()), 0..9))
            .prop_map(|(from, to, roots)| Message::Roots { from, to, roots }),
        (range(), path(), leaf()).prop_map(|(range, path, node)| Message::Subtree {
            range,
            path,
            node
        }),
        (key(), maybe_object()).prop_map(|(key, object)| Message::Swap { key, object }),
        (refill(), proptest::option::of(key()))
            .prop_map(|(refill, after)| Message::Pull { refill, after }),
        (refill(), vec((key(), object()), 0..4), proptest::option::of(key())).prop_map(
            |(refill, objects, next)| {
                let (after, lost) = (next.clone(), next.is_some().then_some(refill.life));
                Message::Page { refill, after, objects, next, lost }
            }
        ),
        (round(), tombstones())
            .prop_map(|(round, tombstones)| Message::ReapAsk { round, tombstones }),
        (round(), tombstones())
            .prop_map(|(round, tombstones)| Message::ReapYes { round, tombstones }),
        tombstones().prop_map(|tombstones| Message::Reap { tombstones }),
    ]
}

fn status() -> impl Strategy<Value = Status> {
    let counters = proptest::collection::btree_map("[a-z]{1,9}", any::<u64>(), 0..4);
    let suspects = vec(any::<u64>().prop_map(NodeId), 0..4);
    let ranges = vec((range(), hash()), 0..99);
    let members = proptest::option::of(members().prop_map(Box::new));
    let numbers = any::<(u64, bool, u64, bool, Option<(u64, u64)>)>();
    (numbers, suspects, ranges, counters, members).prop_map(
        |((hints, synchronised, pending, faults, stored), suspects, ranges, counters, members)| {
            Status {
                hints,
                synchronised,
                suspects,
                pending,
                faults,
                ranges,
                stored,
                counters,
                members,
            }
        },
    )
}

fn member() -> impl Strategy<Value = Member> {
    let zone = proptest::option::of("[a-z]{1,9}");
    (any::<u64>(), "[a-z]{1,9}", 1..9u32, zone, "[0-9.:]{0,20}").prop_map(
        |(id, name, weight, zone, address)| Member { id: NodeId(id), name, weight, zone, address },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let node = || any::<u64>().prop_map(NodeId);
    prop_oneof![
        member().prop_map(Step::Join),
        node().prop_map(Step::Leave),
        (node(), member()).prop_map(|(old, new)| Step::Replace { old, new }),
        (node(), any::<u32>()).prop_map(|(node, weight)| Step::Weight { node, weight }),
        (node(), proptest::option::of("[a-z]{1,9}"))
            .prop_map(|(node, zone)| Step::Zone { node, zone }),
        (node(), "[0-9.:]{0,20}").prop_map(|(node, address)| Step::Address { node, address }),
    ]
}

fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        step().prop_map(Command::Stage),
        Just(Command::Clear),
        any::<[u8; 16]>().prop_map(|hash| Command::Commit(LayoutHash(hash))),
        any::<u64>().prop_map(|node| Command::Down(NodeId(node))),
        any::<u64>().prop_map(|node| Command::Up(NodeId(node))),
        Just(Command::Abort),
    ]
}

fn members() -> impl Strategy<Value = Members> {
    let nodes = || proptest::collection::btree_set(any::<u64>().prop_map(NodeId), 0..4);
    let hints = proptest::collection::btree_map(any::<u64>().prop_map(NodeId), any::<u64>(), 0..4);
    let flags = any::<(bool, bool, bool)>();
    (member(), vec(step(), 0..4), nodes(), flags, proptest::option::of(nodes()), hints).prop_map(
        |(me, staged, awaited, (has_done, is_settling, changes), merged, hints)| {
            let strategy = dynamo_protocol::ring::Strategy::EqualPartitions { partitions: 8 };
            let layout = Layout::new(strategy, 1, vec![me.clone()]).unwrap();
            let mut membership = Membership::founding(layout.clone(), &());
            if changes {
                membership = membership.propose(layout).advance();
            }
            let membership = Arc::new(membership);
            Members { me, membership, staged, awaited, has_done, is_settling, merged, hints }
        },
    )
}

fn view() -> impl Strategy<Value = View> {
    let phase = prop_oneof![Just(Phase::Settled), Just(Phase::Moving), Just(Phase::Reading)];
    (any::<u64>(), phase, any::<[u8; 16]>()).prop_map(|(version, phase, hash)| View {
        version,
        phase,
        layout: LayoutHash(hash),
    })
}

fn frame() -> impl Strategy<Value = Frame> {
    prop_oneof![
        request().prop_map(Frame::Request),
        (any::<u64>(), view(), prop_oneof![foreground(), background()])
            .prop_map(|(from, view, message)| Frame::Peer { from: NodeId(from), view, message }),
        (id(), view(), answer()).prop_map(|(id, view, answer)| Frame::Reply { id, view, answer }),
        any::<u64>().prop_map(|nonce| Frame::Ping { nonce }),
        any::<(u64, u64)>().prop_map(|(nonce, node)| Frame::Pong { nonce, node: NodeId(node) }),
        (
            any::<u64>(),
            prop_oneof![Just(Digests::Nothing), Just(Digests::Roots), Just(Digests::Objects)]
        )
            .prop_map(|(nonce, digests)| Frame::Examine { nonce, digests }),
        (any::<u64>(), status())
            .prop_map(|(nonce, status)| Frame::Examined { nonce, status: Box::new(status) }),
        (any::<u64>(), command().prop_map(Box::new))
            .prop_map(|(nonce, command)| Frame::Command { nonce, command }),
        (any::<u64>(), proptest::option::of("[a-z ]{1,40}"))
            .prop_map(|(nonce, why)| { Frame::Obeyed { nonce, result: why.map_or(Ok(()), Err) } }),
    ]
}

/// What a receiver makes of `datagrams`, in their order.
fn receive(datagrams: &[Vec<u8>]) -> Result<Option<Frame>, Refused> {
    let (mut fragments, mut frame) = (Fragments::new(LIMITS), None);
    for datagram in datagrams {
        let (header, piece) = Header::parse(datagram)?;
        if let Some(whole) = fragments.accept(from(), header, piece, Instant::now())? {
            frame = Some(codec::decode(&whole)?);
        }
    }
    assert!(frame.is_none() || (fragments.is_empty() && fragments.bytes() == 0));
    Ok(frame)
}

/// Gives a datagram the right checksum after it was tampered with.
fn reseal(datagram: &mut [u8]) {
    let checksum = crc32fast::hash(&datagram[8..]);
    datagram[4..8].copy_from_slice(&checksum.to_le_bytes());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_frame_comes_through_in_any_order(frame in frame(), message in any::<u64>(), turn in any::<usize>()) {
        let mut datagrams = codec::encode(&frame, message).unwrap();
        prop_assert!(datagrams.iter().all(|datagram| datagram.len() <= MAX_DATAGRAM_BYTES));
        let turn = turn % datagrams.len();
        datagrams.rotate_left(turn);
        prop_assert_eq!(receive(&datagrams), Ok(Some(frame)));
    }

    #[test]
    fn a_frame_that_lacks_a_datagram_does_not_come(frame in frame(), which in any::<prop::sample::Index>()) {
        let mut datagrams = codec::encode(&frame, 1).unwrap();
        datagrams.remove(which.index(datagrams.len()));
        prop_assert_eq!(receive(&datagrams), Ok(None));
    }

    #[test]
    fn a_changed_bit_is_refused(frame in frame(), bit in any::<prop::sample::Index>()) {
        let mut datagram = codec::encode(&frame, 1).unwrap().remove(0);
        let bit = bit.index(datagram.len() * 8);
        datagram[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(Header::parse(&datagram).is_err());
    }

    #[test]
    fn a_cut_datagram_is_refused(frame in frame(), length in any::<prop::sample::Index>()) {
        let datagram = codec::encode(&frame, 1).unwrap().remove(0);
        prop_assert!(Header::parse(&datagram[..length.index(datagram.len())]).is_err());
    }

    #[test]
    fn arbitrary_datagrams_never_panic(mut bytes in vec(any::<u8>(), 0..MAX_DATAGRAM_BYTES + 9), seal in any::<bool>()) {
        if seal && bytes.len() >= HEADER_BYTES {
            bytes[..4].copy_from_slice(b"dyn\0");
            bytes[3] = codec::FORMAT_VERSION;
            reseal(&mut bytes);
        }
        let _ = receive(&[bytes]);
    }

    /// Past the checksum, as a hostile sender would: anything may come out but a panic, and what
    /// decodes is not larger than what came in would allow.
    #[test]
    fn tampered_frames_never_panic(frame in frame(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut datagrams = codec::encode(&frame, 1).unwrap();
        let mut whole: Vec<u8> = datagrams.drain(..).flat_map(|d| d[HEADER_BYTES..].to_vec()).collect();
        prop_assert!(codec::decode(&[&whole[..], &[0]].concat()).is_err(), "a byte too many");
        let at = at.index(whole.len());
        whole[at] = byte;
        if let Ok(frame) = codec::decode(&whole) {
            prop_assert!(codec::encode(&frame, 1).unwrap().len() <= whole.len() / 1000 + 2);
        }
    }
}

#[test]
fn lengths_that_the_input_does_not_back_allocate_nothing() {
    // Frame::Request, client, sequence, then a key that claims 2^62 bytes and has three.
    let lie = [0, 1, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x3f, 1, 2, 3];
    let started = peak_memory();
    for _ in 0..10_000 {
        assert_eq!(codec::decode(&lie), Err(Refused::Malformed));
    }
    assert!(peak_memory() - started < 16 << 20, "{} bytes", peak_memory() - started);
}

/// The most memory that this process has had, in bytes.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok());
    kib.unwrap_or(0) * 1024
}

#[test]
fn frames_are_refused_one_byte_past_the_limit() {
    let frame = |bytes| {
        let (key, operation) = (Key(vec![0; bytes]), Operation::Get);
        let id = RequestId { client: ClientId(0), sequence: 0 };
        Frame::Request(Request { id, key, operation, quorum: None })
    };
    let overhead = {
        let datagrams = codec::encode(&frame(MAX_PEER_FRAME_BYTES / 2), 1).unwrap();
        let bytes: usize = datagrams.iter().map(|datagram| datagram.len() - HEADER_BYTES).sum();
        bytes - MAX_PEER_FRAME_BYTES / 2
    };
    assert!(codec::encode(&frame(MAX_PEER_FRAME_BYTES - overhead), 1).is_ok());
    let too_large = codec::encode(&frame(MAX_PEER_FRAME_BYTES - overhead + 1), 1);
    assert_eq!(too_large.map(drop), Err(Refused::Oversized));
    let largest_put = Frame::Request(Request {
        id: RequestId { client: ClientId(u64::MAX), sequence: u64::MAX },
        key: Key(vec![0; limits::MAX_KEY_BYTES]),
        operation: Operation::Put {
            context: None,
            value: Some(Value(vec![0; limits::MAX_VALUE_BYTES])),
        },
        quorum: Some(Quorum::Sloppy),
    });
    let bytes: usize = codec::encode(&largest_put, 1).unwrap().iter().map(Vec::len).sum();
    assert!(bytes + 100 * limits::MAX_CONTEXT_ACTORS < MAX_CLIENT_FRAME_BYTES);
}

/// An object of as many siblings and bytes of values as a put may leave behind, written by as many
/// actors as a context may name.
fn largest_object() -> Object {
    let versioning = Versioning::Dotted;
    let put = |object: &Object, i: u64, context: &Context, bytes| {
        let actor = Actor { node: NodeId(i), incarnation: Incarnation(!i), epoch: Epoch(!i) };
        let new = NewVersion::new(Dot { actor, counter: 1 }, Stamp(!i));
        let by = RequestId { client: ClientId(!i), sequence: !i };
        let written = Written { by, value: Some(Value(vec![0; bytes])) };
        versioning.put(object, context, NodeId(i), new, written)
    };
    let (siblings, actors) = (limits::MAX_SIBLINGS as u64, limits::MAX_CONTEXT_ACTORS as u64);
    let mut object = versioning.empty_object();
    for i in siblings..actors {
        object = put(&object, i, &object.context(), 0);
    }
    let replace = object.context();
    for i in 0..siblings {
        let context = if i == 0 { replace.clone() } else { versioning.empty_context() };
        object = put(&object, i, &context, limits::MAX_OBJECT_BYTES / limits::MAX_SIBLINGS);
    }
    assert_eq!(object.siblings().count(), limits::MAX_SIBLINGS);
    object
}

/// Replication and repair ship whole objects, pages and batches up to a limit of bytes and one
/// object beyond it: all of them must fit a frame, and merges may make objects a few times larger
/// than any put may.
#[test]
fn the_largest_messages_fit_a_frame() {
    let key = || Key(vec![0; limits::MAX_KEY_BYTES]);
    let bytes = |message| {
        let frame = Frame::Peer { from: NodeId(u64::MAX), view: Default::default(), message };
        codec::encode(&frame, 1).unwrap().iter().map(Vec::len).sum::<usize>()
    };
    let object = largest_object();
    let one = bytes(Message::Handoff { key: key(), object: object.clone() });
    assert!(4 * one < MAX_PEER_FRAME_BYTES, "{one}");
    // Many objects of many actors and hardly a value, then a large one.
    let actors = |i: u64| {
        let versioning = Versioning::Dotted;
        (0..limits::MAX_CONTEXT_ACTORS as u64).fold(versioning.empty_object(), |object, j| {
            let actor = Actor { node: NodeId(!j), incarnation: Incarnation(!i), epoch: Epoch(!j) };
            let new = NewVersion::new(Dot { actor, counter: u64::MAX }, Stamp(0));
            let by = RequestId { client: ClientId(!i), sequence: !j };
            let written = Written { by, value: None };
            versioning.put(&object, &object.context(), NodeId(j), new, written)
        })
    };
    let mut objects = vec![(key(), actors(1)); limits::MAX_PAGE_OBJECTS - 1];
    objects.push((key(), object));
    let refill = Refill { life: Incarnation(u64::MAX), losses: u32::MAX };
    let (after, next, lost) = (Some(key()), Some(key()), Some(refill.life));
    let page = bytes(Message::Page { refill, after, objects, next, lost });
    assert!(page < MAX_PEER_FRAME_BYTES, "{page}");
    let roots = vec![(RangeId(u32::MAX), Hash([255; 16])); limits::MAX_ROOTS];
    let (from, to) = (RangeId(u32::MAX), RangeId(u32::MAX));
    assert!(bytes(Message::Roots { from, to, roots }) <= MAX_DATAGRAM_BYTES);
    let tombstones = vec![(key(), Hash([255; 16])); limits::REAP_BATCH];
    let reap = bytes(Message::ReapAsk { round: Round::First, tombstones });
    assert!(reap < 100 * MAX_DATAGRAM_BYTES, "{reap}");
}

/// Layouts are sent whole: on the way from one to another of as many members and partitions as there
/// may be, all with the longest names, and every node's hash of every range beside it.
#[test]
fn the_largest_layouts_fit_a_frame() {
    let ids = || (0..MAX_MEMBERS as u64).map(|i| NodeId(!i));
    let long = |i: u64| format!("{i:0MAX_NAME_BYTES$}");
    let member = |NodeId(i)| Member {
        id: NodeId(i),
        name: long(i),
        weight: u32::MAX,
        zone: Some(long(i)),
        address: long(i),
    };
    let strategy = dynamo_protocol::ring::Strategy::EqualPartitions { partitions: MAX_PARTITIONS };
    let layout = Layout::new(strategy, 3, ids().map(member).collect()).unwrap();
    let next = layout.rezone(NodeId(u64::MAX), None).unwrap();
    let membership = Arc::new(Membership::founding(layout, &()).propose(next));
    let bytes = |frame: &Frame| -> usize {
        codec::encode(frame, 1).unwrap().iter().map(|datagram| datagram.len() - HEADER_BYTES).sum()
    };
    let (from, view) = (NodeId(u64::MAX), View::default());
    let message = Message::News(membership.clone());
    let news = bytes(&Frame::Peer { from, view, message });
    assert!((2 << 20..3 << 20).contains(&news), "{news}");
    let me = member(from);
    let members = Members {
        staged: vec![Step::Join(me.clone()); limits::MAX_STAGED],
        me,
        membership,
        awaited: ids().collect(),
        has_done: false,
        is_settling: true,
        merged: Some(ids().collect()),
        hints: ids().map(|id| (id, u64::MAX)).collect(),
    };
    let ranges = (0..MAX_PARTITIONS).map(|range| (RangeId(range), Hash([255; 16]))).collect();
    let members = Some(Box::new(members));
    let status = Box::new(Status { members, ranges, ..Status::default() });
    let status = bytes(&Frame::Examined { nonce: u64::MAX, status });
    assert!(status < MAX_PEER_FRAME_BYTES * 3 / 4, "{status}");
}

#[test]
fn incomplete_frames_are_bounded_and_forgotten() {
    let large = Frame::Request(Request {
        id: RequestId { client: ClientId(0), sequence: 0 },
        key: Key(vec![0; 5000]),
        operation: Operation::Get,
        quorum: None,
    });
    let (mut fragments, now) = (Fragments::new(LIMITS), Instant::now());
    let mut first_piece = |message, port, now| {
        let datagram = codec::encode(&large, message).unwrap().remove(0);
        let (header, piece) = Header::parse(&datagram).unwrap();
        fragments.accept(SocketAddr::from(([127, 0, 0, 1], port)), header, piece, now)
    };
    for message in 0..LIMITS.max_frames_of_one as u64 {
        assert_eq!(first_piece(message, 1, now), Ok(None));
    }
    assert_eq!(first_piece(99, 1, now), Err(Refused::TooManyFragments), "one sender's share");
    for message in 0..(LIMITS.max_frames - LIMITS.max_frames_of_one) as u64 {
        assert_eq!(first_piece(message, 2, now), Ok(None));
    }
    assert_eq!(first_piece(99, 3, now), Err(Refused::TooManyFragments), "everybody's");
    assert_eq!(first_piece(0, 1, now), Err(Refused::DuplicateFragment));
    let later = now + LIMITS.max_age + Duration::from_millis(1);
    assert_eq!(first_piece(99, 1, later), Ok(None), "the old ones are forgotten");
    assert_eq!(fragments.len(), 1);
    assert_eq!(fragments.expire(later), 0);
    assert_eq!(fragments.expire(later + LIMITS.max_age * 2), 1);
    assert_eq!(fragments.bytes(), 0);
}

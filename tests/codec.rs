//! The laws of the wire: what is encoded decodes to itself, and nothing else decodes at all.
#![cfg(feature = "node")]

use dynamo::wire::codec::{
    self, Frame, HEADER_BYTES, Header, MAX_CLIENT_FRAME_BYTES, MAX_DATAGRAM_BYTES,
    MAX_PEER_FRAME_BYTES, Refused,
};
use dynamo::wire::fragments::{Fragments, Limits};
use dynamo_protocol::ids::{ClientId, Key, NodeId, RequestId, Value};
use dynamo_protocol::message::{Answer, Message, Operation, Refusal, Request};
use dynamo_protocol::versions::{
    Actor, Dot, Epoch, Incarnation, NewVersion, Object, Stamp, Versioning, Written,
};
use proptest::collection::vec;
use proptest::prelude::*;
use std::net::SocketAddr;
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
            let new = NewVersion { dot: Dot { actor, counter: 1 }, stamp: Stamp(stamp) };
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
    (id(), bytes(), prop_oneof![Just(Operation::Get), put])
        .prop_map(|(id, key, operation)| Request { id, key: Key(key), operation })
}

fn answer() -> impl Strategy<Value = Answer> {
    prop_oneof![
        Just(Answer::Stored),
        Just(Answer::TimedOut),
        Just(Answer::Refused(Refusal::TooManySiblings)),
        any::<(u8, u8)>().prop_map(|(got, need)| Answer::QuorumUnavailable { got, need }),
        (vec(id(), 0..4), object())
            .prop_map(|(deletes, o)| Answer::NotFound { deletes, context: o.context() }),
        object().prop_map(|object| Answer::Found {
            siblings: object.siblings().cloned().collect(),
            context: object.context(),
        }),
    ]
}

fn message() -> impl Strategy<Value = Message> {
    let key = || bytes().prop_map(Key);
    prop_oneof![
        request().prop_map(Message::Forward),
        (id(), answer()).prop_map(|(id, answer)| Message::Forwarded { id, answer }),
        (id(), key(), object()).prop_map(|(id, key, object)| Message::Replicate {
            id,
            key,
            object
        }),
        id().prop_map(|id| Message::Replicated { id }),
        (id(), key()).prop_map(|(id, key)| Message::Read { id, key }),
        (id(), proptest::option::of(object()))
            .prop_map(|(id, object)| Message::Copy { id, object }),
        id().prop_map(|id| Message::NotAReplica { id }),
        (key(), object()).prop_map(|(key, object)| Message::Repair { key, object }),
    ]
}

fn frame() -> impl Strategy<Value = Frame> {
    prop_oneof![
        request().prop_map(Frame::Request),
        (any::<u64>(), message())
            .prop_map(|(from, message)| Frame::Peer { from: NodeId(from), message }),
        (id(), answer()).prop_map(|(id, answer)| Frame::Reply { id, answer }),
        any::<u64>().prop_map(|nonce| Frame::Ping { nonce }),
        any::<(u64, u64)>().prop_map(|(nonce, node)| Frame::Pong { nonce, node: NodeId(node) }),
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
            bytes[..4].copy_from_slice(b"dyn\x01");
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
        let at = at.index(whole.len());
        whole[at] = byte;
        if let Ok(frame) = codec::decode(&whole) {
            prop_assert!(codec::encode(&frame, 1).unwrap().len() <= whole.len() / 1000 + 2);
        }
        prop_assert!(codec::decode(&[&whole[..], &[0]].concat()) != Ok(frame));
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
        Frame::Request(Request { id, key, operation })
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
        key: Key(vec![0; dynamo_protocol::limits::MAX_KEY_BYTES]),
        operation: Operation::Put {
            context: None,
            value: Some(Value(vec![0; dynamo_protocol::limits::MAX_VALUE_BYTES])),
        },
    });
    let bytes: usize = codec::encode(&largest_put, 1).unwrap().iter().map(Vec::len).sum();
    assert!(bytes + 100 * dynamo_protocol::limits::MAX_CONTEXT_ACTORS < MAX_CLIENT_FRAME_BYTES);
}

#[test]
fn incomplete_frames_are_bounded_and_forgotten() {
    let large = Frame::Request(Request {
        id: RequestId { client: ClientId(0), sequence: 0 },
        key: Key(vec![0; 5000]),
        operation: Operation::Get,
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

//! What a node does about datagrams that no honest peer or client sends.
#![cfg(feature = "node")]

mod support;

use dynamo::client::Read;
use dynamo::wire::codec::{self, Frame, HEADER_BYTES, MAX_DATAGRAM_BYTES};
use dynamo_protocol::ids::{ClientId, Key, NodeId, RequestId, Value};
use dynamo_protocol::limits;
use dynamo_protocol::membership::View;
use dynamo_protocol::merkle::{Child, Hash, Path, TreeNode};
use dynamo_protocol::message::{Answer, Message, Operation, Refill, Request, Round};
use dynamo_protocol::ring::RangeId;
use dynamo_protocol::store::Durability;
use dynamo_protocol::versions::{
    Actor, Context, Dot, Epoch, Incarnation, NewVersion, Object, Stamp, Versioning, Written,
};
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;
use support::{Cluster, PATIENCE, wait_until};

fn put(sequence: u64, value: &str, context: Option<Context>) -> Frame {
    Frame::Request(Request {
        id: RequestId { client: ClientId(77), sequence },
        key: Key::from("k"),
        operation: Operation::Put { context, value: Some(Value::from(value)) },
        quorum: None,
    })
}

fn one_datagram(frame: &Frame) -> Vec<u8> {
    let mut datagrams = codec::encode(frame, 4711).unwrap();
    assert_eq!(datagrams.len(), 1);
    datagrams.remove(0)
}

/// Gives a datagram the right checksum after it was tampered with.
fn reseal(datagram: &mut [u8]) {
    let checksum = crc32fast::hash(&datagram[8..]);
    datagram[4..8].copy_from_slice(&checksum.to_le_bytes());
}

fn answer(socket: &UdpSocket) -> Answer {
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut buffer = [0; MAX_DATAGRAM_BYTES];
    let length = socket.recv(&mut buffer).unwrap();
    match codec::decode(&buffer[HEADER_BYTES..length]).unwrap() {
        Frame::Reply { answer, .. } => answer,
        other => panic!("{other:?}"),
    }
}

/// One datagram of each kind, many times over.
fn spray(socket: &UdpSocket, node: SocketAddr) {
    let honest = one_datagram(&put(1, "v", None));
    let id = RequestId { client: ClientId(1), sequence: 1 };
    let message = Message::Read { id, key: Key::from("k"), home: None };
    let spoofed = one_datagram(&Frame::Peer { from: NodeId(1), view: Default::default(), message });
    let unexpected =
        one_datagram(&Frame::Reply { id, view: Default::default(), answer: Answer::TimedOut });
    let mut damaged = honest.clone();
    *damaged.last_mut().unwrap() ^= 1;
    let mut version = honest.clone();
    version[3] = 99;
    let mut malformed = [&honest[..], b"trailing"].concat();
    reseal(&mut malformed);
    let mut bad_fragment = honest.clone();
    bad_fragment[16] = 9;
    reseal(&mut bad_fragment);
    let large = Frame::Request(Request {
        id,
        key: Key::from("k"),
        operation: Operation::Put { context: None, value: Some(Value(vec![0; 5000])) },
        quorum: None,
    });
    let fragment = codec::encode(&large, 5).unwrap().remove(1);
    let oversized = vec![b'd'; 3 * MAX_DATAGRAM_BYTES];
    let truncated = &honest[..HEADER_BYTES - 1];
    for round in 0..50u8 {
        let garbage: Vec<u8> = (0..=round).map(|i| i.wrapping_mul(151) ^ round).collect();
        let all: [&[u8]; 10] = [
            &garbage,
            truncated,
            &honest[..honest.len() - 1],
            &oversized,
            &damaged,
            &version,
            &malformed,
            &bad_fragment,
            &spoofed,
            &unexpected,
        ];
        for datagram in all {
            socket.send_to(datagram, node).unwrap();
        }
        socket.send_to(&fragment, node).unwrap();
    }
}

#[test]
fn garbage_is_counted_and_the_node_goes_on() {
    let mut cluster = Cluster::start(3, 3, 2, 2);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    spray(&socket, cluster.address(0));
    let mut client = cluster.client(0);
    let key = Key::from("after");
    wait_until("a put after the spray", || client.put(&key, Value::from("all"), None).is_ok());
    assert!(matches!(client.get(&key).unwrap(), Read::Found { .. }));
    let counters = cluster.stop(0);
    for name in [
        "refused-truncated",
        "refused-oversized",
        "refused-foreign",
        "refused-version",
        "refused-damaged",
        "refused-bad-fragment",
        "refused-duplicate-fragment",
        "refused-malformed",
        "refused-spoofed",
        "refused-unexpected",
    ] {
        assert!(counters.contains_key(name), "{name} is missing: {counters:?}");
    }
}

#[test]
fn a_replayed_put_is_not_applied_twice() {
    let mut cluster = Cluster::start(1, 1, 1, 1);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let (node, key) = (cluster.address(0), Key::from("k"));
    let first = one_datagram(&put(1, "old", None));
    socket.send_to(&first, node).unwrap();
    assert!(matches!(answer(&socket), Answer::Stored { .. }));

    let mut client = cluster.client(0);
    let Read::Found { context, .. } = client.get(&key).unwrap() else { panic!("it was stored") };
    client.put(&key, Value::from("new"), Some(context)).unwrap();
    let only_new = |client: &mut dynamo::client::Client| {
        let Read::Found { siblings, .. } = client.get(&key).unwrap() else { panic!("gone") };
        let values: Vec<_> = siblings.into_iter().filter_map(|written| written.value).collect();
        assert_eq!(values, [Value::from("new")]);
    };

    // Datagrams of one sender keep their order on loopback: the ping answers after the replay.
    socket.send_to(&first, node).unwrap();
    socket.send_to(&one_datagram(&Frame::Ping { nonce: 1 }), node).unwrap();
    socket.recv(&mut [0; MAX_DATAGRAM_BYTES]).unwrap();
    only_new(&mut client);
    assert_eq!(cluster.stop(0).get("ignored-duplicate"), Some(&1));

    cluster.restart(0);
    socket.send_to(&first, node).unwrap();
    only_new(&mut client);
    socket.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
    assert!(socket.recv(&mut [0; MAX_DATAGRAM_BYTES]).is_err(), "a replay gets no answer");
    assert_eq!(cluster.stop(0).get("ignored-duplicate"), Some(&1));
}

/// An object of this scheme that no honest node has made.
fn forged(versioning: Versioning) -> Object {
    let actor = Actor { node: NodeId(3), incarnation: Incarnation(1), epoch: Epoch(1) };
    let new = NewVersion::new(Dot { actor, counter: 9 }, Stamp(u64::MAX));
    let by = RequestId { client: ClientId(9), sequence: 9 };
    let written = Written { by, value: Some(Value::from("forged")) };
    let empty = versioning.empty_object();
    versioning.put(&empty, &versioning.empty_context(), NodeId(3), new, written)
}

/// Background messages that would do harm if they were believed, about a `key` that is there.
fn background(key: &Key, object: &Object) -> Vec<Message> {
    let (key, object) = (key.clone(), object.clone());
    let hash = Hash([7; 16]);
    let branch =
        |count| TreeNode::Branch((0..40).map(|nibble| (nibble, Child { count, hash })).collect());
    let leaf = |keys: u32| {
        let key = |i: u32| Key::from(format!("x{i}").as_str());
        TreeNode::Leaf((0..keys).map(|i| (key(i), hash)).collect())
    };
    let range = RangeId(u32::MAX);
    let deepest = Path::from_nibbles(&[15; 32]).unwrap();
    let (refill, after) = (Refill { life: Incarnation(1), losses: 0 }, None);
    let many = |count: usize| vec![(key.clone(), hash); count];
    let page = |objects| {
        let (after, next, lost) = (after.clone(), Some(key.clone()), Some(Incarnation(2)));
        Message::Page { refill, after, objects, next, lost }
    };
    vec![
        Message::Handoff { key: key.clone(), object: object.clone() },
        Message::HandedOff { key: key.clone(), hash },
        Message::Swap { key: key.clone(), object: Some(object.clone()) },
        Message::Repair { key: key.clone(), object: object.clone() },
        Message::Handoff { key: Key(vec![1; limits::MAX_KEY_BYTES + 1]), object: object.clone() },
        Message::Swap { key: Key(vec![1; limits::MAX_KEY_BYTES + 1]), object: None },
        page(vec![(key.clone(), object.clone())]),
        page(Vec::new()),
        Message::Pull { refill, after: Some(Key(vec![255; 5000])) },
        Message::Roots { from: range, to: RangeId(0), roots: vec![(range, hash)] },
        Message::Roots { from: RangeId(0), to: range, roots: vec![(range, hash); 1000] },
        Message::Roots { from: RangeId(0), to: range, roots: vec![(RangeId(9), hash); 48] },
        Message::Subtree { range, path: Path::ROOT, node: leaf(3) },
        Message::Subtree { range: RangeId(0), path: Path::ROOT, node: branch(u64::MAX) },
        Message::Subtree { range: RangeId(0), path: deepest, node: branch(1) },
        Message::Subtree { range: RangeId(0), path: Path::ROOT, node: leaf(500) },
        Message::ReapAsk { round: Round::First, tombstones: many(limits::REAP_BATCH + 1) },
        Message::ReapAsk { round: Round::Second, tombstones: many(1) },
        Message::ReapYes { round: Round::Second, tombstones: many(1) },
        Message::Reap { tombstones: many(1) },
        Message::Reap { tombstones: vec![(key.clone(), Hash::of_object(&key, &object))] },
        Message::Replicate {
            id: RequestId { client: ClientId(9), sequence: 9 },
            key,
            object,
            home: Some(NodeId(77)),
            durability: Durability::Durable,
        },
    ]
}

fn send(
    socket: &UdpSocket,
    (node, view): (SocketAddr, View),
    from: NodeId,
    messages: Vec<Message>,
) {
    for (message, name) in messages.into_iter().zip(0..) {
        for datagram in codec::encode(&Frame::Peer { from, view, message }, name).unwrap() {
            socket.send_to(&datagram, node).unwrap();
        }
    }
}

/// Nothing authenticates a member but its address. Whoever has that may say what members may say;
/// what no member would say changes nothing, and from elsewhere nothing is believed at all.
#[test]
fn forged_background_messages_do_no_harm() {
    let mut cluster = Cluster::start(3, 3, 2, 2);
    let view = cluster.status(0).members.expect("a layout").membership.view();
    let (node, key) = ((cluster.address(0), view), Key::from("k"));
    let mut client = cluster.client(0);
    wait_until("a put", || client.put(&key, Value::from("honest"), None).is_ok());
    let copies = |cluster: &Cluster| [0, 2].map(|node| cluster.status(node).ranges);
    wait_until("the copies agree", || copies(&cluster)[0] == copies(&cluster)[1]);
    let before = cluster.status(0);

    // From a stranger's address even what is sound is refused, and the core listens to no stranger.
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    let sound = background(&key, &forged(Versioning::Dotted));
    let count = sound.len() as u64;
    send(&stranger, node, NodeId(1), sound.clone());
    send(&stranger, node, NodeId(99), sound);
    wait_until("all have come", || {
        let counters = cluster.status(0).counters;
        ["refused-spoofed", "ignored-stranger"]
            .iter()
            .all(|name| counters.get(*name) == Some(&count))
    });
    assert_eq!(cluster.status(0).ranges, before.ranges);

    // From a member's address: of another scheme, unasked for, beyond the limits.
    cluster.kill(1);
    let member = UdpSocket::bind(cluster.address(1)).unwrap();
    let received = cluster.status(0).counters["received"];
    let unsound = background(&key, &forged(Versioning::LastWriterWins));
    send(&member, node, NodeId(1), unsound);
    wait_until("all have come", || {
        cluster.status(0).counters["received"] >= received + count
            && client.ping().unwrap().is_some()
    });
    let after = cluster.status(0);
    assert_eq!((after.ranges, after.hints, after.synchronised), (before.ranges, 0, true));
    let Read::Found { siblings, .. } = client.get(&key).unwrap() else { panic!("it is gone") };
    assert_eq!(siblings.len(), 1);
    assert_eq!(siblings[0].value, Some(Value::from("honest")));
    let counters = cluster.stop(0);
    for name in ["ignored-foreign-object", "ignored-stale", "ignored-key-too-long"] {
        assert!(counters.contains_key(name), "{name} is missing: {counters:?}");
    }
}

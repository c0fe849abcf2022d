//! What a node does about datagrams that no honest peer or client sends.
#![cfg(feature = "node")]

mod support;

use dynamo::client::Read;
use dynamo::wire::codec::{self, Frame, HEADER_BYTES, MAX_DATAGRAM_BYTES};
use dynamo_protocol::ids::{ClientId, Key, NodeId, RequestId, Value};
use dynamo_protocol::message::{Answer, Message, Operation, Request};
use dynamo_protocol::versions::Context;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;
use support::{Cluster, PATIENCE, wait_until};

fn put(sequence: u64, value: &str, context: Option<Context>) -> Frame {
    Frame::Request(Request {
        id: RequestId { client: ClientId(77), sequence },
        key: Key::from("k"),
        operation: Operation::Put { context, value: Some(Value::from(value)) },
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
    let message = Message::Read { id, key: Key::from("k") };
    let spoofed = one_datagram(&Frame::Peer { from: NodeId(1), message });
    let unexpected = one_datagram(&Frame::Reply { id, answer: Answer::Stored });
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
    assert_eq!(answer(&socket), Answer::Stored);

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

//! What a message costs on its way to the wire and back: `cargo bench --bench codec`.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use dynamo::wire::codec::{self, Frame, Header};
use dynamo::wire::fragments::{Fragments, Limits};
use dynamo_protocol::ids::{ClientId, Key, NodeId, RequestId, Value};
use dynamo_protocol::message::Message;
use dynamo_protocol::store::Durability;
use dynamo_protocol::versions::{
    Actor, Dot, Epoch, Incarnation, NewVersion, Stamp, Versioning, Written,
};
use std::hint::black_box;
use std::time::{Duration, Instant};

const LIMITS: Limits = Limits {
    max_frame_bytes: codec::MAX_PEER_FRAME_BYTES,
    max_frames: 16,
    max_frames_of_one: 16,
    max_bytes: codec::MAX_PEER_FRAME_BYTES,
    max_age: Duration::from_secs(60),
};

/// A replicated object of one value.
fn replicate(value_bytes: usize) -> Frame {
    let actor =
        Actor { node: NodeId(1), incarnation: Incarnation(u64::MAX), epoch: Epoch(1 << 50) };
    let new = NewVersion::new(Dot { actor, counter: 9 }, Stamp(0));
    let id = RequestId { client: ClientId(1 << 60), sequence: 77 };
    let written = Written { by: id, value: Some(Value(vec![42; value_bytes])) };
    let scheme = Versioning::Dotted;
    let context = scheme.empty_context();
    let object = scheme.put(&scheme.empty_object(), &context, NodeId(1), new, written);
    let (key, durability) = (Key::from("0123456789abcdef"), Durability::Durable);
    let message = Message::Replicate { id, key, object, home: None, durability };
    Frame::Peer { from: NodeId(1), view: Default::default(), message }
}

fn receive(datagrams: &[Vec<u8>], fragments: &mut Fragments, now: Instant) -> Option<Frame> {
    let from = ([127, 0, 0, 1], 7400).into();
    datagrams.iter().find_map(|datagram| {
        let (header, piece) = Header::parse(datagram).ok()?;
        let whole = fragments.accept(from, header, piece, now).ok()??;
        codec::decode(&whole).ok()
    })
}

fn benches(criterion: &mut Criterion) {
    for value_bytes in [100, 64 * 1024] {
        let frame = replicate(value_bytes);
        let datagrams = codec::encode(&frame, 1).expect("within limits");
        let mut group = criterion.benchmark_group(format!("replicate {value_bytes} B"));
        group.throughput(Throughput::Bytes(datagrams.iter().map(Vec::len).sum::<usize>() as u64));
        group.bench_function("encode", |b| b.iter(|| codec::encode(black_box(&frame), 1)));
        group.bench_function("decode", |b| {
            let now = Instant::now();
            let new = || Fragments::new(LIMITS);
            b.iter_batched_ref(
                new,
                |all| receive(black_box(&datagrams), all, now),
                BatchSize::SmallInput,
            );
        });
        group.finish();
    }
}

criterion_group!(codec_benches, benches);
criterion_main!(codec_benches);

//! What one step of a node costs, by kind of input: keys of 16 bytes, values of 100, N=3, R=W=2,
//! and a disk in memory. `cargo bench --bench handle`

#[path = "../src/protocol/tests/common/mod.rs"]
#[allow(dead_code)]
mod common;

use common::*;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use dynamo_protocol::door::{Input, Timer};
use dynamo_protocol::ids::NodeId;
use dynamo_protocol::membership::View;
use dynamo_protocol::message::{Message, Request};
use dynamo_protocol::versions::Object;
use std::hint::black_box;

/// Times `input` at a copy of `host`; copying and dropping are not timed.
fn step(bencher: &mut Criterion, name: &str, host: &Host, input: Input) {
    bencher.bench_function(&format!("handle/{name}"), |bencher| {
        bencher.iter_batched(
            || (host.node.clone(), input.clone()),
            |(mut node, input)| {
                let effects = node.handle(black_box(input));
                (node, effects)
            },
            BatchSize::SmallInput,
        );
    });
}

fn value() -> String {
    "v".repeat(100)
}

/// An owner that holds one version.
fn owner() -> Host {
    let mut host = USUAL.node(0);
    host.hear(1, repair(version(1)));
    host
}

/// The version that a blind put through this node makes.
fn version(node: u64) -> Object {
    object_of(USUAL, node, 10 + node, &value())
}

fn after(request: Request) -> Host {
    let mut host = owner();
    host.ask(request);
    host
}

fn all(bencher: &mut Criterion) {
    let ambient = owner().ambient;
    let client = |request| Input::Client { request, ambient };
    let peer = |message| Input::Peer { from: NodeId(1), view: View::default(), message, ambient };
    let over = || Some(owner().copy().expect("a copy").context());
    let put = || write(1, over(), Some(&value()));
    let (owner, other) = (owner(), USUAL.node(3));

    step(bencher, "put-at-owner", &owner, client(put()));
    step(bencher, "put-to-forward", &other, client(put()));
    step(bencher, "forwarded-put", &owner, peer(Message::Forward(put())));
    step(bencher, "replicate-new", &owner, peer(replicate(1, version(2))));
    step(bencher, "replicate-known", &owner, peer(replicate(1, version(1))));
    step(bencher, "replicated-reaching-w", &after(put()), peer(replicated(1)));
    step(bencher, "read", &owner, peer(read_for(1)));
    let copy = copy_for(1, Some(version(1)));
    step(bencher, "copy-reaching-r", &after(get(1)), peer(copy));
    step(bencher, "request-timer", &after(put()), Input::Timer(Timer::Request(id(1))));
}

criterion_group!(benches, all);
criterion_main!(benches);

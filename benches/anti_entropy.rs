//! What Merkle trees (paper §4.7) cost in partitions of 100 to 1,000,000 keys, with a disk in
//! memory: what an exchange sends to find one differing key, and what an update of the tree takes.
//! `cargo bench --bench anti_entropy`

#[path = "../src/protocol/tests/common/mod.rs"]
#[allow(dead_code)]
mod common;
#[path = "../src/protocol/tests/merkle/replica.rs"]
#[allow(dead_code)]
mod replica;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use dynamo_protocol::ids::Key;
use dynamo_protocol::merkle::{self, Hash};
use dynamo_protocol::store::{Durability, RecordKey};
use replica::{RANGE, Replica, Traffic, differences, exchange};

const SIZES: [u64; 5] = [100, 1_000, 10_000, 100_000, 1_000_000];

/// Keys that are made to differ, one at a time.
const SAMPLES: u64 = 200;

/// Of 16 bytes.
fn key(i: u64) -> Key {
    Key::from(&*format!("key-{i:012}"))
}

/// Numbers below `size`, evenly spread and in no order: 7919 divides no size.
fn sampled(size: u64) -> impl Iterator<Item = u64> {
    (1..).map(move |i| i * 7919 % size)
}

fn filled(size: u64) -> Replica {
    let mut replica = Replica::default();
    (0..size).for_each(|i| replica.merge(&key(i), 1));
    replica
}

/// A line of the table.
fn one_differing_key(size: u64, mine: &mut Replica) {
    let mut theirs = mine.clone();
    let mut all: Vec<Traffic> = Vec::new();
    for (sample, i) in (1..=SAMPLES).zip(sampled(size)) {
        // A bit that this key has not got yet, in small partitions for the second time.
        mine.merge(&key(i), 2 << (sample / size.min(SAMPLES)));
        all.push(exchange(mine, &mut theirs));
        assert_eq!(differences(mine, &theirs), 0);
    }
    let sum = |of: fn(&Traffic) -> usize| all.iter().map(of).sum::<usize>();
    let (messages, bytes) = (sum(|t| t.tree_messages), sum(|t| t.tree_bytes));
    let most = all.iter().map(|traffic| traffic.tree_bytes).max().expect("a sample");
    let depth = |key: &RecordKey| match key {
        RecordKey::Tree { path, .. } => path.depth(),
        _ => 0,
    };
    let depth = mine.disk.seen.keys().map(depth).max().expect("a record");
    let mean = |sum: usize| sum as f64 / SAMPLES as f64;
    println!(
        "{size:>9} {:>9} {depth:>6} {:>9.2} {:>8.0} {most:>8} {:>8.2}",
        mine.disk.seen.len(),
        mean(messages),
        mean(bytes),
        mean(sum(|t| t.object_messages)),
    );
}

fn exchanges_and_updates(bencher: &mut Criterion) {
    println!("One differing key: what the exchange sends, mean and most of {SAMPLES}.");
    println!("     keys   records levels  messages    bytes     most  objects");
    let mut replicas: Vec<Replica> = SIZES.into_iter().map(filled).collect();
    for (size, replica) in SIZES.into_iter().zip(&mut replicas) {
        one_differing_key(size, replica);
    }
    for (size, replica) in SIZES.into_iter().zip(&mut replicas) {
        let disk = &mut replica.disk;
        let mut changes = (2_u64..).zip(sampled(size)).map(|(content, i)| (content, key(i)));
        bencher.bench_function(&format!("anti-entropy/update/{size}"), |bencher| {
            bencher.iter_batched(
                || changes.next().expect("without end"),
                |(content, key)| {
                    let hash = Hash(u128::from(content).to_be_bytes());
                    merkle::update(disk, RANGE, &key, Some(hash), Durability::Durable);
                },
                BatchSize::SmallInput,
            );
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(30);
    targets = exchanges_and_updates
}
criterion_main!(benches);

//! Trials of WARS a second, on one thread: N=3, R=W=1 unless it says otherwise, with six times for
//! P(consistent). `cargo bench --bench pbs --no-default-features --features pbs`

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dynamo::analysis::pbs::{BLOCK, Delay, Legs, Quorum, Study};
use std::hint::black_box;
use std::num::NonZeroUsize;

const TIMES: [f64; 6] = [0.0, 1.0, 2.0, 5.0, 10.0, 100.0];

/// Times four blocks, as many as keep the setup of a study out of the figure.
fn trials(bencher: &mut Criterion, name: &str, legs: &Legs, (n, r, w): (usize, usize, usize)) {
    let quorum = Quorum::new(n, r, w).expect("a quorum");
    let samples = 4 * BLOCK;
    let study = Study::new(legs.clone(), quorum, TIMES.to_vec(), samples, 1).expect("a study");
    let mut group = bencher.benchmark_group("pbs");
    group.throughput(Throughput::Elements(samples)).sample_size(20);
    group.bench_function(name, |bencher| {
        bencher.iter(|| black_box(&study).run(NonZeroUsize::MIN, &|_| true));
    });
}

fn all(bencher: &mut Criterion) {
    let named = |name| Legs::named(name).expect("a name");
    let exponential = Legs::of(Delay::Exponential(0.1), Delay::Exponential(1.0)).expect("delays");
    trials(bencher, "exponential", &exponential, (3, 1, 1));
    trials(bencher, "lnkd-ssd", &named("lnkd-ssd"), (3, 1, 1));
    trials(bencher, "lnkd-disk", &named("lnkd-disk"), (3, 1, 1));
    trials(bencher, "lnkd-disk-322", &named("lnkd-disk"), (3, 2, 2));
    trials(bencher, "wan", &named("wan"), (3, 1, 1));
    trials(bencher, "lnkd-disk-n10", &named("lnkd-disk"), (10, 1, 1));
}

criterion_group!(benches, all);
criterion_main!(benches);

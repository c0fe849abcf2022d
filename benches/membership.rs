//! What knowing the layout is worth to a client (paper §6.4), and how fast a change of the layout
//! gets round: `cargo bench --bench membership [-- routing|gossip] [-- ROUNDS]`.
//!
//! Real processes on this machine, N=3, R=W=2. Both sides of each comparison take turns within one
//! round, so that what else the machine does meets both alike.

#[path = "../tests/support/mod.rs"]
mod support;

use dynamo::client::{Client, Read};
use dynamo::shell::gossip::Pace;
use dynamo_protocol::ids::{Key, Value};
use hdrhistogram::Histogram;
use std::thread::sleep;
use std::time::{Duration, Instant};
use support::{Cluster, wait_until};

/// Requests of each kind and routing in a round.
const REQUESTS: usize = 5000;

/// How long an idle cluster's datagrams are counted.
const IDLE: Duration = Duration::from_secs(10);

/// Until the adaptive clock has slowed down again.
const CALM: Duration = Duration::from_secs(3);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let is_asked = |what: &str| {
        arguments.iter().any(|argument| argument == what)
            || !arguments.iter().any(|argument| argument == "routing" || argument == "gossip")
    };
    let rounds = arguments.iter().find_map(|argument| argument.parse().ok()).unwrap_or(3);
    if is_asked("routing") {
        routing(rounds);
    }
    if is_asked("gossip") {
        gossip(rounds);
    }
}

/// Latencies of one operation with one routing, in microseconds.
type Latencies = Histogram<u64>;

fn routing(rounds: usize) {
    let cluster = Cluster::start(5, 3, 2, 2);
    // Server-driven: as behind a balancer that picks any node, with a warm connection to each.
    let mut any: Vec<Client> = (0..5).map(|node| cluster.client(node)).collect();
    let mut aware = Client::connect(&cluster.addresses()).expect("a socket").partition_aware();
    println!(
        "{:>5} {:>4} {:>16} {:>8} {:>8} {:>8} {:>8}  (us)",
        "round", "", "routing", "mean", "p50", "p99", "p99.9"
    );
    for round in 0..=rounds {
        for is_put in [true, false] {
            let mut latencies = [histogram(), histogram()];
            for i in 0..REQUESTS {
                // Whoever comes first may warm something up for the other: take turns.
                for side in [i % 2, (i + 1) % 2] {
                    let client = match side {
                        0 => &mut any[rand::random_range(0..5)],
                        _ => &mut aware,
                    };
                    let took = request(client, is_put, round, i, side);
                    latencies[side].saturating_record(took.as_micros() as u64);
                }
            }
            // The first round warms up.
            if round > 0 {
                print(round, is_put, &latencies);
            }
        }
    }
    println!("layout fetched {} times", aware.refreshes());
}

fn histogram() -> Latencies {
    Histogram::new_with_max(60_000_000, 3).expect("a histogram")
}

/// Every put has a key of its own; a get reads what the same side has put in this round.
fn request(client: &mut Client, is_put: bool, round: usize, i: usize, side: usize) -> Duration {
    let key = Key::from(format!("key-{round:03}-{i:06}-{side}").as_str());
    let started = Instant::now();
    if is_put {
        client.put(&key, Value(vec![7; 100]), None).expect("the put is stored");
    } else {
        assert!(matches!(client.get(&key), Ok(Read::Found { .. })));
    }
    started.elapsed()
}

fn print(round: usize, is_put: bool, latencies: &[Latencies; 2]) {
    let operation = if is_put { "put" } else { "get" };
    let figures = latencies.each_ref().map(|latencies| {
        let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|q| latencies.value_at_quantile(q) as f64);
        [latencies.mean(), p50, p99, p999]
    });
    for (name, [mean, p50, p99, p999]) in ["server-driven", "partition-aware"].iter().zip(figures) {
        println!(
            "{round:>5} {operation:>4} {name:>16} {mean:>8.0} {p50:>8.0} {p99:>8.0} {p999:>8.0}"
        );
    }
    let [a, b] = figures;
    let ratio = |i: usize| b[i] / a[i];
    println!(
        "{round:>5} {operation:>4} {:>16} {:>8.2} {:>8.2} {:>8.2} {:>8.2}",
        "ratio",
        ratio(0),
        ratio(1),
        ratio(2),
        ratio(3)
    );
}

fn gossip(rounds: usize) {
    for round in 1..=rounds {
        for pace in if round % 2 == 0 {
            [Pace::Fixed, Pace::Adaptive]
        } else {
            [Pace::Adaptive, Pace::Fixed]
        } {
            let mut cluster = Cluster::start(3, 3, 2, 2);
            for node in 0..3 {
                cluster.kill(node);
                cluster.configs[node].gossip = pace;
                cluster.write_config(&cluster.configs[node]);
                cluster.restart(node);
            }
            // Joiners take their pace from the first node's file.
            let joiners: Vec<usize> = (0..3).map(|_| cluster.start_joiner()).collect();
            print!("{round} {pace:?}: {:.1} datagrams/s when idle", idle(&cluster, 3));
            for (joiner, version) in joiners.into_iter().zip(1..) {
                let address = cluster.address(joiner).to_string();
                cluster.obeyed(0, &["join", &format!("n{joiner}"), &address]);
                let all: Vec<usize> = (0..=joiner).collect();
                print!(", to {} nodes {:.2} s", all.len(), change(&cluster, &all, version));
            }
            cluster.obeyed(0, &["leave", "n4"]);
            cluster.obeyed(0, &["leave", "n5"]);
            println!(", to 4 nodes {:.2} s", change(&cluster, &[0, 1, 2, 3], 4));
        }
    }
}

/// Commits what is planned: seconds until all of `nodes` are in the new layout, with nothing left to
/// do for it.
fn change(cluster: &Cluster, nodes: &[usize], version: u64) -> f64 {
    sleep(CALM);
    let started = Instant::now();
    cluster.obeyed(0, &["commit"]);
    wait_until("the change is over", || cluster.are_in_layout(nodes, version));
    started.elapsed().as_secs_f64()
}

/// Datagrams a second that `nodes` nodes send while nobody asks them anything.
fn idle(cluster: &Cluster, nodes: usize) -> f64 {
    sleep(CALM);
    let sent = || -> u64 { (0..nodes).map(|node| cluster.status(node).counters["sent"]).sum() };
    // What answering costs comes off.
    let (first, second, started) = (sent(), sent(), Instant::now());
    sleep(IDLE);
    let all = sent() - second;
    all.saturating_sub(second - first) as f64 / started.elapsed().as_secs_f64()
}

//! Three nodes and a load generator on this machine, N=3, R=W=2, durable puts on a real disk:
//! `cargo bench --bench loopback [-- SECONDS]`.
//!
//! One line for each operation and number of requests outstanding. Latency is from sending a
//! request to its answer, in microseconds; a session has one request at a time.

use dynamo::node::local::Plan;
use dynamo::node::{Server, Stopper};
use dynamo::shell::scheme::Scheme;
use dynamo::wire::codec::{self, Frame, HEADER_BYTES, MAX_DATAGRAM_BYTES};
use dynamo_protocol::ids::{ClientId, Key, RequestId, Value};
use dynamo_protocol::message::{Answer, Operation, Request};
use hdrhistogram::Histogram;
use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const VALUE_BYTES: usize = 100;

/// A request that gets no answer for so long is lost.
const LOST_AFTER: Duration = Duration::from_secs(5);

fn main() {
    // Cargo passes flags of its own.
    let seconds = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(3);
    let folder = tempfile::tempdir().expect("a folder");
    let (addresses, nodes) = start(folder.path());
    let mut load = Load::new(addresses);
    println!(
        "{:>4} {:>11} {:>9} {:>8} {:>8} {:>8} {:>6} {:>6}",
        "", "outstanding", "ops/s", "p50 us", "p99 us", "max us", "failed", "lost"
    );
    for outstanding in [1, 8, 64, 256] {
        for is_put in [true, false] {
            load.run(is_put, outstanding, Duration::from_secs(seconds));
        }
    }
    for (stopper, node) in nodes {
        stopper.stop();
        println!("{}", node.join().expect("the node's thread"));
    }
}

/// Three nodes, each a thread of its own.
fn start(folder: &std::path::Path) -> (Vec<SocketAddr>, Vec<(Stopper, JoinHandle<String>)>) {
    let plan =
        Plan { nodes: 3, port: 17400, cluster: Scheme::with_quorums(3, 2, 2), ..Plan::default() };
    let nodes = plan.configs(folder).expect("a plan").into_iter().map(|config| {
        let server = Server::open(&config, true).expect("free ports from 17400 on");
        let stopper = server.stopper();
        let run = move || match server.run() {
            Ok(counters) => format!("{} {counters}", config.name()),
            Err(error) => format!("{} failed: {error}", config.name()),
        };
        (stopper, std::thread::spawn(run))
    });
    (plan.addresses().expect("a plan"), nodes.collect())
}

/// Sends requests of many sessions from one socket.
struct Load {
    socket: UdpSocket,
    nodes: Vec<SocketAddr>,
    /// Keys written so far.
    keys: u64,
    /// Sessions begun so far.
    sessions: u64,
    sent_at: HashMap<RequestId, Instant>,
}

impl Load {
    fn new(nodes: Vec<SocketAddr>) -> Load {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        // Answers come in bursts of a whole batch.
        socket2::SockRef::from(&socket).set_recv_buffer_size(4 << 20).expect("a buffer");
        socket.set_read_timeout(Some(LOST_AFTER)).expect("a timeout");
        Load { socket, nodes, keys: 0, sessions: 0, sent_at: HashMap::new() }
    }

    /// Keeps `outstanding` sessions busy for as long as `time`, then prints a line.
    fn run(&mut self, is_put: bool, outstanding: u64, time: Duration) {
        let mut latency = Histogram::<u64>::new_with_max(60_000_000, 3).expect("a histogram");
        let (mut failed, start) = (0, Instant::now());
        let mut end = start;
        for _ in 0..outstanding {
            self.sessions += 1;
            let client = ClientId(self.sessions);
            self.send(RequestId { client, sequence: 1 }, is_put);
        }
        while let Some((id, answer)) = self.answer() {
            let Some(sent_at) = self.sent_at.remove(&id) else { continue };
            end = Instant::now();
            latency.saturating_record(sent_at.elapsed().as_micros() as u64);
            failed += u64::from(!matches!(answer, Answer::Stored { .. } | Answer::Found { .. }));
            if start.elapsed() < time {
                self.send(RequestId { sequence: id.sequence + 1, ..id }, is_put);
            } else if self.sent_at.is_empty() {
                break;
            }
        }
        let lost = self.sent_at.drain().count();
        println!(
            "{:>4} {:>11} {:>9.0} {:>8} {:>8} {:>8} {:>6} {:>6}",
            if is_put { "put" } else { "get" },
            outstanding,
            latency.len() as f64 / (end - start).as_secs_f64(),
            latency.value_at_quantile(0.5),
            latency.value_at_quantile(0.99),
            latency.max(),
            failed,
            lost
        );
    }

    fn send(&mut self, id: RequestId, is_put: bool) {
        let (number, operation) = if is_put {
            self.keys += 1;
            let value = Some(Value(vec![7; VALUE_BYTES]));
            (self.keys, Operation::Put { context: None, value })
        } else {
            (id.sequence * 7919 % self.keys + 1, Operation::Get)
        };
        let key = Key::from(format!("key-{number:012}").as_str());
        let node = self.nodes[(number % self.nodes.len() as u64) as usize];
        let frame = Frame::Request(Request { id, key, operation, quorum: None });
        let datagrams =
            codec::encode(&frame, self.keys << 20 | id.sequence).expect("within limits");
        self.sent_at.insert(id, Instant::now());
        datagrams.iter().for_each(|datagram| drop(self.socket.send_to(datagram, node)));
    }

    fn answer(&self) -> Option<(RequestId, Answer)> {
        let mut buffer = [0; MAX_DATAGRAM_BYTES];
        let length = self.socket.recv(&mut buffer).ok()?;
        match codec::decode(&buffer[HEADER_BYTES..length]).expect("a frame") {
            Frame::Reply { id, answer, .. } => Some((id, answer)),
            other => panic!("{other:?}"),
        }
    }
}

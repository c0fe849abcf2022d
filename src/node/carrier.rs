//! What takes its time on the way to other members: a thread sends each datagram when it is due.
//!
//! The event loop would be late, as `epoll` sleeps whole milliseconds. A thread that waits for the
//! next datagram or for a new one sleeps as exactly as the kernel can, to tens of microseconds, and
//! those that receive need not know. What is on its way when the node ends is lost.

use super::faults::Held;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::Instant;

/// Sends datagrams when they are due.
pub(super) struct Carrier(Sender<(Instant, SocketAddr, Vec<u8>)>);

impl Carrier {
    /// One that sends from `socket`, for as long as this value is there.
    pub(super) fn new(socket: UdpSocket) -> Carrier {
        let (carrier, inbox) = mpsc::channel();
        std::thread::spawn(move || carry(&inbox, &socket));
        Carrier(carrier)
    }

    /// Sends a datagram to `to` at `due`.
    pub(super) fn take(&self, due: Instant, to: SocketAddr, datagram: Vec<u8>) {
        // The thread ends after this value only.
        let _ = self.0.send((due, to, datagram));
    }
}

/// Lets the kernel wake this thread when it is time. Usually it may be 50 us late, to wake several
/// at once. Where there is no such file, the thread stays as late as it is.
pub(crate) fn be_punctual() {
    if let Ok(me) = std::fs::read_link("/proc/thread-self")
        && let Some(thread) = me.file_name()
    {
        let _ = std::fs::write(Path::new("/proc").join(thread).join("timerslack_ns"), "1");
    }
}

fn carry(inbox: &Receiver<(Instant, SocketAddr, Vec<u8>)>, socket: &UdpSocket) {
    be_punctual();
    let mut held = Held::default();
    let send = |(to, datagram): (SocketAddr, Vec<u8>)| {
        if let Err(error) = socket.send_to(&datagram, to) {
            tracing::debug!(%to, "a datagram is lost: {error}");
        }
    };
    loop {
        let news = match held.next_due() {
            None => inbox.recv().map_err(RecvTimeoutError::from),
            Some(due) => inbox.recv_timeout(due.saturating_duration_since(Instant::now())),
        };
        match news {
            Ok((_, to, datagram)) if held.is_full() => send((to, datagram)),
            Ok((due, to, datagram)) => held.hold(due, to, datagram),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        let now = Instant::now();
        while let Some(datagram) = held.pop_due(now) {
            send(datagram);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::pbs::{Delay, Draws, Histogram, stream};
    use std::time::Duration;

    /// How late each of so many datagrams comes, of which one leaves every `gap`.
    fn lateness(count: u64, gap: Duration) -> Vec<Duration> {
        let [from, to] = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
        let address = to.local_addr().unwrap();
        let carrier = Carrier::new(from);
        let sender = std::thread::spawn(move || {
            let (mut draws, mut random) = (Draws::new(Delay::Exponential(1.0)), stream(0, 0));
            let due = |number: u64| {
                let latency = Duration::from_secs_f64(draws.next(&mut random) / 1000.0);
                let due = Instant::now() + latency;
                carrier.take(due, address, number.to_le_bytes().into());
                std::thread::sleep(gap);
                due
            };
            let dues: Vec<Instant> = (0..count).map(due).collect();
            // Until the last has left.
            std::thread::sleep(Duration::from_millis(100));
            dues
        });
        to.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let mut buffer = [0; 8];
        let mut come = || {
            assert_eq!(to.recv(&mut buffer).unwrap(), buffer.len());
            (u64::from_le_bytes(buffer), Instant::now())
        };
        let mut all: Vec<(u64, Instant)> = (0..count).map(|_| come()).collect();
        all.sort();
        let dues = sender.join().unwrap().into_iter();
        let late = |(due, (_, at)): (Instant, &(u64, Instant))| {
            at.checked_duration_since(due).expect("never before its time")
        };
        dues.zip(&all).map(late).collect()
    }

    #[test]
    fn every_datagram_comes_and_none_before_its_time() {
        // So few that the kernel holds them all, however late they are looked at.
        assert_eq!(lateness(100, Duration::ZERO).len(), 100);
    }

    /// For `reports/answers.md`: `cargo test --release --lib -- --ignored --nocapture how_late`.
    #[test]
    #[ignore = "it measures, and asserts nothing"]
    fn how_late_datagrams_come() {
        let mut all = Histogram::default();
        let late = lateness(10_000, Duration::from_millis(1));
        late.iter().for_each(|late| all.record(late.as_secs_f64() * 1000.0));
        let mean = late.iter().sum::<Duration>() / late.len() as u32;
        println!("ms late: mean {:.4}", mean.as_secs_f64() * 1000.0);
        for q in [0.01, 0.5, 0.9, 0.99, 0.999] {
            println!("  {q}: {:.4}", all.quantile(q).ms);
        }
    }
}

//! A node's socket: datagrams in, frames out of them; frames in, datagrams out of them.

use super::NodeError;
use super::addresses::AddressBook;
use super::carrier::Carrier;
use super::faults::Faults;
use crate::shell::counters::Counters;
use crate::shell::leg::Leg;
use crate::wire::codec::{self, Frame, Header, MAX_DATAGRAM_BYTES, Refused};
use crate::wire::fragments::{Fragments, Limits};
use mio::net::UdpSocket;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// How long an incomplete frame waits for its missing pieces.
const MAX_FRAGMENT_AGE: Duration = Duration::from_secs(2);

/// Incomplete frames of members.
const PEER_LIMITS: Limits = Limits {
    max_frame_bytes: codec::MAX_PEER_FRAME_BYTES,
    max_frames: 4096,
    max_frames_of_one: 256,
    max_bytes: 128 * 1024 * 1024,
    max_age: MAX_FRAGMENT_AGE,
};

/// Incomplete frames of everybody else, who shares no room with the members.
const CLIENT_LIMITS: Limits = Limits {
    max_frame_bytes: codec::MAX_CLIENT_FRAME_BYTES,
    max_frames: 1024,
    max_frames_of_one: 16,
    max_bytes: 64 * 1024 * 1024,
    max_age: MAX_FRAGMENT_AGE,
};

/// The socket of a node, and who speaks on the other side.
pub(super) struct NodeSocket {
    socket: UdpSocket,
    book: AddressBook,
    from_peers: Fragments,
    from_clients: Fragments,
    next_message: u64,
    buffer: [u8; MAX_DATAGRAM_BYTES + 1],
    faults: Option<Faults>,
    /// Takes what is not to arrive at once.
    carrier: Option<Carrier>,
    /// Where to, how much later than at once, and what.
    outbox: Vec<(SocketAddr, Duration, Vec<u8>)>,
}

/// What a read of the socket gave.
#[expect(clippy::large_enum_variant, reason = "it is matched at once, never kept")]
pub(super) enum Received {
    /// A whole frame, and where it came from.
    Frame(SocketAddr, Frame),
    /// Something that is no whole frame; whatever is wrong with it has been counted.
    Nothing,
    /// Nothing more for now.
    Drained,
}

impl NodeSocket {
    pub(super) fn new(socket: std::net::UdpSocket, book: AddressBook) -> NodeSocket {
        NodeSocket {
            socket: UdpSocket::from_std(socket),
            book,
            from_peers: Fragments::new(PEER_LIMITS),
            from_clients: Fragments::new(CLIENT_LIMITS),
            next_message: rand::random(),
            buffer: [0; MAX_DATAGRAM_BYTES + 1],
            faults: None,
            carrier: None,
            outbox: Vec::new(),
        }
    }

    pub(super) fn source(&mut self) -> &mut UdpSocket {
        &mut self.socket
    }

    /// Who is where.
    pub(super) fn book(&mut self) -> &mut AddressBook {
        &mut self.book
    }

    /// Reads one datagram.
    pub(super) fn receive(
        &mut self,
        now: Instant,
        counters: &mut Counters,
    ) -> Result<Received, NodeError> {
        let (length, from) = match self.take_held(now) {
            Some(held) => held,
            None => match self.socket.recv_from(&mut self.buffer) {
                Ok((length, from)) => {
                    counters.count("received");
                    let faults = self.faults.as_mut();
                    let let_in =
                        |f: &mut Faults| f.let_in(from, &self.buffer[..length], now, counters);
                    if !faults.is_none_or(let_in) {
                        return Ok(Received::Nothing);
                    }
                    (length, from)
                }
                Err(error) => {
                    return match error.kind() {
                        ErrorKind::WouldBlock => Ok(Received::Drained),
                        // An earlier datagram bounced, or a signal came: neither is about this
                        // socket.
                        ErrorKind::Interrupted | ErrorKind::ConnectionRefused => {
                            Ok(Received::Nothing)
                        }
                        _ => Err(NodeError::Socket(error)),
                    };
                }
            },
        };
        match self.open(length, from, now) {
            Ok(Some(frame)) => Ok(Received::Frame(from, frame)),
            Ok(None) => Ok(Received::Nothing),
            Err(why) => {
                counters.count(counter_of(why));
                tracing::debug!(%from, length, "{why}");
                Ok(Received::Nothing)
            }
        }
    }

    /// A datagram that was held back until now.
    fn take_held(&mut self, now: Instant) -> Option<(usize, SocketAddr)> {
        let (from, datagram) = self.faults.as_mut()?.pop_due(now)?;
        self.buffer[..datagram.len()].copy_from_slice(&datagram);
        Some((datagram.len(), from))
    }

    /// Lets faults strike from now on.
    ///
    /// # Errors
    /// If the socket cannot be shared with whoever sends later.
    pub(super) fn suffer(&mut self, faults: Faults) -> Result<(), NodeError> {
        if faults.have_latency() {
            let shared = self.socket.as_fd().try_clone_to_owned().map_err(NodeError::Socket)?;
            self.carrier = Some(Carrier::new(shared.into()));
        }
        self.faults = Some(faults);
        Ok(())
    }

    /// Whether faults can strike.
    pub(super) fn suffers(&self, now: Instant) -> bool {
        self.faults.as_ref().is_some_and(|faults| faults.are_on(now))
    }

    /// When the next datagram that was held back comes in.
    pub(super) fn next_held(&self) -> Option<Instant> {
        self.faults.as_ref().and_then(Faults::next_due)
    }

    fn open(
        &mut self,
        length: usize,
        from: SocketAddr,
        now: Instant,
    ) -> Result<Option<Frame>, Refused> {
        let (header, piece) = Header::parse(&self.buffer[..length])?;
        if header.count == 1 {
            return codec::decode(piece).map(Some);
        }
        let pool =
            if self.book.is_trusted(from) { &mut self.from_peers } else { &mut self.from_clients };
        match pool.accept(from, header, piece, now)? {
            Some(bytes) => codec::decode(&bytes).map(Some),
            None => Ok(None),
        }
    }

    /// Puts a frame where [`NodeSocket::flush`] finds it.
    pub(super) fn queue(&mut self, to: SocketAddr, frame: &Frame, counters: &mut Counters) {
        let Some(latency) = self.latency(to, frame) else { return counters.count("faults-lost") };
        if !latency.is_zero() {
            counters.count("faults-delayed");
        }
        self.next_message = self.next_message.wrapping_add(1);
        match codec::encode(frame, self.next_message) {
            Ok(datagrams) => self.outbox.extend(datagrams.into_iter().map(|d| (to, latency, d))),
            Err(why) => {
                counters.count("unsendable");
                tracing::warn!(%to, "a message is not sent: {why}");
            }
        }
    }

    /// How much longer than at once a frame is to take; `None` if it is not to come.
    fn latency(&mut self, to: SocketAddr, frame: &Frame) -> Option<Duration> {
        let faults = self.faults.as_mut().filter(|_| self.book.is_trusted(to));
        let Some(faults) = faults else { return Some(Duration::ZERO) };
        let leg = match frame {
            Frame::Peer { message, .. } => Leg::of(message),
            _ => Leg::Acknowledgement,
        };
        faults.latency(leg, Instant::now())
    }

    /// Sends what is queued, now or when its latency is over. What the kernel does not take is lost,
    /// as any datagram may be.
    pub(super) fn flush(&mut self, counters: &mut Counters) {
        for (to, latency, datagram) in self.outbox.drain(..) {
            if let Some(carrier) = self.carrier.as_ref().filter(|_| !latency.is_zero()) {
                carrier.take(Instant::now() + latency, to, datagram);
                counters.count("sent");
                continue;
            }
            match self.socket.send_to(&datagram, to) {
                Ok(_) => counters.count("sent"),
                Err(error) => {
                    counters.count("send-failed");
                    tracing::debug!(%to, "a datagram is lost: {error}");
                }
            }
        }
    }

    /// Forgets frames whose missing pieces are not coming any more.
    pub(super) fn expire(&mut self, now: Instant, counters: &mut Counters) {
        let expired = self.from_peers.expire(now) + self.from_clients.expire(now);
        if expired > 0 {
            counters.add("incomplete-frames", expired);
        }
    }

    /// Whether any frame waits for pieces.
    pub(super) fn has_incomplete(&self) -> bool {
        !self.from_peers.is_empty() || !self.from_clients.is_empty()
    }
}

/// Takes the address.
pub(super) fn bind(listen: SocketAddr) -> Result<std::net::UdpSocket, NodeError> {
    let cannot = |error| NodeError::Listen(listen, error);
    let socket = std::net::UdpSocket::bind(listen).map_err(cannot)?;
    socket.set_nonblocking(true).map_err(cannot)?;
    crate::wire::grow_buffers(&socket);
    Ok(socket)
}

/// The counter of a datagram or frame that was refused.
fn counter_of(why: Refused) -> &'static str {
    match why {
        Refused::Truncated => "refused-truncated",
        Refused::Oversized => "refused-oversized",
        Refused::Foreign => "refused-foreign",
        Refused::Version => "refused-version",
        Refused::Damaged => "refused-damaged",
        Refused::BadFragment => "refused-bad-fragment",
        Refused::DuplicateFragment => "refused-duplicate-fragment",
        Refused::TooManyFragments => "refused-too-many-fragments",
        Refused::Malformed => "refused-malformed",
    }
}

//! The socket of whoever asks nodes: one question at a time.

use super::codec::{self, Frame, Header, MAX_DATAGRAM_BYTES, Refused};
use super::fragments::{Fragments, Limits};
use super::grow_buffers;
use super::status::{Digests, Status};
use dynamo_protocol::ids::NodeId;
use dynamo_protocol::membership::{Command, View};
use dynamo_protocol::message::{Answer, Request};
use std::io::{Error, ErrorKind, Result};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// Incomplete answers; one request is out at a time, late answers to earlier ones may mix in.
const LIMITS: Limits = Limits {
    max_frame_bytes: codec::MAX_PEER_FRAME_BYTES,
    max_frames: 16,
    max_frames_of_one: 16,
    max_bytes: 4 * codec::MAX_PEER_FRAME_BYTES,
    max_age: Duration::from_secs(2),
};

/// How long a node may take to say that it is there.
pub const PING_TIMEOUT: Duration = Duration::from_millis(500);

/// Sends frames to nodes and waits for theirs.
#[derive(Debug)]
pub struct Caller {
    socket: UdpSocket,
    fragments: Fragments,
    next_message: u64,
}

impl Caller {
    /// A socket that can reach `node`; on loopback if `node` is, so that nobody else reaches it.
    ///
    /// # Errors
    /// If there is no socket to be had.
    pub fn towards(node: SocketAddr) -> Result<Caller> {
        let ip: IpAddr = match node {
            SocketAddr::V4(v4) if v4.ip().is_loopback() => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(v6) if v6.ip().is_loopback() => Ipv6Addr::LOCALHOST.into(),
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = UdpSocket::bind((ip, 0))?;
        grow_buffers(&socket);
        let fragments = Fragments::new(LIMITS);
        Ok(Caller { socket, fragments, next_message: rand::random() })
    }

    /// The answer of `node` to `request`, and on which layouts it acts; `None` if none comes in time.
    ///
    /// # Errors
    /// If the socket fails.
    pub fn ask(
        &mut self,
        node: SocketAddr,
        request: Request,
        timeout: Duration,
    ) -> Result<Option<(Answer, View)>> {
        let asked = request.id;
        self.send(node, &Frame::Request(request))?;
        self.wait(node, timeout, |frame| match frame {
            Frame::Reply { id, view, answer } if id == asked => Some((answer, view)),
            _ => None,
        })
    }

    /// Who is at `node`; `None` if nobody says so in time.
    ///
    /// # Errors
    /// If the socket fails.
    pub fn ping(&mut self, node: SocketAddr, timeout: Duration) -> Result<Option<NodeId>> {
        let asked: u64 = rand::random();
        self.send(node, &Frame::Ping { nonce: asked })?;
        self.wait(node, timeout, |frame| match frame {
            Frame::Pong { nonce, node } if nonce == asked => Some(node),
            _ => None,
        })
    }

    /// How the node at `node` is; `None` if it does not say so in time.
    ///
    /// # Errors
    /// If the socket fails.
    pub fn examine(
        &mut self,
        node: SocketAddr,
        digests: Digests,
        timeout: Duration,
    ) -> Result<Option<Status>> {
        let asked: u64 = rand::random();
        self.send(node, &Frame::Examine { nonce: asked, digests })?;
        self.wait(node, timeout, |frame| match frame {
            Frame::Examined { nonce, status } if nonce == asked => Some(*status),
            _ => None,
        })
    }

    /// Tells the node at `node` what to do, again and again until it says what came of it; `None`
    /// if it does not in time.
    ///
    /// # Errors
    /// If the socket fails.
    pub fn command(
        &mut self,
        node: SocketAddr,
        command: &Command,
        timeout: Duration,
    ) -> Result<Option<std::result::Result<(), String>>> {
        let asked: u64 = rand::random();
        let deadline = Instant::now() + timeout;
        while Instant::now() < deadline {
            self.send(node, &Frame::Command { nonce: asked, command: Box::new(command.clone()) })?;
            let told = self.wait(node, timeout.min(PING_TIMEOUT), |frame| match frame {
                Frame::Obeyed { nonce, result } if nonce == asked => Some(result),
                _ => None,
            })?;
            if told.is_some() {
                return Ok(told);
            }
        }
        Ok(None)
    }

    fn send(&mut self, node: SocketAddr, frame: &Frame) -> Result<()> {
        self.next_message = self.next_message.wrapping_add(1);
        let datagrams = codec::encode(frame, self.next_message).map_err(Error::other)?;
        for datagram in datagrams {
            self.socket.send_to(&datagram, node)?;
        }
        Ok(())
    }

    /// The first frame from `node` that `wanted` takes.
    fn wait<T>(
        &mut self,
        node: SocketAddr,
        timeout: Duration,
        wanted: impl Fn(Frame) -> Option<T>,
    ) -> Result<Option<T>> {
        let deadline = Instant::now() + timeout;
        let mut buffer = [0; MAX_DATAGRAM_BYTES + 1];
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            self.socket.set_read_timeout(Some(left))?;
            let (length, from) = match self.socket.recv_from(&mut buffer) {
                Ok(received) => received,
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock | ErrorKind::TimedOut => return Ok(None),
                    ErrorKind::Interrupted | ErrorKind::ConnectionRefused => continue,
                    _ => return Err(error),
                },
            };
            if from != node {
                continue;
            }
            // Whatever is no frame of ours is as good as lost.
            if let Ok(Some(frame)) = self.open(&buffer[..length], from)
                && let Some(found) = wanted(frame)
            {
                return Ok(Some(found));
            }
        }
    }

    fn open(
        &mut self,
        datagram: &[u8],
        from: SocketAddr,
    ) -> std::result::Result<Option<Frame>, Refused> {
        let (header, piece) = Header::parse(datagram)?;
        match self.fragments.accept(from, header, piece, Instant::now())? {
            Some(bytes) => codec::decode(&bytes).map(Some),
            None => Ok(None),
        }
    }
}

//! The loop: wait, gather, handle, commit, send.

use super::config::NodeConfig;
use super::counters::{self, Counters};
use super::disk::Disk;
use super::socket::{NodeSocket, Received};
use super::timers::Timers;
use super::{NodeError, start};
use crate::wire::codec::Frame;
use crate::wire::session_started_ms;
use dynamo_protocol::door::{Ambient, Delay, Effect, Effects, Input, Note};
use dynamo_protocol::ids::{NodeId, RequestId};
use dynamo_protocol::message::Request;
use dynamo_protocol::node::Node;
use dynamo_protocol::versions::{Epoch, Stamp};
use mio::{Events, Interest, Poll, Token, Waker};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// Most datagrams that share one commit: enough to fill it, few enough to answer the first soon.
const MAX_BATCH_DATAGRAMS: usize = 256;

/// How often incomplete frames are looked over, while there are any.
const EXPIRE_EVERY: Duration = Duration::from_secs(1);

const SOCKET: Token = Token(0);
const STOP: Token = Token(1);

/// A node that listens.
pub struct Server {
    name: String,
    node: Node<Disk>,
    poll: Poll,
    socket: NodeSocket,
    /// Where the answers of unfinished requests go.
    clients: BTreeMap<RequestId, SocketAddr>,
    timers: Timers,
    delays: Delays,
    counters: Counters,
    clock: Clock,
    stopper: Stopper,
    /// Whether the socket may hold more than has been read.
    readable: bool,
    next_expiry: Instant,
}

/// Ends a [`Server`]'s loop from another thread.
#[derive(Clone)]
pub struct Stopper {
    stopped: Arc<AtomicBool>,
    waker: Arc<Waker>,
}

impl Stopper {
    /// Lets the loop end after its present turn.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
        // Should the wake-up fail, the next datagram or timer does it.
        let _ = self.waker.wake();
    }
}

struct Delays {
    request: Duration,
    straggler: Duration,
}

/// Microseconds since 1970, never going back while the process lives.
struct Clock(u64);

/// How far a client's clock may be ahead of this node's.
const MAX_CLOCK_LEAD_MS: u64 = 60 * 60 * 1000;

impl Clock {
    /// Milliseconds since 1970.
    fn now_ms(&mut self) -> u64 {
        self.ambient().stamp.0 / 1000
    }

    fn ambient(&mut self) -> Ambient {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.0 = self.0.max(now.as_micros() as u64);
        Ambient { stamp: Stamp(self.0), epoch: Epoch(rand::random()) }
    }
}

impl Server {
    /// Opens the disk, starts the core and listens. `bootstrap` says that the node is new.
    ///
    /// # Errors
    /// [`NodeError`] says what stands in the way.
    pub fn open(config: &NodeConfig, bootstrap: bool) -> Result<Server, NodeError> {
        config.check().map_err(NodeError::Config)?;
        let listen = config.listen().map_err(NodeError::Config)?;
        let addresses = config.nodes.iter().map(|member| (member.node_id(), member.address));
        // The address comes first: whoever cannot have it must not have touched the disk.
        let mut socket = NodeSocket::new(listen, addresses.collect())?;
        let node = start::start(config, bootstrap)?;
        let poll = Poll::new().map_err(NodeError::Socket)?;
        let registry = poll.registry();
        registry
            .register(socket.source(), SOCKET, Interest::READABLE)
            .map_err(NodeError::Socket)?;
        let waker = Arc::new(Waker::new(registry, STOP).map_err(NodeError::Socket)?);
        tracing::info!("{} listens on {listen}, data in {}", config.node, config.data.display());
        Ok(Server {
            name: config.node.clone(),
            node,
            poll,
            socket,
            clients: BTreeMap::new(),
            timers: Timers::default(),
            delays: Delays {
                request: config.request_timeout(),
                straggler: config.straggler_timeout(),
            },
            counters: Counters::default(),
            clock: Clock(0),
            stopper: Stopper { stopped: Arc::default(), waker },
            readable: true,
            next_expiry: Instant::now(),
        })
    }

    /// A handle that ends the loop.
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// Serves until it is stopped, then says what has been counted.
    ///
    /// # Errors
    /// [`NodeError`] if the disk or the socket fails. Nothing of the batch at hand was sent.
    pub fn run(mut self) -> Result<Counters, NodeError> {
        let mut events = Events::with_capacity(16);
        while !self.stopper.stopped.load(Ordering::SeqCst) {
            self.wait(&mut events)?;
            let now = Instant::now();
            // What has arrived counts before silence does.
            self.receive(now)?;
            self.fire_timers(now);
            self.commit()?;
            self.socket.flush(&mut self.counters);
            self.expire(now);
        }
        tracing::info!("{} stops", self.name);
        Ok(self.counters)
    }

    fn wait(&mut self, events: &mut Events) -> Result<(), NodeError> {
        let now = Instant::now();
        let timeout = if self.readable {
            Some(Duration::ZERO)
        } else {
            let expiry = self.socket.has_incomplete().then_some(self.next_expiry);
            let next = self.timers.next_deadline().into_iter().chain(expiry).min();
            next.map(|deadline| deadline.saturating_duration_since(now))
        };
        match self.poll.poll(events, timeout) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(NodeError::Socket(error)),
        }
        self.readable |= events.iter().any(|event| event.token() == SOCKET);
        Ok(())
    }

    fn fire_timers(&mut self, now: Instant) {
        while let Some(timer) = self.timers.pop_due(now) {
            self.step(Input::Timer(timer), now);
        }
    }

    fn receive(&mut self, now: Instant) -> Result<(), NodeError> {
        for _ in 0..MAX_BATCH_DATAGRAMS {
            if !self.readable {
                break;
            }
            match self.socket.receive(now, &mut self.counters)? {
                Received::Frame(from, frame) => self.frame(from, frame, now),
                Received::Nothing => {}
                Received::Drained => self.readable = false,
            }
        }
        Ok(())
    }

    fn frame(&mut self, address: SocketAddr, frame: Frame, now: Instant) {
        match frame {
            Frame::Request(request) => self.request(address, request, now),
            Frame::Peer { from, message } if self.socket.address(from) == Some(address) => {
                let ambient = self.clock.ambient();
                self.step(Input::Peer { from, message, ambient }, now);
            }
            Frame::Peer { from, .. } => {
                tracing::debug!(%from, %address, "a message comes from another node's address");
                self.counters.count("refused-spoofed");
            }
            Frame::Ping { nonce } => {
                let pong = Frame::Pong { nonce, node: self.node.id() };
                self.socket.queue(address, &pong, &mut self.counters);
            }
            Frame::Reply { .. } | Frame::Pong { .. } => self.counters.count("refused-unexpected"),
        }
    }

    /// A request's answer goes where its first copy came from; a copy of it changes nothing.
    fn request(&mut self, address: SocketAddr, request: Request, now: Instant) {
        let id = request.id;
        if session_started_ms(id.client) > self.clock.now_ms() + MAX_CLOCK_LEAD_MS {
            // It would push the sessions of honest clients out of memory, and for good.
            return self.counters.count("refused-future-session");
        }
        if !self.node.is_pending(id) {
            self.clients.insert(id, address);
        }
        let ambient = self.clock.ambient();
        self.step(Input::Client { request, ambient }, now);
        if !self.node.is_pending(id) {
            self.clients.remove(&id);
        }
    }

    fn step(&mut self, input: Input, now: Instant) {
        let effects = self.node.handle(input);
        self.perform(effects, now);
    }

    fn perform(&mut self, effects: Effects, now: Instant) {
        for effect in effects {
            match effect {
                Effect::Send { to, message } => {
                    let frame = Frame::Peer { from: self.node.id(), message };
                    self.send(to, &frame);
                }
                Effect::Reply { id, answer } => {
                    if let Some(address) = self.clients.remove(&id) {
                        let reply = Frame::Reply { id, answer };
                        self.socket.queue(address, &reply, &mut self.counters);
                    }
                }
                Effect::SetTimer { timer, delay } => {
                    self.timers.set(timer, now + self.delays.of(delay));
                }
                Effect::CancelTimer(timer) => self.timers.cancel(timer),
                Effect::Note(note) => self.note(note),
            }
        }
    }

    fn send(&mut self, to: NodeId, frame: &Frame) {
        match self.socket.address(to) {
            Some(address) => self.socket.queue(address, frame, &mut self.counters),
            None => self.counters.count("unsendable"),
        }
    }

    fn note(&mut self, note: Note) {
        self.counters.count(counters::of_note(note));
        tracing::debug!("{note:?}");
    }

    fn commit(&mut self) -> Result<(), NodeError> {
        let records = self.node.store_mut().commit()?;
        if records > 0 {
            self.counters.count("commits");
            self.counters.add("records", records);
        }
        Ok(())
    }

    fn expire(&mut self, now: Instant) {
        if now >= self.next_expiry {
            self.socket.expire(now, &mut self.counters);
            self.next_expiry = now + EXPIRE_EVERY;
        }
    }
}

impl Delays {
    fn of(&self, delay: Delay) -> Duration {
        match delay {
            Delay::Request => self.request,
            Delay::Straggler => self.straggler,
        }
    }
}

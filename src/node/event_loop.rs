//! The loop: wait, gather, handle, commit, send.

use super::addresses::AddressBook;
use super::commands::{self, Answers};
use super::config::NodeConfig;
use super::disk::Disk;
use super::faults::Faults;
use super::names::{debugged, named};
use super::socket::{self, NodeSocket, Received};
use super::{NodeError, start, status};
use crate::shell::counters::{self, Counters};
use crate::shell::delays::Delays;
use crate::shell::gossip::GossipClock;
use crate::shell::timers::Timers;
use crate::wire::codec::Frame;
use crate::wire::session_started_ms;
use crate::wire::status::Digests;
use dynamo_protocol::config::Config;
use dynamo_protocol::door::{Ambient, Delay, Effect, Effects, Ignored, Input, Note, Timer};
use dynamo_protocol::ids::{NodeId, RequestId};
use dynamo_protocol::membership::Command;
use dynamo_protocol::message::{Message, Request};
use dynamo_protocol::node::Node;
use dynamo_protocol::ring::Member;
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
    /// As its configuration has it.
    me: Member,
    protocol: Arc<Config>,
    node: Node<Disk>,
    poll: Poll,
    socket: NodeSocket,
    /// Where the answers of unfinished requests go.
    clients: BTreeMap<RequestId, SocketAddr>,
    timers: Timers<Instant>,
    delays: Delays,
    gossip: GossipClock<Instant>,
    counters: Counters,
    clock: Clock,
    stopper: Stopper,
    /// Whether the socket may hold more than has been read.
    readable: bool,
    next_expiry: Instant,
    /// When the last one was told how this node is: that may take reading all that it holds.
    examined: Option<Instant>,
    /// Suspects that were asked whether they are back, and with what.
    retries: BTreeMap<NodeId, u64>,
    /// To the commands that came last.
    answers: Answers,
    flush_every: Duration,
    /// When buffered writes must be on disk, if there are any.
    next_flush: Option<Instant>,
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

/// Microseconds since 1970, never going back while the process lives.
struct Clock(u64);

/// How long a timer waits that must not overtake what the socket holds.
const READ_FIRST: Duration = Duration::from_millis(1);

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
        // The address comes first: whoever cannot have it must not have touched the disk.
        let socket = socket::bind(listen)?;
        let protocol = Arc::new(config.protocol().map_err(NodeError::Config)?);
        let (node, effects) = start::start(config, &protocol, bootstrap)?;
        let seeds = config.nodes.iter().map(|member| (member.node_id(), member.address));
        let mut socket = NodeSocket::new(socket, AddressBook::new(node.id(), seeds.collect()));
        let poll = Poll::new().map_err(NodeError::Socket)?;
        let registry = poll.registry();
        registry
            .register(socket.source(), SOCKET, Interest::READABLE)
            .map_err(NodeError::Socket)?;
        let waker = Arc::new(Waker::new(registry, STOP).map_err(NodeError::Socket)?);
        let now = Instant::now();
        tracing::info!("{} listens on {listen}, data in {}", config.name(), config.data.display());
        if let Some(faults) = &config.faults {
            tracing::warn!("{} makes faults on purpose: {faults:?}", config.name());
            let faults = Faults::new(faults.clone(), node.id(), now);
            socket.suffer(faults.map_err(NodeError::Config)?)?;
        }
        let mut server = Server {
            me: config.me().map_err(NodeError::Config)?.member(node.id()),
            protocol,
            node,
            poll,
            socket,
            clients: BTreeMap::new(),
            timers: Timers::default(),
            delays: Delays::new(config.lengths()),
            gossip: gossip_clock(config, now),
            counters: Counters::default(),
            clock: Clock(0),
            stopper: Stopper { stopped: Arc::default(), waker },
            readable: true,
            next_expiry: now,
            examined: None,
            retries: BTreeMap::new(),
            answers: Answers::default(),
            flush_every: config.flush_every(),
            next_flush: None,
        };
        server.follow_membership(now);
        if !server.node.is_member() {
            tracing::info!("{} is no member, and serves nobody until it is", config.name());
        }
        server.perform(effects, now);
        Ok(server)
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
            self.gossip(now);
            self.commit(now)?;
            self.socket.flush(&mut self.counters);
            self.expire(now);
            self.flush_disk(now)?;
        }
        self.node.store_mut().flush()?;
        tracing::info!("{} stops", self.me.name);
        Ok(self.counters)
    }

    fn wait(&mut self, events: &mut Events) -> Result<(), NodeError> {
        let now = Instant::now();
        let timeout = if self.readable {
            Some(Duration::ZERO)
        } else {
            let expiry = self.socket.has_incomplete().then_some(self.next_expiry);
            let timers = [self.timers.next_deadline(), self.gossip.next_deadline()];
            let others = [self.next_flush, self.socket.next_held()];
            let next = timers.into_iter().chain(others).flatten().chain(expiry).min();
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
            match timer {
                Timer::Retry(node) => self.ask_suspect(node, now),
                // Nothing that was sent before its delay began may come in after it has ended.
                Timer::Reap if self.readable => self.timers.set(timer, now + READ_FIRST),
                _ => self.step(Input::Timer(timer), now),
            }
        }
    }

    /// The core's gossip timers only say with whom it wants to: one of them is picked at a time.
    fn gossip(&mut self, now: Instant) {
        let change = self.node.membership().and_then(|membership| membership.change());
        let pick = |count| rand::random_range(0..count);
        if let Some(peer) = self.gossip.tick(now, change.is_some(), pick) {
            self.step(Input::Timer(Timer::Gossip(peer)), now);
        }
    }

    /// Learns from a new state of the membership where everybody is, and passes it on soon.
    fn follow_membership(&mut self, now: Instant) {
        let Some(membership) = self.node.membership() else { return };
        let was_inside = self.socket.book().is_inside();
        if self.socket.book().learn(membership) {
            let known = named(&membership.to_string(), Some(membership));
            tracing::info!("{} knows of {known}", self.me.name);
            if was_inside && !self.socket.book().is_inside() {
                tracing::warn!("{} is no member any more, and serves nobody", self.me.name);
            }
            self.gossip.stir(now);
        }
    }

    /// Trying a suspect again would make requests wait for it: first it is asked whether it is
    /// back. The core hears of its timer when it is.
    fn ask_suspect(&mut self, node: NodeId, now: Instant) {
        let nonce = rand::random();
        self.retries.insert(node, nonce);
        self.send(node, &Frame::Ping { nonce });
        let timer = Timer::Retry(node);
        let length = self.delays.of(&self.node, timer, Delay::Retry, rand::random);
        self.timers.set(timer, now + length);
    }

    fn pong(&mut self, address: SocketAddr, nonce: u64, node: NodeId, now: Instant) {
        let is_expected = self.retries.get(&node) == Some(&nonce);
        if is_expected && self.socket.book().of(node).contains(&address) {
            self.retries.remove(&node);
            self.timers.cancel(Timer::Retry(node));
            self.step(Input::Timer(Timer::Retry(node)), now);
        } else {
            self.counters.count("refused-unexpected");
        }
    }

    fn receive(&mut self, now: Instant) -> Result<(), NodeError> {
        for _ in 0..MAX_BATCH_DATAGRAMS {
            match self.socket.receive(now, &mut self.counters)? {
                Received::Frame(from, frame) => self.frame(from, frame, now),
                Received::Nothing => {}
                Received::Drained => {
                    self.readable = false;
                    break;
                }
            }
        }
        Ok(())
    }

    fn frame(&mut self, address: SocketAddr, frame: Frame, now: Instant) {
        match frame {
            Frame::Request(request) => self.request(address, request, now),
            Frame::Peer { from, .. } if from == self.node.id() => {
                self.counters.count("refused-spoofed");
            }
            Frame::Peer { from, view, message } => {
                if !self.socket.book().believes(from, address, &message) {
                    tracing::debug!(%from, %address, "a message comes from a wrong address");
                    return self.counters.count("refused-spoofed");
                }
                if matches!(message, Message::Forward(_)) {
                    self.counters.count("forwarded-puts");
                }
                let ambient = self.clock.ambient();
                self.delays.heard(from, &mut self.timers, now);
                self.step(Input::Peer { from, view, message, ambient }, now);
            }
            Frame::Ping { nonce } => {
                let pong = Frame::Pong { nonce, node: self.node.id() };
                self.socket.queue(address, &pong, &mut self.counters);
            }
            Frame::Examine { nonce, digests } => self.examine(address, nonce, digests, now),
            Frame::Pong { nonce, node } => self.pong(address, nonce, node, now),
            Frame::Command { nonce, command } => self.command(address, nonce, *command, now),
            Frame::Reply { .. } | Frame::Examined { .. } | Frame::Obeyed { .. } => {
                self.counters.count("refused-unexpected");
            }
        }
    }

    /// Tells how this node is, at most once a turn: others ask again.
    fn examine(&mut self, address: SocketAddr, nonce: u64, digests: Digests, now: Instant) {
        if self.examined.replace(now) == Some(now) {
            return self.counters.count("refused-examination");
        }
        let faults = self.socket.suffers(now);
        let status =
            status::of(&self.node, &self.protocol, &self.me, digests, faults, &self.counters);
        let examined = Frame::Examined { nonce, status: Box::new(status) };
        self.socket.queue(address, &examined, &mut self.counters);
    }

    /// An operator commands. The answer leaves after the commit, as everything does.
    fn command(&mut self, address: SocketAddr, nonce: u64, command: Command, now: Instant) {
        let result = self.answers.to(nonce).unwrap_or_else(|| {
            let result = commands::check(&self.node, &command);
            let told = debugged(&command, self.node.membership());
            tracing::info!("{} is told {told}: {result:?}", self.me.name);
            if result.is_ok() {
                self.step(Input::Operator(command), now);
            }
            self.answers.keep(nonce, result.clone());
            result
        });
        let obeyed = Frame::Obeyed { nonce, result };
        self.socket.queue(address, &obeyed, &mut self.counters);
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
        self.follow_membership(now);
        self.perform(effects, now);
    }

    fn perform(&mut self, effects: Effects, now: Instant) {
        for effect in effects {
            match effect {
                Effect::Send { to, view, message } => {
                    let frame = Frame::Peer { from: self.node.id(), view, message };
                    self.send(to, &frame);
                }
                Effect::Reply { id, answer } => {
                    if let Some(address) = self.clients.remove(&id) {
                        let reply = Frame::Reply { id, view: self.node.view(), answer };
                        self.socket.queue(address, &reply, &mut self.counters);
                    }
                }
                Effect::SetTimer { timer: Timer::Gossip(peer), .. } => self.gossip.add(peer),
                Effect::CancelTimer(Timer::Gossip(peer)) => self.gossip.remove(peer),
                Effect::SetTimer { timer, delay } => {
                    let length = self.delays.of(&self.node, timer, delay, rand::random);
                    self.timers.set(timer, now + length);
                }
                Effect::CancelTimer(timer) => self.timers.cancel(timer),
                Effect::Note(note) => self.note(note),
            }
        }
    }

    fn send(&mut self, to: NodeId, frame: &Frame) {
        let addresses = self.socket.book().of(to);
        if addresses.is_empty() {
            self.counters.count("unsendable");
        }
        for address in addresses {
            self.socket.queue(address, frame, &mut self.counters);
        }
    }

    fn note(&mut self, note: Note) {
        self.counters.count(counters::of_note(note));
        tracing::debug!("{}", debugged(&note, self.node.membership()));
        let is_foreign = note == Note::Ignored(Ignored::OtherCluster);
        if is_foreign && self.counters.get(counters::of_note(note)) == 1 {
            tracing::warn!(
                "a peer is of another cluster: compare [cluster] and [[nodes]] in the files"
            );
        }
    }

    fn commit(&mut self, now: Instant) -> Result<(), NodeError> {
        let records = self.node.store_mut().commit()?;
        if records > 0 {
            self.counters.count("commits");
            self.counters.add("records", records);
        }
        let latest = self.next_flush.unwrap_or(now + self.flush_every);
        self.next_flush = self.node.store().is_buffered().then_some(latest);
        Ok(())
    }

    fn flush_disk(&mut self, now: Instant) -> Result<(), NodeError> {
        if self.next_flush.is_some_and(|due| due <= now) {
            self.node.store_mut().flush()?;
            self.counters.count("flushes");
            self.next_flush = None;
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

/// Nodes that start together do not gossip in step.
fn gossip_clock(config: &NodeConfig, now: Instant) -> GossipClock<Instant> {
    let slow = Duration::from_millis(config.gossip_ms);
    GossipClock::new(config.gossip, slow, now + slow.mul_f64(rand::random()))
}

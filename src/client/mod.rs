//! A blocking client: one request at a time, honest about what it does not know.
//!
//! ```no_run
//! use dynamo::client::{Client, Read};
//! use dynamo_protocol::ids::{Key, Value};
//!
//! let mut client = Client::connect(&["127.0.0.1:7400".parse()?])?;
//! let read = client.get(&Key::from("cart"))?;
//! if let Read::Found { context, .. } | Read::NotFound { context, .. } = read {
//!     client.put(&Key::from("cart"), Value::from("apples"), Some(context))?;
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod outcome;
mod routing;
mod session;

pub use outcome::{ClientError, Doubt, PutError, Read};
pub use routing::POLL_EVERY;

use crate::wire::caller::{Caller, PING_TIMEOUT};
use crate::wire::status::Digests;
use dynamo_protocol::config::Quorum;
use dynamo_protocol::ids::{Key, RequestId, Value};
use dynamo_protocol::membership::View;
use dynamo_protocol::message::{Answer, Operation, Refusal, Replicas, Request};
use dynamo_protocol::versions::Context;
use routing::Routing;
use session::Session;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How long a client waits for an answer, unless told otherwise: longer than a coordinator waits
/// for those it asks first and for the fallbacks after them, so that the coordinator's word comes
/// first.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(3);

/// A client of a cluster.
///
/// A get that gets no answer is tried at the next node. A put never is: whoever does not know
/// whether a put was applied must not apply it again. Such a put is reported as maybe applied, and
/// the client goes on as a new session.
///
/// Unless it is told otherwise a client asks the nodes that it was given, whatever the key: the node
/// finds the key's owners (server-driven coordination in the paper, §6.4). A
/// [partition-aware](Client::partition_aware) client finds them itself.
#[derive(Debug)]
pub struct Client {
    caller: Caller,
    nodes: Vec<SocketAddr>,
    /// The node that serves this client.
    current: SocketAddr,
    /// Those that have answered when they were asked last.
    proven: BTreeSet<SocketAddr>,
    /// Of a partition-aware client.
    routing: Option<Routing>,
    session: Session,
    timeout: Duration,
    quorum: Option<Quorum>,
    /// The name of the request made last.
    last: RequestId,
}

impl Client {
    /// A client of the cluster that `nodes` belong to. Nothing is sent yet.
    ///
    /// # Errors
    /// `NoNodes` if there are none, `Io` if there is no socket to be had.
    pub fn connect(nodes: &[SocketAddr]) -> Result<Client, ClientError> {
        let first = nodes.first().ok_or(ClientError::NoNodes)?;
        let session = Session::new();
        Ok(Client {
            caller: Caller::towards(*first).map_err(ClientError::Io)?,
            nodes: distinct(nodes),
            current: *first,
            proven: BTreeSet::new(),
            routing: None,
            session,
            timeout: DEFAULT_TIMEOUT,
            quorum: None,
            last: session.last_id(),
        })
    }

    /// Waits this long for answers.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Client {
        self.timeout = timeout;
        self
    }

    /// Wants these nodes' answers to count, whatever the cluster's configuration says.
    #[must_use]
    pub fn with_quorum(mut self, quorum: Quorum) -> Client {
        self.quorum = Some(quorum);
        self
    }

    /// Finds the owners of a key itself (paper §6.4): each request goes to the first node of the
    /// key's preference list that is not known to be silent. The layout is fetched before the first
    /// request, before the first one after every [`POLL_EVERY`], and before the next one when a
    /// node's answer shows that it has changed. While nobody tells the layout, the client asks the
    /// nodes that it was given.
    #[must_use]
    pub fn partition_aware(mut self) -> Client {
        self.routing = Some(Routing::new(Instant::now()));
        self
    }

    /// How often a partition-aware client has fetched the layout; 0 for any other.
    pub fn refreshes(&self) -> u64 {
        self.routing.as_ref().map_or(0, Routing::refreshes)
    }

    /// The layouts that a partition-aware client routes by, if it knows them.
    pub fn view(&self) -> Option<View> {
        self.routing.as_ref().and_then(Routing::view)
    }

    /// Turns to the next of the nodes that the client was given. A partition-aware client turns to
    /// those of the next key all the same.
    pub fn next_node(&mut self) {
        let place = self.nodes.iter().position(|node| *node == self.current);
        self.current = self.nodes[place.map_or(0, |place| (place + 1) % self.nodes.len())];
        self.proven.remove(&self.current);
    }

    /// Leaves the present node. A partition-aware client looks for one with every request anyway.
    fn turn_away(&mut self) {
        if self.routing.is_none() {
            self.next_node();
        }
    }

    /// The node that serves this client; of a partition-aware one, the node that served it last.
    pub fn node(&self) -> SocketAddr {
        self.current
    }

    /// Whom to ask for `key`, one after the other.
    fn candidates(&mut self, key: &Key, is_put: bool) -> Result<Vec<SocketAddr>, ClientError> {
        self.refresh()?;
        if let Some(routing) = &self.routing {
            return Ok(routing.order(key, is_put, &self.nodes, Instant::now()));
        }
        let mut nodes = self.nodes.clone();
        let place = nodes.iter().position(|node| *node == self.current);
        nodes.rotate_left(place.unwrap_or(0));
        Ok(nodes)
    }

    /// Fetches the layout if it is time.
    fn refresh(&mut self) -> Result<(), ClientError> {
        let Some(routing) = &mut self.routing else { return Ok(()) };
        let draw = |count| rand::random_range(0..count);
        let Some(node) = routing.next_poll(&self.nodes, Instant::now(), draw) else {
            return Ok(());
        };
        let status = self.caller.examine(node, Digests::Nothing, PING_TIMEOUT);
        let members = status.map_err(ClientError::Io)?.and_then(|status| status.members);
        let now = Instant::now();
        routing.polled(members.map(|members| members.membership), now);
        Ok(())
    }

    /// Notes whether the present node has answered.
    fn prove(&mut self, has_answered: bool) {
        let node = self.current;
        if has_answered {
            self.proven.insert(node);
        } else {
            self.proven.remove(&node);
        }
        match &mut self.routing {
            Some(routing) if has_answered => routing.heard(node),
            Some(routing) => routing.silent(node, Instant::now()),
            None => {}
        }
    }

    /// Whether the present node is there, and its identity if so.
    ///
    /// # Errors
    /// `Io` if the socket fails.
    pub fn ping(&mut self) -> Result<Option<dynamo_protocol::ids::NodeId>, ClientError> {
        let node = self.node();
        let pong = self.caller.ping(node, PING_TIMEOUT).map_err(ClientError::Io)?;
        self.prove(pong.is_some());
        Ok(pong)
    }

    /// Whether the present node has answered lately, or does so now.
    fn is_there(&mut self) -> Result<bool, ClientError> {
        Ok(self.proven.contains(&self.current) || self.ping()?.is_some())
    }

    /// Reads a key (paper §4.1), at each node in turn until one knows.
    ///
    /// # Errors
    /// `Refused` if no node would serve the request; `Io` if the socket fails.
    pub fn get(&mut self, key: &Key) -> Result<Read, ClientError> {
        let mut last = Ok(Read::TimedOut);
        for node in self.candidates(key, false)? {
            self.current = node;
            if !self.is_there()? {
                self.turn_away();
                continue;
            }
            let request = self.request(key, Operation::Get);
            let id = request.id;
            let answer = self.ask(request).map_err(ClientError::Io)?;
            last = match answer {
                Some(answer) => outcome::read(answer),
                None => {
                    self.session.renew();
                    tracing::debug!("{} does not answer {id}", self.node());
                    Ok(Read::TimedOut)
                }
            };
            if let Ok(Read::Found { .. } | Read::NotFound { .. }) = last {
                return last;
            }
            self.turn_away();
        }
        last
    }

    /// Writes a key (paper §4.1), and gives the replicas that hold it. With a context it replaces what
    /// that context's get returned; without one it replaces nothing and may become a sibling.
    ///
    /// # Errors
    /// [`PutError`] tells whether the put was certainly not applied.
    pub fn put(
        &mut self,
        key: &Key,
        value: Value,
        context: Option<Context>,
    ) -> Result<Replicas, PutError> {
        self.write(key, context, Some(value))
    }

    /// Deletes a key: a put of nothing.
    ///
    /// # Errors
    /// As [`Client::put`].
    pub fn delete(&mut self, key: &Key, context: Option<Context>) -> Result<Replicas, PutError> {
        self.write(key, context, None)
    }

    fn write(
        &mut self,
        key: &Key,
        context: Option<Context>,
        value: Option<Value>,
    ) -> Result<Replicas, PutError> {
        let mut last = PutError::NobodyThere;
        for node in self.candidates(key, true).map_err(PutError::not_sent)? {
            self.current = node;
            if !self.is_there().map_err(PutError::not_sent)? {
                self.turn_away();
                continue;
            }
            let (context, value) = (context.clone(), value.clone());
            let request = self.request(key, Operation::Put { context, value });
            last = match self.ask(request) {
                Ok(Some(Answer::Stored { replicas })) => return Ok(replicas),
                // Certainly not applied, and another node may be less busy, or a member.
                Ok(Some(Answer::Refused(refusal @ (Refusal::Busy | Refusal::NotAMember)))) => {
                    self.turn_away();
                    PutError::Refused(refusal)
                }
                Ok(answer) => return Err(self.unsuccessful(answer)),
                Err(error) => return Err(self.doubtful(Doubt::Io(error))),
            };
        }
        Err(last)
    }

    fn unsuccessful(&mut self, answer: Option<Answer>) -> PutError {
        match answer {
            Some(Answer::Refused(refusal)) => {
                // A forgotten session stays forgotten.
                self.session.renew();
                PutError::Refused(refusal)
            }
            Some(Answer::QuorumUnavailable { got, need }) => {
                self.doubtful(Doubt::QuorumUnavailable { got, need })
            }
            Some(_) => self.doubtful(Doubt::TimedOut),
            None => {
                self.turn_away();
                self.doubtful(Doubt::NoAnswer)
            }
        }
    }

    fn doubtful(&mut self, doubt: Doubt) -> PutError {
        self.session.renew();
        PutError::MaybeApplied(doubt)
    }

    fn request(&mut self, key: &Key, operation: Operation) -> Request {
        self.last = self.session.next_id();
        Request { id: self.last, key: key.clone(), operation, quorum: self.quorum }
    }

    /// The answer of the present node; `None` if there is none in time.
    fn ask(&mut self, request: Request) -> std::io::Result<Option<Answer>> {
        let node = self.node();
        let answered = self.caller.ask(node, request, self.timeout)?;
        self.prove(answered.is_some());
        let Some((answer, view)) = answered else { return Ok(None) };
        if let Some(routing) = &mut self.routing {
            routing.compare(node, view, Instant::now());
        }
        Ok(Some(answer))
    }

    /// The name of the request made last: of a put, the one by which reads will know it.
    pub fn last_request(&self) -> RequestId {
        self.last
    }
}

/// Each of `nodes` once, in their order.
fn distinct(nodes: &[SocketAddr]) -> Vec<SocketAddr> {
    let mut seen = BTreeSet::new();
    nodes.iter().filter(|node| seen.insert(**node)).copied().collect()
}

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
mod session;

pub use outcome::{ClientError, Doubt, PutError, Read};

use crate::wire::caller::{Caller, PING_TIMEOUT};
use dynamo_protocol::config::Quorum;
use dynamo_protocol::ids::{Key, RequestId, Value};
use dynamo_protocol::message::{Answer, Operation, Refusal, Replicas, Request};
use dynamo_protocol::versions::Context;
use session::Session;
use std::net::SocketAddr;
use std::time::Duration;

/// How long a client waits for an answer, unless told otherwise: longer than a coordinator waits
/// for those it asks first and for the fallbacks after them, so that the coordinator's word comes
/// first.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(3);

/// A client of a cluster.
///
/// A get that gets no answer is tried at the next node. A put never is: whoever does not know
/// whether a put was applied must not apply it again. Such a put is reported as maybe applied, and
/// the client goes on as a new session.
#[derive(Debug)]
pub struct Client {
    caller: Caller,
    nodes: Vec<SocketAddr>,
    /// The node that serves this client.
    current: usize,
    /// Whether it has answered since the client turned to it.
    proven: bool,
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
            nodes: nodes.to_vec(),
            current: 0,
            proven: false,
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

    /// Turns to the next node.
    pub fn next_node(&mut self) {
        self.current = (self.current + 1) % self.nodes.len();
        self.proven = false;
    }

    /// The node that serves this client.
    pub fn node(&self) -> SocketAddr {
        self.nodes[self.current]
    }

    /// Whether the present node is there, and its identity if so.
    ///
    /// # Errors
    /// `Io` if the socket fails.
    pub fn ping(&mut self) -> Result<Option<dynamo_protocol::ids::NodeId>, ClientError> {
        let node = self.node();
        let pong = self.caller.ping(node, PING_TIMEOUT).map_err(ClientError::Io)?;
        self.proven = pong.is_some();
        Ok(pong)
    }

    /// Whether the present node has answered lately, or does so now.
    fn is_there(&mut self) -> Result<bool, ClientError> {
        Ok(self.proven || self.ping()?.is_some())
    }

    /// Reads a key (paper §4.1), at each node in turn until one knows.
    ///
    /// # Errors
    /// `Refused` if no node would serve the request; `Io` if the socket fails.
    pub fn get(&mut self, key: &Key) -> Result<Read, ClientError> {
        let mut last = Ok(Read::TimedOut);
        for _ in 0..self.nodes.len() {
            if !self.is_there()? {
                self.next_node();
                continue;
            }
            let request = self.request(key, Operation::Get);
            let id = request.id;
            let answer = self.ask(request).map_err(ClientError::Io)?;
            self.proven = answer.is_some();
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
            self.next_node();
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
        for _ in 0..self.nodes.len() {
            if !self.is_there().map_err(PutError::not_sent)? {
                self.next_node();
                continue;
            }
            let (context, value) = (context.clone(), value.clone());
            let request = self.request(key, Operation::Put { context, value });
            last = match self.ask(request) {
                Ok(Some(Answer::Stored { replicas })) => return Ok(replicas),
                // Certainly not applied, and another node may be less busy.
                Ok(Some(Answer::Refused(Refusal::Busy))) => {
                    self.next_node();
                    PutError::Refused(Refusal::Busy)
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
                self.next_node();
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
        self.caller.ask(node, request, self.timeout)
    }

    /// The name of the request made last: of a put, the one by which reads will know it.
    pub fn last_request(&self) -> RequestId {
        self.last
    }
}

//! What becomes of a request, as the client sees it.

use dynamo_protocol::ids::RequestId;
use dynamo_protocol::message::{Answer, Refusal, Replicas};
use dynamo_protocol::versions::{Context, Written};

/// What a get says: four different things.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Read {
    /// There are values.
    Found {
        /// The causally unrelated versions; more than one is a conflict for the reader to resolve.
        siblings: Vec<Written>,
        /// To be passed to the put that replaces them all.
        context: Context,
        /// Whose copies these are.
        replicas: Replicas,
    },
    /// A quorum says that there is no value.
    NotFound {
        /// The deletes that there are instead.
        deletes: Vec<RequestId>,
        /// To be passed to a put that is meant to come after the deletes.
        context: Context,
        /// Whose copies these are.
        replicas: Replicas,
    },
    /// Too few replicas answered.
    QuorumUnavailable {
        /// Replicas that answered.
        got: u8,
        /// Replicas that had to.
        need: u8,
    },
    /// No node answered.
    TimedOut,
}

/// Why a client cannot do its work.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// There is nobody to ask.
    #[error("no node is named; name at least one address")]
    NoNodes,
    /// The nodes would not serve it.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// A node broke the protocol.
    #[error("a node answered a get with {0:?}")]
    Nonsense(Box<Answer>),
    /// The socket fails.
    #[error("the socket failed: {0}")]
    Io(std::io::Error),
}

/// Why a put did not succeed, and whether it may be applied all the same.
#[derive(Debug, thiserror::Error)]
pub enum PutError {
    /// It was not applied and never will be.
    #[error("not applied: {0}")]
    Refused(Refusal),
    /// No node said that it is there, so the put was not sent.
    #[error("not applied: none of the nodes answers; is the cluster running?")]
    NobodyThere,
    /// It was not sent because the socket failed.
    #[error("not applied: the socket failed: {0}")]
    NotSent(std::io::Error),
    /// It may be applied, now or later, or never.
    #[error("maybe applied: {0}; read the key to find out")]
    MaybeApplied(Doubt),
}

/// Why nobody knows what became of a put.
#[derive(Debug, thiserror::Error)]
pub enum Doubt {
    /// Some replicas hold it, but too few.
    #[error("only {got} of {need} replicas answered")]
    QuorumUnavailable {
        /// Replicas that hold it.
        got: u8,
        /// Replicas that had to.
        need: u8,
    },
    /// The node that was to coordinate it did not answer in time.
    #[error("its coordinator did not answer in time")]
    TimedOut,
    /// The node did not answer.
    #[error("the node did not answer")]
    NoAnswer,
    /// The socket failed while it was being sent.
    #[error("the socket failed: {0}")]
    Io(std::io::Error),
}

impl PutError {
    pub(super) fn not_sent(error: ClientError) -> PutError {
        match error {
            ClientError::Io(error) => PutError::NotSent(error),
            _ => PutError::NobodyThere,
        }
    }
}

/// What an answer to a get means.
pub(super) fn read(answer: Answer) -> Result<Read, ClientError> {
    Ok(match answer {
        Answer::Found { siblings, context, replicas } => {
            Read::Found { siblings, context, replicas }
        }
        Answer::NotFound { deletes, context, replicas } => {
            Read::NotFound { deletes, context, replicas }
        }
        Answer::QuorumUnavailable { got, need } => Read::QuorumUnavailable { got, need },
        Answer::TimedOut => Read::TimedOut,
        Answer::Refused(refusal) => return Err(ClientError::Refused(refusal)),
        Answer::Stored { .. } => return Err(ClientError::Nonsense(Box::new(answer))),
    })
}

//! What nodes and clients say to each other.

use crate::ids::{Key, RequestId, Value};
use crate::versions::{Context, Object, Written};
use alloc::vec::Vec;
use core::fmt;
use serde::{Deserialize, Serialize};

/// A client's request (paper §4.1).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Request {
    /// Its name, never reused.
    pub id: RequestId,
    /// The key that it is about.
    pub key: Key,
    /// What to do.
    pub operation: Operation,
}

/// What a client asks for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Operation {
    /// Read all siblings.
    Get,
    /// Write a version that replaces what the context covers; a delete is a put of `None`.
    Put {
        /// What the client has read; `None` for a blind put, which replaces nothing.
        context: Option<Context>,
        /// The value; `None` to delete.
        value: Option<Value>,
    },
}

/// What a client is told. Every put that is not answered `Stored` or `Refused` is *maybe applied*,
/// for ever (bug C2).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Answer {
    /// W replicas, this many or more, hold the put durably.
    Stored,
    /// The causally unrelated versions, and the context that covers them.
    Found {
        /// At least one of them has a value; a tombstone beside it is a concurrent delete.
        siblings: Vec<Written>,
        /// To be passed to the put that replaces them.
        context: Context,
    },
    /// R replicas answered, and there is no value.
    NotFound {
        /// The deletes that there are instead, if any.
        deletes: Vec<RequestId>,
        /// A put after a seen delete needs it.
        context: Context,
    },
    /// The coordinator heard from too few replicas. A put may be applied all the same.
    QuorumUnavailable {
        /// Replicas that answered.
        got: u8,
        /// Replicas that had to.
        need: u8,
    },
    /// Nobody knows: no answer came in time, or the session is so old that it is forgotten whether
    /// the put was applied. Go on as a new session.
    TimedOut,
    /// The request was *not* applied, and never will be: ask again under a new sequence number.
    Refused(Refusal),
}

/// Why a request was not applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Refusal {
    /// The node has too many requests in flight; another may have fewer.
    Busy,
    /// The context is of another versioning scheme, or names too many actors.
    ForeignContext,
    /// The key is longer than [`crate::limits::MAX_KEY_BYTES`].
    KeyTooLong,
    /// The node does not own the key, so it may not coordinate a put of it.
    NotAnOwner,
    /// The key's values would exceed [`crate::limits::MAX_OBJECT_BYTES`].
    ObjectTooLarge,
    /// The key has [`crate::limits::MAX_SIBLINGS`] siblings; read and resolve them first.
    TooManySiblings,
    /// The value is longer than [`crate::limits::MAX_VALUE_BYTES`].
    ValueTooLong,
}

/// What nodes say to each other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Message {
    /// A put that the sender may not coordinate itself (paper §4.5, §6.4).
    Forward(Request),
    /// What became of a forwarded put.
    Forwarded {
        /// The put.
        id: RequestId,
        /// To be passed on to the client.
        answer: Answer,
    },
    /// Merge this object into your copy, and say when it is durable.
    Replicate {
        /// On whose behalf.
        id: RequestId,
        /// The key.
        key: Key,
        /// Its whole object.
        object: Object,
    },
    /// The object of a `Replicate` is durably merged.
    Replicated {
        /// Of that `Replicate`.
        id: RequestId,
    },
    /// Send me your copy.
    Read {
        /// On whose behalf.
        id: RequestId,
        /// The key.
        key: Key,
    },
    /// My copy, if I have one.
    Copy {
        /// Of that `Read` or `Confirm`.
        id: RequestId,
        /// The copy.
        object: Option<Object>,
    },
    /// Merge this object into your copy, and send me that copy once it is durable: a blocking get
    /// counts what a replica shows that it holds, so that a late answer to an earlier question of
    /// the same name counts for nothing that it does not hold.
    Confirm {
        /// On whose behalf.
        id: RequestId,
        /// The key.
        key: Key,
        /// The object that is to be returned.
        object: Object,
    },
    /// I am no replica of this key.
    NotAReplica {
        /// Of that `Replicate`, `Read` or `Confirm`.
        id: RequestId,
    },
    /// Read repair (paper §5): merge this object into your copy; no answer is wanted.
    Repair {
        /// The key.
        key: Key,
        /// Its whole object.
        object: Object,
    },
}

impl Message {
    /// The request that this message belongs to, if any.
    pub fn request(&self) -> Option<RequestId> {
        match self {
            Message::Forward(request) => Some(request.id),
            Message::Forwarded { id, .. }
            | Message::Replicate { id, .. }
            | Message::Replicated { id }
            | Message::Confirm { id, .. }
            | Message::Read { id, .. }
            | Message::Copy { id, .. }
            | Message::NotAReplica { id } => Some(*id),
            Message::Repair { .. } => None,
        }
    }

    /// The key that a replica is told or asked about. A forwarded request has a refusal of its own.
    pub fn key(&self) -> Option<&Key> {
        match self {
            Message::Replicate { key, .. }
            | Message::Confirm { key, .. }
            | Message::Read { key, .. }
            | Message::Repair { key, .. } => Some(key),
            _ => None,
        }
    }

    /// Whether it answers a question: once the asker has finished the request it means nothing.
    pub fn is_answer(&self) -> bool {
        matches!(
            self,
            Message::Forwarded { .. }
                | Message::Replicated { .. }
                | Message::Copy { .. }
                | Message::NotAReplica { .. }
        )
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.operation {
            Operation::Get => write!(f, "get {}", self.key),
            Operation::Put { context, value } => {
                match value {
                    Some(value) => write!(f, "put {}={value}", self.key)?,
                    None => write!(f, "delete {}", self.key)?,
                }
                match context {
                    Some(context) => write!(f, " over {context}"),
                    None => f.write_str(" blind"),
                }
            }
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Answer::Stored => f.write_str("stored"),
            Answer::Found { siblings, context } => {
                f.write_str("found ")?;
                for (i, written) in siblings.iter().enumerate() {
                    write!(f, "{}{written}", if i == 0 { "" } else { " | " })?;
                }
                write!(f, " {context}")
            }
            Answer::NotFound { deletes, .. } if deletes.is_empty() => f.write_str("not found"),
            Answer::NotFound { context, .. } => write!(f, "not found (deleted) {context}"),
            Answer::QuorumUnavailable { got, need } => {
                write!(f, "quorum unavailable: {got} of {need}")
            }
            Answer::TimedOut => f.write_str("timed out"),
            Answer::Refused(refusal) => write!(f, "refused: {refusal}"),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refusal::Busy => "the node is busy; try again later or at another node",
            Refusal::ForeignContext => "the context does not belong to this cluster; read again",
            Refusal::KeyTooLong => "the key is too long",
            Refusal::NotAnOwner => "the node does not own the key",
            Refusal::ObjectTooLarge => "the key's values would be too large together",
            Refusal::TooManySiblings => {
                "the key has too many siblings; read and resolve them first"
            }
            Refusal::ValueTooLong => "the value is too long",
        })
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Message::Forward(request) => write!(f, "forward {request}"),
            Message::Forwarded { id, answer } => write!(f, "forwarded {id}: {answer}"),
            Message::Replicate { key, object, .. } => write!(f, "replicate {key}={object}"),
            Message::Confirm { key, object, .. } => write!(f, "confirm {key}={object}"),
            Message::Replicated { id } => write!(f, "replicated {id}"),
            Message::Read { id, key } => write!(f, "read {key} for {id}"),
            Message::Copy { id, object: Some(object) } => write!(f, "copy for {id}: {object}"),
            Message::Copy { id, object: None } => write!(f, "copy for {id}: nothing"),
            Message::NotAReplica { id } => write!(f, "not a replica, {id}"),
            Message::Repair { key, object } => write!(f, "repair {key}={object}"),
        }
    }
}

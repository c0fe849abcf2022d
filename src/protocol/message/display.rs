//! Messages in words, for traces.

use super::{Answer, Message, Operation, Refusal, Replicas, Request};
use crate::ids::NodeId;
use core::fmt;

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
            Answer::Stored { replicas } => write!(f, "stored{replicas}"),
            Answer::Found { siblings, context, replicas } => {
                f.write_str("found ")?;
                for (i, written) in siblings.iter().enumerate() {
                    write!(f, "{}{written}", if i == 0 { "" } else { " | " })?;
                }
                write!(f, " {context}{replicas}")
            }
            Answer::NotFound { deletes, replicas, .. } if deletes.is_empty() => {
                write!(f, "not found{replicas}")
            }
            Answer::NotFound { context, replicas, .. } => {
                write!(f, "not found (deleted) {context}{replicas}")
            }
            Answer::QuorumUnavailable { got, need } => {
                write!(f, "quorum unavailable: {got} of {need}")
            }
            Answer::TimedOut => f.write_str("timed out"),
            Answer::Refused(refusal) => write!(f, "refused: {refusal}"),
        }
    }
}

/// Only what is out of the ordinary: fallbacks.
impl fmt::Display for Replicas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.fallbacks.is_empty() {
            return Ok(());
        }
        f.write_str(" (")?;
        for node in &self.primaries {
            write!(f, "{node} ")?;
        }
        f.write_str("and fallback")?;
        self.fallbacks.iter().try_for_each(|node| write!(f, " {node}"))?;
        f.write_str(")")
    }
}

/// Writes " as n1" of a node that stands in for n1.
struct As(Option<NodeId>);

impl fmt::Display for As {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |home| write!(f, " as {home}"))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refusal::Busy => "the node is busy; try again later or at another node",
            Refusal::ForeignContext => "the context does not belong to this cluster; read again",
            Refusal::KeyTooLong => "the key is too long",
            Refusal::NotAMember => "not a member of the cluster",
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
            Message::Replicate { key, object, home, .. } => {
                write!(f, "replicate {key}={object}{}", As(*home))
            }
            Message::Confirm { key, object, home, .. } => {
                write!(f, "confirm {key}={object}{}", As(*home))
            }
            Message::Replicated { id } => write!(f, "replicated {id}"),
            Message::Read { id, key, home } => write!(f, "read {key} for {id}{}", As(*home)),
            Message::Copy { id, object: Some(object) } => write!(f, "copy for {id}: {object}"),
            Message::Copy { id, object: None } => write!(f, "copy for {id}: nothing"),
            Message::Unsynchronised { id } => write!(f, "unsynchronised, {id}"),
            Message::NotAReplica { id } => write!(f, "not-a-replica, {id}"),
            Message::Repair { key, object } => write!(f, "repair {key}={object}"),
            Message::Handoff { key, object } => write!(f, "handoff {key}={object}"),
            Message::HandedOff { key, .. } => write!(f, "handed-off {key}"),
            Message::Gossip { digest, done, asks } => {
                let (done, asks) = (if *done { " done" } else { "" }, if *asks { "?" } else { "" });
                write!(f, "gossip {digest}{done}{asks}")
            }
            Message::News(membership) => write!(f, "news of {membership}"),
            _ => self.fmt_exchange(f),
        }
    }
}

impl Message {
    fn fmt_exchange(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Message::Pull { .. } => f.write_str("pull"),
            Message::Page { objects, lost, .. } => {
                f.write_str(if lost.is_some() { "page of a lost disk" } else { "page" })?;
                objects.iter().try_for_each(|(key, object)| write!(f, " {key}={object}"))
            }
            Message::Roots { roots, .. } => {
                f.write_str("roots")?;
                roots.iter().try_for_each(|(range, hash)| write!(f, " {}:{hash}", range.0))
            }
            Message::Subtree { range, path, node } => {
                write!(f, "subtree {}/{path}: {}", range.0, node.hash())
            }
            Message::Swap { key, object: Some(object) } => write!(f, "swap {key}={object}"),
            Message::Swap { key, object: None } => write!(f, "swap {key}: nothing"),
            Message::ReapAsk { round, tombstones } => {
                write!(f, "reap-ask {round:?}")?;
                tombstones.iter().try_for_each(|(key, _)| write!(f, " {key}"))
            }
            Message::ReapYes { round, tombstones } => {
                write!(f, "reap-yes {round:?}")?;
                tombstones.iter().try_for_each(|(key, _)| write!(f, " {key}"))
            }
            Message::Reap { tombstones } => {
                f.write_str("reap")?;
                tombstones.iter().try_for_each(|(key, _)| write!(f, " {key}"))
            }
            _ => Ok(()),
        }
    }
}

//! What can happen next.

use super::state::Envelope;
use crate::seal::Sealed;
use dynamo_protocol::door::Timer;
use dynamo_protocol::ids::{Key, NodeId};
use std::fmt;

/// One step of the cluster. Its text is its stable name in traces.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Action {
    /// A client takes its next step at a node; the node handles it at once.
    Call {
        /// The client.
        client: usize,
        /// The node.
        node: NodeId,
        /// The request, for people.
        what: String,
    },
    /// After the scripts, one read of a key through a node.
    FinalRead {
        /// The key.
        key: Key,
        /// The node.
        node: NodeId,
    },
    /// A message arrives.
    Deliver(Sealed<Envelope>),
    /// A message is lost, free: its receiver is down, or its sender has crashed since.
    Lose(Sealed<Envelope>),
    /// Fault: a message is lost.
    Drop(Sealed<Envelope>),
    /// Fault: a message arrives and stays in flight.
    Duplicate(Sealed<Envelope>),
    /// A timer fires.
    Fire {
        /// Whose.
        node: NodeId,
        /// Which.
        timer: Timer,
        /// Fault: a request timer fires although an answer could still come.
        premature: bool,
    },
    /// Fault: a node loses everything but its disk.
    Crash(NodeId),
    /// A node starts again with its disk.
    Recover(NodeId),
    /// A client gives up: its node has lost the request.
    GiveUp {
        /// The client.
        client: usize,
        /// The node.
        node: NodeId,
    },
}

impl Action {
    /// Whether this is one of the budgeted faults.
    pub fn is_fault(&self) -> bool {
        match self {
            Action::Drop(_) | Action::Duplicate(_) | Action::Crash(_) => true,
            Action::Fire { premature, .. } => *premature,
            _ => false,
        }
    }

    /// Whether this is a client operation.
    pub fn is_client_operation(&self) -> bool {
        matches!(self, Action::Call { .. } | Action::FinalRead { .. })
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Action::Call { client, node, what } => write!(f, "c{client} asks {node}: {what}"),
            Action::FinalRead { key, node } => write!(f, "final read at {node}: get {key}"),
            Action::Deliver(envelope) => write!(f, "{}", **envelope),
            Action::Lose(envelope) => write!(f, "lost: {}", **envelope),
            Action::Drop(envelope) => write!(f, "FAULT drop: {}", **envelope),
            Action::Duplicate(envelope) => write!(f, "FAULT duplicate: {}", **envelope),
            Action::Fire { node, timer, premature: false } => write!(f, "{node} {timer}"),
            Action::Fire { node, timer, premature: true } => {
                write!(f, "FAULT {node} early {timer}")
            }
            Action::Crash(node) => write!(f, "FAULT {node} crashes"),
            Action::Recover(node) => write!(f, "{node} restarts"),
            Action::GiveUp { client, node } => write!(f, "c{client} gives up on {node}"),
        }
    }
}

impl fmt::Debug for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

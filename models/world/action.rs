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
    /// A message is lost, free: its receiver is down or cut off, or its sender has crashed since.
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
    /// A node starts again with its disk, or with an empty one if that was lost.
    Recover(NodeId),
    /// Fault: a node loses its disk, and all that it was doing.
    LoseDisk(NodeId),
    /// What a node has buffered reaches its disk.
    Flush(NodeId),
    /// Fault: the nodes of this set do not hear the others any more.
    Partition(u8),
    /// All nodes hear each other again.
    Heal,
    /// An operator gives an order, and its contact obeys.
    Order {
        /// The operator.
        operator: usize,
        /// Its contact.
        node: NodeId,
        /// The order.
        what: String,
    },
    /// A client gives up: its node has lost the request.
    GiveUp {
        /// The client.
        client: usize,
        /// The node.
        node: NodeId,
    },
}

impl Action {
    /// The node that it befalls, if it befalls one.
    pub fn befalls(&self) -> Option<NodeId> {
        match self {
            Action::Fire { node, .. }
            | Action::Order { node, .. }
            | Action::Crash(node)
            | Action::Recover(node)
            | Action::LoseDisk(node)
            | Action::Flush(node) => Some(*node),
            _ => None,
        }
    }

    /// Whether this is one of the budgeted faults.
    pub fn is_fault(&self) -> bool {
        match self {
            Action::Drop(_)
            | Action::Duplicate(_)
            | Action::Crash(_)
            | Action::LoseDisk(_)
            | Action::Partition(_) => true,
            Action::Fire { premature, .. } => *premature,
            _ => false,
        }
    }

    /// Whether a node does this on nobody's behalf.
    pub fn is_background(&self) -> bool {
        match self {
            Action::Fire { timer, .. } => !matches!(timer, Timer::Request(_)),
            Action::Flush(_) => true,
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
            Action::LoseDisk(node) => write!(f, "FAULT {node} loses its disk"),
            Action::Flush(node) => write!(f, "{node} flushes its buffer"),
            Action::Partition(far) => {
                let far = (0..8).filter(|node| far >> node & 1 == 1);
                let far: Vec<String> = far.map(|node| format!("n{node}")).collect();
                write!(f, "FAULT partition cuts off {}", far.join(" "))
            }
            Action::Heal => f.write_str("the partition heals"),
            Action::Order { operator, what, .. } => write!(f, "operator {operator}: {what}"),
            Action::GiveUp { client, node } => write!(f, "c{client} gives up on {node}"),
        }
    }
}

impl fmt::Debug for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

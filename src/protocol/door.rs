//! The core's one door: everything that happens to a node, and everything it does.

use crate::ids::{ClientId, NodeId, RequestId};
use crate::membership::{Command, View};
use crate::message::{Answer, Message, Request};
use crate::versions::{Epoch, Incarnation, Stamp};
use alloc::vec::Vec;
use core::fmt;
use serde::{Deserialize, Serialize};

/// Something that happens to a node.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Input {
    /// The node's process starts.
    Start(Start),
    /// A client asks.
    Client {
        /// What.
        request: Request,
        /// What the core may not make itself.
        ambient: Ambient,
    },
    /// A peer speaks.
    Peer {
        /// Who.
        from: NodeId,
        /// Which layouts it acts on.
        view: View,
        /// What.
        message: Message,
        /// What the core may not make itself.
        ambient: Ambient,
    },
    /// A timer that the node had set fires. A stale one is ignored.
    Timer(Timer),
    /// An operator commands. [`crate::node::Node::check_command`] tells beforehand whether it obeys.
    Operator(Command),
}

/// How a node's process starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Start {
    /// With an empty disk, at the birth of the cluster: said explicitly, once.
    Bootstrap {
        /// The life of this disk, drawn at random.
        incarnation: Incarnation,
    },
    /// With the disk it had.
    Restart {
        /// No client session that has begun before has a higher id.
        latest: ClientId,
    },
    /// With an empty disk, in a cluster that may know this node: its disk is lost. It takes writes
    /// at once, and counts as a replica for reads once it has merged what all other owners hold.
    Amnesia {
        /// The life of this disk, drawn at random.
        incarnation: Incarnation,
        /// No client session that has begun before has a higher id.
        latest: ClientId,
    },
}

/// What the core may not make itself: time and chance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Ambient {
    /// The shell's clock.
    pub stamp: Stamp,
    /// An epoch that was never given before.
    pub epoch: Epoch,
}

/// A timer by its name. The shell owns the clock: it knows how long a [`Delay`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Timer {
    /// A request has waited long enough for its quorum.
    Request(RequestId),
    /// A get, or a sloppy put, that is answered has waited long enough for the replicas that were
    /// not needed.
    Straggler(RequestId),
    /// It is time to offer this node the hints that are kept for it.
    Handoff(NodeId),
    /// It is time to try this suspect again (paper §4.8.3). A shell may first find out whether it
    /// is back.
    Retry(NodeId),
    /// It is time to compare copies with this node (paper §4.7).
    Exchange(NodeId),
    /// It is time to look after tombstones.
    Reap,
    /// It is time to gossip with this node (paper §4.8): the shell picks one of those set.
    Gossip(NodeId),
    /// It is time to put in order what a change of the layout has left behind.
    Settle,
}

/// How long a timer runs, as a class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Delay {
    /// As long as a client may wait.
    Request,
    /// As long as an answered request waits for the others.
    Straggler,
    /// Between two offers of hints; longer the longer their home is silent.
    Handoff,
    /// As long as a suspect is left alone.
    Retry,
    /// Between two exchanges with one node.
    Exchange,
    /// Longer than any message may live.
    Reap,
    /// Between two gossips.
    Gossip,
    /// Between two batches.
    Settle,
}

/// Something that a node does.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Effect {
    /// Send to a peer.
    Send {
        /// To whom.
        to: NodeId,
        /// Which layouts the sender acts on.
        view: View,
        /// What.
        message: Message,
    },
    /// Answer a client.
    Reply {
        /// Which request.
        id: RequestId,
        /// With what.
        answer: Answer,
    },
    /// Let `timer` fire after `delay`.
    SetTimer {
        /// Its name.
        timer: Timer,
        /// How long.
        delay: Delay,
    },
    /// `timer` is not needed any more.
    CancelTimer(Timer),
    /// For logs, metrics and traces only.
    Note(Note),
}

/// What is worth telling people, and nothing else depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Note {
    /// A put made siblings: this many are held now.
    Siblings(u16),
    /// Read repair wrote to this replica.
    Repaired(NodeId),
    /// A put took a fresh epoch.
    FreshEpoch(Epoch),
    /// This peer did not answer in time.
    Suspects(NodeId),
    /// This suspect has spoken again.
    Trusts(NodeId),
    /// A hint for this node is kept.
    KeptHint(NodeId),
    /// The home of a hint has merged it: this node gave it.
    MergedHint(NodeId),
    /// A hint was released, for this node has merged it.
    ReleasedHint(NodeId),
    /// A fallback coordinates a put, in place of this node.
    FallbackPut(NodeId),
    /// A get counted the copy of this fallback.
    FallbackRead(NodeId),
    /// An exchange moved an object to this node.
    Exchanged(NodeId),
    /// What this node holds was merged after a lost disk.
    Resynchronised(NodeId),
    /// A tombstone was removed.
    Reaped,
    /// It acts on these layouts from now on.
    Layout(View),
    /// A change was withdrawn: it acts on the layout that it has acted on before.
    Withdrawn(View),
    /// A copy of a key that another node has taken over was removed.
    Dropped,
    /// A hint for this node goes to the key's new owners.
    Rehomed(NodeId),
    /// The input was not acted upon.
    Ignored(Ignored),
}

/// Why an input was not acted upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Ignored {
    /// The node has not been started, or its disk is another node's.
    NotStarted,
    /// It was started already, or started in a way that its disk contradicts.
    BadStart,
    /// The put was coordinated before, or a later one of its session was.
    Duplicate,
    /// The request, question or timer that it belongs to is finished or was never this node's.
    Stale,
    /// The object is of another versioning scheme.
    ForeignObject,
    /// The key is longer than [`crate::limits::MAX_KEY_BYTES`].
    KeyTooLong,
    /// The sender is no member of the cluster.
    Stranger,
    /// This node keeps no copy of the key, and no hints for whom it is said to stand in.
    NotAReplica,
    /// The sender acts on other layouts than this node.
    OtherView,
    /// The sender is of another cluster, or has come here by a way that leads to two.
    OtherCluster,
    /// The command cannot be obeyed.
    BadCommand,
}

/// What one input makes a node do, in order. Nothing of it may leave the node before the writes
/// of the same `handle` are durable.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[must_use]
pub struct Effects(pub Vec<Effect>);

impl Effects {
    pub(crate) fn send(&mut self, to: NodeId, message: Message) {
        // The node puts in its view when it has handled the input.
        self.0.push(Effect::Send { to, view: View::default(), message });
    }

    /// Puts the sender's view into what is sent.
    pub(crate) fn name_view(&mut self, sender: View) {
        for effect in &mut self.0 {
            if let Effect::Send { view, .. } = effect {
                *view = sender;
            }
        }
    }

    pub(crate) fn reply(&mut self, id: RequestId, answer: Answer) {
        self.0.push(Effect::Reply { id, answer });
    }

    pub(crate) fn set(&mut self, timer: Timer, delay: Delay) {
        self.0.push(Effect::SetTimer { timer, delay });
    }

    pub(crate) fn cancel(&mut self, timer: Timer) {
        self.0.push(Effect::CancelTimer(timer));
    }

    pub(crate) fn note(&mut self, note: Note) {
        self.0.push(Effect::Note(note));
    }

    pub(crate) fn ignore(&mut self, why: Ignored) {
        self.note(Note::Ignored(why));
    }
}

impl IntoIterator for Effects {
    type Item = Effect;
    type IntoIter = alloc::vec::IntoIter<Effect>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl fmt::Display for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Timer::Request(id) => write!(f, "request-timeout {id}"),
            Timer::Straggler(id) => write!(f, "straggler-timeout {id}"),
            Timer::Handoff(home) => write!(f, "handoff {home}"),
            Timer::Retry(node) => write!(f, "retry {node}"),
            Timer::Exchange(node) => write!(f, "exchange {node}"),
            Timer::Reap => f.write_str("reap"),
            Timer::Gossip(node) => write!(f, "gossip {node}"),
            Timer::Settle => f.write_str("settle"),
        }
    }
}

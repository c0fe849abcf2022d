//! What nodes and clients say to each other.

mod display;

use crate::config::Quorum;
use crate::ids::{Key, NodeId, RequestId, Value};
use crate::membership::{LayoutHash, Membership};
use crate::merkle::{Hash, Path, TreeNode};
use crate::ring::RangeId;
use crate::store::Durability;
use crate::versions::{Context, Incarnation, Object, Written};
use alloc::sync::Arc;
use alloc::vec::Vec;
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
    /// Whose answers count; `None` leaves it to the cluster's configuration.
    pub quorum: Option<Quorum>,
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
    /// W replicas, this many or more, hold the put.
    Stored {
        /// Which.
        replicas: Replicas,
    },
    /// The causally unrelated versions, and the context that covers them.
    Found {
        /// At least one of them has a value; a tombstone beside it is a concurrent delete.
        siblings: Vec<Written>,
        /// To be passed to the put that replaces them.
        context: Context,
        /// Whose copies these are.
        replicas: Replicas,
    },
    /// R replicas answered, and there is no value.
    NotFound {
        /// The deletes that there are instead, if any.
        deletes: Vec<RequestId>,
        /// A put after a seen delete needs it.
        context: Context,
        /// Whose copies these are.
        replicas: Replicas,
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

/// The replicas that an answer rests on.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Replicas {
    /// Of the key's top N nodes.
    pub primaries: Vec<NodeId>,
    /// Nodes that stand in for some of those.
    pub fallbacks: Vec<NodeId>,
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
    /// The node is no member of the cluster, or not yet; another is.
    NotAMember,
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
        /// The primary that the receiver stands in for, if it does: keep the object as a hint.
        home: Option<NodeId>,
        /// Whether the answer says that it is on disk.
        durability: Durability,
    },
    /// The object of a `Replicate` is merged.
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
        /// The primary that the receiver stands in for, if it does.
        home: Option<NodeId>,
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
        /// The primary that the receiver stands in for, if it does.
        home: Option<NodeId>,
    },
    /// My disk is younger than the cluster: what I hold does not count as a copy yet.
    Unsynchronised {
        /// Of that `Read`.
        id: RequestId,
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
    /// This was kept for you (paper §4.6): merge it, and say when it is durable.
    Handoff {
        /// The key.
        key: Key,
        /// The hint.
        object: Object,
    },
    /// The object of a `Handoff` is durably merged.
    HandedOff {
        /// The key.
        key: Key,
        /// Of the object, so that a hint which has grown since is not released (bug D2).
        hash: Hash,
    },
    /// Anti-entropy (paper §4.7): the roots of my trees over the ranges that we share; a range
    /// that is missing between `from` and `to` holds nothing.
    Roots {
        /// The first range spoken of.
        from: RangeId,
        /// The last one.
        to: RangeId,
        /// Ranges, ascending, and the roots of their trees.
        roots: Vec<(RangeId, Hash)>,
    },
    /// What lies at a place of my tree: yours differs at or below it.
    Subtree {
        /// The range.
        range: RangeId,
        /// The place.
        path: Path,
        /// What I have there.
        node: TreeNode,
    },
    /// My object, if I have one: merge it, and send me what you have beyond it.
    Swap {
        /// The key.
        key: Key,
        /// The object.
        object: Option<Object>,
    },
    /// I cannot vouch for what I own, be my disk lost or a change of the layout under way: send me
    /// what you hold of the keys that we share (from `after` on).
    Pull {
        /// What the page is for.
        refill: Refill,
        /// The last key of the page before.
        after: Option<Key>,
    },
    /// A part of what the sender of a `Pull` asked for.
    Page {
        /// Of the `Pull`.
        refill: Refill,
        /// Of the `Pull`.
        after: Option<Key>,
        /// Keys and their objects.
        objects: Vec<(Key, Object)>,
        /// The last key that was looked at; `None` after the last page.
        next: Option<Key>,
        /// The life of the sender's disk, if it cannot vouch for what it sends either.
        lost: Option<Incarnation>,
    },
    /// I am about to remove these tombstones: do you know of anything older?
    ReapAsk {
        /// Which of the three times.
        round: Round,
        /// Keys, and the hashes of their objects.
        tombstones: Vec<(Key, Hash)>,
    },
    /// Of these I know nothing else, and nothing of them has moved here since the first round.
    ReapYes {
        /// Of the `ReapAsk`.
        round: Round,
        /// Some of those asked about.
        tombstones: Vec<(Key, Hash)>,
    },
    /// What I know of who takes part (paper §4.8), as a hash.
    Gossip {
        /// Of the sender's [`Membership`].
        digest: LayoutHash,
        /// Whether the sender has done what the present stage of a change asks of it.
        done: bool,
        /// Whether it wants to hear the same of the receiver.
        asks: bool,
    },
    /// What I know of who takes part.
    News(Arc<Membership>),
    /// Every node has said yes three times: remove these tombstones if they are still what you hold.
    Reap {
        /// Keys, and the hashes of their objects.
        tombstones: Vec<(Key, Hash)>,
    },
}

/// A node fetches what it cannot vouch for, and begins anew when it hears that somebody else's disk
/// was lost as well. Pages for what it did before do not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Refill {
    /// The life of its disk.
    pub life: Incarnation,
    /// Of how many lost disks of others it has heard in that.
    pub losses: u32,
}

/// A reaper asks three times, and lets every message that was under way before the answers die out
/// in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Round {
    /// Before the first wait.
    First,
    /// After it.
    Second,
    /// After another.
    Third,
}

impl Message {
    /// Whether it is served only by nodes that act on the same layouts as its sender: what is said,
    /// counted or handed over under others would prove nothing.
    pub fn is_bound_to_view(&self) -> bool {
        matches!(
            self,
            Message::Replicate { .. }
                | Message::Confirm { .. }
                | Message::Read { .. }
                | Message::Handoff { .. }
                | Message::Roots { .. }
                | Message::Subtree { .. }
                | Message::Swap { .. }
                | Message::Pull { .. }
                | Message::Page { .. }
                | Message::ReapAsk { .. }
                | Message::ReapYes { .. }
                | Message::Reap { .. }
        )
    }

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
            | Message::Unsynchronised { id }
            | Message::NotAReplica { id } => Some(*id),
            _ => None,
        }
    }

    /// The key that a replica is told or asked about. A forwarded request has a refusal of its own.
    pub fn key(&self) -> Option<&Key> {
        match self {
            Message::Replicate { key, .. }
            | Message::Confirm { key, .. }
            | Message::Read { key, .. }
            | Message::Repair { key, .. }
            | Message::Handoff { key, .. }
            | Message::HandedOff { key, .. }
            | Message::Swap { key, .. } => Some(key),
            _ => None,
        }
    }

    /// All keys that it names outside a forwarded request and a tree.
    pub fn keys(&self) -> impl Iterator<Item = &Key> + '_ {
        let objects: &[(Key, Object)] = match self {
            Message::Page { objects, .. } => objects,
            _ => &[],
        };
        let tombstones: &[(Key, Hash)] = match self {
            Message::ReapAsk { tombstones, .. }
            | Message::ReapYes { tombstones, .. }
            | Message::Reap { tombstones } => tombstones,
            _ => &[],
        };
        let (after, next) = match self {
            Message::Page { after, next, .. } => (after.as_ref(), next.as_ref()),
            Message::Pull { after, .. } => (after.as_ref(), None),
            _ => (None, None),
        };
        let many = objects.iter().map(|(key, _)| key).chain(tombstones.iter().map(|(key, _)| key));
        self.key().into_iter().chain(after).chain(next).chain(many)
    }

    /// The objects that it carries.
    pub fn objects(&self) -> impl Iterator<Item = (Option<&Key>, &Object)> + '_ {
        let (one, many): (_, &[(Key, Object)]) = match self {
            Message::Replicate { key, object, .. }
            | Message::Confirm { key, object, .. }
            | Message::Repair { key, object }
            | Message::Handoff { key, object }
            | Message::Swap { key, object: Some(object) } => (Some((Some(key), object)), &[]),
            Message::Copy { object: Some(object), .. } => (Some((None, object)), &[]),
            Message::Page { objects, .. } => (None, objects),
            _ => (None, &[]),
        };
        one.into_iter().chain(many.iter().map(|(key, object)| (Some(key), object)))
    }

    /// Whether it answers a question: once the asker has finished the request it means nothing.
    pub fn is_answer(&self) -> bool {
        matches!(
            self,
            Message::Forwarded { .. }
                | Message::Replicated { .. }
                | Message::Copy { .. }
                | Message::Unsynchronised { .. }
                | Message::NotAReplica { .. }
        )
    }
}

//! What a key holds, and how two copies of it merge.
//!
//! Three schemes (design decision "versions"): *dotted* version vectors, the default, lose nothing;
//! the paper's plain *vector clock* (§4.4) loses an acknowledged write whenever two clients write
//! with the same context through one coordinator; *last-writer-wins* loses all but the latest of
//! concurrent writes. All three obey the same laws: a merge is commutative, associative,
//! idempotent and never forgets what only one side knows.

mod dotted;
mod last_writer_wins;
mod vector_clock;
mod version_vector;

pub use dotted::Dotted;
pub use last_writer_wins::{Register, WriteStamp};
pub use vector_clock::{Clocked, VectorClock};
pub use version_vector::{Actor, Dot, Epoch, Incarnation, VersionVector};

use crate::ids::{NodeId, RequestId, Value};
use crate::policy::Truncation;
use alloc::{string::String, vec::Vec};
use core::fmt;
use serde::{Deserialize, Serialize};

/// A reading of the shell's clock. The core only compares stamps.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Stamp(pub u64);

/// The scheme that orders the versions of a key; the same on every node of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Versioning {
    /// Dotted version vectors.
    Dotted,
    /// The paper's vector clock (§4.4): one counter a node.
    VectorClock {
        /// Pairs that a clock keeps; the oldest goes first. `None` keeps all.
        limit: Option<u8>,
    },
    /// The latest stamp wins.
    LastWriterWins,
}

/// One version: what a put or a delete wrote.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Written {
    /// The put or delete; it tells two puts of the same bytes apart.
    pub by: RequestId,
    /// The value; `None` is a tombstone.
    pub value: Option<Value>,
}

/// All that a replica holds for one key. Replication, repair and handoff ship it whole.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Object {
    /// Under [`Versioning::Dotted`].
    Dotted(Dotted),
    /// Under [`Versioning::VectorClock`].
    Clocked(Clocked),
    /// Under [`Versioning::LastWriterWins`].
    Register(Register),
}

/// What a client has read of a key, opaque to it; a put with it replaces that and nothing else
/// (paper §4.1, §4.4).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Context {
    /// The dots that are known.
    Dotted(VersionVector),
    /// The clock that subsumes all versions read.
    Clock(VectorClock),
    /// The stamp read.
    Stamp(Option<WriteStamp>),
}

/// What a coordinator needs to make a new version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewVersion {
    /// The dot to give, under [`Versioning::Dotted`].
    pub dot: Dot,
    /// The coordinator's clock.
    pub stamp: Stamp,
    /// What a clock that has grown too long forgets, under [`Versioning::VectorClock`].
    pub truncation: Truncation,
}

impl NewVersion {
    /// A version with this dot, at this time.
    pub fn new(dot: Dot, stamp: Stamp) -> NewVersion {
        NewVersion { dot, stamp, truncation: Truncation::default() }
    }
}

impl Versioning {
    /// The object of a key that was never written.
    pub fn empty_object(self) -> Object {
        match self {
            Versioning::Dotted => Object::Dotted(Dotted::default()),
            Versioning::VectorClock { .. } => Object::Clocked(Clocked::default()),
            Versioning::LastWriterWins => Object::Register(Register::default()),
        }
    }

    /// The context of somebody who has read nothing.
    pub fn empty_context(self) -> Context {
        self.empty_object().context()
    }

    /// Whether `object` is of this scheme, and such as puts and merges make it. One that is not
    /// comes from a foreign or broken peer.
    pub fn admits(self, object: &Object) -> bool {
        match (self, object) {
            (Versioning::Dotted, Object::Dotted(object)) => object.is_sound(),
            (Versioning::VectorClock { .. }, Object::Clocked(object)) => object.is_sound(),
            (Versioning::LastWriterWins, Object::Register(_)) => true,
            _ => false,
        }
    }

    /// Whether `context` is of this scheme and names no more than so many actors.
    pub fn admits_context(self, context: &Context, most: usize) -> bool {
        let actors = match (self, context) {
            (Versioning::Dotted, Context::Dotted(seen)) => seen.len(),
            (Versioning::VectorClock { .. }, Context::Clock(clock)) => clock.len(),
            (Versioning::LastWriterWins, Context::Stamp(_)) => 1,
            _ => return false,
        };
        actors <= most
    }

    /// The copy of a key after a put through `coordinator`: what `context` covers is replaced.
    /// `copy` and `context` must be of this scheme.
    pub fn put(
        self,
        copy: &Object,
        context: &Context,
        coordinator: NodeId,
        new: NewVersion,
        written: Written,
    ) -> Object {
        match (self, copy, context) {
            (Versioning::Dotted, Object::Dotted(copy), Context::Dotted(seen)) => {
                Object::Dotted(copy.put(seen, new.dot, written))
            }
            (Versioning::VectorClock { limit }, Object::Clocked(copy), Context::Clock(read)) => {
                Object::Clocked(copy.put(read, coordinator, new, limit, written))
            }
            (Versioning::LastWriterWins, Object::Register(copy), Context::Stamp(read)) => {
                Object::Register(copy.put(*read, coordinator, new.stamp, written))
            }
            _ => unreachable!("copies and contexts are checked where they come in"),
        }
    }
}

impl Object {
    /// What both copies know. Copies of different schemes do not merge: the first one stays.
    #[must_use]
    pub fn merge(&self, other: &Object) -> Object {
        match (self, other) {
            (Object::Dotted(a), Object::Dotted(b)) => Object::Dotted(a.merge(b)),
            (Object::Clocked(a), Object::Clocked(b)) => Object::Clocked(a.merge(b)),
            (Object::Register(a), Object::Register(b)) => Object::Register(a.merge(b)),
            _ => self.clone(),
        }
    }

    /// Whether a merge with `other` would change nothing.
    pub fn includes(&self, other: &Object) -> bool {
        self == other || self.merge(other) == *self
    }

    /// The versions, in a fixed order, each with its version stamp as text.
    pub fn versions(&self) -> Vec<(String, &Written)> {
        match self {
            Object::Dotted(object) => object.versions(),
            Object::Clocked(object) => object.versions(),
            Object::Register(object) => object.versions(),
        }
    }

    /// Whether the version that was given `dot` by the put `by` is held, or something that has
    /// replaced it. Where there are no dots, what replaces a version does not show.
    pub fn holds(&self, dot: Dot, by: RequestId) -> bool {
        match self {
            Object::Dotted(object) => object.seen().contains(dot),
            _ => self.siblings().any(|written| written.by == by),
        }
    }

    /// The versions that nothing known here has replaced, in a fixed order.
    pub fn siblings(&self) -> impl Iterator<Item = &Written> + '_ {
        let (dotted, clocked, register) = match self {
            Object::Dotted(object) => (Some(object.siblings()), None, None),
            Object::Clocked(object) => (None, Some(object.siblings()), None),
            Object::Register(object) => (None, None, object.written()),
        };
        dotted.into_iter().flatten().chain(clocked.into_iter().flatten()).chain(register)
    }

    /// The event that made each version, and the put; none where there are no dots.
    pub fn dots(&self) -> impl Iterator<Item = (Dot, RequestId)> + '_ {
        let dots = match self {
            Object::Dotted(object) => Some(object.dots()),
            _ => None,
        };
        dots.into_iter().flatten()
    }

    /// Whether there is nothing but tombstones.
    pub fn is_deleted(&self) -> bool {
        let mut siblings = self.siblings().peekable();
        siblings.peek().is_some() && siblings.all(|written| written.value.is_none())
    }

    /// What a reader of this copy has seen.
    pub fn context(&self) -> Context {
        match self {
            Object::Dotted(object) => Context::Dotted(object.seen().clone()),
            Object::Clocked(object) => Context::Clock(object.clock()),
            Object::Register(object) => Context::Stamp(object.stamp()),
        }
    }

    /// Total bytes of the values held.
    pub fn value_bytes(&self) -> usize {
        self.siblings().filter_map(|written| written.value.as_ref()).map(|v| v.0.len()).sum()
    }
}

/// What the museum's wrong choices ask of versions.
#[cfg(feature = "museum")]
impl Object {
    /// Whether both are last writes, of two nodes at one time.
    pub fn ties_with(&self, other: &Object) -> bool {
        let stamp = |object: &Object| match object {
            Object::Register(register) => register.stamp().map(|at| at.stamp),
            _ => None,
        };
        stamp(self).is_some() && stamp(self) == stamp(other)
    }

    /// The same last write, as if `node` had coordinated it.
    #[must_use]
    pub fn stamped_by(&self, node: NodeId) -> Object {
        match self {
            Object::Register(register) => Object::Register(register.stamped_by(node)),
            other => other.clone(),
        }
    }
}

#[cfg(feature = "museum")]
impl Context {
    /// Whether a reader of this has seen all that a reader of `other` has.
    pub fn descends(&self, other: &Context) -> bool {
        match (self, other) {
            (Context::Dotted(seen), Context::Dotted(other)) => seen.descends(other),
            (Context::Clock(clock), Context::Clock(other)) => clock.descends(other),
            (Context::Stamp(stamp), Context::Stamp(other)) => stamp >= other,
            _ => false,
        }
    }
}

/// Writes `{a:1 b:2}`.
fn braced<A: fmt::Display, B: fmt::Display>(
    f: &mut fmt::Formatter<'_>,
    items: impl Iterator<Item = (A, &'static str, B)>,
) -> fmt::Result {
    f.write_str("{")?;
    for (i, (a, between, b)) in items.enumerate() {
        let gap = if i == 0 { "" } else { " " };
        write!(f, "{gap}{a}{between}{b}")?;
    }
    f.write_str("}")
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(f, "{value}"),
            None => write!(f, "deleted-by-{}", self.by),
        }
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let versions = self.versions();
        for (i, (stamp, written)) in versions.iter().enumerate() {
            write!(f, "{}{written} {stamp}", if i == 0 { "" } else { ", " })?;
        }
        match self {
            Object::Dotted(object) if versions.is_empty() => write!(f, "nothing {}", object.seen()),
            _ if versions.is_empty() => f.write_str("nothing"),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Context::Dotted(seen) => write!(f, "{seen}"),
            Context::Clock(clock) => write!(f, "{clock}"),
            Context::Stamp(Some(stamp)) => write!(f, "{stamp}"),
            Context::Stamp(None) => f.write_str("{}"),
        }
    }
}

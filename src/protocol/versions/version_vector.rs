//! Version vectors: which events of which actors are known.

use crate::ids::NodeId;
use alloc::collections::BTreeMap;
use core::fmt;
use serde::{Deserialize, Serialize};

/// One life of a node's disk. Drawn outside at `Bootstrap` and at every `Amnesia`.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Incarnation(pub u64);

/// Tells apart the runs of counters that one incarnation of a node issues for one key.
/// Drawn outside, never twice.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Epoch(pub u64);

/// Who counts: a node's incarnation in one epoch. Its counter runs contiguously from 1 for each
/// key, so that `{actor: 3}` means exactly the events 1, 2 and 3 (bugs A2–A6 and A16 of the
/// family are all ways to break this).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Actor {
    /// The node.
    pub node: NodeId,
    /// Its incarnation.
    pub incarnation: Incarnation,
    /// The epoch within the incarnation.
    pub epoch: Epoch,
}

impl Actor {
    /// A name that stands for a node through all its lives and epochs.
    #[cfg(feature = "museum")]
    pub fn of_all_time(node: NodeId) -> Actor {
        Actor { node, incarnation: Incarnation(0), epoch: Epoch(0) }
    }
}

/// One event: the `counter`-th of `actor`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Dot {
    /// Who issued it.
    pub actor: Actor,
    /// Its number, from 1.
    pub counter: u64,
}

/// For each actor, how many of its events are known; absent means none (paper §4.4).
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct VersionVector(BTreeMap<Actor, u64>);

impl VersionVector {
    /// Makes `dot`, and all events of its actor before it, known. A counter of 0 is no event, and
    /// leaves no entry: equal knowledge is equal bytes.
    pub fn add(&mut self, dot: Dot) {
        if !self.contains(dot) {
            self.0.insert(dot.actor, dot.counter);
        }
    }

    /// Makes known what `other` knows: the pointwise maximum.
    pub fn merge(&mut self, other: &VersionVector) {
        for (&actor, &counter) in &other.0 {
            self.add(Dot { actor, counter });
        }
    }

    /// The number of events of `actor` that are known.
    pub fn counter(&self, actor: Actor) -> u64 {
        self.0.get(&actor).copied().unwrap_or(0)
    }

    /// Whether `dot` is known.
    pub fn contains(&self, dot: Dot) -> bool {
        dot.counter <= self.counter(dot.actor)
    }

    /// Whether all that `other` knows is known here too.
    pub fn descends(&self, other: &VersionVector) -> bool {
        other.0.iter().all(|(&actor, &counter)| counter <= self.counter(actor))
    }

    /// Whether no actor is named without an event.
    pub(super) fn is_canonical(&self) -> bool {
        self.0.values().all(|&counter| counter > 0)
    }

    /// The last event of the latest actor of `node`, if any is known.
    #[cfg(feature = "museum")]
    pub fn last_of(&self, node: NodeId) -> Option<Dot> {
        let mut latest = self.0.iter().rev().filter(|(actor, _)| actor.node == node);
        latest.next().map(|(&actor, &counter)| Dot { actor, counter })
    }

    /// How many actors are named.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<Dot> for VersionVector {
    fn from_iter<I: IntoIterator<Item = Dot>>(dots: I) -> Self {
        let mut vector = VersionVector::default();
        dots.into_iter().for_each(|dot| vector.add(dot));
        vector
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.epoch.0 {
            0 => write!(f, "{}", self.node),
            epoch => write!(f, "{}e{epoch}", self.node),
        }
    }
}

impl fmt::Display for Dot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.actor, self.counter)
    }
}

impl fmt::Display for VersionVector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        super::braced(f, self.0.iter().map(|(actor, counter)| (actor, ":", counter)))
    }
}

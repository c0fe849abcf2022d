//! The paper's vector clocks (§4.4, Figure 3): one counter a node, one clock a version.
//!
//! Selectable because the paper describes it, not because it is safe: two puts with one context
//! through one coordinator get {S:2} and {S:3}, and the second silently dominates the first.

use super::{NewVersion, Stamp, Written};
use crate::ids::NodeId;
use crate::policy::Truncation;
use alloc::{
    collections::BTreeMap,
    format,
    string::{String, ToString},
    vec::Vec,
};
use core::fmt;
use serde::{Deserialize, Serialize};

/// A list of (node, counter) pairs, each with the time of the node's last update (zero while no
/// limit asks for it).
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct VectorClock(BTreeMap<NodeId, (u64, Stamp)>);

/// The versions of a key, each with its clock; none is an ancestor of another.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Clocked(Vec<(VectorClock, Written)>);

impl VectorClock {
    /// The counter of `node`; 0 when absent.
    pub fn counter(&self, node: NodeId) -> u64 {
        self.0.get(&node).map_or(0, |&(counter, _)| counter)
    }

    /// Whether `other` is an ancestor of this clock or equal to it: no counter of it is higher.
    pub fn descends(&self, other: &VectorClock) -> bool {
        other.0.iter().all(|(&node, &(counter, _))| counter <= self.counter(node))
    }

    /// How many nodes are named.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no node is named.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn merge(&mut self, other: &VectorClock) {
        for (&node, &pair) in &other.0 {
            let mine = self.0.entry(node).or_default();
            *mine = pair.max(*mine);
        }
    }

    /// Drops the oldest pairs until `limit` are left. Equal times fall by node, alike everywhere
    /// (bug A12). The pair of `newest` goes last, even if its clock is behind: without it the new
    /// version would be taken for an old one.
    fn truncate(&mut self, limit: usize, newest: NodeId, truncation: Truncation) {
        while self.0.len() > limit {
            let ages = self.0.iter().map(|(&node, &(_, at))| (node == newest, at, node));
            let dropped = match truncation {
                Truncation::OldestFirst => ages.min(),
                #[cfg(feature = "museum")]
                Truncation::NewestFirst => ages.max(),
            };
            let Some((_, _, node)) = dropped else { return };
            self.0.remove(&node);
        }
    }
}

impl Clocked {
    /// Whether the versions are in order and none is an ancestor of another.
    pub(super) fn is_sound(&self) -> bool {
        self.merge(self) == *self
    }

    pub(super) fn siblings(&self) -> impl Iterator<Item = &Written> + use<'_> {
        self.0.iter().map(|(_, written)| written)
    }

    pub(super) fn versions(&self) -> Vec<(String, &Written)> {
        self.0.iter().map(|(clock, written)| (clock.to_string(), written)).collect()
    }

    /// The clock that subsumes every version held.
    pub(super) fn clock(&self) -> VectorClock {
        let mut clock = VectorClock::default();
        self.0.iter().for_each(|(version, _)| clock.merge(version));
        clock
    }

    /// "Sx increases its sequence number": the highest counter that the coordinator knows of
    /// itself, from the context or its own copy, plus one.
    pub(super) fn put(
        &self,
        context: &VectorClock,
        coordinator: NodeId,
        new: NewVersion,
        limit: Option<u8>,
        written: Written,
    ) -> Clocked {
        let counter =
            self.clock().counter(coordinator).max(context.counter(coordinator)).saturating_add(1);
        let mut clock = context.clone();
        let stamp = if limit.is_some() { new.stamp } else { Stamp::default() };
        clock.0.insert(coordinator, (counter, stamp));
        if let Some(limit) = limit {
            clock.truncate(usize::from(limit.max(1)), coordinator, new.truncation);
        }
        self.merge(&Clocked([(clock, written)].into()))
    }

    pub(super) fn merge(&self, other: &Clocked) -> Clocked {
        let mut kept: Vec<(VectorClock, Written)> = Vec::new();
        let all = || self.0.iter().chain(&other.0);
        for version in all() {
            let obsolete = all().any(|rival| supersedes(rival, version));
            if !obsolete && !kept.contains(version) {
                kept.push(version.clone());
            }
        }
        kept.sort();
        Clocked(kept)
    }
}

/// Whether `a` makes `b` forgotten: it descends from it, or has an equal clock and is the one of
/// the two that all replicas choose to keep.
fn supersedes(a: &(VectorClock, Written), b: &(VectorClock, Written)) -> bool {
    let (down, up) = (a.0.descends(&b.0), b.0.descends(&a.0));
    down && (!up || (&a.1, &a.0) > (&b.1, &b.0))
}

impl fmt::Display for VectorClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        super::braced(
            f,
            self.0.iter().map(|(node, (counter, _))| (format!("{node}"), ":", counter)),
        )
    }
}

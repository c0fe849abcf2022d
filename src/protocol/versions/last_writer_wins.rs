//! Last-writer-wins: one version a key, the one with the highest stamp (paper §6, "timestamp based
//! reconciliation"). Of concurrent writes it keeps one.

use super::{Stamp, Written};
use crate::ids::NodeId;
use alloc::{
    string::{String, ToString},
    vec::Vec,
};
use core::fmt;
use serde::{Deserialize, Serialize};

/// The time of a write; ties break by node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WriteStamp {
    /// The coordinator's clock, or one past the stamp that it or the writer had seen.
    pub stamp: Stamp,
    /// The coordinator.
    pub node: NodeId,
}

/// The latest version of a key, if any.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Register(Option<(WriteStamp, Written)>);

impl Register {
    pub(super) fn stamp(&self) -> Option<WriteStamp> {
        self.0.as_ref().map(|&(stamp, _)| stamp)
    }

    pub(super) fn written(&self) -> Option<&Written> {
        self.0.as_ref().map(|(_, written)| written)
    }

    pub(super) fn versions(&self) -> Vec<(String, &Written)> {
        self.0.iter().map(|(stamp, written)| (stamp.to_string(), written)).collect()
    }

    /// A new stamp exceeds the one that the writer read and the one held here (bug H4).
    pub(super) fn put(
        &self,
        read: Option<WriteStamp>,
        node: NodeId,
        clock: Stamp,
        written: Written,
    ) -> Register {
        let seen = self.stamp().max(read).map_or(0, |seen| seen.stamp.0.saturating_add(1));
        let stamp = Stamp(clock.0.max(seen));
        self.merge(&Register(Some((WriteStamp { stamp, node }, written))))
    }

    /// The same write, stamped by another node at the same time.
    #[cfg(feature = "museum")]
    pub(super) fn stamped_by(&self, node: NodeId) -> Register {
        let restamp =
            |(at, written): &(WriteStamp, Written)| (WriteStamp { node, ..*at }, written.clone());
        Register(self.0.as_ref().map(restamp))
    }

    pub(super) fn merge(&self, other: &Register) -> Register {
        self.max(other).clone()
    }
}

impl fmt::Display for WriteStamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{t{} {}}}", self.stamp.0, self.node)
    }
}

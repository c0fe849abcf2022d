//! What a node says about itself to whoever asks: for operators, tests and clients that route by the
//! layout, never for the protocol.

use dynamo_protocol::ids::NodeId;
use dynamo_protocol::membership::{Membership, Step};
use dynamo_protocol::merkle::Hash;
use dynamo_protocol::ring::{Member, RangeId};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A node, seen from outside.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Hints that it keeps for others.
    pub hints: u64,
    /// Whether its own copies count for reads; not so while it recovers from a lost disk.
    pub synchronised: bool,
    /// Peers that it takes for failed.
    pub suspects: Vec<NodeId>,
    /// Requests that it has not finished.
    pub pending: u64,
    /// Whether it makes faults on purpose.
    pub faults: bool,
    /// What it holds of each range that it is a replica of, ascending: a hash that is equal where
    /// the copies are. [`Digests`] says which hash.
    pub ranges: Vec<(RangeId, Hash)>,
    /// The objects of these ranges and the bytes of their values, if they were read.
    pub stored: Option<(u64, u64)>,
    /// What it has counted since it started.
    pub counters: BTreeMap<String, u64>,
    /// Who takes part, as far as it knows.
    pub members: Option<Box<Members>>,
}

/// Who takes part in a cluster, as one node sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Members {
    /// The node itself, as its configuration has it, member or not.
    pub me: Member,
    /// The layouts that it knows.
    pub membership: Arc<Membership>,
    /// The plan that it keeps.
    pub staged: Vec<Step>,
    /// Whom the change under way still waits for in its present stage, by what this node has heard.
    pub awaited: BTreeSet<NodeId>,
    /// Whether this node has done what that stage asks for.
    pub has_done: bool,
    /// Whether it puts in order what a change has left behind.
    pub is_settling: bool,
    /// Those whose copies it has merged since it became an owner of more; `None` if it has all.
    pub merged: Option<BTreeSet<NodeId>>,
    /// The hints that it keeps, by the node that they are for.
    pub hints: BTreeMap<NodeId, u64>,
}

impl Members {
    /// What people call `node`, if a layout knows it; otherwise its id.
    pub fn name_of(&self, node: NodeId) -> String {
        super::name_of(&self.membership, node)
    }
}

/// What [`Status::ranges`] is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Digests {
    /// Nothing: only how the node is.
    Nothing,
    /// The roots of the Merkle trees, which are at hand; nothing if anti-entropy is off.
    Roots,
    /// The objects themselves, all of which are read: independent of the trees, and slow.
    Objects,
}

/// The ranges of which two or more nodes show different hashes.
pub fn disagreements(all: &[Status]) -> Vec<RangeId> {
    let mut first: BTreeMap<RangeId, Hash> = BTreeMap::new();
    let mut differ: Vec<RangeId> = Vec::new();
    for (range, hash) in all.iter().flat_map(|status| &status.ranges) {
        if first.entry(*range).or_insert(*hash) != hash {
            differ.push(*range);
        }
    }
    differ.sort_unstable();
    differ.dedup();
    differ
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ranges_with_different_copies_disagree() {
        let status = |ranges: &[(u32, u8)]| Status {
            ranges: ranges.iter().map(|(range, b)| (RangeId(*range), Hash([*b; 16]))).collect(),
            ..Status::default()
        };
        let all = [
            status(&[(0, 1), (1, 1), (3, 0)]),
            status(&[(1, 1), (2, 1), (3, 1)]),
            status(&[(0, 2), (2, 1), (3, 2)]),
        ];
        assert_eq!(disagreements(&all), [RangeId(0), RangeId(3)]);
        assert_eq!(disagreements(&all[..1]), []);
    }
}

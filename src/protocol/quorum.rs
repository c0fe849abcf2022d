//! How many distinct replicas have answered. Counts replicas, never messages (bug E5).

use crate::ids::NodeId;
use crate::message::Replicas;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// The answers to one question that was put to a set of replicas.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Tally {
    need: u8,
    /// If there are several: each of these sets of replicas must give as many answers.
    quorums: Vec<BTreeSet<NodeId>>,
    silent: BTreeSet<NodeId>,
    yes: BTreeSet<NodeId>,
    no: BTreeSet<NodeId>,
    /// The fallbacks among them, and the primaries that they stand in for.
    homes: BTreeMap<NodeId, NodeId>,
}

/// A node that is asked, and the primary that it stands in for, if it is a fallback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// The node.
    pub node: NodeId,
    /// The primary.
    pub home: Option<NodeId>,
}

/// Where a tally stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Too few answers yet.
    Pending,
    /// Enough replicas said yes.
    Reached,
    /// So many refused that enough can never say yes.
    Failed,
}

impl Tally {
    /// A question that `need` of the replicas `asked` must say yes to.
    pub fn new(need: u8, asked: impl IntoIterator<Item = Target>) -> Tally {
        let (silent, yes, no) = Default::default();
        let (quorums, homes) = (Vec::new(), BTreeMap::new());
        let mut tally = Tally { need, quorums, silent, yes, no, homes };
        asked.into_iter().for_each(|target| tally.ask(target));
        tally
    }

    /// The same, where `need` of each of these sets have to say yes, if there are any.
    #[must_use]
    pub fn in_each(mut self, quorums: Vec<BTreeSet<NodeId>>) -> Tally {
        self.quorums = quorums;
        self
    }

    /// Puts the question anew: to `asked`, and for these sets. Who has said yes stays.
    pub fn renew(
        &mut self,
        quorums: Vec<BTreeSet<NodeId>>,
        asked: impl IntoIterator<Item = Target>,
    ) {
        self.quorums = quorums;
        self.silent.clear();
        self.no.clear();
        self.homes.retain(|node, _| self.yes.contains(node));
        asked.into_iter().for_each(|target| self.ask(target));
    }

    /// One more is asked, unless it was.
    pub fn ask(&mut self, target: Target) {
        if !self.was_asked(target.node) {
            self.silent.insert(target.node);
            if let Some(home) = target.home {
                self.homes.insert(target.node, home);
            }
        }
    }

    /// Whether `node` is among those asked.
    pub fn was_asked(&self, node: NodeId) -> bool {
        [&self.silent, &self.yes, &self.no].iter().any(|nodes| nodes.contains(&node))
    }

    /// `from` says yes. Whoever was not asked, or has answered before, counts for nothing.
    pub fn accept(&mut self, from: NodeId) {
        if self.silent.remove(&from) {
            self.yes.insert(from);
        }
    }

    /// `from` refuses.
    pub fn refuse(&mut self, from: NodeId) {
        if self.silent.remove(&from) {
            self.no.insert(from);
        }
    }

    /// Where the tally stands.
    pub fn standing(&self) -> Standing {
        if self.count(self.accepted()) >= self.need {
            Standing::Reached
        } else if self.count(self.accepted().chain(self.silent())) < self.need {
            Standing::Failed
        } else {
            Standing::Pending
        }
    }

    /// How many primaries are among `nodes` and behind them, in the quorum that has the fewest: a
    /// primary and its fallback are one replica as soon as the hint has gone home.
    fn count(&self, nodes: impl Iterator<Item = NodeId>) -> u8 {
        let places: BTreeSet<NodeId> = nodes.map(|node| self.home(node).unwrap_or(node)).collect();
        let counts = self.quorums.iter().map(|quorum| quorum.intersection(&places).count());
        // A tally is never larger than a preference list's `n: u8`.
        counts.min().unwrap_or(places.len()) as u8
    }

    /// How many replicas said yes.
    pub fn got(&self) -> u8 {
        self.count(self.accepted())
    }

    /// How many have to.
    pub fn need(&self) -> u8 {
        self.need
    }

    /// Who has not answered.
    pub fn silent(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.silent.iter().copied()
    }

    /// Those who have not answered, with whom they stand in for.
    pub fn silent_targets(&self) -> impl Iterator<Item = Target> + '_ {
        self.silent().map(|node| Target { node, home: self.home(node) })
    }

    /// Who said yes.
    pub fn accepted(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.yes.iter().copied()
    }

    /// Everybody that was asked.
    pub fn asked(&self) -> impl Iterator<Item = Target> + '_ {
        let nodes = [&self.silent, &self.yes, &self.no].into_iter().flatten();
        nodes.map(|&node| Target { node, home: self.home(node) })
    }

    /// The primary that `node` was asked in place of.
    pub fn home(&self, node: NodeId) -> Option<NodeId> {
        self.homes.get(&node).copied()
    }

    /// Who said yes, primaries and fallbacks apart.
    pub fn replicas(&self) -> Replicas {
        let is_fallback = |node: &NodeId| self.homes.contains_key(node);
        let (fallbacks, primaries) = self.yes.iter().copied().partition(is_fallback);
        Replicas { primaries, fallbacks }
    }

    /// Whether `node` said yes.
    pub fn has_accepted(&self, node: NodeId) -> bool {
        self.yes.contains(&node)
    }
}

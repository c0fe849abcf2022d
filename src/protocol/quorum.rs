//! How many distinct replicas have answered. Counts replicas, never messages (bug E5).

use crate::ids::NodeId;
use alloc::collections::BTreeSet;
use serde::{Deserialize, Serialize};

/// The answers to one question that was put to a set of replicas.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Tally {
    need: u8,
    silent: BTreeSet<NodeId>,
    yes: BTreeSet<NodeId>,
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
    pub fn new(need: u8, asked: impl IntoIterator<Item = NodeId>) -> Tally {
        Tally { need, silent: asked.into_iter().collect(), yes: BTreeSet::new() }
    }

    /// `from` says yes. Whoever was not asked, or has answered before, counts for nothing.
    pub fn accept(&mut self, from: NodeId) {
        if self.silent.remove(&from) {
            self.yes.insert(from);
        }
    }

    /// `from` refuses.
    pub fn refuse(&mut self, from: NodeId) {
        self.silent.remove(&from);
    }

    /// Where the tally stands.
    pub fn standing(&self) -> Standing {
        let need = usize::from(self.need);
        match self.yes.len() {
            got if got >= need => Standing::Reached,
            got if got + self.silent.len() < need => Standing::Failed,
            _ => Standing::Pending,
        }
    }

    /// How many said yes.
    pub fn got(&self) -> u8 {
        // A tally is never larger than a preference list's `n: u8`.
        self.yes.len() as u8
    }

    /// How many have to.
    pub fn need(&self) -> u8 {
        self.need
    }

    /// Who has not answered.
    pub fn silent(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.silent.iter().copied()
    }

    /// Who said yes.
    pub fn accepted(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.yes.iter().copied()
    }

    /// Whether `node` said yes.
    pub fn has_accepted(&self, node: NodeId) -> bool {
        self.yes.contains(&node)
    }
}

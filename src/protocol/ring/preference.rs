//! Preference lists: who stores a key, in which order (paper §4.3).

use super::error::MAX_MEMBERS;
use crate::ids::NodeId;
use alloc::vec::Vec;
use core::fmt;

/// All nodes in the order in which they are asked to store a key, each machine once (paper §4.3,
/// "the list of nodes that is responsible for storing a particular key"). It is a place on a ring:
/// the first N are known there, the others are found when they are asked for, by walking on.
#[derive(Clone, Copy)]
pub struct PreferenceList<'ring> {
    lists: &'ring Lists,
    place: usize,
}

/// The same nodes in the same order, and as many of them primaries.
impl PartialEq for PreferenceList<'_> {
    fn eq(&self, other: &PreferenceList<'_>) -> bool {
        self.primaries() == other.primaries() && self.fallbacks().eq(other.fallbacks())
    }
}

impl fmt::Debug for PreferenceList<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fallbacks: Vec<NodeId> = self.fallbacks().collect();
        let mut list = f.debug_struct("PreferenceList");
        list.field("primaries", &self.primaries()).field("fallbacks", &fallbacks).finish()
    }
}

impl<'ring> PreferenceList<'ring> {
    /// The first N, which store the key when all is well (paper §4.3).
    pub fn primaries(self) -> &'ring [NodeId] {
        let n = self.lists.nodes.n;
        &self.lists.primaries[self.place * n..][..n]
    }

    /// Those that stand in for unreachable primaries, the first one first (paper §4.6). To go
    /// through all of them takes a step for each place of the ring at most.
    pub fn fallbacks(self) -> impl Iterator<Item = NodeId> + 'ring {
        let Lists { nodes, ring, .. } = self.lists;
        let primaries = self.primaries();
        let (before, after) = ring.split_at(self.place);
        // A node that has no place of its own comes at the end.
        let walk = after.iter().chain(before).copied().chain(nodes.indexes());
        let mut seen = IndexSet::default();
        walk.filter(move |&node| seen.insert(node))
            .map(|node| nodes.ids[usize::from(node)])
            .filter(move |node| !primaries.contains(node))
            .take(nodes.ids.len() - primaries.len())
    }

    /// Primaries, then fallbacks.
    pub fn all(self) -> impl Iterator<Item = NodeId> + 'ring {
        self.primaries().iter().copied().chain(self.fallbacks())
    }

    /// Whether `node` is among the first N (paper §4.3).
    pub fn contains_primary(self, node: NodeId) -> bool {
        self.primaries().contains(&node)
    }

    /// The first N healthy nodes, on which a sloppy quorum acts (paper §4.6); fewer if there
    /// are not that many.
    pub fn healthy(self, is_up: impl Fn(NodeId) -> bool) -> Vec<NodeId> {
        self.all().filter(|node| is_up(*node)).take(self.primaries().len()).collect()
    }

    /// Which fallback keeps the hints for which unreachable primary (paper §4.6): pairs of
    /// fallback and primary. The k-th healthy fallback stands in for the k-th primary that is
    /// down; when the fallbacks run out, the last primaries have none.
    pub fn stand_ins(self, is_up: impl Fn(NodeId) -> bool) -> Vec<(NodeId, NodeId)> {
        let down = self.primaries().iter().copied().filter(|node| !is_up(*node));
        let fallbacks = self.fallbacks().filter(|node| is_up(*node));
        down.zip(fallbacks).map(|(home, fallback)| (fallback, home)).collect()
    }
}

/// The nodes that lists are made of. Inside, a node is its index here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Nodes {
    pub(super) ids: Vec<NodeId>,
    /// What fails together has the same number, an index too.
    pub(super) zones: Vec<u16>,
    pub(super) n: usize,
}

impl Nodes {
    fn indexes(&self) -> impl Iterator<Item = u16> + use<> {
        0..self.ids.len() as u16
    }

    /// The first N of a walk, spread over as many zones as there are (paper §4.6): first those that
    /// bring a new zone, then the rest in the order of the walk.
    fn first(&self, walk: &[u16]) -> impl Iterator<Item = NodeId> {
        let (mut zones, mut taken) = (IndexSet::default(), IndexSet::default());
        let brings_zone = |node: &&u16| zones.insert(self.zones[usize::from(**node)]);
        let first: Vec<u16> = walk.iter().filter(brings_zone).take(self.n).copied().collect();
        for node in &first {
            taken.insert(*node);
        }
        let rest = walk.iter().filter(move |node| taken.insert(**node)).copied();
        first.into_iter().chain(rest).take(self.n).map(|node| self.ids[usize::from(node)])
    }
}

/// A preference list for every range of the ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lists {
    nodes: Nodes,
    /// Whose each place is, in the order in which one walks.
    ring: Vec<u16>,
    /// The first N of the walk that begins at each place, one after the other.
    primaries: Vec<NodeId>,
    /// At which place the walk of each range begins.
    begins: Vec<u32>,
}

impl Lists {
    /// The lists of the walks that begin at each place of a ring, of which `ring` names the nodes.
    pub(super) fn of_walks(ring: Vec<u16>, nodes: Nodes) -> Lists {
        // The walk from one place is the walk from the next place with this place's node moved to
        // the front. Going round once brings all nodes into order, going round again yields the
        // walks. A node that has no place of its own stays at the end.
        let mut walk: Vec<u16> = nodes.indexes().collect();
        ring.iter().rev().for_each(|node| move_to_front(&mut walk, *node));
        let mut primaries = alloc::vec![NodeId(0); ring.len() * nodes.n];
        for (node, first) in ring.iter().zip(primaries.chunks_exact_mut(nodes.n)).rev() {
            move_to_front(&mut walk, *node);
            first.iter_mut().zip(nodes.first(&walk)).for_each(|(place, node)| *place = node);
        }
        let begins = (0..ring.len() as u32).collect();
        Lists { nodes, ring, primaries, begins }
    }

    /// The same walks for other ranges: that of range `i` begins at the `i`-th of `places`.
    pub(super) fn rearranged(self, places: impl Iterator<Item = usize>) -> Lists {
        Lists { begins: places.map(|place| place as u32).collect(), ..self }
    }

    pub(super) fn get(&self, range: usize) -> PreferenceList<'_> {
        PreferenceList { lists: self, place: self.begins[range] as usize }
    }

    pub(super) fn len(&self) -> usize {
        self.begins.len()
    }

    /// The members, ascending.
    pub(super) fn members(&self) -> &[NodeId] {
        &self.nodes.ids
    }

    /// N.
    pub(super) fn n(&self) -> usize {
        self.nodes.n
    }
}

fn move_to_front(walk: &mut [u16], node: u16) {
    if let Some(place) = walk.iter().position(|other| *other == node) {
        walk[..=place].rotate_right(1);
    }
}

/// A set of indexes of members.
#[derive(Default)]
struct IndexSet([u64; MAX_MEMBERS / 64]);

impl IndexSet {
    /// Whether it was not in there yet.
    fn insert(&mut self, index: u16) -> bool {
        let (word, bit) = (usize::from(index / 64), 1 << (index % 64));
        let is_new = self.0[word] & bit == 0;
        self.0[word] |= bit;
        is_new
    }
}

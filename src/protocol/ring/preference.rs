//! Preference lists: who stores a key, in which order (paper §4.3).

use crate::ids::NodeId;
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

/// All nodes in the order in which they are asked to store a key, each machine once (paper §4.3,
/// "the list of nodes that is responsible for storing a particular key").
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PreferenceList {
    nodes: Box<[NodeId]>,
    n: usize,
}

impl PreferenceList {
    /// The first N, which store the key when all is well (paper §4.3).
    pub fn primaries(&self) -> &[NodeId] {
        &self.nodes[..self.n]
    }

    /// Those that stand in for unreachable primaries, the first one first (paper §4.6).
    pub fn fallbacks(&self) -> &[NodeId] {
        &self.nodes[self.n..]
    }

    /// Primaries, then fallbacks.
    pub fn all(&self) -> &[NodeId] {
        &self.nodes
    }

    /// Whether `node` is among the first N (paper §4.3).
    pub fn contains_primary(&self, node: NodeId) -> bool {
        self.primaries().contains(&node)
    }

    /// The first N healthy nodes, on which a sloppy quorum acts (paper §4.6); fewer if there
    /// are not that many.
    pub fn healthy(&self, is_up: impl Fn(NodeId) -> bool) -> Vec<NodeId> {
        self.nodes.iter().copied().filter(|node| is_up(*node)).take(self.n).collect()
    }

    /// Which fallback keeps the hints for which unreachable primary (paper §4.6): pairs of
    /// fallback and primary. The k-th healthy fallback stands in for the k-th primary that is
    /// down; when the fallbacks run out, the last primaries have none.
    pub fn stand_ins(&self, is_up: impl Fn(NodeId) -> bool) -> Vec<(NodeId, NodeId)> {
        let fallbacks = self.fallbacks().iter().copied().filter(|node| is_up(*node));
        let down = self.primaries().iter().copied().filter(|node| !is_up(*node));
        fallbacks.zip(down).collect()
    }
}

/// The nodes that lists are made of. Inside, a node is its index here.
pub(super) struct Nodes {
    pub(super) ids: Vec<NodeId>,
    /// What fails together has the same number.
    pub(super) zones: Vec<u16>,
    pub(super) n: usize,
}

/// A preference list for every place on the ring, equal ones stored once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lists {
    distinct: Vec<PreferenceList>,
    at: Vec<u32>,
}

impl Lists {
    /// The lists of the walks that begin at each place of a ring, of which `ring` names the nodes.
    pub(super) fn of_walks(ring: &[u16], nodes: &Nodes) -> Lists {
        // The walk from one place is the walk from the next place with this place's node moved to
        // the front. Going round once brings all nodes into order, going round again yields the
        // walks. A node that has no place of its own stays at the end.
        let mut walk: Vec<u16> = (0..).take(nodes.ids.len()).collect();
        ring.iter().rev().for_each(|node| move_to_front(&mut walk, *node));
        let mut numbers: BTreeMap<Vec<u16>, u32> = BTreeMap::new();
        let mut lists = Lists { distinct: Vec::new(), at: Vec::with_capacity(ring.len()) };
        for node in ring.iter().rev() {
            move_to_front(&mut walk, *node);
            let number = numbers.get(&walk).copied().unwrap_or_else(|| {
                let number = lists.distinct.len() as u32;
                lists.distinct.push(preference_list(&walk, nodes));
                numbers.insert(walk.clone(), number);
                number
            });
            lists.at.push(number);
        }
        lists.at.reverse();
        lists
    }

    /// The same lists at other places: the one at `place(i)` comes to place `i`.
    pub(super) fn rearranged(self, places: impl Iterator<Item = usize>) -> Lists {
        let at = places.map(|place| self.at[place]).collect();
        Lists { at, ..self }
    }

    pub(super) fn get(&self, place: usize) -> &PreferenceList {
        &self.distinct[self.at[place] as usize]
    }

    pub(super) fn len(&self) -> usize {
        self.at.len()
    }
}

fn move_to_front(walk: &mut [u16], node: u16) {
    if let Some(place) = walk.iter().position(|other| *other == node) {
        walk[..=place].rotate_right(1);
    }
}

/// The walk, with the first N spread over as many zones as there are (paper §4.6): first those
/// that bring a new zone, then the rest in the order of the walk.
fn preference_list(walk: &[u16], nodes: &Nodes) -> PreferenceList {
    let mut zones = BTreeSet::new();
    let mut brings_zone =
        |node: &u16| zones.len() < nodes.n && zones.insert(nodes.zones[usize::from(*node)]);
    let (spread, rest): (Vec<u16>, Vec<u16>) = walk.iter().partition(|node| brings_zone(node));
    let order = spread.into_iter().chain(rest);
    let nodes_in_order = order.map(|node| nodes.ids[usize::from(node)]).collect();
    PreferenceList { nodes: nodes_in_order, n: nodes.n }
}

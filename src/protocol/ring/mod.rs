//! The ring: which nodes store which keys (paper §4.2, §4.3 and §6.2).
//!
//! A [`Layout`] says who takes part and by which of the three strategies; a [`Ring`] is computed
//! from it and answers questions. A key belongs to the first token *strictly greater* than its
//! position, wrapping around: a key that hashes to a token goes to the next one, and a token owns
//! `[token before, token)`. Equal partitions follow the same rule, end exclusive.

mod error;
mod layout;
mod owners;
mod position;
mod preference;
mod strategy;

pub use error::{
    LayoutError, MAX_MEMBERS, MAX_NAME_BYTES, MAX_PARTITIONS, MAX_PREFERENCE_PLACES,
    MAX_TOKENS_PER_NODE,
};
pub use layout::Layout;
pub use position::Position;
pub use preference::PreferenceList;
pub use strategy::{Member, Strategy};

use crate::ids::{Key, NodeId};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use position::EqualPartitions;
use preference::{Lists, Nodes};
use serde::{Deserialize, Serialize};

/// A range of the ring, all keys of which have one preference list. The number means something
/// within one layout only; under strategies 2 and 3 it is the partition's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RangeId(pub u32);

/// The answer to "who stores this key?" for every key, computed once for a layout (paper §4.3:
/// "every node in the system can determine which nodes should be in this list").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ring {
    ranges: Ranges,
    lists: Lists,
    /// What each member stores, worked out once.
    owned: BTreeMap<NodeId, Vec<RangeId>>,
}

/// Where ranges begin and end.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Ranges {
    /// Each token, in ascending order, ends a range.
    Tokens(Vec<Position>),
    Equal(EqualPartitions),
}

impl Ring {
    /// The ring of `layout`. Costs time in proportion to tokens (or partitions) times members, within
    /// [`MAX_PREFERENCE_PLACES`], and memory in proportion to tokens (or partitions) times N.
    pub fn new(layout: &Layout) -> Ring {
        let nodes = nodes_of(layout);
        let (ranges, lists) = match layout.strategy() {
            Strategy::RandomTokens { tokens } => {
                between_tokens(strategy::random_tokens(layout.members(), tokens), nodes)
            }
            Strategy::RandomTokensEqualPartitions { tokens, partitions } => {
                let tokens = strategy::random_tokens(layout.members(), tokens);
                over_partitions(tokens, EqualPartitions(partitions), nodes)
            }
            Strategy::EqualPartitions { partitions } => {
                let index = |id| nodes.ids.binary_search(id).expect("owners are members") as u16;
                let owners = layout.owners().iter().map(index).collect();
                (Ranges::Equal(EqualPartitions(partitions)), Lists::of_walks(owners, nodes))
            }
        };
        Ring::of(ranges, lists)
    }

    /// A ring of explicit tokens, for the paper's figures and for tests; zones are not looked at.
    ///
    /// # Errors
    /// `NoMembers` without tokens, `ZeroReplicas`, `TooFewMembers`, `TooManyMembers`,
    /// `RingTooLarge`.
    pub fn from_tokens(n: u8, tokens: &[(Position, NodeId)]) -> Result<Ring, LayoutError> {
        let mut ids: Vec<NodeId> = tokens.iter().map(|(_, node)| *node).collect();
        ids.sort_unstable();
        ids.dedup();
        match ids.len() {
            0 => return Err(LayoutError::NoMembers),
            1..=MAX_MEMBERS => strategy::check_replicas(n, ids.len())?,
            members => return Err(LayoutError::TooManyMembers(members)),
        }
        strategy::check_places(tokens.len() as u64, ids.len())?;
        let index = |id| ids.binary_search(&id).expect("every id was collected above") as u16;
        let mut tokens: Vec<_> = tokens.iter().map(|(at, node)| (*at, index(*node))).collect();
        tokens.sort_unstable();
        let nodes = Nodes { zones: (0..).take(ids.len()).collect(), ids, n: usize::from(n) };
        let (ranges, lists) = between_tokens(tokens, nodes);
        Ok(Ring::of(ranges, lists))
    }

    fn of(ranges: Ranges, lists: Lists) -> Ring {
        let mut owned: BTreeMap<NodeId, Vec<RangeId>> = BTreeMap::new();
        for range in 0..lists.len() {
            for node in lists.get(range).primaries() {
                owned.entry(*node).or_default().push(RangeId(range as u32));
            }
        }
        Ring { ranges, lists, owned }
    }

    /// N: how many nodes at the head of every preference list store the key.
    pub fn n(&self) -> u8 {
        self.lists.n() as u8
    }

    /// Whether `node` is a member.
    pub fn contains(&self, node: NodeId) -> bool {
        self.nodes().binary_search(&node).is_ok()
    }

    /// How many members there are.
    pub fn members(&self) -> usize {
        self.nodes().len()
    }

    /// The members, ascending.
    pub fn nodes(&self) -> &[NodeId] {
        self.lists.members()
    }

    /// Who stores the keys of a range, in order; `None` if the layout has no such range.
    pub fn preference_list_of(&self, range: RangeId) -> Option<PreferenceList<'_>> {
        let range = range.0 as usize;
        (range < self.lists.len()).then(|| self.lists.get(range))
    }

    /// The ranges whose keys `node` stores, as one of their top N, ascending.
    pub fn ranges_of(&self, node: NodeId) -> &[RangeId] {
        self.owned.get(&node).map_or(&[], Vec::as_slice)
    }

    /// Who stores `key`, in order (paper §4.3).
    pub fn preference_list(&self, key: &Key) -> PreferenceList<'_> {
        self.preference_list_at(Position::of(&key.0))
    }

    /// Who stores a key that lies at `position`, in order (paper §4.3).
    pub fn preference_list_at(&self, position: Position) -> PreferenceList<'_> {
        self.lists.get(self.ranges.holding(position))
    }

    /// The range, or partition, that `key` lies in (paper §4.2).
    pub fn range_of(&self, key: &Key) -> RangeId {
        RangeId(self.ranges.holding(Position::of(&key.0)) as u32)
    }

    /// All ranges in order, from [`RangeId`] 0 on: how many positions each holds, and who stores
    /// them. A range that holds all 2^128 positions counts as [`u128::MAX`].
    pub fn ranges(&self) -> impl Iterator<Item = (u128, PreferenceList<'_>)> {
        (0..self.lists.len()).map(|range| (self.ranges.size(range), self.lists.get(range)))
    }

    /// Whether both are cut into the same ranges.
    pub fn has_ranges_of(&self, other: &Ring) -> bool {
        self.ranges == other.ranges
    }

    /// Where each range begins, in the order of [`Ring::ranges`].
    pub fn starts(&self) -> impl Iterator<Item = Position> + '_ {
        (0..self.lists.len()).map(|range| match range.checked_sub(1) {
            Some(before) => self.ranges.end(before),
            None => self.ranges.end(self.lists.len() - 1),
        })
    }

    /// How many positions each member owns as first replica (paper §6.2). One that owns all
    /// 2^128 counts as [`u128::MAX`].
    pub fn ownership(&self) -> BTreeMap<NodeId, u128> {
        self.positions_of(|list| &list.primaries()[..1])
    }

    /// How many positions each member stores as one of the N (paper §6.2): its share of the
    /// requests, if keys are asked for evenly. One that stores all 2^128 counts as [`u128::MAX`].
    pub fn load(&self) -> BTreeMap<NodeId, u128> {
        self.positions_of(PreferenceList::primaries)
    }

    /// How many positions lie in ranges of which each member is among the `chosen` nodes.
    fn positions_of<'a>(
        &'a self,
        chosen: impl Fn(PreferenceList<'a>) -> &'a [NodeId],
    ) -> BTreeMap<NodeId, u128> {
        let mut positions: BTreeMap<NodeId, u128> =
            self.nodes().iter().map(|node| (*node, 0)).collect();
        for (size, list) in self.ranges() {
            for node in chosen(list) {
                let sum = positions.entry(*node).or_default();
                *sum = sum.saturating_add(size);
            }
        }
        positions
    }
}

impl Ranges {
    fn holding(&self, position: Position) -> usize {
        match self {
            Ranges::Tokens(tokens) => first_token_after(tokens, position),
            Ranges::Equal(partitions) => partitions.holding(position) as usize,
        }
    }

    fn size(&self, range: usize) -> u128 {
        let (end, is_first) = (self.end(range), range == 0);
        let start = if is_first { self.end(self.len() - 1) } else { self.end(range - 1) };
        match end.0.wrapping_sub(start.0) {
            // Where equal tokens meet, the first one has all and the others nothing.
            0 if is_first => u128::MAX,
            size => size,
        }
    }

    fn end(&self, range: usize) -> Position {
        match self {
            Ranges::Tokens(tokens) => tokens[range],
            Ranges::Equal(partitions) => partitions.end(range as u32),
        }
    }

    fn len(&self) -> usize {
        match self {
            Ranges::Tokens(tokens) => tokens.len(),
            Ranges::Equal(partitions) => partitions.0 as usize,
        }
    }
}

/// The index of the first token strictly greater than `position`, wrapping (paper §4.2).
fn first_token_after(tokens: &[Position], position: Position) -> usize {
    tokens.partition_point(|token| *token <= position) % tokens.len()
}

/// Strategy 1.
fn between_tokens(tokens: Vec<(Position, u16)>, nodes: Nodes) -> (Ranges, Lists) {
    let (positions, owners): (Vec<Position>, Vec<u16>) = tokens.into_iter().unzip();
    (Ranges::Tokens(positions), Lists::of_walks(owners, nodes))
}

/// Strategy 2: a partition has the list of its last position.
fn over_partitions(
    tokens: Vec<(Position, u16)>,
    partitions: EqualPartitions,
    nodes: Nodes,
) -> (Ranges, Lists) {
    let (positions, owners): (Vec<Position>, Vec<u16>) = tokens.into_iter().unzip();
    let last = |partition| Position(partitions.end(partition).0.wrapping_sub(1));
    let places = (0..partitions.0).map(|p| first_token_after(&positions, last(p)));
    let lists = Lists::of_walks(owners, nodes).rearranged(places);
    (Ranges::Equal(partitions), lists)
}

/// Members without a zone are zones of their own.
fn nodes_of(layout: &Layout) -> Nodes {
    let members = layout.members();
    let with_zone = |zone| members.iter().position(|member| member.zone == zone);
    let zone_of = |(index, member): (usize, &Member)| match &member.zone {
        None => index as u16,
        zone => with_zone(zone.clone()).unwrap_or(index) as u16,
    };
    Nodes {
        ids: members.iter().map(|member| member.id).collect(),
        zones: members.iter().enumerate().map(zone_of).collect(),
        n: layout.n() as usize,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn a_token_on_the_end_of_a_partition_is_the_first_one_met() {
        let half = 1 << 127;
        for (token, first) in [(half - 1, 1), (half, 0), (half + 1, 0)] {
            let tokens = vec![(Position(token), 0), (Position(half + 2), 1)];
            let nodes = Nodes { ids: vec![NodeId(0), NodeId(1)], zones: vec![0, 1], n: 1 };
            let (_, lists) = over_partitions(tokens, EqualPartitions(2), nodes);
            assert_eq!(lists.get(0).primaries()[0], NodeId(first), "token at {token:x}");
        }
    }
}

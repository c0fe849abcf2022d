//! What a change of the layout changes and moves: pure.

use dynamo_protocol::ids::NodeId;
use dynamo_protocol::ring::{Layout, Member, Position, PreferenceList, Ring};
use std::collections::{BTreeMap, BTreeSet};

/// What moves from one node to another.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Move {
    /// Ranges of the ring of which a copy moves.
    pub(super) ranges: u64,
    /// These ranges' part of the ring.
    pub(super) share: f64,
}

/// A member before and after, of which only one may be there.
pub(super) type Changed<'a> = (Option<&'a Member>, Option<&'a Member>);

/// All members that join, leave, or are not what they were.
pub(super) fn changes<'a>(before: &'a Layout, after: &'a Layout) -> Vec<Changed<'a>> {
    let mut all: BTreeMap<NodeId, Changed<'_>> = BTreeMap::new();
    before.members().iter().for_each(|member| all.entry(member.id).or_default().0 = Some(member));
    after.members().iter().for_each(|member| all.entry(member.id).or_default().1 = Some(member));
    all.into_values().filter(|(before, after)| before != after).collect()
}

/// All that moves, by who gives up the copy and who gets one. A new owner reads from all old ones.
pub(super) fn moves(before: &Layout, after: &Layout) -> BTreeMap<(NodeId, NodeId), Move> {
    let (old, new) = (Ring::new(before), Ring::new(after));
    let starts: BTreeSet<Position> = old.starts().chain(new.starts()).collect();
    let mut moves: BTreeMap<(NodeId, NodeId), Move> = BTreeMap::new();
    let owners = |list: PreferenceList<'_>| -> BTreeSet<NodeId> {
        list.primaries().iter().copied().collect()
    };
    let starts: Vec<Position> = starts.into_iter().collect();
    for (index, start) in starts.iter().enumerate() {
        let next = starts[(index + 1) % starts.len()];
        let length = next.0.wrapping_sub(start.0);
        // One range alone is the whole ring.
        let share = if length == 0 { 1.0 } else { length as f64 / 2f64.powi(128) };
        let had = owners(old.preference_list_at(*start));
        let has = owners(new.preference_list_at(*start));
        // N copies before, N after: as many are given up as are new.
        for (from, to) in had.difference(&has).zip(has.difference(&had)) {
            let entry = moves.entry((*from, *to)).or_default();
            (entry.ranges, entry.share) = (entry.ranges + 1, entry.share + share);
        }
    }
    moves
}

/// How much of the ring every member of `layout` owns as a key's first node: in partitions, under
/// strategy 3, and as a fraction.
pub(super) fn ownership(layout: &Layout) -> BTreeMap<NodeId, (usize, f64)> {
    let owned = Ring::new(layout).ownership();
    let partitions = |node| layout.owners().iter().filter(|owner| **owner == node).count();
    let share = |owned: u128| owned as f64 / 2f64.powi(128);
    owned.into_iter().map(|(node, o)| (node, (partitions(node), share(o)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use dynamo_protocol::ring::{Member, Strategy};

    fn member(id: u64) -> Member {
        let (name, address) = (format!("n{id}"), String::new());
        Member { id: NodeId(id), name, weight: 1, zone: None, address }
    }

    fn layout(strategy: Strategy, nodes: u64) -> Layout {
        Layout::new(strategy, 2, (0..nodes).map(member).collect()).unwrap()
    }

    #[test]
    fn what_a_joiner_gets_is_what_moves() {
        for strategy in
            [Strategy::EqualPartitions { partitions: 64 }, Strategy::RandomTokens { tokens: 16 }]
        {
            let before = layout(strategy, 3);
            let after = before.join(member(3)).unwrap();
            let moved = moves(&before, &after);
            let to_new = moved.iter().filter(|((_, to), _)| *to == NodeId(3));
            let share: f64 = to_new.map(|(_, m)| m.share).sum();
            // Two copies of a quarter of the ring, about.
            assert!((0.3..0.7).contains(&share), "{strategy:?}: {share}");
            assert_eq!(moves(&after, &after), BTreeMap::new());
            let back = moves(&after, &before);
            let ranges = |moves: &BTreeMap<_, Move>| moves.values().map(|m| m.ranges).sum::<u64>();
            assert_eq!(ranges(&moved), ranges(&back));
        }
    }

    #[test]
    fn who_joins_leaves_or_is_another_is_a_change() {
        let before = layout(Strategy::EqualPartitions { partitions: 8 }, 3);
        assert_eq!(changes(&before, &before), []);
        let after = before.replace(NodeId(1), member(5)).unwrap();
        let after = after.rezone(NodeId(2), Some("east".into())).unwrap();
        let (old, new) = (before.members(), after.members());
        assert_eq!(
            changes(&before, &after),
            [(Some(&old[1]), None), (Some(&old[2]), Some(&new[1])), (None, Some(&new[2]))]
        );
    }

    #[test]
    fn ownership_is_even_under_strategy_3() {
        let all = ownership(&layout(Strategy::EqualPartitions { partitions: 64 }, 4));
        assert!(all.values().all(|(count, share)| (*count, *share) == (16, 0.25)), "{all:?}");
    }
}

//! Laws of the ring (paper §4.2, §4.3, §6.2), checked on random layouts against definitions that
//! are written down a second time here, as simply as possible.

mod ring_support;

use dynamo_protocol::ids::{Key, NodeId};
use dynamo_protocol::ring::{Layout, Member, Position, Ring, Strategy as Partitioning};
use proptest::prelude::*;
use ring_support::{layouts, layouts_of, member, members, oracle, shares, webster_is_fair};
use std::collections::BTreeSet;

/// T of the statistical laws. A node's share then deviates by 1/16 = 6 % (one sigma).
const TOKENS: u32 = 256;

/// What the statistical laws allow: more than five sigma, so that no honest run ever fails.
const TOLERANCE: f64 = 0.4;

fn random_strategies() -> [Partitioning; 2] {
    let partitions = 8192;
    [
        Partitioning::RandomTokens { tokens: TOKENS },
        Partitioning::RandomTokensEqualPartitions { tokens: TOKENS, partitions },
    ]
}

fn owner(ring: &Ring, position: u128) -> NodeId {
    ring.preference_list_at(Position(position)).primaries()[0]
}

fn about(actual: f64, expected: f64) -> bool {
    (actual - expected).abs() <= expected * TOLERANCE
}

proptest! {
    #[test]
    fn lists_are_as_defined(layout in layouts(), positions in prop::collection::vec(any::<u128>(), 32)) {
        let ring = Ring::new(&layout);
        // A token's own position, and the last one before it, are where definitions go wrong.
        let tokens = layout.members().iter().map(|m| Position::of(format!("{}:0", m.name).as_bytes()).0);
        let edges = tokens.flat_map(|token| [token, token.wrapping_sub(1)]);
        for position in positions.into_iter().chain(edges).chain([0, u128::MAX]) {
            let list = ring.preference_list_at(Position(position));
            prop_assert_eq!(list.all().collect::<Vec<_>>(), oracle(&layout, position));
        }
    }

    #[test]
    fn lists_hold_every_machine_once(layout in layouts()) {
        let everyone: BTreeSet<NodeId> = layout.members().iter().map(|member| member.id).collect();
        let ring = Ring::new(&layout);
        for (_, list) in ring.ranges() {
            let (all, fallbacks) = (list.all().collect::<Vec<_>>(), list.fallbacks().collect::<Vec<_>>());
            prop_assert_eq!(all.len(), everyone.len());
            prop_assert_eq!(&all.iter().copied().collect::<BTreeSet<_>>(), &everyone);
            prop_assert_eq!(list.primaries().len(), layout.n() as usize);
            prop_assert_eq!(&[list.primaries(), &fallbacks].concat(), &all);
            for node in all {
                prop_assert_eq!(list.contains_primary(node), !fallbacks.contains(&node));
            }
        }
    }

    #[test]
    fn primaries_spread_over_zones(layout in layouts()) {
        let zone_of = |id: &NodeId| {
            let found = layout.members().iter().find(|member| member.id == *id).unwrap();
            found.zone.clone().unwrap_or(format!("only {id}"))
        };
        let zones: BTreeSet<String> = layout.members().iter().map(|m| zone_of(&m.id)).collect();
        for (_, list) in Ring::new(&layout).ranges() {
            let used: BTreeSet<String> = list.primaries().iter().map(zone_of).collect();
            prop_assert_eq!(used.len(), zones.len().min(layout.n() as usize));
        }
    }

    #[test]
    fn a_key_has_the_list_of_its_position_and_range(layout in layouts(), key: Vec<u8>) {
        let (ring, position) = (Ring::new(&layout), Position::of(&key));
        let key = Key(key);
        let list = ring.preference_list(&key);
        prop_assert_eq!(list, ring.preference_list_at(position));
        let ranges: Vec<_> = ring.ranges().collect();
        prop_assert_eq!(list, ranges[ring.range_of(&key).0 as usize].1);
    }

    #[test]
    fn ownership_covers_the_ring(layout in layouts()) {
        let owned = Ring::new(&layout).ownership();
        prop_assert!(owned.keys().eq(layout.members().iter().map(|member| &member.id)));
        let total = owned.values().fold(0u128, |sum, share| sum.wrapping_add(*share));
        let whole = if owned.values().any(|share| *share == u128::MAX) { u128::MAX } else { 0 };
        prop_assert_eq!(total, whole, "2^128, or the largest number if one node has it all");
    }

    #[test]
    fn weights_are_honoured_by_random_tokens(weights in prop::collection::vec(1u32..=3, 2..6)) {
        let total = f64::from(weights.iter().sum::<u32>());
        let members: Vec<Member> = (0..).zip(&weights).map(|(id, w)| member(id, *w, None)).collect();
        for strategy in random_strategies() {
            let shares = shares(&Layout::new(strategy, 1, members.clone()).unwrap());
            for (share, weight) in shares.values().zip(&weights) {
                prop_assert!(about(*share, f64::from(*weight) / total), "{strategy:?}: {shares:?}");
            }
        }
    }

    #[test]
    fn random_tokens_do_not_depend_on_the_order_of_members(layout in layouts_of(1..=2), seed: u64) {
        let mut shuffled = layout.members().to_vec();
        shuffled.sort_by_key(|member| Position::of(format!("{seed} {}", member.id).as_bytes()));
        let other = Layout::new(layout.strategy(), layout.n(), shuffled).unwrap();
        prop_assert_eq!(Ring::new(&other), Ring::new(&layout));
        prop_assert_eq!(other, layout);
    }

    #[test]
    fn a_key_moves_only_to_the_joiner_and_from_the_leaver(
        layout in layouts(), weight in 1u32..=3, positions in prop::collection::vec(any::<u128>(), 64),
    ) {
        let joiner = member(1000, weight, None);
        let joined = layout.join(joiner.clone()).unwrap();
        let left = joined.leave(joiner.id).unwrap();
        let [before, between, after] = [&layout, &joined, &left].map(Ring::new);
        for position in positions {
            let [old, new] = [&before, &between].map(|ring| owner(ring, position));
            prop_assert!(new == old || new == joiner.id);
            prop_assert!(owner(&after, position) == new || new == joiner.id);
        }
        if layout.strategy().number() != 3 {
            prop_assert_eq!(left, layout);
        }
    }

    #[test]
    fn a_founded_layout_is_what_joins_make_of_it(weights in prop::collection::vec(1u32..=3, 1..8)) {
        let members: Vec<Member> = (0..).zip(&weights).map(|(id, w)| member(id, *w, None)).collect();
        let strategy = Partitioning::EqualPartitions { partitions: 64 };
        let of = |members: &[Member]| Layout::new(strategy, 1, members.to_vec()).unwrap();
        let joined = members[1..].iter().fold(of(&members[..1]), |all, one| all.join(one.clone()).unwrap());
        prop_assert_eq!(of(&members), joined);
    }

    #[test]
    fn equal_partitions_follow_weights_through_joins_and_leaves(
        layout in layouts_of(3..=3), changes in prop::collection::vec((any::<prop::sample::Index>(), 1u32..=3), 0..8),
    ) {
        let mut layout = layout;
        prop_assert!(webster_is_fair(&layout), "{:?}", layout);
        for (turn, (choice, weight)) in changes.into_iter().enumerate() {
            let leaver = layout.members()[choice.index(layout.members().len())].id;
            let next = match turn % 2 {
                0 => layout.join(member(1000 + turn as u64, weight, None)).unwrap(),
                _ => layout.leave(leaver).unwrap(),
            };
            for (old, new) in layout.owners().iter().zip(next.owners()) {
                let joined = *new == NodeId(1000 + turn as u64);
                prop_assert!(old == new || (turn % 2 == 0 && joined) || (turn % 2 == 1 && *old == leaver));
            }
            prop_assert!(webster_is_fair(&next), "{:?} became {:?}", layout, next);
            layout = next;
        }
    }

    #[test]
    fn equal_partitions_are_balanced_within_one(count in 1u64..9, partitions in 9u32..200) {
        let strategy = Partitioning::EqualPartitions { partitions };
        let layout = Layout::new(strategy, 1, members(count)).unwrap();
        let joined = layout.join(member(1000, 1, None)).unwrap();
        let left = joined.leave(NodeId(1000)).unwrap();
        for layout in [&layout, &joined, &left] {
            let share = partitions as usize / layout.members().len();
            for member in layout.members() {
                let owned = layout.owners().iter().filter(|owner| **owner == member.id).count();
                prop_assert!(owned == share || owned == share + 1, "{} owns {}", member.id, owned);
            }
        }
        let moved = layout.owners().iter().zip(joined.owners()).filter(|(a, b)| a != b).count();
        // One more would only make the joiner what another member has just ceased to be.
        prop_assert_eq!(moved, partitions as usize / joined.members().len());
    }

    #[test]
    fn a_large_and_small_members_stay_within_one_of_their_shares(
        weights in prop::collection::vec(1u32..100, 1..=3), partitions in 3u32..500,
    ) {
        // Up to three members Webster's method keeps to the exact shares, rounded up or down,
        // unless a share below one partition is rounded up at the others' expense.
        let total: u32 = weights.iter().sum();
        prop_assume!(weights.iter().all(|weight| partitions * weight >= total));
        let members: Vec<Member> = (0..).zip(&weights).map(|(id, w)| member(id, *w, None)).collect();
        let strategy = Partitioning::EqualPartitions { partitions };
        let layout = Layout::new(strategy, 1, members).unwrap();
        for member in layout.members() {
            let owned = layout.owners().iter().filter(|owner| **owner == member.id).count();
            let distance = (owned as f64) - f64::from(partitions * member.weight) / f64::from(total);
            prop_assert!(distance.abs() < 1.0, "{:?} owns {}", member, owned);
        }
    }
}

/// Of 10,000 keys, the fraction that has another first node.
fn moved(before: &Layout, after: &Layout) -> f64 {
    let [before, after] = [before, after].map(Ring::new);
    let place = |key: &u32| Position::of(&key.to_be_bytes()).0;
    let moves = |key: &u32| owner(&before, place(key)) != owner(&after, place(key));
    (0..10_000).filter(moves).count() as f64 / 10_000.0
}

#[test]
fn under_random_tokens_about_one_share_of_the_keys_moves() {
    for strategy in random_strategies() {
        for count in 2..12 {
            let layout = Layout::new(strategy, 1, members(count)).unwrap();
            let joined = layout.join(member(1000, 1, None)).unwrap();
            let left = joined.leave(NodeId(0)).unwrap();
            let share = 1.0 / (count as f64 + 1.0);
            for (change, moved) in
                [("join", moved(&layout, &joined)), ("leave", moved(&joined, &left))]
            {
                let case = format!("{strategy:?}, {change} among {count}");
                assert!(about(moved, share), "{case}: {moved} moved, a share is {share}");
            }
        }
    }
}

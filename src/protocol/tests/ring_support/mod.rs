//! Random layouts, and the ring's definitions written down a second time.
#![allow(dead_code, reason = "each test file uses its part")]

use dynamo_protocol::ids::NodeId;
use dynamo_protocol::ring::{Layout, Member, Position, Ring, Strategy as Partitioning};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

/// Node `id`, called by its number.
pub(crate) fn member(id: u64, weight: u32, zone: Option<&str>) -> Member {
    let (name, zone) = (format!("node {id}"), zone.map(str::to_string));
    Member { id: NodeId(id), name, weight, zone, address: String::new() }
}

/// `count` equal nodes without zones.
pub(crate) fn members(count: u64) -> Vec<Member> {
    (0..count).map(|id| member(id, 1, None)).collect()
}

/// Partitions are powers of two here, so that a partition is a prefix of the position.
fn partitioning(numbers: RangeInclusive<u32>) -> impl Strategy<Value = Partitioning> {
    (numbers, 1u32..=6, 4u32..=7).prop_map(|(number, tokens, bits)| match number {
        1 => Partitioning::RandomTokens { tokens },
        2 => Partitioning::RandomTokensEqualPartitions { tokens, partitions: 1 << bits },
        _ => Partitioning::EqualPartitions { partitions: 1 << bits },
    })
}

/// Layouts of all three strategies.
pub(crate) fn layouts() -> impl Strategy<Value = Layout> {
    layouts_of(1..=3)
}

/// Layouts of the strategies with these `numbers`: up to seven members with weights up to 3, some
/// of them in up to three zones.
pub(crate) fn layouts_of(numbers: RangeInclusive<u32>) -> impl Strategy<Value = Layout> {
    let zone = prop::sample::select(vec![None, Some("x"), Some("y"), Some("z")]);
    let member_parts = prop::collection::btree_map(0u64..100, (1u32..=3, zone), 1..=7);
    (partitioning(numbers), member_parts, any::<prop::sample::Index>(), any::<u64>()).prop_map(
        |(strategy, parts, n, seed)| {
            let mut members: Vec<Member> =
                parts.into_iter().map(|(id, (weight, zone))| member(id, weight, zone)).collect();
            members.sort_by_key(|m| Position::of(format!("{seed} {}", m.name).as_bytes()));
            let n = n.index(members.len()) as u8 + 1;
            Layout::new(strategy, n, members).expect("a valid layout")
        },
    )
}

/// Each member's share of the positions.
pub(crate) fn shares(layout: &Layout) -> BTreeMap<NodeId, f64> {
    let owned = Ring::new(layout).ownership().into_iter();
    owned.map(|(node, size)| (node, size as f64 / 2f64.powi(128))).collect()
}

/// The preference list of `position` by the words of the paper.
pub(crate) fn oracle(layout: &Layout, position: u128) -> Vec<NodeId> {
    let walk = match layout.strategy() {
        Partitioning::RandomTokens { tokens } => walk_tokens(layout, tokens, position),
        Partitioning::RandomTokensEqualPartitions { tokens, partitions } => {
            let last_of_partition = position | (u128::MAX >> partitions.trailing_zeros());
            walk_tokens(layout, tokens, last_of_partition)
        }
        Partitioning::EqualPartitions { partitions } => {
            let partition = (position >> (128 - partitions.trailing_zeros())) as usize;
            let owners = layout.owners();
            owners[partition..].iter().chain(&owners[..partition]).copied().collect()
        }
    };
    let mut distinct: Vec<NodeId> = Vec::new();
    for node in walk {
        if !distinct.contains(&node) {
            distinct.push(node);
        }
    }
    spread(layout, distinct)
}

/// The owners of all tokens, from the first one beyond `position` on.
fn walk_tokens(layout: &Layout, tokens: u32, position: u128) -> Vec<NodeId> {
    let mut ring = BTreeMap::new();
    for member in layout.members() {
        for token in 0..tokens * member.weight {
            ring.insert(Position::of(format!("{}:{token}", member.name).as_bytes()), member.id);
        }
    }
    let (before, beyond): (Vec<_>, Vec<_>) =
        ring.into_iter().partition(|(token, _)| token.0 <= position);
    beyond.into_iter().chain(before).map(|(_, node)| node).collect()
}

/// N times: the first node of a zone not yet used, or else simply the first.
fn spread(layout: &Layout, mut walk: Vec<NodeId>) -> Vec<NodeId> {
    let zone_of = |id: NodeId| {
        let found = layout.members().iter().find(|member| member.id == id).expect("a member");
        found.zone.clone().ok_or(id)
    };
    let mut chosen = Vec::new();
    let mut used = BTreeSet::new();
    for _ in 0..layout.n() {
        let place = walk.iter().position(|id| !used.contains(&zone_of(*id))).unwrap_or(0);
        let node = walk.remove(place);
        used.insert(zone_of(node));
        chosen.push(node);
    }
    chosen.append(&mut walk);
    chosen
}

/// Strategy 3: everyone owns a partition, and giving one partition of `a` to `b` would bring no
/// two members closer together, their weights considered.
pub(crate) fn webster_is_fair(layout: &Layout) -> bool {
    let held = |member: &Member| -> (f64, f64) {
        let owned = layout.owners().iter().filter(|owner| **owner == member.id).count();
        (owned as f64, f64::from(member.weight))
    };
    let held: Vec<(f64, f64)> = layout.members().iter().map(held).collect();
    let keeps_last = |(a, a_weight): (f64, f64), (b, b_weight): (f64, f64)| {
        a == 1.0 || (a - 0.5) / a_weight <= (b + 0.5) / b_weight + 1e-9
    };
    held.iter().all(|(owned, _)| *owned >= 1.0)
        && held.iter().all(|a| held.iter().all(|b| keeps_last(*a, *b)))
}

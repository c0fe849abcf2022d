//! Where copies lie: rules that put two on one machine, or so that one machine too many matters.

use super::cases::{Tried, look};
use dynamo_protocol::ids::NodeId;
use dynamo_protocol::ring::{Layout, Member, Ring, Strategy};
use std::collections::BTreeSet;

/// Partitions, nodes and copies.
type Claim = (u32, u32, u8);

/// E12: partitions are dealt out in turn, and the copies of a key lie with the owners of N partitions
/// in a row. Where the ring closes, one node comes twice.
pub(super) fn claim_tail() -> Tried {
    let claims = || {
        let rings = [8, 16, 32, 64].into_iter().flat_map(|q| (1..=8).map(move |nodes| (q, nodes)));
        rings.flat_map(|(q, nodes)| (1..=nodes.min(4) as u8).map(move |n| (q, nodes, n)))
    };
    Tried { broken: look(claims(), dealt_out), safe: look(claims(), joined) }
}

fn dealt_out(&(partitions, nodes, n): &Claim) -> Option<String> {
    let owner = |partition: u32| partition % partitions % nodes;
    (0..partitions).find_map(|first| {
        let list: Vec<u32> = (first..first + u32::from(n)).map(owner).collect();
        let machines: BTreeSet<&u32> = list.iter().collect();
        (machines.len() < list.len()).then(|| {
            format!("{partitions} partitions, {nodes} nodes: the copies of partition {first} are with {list:?}")
        })
    })
}

/// The same clusters grow node by node, and shrink by each of their nodes: copies are on distinct
/// nodes, and nobody owns two partitions more than another.
fn joined(&(partitions, nodes, n): &Claim) -> Option<String> {
    let zones = vec![None; nodes as usize];
    let layout = cluster(partitions, n, &zones);
    let leavers = (0..u64::from(nodes)).filter(|_| nodes > u32::from(n));
    let left = leavers.filter_map(|leaver| layout.leave(NodeId(leaver)).ok());
    std::iter::once(layout.clone()).chain(left).find_map(|layout| {
        let ring = Ring::new(&layout);
        let doubled = ring.ranges().find_map(|(_, list)| {
            let machines: BTreeSet<&NodeId> = list.primaries().iter().collect();
            (machines.len() < usize::from(n)).then(|| format!("copies on {machines:?}"))
        });
        let owned = |member: &Member| layout.owners().iter().filter(|o| **o == member.id).count();
        let most = layout.members().iter().map(owned).max();
        let least = layout.members().iter().map(owned).min();
        let uneven = most > least.map(|least| least + 1);
        doubled.or_else(|| uneven.then(|| format!("some own {least:?}, some {most:?}")))
    })
}

/// Racks of one node each, and which of them hold each token.
const RACKS: usize = 3;
const TOKENS: usize = 6;

/// E13: each rack holds the tokens that it was given, and a quorum is two of three racks. A token that
/// two racks hold has no quorum without one of them.
pub(super) fn rack_tokens() -> Tried {
    let all: [&[usize]; 4] = [&[0, 1, 2], &[0, 1], &[0, 2], &[1, 2]];
    let given = (0..all.len().pow(TOKENS as u32)).map(|case| {
        let racks = |token: usize| all[case / all.len().pow(token as u32) % all.len()];
        (0..TOKENS).map(racks).collect::<Vec<_>>()
    });
    let zones = (3..=6usize).flat_map(|nodes| {
        (0..RACKS.pow(nodes as u32)).map(move |case| {
            let zone = |node: usize| case / RACKS.pow(node as u32) % RACKS;
            (0..nodes).map(|node| Some(zone(node).to_string())).collect::<Vec<_>>()
        })
    });
    Tried {
        broken: look(given, |tokens| held_by_racks(tokens)),
        safe: look(zones, |zones| held_by_nodes(zones)),
    }
}

fn held_by_racks(tokens: &[&[usize]]) -> Option<String> {
    let held = |rack: usize| -> Vec<usize> {
        (0..TOKENS).filter(|token| tokens[*token].contains(&rack)).map(|token| token + 1).collect()
    };
    (0..RACKS).find_map(|down| {
        let left = |token: &&usize| tokens[**token].iter().filter(|rack| **rack != down).count();
        let lost = (0..TOKENS).find(|token| left(&token) < 2)? + 1;
        let racks: Vec<Vec<usize>> = (0..RACKS).map(held).collect();
        Some(format!(
            "racks hold tokens {racks:?}: token {lost} has no quorum without rack {}",
            down + 1
        ))
    })
}

/// Without any one node, two of the three owners of every key are left.
fn held_by_nodes(zones: &[Option<String>]) -> Option<String> {
    let ring = Ring::new(&cluster(16, 3, zones));
    (0..zones.len() as u64).map(NodeId).find_map(|down| {
        let mut lists = ring.ranges().map(|(_, list)| list.primaries());
        let short = lists.find(|list| list.iter().filter(|node| **node != down).count() < 2)?;
        Some(format!("zones {zones:?}: of {short:?} one is left without {down}"))
    })
}

/// Nodes in these zones that have joined one after the other.
fn cluster(partitions: u32, n: u8, zones: &[Option<String>]) -> Layout {
    let member = |(id, zone): (u64, &Option<String>)| Member {
        id: NodeId(id),
        name: format!("n{id}"),
        weight: 1,
        zone: zone.clone(),
        address: String::new(),
    };
    let members = (0..).zip(zones).map(member).collect();
    let strategy = Strategy::EqualPartitions { partitions };
    Layout::new(strategy, n, members).expect("enough nodes, and no more than partitions")
}

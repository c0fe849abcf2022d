//! Strategy 3's table of owners, and how it follows joins and leaves (paper §6.2).
//!
//! How many partitions a member owns is an apportionment by Webster's method: the claim of a
//! member of weight w to its c-th further partition is (c + 1/2) / w, and the Q lowest claims are
//! served; the first partition of each member is served before all others. Methods of this kind
//! never need to move a partition between two members that stay (Balinski and Young, *Fair
//! Representation*, 1982). With equal weights everyone owns Q/S, rounded up or down. With unequal
//! weights no transfer of one partition makes any two members more equal; yet a large member among
//! many small ones can be more than one partition away from its exact share, and no method of
//! this kind rules that out.

use super::Position;
use super::strategy::Member;
use crate::ids::NodeId;
use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;
use core::cmp::Ordering;

/// A fraction, in which a member's claims to partitions are compared: the lower, the sooner.
#[derive(Clone, Copy, Debug)]
struct Claim {
    halves: u64,
    weight: u64,
}

impl Claim {
    fn is_below(self, other: Claim) -> bool {
        self.compare(other).is_lt()
    }

    fn compare(self, other: Claim) -> Ordering {
        let left = u128::from(self.halves) * u128::from(other.weight);
        left.cmp(&(u128::from(other.halves) * u128::from(self.weight)))
    }
}

/// What one member owns, while partitions change hands.
#[derive(Clone, Copy, Debug)]
struct Holding {
    node: NodeId,
    weight: u32,
    partitions: u64,
}

impl Holding {
    /// Its claim to one partition more.
    fn next_claim(&self) -> Claim {
        self.claim_beyond(self.partitions)
    }

    /// The claim on which it holds the last of its partitions; it must hold one.
    fn last_claim(&self) -> Claim {
        self.claim_beyond(self.partitions - 1)
    }

    fn claim_beyond(&self, held: u64) -> Claim {
        let halves = if held == 0 { 0 } else { 2 * held + 1 };
        Claim { halves, weight: u64::from(self.weight) }
    }
}

/// The table of a new cluster: the first member owns everything, the others join it in order.
pub(super) fn found(partitions: u32, members: &[Member]) -> Vec<NodeId> {
    let mut owners = vec![members[0].id; partitions as usize];
    let mut holdings = holdings(&owners, &members[..1]);
    members[1..].iter().for_each(|joiner| take_share(&mut owners, &mut holdings, joiner));
    owners
}

/// The table after `joiner` has joined `members`. Nothing moves but to it.
pub(super) fn join(owners: &[NodeId], members: &[Member], joiner: &Member) -> Vec<NodeId> {
    let (mut after, mut holdings) = (owners.to_vec(), holdings(owners, members));
    take_share(&mut after, &mut holdings, joiner);
    after
}

/// `joiner` takes partitions from whoever has the most for its weight, one at a time, until taking
/// another would be unfair.
fn take_share(owners: &mut [NodeId], holdings: &mut Vec<Holding>, joiner: &Member) {
    let mut own = Holding { node: joiner.id, weight: joiner.weight, partitions: 0 };
    let mut to_give: BTreeMap<NodeId, u64> = BTreeMap::new();
    while let Some(giver) = most_loaded(holdings) {
        if !own.next_claim().is_below(giver.last_claim()) {
            break;
        }
        giver.partitions -= 1;
        own.partitions += 1;
        *to_give.entry(giver.node).or_default() += 1;
    }
    holdings.push(own);
    // Few of many, where there are many members.
    let from_givers: Vec<usize> =
        (0..owners.len()).filter(|p| to_give.contains_key(&owners[*p])).collect();
    for partition in in_token_order(joiner, from_givers) {
        if let Some(left) = to_give.get_mut(&owners[partition]).filter(|left| **left > 0) {
            *left -= 1;
            owners[partition] = joiner.id;
        }
    }
}

/// The table after `leaver` has left `members` behind: each of its partitions goes to whoever
/// has the fewest for its weight. Nothing else moves.
pub(super) fn leave(owners: &[NodeId], members: &[Member], leaver: &Member) -> Vec<NodeId> {
    let mut holdings = holdings(owners, members);
    let mut owners = owners.to_vec();
    let orphans: Vec<usize> = (0..owners.len()).filter(|p| owners[*p] == leaver.id).collect();
    for partition in in_token_order(leaver, orphans) {
        let Some(taker) = least_loaded(&mut holdings) else {
            break;
        };
        taker.partitions += 1;
        owners[partition] = taker.node;
    }
    owners
}

/// The table after `node` has got another weight, which `members` tell: it gives or takes one
/// partition at a time, as if it were joining or leaving with the difference.
pub(super) fn reweigh(owners: &[NodeId], members: &[Member], node: NodeId) -> Vec<NodeId> {
    let Some(member) = members.iter().find(|member| member.id == node) else {
        return owners.to_vec();
    };
    let others: Vec<Member> = members.iter().filter(|other| other.id != node).cloned().collect();
    let mut holdings = holdings(owners, &others);
    let partitions = owners.iter().filter(|owner| **owner == node).count() as u64;
    let mut own = Holding { node, weight: member.weight, partitions };
    let mut owners = owners.to_vec();
    let order = in_token_order(member, 0..owners.len());
    while let Some(giver) = most_loaded(&mut holdings)
        && own.next_claim().is_below(giver.last_claim())
        && let Some(&partition) = order.iter().find(|p| owners[**p] == giver.node)
    {
        giver.partitions -= 1;
        own.partitions += 1;
        owners[partition] = node;
    }
    while own.partitions > 1
        && let Some(taker) = least_loaded(&mut holdings)
        && taker.next_claim().is_below(own.last_claim())
        && let Some(&partition) = order.iter().find(|p| owners[**p] == node)
    {
        taker.partitions += 1;
        own.partitions -= 1;
        owners[partition] = taker.node;
    }
    owners
}

/// The paper chooses partitions at random; the order of a node's tokens is as good, and the same
/// on every machine.
fn in_token_order(node: &Member, partitions: impl IntoIterator<Item = usize>) -> Vec<usize> {
    let mut order: Vec<usize> = partitions.into_iter().collect();
    order.sort_by_cached_key(|partition| Position::of_token(&node.name, *partition as u32));
    order
}

fn holdings(owners: &[NodeId], members: &[Member]) -> Vec<Holding> {
    let mut counts: BTreeMap<NodeId, u64> = BTreeMap::new();
    for owner in owners {
        *counts.entry(*owner).or_default() += 1;
    }
    let holding = |member: &Member| Holding {
        node: member.id,
        weight: member.weight,
        partitions: counts.get(&member.id).copied().unwrap_or(0),
    };
    members.iter().map(holding).collect()
}

/// Among equals the member with the smallest id, so that the result is the same everywhere.
fn most_loaded(holdings: &mut [Holding]) -> Option<&mut Holding> {
    let owning = holdings.iter_mut().filter(|holding| holding.partitions > 0);
    owning.min_by(|a, b| b.last_claim().compare(a.last_claim()).then(a.node.cmp(&b.node)))
}

/// Among equals the member with the smallest id.
fn least_loaded(holdings: &mut [Holding]) -> Option<&mut Holding> {
    let by_claim = |a: &&mut Holding, b: &&mut Holding| {
        a.next_claim().compare(b.next_claim()).then(a.node.cmp(&b.node))
    };
    holdings.iter_mut().min_by(by_claim)
}

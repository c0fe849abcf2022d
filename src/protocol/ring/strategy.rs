//! The three partitioning strategies (paper §6.2) and who takes part in them.

use super::Position;
use super::error::{
    LayoutError, MAX_MEMBERS, MAX_NAME_BYTES, MAX_PARTITIONS, MAX_PREFERENCE_PLACES,
    MAX_TOKENS_PER_NODE,
};
use crate::ids::NodeId;
use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// How the ring is cut into ranges, and who owns them (paper §6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Strategy {
    /// Strategy 1: random tokens, and a range between every two of them. A range belongs to the
    /// token that ends it: `[token before, token)`.
    RandomTokens {
        /// T, tokens for each unit of a member's weight.
        tokens: u32,
    },
    /// Strategy 2: the same tokens over equal partitions. A partition is placed on the nodes met
    /// from its end on, as its last position is in strategy 1; so a token on the end counts.
    RandomTokensEqualPartitions {
        /// T, tokens for each unit of a member's weight.
        tokens: u32,
        /// Q, which should be far above S*T.
        partitions: u32,
    },
    /// Strategy 3: equal partitions, each with an explicit owner; with equal weights Q/S of them
    /// a node. The successors of a partition are the owners of those that follow it.
    EqualPartitions {
        /// Q, which should be far above S.
        partitions: u32,
    },
}

impl Strategy {
    /// The paper's number for it: 1, 2 or 3.
    pub fn number(self) -> u8 {
        match self {
            Strategy::RandomTokens { .. } => 1,
            Strategy::RandomTokensEqualPartitions { .. } => 2,
            Strategy::EqualPartitions { .. } => 3,
        }
    }

    /// T, where tokens are random.
    pub(super) fn tokens(self) -> Option<u32> {
        match self {
            Strategy::RandomTokens { tokens }
            | Strategy::RandomTokensEqualPartitions { tokens, .. } => Some(tokens),
            Strategy::EqualPartitions { .. } => None,
        }
    }

    /// Q, where partitions are equal.
    pub(super) fn partitions(self) -> Option<u32> {
        match self {
            Strategy::RandomTokens { .. } => None,
            Strategy::RandomTokensEqualPartitions { partitions, .. }
            | Strategy::EqualPartitions { partitions } => Some(partitions),
        }
    }
}

/// One machine of a layout (paper §4.2).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Member {
    /// Who it is, whatever its address.
    pub id: NodeId,
    /// Its name, which fixes its tokens.
    pub name: String,
    /// Its capacity in units of the operator's choice, at least 1.
    pub weight: u32,
    /// What fails together with it: a rack, a data centre (paper §4.6). A member without a zone
    /// counts as a zone of its own.
    pub zone: Option<String>,
    /// Where the shell reaches it, or nothing: no part of who owns what.
    pub address: String,
}

/// Every member's tokens in ring order with the member's index. Should two tokens be equal, the
/// smaller index comes first: it owns the range, and the other one's range is empty.
pub(super) fn random_tokens(members: &[Member], tokens: u32) -> Vec<(Position, u16)> {
    let mut ring = Vec::new();
    for (index, member) in (0..).zip(members) {
        let count = tokens * member.weight;
        ring.extend((0..count).map(|token| (Position::of_token(&member.name, token), index)));
    }
    ring.sort_unstable();
    ring
}

/// Everything that must hold of a layout's parameters; `members` are sorted by id.
pub(super) fn check(strategy: Strategy, n: u8, members: &[Member]) -> Result<(), LayoutError> {
    check_members(members)?;
    check_replicas(n, members.len())?;
    if let Some(tokens) = strategy.tokens() {
        check_tokens(tokens, members)?;
    }
    if let Some(partitions) = strategy.partitions() {
        check_partitions(partitions, members.len())?;
    }
    Ok(())
}

fn check_members(members: &[Member]) -> Result<(), LayoutError> {
    if members.is_empty() {
        return Err(LayoutError::NoMembers);
    }
    if members.len() > MAX_MEMBERS {
        return Err(LayoutError::TooManyMembers(members.len()));
    }
    if let Some(pair) = members.windows(2).find(|pair| pair[0].id == pair[1].id) {
        return Err(LayoutError::DuplicateId(pair[0].id));
    }
    let mut names = BTreeSet::new();
    for member in members {
        check_text(&member.name, member.id)?;
        member.zone.iter().try_for_each(|zone| check_text(zone, member.id))?;
        if member.address.len() > MAX_NAME_BYTES {
            return Err(LayoutError::BadName(member.address.clone(), member.id));
        }
        if !names.insert(&member.name) {
            return Err(LayoutError::DuplicateName(member.name.clone()));
        }
        if member.weight == 0 {
            return Err(LayoutError::ZeroWeight(member.name.clone()));
        }
    }
    Ok(())
}

fn check_text(text: &str, id: NodeId) -> Result<(), LayoutError> {
    if text.is_empty() || text.len() > MAX_NAME_BYTES {
        return Err(LayoutError::BadName(text.into(), id));
    }
    Ok(())
}

pub(super) fn check_replicas(n: u8, members: usize) -> Result<(), LayoutError> {
    match usize::from(n) {
        0 => Err(LayoutError::ZeroReplicas),
        replicas if replicas <= members => Ok(()),
        _ => Err(LayoutError::TooFewMembers { n, members }),
    }
}

fn check_tokens(tokens: u32, members: &[Member]) -> Result<(), LayoutError> {
    if tokens == 0 {
        return Err(LayoutError::ZeroTokens);
    }
    let mut total = 0;
    for member in members {
        let tokens = u64::from(tokens) * u64::from(member.weight);
        if tokens > u64::from(MAX_TOKENS_PER_NODE) {
            return Err(LayoutError::TooManyTokens { name: member.name.clone(), tokens });
        }
        total += tokens;
    }
    check_places(total, members.len())
}

pub(super) fn check_places(tokens: u64, members: usize) -> Result<(), LayoutError> {
    if tokens.saturating_mul(members as u64) > MAX_PREFERENCE_PLACES {
        return Err(LayoutError::RingTooLarge { tokens, members });
    }
    Ok(())
}

fn check_partitions(partitions: u32, members: usize) -> Result<(), LayoutError> {
    if partitions == 0 {
        return Err(LayoutError::ZeroPartitions);
    }
    if partitions > MAX_PARTITIONS {
        return Err(LayoutError::TooManyPartitions(partitions));
    }
    if (partitions as usize) < members {
        return Err(LayoutError::TooFewPartitions { partitions, members });
    }
    Ok(())
}

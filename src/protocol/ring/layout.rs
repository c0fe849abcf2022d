//! Who takes part in the ring, and by what rule: everything that ownership depends on.

use super::error::LayoutError;
use super::owners;
use super::strategy::{self, Member, Strategy};
use crate::ids::NodeId;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// One agreed state of membership (paper §4.8). Every node that has the same layout computes the
/// same [`Ring`](super::Ring). A layout that was decoded has passed the checks of [`Layout::new`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Layout {
    strategy: Strategy,
    n: u8,
    members: Vec<Member>,
    owners: Vec<NodeId>,
}

impl Layout {
    /// The layout of `members` with `n` replicas of each key (paper §4.3). The order of members
    /// matters under strategy 3 only, where they join one after the other.
    ///
    /// # Errors
    /// Whatever [`LayoutError`] lists, but for `UnknownMember` and `BadOwners`.
    pub fn new(strategy: Strategy, n: u8, members: Vec<Member>) -> Result<Layout, LayoutError> {
        let mut sorted = members.clone();
        sorted.sort();
        strategy::check(strategy, n, &sorted)?;
        let owners = match strategy {
            Strategy::EqualPartitions { partitions } => owners::found(partitions, &members),
            _ => Vec::new(),
        };
        Ok(Layout { strategy, n, members: sorted, owners })
    }

    /// The layout with one member more (paper §4.9). A key's first node changes only to `joiner`.
    ///
    /// # Errors
    /// As for [`Layout::new`].
    pub fn join(&self, joiner: Member) -> Result<Layout, LayoutError> {
        let mut members = self.members.clone();
        members.push(joiner.clone());
        members.sort();
        strategy::check(self.strategy, self.n, &members)?;
        let owners = owners::join(&self.owners, &self.members, &joiner);
        Ok(Layout { members, owners, ..*self })
    }

    /// The layout without `leaver` (paper §4.9). A key's first node changes only from `leaver`.
    ///
    /// # Errors
    /// `UnknownMember`; `NoMembers` or `TooFewMembers` if it cannot be spared.
    pub fn leave(&self, leaver: NodeId) -> Result<Layout, LayoutError> {
        let mut members = self.members.clone();
        let Some(index) = members.iter().position(|member| member.id == leaver) else {
            return Err(LayoutError::UnknownMember(leaver));
        };
        let leaver = members.remove(index);
        strategy::check(self.strategy, self.n, &members)?;
        let owners = owners::leave(&self.owners, &members, &leaver);
        Ok(Layout { members, owners, ..*self })
    }

    /// The layout with `new` in the place of `old`: nobody else's keys move (under strategy 3; tokens
    /// hang on names).
    ///
    /// # Errors
    /// As for [`Layout::join`] and [`Layout::leave`].
    pub fn replace(&self, old: NodeId, new: Member) -> Result<Layout, LayoutError> {
        let mut members = self.members.clone();
        let Some(index) = members.iter().position(|member| member.id == old) else {
            return Err(LayoutError::UnknownMember(old));
        };
        let new_id = new.id;
        members[index] = new;
        members.sort();
        strategy::check(self.strategy, self.n, &members)?;
        let in_place = |&owner: &NodeId| if owner == old { new_id } else { owner };
        let owners = self.owners.iter().map(in_place).collect();
        Ok(Layout { members, owners, ..*self })
    }

    /// The layout with another weight for `node`, which gives or takes the partitions for it.
    ///
    /// # Errors
    /// `UnknownMember`; otherwise as for [`Layout::new`].
    pub fn reweigh(&self, node: NodeId, weight: u32) -> Result<Layout, LayoutError> {
        let members = self.with_member(node, |member| member.weight = weight)?;
        strategy::check(self.strategy, self.n, &members)?;
        let owners = owners::reweigh(&self.owners, &members, node);
        Ok(Layout { members, owners, ..*self })
    }

    /// The layout with `node` in another zone.
    ///
    /// # Errors
    /// As for [`Layout::reweigh`].
    pub fn rezone(&self, node: NodeId, zone: Option<String>) -> Result<Layout, LayoutError> {
        let members = self.with_member(node, |member| member.zone = zone)?;
        strategy::check(self.strategy, self.n, &members)?;
        Ok(Layout { members, owners: self.owners.clone(), ..*self })
    }

    /// The layout with `node` at another address.
    ///
    /// # Errors
    /// As for [`Layout::reweigh`].
    pub fn readdress(&self, node: NodeId, address: String) -> Result<Layout, LayoutError> {
        let members = self.with_member(node, |member| member.address = address)?;
        strategy::check(self.strategy, self.n, &members)?;
        Ok(Layout { members, owners: self.owners.clone(), ..*self })
    }

    fn with_member(
        &self,
        node: NodeId,
        change: impl FnOnce(&mut Member),
    ) -> Result<Vec<Member>, LayoutError> {
        let mut members = self.members.clone();
        let member = members.iter_mut().find(|member| member.id == node);
        change(member.ok_or(LayoutError::UnknownMember(node))?);
        Ok(members)
    }

    /// Whether `node` is a member.
    pub fn has(&self, node: NodeId) -> bool {
        self.members.binary_search_by_key(&node, |member| member.id).is_ok()
    }

    /// The rule of partitioning (paper §6.2).
    pub fn strategy(&self) -> Strategy {
        self.strategy
    }

    /// N, the nodes that store a key when all is well (paper §4.3).
    pub fn n(&self) -> u8 {
        self.n
    }

    /// The members, by ascending id.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Strategy 3: the owner of each partition. Otherwise empty, as tokens tell.
    pub fn owners(&self) -> &[NodeId] {
        &self.owners
    }
}

/// A layout as it comes from outside.
#[derive(Deserialize)]
struct Unchecked {
    strategy: Strategy,
    n: u8,
    members: Vec<Member>,
    owners: Vec<NodeId>,
}

impl TryFrom<Unchecked> for Layout {
    type Error = LayoutError;

    fn try_from(layout: Unchecked) -> Result<Layout, LayoutError> {
        let Unchecked { strategy, n, mut members, owners } = layout;
        members.sort();
        strategy::check(strategy, n, &members)?;
        let wanted = match strategy {
            Strategy::EqualPartitions { partitions } => partitions as usize,
            _ => 0,
        };
        let is_member = |id: &NodeId| members.binary_search_by_key(id, |member| member.id).is_ok();
        if owners.len() != wanted || !owners.iter().all(is_member) {
            return Err(LayoutError::BadOwners);
        }
        Ok(Layout { strategy, n, members, owners })
    }
}

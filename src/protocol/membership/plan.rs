//! What operators plan and order.

use super::LayoutHash;
use crate::ids::NodeId;
use crate::ring::{Layout, LayoutError, Member};
use alloc::string::String;
use serde::{Deserialize, Serialize};

/// One part of a plan.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Step {
    /// A node joins.
    Join(Member),
    /// A member leaves.
    Leave(NodeId),
    /// A node takes all that a member owns, and the member leaves.
    Replace {
        /// Who leaves.
        old: NodeId,
        /// Who takes its place.
        new: Member,
    },
    /// A member is to own more or less.
    Weight {
        /// Which.
        node: NodeId,
        /// Its new weight.
        weight: u32,
    },
    /// A member has moved to another zone.
    Zone {
        /// Which.
        node: NodeId,
        /// Its new zone.
        zone: Option<String>,
    },
    /// A member is reached elsewhere.
    Address {
        /// Which.
        node: NodeId,
        /// Its new address.
        address: String,
    },
}

/// What an operator tells a node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Command {
    /// Adds a step to the plan that this node keeps.
    Stage(Step),
    /// Drops the plan.
    Clear,
    /// Proposes the planned layout, if it is the one with this hash.
    Commit(LayoutHash),
    /// The change under way is not to wait for this member: it is down, and may stay so.
    Down(NodeId),
    /// It is to wait for this member after all.
    Up(NodeId),
    /// Withdraws the proposed change.
    Abort,
}

/// Why a command is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// The plan gives no layout.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// One change at a time.
    #[error("a change is under way; wait until it has come to its end")]
    ChangeUnderWay,
    /// There is nothing to wait for.
    #[error("no change is under way, so nobody waits for {0}")]
    NoChange(NodeId),
    /// The node does not take part in the change.
    #[error("the change under way does not wait for {0}")]
    NotAwaited(NodeId),
    /// It may come with what it held long ago.
    #[error("{0} is only to join, and no data moves yet; withdraw the change instead")]
    Newcomer(NodeId),
    /// The node was not declared down.
    #[error("{0} was not declared down")]
    NotDown(NodeId),
    /// It is decided who has not taken part.
    #[error(
        "reads have moved already, without {0}; it takes part again when the change is at its end"
    )]
    TooLateForUp(NodeId),
    /// There is nothing to withdraw.
    #[error("no change is under way")]
    NothingProposed,
    /// Data moves.
    #[error("data moves already; let the change come to its end, then plan the way back")]
    TooLateToAbort,
    /// A node that is down might be the one that has gone on.
    #[error("the change is being withdrawn; that waits for every present member")]
    Withdrawn,
    /// Without these nodes an acknowledged write could be lost, or two changes could happen.
    #[error(
        "without {0} too few owners of some key are left to hand it over or to take it; bring a node back"
    )]
    TooManyDown(NodeId),
    /// More than [`crate::limits::MAX_STAGED`].
    #[error("the plan has as many steps as a plan may have; commit it first")]
    TooManySteps,
    /// There is no plan.
    #[error("nothing is staged")]
    NothingStaged,
    /// The plan, or the layout that it starts from, has changed since it was looked at.
    #[error("the plan is not the one that was looked at; look at it again")]
    OtherPlan,
    /// The node was told to leave, or never joined.
    #[error("this node is no member of the cluster; ask one that is")]
    NotAMember,
    /// It may not know what the others know.
    #[error("this node has lost its disk and is being filled again; ask another, or wait")]
    LostDisk,
    /// The configuration names tokens instead of members.
    #[error("the cluster was not founded on a layout")]
    NoLayout,
}

impl Step {
    /// The layout after this step.
    ///
    /// # Errors
    /// As for [`Layout::join`] and [`Layout::leave`].
    pub fn apply(&self, layout: &Layout) -> Result<Layout, LayoutError> {
        match self {
            Step::Join(member) => layout.join(member.clone()),
            Step::Leave(node) => layout.leave(*node),
            Step::Replace { old, new } => layout.replace(*old, new.clone()),
            Step::Weight { node, weight } => layout.reweigh(*node, *weight),
            Step::Zone { node, zone } => layout.rezone(*node, zone.clone()),
            Step::Address { node, address } => layout.readdress(*node, address.clone()),
        }
    }
}

/// The layout after all `steps`, in their order.
///
/// # Errors
/// Of the first step that is impossible.
pub fn plan<'a>(
    layout: &Layout,
    steps: impl IntoIterator<Item = &'a Step>,
) -> Result<Layout, LayoutError> {
    steps.into_iter().try_fold(layout.clone(), |layout, step| step.apply(&layout))
}

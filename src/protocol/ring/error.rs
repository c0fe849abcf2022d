//! What a layout refuses, and the limits behind it.

use crate::ids::NodeId;
use alloc::string::String;

/// Members of a layout. The paper's clusters have "a couple of hundred" nodes (§6.6). A layout of so
/// many fits a frame, whatever they are called (`tests/codec.rs`).
pub const MAX_MEMBERS: usize = 1024;

/// Tokens of one node, its weight counted in (strategies 1 and 2).
pub const MAX_TOKENS_PER_NODE: u32 = 4096;

/// Equal partitions, Q (strategies 2 and 3).
pub const MAX_PARTITIONS: u32 = 65_536;

/// Tokens of the whole ring times members: the places in all preference lists together, and the steps
/// that it takes to work out a [`Ring`](super::Ring). It keeps twelve bytes for each of the first N
/// places of each list: 768 MiB where every member stores every key. 100 nodes of 4096 tokens each
/// are within it, 1000 nodes of 64, and any number of partitions.
pub const MAX_PREFERENCE_PLACES: u64 = 1 << 26;
const _: () = assert!(MAX_MEMBERS as u64 * MAX_PARTITIONS as u64 <= MAX_PREFERENCE_PLACES);

/// Bytes of a member's name, zone or address.
pub const MAX_NAME_BYTES: usize = 255;

/// Why there is no such layout.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// A layout needs a member.
    #[error("the layout has no members; name at least one")]
    NoMembers,
    /// More than [`MAX_MEMBERS`].
    #[error("{0} members are too many; a layout has at most {MAX_MEMBERS}")]
    TooManyMembers(usize),
    /// Two members have one id.
    #[error("two members have the id {0}; give each its own")]
    DuplicateId(NodeId),
    /// Two members have one name, so they would have the same tokens.
    #[error("two members are called {0:?}; give each its own name")]
    DuplicateName(String),
    /// A name or zone is empty, or one of them or an address is longer than [`MAX_NAME_BYTES`].
    #[error("the name, zone or address {0:?} of {1} is unusable; use 1 to {MAX_NAME_BYTES} bytes")]
    BadName(String, NodeId),
    /// A member of weight 0 would store nothing.
    #[error("member {0:?} has weight 0; use 1 or more, or leave it out")]
    ZeroWeight(String),
    /// N is 0.
    #[error("N is 0; store each key on at least one node")]
    ZeroReplicas,
    /// N copies need N machines (paper §4.3).
    #[error("N is {n}, but there are {members} members; lower N or add members")]
    TooFewMembers {
        /// Replicas wanted.
        n: u8,
        /// Members there are.
        members: usize,
    },
    /// Strategies 1 and 2 with T = 0.
    #[error("T is 0; give each node at least one token")]
    ZeroTokens,
    /// T times a member's weight is more than [`MAX_TOKENS_PER_NODE`].
    #[error(
        "member {name:?} would have {tokens} tokens, the limit is {MAX_TOKENS_PER_NODE}; lower T or its weight"
    )]
    TooManyTokens {
        /// The member's name.
        name: String,
        /// T times its weight.
        tokens: u64,
    },
    /// More than [`MAX_PREFERENCE_PLACES`].
    #[error("{tokens} tokens for {members} members are too many; lower T or the weights")]
    RingTooLarge {
        /// Tokens of all members together.
        tokens: u64,
        /// Members there are.
        members: usize,
    },
    /// Strategies 2 and 3 with Q = 0.
    #[error("Q is 0; cut the ring into at least as many partitions as there are members")]
    ZeroPartitions,
    /// Fewer partitions than members, so that some member would own none.
    #[error("{partitions} partitions are too few for {members} members; raise Q")]
    TooFewPartitions {
        /// Q.
        partitions: u32,
        /// Members there are.
        members: usize,
    },
    /// More than [`MAX_PARTITIONS`].
    #[error("{0} partitions are too many; a layout has at most {MAX_PARTITIONS}")]
    TooManyPartitions(u32),
    /// A node that is no member cannot leave.
    #[error("{0} is not a member, so it cannot leave")]
    UnknownMember(NodeId),
    /// A decoded table of owners does not fit its layout.
    #[error("the table of owners does not name one member for each partition; ask for it again")]
    BadOwners,
}

//! A limit on everything a peer or a client can make grow.

/// Longest key, in bytes.
pub const MAX_KEY_BYTES: usize = 1024;

/// Longest value, in bytes. The paper (§2.1) speaks of objects usually below 1 MB.
pub const MAX_VALUE_BYTES: usize = 256 * 1024;

/// Siblings that a key may hold before a put that would add one more is refused. Merges are
/// never refused and nothing is trimmed: replicas must be able to agree.
pub const MAX_SIBLINGS: usize = 64;

/// Total bytes of a key's values before a put that would exceed it is refused.
pub const MAX_OBJECT_BYTES: usize = 1024 * 1024;

/// Actors that a context sent by a client may name.
pub const MAX_CONTEXT_ACTORS: usize = 1024;

/// The same for deletes: a key that has grown too many actors to be put can still be deleted, and
/// begins anew when its tombstone is reaped.
pub const MAX_DELETED_ACTORS: usize = 2 * MAX_CONTEXT_ACTORS;

/// Requests that one node coordinates or forwards at a time; one more is refused as busy.
pub const MAX_IN_FLIGHT: usize = 16 * 1024;

/// Client sessions of which a node remembers the highest put that it was asked for. Beyond it the
/// oldest session is forgotten, and whatever it still puts is answered "maybe applied", not done.
pub const MAX_SESSIONS: u64 = 64 * 1024;

/// Hints that are offered to their home at a time.
pub const HANDOFF_BATCH: usize = 64;

/// Objects in one page of what a node that lost its disk merges from another.
pub const MAX_PAGE_OBJECTS: usize = 64;

/// Records that are looked at for one page.
pub const MAX_PAGE_RECORDS: usize = 1024;

/// Bytes of values beyond which nothing is added to a page; a single object may exceed it. A page is
/// one message: the more datagrams it takes, the more likely one of them is lost, and all with it.
pub const MAX_PAGE_BYTES: usize = 16 * 1024;

/// Bytes of values beyond which nothing is added to a batch of hints, or to what one message of an
/// exchange sets in motion; a single object may exceed it.
pub const MAX_BATCH_BYTES: usize = 128 * 1024;

/// Roots of trees in one message.
pub const MAX_ROOTS: usize = 48;

/// Ranges that one message of roots lets be compared; the others wait for the next exchange.
pub const MAX_COMPARED_RANGES: usize = 8;

/// Tombstones that one node reaps at a time.
pub const REAP_BATCH: usize = 64;

/// Objects and hints that are looked through at a time after a change of the layout.
pub const SETTLE_BATCH: usize = 256;

/// Steps of a plan.
pub const MAX_STAGED: usize = 256;

/// Changes that another node may be ahead of this one: one datagram from the far future must not
/// leave the cluster without a next version (bug F5).
pub const MAX_LAYOUT_LEAD: u64 = 1 << 20;

/// Tombstones that a node watches for others at a time.
pub const MAX_WATCHED: usize = 4096;

/// How often a member may be said to be down, and up again, in one change: hostile peers may say
/// anything.
pub const MAX_DECLARATIONS: u32 = 1 << 20;

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

/// Requests that one node coordinates or forwards at a time; one more is refused as busy.
pub const MAX_IN_FLIGHT: usize = 16 * 1024;

/// Client sessions of which a node remembers the highest put that it was asked for. Beyond it the
/// oldest session is forgotten, and whatever it still puts is answered "maybe applied", not done.
pub const MAX_SESSIONS: u64 = 64 * 1024;

//! Values that carry their own hash, so that a state of many parts is hashed in a few words.

use std::cell::Cell;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

/// A shared, immutable value with a 128-bit hash computed once. Equality is of the values: a
/// collision can make two states share a fingerprint, never make them equal.
pub struct Sealed<T>(Arc<(u128, T)>);

impl<T: Hash> Sealed<T> {
    /// Seals `value`.
    pub fn new(value: T) -> Self {
        let hash = with_feed(&value, xxh3_128);
        Sealed(Arc::new((hash, value)))
    }

    /// Seals a changed copy in its place.
    pub fn update(&mut self, change: impl FnOnce(&mut T))
    where
        T: Clone,
    {
        let mut value = (**self).clone();
        change(&mut value);
        *self = Sealed::new(value);
    }
}

impl<T> Sealed<T> {
    /// The half of its hash that finds a place in a table.
    pub fn short_hash(&self) -> u64 {
        self.0.0 as u64
    }
}

impl<T> Clone for Sealed<T> {
    fn clone(&self) -> Self {
        Sealed(Arc::clone(&self.0))
    }
}

impl<T: fmt::Debug> fmt::Debug for Sealed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.1.fmt(f)
    }
}

impl<T> Deref for Sealed<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0.1
    }
}

impl<T: PartialEq> PartialEq for Sealed<T> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || (self.0.0 == other.0.0 && self.0.1 == other.0.1)
    }
}

impl<T: Eq> Eq for Sealed<T> {}

impl<T: Ord> PartialOrd for Sealed<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T: Ord> Ord for Sealed<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        if Arc::ptr_eq(&self.0, &other.0) {
            return std::cmp::Ordering::Equal;
        }
        self.0.1.cmp(&other.0.1)
    }
}

impl<T> Hash for Sealed<T> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        hasher.write_u128(self.0.0);
    }
}

/// The 64-bit fingerprint under which the engine remembers a state.
pub fn fingerprint<T: Hash>(value: &T) -> u64 {
    with_feed(value, xxh3_64)
}

/// What `hash` makes of the bytes that `value` feeds to a hasher, integers in little-endian order on
/// every machine.
fn with_feed<T: Hash, R>(value: &T, hash: fn(&[u8]) -> R) -> R {
    thread_local!(static BYTES: Cell<Vec<u8>> = const { Cell::new(Vec::new()) });
    BYTES.with(|bytes| {
        let mut feed = Feed(bytes.take());
        feed.0.clear();
        value.hash(&mut feed);
        let hash = hash(&feed.0);
        bytes.set(feed.0);
        hash
    })
}

struct Feed(Vec<u8>);

macro_rules! little_endian {
    ($($method:ident: $int:ty),*) => {
        $(fn $method(&mut self, i: $int) { self.0.extend_from_slice(&i.to_le_bytes()); })*
    };
}

impl Hasher for Feed {
    fn finish(&self) -> u64 {
        xxh3_64(&self.0)
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    little_endian!(write_u16: u16, write_u32: u32, write_u64: u64, write_u128: u128);

    fn write_usize(&mut self, i: usize) {
        self.write_u64(i as u64);
    }
}

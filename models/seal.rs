//! Values that keep their own hash, so that a state of many parts is hashed in a few words.

use std::cell::Cell;
use std::cmp;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

/// A shared value that is hashed once, to 128 bits. Equality is of the values: a collision can make
/// two states share a fingerprint, never make them equal. Who changes it gets a copy of its own.
pub struct Sealed<T>(Arc<Content<T>>);

struct Content<T> {
    /// The halves of the hash; the first is 0 until it is known.
    hash: [AtomicU64; 2],
    value: T,
}

impl<T> Sealed<T> {
    /// Seals `value`.
    pub fn new(value: T) -> Self {
        Sealed(Arc::new(Content { hash: Default::default(), value }))
    }

    /// Whether both are one value in memory.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl<T: Hash> Sealed<T> {
    fn long_hash(&self) -> [u64; 2] {
        let [short, other] = &self.0.hash;
        match short.load(Ordering::Acquire) {
            0 => {
                let hash = with_feed(&self.0.value, xxh3_128);
                let hash = [hash as u64, (hash >> 64) as u64];
                other.store(hash[1], Ordering::Relaxed);
                short.store(hash[0], Ordering::Release);
                hash
            }
            known => [known, other.load(Ordering::Relaxed)],
        }
    }

    /// The half of its hash that finds a place in a table.
    pub fn short_hash(&self) -> u64 {
        self.long_hash()[0]
    }
}

impl<T: Clone> Clone for Content<T> {
    fn clone(&self) -> Self {
        Content { hash: Default::default(), value: self.value.clone() }
    }
}

impl<T> Clone for Sealed<T> {
    fn clone(&self) -> Self {
        Sealed(Arc::clone(&self.0))
    }

    fn clone_from(&mut self, other: &Self) {
        if !self.is(other) {
            *self = other.clone();
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Sealed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.value.fmt(f)
    }
}

impl<T> Deref for Sealed<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0.value
    }
}

impl<T: Clone> DerefMut for Sealed<T> {
    fn deref_mut(&mut self) -> &mut T {
        let content = Arc::make_mut(&mut self.0);
        content.hash = Default::default();
        &mut content.value
    }
}

impl<T: Hash + PartialEq> PartialEq for Sealed<T> {
    fn eq(&self, other: &Self) -> bool {
        self.is(other) || (self.long_hash() == other.long_hash() && **self == **other)
    }
}

impl<T: Hash + Eq> Eq for Sealed<T> {}

impl<T: Hash + Ord> PartialOrd for Sealed<T> {
    fn partial_cmp(&self, other: &Self) -> Option<cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T: Hash + Ord> Ord for Sealed<T> {
    fn cmp(&self, other: &Self) -> cmp::Ordering {
        if self.is(other) {
            return cmp::Ordering::Equal;
        }
        (**self).cmp(&**other)
    }
}

impl<T: Hash> Hash for Sealed<T> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let [short, other] = self.long_hash();
        hasher.write_u64(short);
        hasher.write_u64(other);
    }
}

/// The 64-bit fingerprint under which the engine remembers a state.
pub fn fingerprint<T: Hash>(value: &T) -> u64 {
    with_feed(value, xxh3_64)
}

/// A hash for tables that compare in full what they find: made of other hashes and small numbers.
pub(crate) fn mixed(parts: impl IntoIterator<Item = u64>) -> u64 {
    let mix =
        |sum: u64, part: u64| (sum.rotate_left(23) ^ part).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let sum = parts.into_iter().fold(0, mix);
    sum ^ sum >> 32
}

/// What `hash` makes of the bytes that `value` feeds to a hasher, integers in little-endian order on
/// every machine.
fn with_feed<T: Hash, R>(value: &T, hash: fn(&[u8]) -> R) -> R {
    thread_local!(static BYTES: Cell<Vec<u8>> = const { Cell::new(Vec::new()) });
    BYTES.with(|bytes| {
        let mut feed = Feed(bytes.take());
        feed.0.clear();
        // What is sealed within may be hashed on the way, into a row of its own.
        feed.0.reserve(512);
        value.hash(&mut feed);
        let hash = hash(&feed.0);
        bytes.set(feed.0);
        hash
    })
}

struct Feed(Vec<u8>);

macro_rules! little_endian {
    ($($method:ident: $int:ty),*) => {
        $(#[inline]
        fn $method(&mut self, i: $int) { self.0.extend_from_slice(&i.to_le_bytes()); })*
    };
}

impl Hasher for Feed {
    fn finish(&self) -> u64 {
        xxh3_64(&self.0)
    }

    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    little_endian!(write_u16: u16, write_u32: u32, write_u64: u64, write_u128: u128);

    #[inline]
    fn write_usize(&mut self, i: usize) {
        self.write_u64(i as u64);
    }
}

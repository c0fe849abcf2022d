//! What searches ahead have learned.

use hashbrown::HashTable;

/// The fingerprints of configurations from which every question that is still open is known to have
/// a good answer. A question that is closed is never opened again, so nothing is ever taken back.
#[derive(Debug, Default)]
pub struct Known(HashTable<u64>);

impl Known {
    /// Whether a configuration is known.
    pub fn has(&self, fingerprint: u64) -> bool {
        self.0.find(fingerprint, |&other| other == fingerprint).is_some()
    }

    /// Remembers a configuration.
    pub fn add(&mut self, fingerprint: u64) {
        if !self.has(fingerprint) {
            self.0.insert_unique(fingerprint, fingerprint, |&other| other);
        }
    }

    /// How many are known.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn bytes(&self) -> u64 {
        (self.0.capacity() * (size_of::<u64>() + 1)) as u64
    }
}

//! What searches ahead have learned.

use super::{Limits, Progress, STATE_BYTES, Stopped};
use hashbrown::HashTable;
use serde::{Deserialize, Serialize};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

/// The fingerprints of configurations from which every question that is still open is known to have
/// a good answer. A question that is closed is never opened again, so nothing is ever taken back.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(from = "Vec<u64>", into = "Vec<u64>")]
pub struct Known {
    /// What all searches share.
    shared: Arc<HashTable<u64>>,
    /// What has been learned since.
    own: HashTable<u64>,
    /// What a search may take, of an exploration that began then.
    limits: Option<(Limits, Instant)>,
    /// Why some search was given up, if one was; all forks know.
    gave_up: Arc<OnceLock<Stopped>>,
}

/// Configurations between two looks at the clock.
const LOOK_EVERY: usize = 256;

impl Known {
    /// Whether a configuration is known.
    pub fn has(&self, fingerprint: u64) -> bool {
        let is_in =
            |table: &HashTable<u64>| table.find(fingerprint, |&it| it == fingerprint).is_some();
        is_in(&self.own) || is_in(&self.shared)
    }

    /// Remembers a configuration.
    pub fn add(&mut self, fingerprint: u64) {
        if !self.has(fingerprint) {
            self.own.insert_unique(fingerprint, fingerprint, |&other| other);
        }
    }

    /// How many are known.
    pub fn len(&self) -> usize {
        self.shared.len() + self.own.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a search that has looked at so many configurations may go on. If not, a limit is met: it
    /// is given up, as are all others, and the exploration must end.
    pub fn may_go_on(&self, configurations: usize) -> bool {
        if let Some((limits, began)) = self.limits
            && configurations.is_multiple_of(LOOK_EVERY)
        {
            let unique = configurations as u64;
            let progress =
                Progress { unique, memory_bytes: unique * STATE_BYTES, ..Progress::default() };
            if let Some(met) = limits.met(&progress, began.elapsed()) {
                let met = if met == Stopped::States { Stopped::StatesAhead } else { met };
                let _ = self.gave_up.set(met);
            }
        }
        self.gave_up().is_none()
    }

    /// Why some search was given up, if one was. What it was to find out is open.
    pub fn gave_up(&self) -> Option<Stopped> {
        self.gave_up.get().copied()
    }

    /// From now on the searches of an exploration that began then keep to these limits, each by itself
    /// to those of states and memory.
    pub fn keep_to(&mut self, limits: Limits, began: Instant) {
        self.limits = Some((limits, began));
    }

    /// The same knowledge for a search beside this one: what it adds is its own, until it is
    /// learned here.
    pub(super) fn fork(&self) -> Known {
        let (shared, gave_up) = (Arc::clone(&self.shared), Arc::clone(&self.gave_up));
        Known { shared, own: HashTable::new(), limits: self.limits, gave_up }
    }

    /// Learns what forks have found out. They are gone then, so that nothing is copied.
    pub(super) fn learn(&mut self, forks: Vec<Known>) {
        let own = forks.into_iter().map(|fork| fork.own).collect::<Vec<_>>();
        let shared = Arc::make_mut(&mut self.shared);
        for fingerprint in own.into_iter().flatten() {
            if shared.find(fingerprint, |&other| other == fingerprint).is_none() {
                shared.insert_unique(fingerprint, fingerprint, |&other| other);
            }
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        (self.shared.allocation_size() + self.own.allocation_size()) as u64
    }
}

impl From<Known> for Vec<u64> {
    fn from(known: Known) -> Vec<u64> {
        known.own.iter().chain(&*known.shared).copied().collect()
    }
}

impl From<Vec<u64>> for Known {
    fn from(fingerprints: Vec<u64>) -> Known {
        let mut shared = HashTable::with_capacity(fingerprints.len());
        for fingerprint in fingerprints {
            shared.insert_unique(fingerprint, fingerprint, |&other| other);
        }
        Known { shared: Arc::new(shared), ..Known::default() }
    }
}

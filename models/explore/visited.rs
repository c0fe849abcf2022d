//! The states seen.

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

/// The states seen: their fingerprints, and who was first to lead to each.
#[derive(Default)]
pub(super) struct Visited {
    fingerprints: Vec<u64>,
    parents: Vec<u32>,
    places: HashTable<u32>,
}

/// The columns grow by this part of themselves: to double them would waste memory, and the table
/// beside them doubles already.
const GROWTH: usize = 32;

impl Visited {
    /// The number of the state with a fingerprint, if it was seen.
    pub(super) fn find(&self, fingerprint: u64) -> Option<u32> {
        let same = |&place: &u32| self.fingerprints[place as usize] == fingerprint;
        self.places.find(fingerprint, same).copied()
    }

    /// The number of the state with a fingerprint, and whether it is new.
    pub(super) fn insert(&mut self, fingerprint: u64, parent: u32) -> (u32, bool) {
        let fingerprints = &self.fingerprints;
        let same = |&place: &u32| fingerprints[place as usize] == fingerprint;
        let hash = |&place: &u32| fingerprints[place as usize];
        match self.places.entry(fingerprint, same, hash) {
            Entry::Occupied(place) => (*place.get(), false),
            Entry::Vacant(place) => {
                let index = fingerprints.len() as u32;
                place.insert(index);
                push(&mut self.fingerprints, fingerprint);
                push(&mut self.parents, parent);
                (index, true)
            }
        }
    }

    /// The fingerprints from the start to a state.
    pub(super) fn path(&self, mut index: u32) -> Vec<u64> {
        let mut path = Vec::new();
        while let Some(&fingerprint) = self.fingerprints.get(index as usize) {
            path.push(fingerprint);
            index = self.parents[index as usize];
        }
        path.reverse();
        path
    }

    /// Whether the numbers of states, 32 bits wide, are about to run out.
    pub(super) fn is_full(&self) -> bool {
        self.fingerprints.len() as u64 + (1 << 24) > u64::from(u32::MAX)
    }

    pub(super) fn bytes(&self) -> u64 {
        let columns = self.fingerprints.capacity() * size_of::<u64>()
            + self.parents.capacity() * size_of::<u32>();
        (columns + self.places.allocation_size()) as u64
    }
}

fn push<T>(column: &mut Vec<T>, value: T) {
    if column.len() == column.capacity() {
        column.reserve_exact(column.len() / GROWTH + 1024);
    }
    column.push(value);
}

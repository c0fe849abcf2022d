//! The states seen.

use hashbrown::HashTable;

/// The states seen: their fingerprints, and who was first to lead to each.
#[derive(Default)]
pub(super) struct Visited {
    states: Vec<(u64, u32)>,
    places: HashTable<u32>,
}

impl Visited {
    /// The number of the state with a fingerprint, and whether it is new.
    pub(super) fn insert(&mut self, fingerprint: u64, parent: u32) -> (u32, bool) {
        let states = &self.states;
        let same = |&place: &u32| states[place as usize].0 == fingerprint;
        if let Some(&place) = self.places.find(fingerprint, same) {
            return (place, false);
        }
        let index = self.states.len() as u32;
        self.states.push((fingerprint, parent));
        let states = &self.states;
        self.places.insert_unique(fingerprint, index, |&place| states[place as usize].0);
        (index, true)
    }

    /// The fingerprints from the start to a state.
    pub(super) fn path(&self, mut index: u32) -> Vec<u64> {
        let mut path = Vec::new();
        while let Some(&(fingerprint, parent)) = self.states.get(index as usize) {
            path.push(fingerprint);
            index = parent;
        }
        path.reverse();
        path
    }

    /// Whether the numbers of states, 32 bits wide, are about to run out.
    pub(super) fn is_full(&self) -> bool {
        self.states.len() as u64 + (1 << 24) > u64::from(u32::MAX)
    }

    pub(super) fn bytes(&self) -> u64 {
        (self.states.capacity() * size_of::<(u64, u32)>() + self.places.capacity() * 5) as u64
    }
}

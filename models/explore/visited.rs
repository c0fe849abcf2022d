//! The states seen.

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;

/// The states seen: their fingerprints, and who was first to lead to each.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Visited {
    fingerprints: Vec<u64>,
    parents: Vec<u32>,
    /// Which of its parent's actions led to each; kept only if the states may have to be made again.
    actions: Option<Vec<u8>>,
    /// Follows from the fingerprints.
    #[serde(skip)]
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

    /// Keeps also which action leads to each state, from the first on.
    pub(super) fn keep_actions(&mut self) {
        self.actions = Some(Vec::new());
    }

    /// The number of the state with a fingerprint, and whether it is new; if it is, it was found by
    /// an action of `parent` with this place among all of them.
    pub(super) fn insert(&mut self, fingerprint: u64, parent: u32, place: usize) -> (u32, bool) {
        let fingerprints = &self.fingerprints;
        let same = |&place: &u32| fingerprints[place as usize] == fingerprint;
        let hash = |&place: &u32| fingerprints[place as usize];
        match self.places.entry(fingerprint, same, hash) {
            Entry::Occupied(place) => (*place.get(), false),
            Entry::Vacant(vacant) => {
                let index = fingerprints.len() as u32;
                vacant.insert(index);
                push(&mut self.fingerprints, fingerprint);
                push(&mut self.parents, parent);
                if let Some(actions) = &mut self.actions {
                    push(actions, u8::try_from(place).unwrap_or(u8::MAX));
                }
                (index, true)
            }
        }
    }

    /// Forgets all but so many, those that were found first, and where they are: nothing is looked for
    /// any more.
    pub(super) fn truncate(&mut self, len: u32) {
        self.places.clear();
        self.fingerprints.truncate(len as usize);
        self.parents.truncate(len as usize);
        if let Some(actions) = &mut self.actions {
            actions.truncate(len as usize);
        }
    }

    /// Finds the places anew, where only the columns were kept.
    pub(super) fn find_places(&mut self) {
        let fingerprints = &self.fingerprints;
        self.places = HashTable::with_capacity(fingerprints.len());
        for (place, &fingerprint) in (0..).zip(fingerprints) {
            let hash = |&place: &u32| fingerprints[place as usize];
            self.places.insert_unique(fingerprint, place, hash);
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> u32 {
        self.fingerprints.len() as u32
    }

    /// The state that led to this one.
    pub(super) fn parent(&self, index: u32) -> u32 {
        self.parents[index as usize]
    }

    /// The fingerprint of a state, and the places of the actions of which one leads to it from its
    /// parent: one of them, if that is known.
    pub(super) fn way_to(&self, index: u32) -> (u64, RangeInclusive<usize>) {
        let index = index as usize;
        let place = self.actions.as_ref().map_or(u8::MAX, |actions| actions[index]);
        let places = match place {
            u8::MAX => 0..=usize::MAX,
            place => place.into()..=place.into(),
        };
        (self.fingerprints[index], places)
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
            + self.parents.capacity() * size_of::<u32>()
            + self.actions.as_ref().map_or(0, Vec::capacity);
        (columns + self.places.allocation_size()) as u64
    }
}

fn push<T>(column: &mut Vec<T>, value: T) {
    if column.len() == column.capacity() {
        column.reserve_exact(column.len() / GROWTH + 1024);
    }
    column.push(value);
}

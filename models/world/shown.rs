//! What disks and messages show to those who judge, worked out once for each.

use super::ClusterModel;
use super::disk::Disk;
use super::plan::Puts;
use super::state::{Envelope, Host, State};
use super::table::Table;
use crate::seal::{Sealed, fingerprint};
use dynamo_protocol::ids::Key;
use dynamo_protocol::store::{Record, RecordKey};
use dynamo_protocol::versions::Object;
use smallvec::SmallVec;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// What a disk, or a message, shows.
pub(super) struct Shown {
    /// The copies, hints included.
    pub(super) copies: Vec<Copy>,
    /// The dots in them, and the put that each names.
    pub(super) dots: Vec<(Dot, usize)>,
}

/// A copy of a key.
pub(super) struct Copy {
    /// The key, by its place in the plan.
    pub(super) key: usize,
    /// The puts whose values or tombstones are held.
    pub(super) held: Puts,
    /// How many versions these are: more than puts, if one was coordinated twice.
    pub(super) siblings: usize,
    object: Sealed<Object>,
}

/// The number of a dot of a key.
pub(super) type Dot = usize;

/// What was worked out before.
#[derive(Default)]
pub(super) struct Views {
    hosts: Table<Sealed<Host>, Arc<Shown>>,
    envelopes: Table<Sealed<Envelope>, Arc<Shown>>,
    merged: Table<Vec<Sealed<Object>>, Puts>,
    /// The keys and texts of all dots, by number. There are few, and they are never forgotten.
    dots: Mutex<Vec<(usize, String)>>,
}

impl Views {
    /// The number of a dot of a key.
    fn number(&self, dot: (usize, String)) -> Dot {
        let mut dots = self.dots.lock().unwrap_or_else(PoisonError::into_inner);
        dots.iter().position(|known| *known == dot).unwrap_or_else(|| {
            dots.push(dot);
            dots.len() - 1
        })
    }

    /// Forgets everything.
    pub(super) fn clear(&self) {
        self.hosts.clear();
        self.envelopes.clear();
        self.merged.clear();
    }
}

impl ClusterModel {
    /// What each disk shows.
    pub(super) fn disks(&self, state: &State) -> impl Iterator<Item = Arc<Shown>> {
        state.nodes.iter().map(|host| self.disk(host))
    }

    fn disk(&self, host: &Sealed<Host>) -> Arc<Shown> {
        let show = || {
            let all = || objects(host.disk());
            let copies = all().filter_map(|(key, object)| self.copy(key, object)).collect();
            (host.clone(), Arc::new(Shown { copies, dots: self.dots(all()) }))
        };
        self.views.hosts.answer(host.short_hash(), |other| other == host, show)
    }

    /// The dots on disks and in flight, and the put that each names.
    pub(super) fn all_dots(&self, state: &State) -> impl Iterator<Item = (Dot, usize)> {
        let in_flight = state.network.iter().map(|envelope| self.in_flight(envelope));
        let shown = self.disks(state).chain(in_flight);
        shown.flat_map(|shown| (0..shown.dots.len()).map(move |place| shown.dots[place]))
    }

    fn in_flight(&self, envelope: &Sealed<Envelope>) -> Arc<Shown> {
        let show = || {
            let objects = envelope.message.objects();
            let dots = self.dots(objects.filter_map(|(key, object)| Some((key?, object))));
            (envelope.clone(), Arc::new(Shown { copies: Vec::new(), dots }))
        };
        self.views.envelopes.answer(envelope.short_hash(), |other| other == envelope, show)
    }

    /// The merge of what all disks but those in the set `removed` hold of a key, hints included.
    pub(super) fn merged(&self, state: &State, key: usize, removed: u32) -> Puts {
        let left = state.nodes.iter().enumerate();
        let left = left.filter(|(node, host)| removed >> node & 1 == 0 && !is_outside(host));
        let mut copies: SmallVec<[Sealed<Object>; 8]> = SmallVec::new();
        for (_, host) in left {
            let shown = self.disk(host);
            let of_key = shown.copies.iter().filter(|copy| copy.key == key);
            copies.extend(of_key.map(|copy| copy.object.clone()));
        }
        let same = |others: &Vec<Sealed<Object>>| **others == *copies;
        self.views.merged.answer(fingerprint(&copies), same, || {
            let merge = |merged: Object, object: &Sealed<Object>| merged.merge(object);
            let merged = copies
                .split_first()
                .map(|(first, others)| others.iter().fold((**first).clone(), merge));
            let held = merged.map_or(Puts::default(), |object| self.puts_in(&object));
            (copies.to_vec(), held)
        })
    }

    fn copy(&self, key: &Key, object: &Object) -> Option<Copy> {
        let key = self.plan().keys().iter().position(|k| k == key)?;
        let (held, siblings) = (self.puts_in(object), object.siblings().count());
        Some(Copy { key, held, siblings, object: Sealed::new(object.clone()) })
    }

    /// The puts whose values or tombstones an object holds.
    fn puts_in(&self, object: &Object) -> Puts {
        self.puts(object.siblings().map(|written| written.by))
    }

    /// The dots of objects. A dot's text leaves out the life of the disk: in a run of the model no
    /// epoch is given twice, so that it tells lives apart as well.
    fn dots<'a>(&self, objects: impl Iterator<Item = (&'a Key, &'a Object)>) -> Vec<(Dot, usize)> {
        let mut dots = Vec::new();
        for (key, object) in objects {
            let key = self.plan().keys().iter().position(|k| k == key).unwrap_or(0);
            for (dot, written) in object.versions() {
                let put = self.plan().put_of_request(written.by);
                dots.extend(put.map(|put| (self.views.number((key, dot)), put)));
            }
        }
        dots
    }
}

/// Whether a node has left: what it holds is out of reach.
pub(super) fn is_outside(host: &Host) -> bool {
    host.up().is_some_and(|node| !node.is_member())
}

/// The objects on a disk, hints included.
fn objects(disk: &Disk) -> impl Iterator<Item = (&Key, &Object)> {
    disk.records().filter_map(|(name, record)| match (name, record) {
        (RecordKey::Object(key) | RecordKey::Hint { key, .. }, Record::Object(object)) => {
            Some((key, object))
        }
        _ => None,
    })
}

impl fmt::Debug for Views {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Views")
    }
}

//! What disks and messages show to those who judge, worked out once for each.

use super::ClusterModel;
use super::disk::Disk;
use super::ghost::Ghost;
use super::plan::Puts;
use super::state::{Envelope, Host, State, Violated};
use super::table::{Table, shared};
use crate::seal::{Sealed, mixed};
use dynamo_protocol::ids::Key;
use dynamo_protocol::store::{Record, RecordKey};
use dynamo_protocol::versions::Object;
use smallvec::SmallVec;
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// What a disk shows.
#[derive(PartialEq, Eq, Hash)]
pub(super) struct Shown {
    /// The copies, hints included.
    pub(super) copies: Vec<Copy>,
    /// The dots in them, and the put that each names.
    pub(super) dots: Vec<(Dot, usize)>,
    /// Whether the node has left: what it holds is out of reach.
    pub(super) is_outside: bool,
}

/// A copy of a key.
#[derive(PartialEq, Eq, Hash)]
pub(super) struct Copy {
    /// The key, by its place in the plan.
    pub(super) key: usize,
    /// The puts whose values or tombstones are held.
    pub(super) held: Puts,
    /// How many versions these are: more than puts, if one was coordinated twice.
    pub(super) siblings: usize,
    object: Object,
}

/// What each disk shows, that of n0 first. Equal ones are one, so that few are compared in full.
pub(super) type Disks = SmallVec<[Sealed<Shown>; 4]>;

/// The number of a dot of a key.
pub(super) type Dot = usize;

/// What was worked out before.
#[derive(Default)]
pub(super) struct Views {
    hosts: Table<Sealed<Host>, Sealed<Shown>>,
    envelopes: Table<Sealed<Envelope>, Vec<(Dot, usize)>>,
    shown: Table<Sealed<Shown>, Sealed<Shown>>,
    held: Table<(Disks, u32), Puts>,
    stores: Table<(Disks, Ghost), Violated>,
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
        self.shown.clear();
        self.held.clear();
        self.stores.clear();
    }
}

impl ClusterModel {
    /// What each disk shows.
    pub(super) fn disks(&self, state: &State) -> Disks {
        state.nodes.iter().map(|host| self.disk(host)).collect()
    }

    fn disk(&self, host: &Sealed<Host>) -> Sealed<Shown> {
        self.views.hosts.answer(
            host.short_hash(),
            |other| other == host,
            || {
                let all = || objects(host.disk());
                let copies = all().filter_map(|(key, object)| self.copy(key, object)).collect();
                let shown = Shown { copies, dots: self.dots(all()), is_outside: is_outside(host) };
                (host.clone(), shared(&self.views.shown, Sealed::new(shown)))
            },
        )
    }

    /// What `read` makes of the dots in a message, and the put that each names.
    pub(super) fn in_flight<R>(
        &self,
        envelope: &Sealed<Envelope>,
        read: impl FnOnce(&[(Dot, usize)]) -> R,
    ) -> R {
        self.views.envelopes.read(
            envelope.short_hash(),
            |other| other == envelope,
            || {
                let objects = envelope.message.objects();
                let dots = self.dots(objects.filter_map(|(key, object)| Some((key?, object))));
                (envelope.clone(), dots)
            },
            |dots| read(dots),
        )
    }

    /// Judges the stores with `judge`, unless the same disks were judged before under what had then
    /// happened.
    pub(super) fn stores(
        &self,
        disks: &Disks,
        ghost: &Ghost,
        judge: impl FnOnce() -> Violated,
    ) -> Violated {
        self.views.stores.answer(
            mixed(hashes(disks).chain([ghost.called.0, ghost.acknowledged.0].map(u64::from))),
            |(others, then)| others == disks && then == ghost,
            || ((disks.clone(), ghost.clone()), judge()),
        )
    }

    /// What all disks but those in the set `removed` hold together, hints included: of each key the
    /// merge of all copies.
    pub(super) fn held_by(&self, disks: &Disks, removed: u32) -> Puts {
        self.views.held.answer(
            mixed(hashes(disks).chain([u64::from(removed)])),
            |(others, then)| others == disks && *then == removed,
            || {
                let left = disks.iter().enumerate().filter(|(node, _)| removed >> node & 1 == 0);
                let within = left.map(|(_, disk)| disk).filter(|disk| !disk.is_outside);
                let copies: Vec<&Copy> = within.flat_map(|disk| &disk.copies).collect();
                let keys = 0..self.plan().keys().len();
                let held = keys.fold(Puts::default(), |held, key| {
                    let mut objects =
                        copies.iter().filter(|copy| copy.key == key).map(|copy| &copy.object);
                    let first = objects.next().cloned();
                    let merged = first.map(|first| objects.fold(first, |all, it| all.merge(it)));
                    held.with(merged.map_or(Puts::default(), |object| self.puts_in(&object)))
                });
                ((disks.clone(), removed), held)
            },
        )
    }

    fn copy(&self, key: &Key, object: &Object) -> Option<Copy> {
        let key = self.plan().keys().iter().position(|k| k == key)?;
        let (held, siblings) = (self.puts_in(object), object.siblings().count());
        Some(Copy { key, held, siblings, object: object.clone() })
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

fn hashes(disks: &Disks) -> impl Iterator<Item = u64> {
    disks.iter().map(Sealed::short_hash)
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

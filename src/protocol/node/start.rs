//! The beginning of a life.

use super::{Node, Volatile};
use crate::config::DurabilityMode;
use crate::door::{Delay, Effects, Ignored, Start, Timer};
use crate::ids::{ClientId, Key};
#[cfg(feature = "museum")]
use crate::membership::Membership;
use crate::policy::{EmptyDisk, HintIndex};
#[cfg(feature = "museum")]
use crate::ring::Layout;
use crate::store::{Durability, Indexes, Record, RecordKey, Store, first_from};
use crate::versions::Incarnation;
#[cfg(feature = "museum")]
use alloc::sync::Arc;

impl<S: Store> Node<S> {
    /// Starts on an empty disk, or on this node's own with objects of its scheme. Any other disk is
    /// left alone and the node stays deaf: somebody has mixed up folders or configurations.
    pub(super) fn start(&mut self, start: Start, effects: &mut Effects) {
        let incarnation = match start {
            _ if self.state.incarnation.is_some() => None,
            Start::Restart { latest } => self.lives_on(latest, effects),
            Start::Bootstrap { incarnation } => self.begins(incarnation),
            Start::Amnesia { incarnation, latest } => {
                self.begins(incarnation).inspect(|_| self.begin_again(latest))
            }
        };
        if incarnation.is_none() {
            return effects.ignore(Ignored::BadStart);
        }
        self.state = Volatile { incarnation, ..Volatile::default() };
        self.set_timers(effects);
    }

    fn begins(&mut self, incarnation: Incarnation) -> Option<Incarnation> {
        if self.store.next(None).is_some() {
            return None;
        }
        self.identify(incarnation);
        Some(incarnation)
    }

    /// The disk is younger than the cluster.
    fn begin_again(&mut self, latest: ClientId) {
        match self.config.policy().empty_disk {
            EmptyDisk::Refill => {
                self.merged_nothing();
                self.forget_sessions(latest);
            }
            #[cfg(feature = "museum")]
            EmptyDisk::FoundCluster => self.found_cluster(),
            #[cfg(feature = "museum")]
            EmptyDisk::SameNode => {}
        }
    }

    /// A cluster of this node alone.
    #[cfg(feature = "museum")]
    fn found_cluster(&mut self) {
        let Some(founding) = self.config.founding() else { return };
        let others = founding.current().members().iter().filter(|member| member.id != self.id);
        let leave = |layout: Layout, id| layout.leave(id).unwrap_or(layout);
        let alone = others.map(|other| other.id).fold(founding.current().clone(), leave);
        let membership = Arc::new(Membership::founding(alone, &()));
        self.store.put(RecordKey::Membership, Record::Membership(membership), Durability::Durable);
        self.rings = super::known_rings(&self.config, &self.store);
    }

    fn identify(&mut self, incarnation: Incarnation) {
        let versioning = self.config.versioning();
        let (node, indexes, buffered) = (self.id, self.indexes(), self.buffers());
        let record = Record::Identity { node, incarnation, versioning, indexes, buffered };
        self.store.put(RecordKey::Identity, record, Durability::Durable);
    }

    fn lives_on(&mut self, latest: ClientId, effects: &mut Effects) -> Option<Incarnation> {
        let identity = self.store.get(&RecordKey::Identity);
        let Some(Record::Identity { node, incarnation, versioning, indexes, buffered }) = identity
        else {
            return None;
        };
        let founding = self.config.founding().map(|founding| founding.cluster());
        let is_of_other = self.membership().is_some_and(|known| Some(known.cluster()) != founding);
        if node != self.id || versioning != self.config.versioning() || is_of_other {
            return None;
        }
        if buffered {
            self.forget_counters();
            self.forget_sessions(latest);
        }
        // An index entry speaks of many objects: a durable write of one of them takes along what it
        // says of the others, and these may have been lost in the buffer.
        if buffered || indexes != self.indexes() {
            self.rebuild_indexes(effects);
        }
        if buffered != self.buffers() || indexes != self.indexes() {
            self.identify(incarnation);
        }
        Some(incarnation)
    }

    /// Whether clients' data is not all written durably.
    fn buffers(&self) -> bool {
        self.config.failures().durability != DurabilityMode::Durable
    }

    /// What its configuration wants beside the objects.
    fn indexes(&self) -> Indexes {
        let failures = self.config.failures();
        Indexes { trees: failures.anti_entropy, tombstones: failures.reap }
    }

    /// After a crash that may have lost buffered writes no counter can be continued: its dots may
    /// have gone out already. Every put takes a fresh epoch (bug A2).
    fn forget_counters(&mut self) {
        self.remove_all(&RecordKey::Counter(Key::default()), |name| {
            matches!(name, RecordKey::Counter(_))
        });
    }

    /// What was put in sessions that have begun before is lost with the disk or its buffer: more
    /// copies of the same messages may be on their way, and a put must not be coordinated twice
    /// (bug A9). So whatever these sessions still put is answered "maybe applied", not done.
    fn forget_sessions(&mut self, latest: ClientId) {
        let forgotten = self.sessions().1.max(Some(latest));
        self.remove_all(&RecordKey::Session(ClientId(0)), |name| {
            matches!(name, RecordKey::Session(_))
        });
        let none = Record::Sessions { count: 0, forgotten };
        self.store.put(RecordKey::Sessions, none, Durability::Durable);
    }

    /// Makes the indexes anew, or drops those that are not wanted any more (bug G2).
    pub(super) fn rebuild_indexes(&mut self, effects: &mut Effects) {
        self.remove_all(&RecordKey::Tombstone(Key::default()), |name| {
            matches!(name, RecordKey::Tombstone(_) | RecordKey::Tree { .. })
        });
        let mut at = first_from(&self.store, RecordKey::Object(Key::default()));
        while let Some((RecordKey::Object(key), Record::Object(object))) = at {
            self.index(&key, Some(&object), Durability::Durable, effects);
            at = self.store.next(Some(&RecordKey::Object(key)));
        }
    }

    /// Removes the records from `first` on whose names fit.
    fn remove_all(&mut self, first: &RecordKey, fits: impl Fn(&RecordKey) -> bool) {
        self.store.remove(first, Durability::Durable);
        while let Some((name, _)) = self.store.next(Some(first))
            && fits(&name)
        {
            self.store.remove(&name, Durability::Durable);
        }
    }

    /// Sets the timers of those whom this node compares copies with, or must fetch them from.
    pub(super) fn set_exchange_timers(&self, effects: &mut Effects) {
        for peer in self.rings.neighbours(self.id) {
            if self.exchanges_with(peer) {
                effects.set(Timer::Exchange(peer), Delay::Exchange);
            }
        }
    }

    /// Whatever was under way in the background goes on (bug D3).
    fn set_timers(&mut self, effects: &mut Effects) {
        self.begin_to_settle(effects);
        if self.config.failures().handoff && self.config.policy().hint_index == HintIndex::OnDisk {
            for home in self.homes() {
                effects.set(Timer::Handoff(home), Delay::Handoff);
            }
        }
        self.set_gossip_timers(effects);
        self.set_exchange_timers(effects);
        if self.tombstones_after(None).next().is_some() {
            effects.set(Timer::Reap, Delay::Reap);
        }
    }
}

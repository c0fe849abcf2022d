//! Where a node keeps its copy of a key: its own, or one hint for each primary that it stands in
//! for. And on which nodes a request acts (paper §4.5, §4.6).

use super::Node;
use crate::config::{DurabilityMode, Quorum};
use crate::door::{Delay, Effects, Ignored, Note, Timer};
use crate::ids::{Key, NodeId};
use crate::merkle::{self, Hash};
use crate::message::Request;
#[cfg(feature = "museum")]
use crate::policy::Deletion;
use crate::policy::{PutQuorum, RequestQuorum, StoreCopy, TreeHash, TreeUpdate};
use crate::quorum::{Tally, Target};
use crate::ring::PreferenceList;
use crate::store::{Durability, Record, RecordKey, Store};
use crate::versions::Object;
use alloc::collections::BTreeSet;
#[cfg(feature = "museum")]
use alloc::vec;
use alloc::vec::Vec;

/// Where a copy lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Among the objects of which this node is a primary.
    Own,
    /// Kept for this primary.
    Hint(NodeId),
}

impl<S: Store> Node<S> {
    /// Where a copy of `key` belongs that comes for `home`; `None` if not here.
    pub(super) fn place(&self, key: &Key, home: Option<NodeId>) -> Option<Place> {
        if self.owns(key) {
            return Some(Place::Own);
        }
        // Whoever leaves takes nothing more into keeping.
        home.filter(|&home| self.rings.owns(home, key) && !self.is_leaving()).map(Place::Hint)
    }

    /// All that this node holds of `key`: its own copy, or its hints together.
    pub(super) fn copy(&self, key: &Key) -> Option<Object> {
        if self.owns(key) {
            return self.load(&RecordKey::Object(key.clone()));
        }
        let homes = self.rings.lists(key).flat_map(PreferenceList::primaries);
        let hints =
            homes.filter_map(|&home| self.load(&RecordKey::Hint { home, key: key.clone() }));
        hints.reduce(|a, b| a.merge(&b))
    }

    pub(super) fn load(&self, name: &RecordKey) -> Option<Object> {
        match self.store.get(name) {
            Some(Record::Object(object)) => Some(object),
            _ => None,
        }
    }

    /// A store is always a merge, never an overwrite (bug D4). It is never less durable than usual,
    /// whatever a peer of another configuration may say.
    pub(super) fn merge(
        &mut self,
        place: Place,
        key: &Key,
        object: &Object,
        durability: Durability,
        effects: &mut Effects,
    ) {
        let durability = durability.min(self.usual_durability());
        match self.config.policy().store {
            StoreCopy::Merge => {}
            #[cfg(feature = "museum")]
            StoreCopy::Overwrite => {
                return self.save(place, key, object.clone(), durability, effects);
            }
            #[cfg(feature = "museum")]
            StoreCopy::FirstOfTie => {
                if self.load(&place.name(key)).is_some_and(|copy| copy.ties_with(object)) {
                    return;
                }
            }
            #[cfg(feature = "museum")]
            StoreCopy::Restamped => {
                let mine = object.stamped_by(self.id);
                let merged =
                    self.load(&place.name(key)).map_or(mine.clone(), |copy| copy.merge(&mine));
                return self.save(place, key, merged, durability, effects);
            }
        }
        let merged = match self.load(&place.name(key)) {
            Some(copy) if copy.includes(object) => {
                // What is included may still be in the buffer.
                if durability == self.usual_durability() {
                    return;
                }
                copy
            }
            Some(copy) => copy.merge(object),
            None => object.clone(),
        };
        self.save(place, key, merged, durability, effects);
    }

    /// Merges what a peer has sent, unless it is of another scheme; whether it did.
    pub(super) fn merge_sent(
        &mut self,
        place: Place,
        key: &Key,
        object: &Object,
        durability: Durability,
        effects: &mut Effects,
    ) -> bool {
        let admits = self.config.versioning().admits(object);
        if admits {
            self.merge(place, key, object, durability, effects);
        } else {
            effects.ignore(Ignored::ForeignObject);
        }
        admits
    }

    /// Writes a copy and all that hangs on it, in one step.
    pub(super) fn save(
        &mut self,
        place: Place,
        key: &Key,
        object: Object,
        durability: Durability,
        effects: &mut Effects,
    ) {
        match self.config.policy().deletion {
            #[cfg(feature = "museum")]
            Deletion::Removal if object.is_deleted() => {
                self.index(key, None, durability, effects);
                return self.store.remove(&place.name(key), durability);
            }
            _ => {}
        }
        match place {
            Place::Own => self.index(key, Some(&object), durability, effects),
            Place::Hint(home) => self.keep_hint(home, effects),
        }
        self.store.put(place.name(key), Record::Object(object), durability);
    }

    /// Brings the Merkle tree and the list of tombstones up to date with the key's new object.
    pub(super) fn index(
        &mut self,
        key: &Key,
        object: Option<&Object>,
        durability: Durability,
        effects: &mut Effects,
    ) {
        if self.config.failures().anti_entropy {
            let range = self.rings.current().range_of(key);
            let hash = object.map(|object| self.tree_hash(key, object));
            let durability = match self.config.policy().tree_update {
                TreeUpdate::WithData => durability,
                #[cfg(feature = "museum")]
                TreeUpdate::Later => Durability::Buffered,
            };
            merkle::update(&mut self.store, range, key, hash, durability);
        }
        if self.config.failures().reap {
            self.index_tombstone(key, object, durability, effects);
        }
    }

    /// What the Merkle tree says of a copy.
    fn tree_hash(&self, key: &Key, object: &Object) -> Hash {
        match self.config.policy().tree_hash {
            TreeHash::Canonical => Hash::of_object(key, object),
            #[cfg(feature = "museum")]
            TreeHash::ByArrival => {
                let before = self.load(&RecordKey::Object(key.clone()));
                Hash::of_arrival(key, before.as_ref(), object)
            }
            #[cfg(feature = "museum")]
            TreeHash::ClocksOnly => Hash::of_clocks(key, object),
        }
    }

    /// How writes of clients' data are made unless a message says otherwise.
    pub(super) fn usual_durability(&self) -> Durability {
        match self.config.failures().durability {
            DurabilityMode::Durable => Durability::Durable,
            DurabilityMode::Buffered | DurabilityMode::OneDurable => Durability::Buffered,
        }
    }

    /// Whose answers count for this request.
    pub(super) fn quorum(&self, request: &Request) -> Quorum {
        let asked = match self.config.policy().request_quorum {
            RequestQuorum::Honoured => request.quorum,
            #[cfg(feature = "museum")]
            RequestQuorum::Ignored => None,
        };
        asked.unwrap_or(self.config.failures().quorum)
    }

    /// The nodes that a get acts on.
    pub(super) fn read_targets(&self, key: &Key, quorum: Quorum) -> Vec<Target> {
        self.targets(self.rings.read().preference_list(key), quorum)
    }

    /// The nodes that a put acts on: those of each live layout.
    pub(super) fn write_targets(&self, key: &Key, quorum: Quorum) -> Vec<Target> {
        let mut targets: Vec<Target> = Vec::new();
        for target in self.rings.lists(key).flat_map(|list| self.targets(list, quorum)) {
            match targets.iter_mut().find(|other| other.node == target.node) {
                None => targets.push(target),
                // A primary of one layout is no fallback of the other.
                Some(other) => other.home = other.home.and(target.home),
            }
        }
        targets
    }

    /// The sets of owners that each must give a quorum: the top N of each live layout.
    pub(super) fn quorums(&self, key: &Key) -> Vec<BTreeSet<NodeId>> {
        let quorums = self.rings.lists(key).map(|list| list.primaries().iter().copied().collect());
        let quorums: Vec<BTreeSet<NodeId>> = quorums.collect();
        match self.config.policy().put_quorum {
            PutQuorum::EachLayout => quorums,
            #[cfg(feature = "museum")]
            PutQuorum::PresentLayout => vec![quorums[0].clone()],
            #[cfg(feature = "museum")]
            PutQuorum::UnlessSuspected => match quorums.last() {
                Some(next) if !next.is_disjoint(&self.state.suspects) => vec![quorums[0].clone()],
                _ => quorums,
            },
            #[cfg(feature = "museum")]
            PutQuorum::AnyLayout => vec![quorums.into_iter().flatten().collect()],
        }
    }

    /// The same, but nothing if there is only one layout: then whoever is asked counts.
    pub(super) fn several_quorums(&self, key: &Key) -> Vec<BTreeSet<NodeId>> {
        if self.rings.live().count() > 1 { self.quorums(key) } else { Vec::new() }
    }

    /// The nodes that a request acts on: the top N, or the first N healthy nodes of the walk, the
    /// k-th fallback in place of the k-th primary that does not seem to be (paper §4.6). Where
    /// there are too few healthy ones, suspects are asked after all.
    fn targets(&self, list: PreferenceList<'_>, quorum: Quorum) -> Vec<Target> {
        let primary = |&node: &NodeId| Target { node, home: None };
        if quorum == Quorum::Strict {
            return list.primaries().iter().map(primary).collect();
        }
        let is_up = |node| !self.state.suspects.contains(&node);
        let n = usize::from(self.config.n());
        let up = list.primaries().iter().filter(|&&node| is_up(node)).map(primary);
        let mut stand_ins = list.stand_ins(is_up);
        // Whoever leaves stands in for nobody.
        stand_ins.retain(|(node, _)| self.rings.target().contains(*node));
        // Those that nobody stands in for: a primary and its fallback count as one replica.
        let has_none =
            |&&node: &&NodeId| !is_up(node) && stand_ins.iter().all(|(_, home)| *home != node);
        let down: Vec<Target> = list.primaries().iter().filter(has_none).map(primary).collect();
        let stand_ins = stand_ins.into_iter();
        let stand_ins = stand_ins.map(|(node, home)| Target { node, home: Some(home) });
        up.chain(stand_ins).chain(down).take(n).collect()
    }

    /// When those asked are silent: suspects them, and asks the next healthy fallbacks in place of
    /// the primaries that are still missing, if the quorum is sloppy.
    pub(super) fn turn_to_others(
        &mut self,
        tally: &mut Tally,
        key: Option<&Key>,
        effects: &mut Effects,
    ) -> Vec<Target> {
        let silent: Vec<NodeId> = tally.silent().collect();
        self.suspect(silent.iter().copied(), effects);
        let Some(key) = key else { return Vec::new() };
        // Each missing replica is asked for once, however many nodes were silent in its place.
        let home_of = |node| tally.home(node).unwrap_or(node);
        let missing = |home: &&NodeId| silent.iter().any(|&node| home_of(node) == **home);
        let replaced = |home: &&NodeId| tally.accepted().any(|node| home_of(node) == **home);
        let mut primaries: Vec<NodeId> = Vec::new();
        for node in self.rings.lists(key).flat_map(PreferenceList::primaries) {
            if !primaries.contains(node) {
                primaries.push(*node);
            }
        }
        let homes = primaries.iter().filter(missing).filter(|home| !replaced(home));
        let free = |node: &NodeId| {
            !tally.was_asked(*node)
                && !self.state.suspects.contains(node)
                && !primaries.contains(node)
        };
        let fallbacks = self.rings.target().preference_list(key).all();
        // Nobody is looked for if no home is missing.
        let others = homes.zip(fallbacks.filter(free));
        let others: Vec<Target> =
            others.map(|(&home, node)| Target { node, home: Some(home) }).collect();
        others.iter().for_each(|&target| tally.ask(target));
        others
    }

    /// Remembers that `nodes` did not answer in time (paper §4.8.3).
    pub(super) fn suspect(
        &mut self,
        nodes: impl IntoIterator<Item = NodeId>,
        effects: &mut Effects,
    ) {
        for node in nodes {
            if node == self.id || self.state.suspects.contains(&node) {
                continue;
            }
            effects.note(Note::Suspects(node));
            if self.rings.have_fallbacks() {
                self.state.suspects.insert(node);
                effects.set(Timer::Retry(node), Delay::Retry);
            }
        }
    }

    /// A suspect is taken for healthy again, until it fails to answer once more.
    pub(super) fn retry_timer(&mut self, node: NodeId, effects: &mut Effects) {
        if !self.clear_suspicion(node, effects) {
            effects.ignore(Ignored::Stale);
        }
    }

    /// Any message from a suspect clears it.
    pub(super) fn trust(&mut self, node: NodeId, effects: &mut Effects) {
        if self.clear_suspicion(node, effects) {
            effects.cancel(Timer::Retry(node));
        }
    }

    fn clear_suspicion(&mut self, node: NodeId, effects: &mut Effects) -> bool {
        let was_suspect = self.state.suspects.remove(&node);
        if was_suspect {
            effects.note(Note::Trusts(node));
        }
        was_suspect
    }
}

impl Place {
    /// The name of the record.
    pub(super) fn name(self, key: &Key) -> RecordKey {
        match self {
            Place::Own => RecordKey::Object(key.clone()),
            Place::Hint(home) => RecordKey::Hint { home, key: key.clone() },
        }
    }
}

//! The removal of tombstones (design decision "deletes").
//!
//! A deleted value comes back if anything older than its tombstone is left when the tombstone goes:
//! on a disk that was down, in a hint, in a message, in the hands of a get (bugs B1 to B12). So a
//! tombstone goes only when *every node of the cluster* has said three times that it knows nothing
//! else: owners hold exactly this object, nobody keeps a hint of the key or reads it. Between the
//! answers and the next question lies a delay that no message outlives, and a node says yes again
//! only if nothing else of the key has moved through it since. What it had sent before its first yes
//! has arrived by the second question. But a first question that is repeated lets it forget what has
//! moved in between; none is under way any more when the second is asked, so that nothing is
//! forgotten between the second yes and the third. When the third answers are in, nothing older
//! exists anywhere, and nothing older can be made. A node that is down keeps the
//! tombstones of the whole cluster. The next put takes a fresh epoch, because the counter goes with
//! the copy, so that not even a copy of the tombstone that comes late can cover it (bug B1).

use super::place::Place;
use super::{Node, Pending};
use crate::door::{Delay, Effects, Ignored, Note, Timer};
use crate::ids::{Key, NodeId};
use crate::limits;
use crate::membership::Phase;
use crate::merkle::Hash;
use crate::message::{Message, Round};
#[cfg(feature = "museum")]
use crate::policy::FailedReap;
use crate::policy::ReapRule;
use crate::store::{Durability, Record, RecordKey, Store, records_from};
use crate::versions::Object;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use serde::Serialize;

/// Tombstones that are about to be removed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub(super) struct Reaping {
    round: Round,
    /// Each with the hash of its object, and the nodes that have said yes.
    tombstones: BTreeMap<Key, (Hash, BTreeSet<NodeId>)>,
}

type Tombstones = Vec<(Key, Hash)>;

impl<S: Store> Node<S> {
    /// The first primary of a key keeps in mind that its object is nothing but tombstones.
    pub(super) fn index_tombstone(
        &mut self,
        key: &Key,
        object: Option<&Object>,
        durability: Durability,
        effects: &mut Effects,
    ) {
        let name = RecordKey::Tombstone(key.clone());
        let is_mine = self.reaper(key) == Some(self.id);
        if is_mine && object.is_some_and(Object::is_deleted) {
            if self.tombstones_after(None).next().is_none() {
                effects.set(Timer::Reap, Delay::Reap);
            }
            self.store.put(name, Record::Tombstone, durability);
        } else if self.store.get(&name).is_some() {
            self.store.remove(&name, durability);
        }
    }

    /// The keys that this node is to reap, after one of them.
    pub(super) fn tombstones_after<'a>(
        &'a self,
        after: Option<&'a Key>,
    ) -> impl Iterator<Item = Key> + 'a {
        let first = RecordKey::Tombstone(after.cloned().unwrap_or_default());
        let keys = records_from(&self.store, first).map_while(|(name, _)| match name {
            RecordKey::Tombstone(key) => Some(key),
            _ => None,
        });
        keys.filter(move |key| Some(key) != after)
    }

    /// It is time for the next step.
    pub(super) fn reap_timer(&mut self, effects: &mut Effects) {
        if self.view().phase != Phase::Settled {
            // Who is to be asked is not settled (bug B12).
            return effects.set(Timer::Reap, Delay::Reap);
        }
        let answered = self.state.reaping.take().map(|reaping| {
            let agreed = |(key, (_, yes)): &(Key, (Hash, BTreeSet<NodeId>))| {
                self.voters(key).iter().all(|node| yes.contains(node))
            };
            let all = reaping.tombstones.into_iter().filter(agreed);
            (reaping.round, all.map(|(key, (hash, _))| (key, hash)).collect::<Tombstones>())
        });
        match answered {
            #[cfg(feature = "museum")]
            Some((_, all))
                if all.is_empty() && self.config.policy().failed_reap == FailedReap::GivenUp =>
            {
                return;
            }
            Some((Round::First, all)) if !all.is_empty() => {
                self.ask_to_reap(Round::Second, all, effects);
            }
            Some((Round::Second, all)) if !all.is_empty() => {
                self.ask_to_reap(Round::Third, all, effects);
            }
            Some((Round::Third, all)) if !all.is_empty() => {
                self.tell_voters(&all, |tombstones| Message::Reap { tombstones }, effects);
                self.reap(self.id, &all, effects);
            }
            _ => {
                let batch = self.next_tombstones();
                self.ask_to_reap(Round::First, batch, effects);
            }
        }
        if self.tombstones_after(None).next().is_some() {
            effects.set(Timer::Reap, Delay::Reap);
        } else {
            self.state.reaped_up_to = None;
        }
    }

    /// The tombstones whose turn it is.
    fn next_tombstones(&mut self) -> Tombstones {
        let after = self.state.reaped_up_to.take();
        let keys: Vec<Key> =
            self.tombstones_after(after.as_ref()).take(limits::REAP_BATCH).collect();
        if keys.len() == limits::REAP_BATCH {
            self.state.reaped_up_to = keys.last().cloned();
        }
        let with_hash = |key: Key| {
            let copy = self.copy(&key).filter(Object::is_deleted)?;
            let hash = Hash::of_object(&key, &copy);
            Some((key, hash))
        };
        keys.into_iter().filter_map(with_hash).collect()
    }

    fn ask_to_reap(&mut self, round: Round, tombstones: Tombstones, effects: &mut Effects) {
        if tombstones.is_empty() {
            return;
        }
        let candidates = tombstones.iter().cloned();
        let unanswered = candidates.map(|(key, hash)| (key, (hash, BTreeSet::new()))).collect();
        self.state.reaping = Some(Reaping { round, tombstones: unanswered });
        let ask = |tombstones| Message::ReapAsk { round, tombstones };
        self.tell_voters(&tombstones, ask, effects);
        let mine = self.knows_nothing_else(self.id, round, tombstones, effects);
        self.reap_answered(self.id, round, &mine, effects);
    }

    fn tell_voters(
        &self,
        tombstones: &Tombstones,
        message: impl Fn(Tombstones) -> Message,
        effects: &mut Effects,
    ) {
        for &node in self.rings.current().nodes().iter().filter(|&&node| node != self.id) {
            let votes = |(key, _): &&(Key, Hash)| self.voters(key).contains(&node);
            let theirs: Tombstones = tombstones.iter().filter(votes).cloned().collect();
            if !theirs.is_empty() {
                effects.send(node, message(theirs));
            }
        }
    }

    /// Those who must have said yes before the tombstone of `key` goes.
    fn voters(
        &self,
        #[cfg_attr(not(feature = "museum"), expect(unused_variables))] key: &Key,
    ) -> &[NodeId] {
        match self.config.policy().reap_rule {
            ReapRule::EveryNode => self.rings.current().nodes(),
            #[cfg(feature = "museum")]
            ReapRule::Primaries => self.rings.current().preference_list(key).primaries(),
            #[cfg(feature = "museum")]
            ReapRule::Alone => core::slice::from_ref(&self.id),
        }
    }

    pub(super) fn asked_to_reap(
        &mut self,
        from: NodeId,
        round: Round,
        tombstones: Tombstones,
        effects: &mut Effects,
    ) {
        if !self.config.failures().reap || tombstones.len() > limits::REAP_BATCH {
            return effects.ignore(Ignored::Stale);
        }
        let tombstones = self.knows_nothing_else(from, round, tombstones, effects);
        if !tombstones.is_empty() {
            effects.send(from, Message::ReapYes { round, tombstones });
        }
    }

    /// Those of which this node knows nothing else, and did not between the rounds.
    fn knows_nothing_else(
        &mut self,
        reaper: NodeId,
        round: Round,
        mut tombstones: Tombstones,
        effects: &mut Effects,
    ) -> Tombstones {
        let mut watched = core::mem::take(&mut self.state.watched);
        if round == Round::First {
            // It asks about one batch at a time: what it has asked about before is given up.
            watched.retain(|key, _| self.reaper(key) != Some(reaper));
        }
        let read = self.keys_read();
        tombstones.retain(|(key, hash)| {
            let may = self.reaper(key) == Some(reaper)
                && match round {
                    Round::First => watched.len() < limits::MAX_WATCHED,
                    Round::Second | Round::Third => watched.get(key) == Some(hash),
                };
            let says_yes = may && !read.contains(key) && self.holds_only(key, *hash);
            if says_yes {
                watched.insert(key.clone(), *hash);
            }
            says_yes
        });
        self.state.watched = watched;
        tombstones.iter().for_each(|(key, _)| self.make_durable(key, effects));
        tombstones
    }

    /// Who reaps the key: its first primary.
    fn reaper(&self, key: &Key) -> Option<NodeId> {
        self.rings.current().preference_list(key).primaries().first().copied()
    }

    /// The keys of the gets that are under way here.
    fn keys_read(&self) -> BTreeSet<Key> {
        let key = |pending: &Pending| match pending {
            Pending::Get(get) => Some(get.key().clone()),
            Pending::Put(_) | Pending::Forward(_) => None,
        };
        self.state.pending.values().filter_map(key).collect()
    }

    fn holds_only(&self, key: &Key, hash: Hash) -> bool {
        // A hint may also be kept for a home that owns the key no longer, or by an owner.
        let name = |home| RecordKey::Hint { home, key: key.clone() };
        if self.homes().any(|home| self.store.get(&name(home)).is_some()) {
            return false;
        }
        let is_it = |copy: Object| copy.is_deleted() && Hash::of_object(key, &copy) == hash;
        match self.owns(key) {
            true => self.copy(key).is_some_and(is_it),
            // No copy of a former owner.
            false => self.load(&RecordKey::Object(key.clone())).is_none(),
        }
    }

    /// A yes is a promise: a crash must not bring back what was here before the tombstone.
    fn make_durable(&mut self, key: &Key, effects: &mut Effects) {
        if self.usual_durability() == Durability::Durable {
            return;
        }
        match self.copy(key) {
            Some(copy) => self.save(Place::Own, key, copy, Durability::Durable, effects),
            None => {
                for home in self.rings.current().preference_list(key).primaries().to_vec() {
                    self.store.remove(&Place::Hint(home).name(key), Durability::Durable);
                }
            }
        }
    }

    /// An object of `key` has come in: if it is not the tombstone itself, this node cannot say yes.
    pub(super) fn has_moved(&mut self, key: &Key, object: &Object) {
        if let Some(watched) = self.state.watched.get(key)
            && Hash::of_object(key, object) != *watched
        {
            self.state.watched.remove(key);
        }
    }

    /// A node knows nothing else of these. The delay starts anew, be it that the node has said so
    /// before: whatever it had sent must die out.
    pub(super) fn reap_answered(
        &mut self,
        from: NodeId,
        round: Round,
        tombstones: &[(Key, Hash)],
        effects: &mut Effects,
    ) {
        let mut is_answer = false;
        match &mut self.state.reaping {
            Some(reaping) if reaping.round == round => {
                for (key, hash) in tombstones {
                    if let Some((asked, yes)) = reaping.tombstones.get_mut(key)
                        && asked == hash
                    {
                        yes.insert(from);
                        is_answer = true;
                    }
                }
                if is_answer {
                    effects.set(Timer::Reap, Delay::Reap);
                }
            }
            _ => effects.ignore(Ignored::Stale),
        }
    }

    /// Removes tombstones, unless something has come since.
    pub(super) fn reap(
        &mut self,
        reaper: NodeId,
        tombstones: &[(Key, Hash)],
        effects: &mut Effects,
    ) {
        if !self.config.failures().reap {
            return effects.ignore(Ignored::Stale);
        }
        let read = self.keys_read();
        for (key, hash) in tombstones {
            if self.reaper(key) != Some(reaper) {
                continue;
            }
            self.state.watched.remove(key);
            if self.owns(key) && !read.contains(key) && self.holds_only(key, *hash) {
                let durability = Durability::Durable;
                self.index(key, None, durability, effects);
                self.store.remove(&RecordKey::Object(key.clone()), durability);
                self.store.remove(&RecordKey::Counter(key.clone()), durability);
                effects.note(Note::Reaped);
            }
        }
    }
}

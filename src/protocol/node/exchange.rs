//! Anti-entropy (paper §4.7): two owners compare the roots of their Merkle trees over the ranges
//! that they share, descend where these differ, and swap the objects that they find. Neither
//! remembers anything in between: every message says what it is about, and what is lost or left
//! out at a limit is found again by the next exchange.

use super::Node;
use super::place::Place;
use crate::door::{Delay, Effects, Ignored, Note, Timer};
use crate::ids::{Key, NodeId};
use crate::limits;
use crate::merkle::{self, Hash, Path, TreeNode};
use crate::message::Message;
#[cfg(feature = "museum")]
use crate::policy::Exchange;
use crate::ring::RangeId;
#[cfg(feature = "museum")]
use crate::store::Durability;
use crate::store::Store;
use crate::versions::Object;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::RangeInclusive;

impl<S: Store> Node<S> {
    /// Whether this node compares copies with `peer`, as the one of the two that begins, or must
    /// fetch the other's.
    pub(super) fn exchanges_with(&self, peer: NodeId) -> bool {
        let begins = self.config.failures().anti_entropy && self.id < peer;
        self.rings.contains(peer) && (begins || self.must_pull_from(peer))
    }

    /// It is time to compare copies with `peer`.
    pub(super) fn exchange_timer(&mut self, peer: NodeId, effects: &mut Effects) {
        if !self.exchanges_with(peer) {
            return effects.ignore(Ignored::Stale);
        }
        if self.must_pull_from(peer) {
            self.pull(peer, effects);
        } else {
            self.send_roots(peer, effects);
        }
        effects.set(Timer::Exchange(peer), Delay::Exchange);
    }

    /// Sends the roots of all ranges shared with `peer`, a limited number a message.
    fn send_roots(&self, peer: NodeId, effects: &mut Effects) {
        let all = RangeId(0)..=RangeId(u32::MAX);
        let roots: Vec<(RangeId, Hash)> = self.shared_roots(peer, all).collect();
        let mut from = RangeId(0);
        let mut chunks = roots.chunks(limits::MAX_ROOTS).peekable();
        loop {
            let chunk = chunks.next().unwrap_or_default();
            let last = chunk.last().map_or(from, |(range, _)| *range);
            let to = if chunks.peek().is_some() { last } else { RangeId(u32::MAX) };
            effects.send(peer, Message::Roots { from, to, roots: chunk.to_vec() });
            match chunks.peek() {
                Some(_) => from = RangeId(last.0 + 1),
                None => break,
            }
        }
    }

    /// The roots of the trees over these ranges that this node shares with `peer`; empty trees have
    /// none.
    fn shared_roots(
        &self,
        peer: NodeId,
        ranges: RangeInclusive<RangeId>,
    ) -> impl Iterator<Item = (RangeId, Hash)> + '_ {
        let rings = self.rings.with_ranges_of_current();
        let mut mine: Vec<RangeId> =
            rings.flat_map(|ring| ring.ranges_of(self.id)).copied().collect();
        mine.sort_unstable();
        mine.dedup();
        let asked = mine.into_iter().filter(move |range| ranges.contains(range));
        let shared = asked.filter(move |&range| self.keeps(peer, range));
        let roots = shared.map(|range| (range, merkle::root(&self.store, range)));
        roots.filter(|(_, root)| *root != Hash::EMPTY)
    }

    fn shares(&self, range: RangeId, peer: NodeId) -> bool {
        self.keeps(self.id, range) && self.keeps(peer, range)
    }

    /// Whether `node` is one of those that store the keys of a range.
    fn keeps(&self, node: NodeId, range: RangeId) -> bool {
        let rings = self.rings.with_ranges_of_current();
        let mut lists = rings.filter_map(|ring| ring.preference_list_of(range));
        lists.any(|list| list.contains_primary(node))
    }

    /// Where the roots differ, sends what this node has at the top.
    pub(super) fn compare_roots(
        &mut self,
        from: NodeId,
        ranges: RangeInclusive<RangeId>,
        roots: &[(RangeId, Hash)],
        effects: &mut Effects,
    ) {
        if !self.config.failures().anti_entropy || roots.len() > limits::MAX_ROOTS {
            return effects.ignore(Ignored::Stale);
        }
        let spoken_of = |(range, _): &(RangeId, Hash)| ranges.contains(range);
        let mine: BTreeMap<_, _> = self.shared_roots(from, ranges.clone()).collect();
        let shared = |(range, _): &(RangeId, Hash)| self.shares(*range, from);
        let theirs: BTreeMap<_, _> =
            roots.iter().copied().filter(spoken_of).filter(shared).collect();
        let both: BTreeMap<RangeId, Hash> =
            mine.iter().chain(&theirs).map(|(r, h)| (*r, *h)).collect();
        let differ = both.into_keys().filter(|range| mine.get(range) != theirs.get(range));
        for range in differ.take(limits::MAX_COMPARED_RANGES) {
            self.send_subtree(from, range, Path::ROOT, effects);
        }
    }

    fn send_subtree(&self, to: NodeId, range: RangeId, path: Path, effects: &mut Effects) {
        let node = merkle::node(&self.store, range, &path);
        effects.send(to, Message::Subtree { range, path, node });
    }

    /// Goes on where the subtrees differ: deeper, or by swapping objects.
    pub(super) fn compare_subtree(
        &mut self,
        from: NodeId,
        range: RangeId,
        path: &Path,
        theirs: &TreeNode,
        effects: &mut Effects,
    ) {
        if !self.config.failures().anti_entropy || !self.shares(range, from) {
            return effects.ignore(Ignored::Stale);
        }
        let found = merkle::compare(&self.store, range, path, theirs);
        for path in found.descend {
            self.send_subtree(from, range, path, effects);
        }
        let mut bytes = 0;
        for key in found.mine {
            let object = self.copy(&key);
            bytes += object.as_ref().map_or(0, Object::value_bytes);
            effects.send(from, Message::Swap { key, object });
            if bytes > limits::MAX_BATCH_BYTES {
                return;
            }
        }
        for key in found.theirs {
            effects.send(from, Message::Swap { key, object: None });
        }
    }

    /// Merges the other's object and sends back what is beyond it.
    pub(super) fn swap(
        &mut self,
        from: NodeId,
        key: Key,
        object: Option<Object>,
        effects: &mut Effects,
    ) {
        if !self.owns(&key) || !self.rings.owns(from, &key) {
            return effects.ignore(Ignored::NotAReplica);
        }
        match (self.config.policy().exchange, &object) {
            #[cfg(feature = "museum")]
            (Exchange::Copies, Some(object)) => {
                self.save(Place::Own, &key, object.clone(), Durability::Durable, effects);
            }
            _ => {}
        }
        if let Some(object) = &object
            && !self.merge_sent(Place::Own, &key, object, self.usual_durability(), effects)
        {
            return;
        }
        let mine = self.copy(&key);
        if let Some(mine) = mine.filter(|mine| object.as_ref() != Some(mine)) {
            effects.note(Note::Exchanged(from));
            effects.send(from, Message::Repair { key, object: mine });
        }
        if object.is_some() {
            effects.note(Note::Exchanged(self.id));
        }
    }
}

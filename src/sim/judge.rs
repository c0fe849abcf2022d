//! What is right and what is wrong, as the run goes on: clients' answers and nodes' disks against
//! the true history. Every change of a disk is looked at, not only what is left in the end.

use super::disk::Change;
use super::queue::Time;
use super::setup::Property;
use crate::analysis::history::{Begun, History, Write};
use dynamo_protocol::ids::{ClientId, Key, RequestId};
use dynamo_protocol::versions::{Dot, Object};
use std::collections::{BTreeMap, HashMap};

/// What is known, and what was wrong so far.
#[derive(Debug)]
pub(super) struct Judge {
    pub(super) history: History,
    /// By session and sequence, both from 1: which write it is, if it is one.
    writes: Vec<Vec<Option<Write>>>,
    /// Only looked up, never walked through: its order is an accident.
    dots: HashMap<(u32, Dot), RequestId>,
    /// Whether a put replaces all that was acknowledged before it: last-writer-wins.
    is_register: bool,
    pub(super) wrongs: BTreeMap<Property, Wrong>,
}

/// How often something was wrong, and what it was first.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Wrong {
    pub(super) times: u64,
    pub(super) at: Time,
    pub(super) what: String,
}

/// What a get is judged by, beside the history.
pub(super) struct Answered<'a> {
    pub(super) key: u32,
    pub(super) begun: &'a Begun,
    pub(super) returned: &'a [Write],
    /// What the session has read of the key before.
    pub(super) read: &'a [Write],
    /// The session's own acknowledged writes of the key.
    pub(super) own: &'a [Write],
}

impl Judge {
    pub(super) fn new(keys: u32, is_register: bool) -> Judge {
        Judge {
            history: History::new(keys as usize),
            writes: Vec::new(),
            dots: HashMap::new(),
            is_register,
            wrongs: BTreeMap::new(),
        }
    }

    /// A write is called by a client that had read `read`.
    pub(super) fn call(&mut self, id: RequestId, key: u32, read: &[Write]) -> Write {
        let mut read = read.to_vec();
        if self.is_register {
            read.extend(self.history.frontier(key));
        }
        let write = self.history.call(key, &read);
        let (session, place) = (id.client.0 as usize, id.sequence as usize - 1);
        if self.writes.len() <= session {
            self.writes.resize_with(session + 1, Vec::new);
        }
        let sequence = &mut self.writes[session];
        sequence.resize(sequence.len().max(place + 1), None);
        sequence[place] = Some(write);
        write
    }

    /// A write is acknowledged.
    pub(super) fn acknowledge(&mut self, key: u32, write: Write, now: Time) {
        self.history.acknowledge(write);
        self.look_for_losses(key, now);
    }

    /// The writes that these requests name.
    pub(super) fn writes(&self, by: impl IntoIterator<Item = RequestId>) -> Vec<Write> {
        by.into_iter().filter_map(|id| self.write(id)).collect()
    }

    /// What `all` has that `known` has not, each once.
    fn writes_beyond(&self, known: &[RequestId], all: &[RequestId]) -> Vec<Write> {
        let mut writes = self.writes(all.iter().filter(|id| !known.contains(id)).copied());
        writes.sort_unstable();
        writes.dedup();
        writes
    }

    fn write(&self, RequestId { client: ClientId(session), sequence }: RequestId) -> Option<Write> {
        let session = self.writes.get(session as usize)?;
        *session.get(sequence.checked_sub(1)? as usize)?
    }

    /// A disk has changed. Tombstones that it has removed were removed by rule if it `reaps`. The
    /// key, if it matters what all its copies come to.
    pub(super) fn changed(&mut self, change: &Change, reaps: bool, now: Time) -> Option<u32> {
        let key = number_of(&change.key)?;
        if let Some(object) = change.removed.as_ref().filter(|_| reaps) {
            let tombstones = object.siblings().filter(|written| written.value.is_none());
            for write in self.writes(tombstones.map(|written| written.by)) {
                self.history.reap(write);
            }
        }
        self.look_at_dots(key, change, now);
        let new = self.writes_beyond(&change.before, &change.after);
        new.iter().for_each(|write| self.history.hold(*write));
        let gone = self.writes_beyond(&change.after, &change.before);
        gone.iter().for_each(|write| self.history.release(*write));
        if change.after.len() > 1 {
            self.look_at_siblings(change, now);
        }
        if !gone.is_empty() {
            self.look_for_losses(key, now);
        }
        self.history.holds_replaced(key).then_some(key)
    }

    /// What all copies of a key come to when they are merged.
    pub(super) fn merged(&mut self, key: u32, object: &Object, now: Time) {
        let all = self.writes(object.siblings().map(|written| written.by));
        let back = self.history.merged(key, &all).len();
        if back > 0 {
            let what = format!("{back} overwritten writes of {} are back", name_of(key));
            self.wrong(Property::NoResurrection, now, what);
        }
    }

    fn look_at_dots(&mut self, key: u32, change: &Change, now: Time) {
        for (dot, by) in &change.dots {
            let first = *self.dots.entry((key, *dot)).or_insert(*by);
            if first != *by {
                let what = format!("{dot} of {} names {first} and {by}", change.key);
                self.wrong(Property::UniqueDots, now, what);
            }
        }
    }

    fn look_at_siblings(&mut self, change: &Change, now: Time) {
        let siblings = self.writes(change.after.iter().copied()).len();
        let distinct = self.writes_beyond(&[], &change.after);
        if distinct.len() < siblings || self.history.has_order_within(&distinct) {
            let names: Vec<String> = change.after.iter().map(RequestId::to_string).collect();
            let what = format!("{} beside each other, of {}", names.join(" and "), change.key);
            self.wrong(Property::NoFalseConcurrency, now, what);
        }
    }

    fn look_for_losses(&mut self, key: u32, now: Time) {
        let lost = self.history.take_lost(key).len();
        if lost > 0 {
            let what = format!("{lost} acknowledged writes of {}", name_of(key));
            self.wrong(Property::NoLostWrite, now, what);
        }
    }

    /// A get is answered. Whether it is regular.
    pub(super) fn answered(&mut self, answered: &Answered<'_>, now: Time) -> bool {
        let Answered { key, begun, returned, read, own } = answered;
        let covers = |writes| self.history.covers(*key, returned, writes);
        let is_regular = self.history.is_regular(*key, begun, returned);
        let judged = [
            (Property::ReadYourWrites, covers(own)),
            (Property::MonotonicReads, covers(read)),
            (Property::Regular, is_regular),
        ];
        for (property, holds) in judged {
            if !holds {
                self.wrong(property, now, format!("a get of {}", name_of(*key)));
            }
        }
        is_regular
    }

    pub(super) fn wrong(&mut self, property: Property, at: Time, what: String) {
        let wrong = self.wrongs.entry(property).or_insert(Wrong { times: 0, at, what });
        wrong.times += 1;
    }
}

/// The name of the key of this number.
pub(super) fn name_of(key: u32) -> Key {
    Key(format!("k{key}").into_bytes())
}

/// And back.
pub(super) fn number_of(key: &Key) -> Option<u32> {
    std::str::from_utf8(key.0.get(1..)?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use dynamo_protocol::ids::NodeId;
    use dynamo_protocol::versions::{Actor, Epoch, Incarnation};

    /// No setup makes a node count twice: that takes a wrong decision of the core, which only the
    /// model can be told to make.
    #[test]
    fn a_dot_that_names_two_writes_is_seen() {
        let (client, node) = (ClientId(1), NodeId(0));
        let [first, second] = [1, 2].map(|sequence| RequestId { client, sequence });
        let actor = Actor { node, incarnation: Incarnation(1), epoch: Epoch(1) };
        let dot = |counter| Dot { actor, counter };
        let mut judge = Judge::new(2, false);
        let mut wrongs = |key, counter, by: RequestId| {
            let dots = vec![(dot(counter), by)];
            judge.changed(&Change { key: name_of(key), dots, ..Change::default() }, false, Time(0));
            judge.wrongs.get(&Property::UniqueDots).map_or(0, |wrong| wrong.times)
        };
        assert_eq!(wrongs(0, 1, first), 0);
        assert_eq!(wrongs(0, 1, first), 0, "a copy of it");
        assert_eq!(wrongs(0, 2, second), 0, "another dot");
        assert_eq!(wrongs(1, 1, second), 0, "of another key");
        assert_eq!(wrongs(0, 1, second), 1);
    }
}

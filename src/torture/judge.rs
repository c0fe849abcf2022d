//! The verdict over a history: was any acknowledged write lost?
//!
//! Pure: what every client truly had read when it wrote, against what is read in the end. An object
//! is a set of writes; a write replaces those that its client had read (design, "Ghost history").
//! `x` *covers* `v` if it is `v` or truly overwrote it, through any chain of true reads. The
//! implementation's own clocks have no say.

use dynamo_protocol::ids::{Key, RequestId, Value};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// A put or a delete, as its client knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// Its name, never reused.
    pub id: RequestId,
    /// The key.
    pub key: Key,
    /// What was written; `None` by a delete. No two writes of a history write the same.
    pub value: Option<Value>,
    /// The writes that the client had read and whose context it passed.
    pub read: BTreeSet<RequestId>,
    /// What the client was told.
    pub outcome: Outcome,
}

/// What a client was told about a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is stored.
    Acknowledged,
    /// Nobody knows.
    Maybe,
    /// It was not applied and never will be.
    NotApplied,
}

/// What a read in the end returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The node that was asked.
    pub node: usize,
    /// The key.
    pub key: Key,
    /// The siblings: the writes that made them and their values; `None` is a tombstone.
    pub siblings: BTreeMap<RequestId, Option<Value>>,
}

/// What is wrong, each with a sentence of its own. Nothing must be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Wrongs {
    /// Acknowledged, and neither returned nor covered by what is returned.
    pub lost: Vec<String>,
    /// Returned or read, and never written, or said to be not applied, or of another value.
    pub invented: Vec<String>,
    /// Returned beside a write that covers it.
    pub outlived: Vec<String>,
}

impl Wrongs {
    /// Whether nothing is.
    pub fn is_empty(&self) -> bool {
        self.lost.is_empty() && self.invented.is_empty() && self.outlived.is_empty()
    }
}

/// Judges the reads `seen` in the end of the history `writes`.
pub fn judge(writes: &[Write], seen: &[Seen]) -> Wrongs {
    let history = History { writes: writes.iter().map(|write| (write.id, write)).collect() };
    let mut wrongs = Wrongs::default();
    for write in writes {
        for read in write.read.iter().filter(|read| !history.may_be_read(**read, &write.key)) {
            wrongs.invented.push(format!("the client of {} had read {read}", write.id));
        }
    }
    for seen in seen {
        history.judge_read(seen, &mut wrongs);
    }
    wrongs
}

struct History<'a> {
    writes: BTreeMap<RequestId, &'a Write>,
}

impl History<'_> {
    fn may_be_read(&self, id: RequestId, key: &Key) -> bool {
        let write = self.writes.get(&id);
        write.is_some_and(|write| write.outcome != Outcome::NotApplied && write.key == *key)
    }

    fn judge_read(&self, seen: &Seen, wrongs: &mut Wrongs) {
        let Seen { node, key, siblings } = seen;
        for (id, value) in siblings {
            let written = self.writes.get(id).map(|write| &write.value);
            if !self.may_be_read(*id, key) || written != Some(value) {
                wrongs.invented.push(format!("{key} at node {node} returns {id}"));
            }
        }
        let covered = self.covered_by(siblings.keys().copied());
        for write in self.writes.values().filter(|write| write.key == *key) {
            if write.outcome == Outcome::Acknowledged && !covered.contains(&write.id) {
                wrongs.lost.push(format!("{} of {key} at node {node}", write.id));
            }
        }
        for id in siblings.keys() {
            let mut others = self.reads_of(*id);
            if let Some(other) = others.find(|other| *other != *id && siblings.contains_key(other))
            {
                wrongs.outlived.push(format!("{other} of {key} at node {node}, beside {id}"));
            }
        }
    }

    /// All writes that `from` truly overwrote, through any chain, and `from` themselves.
    fn covered_by(&self, from: impl IntoIterator<Item = RequestId>) -> BTreeSet<RequestId> {
        let mut open: Vec<RequestId> = from.into_iter().collect();
        let mut covered = BTreeSet::new();
        while let Some(id) = open.pop() {
            if covered.insert(id) {
                open.extend(self.writes.get(&id).into_iter().flat_map(|write| &write.read));
            }
        }
        covered
    }

    fn reads_of(&self, id: RequestId) -> impl Iterator<Item = RequestId> {
        let read = self.writes.get(&id).map(|write| write.read.clone()).unwrap_or_default();
        self.covered_by(read).into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dynamo_protocol::ids::ClientId;

    fn id(n: u64) -> RequestId {
        RequestId { client: ClientId(1), sequence: n }
    }

    fn value(n: u64) -> Option<Value> {
        Some(Value::from(format!("v{n}").as_str()))
    }

    fn put(n: u64, read: &[u64], outcome: Outcome) -> Write {
        let read = read.iter().map(|n| id(*n)).collect();
        Write { id: id(n), key: Key::from("k"), value: value(n), read, outcome }
    }

    fn delete(n: u64, read: &[u64], outcome: Outcome) -> Write {
        Write { value: None, ..put(n, read, outcome) }
    }

    fn seen(siblings: &[u64]) -> Seen {
        let siblings = siblings.iter().map(|n| (id(*n), value(*n))).collect();
        Seen { node: 0, key: Key::from("k"), siblings }
    }

    fn tombstone(n: u64) -> Seen {
        Seen { siblings: [(id(n), None)].into(), ..seen(&[]) }
    }

    use Outcome::{Acknowledged, Maybe, NotApplied};

    #[test]
    fn what_is_returned_or_overwritten_is_not_lost() {
        let writes = [
            put(1, &[], Acknowledged),
            put(2, &[1], Maybe),
            put(3, &[2], Acknowledged),
            put(4, &[], Acknowledged),
            put(5, &[], NotApplied),
            put(6, &[], Maybe),
        ];
        assert!(judge(&writes, &[seen(&[3, 4])]).is_empty(), "1 through 2, which was maybe");
        assert!(judge(&writes, &[seen(&[3, 4, 6])]).is_empty(), "maybe is applied");
    }

    #[test]
    fn a_lost_write_is_found() {
        let writes = [put(1, &[], Acknowledged), put(2, &[1], Acknowledged)];
        assert_eq!(judge(&writes, &[seen(&[1])]).lost, ["c1.2 of k at node 0"]);
        assert_eq!(judge(&writes, &[seen(&[])]).lost.len(), 2);
        // A blind put overwrites nothing, whatever the store's clocks say.
        let writes = [put(1, &[], Acknowledged), put(2, &[], Acknowledged)];
        assert_eq!(judge(&writes, &[seen(&[2])]).lost, ["c1.1 of k at node 0"]);
        // Nor does a put that overwrote it, if that is gone as well.
        let writes = [put(1, &[], Acknowledged), put(2, &[1], Maybe)];
        assert_eq!(judge(&writes, &[seen(&[])]).lost, ["c1.1 of k at node 0"]);
        assert!(judge(&writes, &[seen(&[1])]).is_empty(), "maybe is not applied");
    }

    #[test]
    fn one_node_of_many_that_has_lost_it_is_found() {
        let writes = [put(1, &[], Acknowledged)];
        let elsewhere = Seen { node: 4, ..seen(&[]) };
        assert_eq!(judge(&writes, &[seen(&[1]), elsewhere]).lost, ["c1.1 of k at node 4"]);
    }

    #[test]
    fn a_delete_covers_what_its_client_had_read() {
        let writes = [put(1, &[], Acknowledged), delete(2, &[1], Maybe), put(3, &[], Acknowledged)];
        let both = Seen { siblings: [(id(2), None), (id(3), value(3))].into(), ..seen(&[]) };
        assert!(judge(&writes, &[both]).is_empty());
        assert_eq!(judge(&writes, &[tombstone(2)]).lost, ["c1.3 of k at node 0"]);
    }

    #[test]
    fn what_nobody_wrote_is_found() {
        let writes = [put(1, &[], Acknowledged), put(2, &[], NotApplied)];
        assert_eq!(judge(&writes, &[seen(&[1, 9])]).invented, ["k at node 0 returns c1.9"]);
        assert_eq!(judge(&writes, &[seen(&[1, 2])]).invented.len(), 1, "said to be not applied");
        let altered = Seen { siblings: [(id(1), value(7))].into(), ..seen(&[]) };
        assert_eq!(judge(&writes, &[altered]).invented, ["k at node 0 returns c1.1"]);
        let dreamt = [put(1, &[8], Acknowledged)];
        assert_eq!(judge(&dreamt, &[seen(&[1])]).invented, ["the client of c1.1 had read c1.8"]);
    }

    #[test]
    fn a_sibling_that_was_overwritten_is_found() {
        let writes = [put(1, &[], Acknowledged), put(2, &[1], Maybe), put(3, &[2], Acknowledged)];
        assert_eq!(judge(&writes, &[seen(&[1, 3])]).outlived, ["c1.1 of k at node 0, beside c1.3"]);
        assert!(judge(&writes, &[seen(&[3])]).is_empty());
    }

    /// A store that keeps sets right, unless it is told to drop one write.
    fn run(steps: u64, dropped: Option<u64>) -> Wrongs {
        let (mut store, mut writes) = (BTreeSet::new(), Vec::new());
        for n in 1..=steps {
            // Every third put is blind; the others are over all that is there.
            let read: Vec<u64> = match n % 3 {
                0 => Vec::new(),
                _ => store.iter().copied().collect(),
            };
            writes.push(put(n, &read, Acknowledged));
            store.retain(|n| !read.contains(n));
            if dropped != Some(n) {
                store.insert(n);
            }
        }
        let left: Vec<u64> = store.into_iter().collect();
        judge(&writes, &[seen(&left)])
    }

    #[test]
    fn a_store_that_drops_a_write_is_found_whichever_it_is() {
        assert!(run(20, None).is_empty());
        for dropped in 1..=20 {
            // With it goes what it alone had overwritten.
            let lost = run(20, Some(dropped)).lost;
            assert!(lost.contains(&format!("c1.{dropped} of k at node 0")), "{dropped}: {lost:?}");
        }
    }
}

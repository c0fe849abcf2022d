//! What truly happened to keys: who had read what when it wrote, which copies there are, and what
//! follows from that. Kept by whoever watches clients and disks; a store's own clocks have no say.
//!
//! Writes are numbered in the order in which they were called. `x` *covers* `v` if it is `v` or
//! truly overwrote it, through any chain of true reads. A write is *replaced* once an acknowledged
//! one has overwritten it. The acknowledged writes of a key that are not replaced are its
//! *frontier*: whatever covers them covers all that was ever acknowledged, so that a judgement
//! looks at few writes, however long the history is.

use std::collections::BTreeSet;

/// A write, by its number.
pub type Write = u32;

/// The history of all keys, from 0 on.
#[derive(Clone, Debug, Default)]
pub struct History {
    writes: Vec<Past>,
    keys: Vec<Keyed>,
    /// Counts acknowledgements and reads: what came before what.
    moment: u64,
}

/// What is known of one write.
#[derive(Clone, Debug)]
struct Past {
    key: u32,
    /// What its client had read.
    read: Box<[Write]>,
    /// When it was replaced.
    replaced: Option<u64>,
    /// In how many places it is held.
    copies: u32,
    /// Whether it was replaced, and not part of what all copies come to.
    is_gone: bool,
}

/// What is known of one key.
#[derive(Clone, Debug, Default)]
struct Keyed {
    frontier: Vec<Write>,
    held: Vec<Write>,
    /// Tombstones that were removed: nothing is left to show that they were there.
    reaped: Vec<Write>,
}

/// The begin of a read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Begun {
    moment: u64,
    frontier: Vec<Write>,
}

impl History {
    /// Of so many keys, none of them written.
    pub fn new(keys: usize) -> History {
        History { keys: vec![Keyed::default(); keys], ..History::default() }
    }

    /// A write is called by a client that had read `read` and passes that on.
    pub fn call(&mut self, key: u32, read: &[Write]) -> Write {
        let (read, replaced, copies) = (read.into(), None, 0);
        self.writes.push(Past { key, read, replaced, copies, is_gone: false });
        self.writes.len() as Write - 1
    }

    /// A write is acknowledged: it replaces all that it covers.
    pub fn acknowledge(&mut self, write: Write) {
        self.moment += 1;
        let key = self.writes[write as usize].key as usize;
        let mut open = self.writes[write as usize].read.to_vec();
        while let Some(older) = open.pop() {
            let past = &mut self.writes[older as usize];
            // Whatever a replaced write covers is replaced as well.
            if past.replaced.is_none() {
                past.replaced = Some(self.moment);
                past.is_gone = past.copies == 0;
                open.extend(&past.read);
                self.keys[key].frontier.retain(|other| *other != older);
            }
        }
        if self.writes[write as usize].replaced.is_none() {
            self.keys[key].frontier.push(write);
        }
    }

    /// A copy of a write appears somewhere.
    pub fn hold(&mut self, write: Write) {
        let past = &mut self.writes[write as usize];
        past.copies += 1;
        if past.copies == 1 {
            self.keys[past.key as usize].held.push(write);
        }
    }

    /// A copy of a write disappears somewhere.
    pub fn release(&mut self, write: Write) {
        let past = &mut self.writes[write as usize];
        past.copies -= 1;
        if past.copies == 0 {
            past.is_gone |= past.replaced.is_some();
            self.keys[past.key as usize].held.retain(|other| *other != write);
        }
    }

    /// Whether there are copies of writes of a key that were replaced: late ones, or such that will
    /// be overwritten soon. Then it matters what all copies come to together.
    pub fn holds_replaced(&self, key: u32) -> bool {
        self.keys[key as usize]
            .held
            .iter()
            .any(|write| self.writes[*write as usize].replaced.is_some())
    }

    /// What all copies of a key come to when they are merged. What was replaced and not among that
    /// must never be among it again; the writes that are.
    pub fn merged(&mut self, key: u32, all: &[Write]) -> Vec<Write> {
        let mut back = Vec::new();
        for write in &self.keys[key as usize].held {
            let past = &mut self.writes[*write as usize];
            match all.contains(write) {
                true if past.is_gone => back.push(*write),
                true => {}
                false => past.is_gone |= past.replaced.is_some(),
            }
        }
        back
    }

    /// A tombstone is removed by rule, and not replaced.
    pub fn reap(&mut self, write: Write) {
        let reaped = &mut self.keys[self.writes[write as usize].key as usize].reaped;
        if !reaped.contains(&write) {
            reaped.push(write);
        }
    }

    /// The acknowledged writes of a key that no acknowledged one has overwritten.
    pub fn frontier(&self, key: u32) -> &[Write] {
        &self.keys[key as usize].frontier
    }

    /// The acknowledged writes of a key that no copy covers anywhere, nor a tombstone that was
    /// removed by rule: what these had overwritten themselves is not named. Nobody is asked for them
    /// any more, so that each is named once.
    pub fn take_lost(&mut self, key: u32) -> Vec<Write> {
        let held = &self.keys[key as usize].held;
        let lost = self.uncovered(key, held, self.frontier(key));
        self.keys[key as usize].frontier.retain(|write| !lost.contains(write));
        lost
    }

    /// A read of a key begins.
    pub fn begin(&mut self, key: u32) -> Begun {
        self.moment += 1;
        Begun { moment: self.moment, frontier: self.frontier(key).to_vec() }
    }

    /// Whether a read that returns this is *regular*: it covers whatever was acknowledged before it
    /// began, and returns nothing that such a write had overwritten.
    pub fn is_regular(&self, key: u32, begun: &Begun, returned: &[Write]) -> bool {
        let is_old = |write: &Write| {
            self.writes[*write as usize].replaced.is_some_and(|moment| moment < begun.moment)
        };
        !returned.iter().any(is_old) && self.covers(key, returned, &begun.frontier)
    }

    /// Whether what a read of `key` returns covers `writes`.
    pub fn covers(&self, key: u32, returned: &[Write], writes: &[Write]) -> bool {
        self.uncovered(key, returned, writes).is_empty()
    }

    /// Whether one of these writes covers another.
    pub fn has_order_within(&self, writes: &[Write]) -> bool {
        let Some(floor) = writes.iter().min() else { return false };
        writes.iter().any(|write| {
            let older = self.covered_by(&self.writes[*write as usize].read, *floor);
            writes.iter().any(|other| older.contains(other))
        })
    }

    fn uncovered(&self, key: u32, from: &[Write], writes: &[Write]) -> Vec<Write> {
        let left = |from: &BTreeSet<Write>| {
            writes.iter().filter(|write| !from.contains(write)).copied().collect::<Vec<_>>()
        };
        if writes.iter().all(|write| from.contains(write)) {
            return vec![];
        }
        let floor = writes.iter().min().copied().unwrap_or(0);
        let reaped = &self.keys[key as usize].reaped;
        left(&self.covered_by(&[from, reaped].concat(), floor))
    }

    /// What these cover, from the number `floor` on: a write covers none that was called later.
    fn covered_by(&self, from: &[Write], floor: Write) -> BTreeSet<Write> {
        let mut open = from.to_vec();
        let mut covered = BTreeSet::new();
        while let Some(write) = open.pop() {
            if write >= floor && covered.insert(write) {
                open.extend(&self.writes[write as usize].read);
            }
        }
        covered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: [Write; 0] = [];

    /// A key whose writes are acknowledged as they are called; each had read what is named.
    fn history(reads: &[&[Write]]) -> History {
        let mut history = History::new(1);
        for read in reads {
            let write = history.call(0, read);
            history.acknowledge(write);
        }
        history
    }

    #[test]
    fn the_frontier_is_what_no_acknowledged_write_has_overwritten() {
        assert_eq!(history(&[&[], &[0], &[], &[1]]).frontier(0), [2, 3]);
        let mut history = history(&[&[]]);
        let (maybe, over_it) = (history.call(0, &[0]), history.call(0, &[1]));
        assert_eq!(history.frontier(0), [0], "who is not acknowledged replaces nothing");
        history.acknowledge(over_it);
        assert_eq!(history.frontier(0), [over_it], "but passes on what it had read");
        history.acknowledge(maybe);
        assert_eq!(history.frontier(0), [over_it], "and is replaced before it is acknowledged");
    }

    #[test]
    fn what_no_copy_covers_is_lost() {
        let mut history = history(&[&[], &[0], &[]]);
        assert_eq!(history.clone().take_lost(0), [1, 2]);
        [1, 2, 2].into_iter().for_each(|write| history.hold(write));
        assert_eq!(history.take_lost(0), NONE);
        history.release(2);
        assert_eq!(history.take_lost(0), NONE, "there is another copy");
        let maybe = history.call(0, &[2]);
        history.hold(maybe);
        history.release(2);
        assert_eq!(history.take_lost(0), NONE, "whatever has read it covers it");
        history.release(maybe);
        history.reap(maybe);
        assert_eq!(history.take_lost(0), NONE, "if only it was removed by rule");
        history.release(1);
        assert_eq!(history.take_lost(0), [1]);
        assert_eq!(history.take_lost(0), NONE, "it was named");
    }

    #[test]
    fn what_was_replaced_and_gone_must_not_return() {
        let mut history = history(&[&[]]);
        history.hold(0);
        history.release(0);
        history.hold(0);
        assert_eq!(history.merged(0, &[0]), NONE, "it was not replaced");
        let over = history.call(0, &[0]);
        history.hold(over);
        history.acknowledge(over);
        assert!(history.holds_replaced(0), "there still is a copy");
        assert_eq!(history.merged(0, &[0, over]), NONE, "which was never out of sight");
        assert_eq!(history.merged(0, &[over]), NONE);
        assert_eq!(history.merged(0, &[0]), [0]);
        history.release(0);
        assert!(!history.holds_replaced(0));
    }

    #[test]
    fn what_was_held_nowhere_when_it_was_replaced_must_not_return() {
        let mut history = history(&[&[], &[0]]);
        history.hold(1);
        history.hold(0);
        assert_eq!(history.merged(0, &[1]), NONE, "a late copy that another one covers");
        history.release(1);
        assert_eq!(history.merged(0, &[0]), [0]);
    }

    #[test]
    fn reads_are_judged_by_what_was_acknowledged_before_they_began() {
        let mut history = history(&[&[], &[0]]);
        let begun = history.begin(0);
        let during = history.call(0, &[1]);
        history.acknowledge(during);
        assert!(history.is_regular(0, &begun, &[1]), "it was the latest when the read began");
        assert!(history.is_regular(0, &begun, &[during]));
        assert!(!history.is_regular(0, &begun, &[0]));
        assert!(!history.is_regular(0, &begun, &[]));
        assert!(!history.is_regular(0, &begun, &[0, during]), "what was overwritten comes along");
        let begun = history.begin(0);
        assert!(!history.is_regular(0, &begun, &[1]));
    }

    #[test]
    fn siblings_are_not_ordered() {
        let mut history = history(&[&[], &[0], &[1], &[]]);
        let maybe = history.call(0, &[2]);
        assert!(!history.has_order_within(&[2, 3]) && !history.has_order_within(&[]));
        assert!(history.has_order_within(&[0, 2]) && history.has_order_within(&[3, 1, maybe]));
    }
}

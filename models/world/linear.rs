//! Whether a history fits the set object in some order that respects real time.
//!
//! An object is a set for each key: a put by a client that truly read S replaces S (under
//! last-writer-wins it replaces everything), a get returns the set. Keys are judged one by one:
//! linearizability is local (Herlihy and Wing, 1990).

use super::ghost::{Ghost, Operation, Phase};
use super::plan::Puts;
use std::collections::BTreeSet;

/// One key's operations and how puts change the set.
pub(super) struct Judge<'a> {
    /// The ghost with the history.
    pub(super) ghost: &'a Ghost,
    /// The number of the put that an operation is, if it is one of this key.
    pub(super) put_of: &'a dyn Fn(usize) -> Option<usize>,
    /// Whether an operation is about this key.
    pub(super) of_key: &'a dyn Fn(usize) -> bool,
    /// Whether a put replaces everything.
    pub(super) register: bool,
}

impl Judge<'_> {
    /// Whether the key's history is linearizable.
    pub(super) fn is_linearizable(&self) -> bool {
        let Some(history) = &self.ghost.history else { return true };
        let present = |o: &usize| history[*o].phase != Phase::Absent && (self.of_key)(*o);
        let operations: Vec<usize> = (0..history.len()).filter(present).collect();
        self.search(history, &operations, 0, Puts::default(), &mut BTreeSet::new())
    }

    /// Depth-first over the orders; `done` is the set of operations placed so far.
    fn search(
        &self,
        history: &[Operation],
        operations: &[usize],
        done: u64,
        set: Puts,
        dead_ends: &mut BTreeSet<(u64, Puts)>,
    ) -> bool {
        let left = || operations.iter().copied().filter(|o| done >> o & 1 == 0);
        if left().all(|o| history[o].phase == Phase::Maybe) {
            return true;
        }
        if !dead_ends.insert((done, set)) {
            return false;
        }
        let here = operations.iter().fold(0, |all, o| all | 1 << o);
        left().any(|o| {
            let in_time = history[o].after & here & !done == 0;
            let next = self.apply(o, history[o].phase, set);
            in_time
                && next.is_some_and(|next| {
                    self.search(history, operations, done | 1 << o, next, dead_ends)
                })
        })
    }

    /// The set after an operation; none if a get returned something else.
    fn apply(&self, operation: usize, phase: Phase, set: Puts) -> Option<Puts> {
        match (phase, (self.put_of)(operation)) {
            // A tombstone that was reaped has nothing to show for it.
            (Phase::Returned(returned), _) => {
                let [returned, shown] = [returned, set].map(|set| set.without(self.ghost.reaped));
                (returned == shown).then_some(set)
            }
            (_, Some(put)) if self.register => Some(Puts::one(put)),
            (_, Some(put)) => Some(set.without(self.ghost.overwrote(put)).with(Puts::one(put))),
            (_, None) => Some(set),
        }
    }
}

//! The ghost history: who truly had read what when it wrote. The model records it from the scripts
//! and the answers, never from the implementation's clocks, and keeps only what a later judgement
//! needs.
//!
//! `x` *covers* `v` if it is `v` or truly overwrote it, through any chain of true reads.

use super::plan::Puts;
use crate::scenario::MAX_PUTS;
use std::hash::{Hash, Hasher};

/// What truly happened so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ghost {
    /// For each put that was called, all that it truly overwrote, directly or through others.
    overwrote: [Puts; MAX_PUTS],
    /// The puts that were called.
    pub called: Puts,
    /// The puts that were acknowledged.
    pub acknowledged: Puts,
    /// The tombstones that were reaped.
    pub reaped: Puts,
    /// What an acknowledged put or delete overwrote and no store holds any more; only kept to judge
    /// `no-resurrection`.
    pub gone: Puts,
    /// Every operation with its real-time order; only kept to judge `linearizable`.
    pub history: Option<Vec<Operation>>,
}

/// One operation of the full history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Operation {
    /// How far it is.
    pub phase: Phase,
    /// The operations that had returned before it was called, as a set of their numbers.
    pub after: u64,
}

/// How far an operation is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Not called, refused, or a get without an answer: it constrains nothing.
    #[default]
    Absent,
    /// A put that may have been applied, or may be later.
    Maybe,
    /// An acknowledged put.
    Stored,
    /// A get that returned this set.
    Returned(Puts),
}

/// What was not called has overwritten nothing.
impl Hash for Ghost {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        (self.called, self.acknowledged, self.reaped, self.gone).hash(hasher);
        self.called.iter().for_each(|put| self.overwrote[put].hash(hasher));
        self.history.hash(hasher);
    }
}

impl Ghost {
    /// The beginning.
    pub fn new(operations: usize, with_history: bool) -> Ghost {
        Ghost {
            overwrote: [Puts::default(); MAX_PUTS],
            called: Puts::default(),
            acknowledged: Puts::default(),
            reaped: Puts::default(),
            gone: Puts::default(),
            history: with_history.then(|| vec![Operation::default(); operations]),
        }
    }

    /// `put` is called by a client that truly read `read`.
    pub fn call(&mut self, put: usize, read: Puts) {
        let chain = read.iter().fold(read, |all, member| all.with(self.overwrote[member]));
        self.overwrote[put] = chain;
        self.called = self.called.with(Puts::one(put));
    }

    /// Everything that `put` truly overwrote.
    pub fn overwrote(&self, put: usize) -> Puts {
        self.overwrote[put]
    }

    /// Everything that some member of `set` covers.
    pub fn covered_by(&self, set: Puts) -> Puts {
        set.iter().fold(set, |all, member| all.with(self.overwrote[member]))
    }

    /// Whether some member of `set` covers another member.
    pub fn has_order_within(&self, set: Puts) -> bool {
        set.iter().any(|member| !self.overwrote[member].shared(set).is_empty())
    }

    /// The size of the largest set of truly concurrent puts among `puts`.
    pub fn most_concurrent(&self, puts: Puts) -> usize {
        let called = puts.shared(self.called).0;
        // Walks all subsets of `called`.
        let (mut subset, mut most) = (called, 0);
        while subset != 0 {
            let set = Puts(subset);
            if set.len() > most && !self.has_order_within(set) {
                most = set.len();
            }
            subset = (subset - 1) & called;
        }
        most
    }

    /// An operation is called.
    pub fn begin(&mut self, operation: usize, phase: Phase) {
        if let Some(history) = &mut self.history {
            let returned = |o: &Operation| matches!(o.phase, Phase::Stored | Phase::Returned(_));
            let after = (0..history.len())
                .filter(|&other| returned(&history[other]))
                .fold(0, |set, other| set | 1 << other);
            history[operation] = Operation { phase, after };
        }
    }

    /// An operation ends.
    pub fn end(&mut self, operation: usize, phase: Phase) {
        if let Some(history) = &mut self.history {
            history[operation].phase = phase;
            if phase == Phase::Absent {
                history[operation].after = 0;
            }
        }
    }
}

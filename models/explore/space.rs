//! What the engine explores.

use super::known::Known;
use crate::scenario::Property;
use crate::world::{Spent, Violated};
use serde::{Deserialize, Serialize};
use std::hash::Hash;

/// Something to explore.
pub trait Space: Sync {
    /// One state.
    type State: Clone + Hash + Send + Sync;
    /// One step.
    type Action: Clone;

    /// Where it begins.
    fn initial(&self) -> Self::State;
    /// All that can happen next, always in the same order.
    fn actions(&self, state: &Self::State) -> Vec<Self::Action>;
    /// The state after an action. What the step did of the kinds that verdicts speak of is added to
    /// `marks`.
    fn step(&self, state: &Self::State, action: &Self::Action, marks: &mut Marks) -> Self::State;

    /// The same step, into a state that need not be made anew as far as it is like that already. What
    /// the other parts of the state decide, and so is no part of its fingerprint, may be left to
    /// [`Space::judge`]: most states were seen before.
    fn step_into(
        &self,
        after: &mut Self::State,
        state: &Self::State,
        action: &Self::Action,
        marks: &mut Marks,
    ) {
        *after = self.step(state, action, marks);
    }

    /// Completes a state that [`Space::step_into`] has led to.
    fn judge(&self, _before: &Self::State, _after: &mut Self::State) {}

    /// The properties that are false at a state.
    fn violated(&self, state: &Self::State) -> Violated;

    /// The properties among `open` that are false at a state because of what cannot follow it, as a
    /// search from there tells. What the search learns for the next one is kept in `known`.
    fn violated_ahead(
        &self,
        _state: &Self::State,
        _open: &[Property],
        _known: &mut Known,
    ) -> Violated {
        Violated::default()
    }

    /// The marks without which a verdict is worth little: the search goes on for them when every
    /// property is refuted.
    fn wanted(&self) -> Marks {
        Marks::default()
    }

    /// Whether an action is a fault: no continuation without further faults takes it.
    fn is_fault(&self, _action: &Self::Action) -> bool {
        false
    }

    /// The kind of an action, below [`super::KINDS`]: what [`super::Coverage`] counts by.
    fn kind(&self, _action: &Self::Action) -> u8 {
        0
    }

    /// Memory that the space itself takes to be faster, estimated, in bytes.
    fn bytes(&self) -> u64 {
        0
    }

    /// The faults that have led to a state.
    fn spent(&self, _state: &Self::State) -> Spent {
        Spent::default()
    }

    /// How far the replicas agree at a state. Where nobody says so, nobody agrees.
    fn agreement(&self, _state: &Self::State) -> Agreement {
        Agreement::Apart
    }
}

/// How far the replicas agree at a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agreement {
    /// They differ, or something is still on its way.
    Apart,
    /// They agree that nothing was ever written.
    OnNothing,
    /// They agree, and something was written.
    OnSomething,
}

/// What steps have done on the way, as a set of bits: it shows that the mechanisms which a verdict
/// speaks of were reached at all. The space says what each bit means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Marks(pub u32);

impl Marks {
    /// Adds a mark.
    pub fn add(&mut self, bit: u32) {
        self.0 |= 1 << bit;
    }

    /// Whether a mark is there.
    pub fn has(self, bit: u32) -> bool {
        self.0 >> bit & 1 == 1
    }

    /// Whether all of these marks are there.
    pub fn include(self, others: Marks) -> bool {
        others.0 & !self.0 == 0
    }

    /// Both sets together.
    #[must_use]
    pub fn with(self, other: Marks) -> Marks {
        Marks(self.0 | other.0)
    }
}

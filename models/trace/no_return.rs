//! The point of no return: the step after which a violation can no longer be avoided.

use super::Trace;
use crate::seal::fingerprint;
use crate::world::State;
use std::collections::HashSet;

/// States that one look ahead may visit.
const MAX_STATES: usize = 200_000;

/// What a look ahead from a state finds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ahead {
    /// Some run to the end keeps the property.
    Avoidable,
    /// Every one of them violates it.
    Unavoidable,
    /// There were too many states.
    Unknown,
}

impl Trace {
    /// The first step, counted from 1, after which no continuation without further faults comes to the
    /// end of all scripts, with nothing in flight, and keeps the property; 0 if none ever does. `None`
    /// if the trace refutes nothing, or looking ahead would take too long.
    ///
    /// A property that speaks of continuations is false at the first state from which none is good, so
    /// that its shortest counterexample ends with that step.
    pub fn point_of_no_return(&self) -> Option<usize> {
        let property = self.property.filter(|_| self.refutes())?;
        if property.is_about_continuations() {
            return Some(self.steps.len());
        }
        // From the end, for what is unavoidable has little ahead of it. A fault may open a way that was
        // not there before, so that all steps are looked at.
        let mut first = self.steps.len();
        for step in (0..self.steps.len()).rev() {
            match self.ahead_of(self.before(step), property) {
                Ahead::Avoidable => {}
                Ahead::Unavoidable => first = step,
                Ahead::Unknown => return None,
            }
        }
        Some(first)
    }

    /// Depth first, for any end will do.
    fn ahead_of(&self, state: &State, property: crate::scenario::Property) -> Ahead {
        let mut seen = HashSet::from([fingerprint(state)]);
        let mut left = vec![state.clone()];
        while let Some(state) = left.pop() {
            if self.model.has_ended(&state) {
                return Ahead::Avoidable;
            }
            for action in self.model.actions(&state).iter().filter(|action| !action.is_fault()) {
                let after = self.model.step(&state, action);
                if !after.violated.has(property) && seen.insert(fingerprint(&after)) {
                    left.push(after);
                }
            }
            if seen.len() > MAX_STATES {
                return Ahead::Unknown;
            }
        }
        Ahead::Unavoidable
    }
}

//! An explorer too simple to be wrong: it keeps whole states and compares them by `Eq`.

use dynamo_models::explore::{Marks, Space};
use dynamo_models::scenario::Property;
use std::collections::{BTreeMap, HashSet};
use std::hash::Hash;

/// What it found.
pub(crate) struct Exact<T> {
    /// Every reachable state.
    pub(crate) states: HashSet<T>,
    /// The layer of the first state that violates a property, for each that some state violates.
    pub(crate) first_violation: BTreeMap<Property, usize>,
    /// The deepest layer.
    pub(crate) depth: usize,
}

/// Explores a whole space, layer by layer.
pub(crate) fn explore_exactly<S: Space>(space: &S) -> Exact<S::State>
where
    S::State: Eq + Hash,
{
    let mut layer = vec![space.initial()];
    let states = layer.iter().cloned().collect();
    let mut exact = Exact { states, first_violation: BTreeMap::new(), depth: 0 };
    for depth in 0.. {
        let mut next = Vec::new();
        for state in &layer {
            let violated = space.violated(state);
            for &property in Property::ALL.iter().filter(|p| violated.has(**p)) {
                exact.first_violation.entry(property).or_insert(depth);
            }
            for action in space.actions(state) {
                let successor = space.step(state, &action, &mut Marks::default());
                if exact.states.insert(successor.clone()) {
                    next.push(successor);
                }
            }
        }
        exact.depth = depth;
        layer = next;
        if layer.is_empty() {
            break;
        }
    }
    exact
}

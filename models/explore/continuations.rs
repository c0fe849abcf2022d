//! `converges`: from every reachable state some continuation without further faults reaches
//! agreement (AG EF).
//!
//! The steps that are no faults are kept as numbers of successors, in one row: states are numbered
//! in the order in which they are found and expanded in that order. When the space is exhausted, a
//! search against the steps finds the states from which agreement can be reached.

use super::space::{Agreement, Marks, Space};
use crate::seal::fingerprint;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// The graph of the steps that are no faults.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Continuations {
    /// The successors, those of state 0 first.
    successors: Vec<u32>,
    /// Where the successors of each expanded state end.
    ends: Vec<u64>,
    /// Whether each state is one of agreement.
    agreed: Vec<bool>,
}

impl Continuations {
    /// The next state is found.
    pub(super) fn found(&mut self, agreed: bool) {
        self.agreed.push(agreed);
    }

    /// The state being expanded leads to `to`.
    pub(super) fn leads_to(&mut self, to: u32) {
        self.successors.push(to);
    }

    /// The state being expanded has no further steps.
    pub(super) fn expanded(&mut self) {
        let begin = self.ends.last().map_or(0, |&end| end as usize);
        // Several actions may lead to one state, and some lead nowhere.
        let own = self.ends.len() as u32;
        self.successors[begin..].sort_unstable();
        let mut kept = begin;
        for place in begin..self.successors.len() {
            let to = self.successors[place];
            if to != own && (kept == begin || self.successors[kept - 1] != to) {
                self.successors[kept] = to;
                kept += 1;
            }
        }
        self.successors.truncate(kept);
        self.ends.push(kept as u64);
    }

    /// Forgets the steps of all but so many states: those that were expanded first.
    pub(super) fn truncate(&mut self, expanded: u32) {
        self.ends.truncate(expanded as usize);
        self.successors.truncate(self.ends.last().map_or(0, |&end| end as usize));
    }

    /// The states that cannot reach agreement, once all are expanded.
    pub(super) fn cut_off(self) -> Vec<u32> {
        let (starts, predecessors) = self.reversed();
        let mut reaches = self.agreed;
        let agreed = (0..).zip(&reaches).filter(|(_, reaches)| **reaches);
        let mut work: Vec<u32> = agreed.map(|(state, _)| state).collect();
        while let Some(state) = work.pop() {
            let [begin, end] = [state as usize, state as usize + 1].map(|at| starts[at] as usize);
            for &before in &predecessors[begin..end] {
                if !std::mem::replace(&mut reaches[before as usize], true) {
                    work.push(before);
                }
            }
        }
        let all = (0..).zip(reaches);
        all.filter(|(_, reaches)| !reaches).map(|(state, _)| state).collect()
    }

    /// The steps the other way round: where the predecessors of each state start, and all of them.
    fn reversed(&self) -> (Vec<u64>, Vec<u32>) {
        let states = self.agreed.len();
        let mut places = vec![0; states + 1];
        for &to in &self.successors {
            places[to as usize] += 1;
        }
        let mut sum = 0;
        for place in &mut places {
            sum += *place;
            *place = sum;
        }
        // Each place is now the end of its predecessors, and moves to their start as they come in.
        let mut predecessors = vec![0; self.successors.len()];
        let mut begin = 0;
        for (from, &end) in (0..).zip(&self.ends) {
            for &to in &self.successors[begin..end as usize] {
                places[to as usize] -= 1;
                predecessors[places[to as usize] as usize] = from;
            }
            begin = end as usize;
        }
        (places, predecessors)
    }

    /// Bytes taken, with those that the search at the end will take.
    pub(super) fn bytes(&self) -> u64 {
        let [step, end] = [size_of::<u32>(), size_of::<u64>()];
        let kept =
            self.successors.capacity() * step + self.ends.capacity() * end + self.agreed.capacity();
        let reversed = self.successors.len() * step + self.agreed.len() * (end + step);
        (kept + reversed) as u64
    }
}

/// Looks for agreement after `state`, without further faults; how many states there are to come, this
/// one included, if none of them is one of agreement.
pub fn cut_off<S: Space>(space: &S, state: &S::State) -> Option<usize> {
    let mut seen = HashSet::from([fingerprint(state)]);
    let mut work = vec![state.clone()];
    while let Some(state) = work.pop() {
        if space.agreement(&state) != Agreement::Apart {
            return None;
        }
        let actions = space.actions(&state).into_iter().filter(|action| !space.is_fault(action));
        for action in actions {
            let next = space.step(&state, &action, &mut Marks::default());
            if seen.insert(fingerprint(&next)) {
                work.push(next);
            }
        }
    }
    Some(seen.len())
}

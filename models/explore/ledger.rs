//! What a search has found so far: all that it takes to go on, but for the states that wait, and these
//! can be made again.

use super::Progress;
use super::continuations::Continuations;
use super::coverage::Coverage;
use super::known::Known;
use super::space::{Agreement, Marks};
use super::visited::Visited;
use crate::scenario::Property;
use crate::world::{Spent, Violated};
use serde::{Deserialize, Serialize};
use std::time::Duration;

#[derive(Serialize, Deserialize)]
pub(super) struct Ledger {
    /// Properties not refuted yet. `converges` is one of them to the end.
    pub(super) open: Vec<Property>,
    pub(super) visited: Visited,
    /// Kept only while `converges` is asked.
    pub(super) continuations: Option<Continuations>,
    pub(super) known: Known,
    pub(super) marks: Marks,
    pub(super) coverage: Coverage,
    pub(super) found: Vec<Found>,
    /// If all minimal sets of faults are wanted: those of each state by its number, as far as the
    /// question speaks of what can follow it. Never kept.
    #[serde(skip)]
    pub(super) frontier: Option<Vec<Spent>>,
    pub(super) progress: Progress,
    /// States that are expanded: those with the lowest numbers.
    pub(super) expanded: u32,
    /// Where the layer that is being expanded ends, by the numbers of its states.
    pub(super) layer_end: u32,
    /// Nothing is left to refute. It ended in the middle of a batch, so that it cannot go on, nor need it.
    pub(super) all_refuted: bool,
    /// How long it took.
    pub(super) elapsed: Duration,
}

/// A property is violated at a state with this number, after these faults.
#[derive(Serialize, Deserialize)]
pub(super) struct Found {
    pub(super) property: Property,
    spent: Spent,
    pub(super) index: u32,
}

/// A new state, judged.
pub(super) struct Judged {
    pub(super) violated: Violated,
    pub(super) spent: Spent,
    pub(super) agreement: Agreement,
}

impl Ledger {
    pub(super) fn new(asked: &[Property]) -> Ledger {
        Ledger {
            open: asked.to_vec(),
            visited: Visited::default(),
            continuations: asked.contains(&Property::Converges).then(Continuations::default),
            known: Known::default(),
            marks: Marks::default(),
            coverage: Coverage::default(),
            found: Vec::new(),
            frontier: None,
            progress: Progress::default(),
            expanded: 0,
            layer_end: 0,
            all_refuted: false,
            elapsed: Duration::ZERO,
        }
    }

    /// Counts a new state, and keeps it as the first that violates a property if it is.
    pub(super) fn record(&mut self, index: u32, judged: &Judged) {
        self.progress.unique += 1;
        if let Some(continuations) = &mut self.continuations {
            let agreement = judged.agreement;
            self.progress.agreed += u64::from(agreement != Agreement::Apart);
            self.progress.agreed_on_something += u64::from(agreement == Agreement::OnSomething);
            continuations.found(agreement != Agreement::Apart);
        }
        if let Some(spent) = &mut self.frontier
            && self.continuations.is_some()
        {
            spent.push(judged.spent);
        }
        if judged.violated != Violated::default() {
            for property in self.open.clone() {
                if judged.violated.has(property) {
                    self.find(Found { property, spent: judged.spent, index });
                }
            }
        }
    }

    /// Notes that a property is violated, unless less is known to be enough. Shorter ways are found
    /// first.
    fn find(&mut self, new: Found) {
        let is_new = |old: &Found| old.property != new.property || !old.spent.is_within(new.spent);
        if self.found.iter().all(is_new) {
            if self.frontier.is_none() || new.spent == Spent::default() {
                self.open.retain(|property| *property != new.property);
            }
            let is_minimal =
                |old: &Found| old.property != new.property || !new.spent.is_within(old.spent);
            self.found.retain(is_minimal);
            self.found.push(new);
        }
    }

    /// Forgets a batch that was numbered, but neither counted nor recorded, as if nobody had expanded
    /// it; but for what searches ahead have learned, which is true all the same. There were so many
    /// states before. It can be kept then, but not go on by itself.
    pub(super) fn forget_batch(&mut self, states: u32) {
        self.visited.truncate(states);
        if let Some(continuations) = &mut self.continuations {
            continuations.truncate(self.expanded);
        }
    }

    /// The space is exhausted: whether agreement can be reached from everywhere.
    pub(super) fn decide_converges(&mut self) {
        let Some(continuations) = self.continuations.take() else {
            return;
        };
        let property = Property::Converges;
        let cut_off = continuations.cut_off();
        match self.frontier.take() {
            None => cut_off.first().into_iter().for_each(|&index| {
                self.found.push(Found { property, spent: Spent::default(), index });
            }),
            Some(spent) => cut_off.into_iter().for_each(|index| {
                self.find(Found { property, spent: spent[index as usize], index });
            }),
        }
    }

    /// Bytes that it takes.
    pub(super) fn bytes(&self) -> u64 {
        let graph = self.continuations.as_ref().map_or(0, Continuations::bytes);
        let spent = self.frontier.as_ref().map_or(0, |spent| spent.capacity() * size_of::<Spent>());
        self.visited.bytes() + self.known.bytes() + graph + spent as u64
    }
}

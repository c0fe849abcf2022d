//! The states that wait, made again from what is kept of an exploration.

use super::crew::Crew;
use super::ledger::Ledger;
use super::search::{BATCH, PIECE, Waiting};
use super::space::{Marks, Space};
use crate::seal::fingerprint;
use std::{iter, mem};

/// Why nothing waits.
pub(super) enum Halt {
    Interrupted,
    /// An action leads to another state than it did.
    LeadsElsewhere,
}

/// What waits. It is interrupted if `goes_on` is false.
///
/// States were numbered as their parents were expanded, in the order of these: so they are made layer
/// by layer, and no more of them are whole at a time than there were. Only those that wait are made,
/// and their ancestors.
pub(super) fn waiting<S: Space>(
    space: &S,
    ledger: &Ledger,
    crew: Crew,
    goes_on: &mut dyn FnMut() -> bool,
) -> Result<Waiting<S>, Halt> {
    let needed = needed(ledger);
    let parent = |index: u32| ledger.visited.parent(index);
    let mut children = (1..ledger.visited.len()).filter(|&i| needed[i as usize]).peekable();
    let (mut parents, mut found) = (vec![(0, space.initial())], Vec::new());
    while children.peek().is_some() {
        let newest = parents.last().map_or(0, |(index, _)| *index);
        let of_this_layer = || children.next_if(|&child| parent(child) <= newest);
        let batch: Vec<u32> = iter::from_fn(of_this_layer).take(BATCH).collect();
        if batch.is_empty() {
            parents = mem::take(&mut found);
            if parents.is_empty() {
                return Err(Halt::LeadsElsewhere);
            }
        }
        let siblings: Vec<&[u32]> = batch.chunk_by(|&a, &b| parent(a) == parent(b)).collect();
        let make = |families: &[&[u32]]| -> Option<Vec<Vec<_>>> {
            families.iter().map(|siblings| make(space, ledger, siblings, &parents)).collect()
        };
        for made in crew.share(siblings.chunks(PIECE).collect(), make) {
            made.ok_or(Halt::LeadsElsewhere)?.into_iter().for_each(|made| found.extend(made));
        }
        if !goes_on() {
            return Err(Halt::Interrupted);
        }
    }
    let waits = parents.into_iter().chain(found).filter(|(index, _)| *index >= ledger.expanded);
    let (layer, next) = waits.partition(|(index, _)| *index < ledger.layer_end);
    Ok(Waiting { layer, next })
}

/// Of each state whether it waits, or leads to one that does.
fn needed(ledger: &Ledger) -> Vec<bool> {
    let all = 0..ledger.visited.len();
    let mut needed: Vec<bool> = all.clone().map(|index| index >= ledger.expanded).collect();
    for index in all.skip(1).rev() {
        if needed[index as usize] {
            needed[ledger.visited.parent(index) as usize] = true;
        }
    }
    needed
}

/// States that have one parent.
fn make<S: Space>(
    space: &S,
    ledger: &Ledger,
    siblings: &[u32],
    parents: &[(u32, S::State)],
) -> Option<Vec<(u32, S::State)>> {
    let parent = ledger.visited.parent(*siblings.first()?);
    let place = parents.binary_search_by_key(&parent, |(index, _)| *index).ok()?;
    let (_, parent) = &parents[place];
    let actions = space.actions(parent);
    let make = |&child: &u32| {
        let (wanted, places) = ledger.visited.way_to(child);
        let mut led_to = places.map_while(|place| {
            let action = actions.get(place)?;
            Some(space.step(parent, action, &mut Marks::default()))
        });
        Some((child, led_to.find(|state| fingerprint(state) == wanted)?))
    };
    siblings.iter().map(make).collect()
}

//! From a run in which something is wrong to a smaller one in which the same is wrong.

use super::setup::{self, Event, Faults, Load, Machines, Network, Property, Setup};
use super::world::Prepared;
use crate::latency::Spec;
use anyhow::Result;

/// How many seeds are tried with each change: it changes what everybody draws.
const SEEDS: u64 = 64;

/// A setup and a seed.
type Case = (Setup, u64);

/// Leaves out of `setup` what it can, so long as a run still violates `property`. `goes_on` is asked
/// before each try. Nothing is returned if the run of `seed` does not violate it.
///
/// # Errors
/// A setup that cannot be simulated.
pub fn shrink(
    setup: &Setup,
    seed: u64,
    property: Property,
    goes_on: &dyn Fn() -> bool,
) -> Result<Option<Case>> {
    let events = Prepared::new(setup)?.plan(seed);
    let told = Setup { faults: Faults { events, ..Faults::default() }, ..setup.clone() };
    let Some(mut best) = failing(&told, [seed], property)? else { return Ok(None) };
    let improves = |best: &mut Case, change: &dyn Fn(&Setup) -> Option<Setup>| {
        let Some(smaller) = change(&best.0).filter(|smaller| *smaller != best.0) else {
            return Ok(false);
        };
        if smaller.check().is_err() || !goes_on() {
            return Ok(false);
        }
        let found = failing(&smaller, best.1..best.1.saturating_add(SEEDS), property)?;
        let is_better = found.is_some();
        if let Some(found) = found {
            *best = found;
        }
        Ok::<_, anyhow::Error>(is_better)
    };
    loop {
        let mut has_shrunk = false;
        for change in CHANGES {
            while improves(&mut best, change)? {
                has_shrunk = true;
            }
        }
        // Halves of the events first, then quarters, and in the end one by one.
        let mut size = best.0.faults.events.len().div_ceil(2);
        while size > 0 {
            let mut from = 0;
            while from < best.0.faults.events.len() {
                match improves(&mut best, &|setup| Some(without(setup, from, size)))? {
                    true => has_shrunk = true,
                    false => from += size,
                }
            }
            size /= 2;
        }
        if !has_shrunk || !goes_on() {
            return Ok(Some(best));
        }
    }
}

/// The first of these seeds with which `setup` violates `property`.
fn failing(
    setup: &Setup,
    seeds: impl IntoIterator<Item = u64>,
    property: Property,
) -> Result<Option<Case>> {
    let prepared = Prepared::new(setup)?;
    let fails = |seed: &u64| prepared.run(*seed).violations.contains_key(&property);
    Ok(seeds.into_iter().find(fails).map(|seed| (setup.clone(), seed)))
}

fn without(setup: &Setup, from: usize, size: usize) -> Setup {
    let mut smaller = setup.clone();
    let events: &mut Vec<Event> = &mut smaller.faults.events;
    events.drain(from..(from + size).min(events.len()));
    smaller
}

/// One way to make a setup smaller; nothing if there is nothing left to do.
type Change = dyn Fn(&Setup) -> Option<Setup>;

/// What is left out, the largest things first.
const CHANGES: [&Change; 14] = [
    &|s| load(s, |l| l.duration_ms /= 2),
    &|s| load(s, |l| l.duration_ms = l.duration_ms * 9 / 10),
    &|s| Some(earlier(s, 0.5)),
    &|s| Some(earlier(s, 0.9)),
    &|s| load(s, |l| l.keys = l.keys.div_ceil(2)),
    &|s| load(s, |l| l.clients = l.clients.div_ceil(2)),
    &|s| load(s, |l| l.clients -= 1),
    &|s| network(s, |n| n.loss = 0.0),
    &|s| network(s, |n| n.duplicate = 0.0),
    &|s| network(s, |n| n.latency = setup::Latency::All(Spec::Constant(1.0))),
    &|s| Some(Setup { machines: Machines::default(), ..s.clone() }),
    &|s| Some(Setup { nodes: s.nodes - 1, ..s.clone() }),
    &|s| load(s, |l| l.mix.delete = 0.0),
    &|s| load(s, |l| l.mix.update = 0.0),
];

/// Everything goes wrong by so much earlier, and the clients end earlier.
fn earlier(setup: &Setup, factor: f64) -> Setup {
    let mut smaller = setup.clone();
    smaller.load.duration_ms = (setup.load.duration_ms as f64 * factor) as u64;
    smaller.faults.events.iter_mut().for_each(|event| event.at_ms *= factor);
    smaller
}

fn load(setup: &Setup, change: impl Fn(&mut Load)) -> Option<Setup> {
    let mut smaller = setup.clone();
    change(&mut smaller.load);
    Some(smaller)
}

fn network(setup: &Setup, change: impl Fn(&mut Network)) -> Option<Setup> {
    let mut smaller = setup.clone();
    change(&mut smaller.network);
    Some(smaller)
}

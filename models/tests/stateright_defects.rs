//! The defects in the search and the hashes of Stateright 0.31 that shaped this project.
//!
//! Every test asserts the *defective* behaviour. One that fails after an upgrade is good news: the
//! defect is gone, and the workaround its comment names can be reconsidered.
#![cfg(feature = "stateright")]

use std::collections::BTreeSet;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash};

use stateright::util::HashableHashSet;
use stateright::{Checker, HasDiscoveries, Model, Property, Representative};

// Shortest traces.

/// Two counters from 0 to 20. The property that holds keeps the search from stopping early.
struct Grid;

impl Model for Grid {
    type State = (u8, u8);
    type Action = bool;

    fn init_states(&self) -> Vec<Self::State> {
        vec![(0, 0)]
    }

    fn actions(&self, _: &Self::State, actions: &mut Vec<bool>) {
        actions.extend([false, true]);
    }

    fn next_state(&self, &(x, y): &Self::State, up: bool) -> Option<Self::State> {
        Some(if up { (x, y + 1) } else { (x + 1, y) })
    }

    fn within_boundary(&self, &(x, y): &Self::State) -> bool {
        x <= 20 && y <= 20
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("x < 2", |_, s: &(u8, u8)| s.0 < 2),
            Property::always("holds", |_, _| true),
            Property::sometimes("y = 1", |_, s: &(u8, u8)| s.1 == 1),
        ]
    }
}

/// A later violation overwrites an earlier one, even when asked to stop at the first, so a
/// breadth-first trace is not the shortest. Our own engine keeps the first.
#[test]
fn breadth_first_traces_are_not_the_shortest() {
    for finish in [HasDiscoveries::All, HasDiscoveries::AnyFailures] {
        let found = Grid.checker().finish_when(finish).spawn_bfs().join();
        let steps = |name| found.discovery(name).expect(name).into_actions().len();
        assert_eq!(steps("x < 2"), 40, "the shortest counterexample has 2");
        assert_eq!(steps("y = 1"), 21, "the shortest example has 1");
    }
}

// Symmetry.

/// Six interchangeable counters from 0 to 3.
struct Counters;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Counts([u8; 6]);

impl Representative for Counts {
    fn representative(&self) -> Self {
        let mut sorted = self.clone();
        sorted.0.sort_unstable();
        sorted
    }
}

impl Model for Counters {
    type State = Counts;
    type Action = usize;

    fn init_states(&self) -> Vec<Counts> {
        vec![Counts([0; 6])]
    }

    fn actions(&self, _: &Counts, actions: &mut Vec<usize>) {
        actions.extend(0..6);
    }

    fn next_state(&self, state: &Counts, i: usize) -> Option<Counts> {
        let mut next = state.clone();
        next.0[i] += 1;
        (next.0[i] <= 3).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always("holds", |_, _| true)]
    }
}

/// Only depth-first search and simulation read `symmetry()`; breadth-first search and the Explorer
/// ignore it without a word. Our own symmetry is part of the model, so that every engine has it.
#[test]
fn breadth_first_search_ignores_symmetry() {
    let dfs = Counters.checker().symmetry().spawn_dfs().join();
    assert_eq!(dfs.unique_state_count(), 84);
    let bfs = Counters.checker().symmetry().spawn_bfs().join();
    assert_eq!(bfs.unique_state_count(), 4096, "one of each orbit is 84");
}

// `eventually`.

/// A graph walked from 0, which should always reach `goal`.
struct Walk {
    edges: &'static [(u8, u8)],
    goal: u8,
    boundary: u8,
}

impl Model for Walk {
    type State = u8;
    type Action = u8;

    fn init_states(&self) -> Vec<u8> {
        vec![0]
    }

    fn actions(&self, &from: &u8, actions: &mut Vec<u8>) {
        actions.extend(self.edges.iter().filter(|e| e.0 == from).map(|e| e.1));
    }

    fn next_state(&self, _: &u8, to: u8) -> Option<u8> {
        Some(to)
    }

    fn within_boundary(&self, state: &u8) -> bool {
        *state <= self.boundary
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::eventually("goal", |walk, s| *s == walk.goal)]
    }
}

/// Whether breadth-first and depth-first search report a walk that misses the goal.
fn misses(edges: &'static [(u8, u8)], goal: u8, boundary: u8) -> [bool; 2] {
    let walk = || Walk { edges, goal, boundary }.checker();
    let bfs = walk().spawn_bfs().join().discovery("goal");
    let dfs = walk().spawn_dfs().join().discovery("goal");
    [bfs.is_some(), dfs.is_some()]
}

/// A cycle that avoids the goal for ever is not reported. All our properties are `always`, and
/// about what has happened so far.
#[test]
fn eventually_misses_a_cycle() {
    let found = misses(&[(0, 1), (1, 0), (1, 2)], 2, 9);
    assert_eq!(found, [false, false], "0 1 0 1 … never reaches 2");
}

/// Where two paths meet, only the one that came first counts, so the verdict depends on the order
/// of actions and on the search. All our properties are `always`.
#[test]
fn eventually_depends_on_the_order_of_actions() {
    let found = misses(&[(0, 1), (0, 2), (1, 3), (2, 3)], 1, 9);
    assert_eq!(found, [false, true], "0 2 3 never reaches 1");
    let found = misses(&[(0, 2), (0, 1), (1, 3), (2, 3)], 1, 9);
    assert_eq!(found, [true, false], "0 2 3 never reaches 1");
}

/// A state with all its successors beyond the boundary passes for a final one. Our models have no
/// boundary: scripts and fault budgets are finite, and what is spent is part of the state.
#[test]
fn eventually_is_violated_at_the_boundary() {
    let edges = &[(0, 1), (1, 2)];
    assert_eq!(misses(edges, 2, 2), [false, false]);
    assert_eq!(misses(edges, 2, 1), [true, true], "every walk reaches 2");
}

// Hashing.

fn same_hash<T: Hash + PartialEq>(left: &T, right: &T) -> bool {
    assert!(left != right, "different values");
    let build = BuildHasherDefault::<DefaultHasher>::default();
    build.hash_one(left) == build.hash_one(right)
}

/// A collection of the numbers given.
fn of<T: FromIterator<u8>>(numbers: &[u8]) -> T {
    numbers.iter().copied().collect()
}

/// Stateright's sets hash their elements without the length, so two in a row run together. Our
/// states hold none of them.
#[test]
fn adjacent_hashable_sets_collide() {
    type Sets = (HashableHashSet<u8>, HashableHashSet<u8>);
    let (left, right): (Sets, Sets) = ((of(&[1]), of(&[])), (of(&[]), of(&[1])));
    assert!(same_hash(&left, &right), "hashes should differ");
}

/// The same hole in `imbl`: {1, 2} {} hashes like {1} {2}, where std writes the length. Our disk,
/// which holds such a map, hashes the length first.
#[test]
fn adjacent_imbl_collections_collide() {
    fn collide<T: FromIterator<u8> + Hash + PartialEq>() -> bool {
        same_hash::<(T, T)>(&(of(&[1, 2]), of(&[])), &(of(&[1]), of(&[2])))
    }
    assert!(collide::<im::OrdSet<u8>>(), "hashes should differ");
    assert!(collide::<im::Vector<u8>>(), "hashes should differ");
    assert!(!collide::<BTreeSet<u8>>() && !collide::<Vec<u8>>());
    let map = |keys: &[u8]| -> im::OrdMap<u8, ()> { keys.iter().map(|k| (*k, ())).collect() };
    let (left, right) = ((map(&[1, 2]), map(&[])), (map(&[1]), map(&[2])));
    assert!(same_hash(&left, &right), "hashes should differ");
}

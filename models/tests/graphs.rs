//! `converges` on graphs: against a naive fixpoint on random ones, and on some with known answers.

use dynamo_models::explore::{
    Agreement, Exploration, Limits, Marks, Space, Stopped, cut_off, explore,
};
use dynamo_models::scenario::Property;
use dynamo_models::world::Violated;
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::{BTreeMap, VecDeque};

/// A graph that begins at 0: for each state its steps, each with whether it is a fault, and whether
/// the state is one of agreement.
#[derive(Clone, Debug)]
struct Graph(Vec<(Vec<(usize, bool)>, bool)>);

impl Space for Graph {
    type State = usize;
    type Action = (usize, bool);

    fn initial(&self) -> usize {
        0
    }

    fn actions(&self, state: &usize) -> Vec<(usize, bool)> {
        self.0[*state].0.clone()
    }

    fn step(&self, state: &usize, &(to, fault): &(usize, bool), marks: &mut Marks) -> usize {
        marks.add(u32::from(fault) + 2 * u32::from(to == *state));
        to
    }

    fn violated(&self, _: &usize) -> Violated {
        Violated::default()
    }

    fn is_fault(&self, action: &(usize, bool)) -> bool {
        action.1
    }

    fn agreement(&self, state: &usize) -> Agreement {
        match (self.0[*state].1, *state) {
            (false, _) => Agreement::Apart,
            (true, 0) => Agreement::OnNothing,
            (true, _) => Agreement::OnSomething,
        }
    }
}

impl Graph {
    /// The layer of each reachable state.
    fn layers(&self) -> BTreeMap<usize, usize> {
        let mut layers = BTreeMap::from([(0, 0)]);
        let mut queue = VecDeque::from([0]);
        while let Some(state) = queue.pop_front() {
            for &(to, _) in &self.0[state].0 {
                if !layers.contains_key(&to) {
                    layers.insert(to, layers[&state] + 1);
                    queue.push_back(to);
                }
            }
        }
        layers
    }

    /// Whether each state can reach agreement without faults: the least fixpoint, by definition.
    fn can_agree(&self) -> Vec<bool> {
        let mut can: Vec<bool> = self.0.iter().map(|(_, agreed)| *agreed).collect();
        for _ in 0..=self.0.len() {
            let before = can.clone();
            for (state, (steps, _)) in self.0.iter().enumerate() {
                can[state] |= steps.iter().any(|&(to, fault)| !fault && before[to]);
            }
        }
        can
    }
}

fn converge<S: Space>(space: &S) -> Exploration<S::Action> {
    explore(space, &[Property::Converges], Limits::default(), &mut |_| true)
}

fn graphs() -> impl Strategy<Value = Graph> {
    (1..24_usize).prop_flat_map(|states| {
        let steps = vec((0..states, prop::bool::weighted(0.3)), 0..4);
        vec((steps, prop::bool::weighted(0.15)), states).prop_map(Graph)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_engine_and_a_fixpoint_agree_on_every_graph(graph in graphs()) {
        let (layers, can) = (graph.layers(), graph.can_agree());
        let found = converge(&graph);
        prop_assert_eq!(found.stopped, None);
        prop_assert_eq!(found.progress.unique, layers.len() as u64);
        let agreed = layers.keys().filter(|state| graph.0[**state].1);
        prop_assert_eq!(found.progress.agreed, agreed.clone().count() as u64);
        let written = agreed.filter(|state| **state != 0).count() as u64;
        prop_assert_eq!(found.progress.agreed_on_something, written);
        let first = layers.iter().filter(|(state, _)| !can[**state]).map(|(_, layer)| *layer).min();
        let trace = found.trace(Property::Converges);
        prop_assert_eq!(trace.map(<[_]>::len), first);
        if let Some(trace) = trace {
            prop_assert!(!can[trace.last().map_or(0, |step| step.0)]);
        }
        for &state in layers.keys() {
            prop_assert_eq!(cut_off(&graph, &state).is_none(), can[state], "from {}", state);
        }
    }
}

/// States in order, each with where it leads; `!` before a step makes it a fault, `*` is agreement.
fn graph(states: &[&str]) -> Graph {
    let step = |word: &str| {
        let fault = word.starts_with('!');
        (word.trim_start_matches('!').parse().expect("a state"), fault)
    };
    let state = |text: &&str| {
        let words = text.split_whitespace();
        (words.clone().filter(|word| *word != "*").map(step).collect(), text.contains('*'))
    };
    Graph(states.iter().map(state).collect())
}

#[test]
fn known_graphs() {
    let cases: &[(&[&str], Option<usize>)] = &[
        (&["*"], None),
        (&[""], Some(0)),
        (&["1", "2", "*"], None),
        // Agreement behind a fault does not count, but what a fault leads to does.
        (&["!1", "*"], Some(0)),
        (&["!1 2", "", "*"], Some(1)),
        (&["1 2", "3", "*", "0"], None),
        // A cycle that nobody can leave.
        (&["1 2", "3", "*", "1"], Some(1)),
        // Agreement is left again and cannot be found again.
        (&["1 *", "2 *", "3", "2"], Some(2)),
        // Two ways there, twice the same step, a step that leads nowhere.
        (&["0 1 1 2", "1 3", "3 !4", "*", "4"], Some(2)),
    ];
    for (states, expected) in cases {
        let found = converge(&graph(states));
        assert_eq!(found.trace(Property::Converges).map(<[_]>::len), *expected, "{states:?}");
        assert_eq!(found.stopped, None, "{states:?}");
    }
}

#[test]
fn the_marks_of_all_steps_come_together() {
    assert_eq!(converge(&graph(&["1", "*"])).marks, Marks(0b1));
    assert_eq!(converge(&graph(&["!1 0", "!1"])).marks, Marks(0b1110));
    assert_eq!(converge(&graph(&["*"])).marks, Marks::default());
}

/// A limit leaves `converges` open even where the states seen so far are cut off.
#[test]
fn before_the_end_nothing_is_said() {
    let mut line: Vec<String> = (1..5_000).map(|next| next.to_string()).collect();
    line.push(String::new());
    let line: Vec<&str> = line.iter().map(String::as_str).collect();
    let line = graph(&line);
    assert_eq!(converge(&line).trace(Property::Converges).map(<[_]>::len), Some(0));
    let none = Limits::default();
    let asked = [Property::Converges, Property::DurableF];
    for (limits, stopped) in [
        (Limits { states: Some(3_000), ..none }, Stopped::States),
        (Limits { memory_bytes: Some(60_000), ..none }, Stopped::Memory),
    ] {
        let found = explore(&line, &asked, limits, &mut |_| true);
        assert_eq!((found.stopped, found.refuted.len()), (Some(stopped), 0));
        assert!(found.hit_limit());
    }
    let with = explore(&line, &asked, none, &mut |_| true).progress.memory_bytes;
    let without = explore(&line, &[Property::DurableF], none, &mut |_| true).progress.memory_bytes;
    assert!(with > without + 5_000 * 16, "the steps are counted: {without} {with}");
}

//! What speaks of continuations of a cluster: `converges`, `available-writes` and `available-reads`,
//! each against a search that shares nothing with it, and what refutes each of them.

use dynamo_models::check::{How, Outcome, Verdict, check};
use dynamo_models::explore::{Exploration, Known, Limits, Stopped, cut_off, explore};
use dynamo_models::scenario::{Membership, Property, Scenario};
use dynamo_models::seal::fingerprint;
use dynamo_models::trace::{
    Found, TraceFile, counterexample, mermaid, replay_on_core, shiviz, svg, text,
};
use dynamo_models::world::Phase::{Returned, Stored};
use dynamo_models::world::{Action, ClusterModel, Operation, State};
use dynamo_protocol::ids::NodeId;
use std::collections::{HashSet, VecDeque};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

fn converge(space: &ClusterModel) -> Exploration<Action> {
    explore(space, &[Property::Converges], Limits::default(), &mut |_| true)
}

fn scenario(cluster: &str, scripts: &[&str], f: u8, faults: &str) -> Scenario {
    let lines = |settings: &str| settings.replace(' ', "\n");
    let mut text = format!("format=1\ntitle=\"t\"\nf={f}\n[cluster]\n{}\n", lines(cluster));
    for script in scripts {
        let steps: Vec<String> = script.split('|').map(|step| format!("{step:?}")).collect();
        text += &format!("[[client]]\nsteps=[{}]\n", steps.join(","));
    }
    text += &format!("[faults]\n{}\n", lines(faults));
    Scenario::parse(&text, "test.toml").unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn judged(scenario: &Scenario, property: Property) -> Option<usize> {
    let mut scenario = scenario.clone();
    scenario.expect = vec![(property, None)];
    let report = check(&scenario, &How::default(), &mut |_| true).expect("a model");
    match &report.judgements[0].verdict {
        Verdict::Holds => None,
        Verdict::Refuted(trace) => Some(trace.len()),
        Verdict::Inconclusive => panic!("there is no limit"),
    }
}

#[test]
fn replicas_converge_until_a_copy_gets_lost() {
    let two = |repair: &str| format!("nodes=2 n=2 r=1 w=1 read-repair=\"{repair}\"");
    let three = "nodes=3 n=3 r=2 w=2";
    let cases: &[(&str, &[&str], &str, Option<usize>)] = &[
        (&two("off"), &["put k@0", "put k@1"], "", None),
        (&two("off"), &["get k@0|delete k@0", "put k@1"], "", None),
        (&two("off"), &["put a@0", "put b@1"], "timeouts=1 duplicates=1", None),
        (three, &["put k@0|get k@1"], "", None),
        // The read to come at the end waits for both copies, so it repairs.
        ("nodes=2 n=2 r=2 w=1", &["put k@0"], "drops=1", None),
        // put, drop
        (&two("off"), &["put k@0"], "drops=1", Some(2)),
        // put, drop, the only read to come, and it does not wait for the other copy
        (&two("async"), &["put k@0"], "drops=1", Some(4)),
        // put, crash of the receiver, its copy is lost
        (&two("off"), &["put k@0"], "crashes=1", Some(3)),
    ];
    for (cluster, scripts, faults, expected) in cases {
        let scenario = scenario(cluster, scripts, 1, faults);
        let found = judged(&scenario, Property::Converges);
        assert_eq!(found, *expected, "{cluster} {scripts:?} {faults}");
        let done = converge(&ClusterModel::new(&scenario).expect("a model"));
        let Exploration { progress, .. } = done;
        assert!(progress.agreed > progress.agreed_on_something, "the start is one of agreement");
        assert!(progress.agreed_on_something > 0, "{cluster} {scripts:?} {faults}");
    }
}

/// The whole cluster: from each state, in layers, one search for agreement of its own.
#[test]
fn the_first_state_that_is_cut_off_is_found() {
    let mut refuted = 0;
    for (cluster, scripts, faults) in [
        ("nodes=2 n=2 r=1 w=2", ["put k@0", "get k@1"].as_slice(), "crashes=1"),
        ("nodes=2 n=2 r=2 w=1", &["put k@0|get k@0", "get k@1"], "drops=1"),
        ("nodes=3 n=2 r=1 w=1", &["put k@2|get k@1"], "timeouts=1 crashes=1"),
        ("nodes=2 n=2 r=1 w=1 read-repair=\"blocking\"", &["put k@0|get k@1"], "timeouts=1"),
    ] {
        let model = ClusterModel::new(&scenario(cluster, scripts, 1, faults)).expect("a model");
        let mut layer = vec![model.initial()];
        let mut seen: HashSet<State> = layer.iter().cloned().collect();
        let is_cut_off = |state: &State| cut_off(&model, state).is_some();
        let mut first = None;
        for depth in 0.. {
            if layer.is_empty() || layer.iter().any(is_cut_off) {
                first = (!layer.is_empty()).then_some(depth);
                break;
            }
            let steps = layer.iter().flat_map(|state| {
                model.actions(state).into_iter().map(|action| model.step(state, &action))
            });
            layer = steps.filter(|state| seen.insert(state.clone())).collect();
        }
        let found = converge(&model);
        let trace = found.trace(Property::Converges);
        assert_eq!(trace.map(<[_]>::len), first, "{cluster}");
        refuted += usize::from(first.is_some());
    }
    // A read of both replicas repairs what a drop has left behind.
    assert_eq!(refuted, 2);
}

#[test]
fn as_many_nodes_may_be_down_as_the_quorums_spare() {
    use Property::{AvailableReads, AvailableWrites};
    let scripts = ["put k@0|get k@1"];
    let of = |r: u8, w: u8, f| scenario(&format!("nodes=3 n=3 r={r} w={w}"), &scripts, f, "");
    for (r, w, f, writes, reads) in [
        (2, 2, 0, None, None),
        (2, 2, 1, None, None),
        (2, 2, 2, Some(0), Some(0)),
        (1, 3, 0, None, None),
        (1, 3, 1, Some(0), None),
        (3, 1, 1, None, Some(0)),
        (1, 1, 2, None, None),
        (1, 1, 3, Some(0), Some(0)),
    ] {
        let scenario = of(r, w, f);
        let found = [AvailableWrites, AvailableReads].map(|p| judged(&scenario, p));
        assert_eq!(found, [writes, reads], "R={r} W={w} f={f}");
    }
    // Another node can forward and read, but holds nothing.
    let spare = scenario("nodes=4 n=2 r=1 w=2", &["put k@2"], 1, "timeouts=1");
    assert_eq!(judged(&spare, AvailableWrites), Some(0));
    assert_eq!(judged(&spare, AvailableReads), None);
    // Sloppy W=1 is only refused when every node is unreachable (paper §4.6).
    for (quorum, f, expected) in
        [("sloppy", 3, None), ("sloppy", 4, Some(0)), ("strict", 3, Some(0)), ("strict", 2, None)]
    {
        let cluster = format!("nodes=4 n=3 r=1 w=1 quorum={quorum:?}");
        let scenario = scenario(&cluster, &["put k@3"], f, "");
        for property in [AvailableWrites, AvailableReads] {
            assert_eq!(judged(&scenario, property), expected, "{quorum} f={f}");
        }
    }
}

/// One limit for both kinds, and what is refuted before it stays refuted.
#[test]
fn under_a_limit_converges_is_open_and_what_was_refuted_is_not() {
    let mut scenario =
        scenario("nodes=3 n=3 r=1 w=3", &["put k@0|get k@1", "get k@2"], 1, "drops=1");
    let asked = [Property::Converges, Property::AvailableWrites, Property::AvailableReads];
    scenario.expect = asked.map(|property| (property, None)).to_vec();
    for limits in [
        Limits { states: Some(500), ..Limits::default() },
        Limits { memory_bytes: Some(300_000), ..Limits::default() },
    ] {
        let report = check(&scenario, &limits.into(), &mut |_| true).expect("a model");
        let verdicts = report.judgements.iter().map(|j| j.verdict.name());
        assert_eq!(verdicts.collect::<Vec<_>>(), ["inconclusive", "refuted", "inconclusive"]);
        assert_eq!(report.outcome(), Outcome::Inconclusive);
    }
    let report = check(&scenario, &How::default(), &mut |_| true).expect("a model");
    let verdicts = report.judgements.iter().map(|j| j.verdict.name());
    assert_eq!(verdicts.collect::<Vec<_>>(), ["refuted", "refuted", "holds"]);
}

/// A cluster with long searches ahead.
fn long() -> Scenario {
    let cluster = "nodes=4 n=3 r=2 w=1 anti-entropy=\"on\" reap=\"on\"";
    let scripts = ["delete k sloppy", "put k@1|put k@3", "put k@1|put k@3"];
    let mut scenario = scenario(cluster, &scripts, 0, "disk-losses=2");
    scenario.membership = Some(Membership {
        founders: 4,
        operators: vec![["down 3@0", "join 2@0"].map(|it| it.parse().expect("an order")).to_vec()],
        gossips: ["0-1", "1-2", "3-0"].map(|pair| pair.parse().expect("a pair")).to_vec(),
    });
    scenario.expect = vec![(Property::AvailableReads, None)];
    scenario
}

/// The search ahead of a single state can take longer than all the rest: it is given up, and nothing is
/// said to hold.
#[test]
fn a_limit_ends_a_search_ahead() {
    let model = ClusterModel::new(&long()).expect("a model");
    let asked = [Property::AvailableReads];
    let few = 50_000;
    for (limits, stopped) in [
        (Limits { states: Some(few), ..Limits::default() }, Stopped::StatesAhead),
        (Limits { memory_bytes: Some(few << 10), ..Limits::default() }, Stopped::Memory),
    ] {
        let found = explore(&model, &asked, limits, &mut |_| true);
        assert!(found.stopped == Some(stopped) && found.refuted.is_empty());
        assert!(found.progress.unique < few);
    }
}

/// A search that was given up has found no answer, and nobody learns that it has.
#[test]
fn what_was_given_up_is_not_known() {
    let model = ClusterModel::new(&long()).expect("a model");
    let limits = Limits { states: Some(256), ..Limits::default() };
    let mut given_up = 0;
    for walk in 0..2_000 {
        let mut state = model.initial();
        for step in 0..12 {
            let actions = model.actions(&state);
            let Some(place) = fingerprint(&(walk, step)).checked_rem(actions.len() as u64) else {
                break;
            };
            state = model.step(&state, &actions[place as usize]);
        }
        let mut known = Known::default();
        known.keep_to(limits, Instant::now());
        let unanswered = model.unanswered(&state, &[Property::AvailableReads], &mut known);
        // Of sets of nodes that are down there is only one, the empty one.
        assert!(known.gave_up().is_none() || unanswered.is_empty() && known.is_empty());
        given_up += usize::from(known.gave_up().is_some());
    }
    println!("{given_up} given up");
    assert!(given_up > 0);
}

/// What is known to answer reads says nothing of writes: whoever asks for both again, after other faults,
/// is told the same.
#[test]
fn what_answers_one_question_is_not_known_to_answer_both() {
    let scenario = scenario("nodes=3 n=3 r=1 w=3", &["put k@0"], 1, "");
    let model = ClusterModel::new(&scenario).expect("a model");
    let (mut known, both) =
        (Known::default(), [Property::AvailableWrites, Property::AvailableReads]);
    let mut asked = || model.unanswered(&model.initial(), &both, &mut known);
    let [first, again] = [asked(), asked()];
    assert!(first.len() == 1 && first[0].property == Property::AvailableWrites, "{first:?}");
    assert_eq!(first, again);
}

/// Whoever is told to stop stops.
#[test]
fn an_exploration_can_be_stopped() {
    static STOP: AtomicBool = AtomicBool::new(true);
    let scenario = scenario("nodes=3 n=3 r=2 w=2", &["put k@0", "put k@1"], 1, "timeouts=1");
    let model = ClusterModel::new(&scenario).expect("a model");
    let limits = Limits { stop: Some(&STOP), ..Limits::default() };
    let asked = [Property::AvailableWrites];
    let found = explore(&model, &asked, limits, &mut |_| true);
    assert_eq!(found.stopped, Some(Stopped::Interrupted));
}

/// A trace shows by itself that nothing good can follow, in every format, and is found again.
#[test]
fn traces_of_continuations_are_told_and_replayed() {
    let cluster = "nodes=2 n=2 r=1 w=2 read-repair=\"off\"";
    let drop = scenario(cluster, &["put k@0"], 1, "drops=1");
    for (property, because) in [
        (Property::Converges, "because without further faults only"),
        (Property::AvailableWrites, "because with n0 down, whatever else happens"),
    ] {
        let found = counterexample(&drop, Some(property), Limits::default(), &mut |_| true);
        let Ok(Found::Trace(trace)) = found else { panic!("{property} is refuted") };
        assert!(trace.refutes());
        let told = text::text(&trace);
        assert!(told.contains(because), "{told}");
        assert!(told.contains(&format!("{property} is false")), "{told}");
        for other in [mermaid::mermaid(&trace), svg::diagram(&trace)] {
            assert!(!other.is_empty());
        }
        let _ = shiviz::shiviz(&trace);
        let file = TraceFile::of(&trace);
        assert!(replay_on_core(&file).expect("it replays").refutes());
        // One step less of the way to divergence is none.
        let mut shorter = (*trace).clone();
        if shorter.steps.pop().is_some() {
            let file = TraceFile::of(&shorter);
            assert!(replay_on_core(&file).is_err(), "{property} is not false earlier");
        }
    }
}

/// The cluster with a client more, which makes the fresh request as often as there are nodes, and
/// crashes enough.
struct Oracle {
    model: ClusterModel,
    fresh: usize,
    f: u32,
}

impl Oracle {
    /// The first set of nodes that may be down so that nothing answers the fresh request.
    fn unanswered(&self, state: &State) -> Option<Vec<NodeId>> {
        let nodes = state.nodes.len() as u64;
        let is_up = |node: u64| state.up(NodeId(node)).is_some();
        let mut sets: Vec<u32> = (0..1 << nodes).collect();
        sets.sort_by_key(|set| set.count_ones());
        let of = |set: u32| (0..nodes).filter(move |node| set >> node & 1 == 1);
        let judged = sets.into_iter().filter(|&set| {
            set.count_ones() <= self.f && (0..nodes).all(|node| is_up(node) || set >> node & 1 == 1)
        });
        let fails = |set: &u32| {
            let crashes = of(*set).filter(|&node| is_up(node)).map(|n| Action::Crash(NodeId(n)));
            let begin = crashes.fold(state.clone(), |state, crash| self.model.step(&state, &crash));
            !self.can_be_answered(begin)
        };
        judged.into_iter().find(fails).map(|set| of(set).map(NodeId).collect())
    }

    fn can_be_answered(&self, begin: State) -> bool {
        let mut seen = HashSet::from([fingerprint(&begin)]);
        let mut queue = VecDeque::from([begin]);
        while let Some(state) = queue.pop_front() {
            let served = state.run.ghost.history.as_ref().expect("with history");
            let first = self.model.plan().operation(self.fresh, 0);
            let is_served = |operation: &Operation| matches!(operation.phase, Stored | Returned(_));
            if served[first..].iter().any(is_served) {
                return true;
            }
            for action in self.model.actions(&state) {
                let may_happen = match &action {
                    Action::Call { client, .. } => *client == self.fresh,
                    Action::FinalRead { .. } | Action::GiveUp { .. } | Action::Recover(_) => false,
                    action => !action.is_fault(),
                };
                let next = may_happen.then(|| self.model.step(&state, &action));
                queue.extend(next.filter(|next| seen.insert(fingerprint(next))));
            }
        }
        false
    }

    /// Every state that can be reached before the fresh request, with at most `crashes` crashes.
    fn states(&self, crashes: u8) -> Vec<State> {
        let mut states = vec![self.model.initial()];
        let mut seen: HashSet<u64> = states.iter().map(fingerprint).collect();
        let mut place = 0;
        while let Some(state) = states.get(place).cloned() {
            for action in self.model.actions(&state) {
                let is_fresh = |client| client == self.fresh;
                if matches!(&action, Action::Call { client, .. } if is_fresh(*client)) {
                    continue;
                }
                let next = self.model.step(&state, &action);
                if next.spent.crashes <= crashes && seen.insert(fingerprint(&next)) {
                    states.push(next);
                }
            }
            place += 1;
        }
        states
    }
}

#[test]
fn the_searches_ahead_find_what_a_naive_search_finds() {
    let cases: &[(&str, &[&str], u8, u8, u8)] = &[
        ("nodes=2 n=2 r=1 w=2", &["put k@0", "get k@1"], 1, 1, 0),
        ("nodes=3 n=3 r=2 w=2", &["put k@0"], 1, 1, 0),
        ("nodes=3 n=3 r=2 w=2", &["put k@0"], 2, 2, 0),
        ("nodes=3 n=2 r=2 w=1", &["put k@2"], 1, 1, 1),
        ("nodes=3 n=2 r=1 w=1", &["put k@2", "get k@2"], 2, 0, 1),
        ("nodes=2 n=1 r=1 w=1 quorum=\"sloppy\"", &["put k@1"], 1, 1, 0),
        ("nodes=3 n=2 r=1 w=1 quorum=\"sloppy\"", &["put k@2"], 2, 1, 0),
        ("nodes=2 n=2 r=2 w=1 versioning=\"last-writer-wins\"", &["put k@0|put k@1"], 1, 1, 0),
    ];
    let requests =
        [(Property::AvailableWrites, "put-blind k"), (Property::AvailableReads, "get k")];
    let (mut answered, mut refused) = (0, 0);
    for (cluster, scripts, f, crashes, timeouts) in cases {
        for (property, request) in requests {
            let nodes = usize::from(cluster.as_bytes()["nodes=".len()] - b'0');
            let fresh = vec![request; nodes].join("|");
            let scripts: Vec<&str> = scripts.iter().copied().chain([&*fresh]).collect();
            let faults = format!("crashes=8 timeouts={timeouts}");
            let scenario = scenario(cluster, &scripts, *f, &faults);
            let model = ClusterModel::new(&scenario).expect("a model").with_history();
            let oracle = Oracle { model, fresh: scripts.len() - 1, f: (*f).into() };
            let mut known = Known::default();
            for state in oracle.states(*crashes) {
                let expected = oracle.unanswered(&state);
                let search = |known: &mut Known| {
                    let found = oracle.model.unanswered(&state, &[property], known);
                    found.into_iter().next().map(|first| first.down)
                };
                assert_eq!(search(&mut Known::default()), expected, "{cluster}: {state:?}");
                if expected.is_none() {
                    assert_eq!(
                        search(&mut known),
                        None,
                        "{cluster}, with what is known: {state:?}"
                    );
                    answered += 1;
                } else {
                    refused += 1;
                }
            }
        }
    }
    println!("{answered} states with an answer, {refused} without");
    assert!(answered > 100 && refused > 100, "{answered} {refused}");
}

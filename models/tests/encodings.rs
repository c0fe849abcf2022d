//! The cluster model and the plain actors of Stateright reach the same node states and the same
//! clients' answers, compared whole, wherever no timer is set: two networks, one written by us, one
//! not, around one protocol.
#![cfg(feature = "stateright")]

mod exact;

use dynamo_models::explore::{Limits, Marks, Space, explore};
use dynamo_models::scenario::{Property, Scenario};
use dynamo_models::stateright::{
    ActorEncoding, Encoded, EncodedState, EncodingError, ParticipantState, explorer_path, seen,
};
use dynamo_models::world::{Action, ClusterModel, Disk, Process, State, Violated, client_of};
use dynamo_protocol::door::Effect;
use dynamo_protocol::message::Answer;
use dynamo_protocol::node::Node;
use exact::explore_exactly;
use stateright::{Checker, Model};
use std::collections::HashSet;

/// What both encodings show of a state: the nodes, and what each client was told.
type Projection = (Vec<Node<Disk>>, Vec<Vec<Answer>>);

/// The cluster model with every answer written down, without the free reads at the end, which
/// scripted actors do not make.
struct Recorded(ClusterModel);

impl Space for Recorded {
    type State = (State, Vec<Vec<Answer>>);
    type Action = Action;

    fn initial(&self) -> Self::State {
        (self.0.initial(), vec![Vec::new(); self.0.plan().clients()])
    }

    fn actions(&self, (state, _): &Self::State) -> Vec<Action> {
        let mut actions = self.0.actions(state);
        actions.retain(|action| !matches!(action, Action::FinalRead { .. }));
        actions
    }

    fn step(&self, (state, answers): &Self::State, action: &Action, _: &mut Marks) -> Self::State {
        let mut answers = answers.clone();
        let state = self.0.explain(state, action, &mut |_, effects| {
            for effect in &effects.0 {
                if let Effect::Reply { id, answer } = effect {
                    answers[client_of(id.client)].push(answer.clone());
                }
            }
        });
        (state, answers)
    }

    fn violated(&self, (state, _): &Self::State) -> Violated {
        state.violated
    }
}

fn cluster_projection((state, answers): &(State, Vec<Vec<Answer>>)) -> Projection {
    let node = |process: &Process| match process {
        Process::Up(node) => node.clone(),
        Process::Down(_) => unreachable!("there are no crashes here"),
    };
    (state.nodes.iter().map(|host| node(&host.process)).collect(), answers.clone())
}

fn actor_projection(state: &EncodedState) -> Projection {
    let nodes = state.actor_states.iter().filter_map(|actor| match &**actor {
        ParticipantState::Node(node) => Some(node.0.clone()),
        ParticipantState::Client(_) => None,
    });
    (nodes.collect(), seen(state).into_iter().map(|seen| seen.answers).collect())
}

fn of_cluster(scenario: &Scenario) -> HashSet<Projection> {
    let model = Recorded(ClusterModel::new(scenario).expect("a model"));
    let exact = explore_exactly(&model);
    println!("  cluster: {} states", exact.states.len());
    exact.states.iter().map(cluster_projection).collect()
}

fn actors(scenario: &Scenario) -> Encoded {
    ActorEncoding::new(scenario).expect("actors").without_timers().model()
}

fn of_actors(scenario: &Scenario) -> HashSet<Projection> {
    let exact = explore_exactly(&actors(scenario));
    println!("  actors: {} states", exact.states.len());
    exact.states.iter().map(actor_projection).collect()
}

fn scenario(cluster: &str, scripts: &[&str], rest: &str) -> Scenario {
    let mut text =
        format!("format=1\ntitle=\"t\"\n{rest}\n[cluster]\n{}\n", cluster.replace(' ', "\n"));
    for script in scripts {
        let steps: Vec<String> = script.split('|').map(|step| format!("{step:?}")).collect();
        text += &format!("[[client]]\nsteps=[{}]\n", steps.join(","));
    }
    Scenario::parse(&text, "test.toml").unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// Name, cluster, scripts, and a W that changes what can be reached.
const WORLDS: &[(&str, &str, &[&str], &str)] = &[
    (
        "strict quorums",
        "nodes=3 n=3 r=2 w=2 read-repair=\"off\"",
        &["get k@0|put k@0", "get k@1"],
        "w=1",
    ),
    (
        "weak quorums",
        "nodes=2 n=2 r=1 w=1 read-repair=\"off\"",
        &["put k@0|put k@1", "get k@0|get k@1"],
        "w=2",
    ),
    (
        "forwarding",
        "nodes=4 n=2 r=1 w=2 read-repair=\"off\"",
        &["put k@3|get k@2", "put-blind k@2"],
        "w=1",
    ),
    (
        "blocking read repair",
        "nodes=3 n=3 r=2 w=1 read-repair=\"blocking\"",
        &["put k@0", "get k@1|get k@2"],
        "w=3",
    ),
    (
        "two writers",
        "nodes=2 n=2 r=1 w=1 read-repair=\"blocking\"",
        &["get k@0|put k@0", "put k@1|delete k@0"],
        "w=2",
    ),
    (
        "vector clocks",
        "nodes=2 n=2 r=1 w=1 versioning=\"vector-clock\" read-repair=\"off\"",
        &["get k@0|put k@0", "put k@0|get k@1"],
        "w=2",
    ),
];

#[test]
fn both_encodings_reach_the_same_nodes_and_answers() {
    for (name, cluster, scripts, other_w) in WORLDS {
        println!("{name}");
        let world = scenario(cluster, scripts, "");
        let (ours, theirs) = (of_cluster(&world), of_actors(&world));
        assert!(ours == theirs, "{name}: {} and {} differ", ours.len(), theirs.len());
        assert!(ours.len() > 40, "{name}: only {}", ours.len());
        println!("  projections: {}", ours.len());
        differs(name, &world, cluster, other_w, scripts);
    }
}

/// The comparison can fail: another W reaches other nodes or answers, and so do fewer states.
fn differs(name: &str, world: &Scenario, cluster: &str, other_w: &str, scripts: &[&str]) {
    let settings: Vec<&str> = cluster.split(' ').filter(|word| !word.starts_with("w=")).collect();
    let other = scenario(&format!("{} {other_w}", settings.join(" ")), scripts, "");
    let (ours, theirs) = (of_cluster(world), of_actors(&other));
    assert!(ours != theirs, "{name}: W makes no difference");
}

/// With timers a world is larger, so leaving them out is no accident.
#[test]
fn timers_reach_more() {
    let world = scenario("nodes=2 n=2 r=2 w=2 read-repair=\"off\"", &["put k@0", "get k@1"], "");
    let model = ActorEncoding::new(&world).expect("actors").model();
    let exact = explore_exactly(&model);
    let with: HashSet<_> = exact.states.iter().map(actor_projection).collect();
    let without = of_actors(&world);
    assert!(without.len() < with.len() && without.is_subset(&with));
}

/// The observable properties are judged alike: refuted in both encodings or in neither. (`w=1` and
/// `r=1` make the sessions' guarantees false, plain vector clocks lose writes.)
#[test]
fn both_encodings_judge_alike() {
    let mut refuted = Vec::new();
    for (name, cluster, scripts, other_w) in WORLDS {
        println!("judge {name}");
        let settings: Vec<&str> =
            cluster.split(' ').filter(|word| !word.starts_with("w=")).collect();
        for w in [cluster.split(' ').find(|word| word.starts_with("w=")), Some(other_w)] {
            let w = w.expect("a W");
            let world = scenario(&format!("{} {w}", settings.join(" ")), scripts, "");
            let ours = explore_exactly(&Recorded(ClusterModel::new(&world).expect("a model")));
            let theirs = explore_exactly(&actors(&world));
            for &property in Property::ALL.iter().filter(|p| ClusterModel::is_observable(**p)) {
                let in_ours = ours.first_violation.contains_key(&property);
                let in_theirs = theirs.first_violation.contains_key(&property);
                assert_eq!(in_ours, in_theirs, "{name}, {w}: {property}");
                refuted.extend(in_ours.then_some(property));
            }
        }
    }
    refuted.sort();
    refuted.dedup();
    println!("refuted in both: {refuted:?}");
    let sessions = [Property::NoLostWrite, Property::ReadYourWrites, Property::MonotonicReads];
    assert!(sessions.iter().all(|property| refuted.contains(property)), "{refuted:?}");
}

/// Stateright's own search, its own hashes: as many states as there are.
#[test]
fn stateright_counts_the_actors() {
    let world = scenario("nodes=2 n=2 r=2 w=2", &["put k@0", "get k@1"], "");
    let with_timers = ActorEncoding::new(&world).expect("actors");
    for encoding in [with_timers.clone(), with_timers.without_timers()] {
        let model = encoding.model();
        let exact = explore_exactly(&model).states.len();
        let ours = explore(&model, &[], Limits::default(), &mut |_| true).progress.unique;
        let theirs = model.checker().spawn_dfs().join();
        theirs.assert_properties();
        assert_eq!((ours as usize, theirs.unique_state_count()), (exact, exact));
        println!("{exact} states");
    }
}

/// A crash leaves a node its disk and a client its answers, and the space stays finite.
#[test]
fn crashed_actors_come_back_with_what_they_saved() {
    let mut world = scenario("nodes=2 n=2 r=1 w=2", &["put k@0", "get k@1"], "");
    world.faults.crashes = 1;
    let model = ActorEncoding::new(&world).expect("actors").model();
    let checker = model.checker().spawn_dfs().join();
    assert!(checker.discovery(Property::NoLostWrite.name()).is_none());
    assert!(checker.discovery(Property::UniqueDots.name()).is_none());
    println!("{} states with crashes", checker.unique_state_count());
    let down = |state: &EncodedState| state.crashed.contains(&true);
    let exact = explore_exactly(&checker.model().clone());
    assert!(exact.states.iter().any(down));
    assert_eq!(exact.states.len(), checker.unique_state_count());
}

/// A path of the actors for the Explorer leads where it says.
#[test]
fn explorer_paths_name_the_places_of_actions() {
    let world = scenario("nodes=2 n=2 r=1 w=1 read-repair=\"off\"", &["put k@0|get k@1"], "");
    let model = actors(&world);
    let found = explore(&model, &[Property::ReadYourWrites], Limits::default(), &mut |_| true);
    let trace = found.trace(Property::ReadYourWrites).expect("a stale read");
    let path = explorer_path(&model, trace);
    let places = path.strip_prefix("/#/steps/0/").expect("the one initial state").split('/');
    assert_eq!(places.clone().count(), trace.len(), "{path}");
    let mut state = model.initial();
    for place in places {
        let action =
            Space::actions(&model, &state)[place.parse::<usize>().expect("a number")].clone();
        state = model.step(&state, &action, &mut Marks::default());
    }
    assert!(model.violated(&state).has(Property::ReadYourWrites));
    assert_eq!(explorer_path(&model, &[]), "/#/steps");
}

#[test]
fn what_actors_cannot_do_is_refused() {
    let cluster = "nodes=2 n=2 r=1 w=1";
    let refusal = |scenario: &Scenario| match ActorEncoding::new(scenario) {
        Err(error @ (EncodingError::Unpinned { .. } | EncodingError::Unsupported { .. })) => {
            error.to_string()
        }
        other => panic!("{other:?}"),
    };
    let unpinned = refusal(&scenario(cluster, &["put k@0|get k"], ""));
    assert_eq!(
        unpinned,
        "client 0's step `get k` may ask any node, but an actor cannot choose: pin it, as in `get k@0`"
    );
    let turns = refusal(&scenario(cluster, &["get k@0"], "schedule=\"sequential\""));
    assert!(turns.contains("turns between clients"), "{turns}");
    let lww = format!("{cluster} versioning=\"last-writer-wins\"");
    assert!(refusal(&scenario(&lww, &["get k@0"], "")).contains("clock"));
    let mut repeated = scenario(cluster, &["get k@0"], "");
    repeated.faults.duplicates = 1;
    assert!(refusal(&repeated).contains("duplicates"));
}

//! Orders of steps that are left out make no difference, nor does it who of those that are alike is
//! which: every small world is explored whole and reduced, and a reduction that is too bold is caught.

use dynamo_models::explore::{
    Agreement, Exploration, Known, Limits, Marks, Space, Stopped, explore_frontier,
};
use dynamo_models::scenario::{
    Cluster, Durability, Faults, Property, Quorum, ReadRepair, Scenario, Schedule, Step, Switch,
    Versioning,
};
use dynamo_models::theorems::{Configuration, Gets, required};
use dynamo_models::world::{Action, ClusterModel, Spent, State, Violated};
use dynamo_protocol::ids::Key;
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZero;

/// Worlds with more states are not explored whole.
const MOST_STATES: u64 = 30_000;

/// Both passes over a world.
fn passes(scenario: &Scenario) -> [ClusterModel; 2] {
    let model = ClusterModel::new(scenario).expect("a cluster");
    [model.clone(), model.with_history()]
}

fn explored<S: Space<Action = Action>>(space: &S, asked: &[Property]) -> Exploration<Action> {
    let limits = Limits { states: Some(MOST_STATES), ..Limits::default() };
    explore_frontier(space, asked, limits, &mut |_| true)
}

/// Which faults are enough to break which property, and after how many actions.
fn found(model: &ClusterModel, done: &Exploration<Action>) -> BTreeMap<(Property, String), usize> {
    let spent = |trace: &[Action]| {
        let step = |state, action: &Action| {
            assert!(model.actions(&state).contains(action), "{action} is possible");
            model.step(&state, action)
        };
        trace.iter().fold(model.initial(), step).spent.to_string()
    };
    let found =
        |(property, trace): &(Property, Vec<Action>)| ((*property, spent(trace)), trace.len());
    done.refuted.iter().map(found).collect()
}

/// What was compared: worlds, states of the whole, states that the reduction left.
#[derive(Default)]
struct Compared {
    worlds: usize,
    whole: u64,
    reduced: u64,
    refuted: usize,
}

impl Compared {
    /// Explores both passes over a world, if they are small enough, whole and with fewer orders of
    /// steps.
    fn compare_orders(&mut self, name: &str, scenario: &Scenario) {
        for whole in passes(scenario) {
            let reduced = whole.clone().reduced();
            if reduced.is_reduced() {
                self.compare(&whole, &reduced, |all, some| {
                    assert!(all.keys().eq(some.keys()), "{name}: {all:?}, but reduced {some:?}");
                });
            }
        }
    }

    /// The same up to symmetry.
    fn compare_symmetry(&mut self, name: &str, scenario: &Scenario) {
        for whole in passes(scenario) {
            let reduced = whole.clone().up_to_symmetry();
            assert!(reduced.is_symmetric(), "{name}");
            self.compare(&whole, &reduced, |all, some| assert_eq!(all, some, "{name}"));
        }
    }

    fn compare(
        &mut self,
        whole: &ClusterModel,
        reduced: &ClusterModel,
        same: impl Fn(&BTreeMap<(Property, String), usize>, &BTreeMap<(Property, String), usize>),
    ) {
        let asked: Vec<Property> = whole.asked().collect();
        if asked.is_empty() {
            return;
        }
        let all = explored(whole, &asked);
        if all.stopped == Some(Stopped::States) {
            return;
        }
        let some = explored(reduced, &asked);
        let breaks = found(whole, &all);
        // The whole cluster takes the steps: each counterexample is one of its own.
        same(&breaks, &found(whole, &some));
        self.worlds += 1;
        self.whole += all.progress.unique;
        self.reduced += some.progress.unique;
        self.refuted += breaks.len();
    }

    fn print(&self) {
        let Compared { worlds, whole, reduced, refuted } = self;
        println!("{worlds} worlds, {whole} states, {reduced} reduced, {refuted} refutations");
    }
}

/// The world of a configuration with a single fault, of a single kind.
fn with_one_fault(configuration: &Configuration) -> impl Iterator<Item = Scenario> {
    let scenario = configuration.scenario(1);
    let no = Faults { total: Some(1), ..Faults::default() };
    let kinds = [
        Faults { crashes: 1, ..no },
        Faults { drops: 1, ..no },
        Faults { duplicates: 1, ..no },
        Faults { timeouts: 1, ..no },
        Faults { disk_losses: 1, ..no },
        Faults { partitions: scenario.faults.partitions, ..no },
    ];
    kinds.into_iter().map(move |faults| Scenario { faults, ..scenario.clone() })
}

fn small() -> impl Iterator<Item = Configuration> {
    let sizes = [(1, 1, 1), (2, 1, 1), (2, 1, 2), (2, 2, 1), (2, 2, 2)];
    required().flat_map(move |one| sizes.map(|(n, r, w)| Configuration { n, r, w, ..one }))
}

#[test]
fn no_theorem_of_a_small_world_depends_on_the_reduction() {
    let mut compared = Compared::default();
    let mut seen = BTreeSet::new();
    for configuration in required().chain(small()) {
        if !seen.insert(configuration.to_string()) {
            continue;
        }
        compared.compare_orders(&configuration.to_string(), &configuration.scenario(0));
        for scenario in with_one_fault(&configuration) {
            compared.compare_orders(&format!("{configuration} {:?}", scenario.faults), &scenario);
        }
    }
    compared.print();
    assert!(compared.worlds > 300 && compared.refuted > 300);
    assert!(compared.reduced < compared.whole);
}

#[test]
fn no_verdict_of_the_suite_depends_on_the_reduction() {
    let suite = Scenario::load_all(concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios"));
    let mut compared = Compared::default();
    let mut refused = 0;
    for (name, scenario) in suite.unwrap_or_else(|error| panic!("{error}")) {
        let [model, _] = passes(&scenario);
        refused += usize::from(!model.reduced().is_reduced());
        compared.compare_orders(&name, &scenario);
    }
    compared.print();
    println!("refused: {refused}");
    // Changes of the layout, several puts, anti-entropy, other versions.
    assert!(compared.worlds > 5 && refused > 50);
}

/// Answers to requests that are finished, and whatever else can never matter again, stay in the
/// network: it takes longer until nothing is in flight, and that is all.
#[test]
fn no_verdict_of_the_suite_depends_on_messages_that_never_matter() {
    let suite = Scenario::load_all(concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios"));
    let (mut compared, mut changes) = (Compared::default(), 0);
    for (name, scenario) in suite.unwrap_or_else(|error| panic!("{error}")) {
        for usual in passes(&scenario) {
            let whole = usual.clone().with_the_dead();
            let asked: Vec<Property> = whole.asked().collect();
            let some = explored(&usual, &asked);
            if asked.is_empty() || some.stopped == Some(Stopped::States) {
                continue;
            }
            let all = explored(&whole, &asked);
            if all.stopped == Some(Stopped::States) {
                continue;
            }
            let (all_breaks, breaks) = (found(&whole, &all), found(&usual, &some));
            assert!(all_breaks.keys().eq(breaks.keys()), "{name}: {all_breaks:?}, but {breaks:?}");
            assert!(all.progress.unique >= some.progress.unique, "{name}");
            compared.worlds += 1;
            compared.whole += all.progress.unique;
            compared.reduced += some.progress.unique;
            compared.refuted += breaks.len();
            changes += usize::from(scenario.membership.is_some());
        }
    }
    compared.print();
    println!("{changes} with changes of the layout");
    assert!(compared.worlds > 80 && compared.refuted > 50 && changes > 2);
    assert!(compared.reduced * 3 < compared.whole * 2);
}

#[test]
fn what_is_left_out_depends_on_no_thread() {
    let one = required().find(|one| one.to_string() == "322-strict-off").expect("a row");
    let mut most = 0;
    for model in one.worlds(1, Gets::Two).iter().flat_map(passes) {
        let (model, asked) = (model.clone().reduced(), model.asked().collect::<Vec<_>>());
        assert!(model.is_reduced());
        let count = |threads| {
            let limits = Limits { threads: NonZero::new(threads), ..Limits::default() };
            model.forget_steps(); // or the threads of one run would find what those of another wrote
            explore_frontier(&model, &asked, limits, &mut |_| true).progress.unique
        };
        let counts: BTreeSet<u64> = [1, 2, 4].map(count).into();
        assert_eq!(counts.len(), 1, "{}: {counts:?}", model.scenario().title);
        most = most.max(counts.into_iter().sum());
    }
    assert!(most > 50_000, "{most}");
}

/// A cluster of whose next actions only some are tried, and from whose states something is taken.
struct Bold {
    model: ClusterModel,
    next: fn(&State, Vec<Action>) -> Vec<Action>,
    after: fn(&mut State),
}

fn all(_: &State, actions: Vec<Action>) -> Vec<Action> {
    actions
}

fn nothing(_: &mut State) {}

impl Space for Bold {
    type State = State;
    type Action = Action;

    fn initial(&self) -> State {
        self.model.initial()
    }

    fn actions(&self, state: &State) -> Vec<Action> {
        (self.next)(state, self.model.actions(state))
    }

    fn step(&self, state: &State, action: &Action, marks: &mut Marks) -> State {
        let mut after = Space::step(&self.model, state, action, marks);
        (self.after)(&mut after);
        after
    }

    fn violated(&self, state: &State) -> Violated {
        state.violated
    }

    fn violated_ahead(&self, state: &State, open: &[Property], known: &mut Known) -> Violated {
        self.model.violated_ahead(state, open, known)
    }

    fn is_fault(&self, action: &Action) -> bool {
        action.is_fault()
    }

    fn spent(&self, state: &State) -> Spent {
        state.spent
    }

    fn agreement(&self, state: &State) -> Agreement {
        Space::agreement(&self.model, state)
    }
}

/// Takes whatever arrives at once, as if all deliveries commuted.
fn deliver_at_once(_: &State, mut actions: Vec<Action>) -> Vec<Action> {
    match actions.iter().position(|action| matches!(action, Action::Deliver(_))) {
        Some(place) => vec![actions.swap_remove(place)],
        None => actions,
    }
}

#[test]
fn a_reduction_that_is_too_bold_is_caught() {
    let mut caught = BTreeSet::new();
    for configuration in required().chain(small()) {
        for whole in passes(&configuration.scenario(0)) {
            let asked: Vec<Property> = whole.asked().collect();
            let all = explored(&whole, &asked);
            let bold = explored(
                &Bold { model: whole.clone(), next: deliver_at_once, after: nothing },
                &asked,
            );
            if found(&whole, &all) != found(&whole, &bold) {
                caught.insert(configuration.to_string());
            }
        }
    }
    println!("caught in {caught:?}");
    assert!(caught.contains("311-strict-off") && caught.contains("322-strict-off"));
}

/// Clients of whom some are alike. Where `a` is stored, there `b` and `c` are, too.
const ALIKE: [&[&[&str]]; 9] = [
    &[&["put-blind a"], &["put-blind a"]],
    &[&["put-blind a@0"], &["put-blind a@0"], &["put-blind a@0"]],
    &[&["get a@0", "put a@0"], &["get a@0", "put a@0"]],
    &[&["put a@0", "get a@1"], &["put a@0", "get a@1"]],
    &[&["put-blind a@1", "delete a@1"], &["get a@0"], &["get a@0"]],
    &[&["put a@0"], &["get a@1"], &["put a@0"]],
    &[&["put-blind a@0", "get b@1"], &["put-blind b@0", "get a@1"]],
    &[&["put a@0", "put a@1"], &["put b@0", "put b@1"]],
    &[&["put a@0"], &["put b@0"], &["put c@0"]],
];

/// Keys which the same nodes store as `a`, in the same order.
fn like_a(model: &ClusterModel) -> impl Iterator<Item = String> {
    let ring = model.config().ring();
    let list = |key: &str| ring.preference_list(&Key::from(key)).all().collect::<Vec<_>>();
    let of_a = list("a");
    (0..).map(|number| format!("a{number}")).filter(move |name| list(name) == of_a)
}

/// The standard question about other clients.
fn asked_by(clients: &[&[&str]], cluster: &Cluster, faults: Faults) -> Scenario {
    let parse = |step: &&str| step.parse::<Step>().expect("a step");
    let clients = clients.iter().map(|steps| steps.iter().map(parse).collect()).collect();
    let mut scenario = Scenario { clients, ..Scenario::standard(*cluster, faults) };
    let model = ClusterModel::new(&scenario).expect("a cluster");
    for (name, key) in ["b", "c"].into_iter().zip(like_a(&model)) {
        let steps = scenario.clients.iter_mut().flatten();
        steps.filter(|step| step.key == name).for_each(|step| step.key.clone_from(&key));
    }
    scenario
}

/// Small clusters.
fn clusters() -> Vec<Cluster> {
    let of = |n, r, w, quorum, read_repair| {
        Configuration { n, r, w, quorum, read_repair }.scenario(0).cluster
    };
    let two = of(2, 1, 1, Quorum::Strict, ReadRepair::Async);
    vec![
        two,
        of(3, 2, 2, Quorum::Strict, ReadRepair::Async),
        of(2, 1, 1, Quorum::Sloppy, ReadRepair::Async),
        of(3, 2, 2, Quorum::Sloppy, ReadRepair::Async),
        of(2, 2, 1, Quorum::Strict, ReadRepair::Blocking),
        Cluster { anti_entropy: Switch::On, ..two },
        Cluster { reap: Switch::On, ..two },
    ]
}

/// None, or one of one kind.
fn faults(cluster: &Cluster) -> Vec<Faults> {
    let no = Faults::default();
    let mut faults = vec![no, Faults { timeouts: 1, ..no }];
    if cluster.n == 2 {
        faults.push(Faults { drops: 1, ..no });
        faults.push(Faults { crashes: 1, ..no });
        faults.push(Faults { duplicates: 1, ..no });
        faults.push(Faults { partitions: 1, ..no });
    }
    faults
}

#[test]
fn no_verdict_depends_on_who_of_those_alike_is_which() {
    let mut compared = Compared::default();
    for cluster in clusters() {
        for clients in ALIKE {
            for faults in faults(&cluster) {
                let scenario = asked_by(clients, &cluster, faults);
                let exchanges_keys = scenario.keys().len() > 1;
                let may_exchange = cluster.quorum == Quorum::Strict
                    && cluster.anti_entropy == Switch::Off
                    && cluster.reap == Switch::Off;
                if !exchanges_keys || may_exchange {
                    compared.compare_symmetry(&format!("{clients:?} {faults:?}"), &scenario);
                }
            }
        }
    }
    compared.print();
    assert!(compared.worlds > 100 && compared.refuted > 100);
    assert!(compared.reduced * 3 < compared.whole * 2);
}

#[test]
fn of_three_that_are_alike_a_sixth_is_explored() {
    let cluster = clusters()[1];
    let model = ClusterModel::new(&asked_by(ALIKE[1], &cluster, Faults::default()));
    let count = |model: &ClusterModel| {
        let asked: Vec<Property> = model.asked().collect();
        explored(model, &asked).progress.unique as f64
    };
    let model = model.expect("a cluster");
    let ratio = count(&model) / count(&model.up_to_symmetry());
    assert!(
        ratio > 5.5 && ratio < 6.0,
        "{ratio}: nobody has called, and the first states, are alone"
    );
}

/// Where clients or keys have an order it matters who is who.
#[test]
fn symmetry_is_refused_where_names_have_an_order() {
    let cluster = clusters()[0];
    let asked = |clients: &[&[&str]], cluster: &Cluster, faults: Faults| {
        let scenario = asked_by(clients, cluster, faults);
        let has_symmetry = |scenario| {
            ClusterModel::new(scenario).expect("a cluster").up_to_symmetry().is_symmetric()
        };
        (has_symmetry(&scenario), scenario)
    };
    let (no, keys) = (Faults::default(), ALIKE[7]);
    let refused = |scenario: Scenario| {
        let model = ClusterModel::new(&scenario).expect("a cluster").up_to_symmetry();
        assert!(!model.is_symmetric(), "{}", scenario.to_toml());
    };
    for clients in [ALIKE[0], keys] {
        let (has_symmetry, scenario) = asked(clients, &cluster, no);
        assert!(has_symmetry);
        let of = |cluster: Cluster| Scenario { cluster, ..scenario.clone() };
        for durability in [Durability::Buffered, Durability::OneDurable] {
            refused(of(Cluster { durability, ..cluster }));
        }
        #[cfg(feature = "museum")]
        {
            use dynamo_protocol::policy::{Joiners, Policy};
            let policy = Policy { joiners: Joiners::OnTrust, ..Policy::default() };
            refused(of(Cluster { policy, ..cluster }));
        }
        let clock = Versioning::VectorClock { limit: None };
        refused(of(Cluster { versioning: clock, ..cluster }));
        refused(of(Cluster { versioning: Versioning::LastWriterWins, ..cluster }));
        refused(Scenario { schedule: Schedule::Sequential, ..scenario.clone() });
        refused(Scenario { faults: Faults { disk_losses: 1, ..no }, ..scenario.clone() });
    }
    let mut joins = Scenario::load(concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/join-put.toml"))
        .unwrap_or_else(|error| panic!("{error}"));
    joins.clients = vec![joins.clients[0].clone(); 2];
    refused(joins);
    // Keys have one where trees, tombstones and hints are looked through.
    let compared = Cluster { anti_entropy: Switch::On, ..cluster };
    let reaped = Cluster { reap: Switch::On, ..cluster };
    let sloppy = Cluster { quorum: Quorum::Sloppy, nodes: 3, ..cluster };
    for cluster in [&compared, &reaped, &sloppy] {
        assert!(asked(ALIKE[0], cluster, no).0 && !asked(keys, cluster, no).0, "{cluster:?}");
    }
    assert!(!asked(&[&["put a sloppy"], &["put b sloppy"]], &cluster, no).0);
    // Nor is anybody alike who does something else, or where somebody else uses what they exchange.
    let others: [&[&[&str]]; 5] = [
        &[&["put a@0"], &["put a@1"]],
        &[&["put a"], &["put-blind a"]],
        &[&["put a"], &["put a", "get a"]],
        &[&["put a", "get b"], &["put b", "get b"]],
        &[&["put a"], &["put b"], &["get a", "put a"]],
    ];
    for clients in others {
        assert!(!asked(clients, &cluster, no).0, "{clients:?}");
    }
}

/// Takes answers out of the network that somebody waits for.
fn bury_answers(state: &mut State) {
    state.network.retain(|envelope| !envelope.message.is_answer());
}

#[test]
fn a_message_that_matters_is_missed() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/lecture-322-concurrent.toml");
    let scenario = Scenario::load(file).unwrap_or_else(|error| panic!("{error}"));
    let whole = ClusterModel::new(&scenario).expect("a cluster").with_the_dead();
    let asked: Vec<Property> = whole.asked().collect();
    let bold = Bold { model: whole.clone(), next: all, after: bury_answers };
    let missed = found(&whole, &explored(&bold, &asked));
    assert_ne!(found(&whole, &explored(&whole, &asked)), missed);
}

/// Lets clients begin one after the other, as if all of them were alike.
fn begin_in_order(state: &State, mut actions: Vec<Action>) -> Vec<Action> {
    let has_begun = |client: usize| {
        let client = &state.run.clients[client];
        client.done > 0 || client.waiting.is_some()
    };
    actions.retain(|action| match action {
        Action::Call { client, .. } => (0..*client).all(has_begun),
        _ => true,
    });
    actions
}

#[test]
fn symmetry_that_is_not_there_is_caught() {
    let cluster = clusters()[0];
    let no = Faults::default();
    let lost = Faults { disk_losses: 1, ..no };
    let worlds: [(&[&[&str]], Faults); 5] = [
        // Sessions that are begun late are refused by who has lost its disk, but not the latest.
        (ALIKE[1], lost),
        (ALIKE[3], lost),
        (ALIKE[5], lost),
        (&[&["get a@1", "get a@0"], &["put a@0"]], no),
        (&[&["get a@1", "put a@1"], &["put a@0", "get a@1"]], no),
    ];
    for (clients, faults) in worlds {
        let is_caught = |whole: ClusterModel| {
            let asked: Vec<Property> = whole.asked().collect();
            let all = explored(&whole, &asked);
            let bold = explored(
                &Bold { model: whole.clone(), next: begin_in_order, after: nothing },
                &asked,
            );
            found(&whole, &all) != found(&whole, &bold)
        };
        assert!(passes(&asked_by(clients, &cluster, faults)).into_iter().any(is_caught));
    }
}

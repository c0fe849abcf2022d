//! Clients that are alike begin in one order.

use super::{Compared, explored, is_too_bold, passes};
use dynamo_models::scenario::{
    Cluster, Durability, Faults, Property, Quorum, ReadRepair, Scenario, Schedule, Step, Switch,
    Versioning,
};
use dynamo_models::theorems::Configuration;
use dynamo_models::world::{Action, ClusterModel, State};
use dynamo_protocol::ids::Key;

impl Compared {
    /// Explores both passes over a world, if they are small enough, whole and up to symmetry.
    fn compare_symmetry(&mut self, name: &str, scenario: &Scenario) {
        for whole in passes(scenario) {
            let reduced = whole.clone().up_to_symmetry();
            assert!(reduced.is_symmetric(), "{name}");
            // The whole cluster takes the steps: each counterexample is one of its own.
            self.compare(&whole, &reduced, &whole, |all, some| assert_eq!(all, some, "{name}"));
        }
    }
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
        let is_caught = |whole: ClusterModel| is_too_bold(&whole, begin_in_order, |_| ());
        assert!(passes(&asked_by(clients, &cluster, faults)).into_iter().any(is_caught));
    }
}

//! Two judges of what truly happened, written for two engines: the model's ghost, sets of puts in
//! each state, and the history that the simulator keeps. They watch the same runs of the same worlds,
//! and must say the same.

#![cfg(all(feature = "museum", feature = "pbs"))]

use dynamo::analysis::history::{Begun, History, Write};
use dynamo_models::check::{How, Verdict, check};
use dynamo_models::explore::Limits;
use dynamo_models::scenario::{Museum, Property, Scenario, Versioning};
use dynamo_models::world::{Action, ClusterModel, Host, Phase, Puts, State};
use dynamo_protocol::node::Node;
use dynamo_protocol::policy::Policy;
use dynamo_protocol::store::{Record, RecordKey};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng as _, SeedableRng as _};
use std::collections::BTreeMap;

/// What both judge.
const PROPERTIES: [Property; 6] = [
    Property::NoLostWrite,
    Property::NoFalseConcurrency,
    Property::ReadYourWrites,
    Property::MonotonicReads,
    Property::Regular,
    Property::NoResurrection,
];

/// Random runs of each world, and the most actions of one.
const RUNS: u64 = 12;
const MOST_ACTIONS: usize = 120;

/// What the history is not told, to see that it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Untold {
    Nothing,
    Reads,
    Acknowledgements,
    Releases,
    Reaps,
    Begins,
}

/// A run that is judged by both.
struct Watched {
    model: ClusterModel,
    /// The same, with the phases of all operations.
    phases: ClusterModel,
    untold: Untold,
}

/// What the history has been told, and whoever asked it.
struct Told {
    history: History,
    /// The write that each put is.
    writes: BTreeMap<usize, Write>,
    /// Of each client: when its request began, and of each key its own writes and what it read last.
    clients: Vec<Session>,
}

#[derive(Clone, Default)]
struct Session {
    begun: Begun,
    own: BTreeMap<usize, Vec<Write>>,
    read: BTreeMap<usize, Vec<Write>>,
}

/// How often the two said the same, and that something was wrong, of each property.
#[derive(Default, Debug)]
struct Compared {
    runs: u64,
    actions: u64,
    wrong: BTreeMap<Property, u64>,
}

impl Watched {
    fn new(scenario: &Scenario, untold: Untold) -> Watched {
        let expect = PROPERTIES.map(|property| (property, None)).to_vec();
        let scenario = Scenario { expect, ..scenario.clone() };
        let model = ClusterModel::new(&scenario).expect("a cluster");
        let expect = vec![(Property::Linearizable, None)];
        let phases = ClusterModel::new(&Scenario { expect, ..scenario }).expect("a cluster");
        Watched { model, phases: phases.with_history(), untold }
    }

    /// Follows a run: `next` takes one of the actions that are possible. Whether both agree; what is
    /// false for one of them, and at which action.
    fn follow(
        &self,
        next: &mut dyn FnMut(&[Action]) -> Option<Action>,
        compared: &mut Compared,
    ) -> Result<(), String> {
        let (mut state, mut phases) = (self.model.initial(), self.phases.initial());
        let mut told = Told::new(&self.model);
        let mut is_back = [false; 2];
        compared.runs += 1;
        while let Some(action) = next(&self.model.actions(&state)) {
            let (after, after_phases) =
                (self.model.step(&state, &action), self.phases.step(&phases, &action));
            let says = told.step(self, (&state, &action, &after), &after_phases);
            compared.actions += 1;
            for property in PROPERTIES {
                let (model, history) = (after.violated.has(property), says.contains(&property));
                let agree = match property {
                    // It stays away or comes back once; how often it is said to be there is open.
                    Property::NoResurrection => {
                        is_back = [is_back[0] | model, is_back[1] | history];
                        is_back[0] == is_back[1]
                    }
                    // The history counts copies, not what they come to: that is the same where no
                    // merge drops what is not covered.
                    Property::NoLostWrite if !self.merges_well() => model || !history,
                    _ => model == history,
                };
                if !agree {
                    return Err(format!("{property}: {model} but {history} after {action}"));
                }
                *compared.wrong.entry(property).or_default() += u64::from(model && history);
            }
            (state, phases) = (after, after_phases);
        }
        Ok(())
    }

    fn merges_well(&self) -> bool {
        let cluster = &self.model.scenario().cluster;
        cluster.versioning == Versioning::Dotted && cluster.policy == Policy::default()
    }

    /// What a node holds, copies and hints, and how many siblings each has.
    fn held(&self, host: &Host) -> BTreeMap<RecordKey, Vec<usize>> {
        let objects = host.disk().records().filter_map(|(name, record)| match record {
            Record::Object(object) => Some((name.clone(), object)),
            _ => None,
        });
        let put = |written| self.model.plan().put_of_request(written);
        objects
            .map(|(name, object)| {
                (name, object.siblings().filter_map(|written| put(written.by)).collect())
            })
            .collect()
    }
}

impl Told {
    fn new(model: &ClusterModel) -> Told {
        let sessions = model.plan().clients() + 1;
        Told {
            history: History::new(model.plan().keys().len()),
            writes: BTreeMap::new(),
            clients: vec![Session::default(); sessions],
        }
    }

    fn names(&self, puts: Puts) -> Vec<Write> {
        puts.iter().map(|put| self.writes[&put]).collect()
    }

    /// Takes one action, and says what is false.
    fn step(
        &mut self,
        run: &Watched,
        (before, action, after): (&State, &Action, &State),
        phases: &State,
    ) -> Vec<Property> {
        let (plan, then, now) = (run.model.plan(), &before.run.ghost, &after.run.ghost);
        if let Some((client, key)) = asks(&run.model, before, action) {
            let begun = self.history.begin(key as u32);
            if run.untold != Untold::Begins {
                self.clients[client].begun = begun;
            }
        }
        for put in now.called.without(then.called).iter() {
            let read =
                if run.untold == Untold::Reads { Puts::default() } else { now.overwrote(put) };
            let key = (0..plan.keys().len()).find(|&key| plan.puts_of(key).has(put));
            let write = self.history.call(key.expect("a key") as u32, &self.names(read));
            self.writes.insert(put, write);
        }
        self.change_disks(run, before, after);
        if run.untold != Untold::Reaps {
            self.names(now.reaped.without(then.reaped))
                .iter()
                .for_each(|it| self.history.reap(*it));
        }
        if run.untold != Untold::Acknowledgements {
            let acknowledged = self.names(now.acknowledged.without(then.acknowledged));
            acknowledged.iter().for_each(|write| self.history.acknowledge(*write));
        }
        let mut wrong = self.judge_stores(run, after);
        for client in 0..self.clients.len() {
            wrong.extend(self.judge_answer(run, client, (before, action, after), phases));
        }
        wrong
    }

    fn change_disks(&mut self, run: &Watched, before: &State, after: &State) {
        for (old, new) in before.nodes.iter().zip(&after.nodes).filter(|(old, new)| old != new) {
            let within = |host: &Host| match is_outside(host) {
                true => BTreeMap::new(),
                false => run.held(host),
            };
            let (old, new) = (within(old), within(new));
            let all = |held: &BTreeMap<RecordKey, Vec<usize>>, name| {
                held.get(name)
                    .into_iter()
                    .flatten()
                    .fold(Puts::default(), |all, &put| all.with(Puts::one(put)))
            };
            for name in new.keys().chain(old.keys().filter(|name| !new.contains_key(name))) {
                let (had, has) = (all(&old, name), all(&new, name));
                self.names(has.without(had)).iter().for_each(|write| self.history.hold(*write));
                if run.untold != Untold::Releases {
                    let gone = self.names(had.without(has));
                    gone.iter().for_each(|write| self.history.release(*write));
                }
            }
        }
    }

    fn judge_stores(&mut self, run: &Watched, after: &State) -> Vec<Property> {
        let mut wrong = Vec::new();
        let keys = 0..run.model.plan().keys().len();
        if keys.clone().any(|key| !self.history.clone().take_lost(key as u32).is_empty()) {
            wrong.push(Property::NoLostWrite);
        }
        let held = run.model.held(after);
        for key in keys {
            let all = self.names(held.shared(run.model.plan().puts_of(key)));
            if self.history.holds_replaced(key as u32)
                && !self.history.merged(key as u32, &all).is_empty()
            {
                wrong.push(Property::NoResurrection);
            }
        }
        let is_false = |puts: &Vec<usize>| {
            let mut writes: Vec<Write> = puts.iter().map(|put| self.writes[put]).collect();
            writes.sort_unstable();
            writes.dedup();
            writes.len() < puts.len() || self.history.has_order_within(&writes)
        };
        if after.nodes.iter().any(|host| run.held(host).values().any(is_false)) {
            wrong.push(Property::NoFalseConcurrency);
        }
        wrong
    }

    fn judge_answer(
        &mut self,
        run: &Watched,
        client: usize,
        (before, action, after): (&State, &Action, &State),
        phases: &State,
    ) -> Vec<Property> {
        let (plan, mut wrong) = (run.model.plan(), Vec::new());
        let (old, new) = (&before.run.clients[client], &after.run.clients[client]);
        if new.done > old.done {
            let step = usize::from(old.done);
            let waited = old.waiting.as_ref().map(|waiting| usize::from(waiting.key));
            let asked = || asks(&run.model, before, action).map(|(_, key)| key);
            let key = waited.or_else(asked).expect("who is answered has asked");
            let phase =
                phases.run.ghost.history.as_ref().expect("phases")[plan.operation(client, step)];
            let writes = |puts| self.names(puts);
            let session = &self.clients[client];
            match (phase.phase, plan.put(client, step)) {
                (Phase::Returned(puts), None) => {
                    let (returned, history) = (writes(puts), &self.history);
                    let none = Vec::new();
                    let covers = |of: &BTreeMap<usize, Vec<Write>>| {
                        history.covers(key as u32, &returned, of.get(&key).unwrap_or(&none))
                    };
                    let judged = [
                        (Property::ReadYourWrites, covers(&session.own)),
                        (Property::MonotonicReads, covers(&session.read)),
                        (
                            Property::Regular,
                            history.is_regular(key as u32, &session.begun, &returned),
                        ),
                    ];
                    wrong.extend(judged.iter().filter(|(_, holds)| !holds).map(|(what, _)| *what));
                    self.clients[client].read.insert(key, returned);
                }
                (Phase::Stored, Some(put)) => {
                    let write = self.writes[&put];
                    self.clients[client].own.entry(key).or_default().push(write);
                }
                _ => {}
            }
        }
        if new.session != old.session {
            self.clients[client] = Session::default();
        }
        wrong
    }
}

/// Who asks with this action, and for which key.
fn asks(model: &ClusterModel, before: &State, action: &Action) -> Option<(usize, usize)> {
    let plan = model.plan();
    match action {
        Action::Call { client, .. } => {
            let step = plan.step(*client, before.run.clients[*client].done.into())?;
            Some((*client, plan.key(step)))
        }
        Action::FinalRead { key, .. } => {
            Some((plan.clients(), plan.keys().iter().position(|other| other == key)?))
        }
        _ => None,
    }
}

/// Whether a node has left: nobody reads there any more.
fn is_outside(host: &Host) -> bool {
    host.up().is_some_and(|node: &Node<_>| !node.is_member())
}

/// The worlds of the suite and of the museum, broken and safe.
fn worlds() -> Vec<(String, Scenario)> {
    let folder = |name: &str| format!("{}/models/{name}", env!("CARGO_MANIFEST_DIR"));
    let mut worlds = Scenario::load_all(folder("scenarios")).expect("scenarios");
    for exhibit in Museum::load(folder("museum")).expect("a museum").worlds {
        worlds.push((format!("{} safe", exhibit.bug), exhibit.safe));
        worlds.push((format!("{} broken", exhibit.bug), exhibit.broken));
    }
    worlds
}

/// Random runs of a world; the first on which the two disagree.
fn random(scenario: &Scenario, untold: Untold, compared: &mut Compared) -> Result<(), String> {
    let watched = Watched::new(scenario, untold);
    (0..RUNS).try_for_each(|seed| {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut left = MOST_ACTIONS;
        let mut next = |actions: &[Action]| {
            left = left.checked_sub(1)?;
            let place = random.next_u64().checked_rem(actions.len() as u64)?;
            Some(actions[place as usize].clone())
        };
        watched.follow(&mut next, compared).map_err(|what| format!("seed {seed}, {what}"))
    })
}

#[test]
fn the_history_says_what_the_model_says() {
    let mut compared = Compared::default();
    for (name, scenario) in worlds() {
        random(&scenario, Untold::Nothing, &mut compared)
            .unwrap_or_else(|what| panic!("{name}: {what}"));
        // What breaks a promise is rare among random runs: the short ways are looked for.
        let limits = Limits { states: Some(3_000), ..Limits::default() };
        let expect = PROPERTIES.map(|property| (property, None)).to_vec();
        let asked = Scenario { expect, ..scenario.clone() };
        let report = check(&asked, &How::from(limits), &mut |_| true).expect("a cluster");
        let watched = Watched::new(&scenario, Untold::Nothing);
        for judgement in report.judgements {
            if let Verdict::Refuted(trace) = judgement.verdict {
                let mut left = trace.into_iter();
                let mut next = |_: &[Action]| left.next();
                watched
                    .follow(&mut next, &mut compared)
                    .unwrap_or_else(|what| panic!("{name}, {}: {what}", judgement.property));
            }
        }
    }
    println!("{compared:?}");
    assert!(PROPERTIES.iter().all(|property| compared.wrong[property] > 10), "{compared:?}");
}

#[test]
fn a_history_that_is_not_told_everything_says_something_else() {
    use Untold::{Acknowledgements, Begins, Reads, Reaps, Releases};
    let worlds = worlds();
    for untold in [Reads, Acknowledgements, Releases, Reaps, Begins] {
        let differs = |(_, scenario): &&(String, Scenario)| {
            random(scenario, untold, &mut Compared::default()).is_err()
        };
        let (name, _) = worlds.iter().find(differs).expect("it differs somewhere");
        println!("{untold:?}: {name}");
    }
}

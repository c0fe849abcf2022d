//! What a configuration promises, as a table of theorems: for each (N,R,W), kind of quorum and kind of
//! read repair, which properties hold within the bounds, and for each that does not, all minimal sets
//! of faults that are enough to break it.
//!
//! All configurations live in one small world ([`Configuration::scenario`]): one client writes a key
//! and reads it back at another replica, another reads it at two replicas; or in the three worlds that
//! lack one of the three gets ([`Configuration::worlds`]). Faults of any kind may
//! happen, up to a total. What was spent on faults is part of a state, so that one exploration
//! at the largest total answers for every smaller one too.

use crate::explore::{Limits, Progress, explore_frontier};
use crate::scenario::names::named;
use crate::scenario::{
    Cluster, Durability, Faults, Op, Property, Quorum, ReadRepair, Scenario, Schedule, Step,
    Switch, Tier, Versioning,
};
use crate::trace::{Trace, model_for};
use crate::world::{Action, ClusterModel, ModelError, Spent, State};
use dynamo_protocol::policy::Policy;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Configuration {
    /// Replicas of a key.
    pub n: u8,
    /// Replicas that a get waits for.
    pub r: u8,
    /// Replicas that a put waits for.
    pub w: u8,
    /// Whose answers count. Where it is sloppy there is a node beyond the key's top N.
    pub quorum: Quorum,
    /// What a get does about stale replicas.
    pub read_repair: ReadRepair,
}

/// The five rows of the lecture (N,R,W), before quorums and read repair.
pub const LECTURE: [(u8, u8, u8); 5] = [(3, 1, 1), (3, 1, 3), (3, 2, 2), (3, 3, 1), (3, 3, 3)];

/// The properties that the table speaks of.
pub const PROPERTIES: [Property; 8] = [
    Property::NoLostWrite,
    Property::ReadYourWrites,
    Property::MonotonicReads,
    Property::Regular,
    Property::Linearizable,
    Property::DurableF,
    Property::NoResurrection,
    Property::Converges,
];

/// A set of faults that is enough to break a property, while no part of it is.
#[derive(Clone, Debug)]
pub struct Way {
    /// How often each kind of fault happens.
    pub spent: Spent,
    /// A sequence of actions with just these faults: a shortest one, if no order of steps was left
    /// out, else one of which no single action can be left out.
    pub trace: Vec<Action>,
    /// Where that happens.
    pub world: Scenario,
}

named! {
    /// How many of the three gets of a world run together.
    pub enum Gets: "number of gets", later [] {
        /// Any two: three worlds, each without one of the gets, with a tenth of the states.
        Two = "2",
        /// All three, in one world.
        Three = "3",
    }
}

/// How hard to look.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Most faults, of all kinds together.
    pub most: u8,
    /// How many gets run together.
    pub gets: Gets,
    /// Whether orders of steps that make no difference are left out.
    pub reductions: Switch,
    /// Limits of each exploration.
    pub limits: Limits,
}

/// What was found of one property.
#[derive(Clone, Debug)]
pub struct Theorem {
    /// The property.
    pub property: Property,
    /// All ways to break it with at most [`Self::total`] faults; it holds within the bounds if there is
    /// none.
    pub ways: Vec<Way>,
    /// Up to how many faults the whole space was explored; `None` if not even without faults.
    pub total: Option<u8>,
}

/// A row of the table, worked out.
#[derive(Clone, Debug)]
pub struct Row {
    /// Of what.
    pub configuration: Configuration,
    /// One of each of [`PROPERTIES`], in that order.
    pub theorems: Vec<Theorem>,
    /// Unique states of all explorations.
    pub unique: u64,
    /// Time that they took.
    pub elapsed: Duration,
    /// The odds that a collision of hashes hid a state.
    pub odds: f64,
}

/// The rows that are always asked for: the lecture's five, strict and sloppy, with each read repair.
pub fn required() -> impl Iterator<Item = Configuration> {
    LECTURE.into_iter().flat_map(|(n, r, w)| {
        Quorum::ALL.iter().flat_map(move |&quorum| {
            ReadRepair::ALL.iter().map(move |&read_repair| Configuration {
                n,
                r,
                w,
                quorum,
                read_repair,
            })
        })
    })
}

impl Configuration {
    /// The world in which its theorems are found, with at most `total` faults.
    pub fn scenario(&self, total: u8) -> Scenario {
        let step = |op, contact: u8| Step {
            op,
            key: "k".into(),
            contact: Some(contact % self.n),
            quorum: None,
        };
        let nodes = match self.quorum {
            Quorum::Strict => self.n,
            Quorum::Sloppy => self.n + 1,
        };
        Scenario {
            title: format!("Theorems of {self}"),
            schedule: Schedule::Concurrent,
            tier: Tier::Default,
            f: 1,
            note: None,
            cluster: Cluster {
                nodes,
                n: self.n,
                r: self.r,
                w: self.w,
                quorum: self.quorum,
                versioning: Versioning::Dotted,
                read_repair: self.read_repair,
                handoff: Switch::On,
                anti_entropy: Switch::Off,
                durability: Durability::Durable,
                reap: Switch::Off,
                policy: Policy::default(),
            },
            clients: vec![
                vec![step(Op::Put, 0), step(Op::Get, 1)],
                vec![step(Op::Get, 1), step(Op::Get, 2)],
            ],
            membership: None,
            faults: Faults {
                crashes: total,
                drops: total,
                duplicates: total,
                timeouts: total,
                disk_losses: total,
                partitions: if nodes > 1 { total } else { 0 },
                total: Some(total),
            },
            reaches: Vec::new(),
            expect: PROPERTIES.iter().map(|&property| (property, None)).collect(),
        }
    }

    /// The worlds in which its theorems are found: the one with all three gets, or three, each with
    /// all but one of them.
    pub fn worlds(&self, total: u8, gets: Gets) -> Vec<Scenario> {
        let whole = self.scenario(total);
        let steps = whole.clients.iter().enumerate();
        let places =
            steps.flat_map(|(client, steps)| (0..steps.len()).map(move |step| (client, step)));
        let of_gets = places.filter(|&(client, step)| whole.clients[client][step].op == Op::Get);
        let without = |(client, step): (usize, usize)| {
            let mut world = whole.clone();
            let left_out = world.clients[client].remove(step);
            world.title = format!("{}, without c{client}'s {left_out}", whole.title);
            world
        };
        match gets {
            Gets::Three => vec![whole.clone()],
            Gets::Two => of_gets.map(without).collect(),
        }
    }

    /// Its theorems: first without faults, then with ever more, for as long as the limits allow.
    /// `report` is told now and then how it goes, and stops it by returning false.
    ///
    /// # Errors
    /// If there cannot be such a cluster.
    pub fn theorems(
        &self,
        effort: &Effort,
        report: &mut dyn FnMut(&Progress) -> bool,
    ) -> Result<Row, ModelError> {
        let mut row = Row {
            configuration: *self,
            theorems: Vec::new(),
            unique: 0,
            elapsed: Duration::ZERO,
            odds: 0.0,
        };
        for with_history in [false, true] {
            let judged =
                |property: &Property| (*property == Property::Linearizable) == with_history;
            let asked = PROPERTIES.into_iter().filter(judged);
            let mut theorems: Vec<Theorem> = asked.map(Theorem::unknown).collect();
            for total in 0..=effort.most {
                let models = self.models(total, effort.gets, with_history)?;
                let Some(found) = row.explore(&models, &theorems, effort, report) else { break };
                theorems.iter_mut().for_each(|theorem| theorem.learn(total, &found));
            }
            row.theorems.extend(theorems);
        }
        row.theorems.sort_by_key(|theorem| PROPERTIES.iter().position(|p| *p == theorem.property));
        Ok(row)
    }

    /// The worlds with at most `total` faults; with the history for `linearizable`, without for all
    /// else.
    fn models(
        &self,
        total: u8,
        gets: Gets,
        with_history: bool,
    ) -> Result<Vec<ClusterModel>, ModelError> {
        let model = |world| {
            let model = ClusterModel::new(&world)?;
            Ok(if with_history { model.with_history() } else { model })
        };
        self.worlds(total, gets).into_iter().map(model).collect()
    }
}

impl Row {
    /// Explores worlds, and says what was found of each property; nothing if a limit came first.
    /// What breaks without faults is not asked of further worlds.
    fn explore(
        &mut self,
        models: &[ClusterModel],
        theorems: &[Theorem],
        effort: &Effort,
        report: &mut dyn FnMut(&Progress) -> bool,
    ) -> Option<Vec<(Property, Way)>> {
        let mut found: Vec<(Property, Way)> = Vec::new();
        for whole in models {
            let needs_none = |property: Property| {
                found.iter().any(|(broken, way)| *broken == property && way.spent.total() == 0)
            };
            let asked = theorems.iter().map(|theorem| theorem.property);
            let asked: Vec<Property> = asked.filter(|&property| !needs_none(property)).collect();
            if asked.is_empty() {
                break;
            }
            let model = whole.clone();
            let model = if effort.reductions.is_on() { model.reduced() } else { model };
            let done = explore_frontier(&model, &asked, effort.limits, report);
            model.forget_steps();
            self.unique += done.progress.unique;
            self.elapsed += done.elapsed;
            self.odds += done.omission_odds();
            if done.hit_limit() {
                return None;
            }
            let refuted = done.refuted.into_iter();
            found.extend(
                refuted.map(|(property, trace)| (property, Way::of(whole, property, trace))),
            );
        }
        Some(found)
    }
}

impl Way {
    /// What a counterexample spends, and what it needs.
    fn of(whole: &ClusterModel, property: Property, trace: Vec<Action>) -> Way {
        let trace = shortened(whole, property, trace);
        let step = |state, action: &Action| whole.step(&state, action);
        let spent = trace.iter().fold(whole.initial(), step).spent;
        Way { spent, trace, world: whole.scenario().clone() }
    }

    /// The sequence with what each action does, as a counterexample to `property`.
    ///
    /// # Errors
    /// None, if the world is one in which it was found.
    pub fn counterexample(&self, property: Property) -> Result<Trace, ModelError> {
        let model = model_for(&self.world, Some(property))?;
        Ok(Trace::new(&model, Some(property), &self.trace))
    }
}

impl Theorem {
    fn unknown(property: Property) -> Theorem {
        Theorem { property, ways: Vec::new(), total: None }
    }

    /// Takes over what was found in all worlds: of each minimal set of faults the shortest way.
    fn learn(&mut self, total: u8, found: &[(Property, Way)]) {
        let mine = found.iter().filter(|(property, _)| *property == self.property);
        let mut ways: Vec<Way> = mine.map(|(_, way)| way.clone()).collect();
        ways.sort_by_key(|way| (way.spent.total(), way.trace.len()));
        self.ways.clear();
        for way in ways {
            if !self.ways.iter().any(|less| less.spent.is_within(way.spent)) {
                self.ways.push(way);
            }
        }
        self.total = Some(total);
    }
}

/// A counterexample without the actions that it does not need, each by itself.
fn shortened(model: &ClusterModel, property: Property, mut trace: Vec<Action>) -> Vec<Action> {
    // Whether agreement is out of reach would take a search after each of them.
    if property.is_about_continuations() {
        return trace;
    }
    let mut place = 0;
    while place < trace.len() {
        let mut shorter = trace.clone();
        let is_fault = shorter.remove(place).is_fault();
        match !is_fault && refutes(model, property, &shorter) {
            // What was needed only by what is gone now comes before it.
            true => (trace, place) = (shorter, 0),
            false => place += 1,
        }
    }
    trace
}

/// Whether these actions are possible one after the other, and the last leads into a state that
/// violates the property.
fn refutes(model: &ClusterModel, property: Property, trace: &[Action]) -> bool {
    let step = |state: State, action: &Action| {
        let possible = model.actions(&state).contains(action);
        possible.then(|| model.step(&state, action))
    };
    let last = trace.iter().try_fold(model.initial(), step);
    last.is_some_and(|state| state.violated.has(property))
}

impl fmt::Display for Configuration {
    /// `322-strict-async`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Configuration { n, r, w, quorum, read_repair } = self;
        write!(f, "{n}{r}{w}-{quorum}-{read_repair}")
    }
}

impl FromStr for Configuration {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || {
            format!("{text:?} is no configuration; write NRW-QUORUM-REPAIR, as in 322-sloppy-async")
        };
        let [sizes, quorum, read_repair] = text.split('-').collect::<Vec<_>>()[..] else {
            return Err(bad());
        };
        let digit = |c: char| c.to_digit(10).and_then(|digit| u8::try_from(digit).ok());
        let sizes: Option<Vec<u8>> = sizes.chars().map(digit).collect();
        let Some([n, r, w]) = sizes.as_deref() else { return Err(bad()) };
        let (Ok(quorum), Ok(read_repair)) = (quorum.parse(), read_repair.parse()) else {
            return Err(bad());
        };
        let configuration = Configuration { n: *n, r: *r, w: *w, quorum, read_repair };
        configuration.scenario(0).cluster.check().map_err(|problem| problem.to_string())?;
        Ok(configuration)
    }
}

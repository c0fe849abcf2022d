//! What a configuration promises, as a table of theorems: for each (N,R,W), kind of quorum and kind of
//! read repair, which properties hold within the bounds, and for each that does not, all minimal sets
//! of faults that are enough to break it.
//!
//! All configurations live in one small world ([`Configuration::scenario`]): one client writes a key
//! and reads it back at another replica, another reads it at two replicas. Faults of any kind may
//! happen, up to a total. What was spent on faults is part of a state, so that one exploration
//! at the largest total answers for every smaller one too.

use crate::explore::{Exploration, Limits, Progress, explore_frontier};
use crate::scenario::{
    Cluster, Durability, Faults, Op, Property, Quorum, ReadRepair, Scenario, Schedule, Step,
    Switch, Tier, Versioning,
};
use crate::world::{Action, ClusterModel, ModelError, Spent};
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

/// The sources of the core and of this crate, hashed: what other sources have found may be wrong.
pub const SOURCES: &str = env!("DYNAMO_SOURCES");

/// A set of faults that is enough to break a property, while no part of it is.
#[derive(Clone, Debug)]
pub struct Way {
    /// How often each kind of fault happens.
    pub spent: Spent,
    /// A shortest sequence of actions with just these faults.
    pub trace: Vec<Action>,
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

    /// Its theorems for up to `most` faults: first without faults, then with ever more, for as long as
    /// `limits` allow. `report` is told now and then how it goes, and stops it by returning false.
    ///
    /// # Errors
    /// If there cannot be such a cluster.
    pub fn theorems(
        &self,
        most: u8,
        limits: Limits,
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
            let asked: Vec<Property> = self.model(0, with_history)?.asked().collect();
            let mut theorems: Vec<Theorem> = asked.iter().copied().map(Theorem::unknown).collect();
            for total in 0..=most {
                let model = self.model(total, with_history)?;
                let done = explore_frontier(&model, &asked, limits, report);
                row.unique += done.progress.unique;
                row.elapsed += done.elapsed;
                row.odds += done.omission_odds();
                if done.hit_limit() {
                    break;
                }
                theorems.iter_mut().for_each(|theorem| theorem.learn(total, &model, &done));
            }
            row.theorems.extend(theorems);
        }
        row.theorems.sort_by_key(|theorem| PROPERTIES.iter().position(|p| *p == theorem.property));
        Ok(row)
    }

    /// The world with at most `total` faults; with the history for `linearizable`, without for all else.
    fn model(&self, total: u8, with_history: bool) -> Result<ClusterModel, ModelError> {
        let model = ClusterModel::new(&self.scenario(total))?;
        Ok(if with_history { model.with_history() } else { model })
    }
}

impl Theorem {
    fn unknown(property: Property) -> Theorem {
        Theorem { property, ways: Vec::new(), total: None }
    }

    /// Takes over what an exploration of the whole space has found.
    fn learn(&mut self, total: u8, model: &ClusterModel, done: &Exploration<Action>) {
        let mine = done.refuted.iter().filter(|(property, _)| *property == self.property);
        let way = |(_, trace): &(Property, Vec<Action>)| {
            let step = |state, action: &Action| model.step(&state, action);
            let spent = trace.iter().fold(model.initial(), step).spent;
            Way { spent, trace: trace.clone() }
        };
        self.ways = mine.map(way).collect();
        self.ways.sort_by_key(|way| (way.spent.total(), way.trace.len()));
        self.total = Some(total);
    }
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

//! A scenario's verdicts.

use crate::SOURCES;
use crate::explore::{
    Checkpoint, CheckpointError, Coverage, Exploration, Limits, Marks, Progress, Stopped, explore,
    explore_depth_first, explore_kept,
};
use crate::scenario::{Expectation, Mechanism, Property, Scenario, Switch};
use crate::world::{Action, ClusterModel, Kind, ModelError};
use std::path::PathBuf;
use std::time::Duration;

/// What the exploration says of one property. Nothing is ever proved: `Holds` speaks of the stated
/// bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// True at every state within the bounds.
    Holds,
    /// False after these actions; after no shorter sequence if our own engine says so.
    Refuted(Vec<Action>),
    /// A limit came first.
    Inconclusive,
}

/// One property's verdict beside what the scenario expects.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// The property.
    pub property: Property,
    /// What was found.
    pub verdict: Verdict,
    /// What the scenario expects, if it says.
    pub expected: Option<Expectation>,
}

/// What a check found.
#[derive(Clone, Debug)]
pub struct Report {
    /// The cluster that was explored.
    pub model: ClusterModel,
    /// The exploration that judged all properties but `linearizable`, if any was asked.
    pub main: Option<Exploration<Action>>,
    /// The pass of its own that judged `linearizable`, if asked: its states carry the history.
    pub history: Option<Exploration<Action>>,
    /// The verdicts on what the engine can judge, in the order of the scenario.
    pub judgements: Vec<Judgement>,
}

/// How to check.
#[derive(Clone, Debug)]
pub struct How {
    /// Whether what makes no difference is left out, where that is sound: which of several clients that
    /// are alike is which ([`ClusterModel::up_to_symmetry`]), and messages that can never matter again
    /// ([`ClusterModel::with_the_dead`]).
    pub reductions: Switch,
    /// Limits of each pass.
    pub limits: Limits,
    /// A folder in which explorations are kept, to go on with them later; nowhere if there is none.
    pub checkpoints: Option<PathBuf>,
}

impl Default for How {
    fn default() -> How {
        How { reductions: Switch::On, limits: Limits::default(), checkpoints: None }
    }
}

impl From<Limits> for How {
    fn from(limits: Limits) -> How {
        How { limits, ..How::default() }
    }
}

/// Why a scenario cannot be checked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// There is no such cluster.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// What was kept cannot be read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A checker of Stateright was given a limit of memory.
    #[error("Stateright does not tell how much memory it takes: limit its states or its time")]
    Memory,
}

/// How a check ended, in the order of precedence of exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// Every verdict is as expected, or nothing was expected of it.
    AsExpected,
    /// Some verdict is inconclusive.
    Inconclusive,
    /// Some verdict differs from what is expected.
    Different,
}

/// Checks a scenario: explores its whole space, unless a limit comes first or every property asked
/// is refuted.
///
/// # Errors
/// If the scenario's cluster cannot be built, or a checkpoint cannot be read.
pub fn check(
    scenario: &Scenario,
    how: &How,
    report: &mut dyn FnMut(&Progress) -> bool,
) -> Result<Report, CheckError> {
    let pass = |model: &ClusterModel, asked: &[Property]| match &how.checkpoints {
        None => Ok(explore(model, asked, how.limits, report)),
        Some(folder) => {
            let checkpoint = Checkpoint::new(folder, &key(model, asked));
            Ok(explore_kept(model, asked, how.limits, &checkpoint, report)?)
        }
    };
    check_by(scenario, how.reductions, |_| true, pass)
}

/// The same depth-first, in less memory: counterexamples are not the shortest, `converges` is not
/// judged, and nothing is kept.
///
/// # Errors
/// If the scenario's cluster cannot be built.
pub fn check_depth_first(
    scenario: &Scenario,
    how: &How,
    report: &mut dyn FnMut(&Progress) -> bool,
) -> Result<Report, CheckError> {
    let pass = |model: &ClusterModel, asked: &[Property]| {
        Ok(explore_depth_first(model, asked, how.limits, report))
    };
    check_by(scenario, how.reductions, can_judge_depth_first, pass)
}

/// Whether a property can be judged without the graph of all steps.
pub fn can_judge_depth_first(property: Property) -> bool {
    property != Property::Converges
}

/// What an exploration depends on.
fn key(model: &ClusterModel, asked: &[Property]) -> String {
    let (scenario, variant) = (model.scenario().content_hash(), model.variant());
    format!("{SOURCES} {scenario} {asked:?} {variant:?}")
}

/// Checks a scenario by an engine that can judge some of the properties; `pass` explores one model
/// for them.
pub(crate) fn check_by(
    scenario: &Scenario,
    reductions: Switch,
    can_judge: impl Fn(Property) -> bool,
    mut pass: impl FnMut(&ClusterModel, &[Property]) -> Result<Exploration<Action>, CheckError>,
) -> Result<Report, CheckError> {
    let model = ClusterModel::new(scenario)?;
    let model = if reductions.is_on() { model.up_to_symmetry() } else { model.with_the_dead() };
    let mut pass = |model: &ClusterModel| {
        let asked: Vec<Property> = model.asked().filter(|&asked| can_judge(asked)).collect();
        (!asked.is_empty()).then(|| pass(model, &asked)).transpose()
    };
    let main = pass(&model)?;
    let history = pass(&model.clone().with_history())?;
    let judge = |&(property, expected): &(Property, Option<Expectation>)| {
        let linearizable = property == Property::Linearizable;
        let exploration = if linearizable { &history } else { &main };
        Judgement { property, verdict: verdict(exploration.as_ref(), property), expected }
    };
    let judged = scenario.expect.iter().filter(|(property, _)| can_judge(*property));
    let judgements = judged.map(judge).collect();
    model.forget_steps();
    Ok(Report { model, main, history, judgements })
}

fn verdict(exploration: Option<&Exploration<Action>>, property: Property) -> Verdict {
    match exploration {
        Some(done) => match done.trace(property) {
            Some(trace) => Verdict::Refuted(trace.to_vec()),
            None if done.hit_limit() => Verdict::Inconclusive,
            None => Verdict::Holds,
        },
        None => Verdict::Inconclusive,
    }
}

impl Verdict {
    /// Its name.
    pub fn name(&self) -> &'static str {
        match self {
            Verdict::Holds => "holds",
            Verdict::Refuted(_) => "refuted",
            Verdict::Inconclusive => "inconclusive",
        }
    }
}

impl Judgement {
    /// How the verdict compares with what is expected.
    pub fn outcome(&self) -> Outcome {
        match (&self.verdict, self.expected) {
            (Verdict::Inconclusive, _) => Outcome::Inconclusive,
            (_, None)
            | (Verdict::Holds, Some(Expectation::Holds))
            | (Verdict::Refuted(_), Some(Expectation::Refuted)) => Outcome::AsExpected,
            _ => Outcome::Different,
        }
    }
}

impl Report {
    /// How the check ended.
    pub fn outcome(&self) -> Outcome {
        let reached = match self.unreached().next() {
            None => Outcome::AsExpected,
            Some(_) if self.limited_by().is_some() => Outcome::Inconclusive,
            Some(_) => Outcome::Different,
        };
        self.judgements.iter().map(Judgement::outcome).fold(reached, Ord::max)
    }

    /// The mechanisms that were reached somewhere in the space.
    pub fn reached(&self) -> impl Iterator<Item = Mechanism> {
        let marks = self.marks();
        Mechanism::ALL.iter().copied().filter(move |&it| marks.has(it as u32))
    }

    /// The mechanisms that the scenario demands and that were not reached. Where everything is
    /// refuted nothing is said to hold, and not all was explored.
    pub fn unreached(&self) -> impl Iterator<Item = Mechanism> {
        let marks = self.marks();
        let claims = self.passes().any(|pass| pass.stopped != Some(Stopped::AllRefuted));
        let demanded = self.model.scenario().reaches.iter().copied();
        demanded.filter(move |&it| claims && !marks.has(it as u32))
    }

    fn marks(&self) -> Marks {
        self.passes().fold(Marks::default(), |all, pass| all.with(pass.marks))
    }

    /// The steps of each kind, in both passes. [`Kind`] has the numbers.
    pub fn coverage(&self) -> Coverage {
        self.passes().fold(Coverage::default(), |all, pass| all.with(pass.coverage))
    }

    /// The kinds of action that the scenario leaves room for and that were never taken.
    pub fn never_taken(&self) -> impl Iterator<Item = Kind> {
        let coverage = self.coverage();
        self.allowed().filter(move |&kind| coverage.of(kind as u8).steps == 0)
    }

    /// The kinds of action that the scenario leaves room for.
    pub fn allowed(&self) -> impl Iterator<Item = Kind> {
        Kind::ALL.iter().copied().filter(|kind| kind.is_allowed(self.model.scenario()))
    }

    /// Both passes together.
    pub fn passes(&self) -> impl Iterator<Item = &Exploration<Action>> {
        self.main.iter().chain(&self.history)
    }

    /// Unique states of both passes.
    pub fn unique(&self) -> u64 {
        self.passes().map(|pass| pass.progress.unique).sum()
    }

    /// States generated in both passes.
    pub fn generated(&self) -> u64 {
        self.passes().map(|pass| pass.progress.generated).sum()
    }

    /// The deepest layer of either pass.
    pub fn depth(&self) -> u32 {
        self.passes().map(|pass| pass.progress.depth).max().unwrap_or(0)
    }

    /// Wall time of both passes.
    pub fn elapsed(&self) -> Duration {
        self.passes().map(|pass| pass.elapsed).sum()
    }

    /// Why what was explored could not be kept on disk, if it was to be.
    pub fn unkept(&self) -> Option<&str> {
        self.passes().find_map(|pass| pass.unkept.as_deref())
    }

    /// The limit, or the interruption, that came before the end of the space, if one did.
    pub fn limited_by(&self) -> Option<&'static str> {
        let limited = self.passes().find(|pass| pass.hit_limit())?;
        limited.stopped.map(Stopped::reason)
    }
}

/// What no scenario can ask yet, so that no verdict speaks of it.
pub const NEVER_COVERED: &str = "clocks that disagree (but for the museum's `clock`), requests and answers lost or repeated between client and node";

impl Report {
    /// The cluster under which a property was judged: `linearizable` has a pass of its own.
    pub fn model_of(&self, property: Property) -> ClusterModel {
        let model = self.model.clone();
        if property == Property::Linearizable { model.with_history() } else { model }
    }

    /// What the exploration was bounded by, as a sentence.
    pub fn bounds(&self) -> String {
        let scenario = self.model.scenario();
        let faults = scenario.faults;
        let steps: usize = scenario.clients.iter().map(Vec::len).sum();
        let changes = scenario.membership.as_ref().map_or(String::new(), |membership| {
            let orders: usize = membership.operators.iter().map(Vec::len).sum();
            let pairs: Vec<String> = membership.gossips.iter().map(ToString::to_string).collect();
            let gossips = match pairs.is_empty() {
                true => "gossips begun by all".into(),
                false => format!("gossips begun {} only", pairs.join(" ")),
            };
            format!(", {orders} orders of operators, {gossips}, one at a time")
        });
        let together = faults.total.map(|total| format!(", {total} faults of all kinds together"));
        let together = together.unwrap_or_default();
        let left_out = self.model.leaves_out();
        format!(
            "{} nodes, {} keys, {} clients with {steps} steps and one final read, {} crashes, \
             {} drops, {} duplicates, {} premature timeouts, {} lost disks, {} partitions\
             {together}{changes}{left_out}",
            scenario.cluster.nodes,
            self.model.plan().keys().len(),
            scenario.clients.len(),
            faults.crashes,
            faults.drops,
            faults.duplicates,
            faults.timeouts,
            faults.disk_losses,
            faults.partitions,
        )
    }

    /// The kinds of fault that the scenario gives no budget, so that they cannot happen.
    pub fn excluded(&self) -> Vec<&'static str> {
        let scenario = self.model.scenario();
        let faults = scenario.faults;
        let changes = u8::from(scenario.membership.is_some());
        let kinds = [
            ("crashes", faults.crashes),
            ("drops", faults.drops),
            ("duplicates", faults.duplicates),
            ("premature timeouts", faults.timeouts),
            ("lost disks", faults.disk_losses),
            ("partitions", faults.partitions),
            ("changes of the layout", changes),
        ];
        kinds.into_iter().filter(|(_, budget)| *budget == 0).map(|(kind, _)| kind).collect()
    }

    /// The question: cluster, preference lists, scripts, bounds.
    pub fn header(&self) -> String {
        let scenario = self.model.scenario();
        let cluster = &scenario.cluster;
        let mut lines = vec![
            scenario.title.clone(),
            format!(
                "cluster   {} nodes, (N,R,W) = ({},{},{}), {} quorum, {}, read repair {}{}",
                cluster.nodes,
                cluster.n,
                cluster.r,
                cluster.w,
                cluster.quorum,
                cluster.versioning.name(),
                cluster.read_repair,
                cluster.unusual(),
            ),
        ];
        for key in self.model.plan().keys() {
            let list = self.model.config().ring().preference_list(key);
            let names = |nodes: &[dynamo_protocol::ids::NodeId]| {
                nodes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
            };
            let fallbacks = match list.fallbacks().collect::<Vec<_>>().as_slice() {
                [] => String::new(),
                nodes => format!(", fallbacks {}", names(nodes)),
            };
            lines.push(format!("key       {key}: {}{fallbacks}", names(list.primaries())));
        }
        for (client, steps) in scenario.clients.iter().enumerate() {
            let steps: Vec<String> = steps.iter().map(ToString::to_string).collect();
            lines.push(format!("client    c{client}: {}", steps.join(", ")));
        }
        if let Some(membership) = &scenario.membership {
            let founders = membership.founders;
            lines.push(format!("members   the first {founders} of the nodes"));
            for (operator, orders) in membership.operators.iter().enumerate() {
                let orders: Vec<String> = orders.iter().map(ToString::to_string).collect();
                lines.push(format!("operator  {operator}: {}", orders.join(", ")));
            }
        }
        lines.push(format!("bounds    {}", self.bounds()));
        lines.push(format!("excluded  {}", self.excluded().join(", ")));
        if let Some(note) = &scenario.note {
            lines.push(format!("note      {}", note.trim()));
        }
        lines.join("\n")
    }
}

//! Reports as a table, as text and as JSON.

use super::{Checked, Engine, Named, coverage};
use dynamo::report::Sheet;
use dynamo_models::check::{Judgement, Outcome, Report, Verdict};
use dynamo_models::explore::Progress;
use dynamo_models::scenario::{Mechanism, Property};
use dynamo_models::trace::{Trace, text};
use dynamo_models::world::Action;
use serde_json::json;

/// The table; the counterexamples too, if there is only one scenario or they surprise.
pub(super) fn text(reports: &[Checked], engine: Engine) -> String {
    let header = match reports {
        [(_, report)] => format!("{}\n\n", report.header()),
        _ => String::new(),
    };
    let (table, legend) = (sheet(reports).text(), legend(engine));
    let mut text = format!("{header}{table}\n\n{legend}\n{}\n", summary(reports));
    for (named, report) in reports {
        text.extend(reservations(named, report).map(|line| line + "\n"));
        if let [_] = reports {
            text += &format!("Reached on the way: {}.\n", names(report.reached()));
            text += &agreement(report);
        }
        counterexamples(named, report, reports.len() == 1, &mut text);
    }
    text
}

/// Why a scenario's verdicts are to be taken with care, if they are.
pub(in crate::cli) fn reservations(named: &Named, report: &Report) -> impl Iterator<Item = String> {
    let (name, unreached) = (&named.name, names(report.unreached()));
    let limited =
        report.limited_by().map(|limit| format!("{name}: inconclusive, {limit} came first"));
    let empty = (!unreached.is_empty())
        .then(|| format!("{name}: NOT REACHED: {unreached}; what holds may be empty"));
    limited.into_iter().chain(empty)
}

fn names(mechanisms: impl Iterator<Item = Mechanism>) -> String {
    mechanisms.map(Mechanism::name).collect::<Vec<_>>().join(", ")
}

/// In how many states the replicas agree, that a verdict on `converges` is not empty.
fn agreement(report: &Report) -> String {
    let asked = report.judgements.iter().any(|one| one.property == Property::Converges);
    let Some(pass) = report.main.as_ref().filter(|_| asked) else { return String::new() };
    let Progress { agreed, agreed_on_something, .. } = pass.progress;
    format!("The replicas agree in {agreed} states, in {agreed_on_something} on something.\n")
}

/// The columns before those of the properties.
pub(in crate::cli) const COUNTS: [&str; 4] = ["scenario", "states", "depth", "seconds"];

/// One line a scenario, one column a property.
pub(in crate::cli) fn sheet(reports: &[Checked]) -> Sheet {
    let properties = Property::ALL.iter().map(|&property| column(property));
    let head: Vec<_> = COUNTS.into_iter().chain(properties).collect();
    let row = |(named, report): &Checked| {
        let counts = [
            named.name.clone(),
            report.unique().to_string(),
            report.depth().to_string(),
            format!("{:.1}", report.elapsed().as_secs_f64()),
        ];
        let verdicts = Property::ALL.iter().map(|&property| cell(report, property));
        counts.into_iter().chain(verdicts).collect()
    };
    Sheet { rows: reports.iter().map(row).collect(), numbers: 1..head.len(), head }
}

/// A property's column.
pub(crate) fn column(property: Property) -> &'static str {
    match property {
        Property::NoLostWrite => "lost",
        Property::UniqueDots => "dots",
        Property::NoFalseConcurrency => "false",
        Property::BoundedSiblings => "sibl",
        Property::ReadYourWrites => "ryw",
        Property::MonotonicReads => "mono",
        Property::Regular => "reg",
        Property::Linearizable => "lin",
        Property::DurableF => "dur",
        Property::NoResurrection => "res",
        Property::Converges => "conv",
        Property::AvailableWrites => "avw",
        Property::AvailableReads => "avr",
    }
}

/// What the columns and cells mean.
pub(in crate::cli) fn legend(engine: Engine) -> String {
    let names = Property::ALL.iter().map(|&p| format!("{} {p}", column(p)));
    let names = names.collect::<Vec<_>>().join(", ");
    let (which, unasked) = match engine {
        Engine::Dynamo => ("the shortest counterexample has so many steps", ""),
        _ => ("the counterexample that was met, seldom a shortest, has so many steps", " here"),
    };
    let mut legend = format!(
        "{names}\nholds: within the bounds of the scenario; a number: REFUTED, {which};\n\
         ?: inconclusive, a limit came first; -: not asked{unasked}; !: not what the scenario expects"
    );
    if engine != Engine::Dynamo {
        let beyond = Property::ALL.iter().filter(|&&property| !engine.can_judge(property));
        let beyond = beyond.map(|property| property.name()).collect::<Vec<_>>().join(", ");
        legend += &format!("\nEngine {}: {beyond} not judged by it", engine.name());
    }
    legend
}

fn cell(report: &Report, property: Property) -> String {
    let Some(judgement) = report.judgements.iter().find(|j| j.property == property) else {
        return "-".into();
    };
    let surprise = if judgement.outcome() == Outcome::Different { "!" } else { "" };
    match &judgement.verdict {
        Verdict::Holds => format!("holds{surprise}"),
        Verdict::Refuted(trace) => format!("{}{surprise}", trace.len()),
        Verdict::Inconclusive => "?".into(),
    }
}

pub(in crate::cli) fn summary(reports: &[Checked]) -> String {
    let judgements = || reports.iter().flat_map(|(_, report)| &report.judgements);
    let count = |outcome| judgements().filter(|j| j.outcome() == outcome).count();
    let states: u64 = reports.iter().map(|(_, report)| report.unique()).sum();
    let odds: f64 = reports.iter().flat_map(|(_, r)| r.passes()).map(|p| p.omission_odds()).sum();
    format!(
        "{} scenarios, {states} states, {} verdicts: {} as expected or not foretold, {} different, \
         {} inconclusive.\nThe odds that a hash collision hid a state: {odds:.0e}. \
         Not covered: {}.",
        reports.len(),
        judgements().count(),
        count(Outcome::AsExpected),
        count(Outcome::Different),
        count(Outcome::Inconclusive),
        dynamo_models::check::NEVER_COVERED,
    )
}

/// The counterexamples, each with what it refutes: properties with the same trace share one.
pub(in crate::cli) fn refuted(report: &Report) -> Vec<(&[Action], Vec<&Judgement>)> {
    let mut found: Vec<(&[Action], Vec<&Judgement>)> = Vec::new();
    for judgement in &report.judgements {
        let Verdict::Refuted(actions) = &judgement.verdict else { continue };
        match found.iter_mut().find(|(known, _)| known == actions) {
            Some((_, judgements)) => judgements.push(judgement),
            None => found.push((actions, vec![judgement])),
        }
    }
    found
}

/// Adds counterexamples: of every refuted property, or only of those that surprise.
fn counterexamples(named: &Named, report: &Report, all: bool, out: &mut String) {
    for (actions, judgements) in refuted(report) {
        let is_shown = |one: &&&Judgement| all || one.outcome() == Outcome::Different;
        let Some(judgement) = judgements.iter().find(is_shown) else { continue };
        let model = report.model_of(judgement.property);
        let trace = text::text(&Trace::new(&model, Some(judgement.property), actions));
        *out += &format!("\n{}: {}\n{trace}\n", named.name, judgement.property);
    }
}

/// One line of `--json`.
pub(super) fn json(name: &str, report: &Report, engine: Engine) -> serde_json::Value {
    let property = |judgement: &Judgement| {
        let mut object = json!({
            "name": judgement.property.name(),
            "verdict": judgement.verdict.name(),
            "expected": judgement.expected.map(|expected| expected.name()),
        });
        if let Verdict::Refuted(trace) = &judgement.verdict {
            object["steps"] = trace.len().into();
            object["shortest"] = (engine == Engine::Dynamo).into();
        }
        object
    };
    let scenario = report.model.scenario();
    let unasked = scenario.expect.iter().filter(|(property, _)| !engine.can_judge(*property));
    let progress = report.main.as_ref().map(|pass| pass.progress).unwrap_or_default();
    json!({
        "scenario": name,
        "engine": engine.name(),
        "title": scenario.title,
        "content_hash": scenario.content_hash(),
        "unique": report.unique(),
        "generated": report.generated(),
        "depth": report.depth(),
        "limited_by": report.limited_by(),
        "seconds": report.elapsed().as_secs_f64(),
        "bounds": report.bounds(),
        "excluded": report.excluded(),
        "reached": report.reached().map(Mechanism::name).collect::<Vec<_>>(),
        "agreed": progress.agreed,
        "agreed_on_something": progress.agreed_on_something,
        "unreached": report.unreached().map(Mechanism::name).collect::<Vec<_>>(),
        "coverage": (!engine.is_stateright()).then(|| coverage::json(report)),
        "not_asked_of_engine": unasked.map(|(property, _)| property.name()).collect::<Vec<_>>(),
        "properties": report.judgements.iter().map(property).collect::<Vec<_>>(),
    })
}

//! Reports as a table, as text and as JSON.

use super::Named;
use comfy_table::{ContentArrangement, Table, presets};
use dynamo_models::check::{Judgement, Outcome, Report, Verdict};

use dynamo_models::trace::{Trace, text};
use serde_json::json;

/// The table; the counterexamples too, if there is only one scenario or they surprise.
pub(super) fn text(reports: &[(&Named, Report)]) -> String {
    let header = match reports {
        [(_, report)] => format!("{}\n\n", report.header()),
        _ => String::new(),
    };
    let mut text = format!("{header}{}\n{}\n", table(reports), summary(reports));
    for (named, report) in reports {
        counterexamples(named, report, reports.len() == 1, &mut text);
    }
    text
}

fn table(reports: &[(&Named, Report)]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(WIDTH);
    table.set_header(["scenario", "states", "depth", "seconds", "verdicts"]);
    for (named, report) in reports {
        table.add_row([
            named.name.clone(),
            report.unique().to_string(),
            report.depth().to_string(),
            format!("{:.1}", report.elapsed().as_secs_f64()),
            verdicts(report),
        ]);
    }
    for column in 1..4 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(comfy_table::CellAlignment::Right);
        }
    }
    table
}

/// Columns of a table: it must look the same in a file as on a wide terminal.
const WIDTH: u16 = 110;

/// The verdicts of a scenario, grouped.
fn verdicts(report: &Report) -> String {
    let mut lines = Vec::new();
    for (name, title) in
        [("holds", "holds"), ("refuted", "REFUTED"), ("inconclusive", "inconclusive")]
    {
        let members = report.judgements.iter().filter(|j| j.verdict.name() == name);
        let names: Vec<String> = members.map(cell).collect();
        if !names.is_empty() {
            lines.push(format!("{title}: {}", names.join(", ")));
        }
    }
    lines.join("\n")
}

fn cell(judgement: &Judgement) -> String {
    let steps = match &judgement.verdict {
        Verdict::Refuted(trace) => format!(" in {}", trace.len()),
        _ => String::new(),
    };
    let surprise = if judgement.outcome() == Outcome::Different { " (UNEXPECTED)" } else { "" };
    format!("{}{steps}{surprise}", judgement.property)
}

fn summary(reports: &[(&Named, Report)]) -> String {
    let judgements = || reports.iter().flat_map(|(_, report)| &report.judgements);
    let count = |outcome| judgements().filter(|j| j.outcome() == outcome).count();
    let states: u64 = reports.iter().map(|(_, report)| report.unique()).sum();
    let odds: f64 = reports.iter().flat_map(|(_, r)| r.passes()).map(|p| p.omission_odds()).sum();
    format!(
        "{} scenarios, {states} states, {} verdicts: {} as expected or not foretold, {} different, \
         {} inconclusive.\n\"holds\" means: no counterexample within the bounds of the scenario \
         (odds that a hash collision hid a state: {odds:.0e}).\nNot covered: {}.",
        reports.len(),
        judgements().count(),
        count(Outcome::AsExpected),
        count(Outcome::Different),
        count(Outcome::Inconclusive),
        dynamo_models::check::NEVER_COVERED,
    )
}

/// Adds shortest counterexamples: of every refuted property, or only of those that surprise.
/// Properties with the same trace share one.
fn counterexamples(named: &Named, report: &Report, all: bool, out: &mut String) {
    let mut shown = Vec::new();
    for judgement in &report.judgements {
        let Verdict::Refuted(actions) = &judgement.verdict else { continue };
        if shown.contains(&actions) || !(all || judgement.outcome() == Outcome::Different) {
            continue;
        }
        shown.push(actions);
        let model = report.model_of(judgement.property);
        let trace = text::text(&Trace::new(&model, Some(judgement.property), actions));
        *out += &format!("\n{}: {}\n{trace}\n", named.name, judgement.property);
    }
}

/// One line of `--json`.
pub(super) fn json(name: &str, report: &Report) -> serde_json::Value {
    let property = |judgement: &Judgement| {
        let mut object = json!({
            "name": judgement.property.name(),
            "verdict": judgement.verdict.name(),
            "expected": judgement.expected.map(|expected| expected.name()),
        });
        if let Verdict::Refuted(trace) = &judgement.verdict {
            object["steps"] = trace.len().into();
        }
        object
    };
    let scenario = report.model.scenario();
    json!({
        "scenario": name,
        "title": scenario.title,
        "content_hash": scenario.content_hash(),
        "unique": report.unique(),
        "generated": report.generated(),
        "depth": report.depth(),
        "seconds": report.elapsed().as_secs_f64(),
        "bounds": report.bounds(),
        "excluded": report.excluded(),
        "properties": report.judgements.iter().map(property).collect::<Vec<_>>(),
    })
}

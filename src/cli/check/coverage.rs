//! `--coverage`: which kinds of action were taken, how often, and what never happened.

use super::Checked;
use dynamo::report::Sheet;
use dynamo_models::check::Report;
use dynamo_models::explore::{Coverage, Taken};
use dynamo_models::scenario::Mechanism;
use dynamo_models::world::Kind;
use serde_json::{Value, json};

/// What is counted.
pub(in crate::cli) const ABOUT: &str = "Steps of each kind of action, how many of them found a new \
    state, and which kinds that the scenario leaves room for were never taken.";

/// A table a scenario, and one of all if there are several.
pub(super) fn text(reports: &[Checked]) -> String {
    let mut text = format!("\n{ABOUT}\n");
    for (named, report) in reports {
        let allowed: Vec<Kind> = report.allowed().collect();
        let table = sheet(report.coverage(), |kind| allowed.contains(&kind)).text();
        let never = sentence("never taken", report.never_taken().map(Kind::name));
        text += &format!("\n{}\n{table}\n{never}\n", named.name);
    }
    if reports.len() > 1 {
        let (sheet, sentences) = total(reports);
        let (count, table) = (reports.len(), sheet.text());
        text += &format!("\nall {count} scenarios\n{table}\n{}\n", sentences.join("\n"));
    }
    text
}

/// All scenarios together: what nowhere happened is named, be there room for it or not.
pub(in crate::cli) fn total(reports: &[Checked]) -> (Sheet, Vec<String>) {
    let all = |sum: Coverage, (_, report): &Checked| sum.with(report.coverage());
    let all = reports.iter().fold(Coverage::default(), all);
    let idle = Kind::ALL.iter().copied().filter(|&kind| all.of(kind as u8).steps == 0);
    let reaches = |&mechanism: &Mechanism| {
        reports.iter().any(|(_, report)| report.reached().any(|reached| reached == mechanism))
    };
    let (reached, unreached): (Vec<_>, Vec<_>) =
        Mechanism::ALL.iter().copied().partition(|mechanism| reaches(mechanism));
    let sentences = vec![
        sentence("never taken in any of them", idle.map(Kind::name)),
        sentence("mechanisms reached", reached.into_iter().map(Mechanism::name)),
        sentence("mechanisms never reached", unreached.into_iter().map(Mechanism::name)),
    ];
    (sheet(all, |_| true), sentences)
}

/// Where each kind of action was never taken though there was room for it.
#[cfg(feature = "museum")]
pub(in crate::cli) fn idle(reports: &[Checked]) -> Vec<String> {
    let idle = |kind: Kind| {
        let never = |(_, report): &&Checked| report.never_taken().any(|never| never == kind);
        let names: Vec<&str> =
            reports.iter().filter(never).map(|(named, _)| named.name.as_str()).collect();
        let what = format!("{}, never taken in {} with room for it", kind.name(), names.len());
        (!names.is_empty()).then(|| sentence(&what, names.into_iter()))
    };
    Kind::ALL.iter().copied().filter_map(idle).collect()
}

fn sentence<'a>(what: &str, names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    format!("{what}: {}", if names.is_empty() { "none".into() } else { names.join(", ") })
}

fn sheet(coverage: Coverage, is_shown: impl Fn(Kind) -> bool) -> Sheet {
    let kinds = Kind::ALL.iter().map(|&kind| (kind, coverage.of(kind as u8)));
    let shown = kinds.filter(|&(kind, taken)| is_shown(kind) || taken.steps > 0);
    let rows = shown.map(|(kind, taken)| (kind.name(), taken)).chain([("all", coverage.all())]);
    let row = |(name, Taken { steps, new }): (&str, Taken)| {
        vec![name.to_string(), steps.to_string(), new.to_string()]
    };
    let head = vec!["action", "steps", "new states"];
    Sheet { head, rows: rows.map(row).collect(), numbers: 1..3 }
}

/// The part of a line of `--json`.
pub(super) fn json(report: &Report) -> Value {
    let coverage = report.coverage();
    let kinds = Kind::ALL.iter().filter_map(|&kind| {
        let Taken { steps, new } = coverage.of(kind as u8);
        (steps > 0).then(|| (kind.to_string(), json!({ "steps": steps, "new": new })))
    });
    let never: Vec<&str> = report.never_taken().map(Kind::name).collect();
    json!({ "taken": kinds.collect::<serde_json::Map<_, _>>(), "never_taken": never })
}

//! `--coverage`: which kinds of action were taken, how often, and what never happened.

use super::Named;
use dynamo::report::Sheet;
use dynamo_models::check::Report;
use dynamo_models::explore::{Coverage, Taken};
use dynamo_models::scenario::Mechanism;
use dynamo_models::world::Kind;
use serde_json::{Value, json};

/// A table a scenario, and one of all if there are several.
pub(super) fn text(reports: &[(&Named, Report)]) -> String {
    let mut text = String::from(
        "\nSteps of each kind of action, how many of them found a new state, and which kinds that the \
         scenario leaves room for were never taken.\n",
    );
    for (named, report) in reports {
        let allowed: Vec<Kind> = report.allowed().collect();
        let table = table(report.coverage(), |kind| allowed.contains(&kind));
        text += &format!("\n{}\n{table}\n", named.name);
        text += &sentence("never taken", report.never_taken().map(Kind::name));
    }
    if reports.len() > 1 {
        text += &total(reports);
    }
    text
}

/// All scenarios together: what nowhere happened is named, be there room for it or not.
fn total(reports: &[(&Named, Report)]) -> String {
    let all = |sum: Coverage, (_, report): &(&Named, Report)| sum.with(report.coverage());
    let all = reports.iter().fold(Coverage::default(), all);
    let idle = Kind::ALL.iter().copied().filter(|&kind| all.of(kind as u8).steps == 0);
    let reaches = |&mechanism: &Mechanism| {
        reports.iter().any(|(_, report)| report.reached().any(|reached| reached == mechanism))
    };
    let (reached, unreached): (Vec<_>, Vec<_>) =
        Mechanism::ALL.iter().copied().partition(|mechanism| reaches(mechanism));
    [
        format!("\nall {} scenarios\n{}\n", reports.len(), table(all, |_| true)),
        sentence("never taken in any of them", idle.map(Kind::name)),
        sentence("mechanisms reached", reached.into_iter().map(Mechanism::name)),
        sentence("mechanisms never reached", unreached.into_iter().map(Mechanism::name)),
    ]
    .concat()
}

fn sentence<'a>(what: &str, names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    format!("{what}: {}\n", if names.is_empty() { "none".into() } else { names.join(", ") })
}

fn table(coverage: Coverage, is_shown: impl Fn(Kind) -> bool) -> String {
    let kinds = Kind::ALL.iter().map(|&kind| (kind, coverage.of(kind as u8)));
    let shown = kinds.filter(|&(kind, taken)| is_shown(kind) || taken.steps > 0);
    let rows = shown.map(|(kind, taken)| (kind.name(), taken)).chain([("all", coverage.all())]);
    let row = |(name, Taken { steps, new }): (&str, Taken)| {
        vec![name.to_string(), steps.to_string(), new.to_string()]
    };
    let head = vec!["action", "steps", "new states"];
    Sheet { head, rows: rows.map(row).collect(), numbers_from: Some(1) }.text()
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

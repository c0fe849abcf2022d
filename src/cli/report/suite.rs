//! The suite's parts of the report: verdicts with their counterexamples, and coverage.

use super::{Done, plot};
use crate::cli::check::progress::Meters;
use crate::cli::check::{Checked, Engine, coverage, text};
use crate::cli::is_interrupted;
use dynamo::report::{Figure, Part};
use dynamo_models::check::{Judgement, Report};
use dynamo_models::scenario::Property;
use dynamo_models::trace::Trace;
use dynamo_models::world::Action;
use std::path::Path;

/// What was checked, and where it lies.
pub(super) struct Suite<'a> {
    pub(super) path: &'a Path,
    pub(super) reports: Vec<Checked<'a>>,
}

impl Suite<'_> {
    /// Verdicts, and what refutes.
    pub(super) fn verdicts(&self) -> anyhow::Result<Done> {
        let mut part = Part {
            title: "The suite: scenarios, each explored within its bounds".into(),
            before: vec![format!(
                "Every scenario of {} that does not ask for a long time. To see a counterexample: \
                 `dynamo trace FILE --property PROPERTY`.",
                self.path.display()
            )],
            sheet: self.sheet(),
            ..Part::default()
        };
        let said = [text::legend(Engine::Dynamo), text::summary(&self.reports)].join("\n");
        part.after = said.lines().map(String::from).chain(self.reservations()).collect();
        let sizes = self.reports.iter().map(|(_, report)| (report.depth(), report.unique()));
        part.plots.push((
            "How large the scenarios are: states over the depth of the deepest, one dot each."
                .into(),
            plot::sizes(&sizes.collect::<Vec<_>>())?,
        ));
        let meters = Meters::new(self.reports.len());
        for (row, (named, report)) in self.reports.iter().enumerate() {
            let meter = meters.start(&named.name);
            for (actions, judgements) in text::refuted(report) {
                if is_interrupted() {
                    break;
                }
                let figure = self.figure(&named.name, report, actions, &judgements);
                part.links.extend(judgements.iter().map(|one| {
                    (row, text::COUNTS.len() + one.property as usize, figure.id.clone())
                }));
                part.figures.push(figure);
            }
            meter.finish();
        }
        Ok(Done { part, is_whole: self.is_whole() })
    }

    fn reservations(&self) -> impl Iterator<Item = String> {
        self.reports.iter().flat_map(|(named, report)| text::reservations(named, report))
    }

    fn is_whole(&self) -> bool {
        self.reports.iter().all(|(_, report)| report.limited_by().is_none())
    }

    /// The table of `dynamo check`, and the bounds of each scenario.
    fn sheet(&self) -> dynamo::report::Sheet {
        let mut sheet = text::sheet(&self.reports);
        sheet.head.push("bounds");
        for (row, (_, report)) in sheet.rows.iter_mut().zip(&self.reports) {
            row.push(report.bounds());
        }
        sheet
    }

    fn figure(
        &self,
        name: &str,
        report: &Report,
        actions: &[Action],
        judgements: &[&Judgement],
    ) -> Figure {
        let properties: Vec<Property> = judgements.iter().map(|one| one.property).collect();
        let (first, also) = (properties[0], &properties[1..]);
        let trace = Trace::new(&report.model_of(first), Some(first), actions);
        let names = properties.iter().map(|property| property.name());
        let title = format!("{name}: {}", names.collect::<Vec<_>>().join(", "));
        let also = also.iter().map(|also| format!("It refutes {also} as well: {}", also.meaning()));
        let about = report.header().lines().map(String::from).chain(also).collect();
        let file = match self.path.is_dir() {
            true => self.path.join(format!("{name}.toml")),
            false => self.path.into(),
        };
        let command = format!("dynamo trace {} --property {first}", file.display());
        Figure::new(format!("suite-{name}-{first}"), title, about, command, &trace)
    }

    /// Steps by kind of action.
    pub(super) fn coverage(&self) -> Done {
        let (sheet, sentences) = coverage::total(&self.reports);
        let title = "Coverage: what was taken, and what never was".into();
        let count = format!("All {} scenarios of the suite together.", self.reports.len());
        let idle = coverage::idle(&self.reports);
        let after = sentences.into_iter().chain(idle).chain(self.reservations()).collect();
        let before = vec![coverage::ABOUT.into(), count];
        let part = Part { title, before, sheet, after, ..Part::default() };
        Done { part, is_whole: self.is_whole() }
    }
}

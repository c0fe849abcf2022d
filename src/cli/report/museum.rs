//! The museum's part of the report.

use super::{Done, ReportArgs, plot};
use crate::cli::museum::{self, Record};
use dynamo::report::{Figure, Part};
use dynamo_models::museum::LEFT_OUT;

/// The column of [`museum::sheet`] that leads to the counterexample.
const LENGTH: usize = 4;

pub(super) fn part(args: &ReportArgs) -> anyhow::Result<Done> {
    let asked = museum::asked(&[])?;
    let kept = args.resume.as_ref().map(|folder| folder.join("museum.jsonl"));
    let mut each = |_: &Record| Ok(());
    let records = museum::gather(&asked, args.limits(), kept.as_deref(), &mut each)?;
    let mut part = Part {
        title: "The museum: known bugs of the Dynamo family".into(),
        before: vec![museum::ABOUT.into()],
        sheet: museum::sheet(&records),
        after: vec![museum::legend(&records)],
        ..Part::default()
    };
    let mut lengths = Vec::new();
    for (row, record) in records.iter().enumerate() {
        if let Some(case) = &record.case {
            part.after.push(format!("{}: {case}.", record.bug));
        }
        let Some(trace) = record.trace() else { continue };
        let (id, title) = (format!("museum-{}", record.bug), &record.title);
        let command = format!("dynamo museum {} --trace", record.bug);
        let heading = format!("{} {title}", record.bug);
        let about = vec![format!("Source: {}.", record.source)];
        part.figures.push(Figure::new(id.clone(), heading, about, command, &trace));
        part.links.push((row, LENGTH, id));
        lengths.push((record.bug.clone(), trace.length()));
    }
    part.plots.push((
        "How much it takes to show a bug: the shortest counterexamples of the museum.".into(),
        plot::lengths(&lengths)?,
    ));
    let left_out = LEFT_OUT.iter().map(|(bug, why)| format!("{bug} is left out: {why}."));
    part.after.extend(left_out);
    Ok(Done { part, is_whole: !records.iter().any(Record::is_inconclusive) })
}

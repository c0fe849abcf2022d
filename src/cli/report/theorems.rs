//! The theorems' part of the report: those that are kept, as to find them takes too long.

use super::Done;
use crate::cli::theorems;
use crate::cli::theorems::record::Record;
use dynamo::report::{Figure, Part};
use dynamo_models::scenario::Property;
use dynamo_models::theorems::PROPERTIES;
use std::path::Path;

pub(super) fn part(kept: Option<&Path>) -> anyhow::Result<Done> {
    let title = "Theorems: what configurations promise".into();
    let mut part = Part { title, ..Part::default() };
    match kept {
        Some(path) => {
            let (records, sheet, after) = theorems::known(path)?;
            (part.sheet, part.after) = (sheet, after);
            for (row, record) in records.iter().enumerate() {
                add_counterexamples(&mut part, row, record)?;
            }
        }
        None => part.before.push(
            "Not part of this page. `dynamo theorems --resume FILE` finds them, row after row, and \
             `dynamo report --theorems FILE` shows the rows that are found."
                .into(),
        ),
    }
    Ok(Done { part, is_whole: true })
}

/// A cell leads to the first of its counterexamples; those with other faults follow.
fn add_counterexamples(part: &mut Part, row: usize, record: &Record) -> anyhow::Result<()> {
    let configuration = &record.configuration;
    for (place, one) in record.counterexamples().iter().enumerate() {
        let id = format!("theorem-{configuration}-{place}");
        let breaks = |property: &Property| one.breaks.contains(&property.name());
        let columns = (1..).zip(PROPERTIES).filter(|(_, property)| breaks(property));
        for (column, _) in columns.clone() {
            if part.link(row, column).is_none() {
                part.links.push((row, column, id.clone()));
            }
        }
        let also = columns
            .skip(1)
            .map(|(_, also)| format!("It breaks {also} as well: {}", also.meaning()));
        let title =
            format!("{configuration} with {} breaks {}", one.faults(), one.breaks.join(", "));
        let command = format!("dynamo theorems {configuration} --trace {}", one.breaks[0]);
        part.figures.push(Figure::new(id, title, also.collect(), command, &one.trace()?));
    }
    Ok(())
}

//! The theorems' part of the report: those that are kept, as to find them takes too long.

use super::Done;
use crate::cli::theorems::record::{Record, Way};
use crate::cli::{is_interrupted, theorems};
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
            for (row, record) in records.iter().enumerate().take_while(|_| !is_interrupted()) {
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

/// A cell leads to the first of its counterexamples. A run that breaks several properties stands
/// there once.
fn add_counterexamples(part: &mut Part, row: usize, record: &Record) -> anyhow::Result<()> {
    let configuration = &record.configuration;
    let id = |place| format!("theorem-{configuration}-{place}");
    let mut runs: Vec<(&Way, Vec<Property>)> = Vec::new();
    for (column, property) in (1..).zip(PROPERTIES) {
        for (nth, way) in record.ways(property).iter().enumerate() {
            let known = runs.iter().position(|(run, _)| run.is_run_of(way));
            let place = known.unwrap_or_else(|| {
                runs.push((way, Vec::new()));
                runs.len() - 1
            });
            runs[place].1.push(property);
            if nth == 0 {
                part.links.push((row, column, id(place)));
            }
        }
    }
    for (place, (way, breaks)) in runs.into_iter().enumerate() {
        let names: Vec<&str> = breaks.iter().map(|property| property.name()).collect();
        let (first, names) = (names[0], names.join(", "));
        let title = format!("{configuration} with {} breaks {names}", way.faults());
        let also = breaks[1..].iter();
        let also = also.map(|also| format!("It breaks {also} as well: {}", also.meaning()));
        let faults = if record.faults == 1 { "" } else { " --faults 0" };
        let command = format!("dynamo theorems {configuration}{faults} --trace {first}");
        part.figures.push(Figure::new(id(place), title, also.collect(), command, &way.trace()?));
    }
    Ok(())
}

//! `dynamo theorems`: what configurations promise.

pub(super) mod record;

use super::check::question::duration;
use super::check::text::column;
use super::kept::{Findings, Kept};
use super::{heed_interruptions, interruptible, is_interrupted, say};
use anyhow::bail;
use clap::Args;
use dynamo::report::Sheet;
use dynamo_models::explore::Limits;
use dynamo_models::scenario::{Property, Switch};
use dynamo_models::theorems::{Configuration, Effort, Gets, PROPERTIES, required};
use dynamo_models::trace::text;
use record::{Record, key};
use std::process::ExitCode;
use std::time::Duration;

#[derive(Args)]
#[command(after_help = "\
Examples:
  dynamo theorems 322-strict-async                what (3,2,2) promises
  dynamo theorems 322-strict-off 322-sloppy-off   side by side
  dynamo theorems 322-sloppy-off --trace regular  what breaks it, step by step
  dynamo theorems --resume theorems.jsonl         the whole table; run it again to go on
  dynamo theorems 311-strict-off --print          print that world as a scenario file

Each configuration lives in one small world: a client puts a key and gets it at another replica,
another client gets it at two replicas; any two of these gets, or with --gets 3 all. For each
property the table shows all minimal sets of faults that break it, each with the length of a
counterexample. Exit codes: 0 the table is complete, 2 a limit or Ctrl-C came first, 64 bad usage
or input.")]
pub(crate) struct TheoremsArgs {
    /// Configurations, as in 322-sloppy-async [default: the lecture's five (N,R,W), strict and
    /// sloppy, with each kind of read repair]
    #[arg(value_name = "NRW-QUORUM-REPAIR")]
    configurations: Vec<Configuration>,
    /// Most faults, of all kinds together
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=4))]
    faults: u8,
    /// Stop one exploration after this time, as in 30s, 5m or 1h; what fewer faults do is kept
    #[arg(long, value_name = "TIME", value_parser = duration)]
    timeout: Option<Duration>,
    /// How many of the three gets run together: any two, in a world for each pair, or all three,
    /// which takes ten times as long
    #[arg(long, value_name = "2|3", default_value_t = Gets::Two)]
    gets: Gets,
    /// Leave out orders of steps that make no difference: `off` takes longer, and its
    /// counterexamples are the shortest
    #[arg(long, value_name = "on|off", default_value_t = Switch::On)]
    reductions: Switch,
    #[command(flatten)]
    findings: Findings,
    /// Show the counterexamples to one property step by step, one for each minimal set of faults
    #[arg(long, value_name = "PROPERTY", conflicts_with_all = ["json", "markdown"])]
    trace: Option<Property>,
    /// Print the scenarios instead of exploring them
    #[arg(long, conflicts_with = "trace")]
    print: bool,
}

pub(crate) fn run(args: TheoremsArgs) -> anyhow::Result<ExitCode> {
    let asked = match args.configurations.is_empty() {
        true => required().collect(),
        false => args.configurations.clone(),
    };
    if args.print {
        let worlds = asked.iter().flat_map(|one| one.worlds(args.faults, args.gets));
        worlds.into_iter().try_for_each(|world| say(format_args!("{}\n", world.to_toml())))?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(property) = args.trace
        && !PROPERTIES.contains(&property)
    {
        bail!(
            "the table does not speak of {property}; it has {}",
            PROPERTIES.map(Property::name).join(", ")
        );
    }
    heed_interruptions()?;
    let mut kept: Kept<Record> = Kept::open(args.findings.resume.as_deref(), asked.len())?;
    let limits = Limits { time: args.timeout, ..interruptible() };
    let (most, gets, reductions) = (args.faults, args.gets, args.reductions);
    let question = Effort { most, gets, reductions, limits };
    let mut records = Vec::new();
    for configuration in &asked {
        let (name, key) = (configuration.to_string(), key(configuration, &question));
        let found = kept.find(&name, &key, |report| {
            let row = configuration.theorems(&question, report)?;
            Record::of(&row, most, key.clone())
        })?;
        let Some(record) = found else { break };
        match args.trace {
            Some(property) => say(story(&record, property, most)?)?,
            None => args.findings.say_one(&record)?,
        }
        records.push(record);
    }
    drop(kept);
    if args.trace.is_none() {
        args.findings.say_all(&sheet(&records, most), &legend(&records, &question))?;
    }
    let is_complete = records.len() == asked.len() && records.iter().all(Record::is_complete);
    if records.len() < asked.len() {
        eprintln!("interrupted: {} of {} configurations", records.len(), asked.len());
    }
    Ok(if is_complete { ExitCode::SUCCESS } else { 2.into() })
}

/// The cell of a property, and what breaks it.
fn story(record: &Record, property: Property, faults: u8) -> anyhow::Result<String> {
    let configuration = &record.configuration;
    let mut story = format!("{configuration} {property}: {}\n", record.cell(property, faults));
    for way in record.ways(property) {
        if is_interrupted() {
            break;
        }
        let (faults, trace) = (way.faults(), text::text(&way.trace()?));
        story += &format!("\n{configuration} with {faults} breaks {property}\n\n{trace}");
    }
    Ok(story + "\n")
}

/// The rows that a file has kept, those of the usual table first, the table, and what to read with it.
/// Rows that other sources found are left out.
#[cfg(feature = "museum")]
pub(super) fn known(path: &std::path::Path) -> anyhow::Result<(Vec<Record>, Sheet, Vec<String>)> {
    let (gets, reductions, limits) = (Gets::Two, Switch::On, Limits::default());
    let question = Effort { most: 1, gets, reductions, limits };
    let kept: Vec<Record> = super::kept::read(path)?;
    let best = |configuration: &Configuration| {
        let fewer = (0..=question.most).map(|most| Effort { most, ..question });
        let keys: Vec<String> = fewer.map(|question| key(configuration, &question)).collect();
        kept.iter().filter(|record| keys.contains(&record.key)).max_by_key(|one| one.explored())
    };
    let mut asked: Vec<Configuration> = required().collect();
    let usual = asked.len();
    for one in kept.iter().filter_map(|record| record.configuration.parse().ok()) {
        if !asked.contains(&one) {
            asked.push(one);
        }
    }
    let (of_usual, others) = asked.split_at(usual);
    let mut records: Vec<Record> = of_usual.iter().filter_map(best).cloned().collect();
    let found = records.len();
    records.extend(others.iter().filter_map(best).cloned());
    let count = format!(
        "{found} of {usual} configurations of the usual table, others: {}; what the file holds of other \
         sources, or of other questions, is not shown.",
        records.len() - found
    );
    let legend = legend(&records, &question);
    let lines = legend.lines().map(String::from).chain([count]).collect();
    let sheet = sheet(&records, question.most);
    Ok((records, sheet, lines))
}

/// One line a configuration.
fn sheet(records: &[Record], faults: u8) -> Sheet {
    let columns = PROPERTIES.iter().map(|&property| column(property));
    let head = ["configuration"].into_iter().chain(columns).chain(["states", "seconds"]);
    let row = |record: &Record| {
        let cells = record.theorems.iter().map(|theorem| theorem.cell(faults));
        let counts = [record.states.to_string(), format!("{:.1}", record.seconds)];
        [record.configuration.clone()].into_iter().chain(cells).chain(counts).collect()
    };
    Sheet { head: head.collect(), rows: records.iter().map(row).collect(), numbers: 0..0 }
}

/// What the cells mean.
fn legend(records: &[Record], question: &Effort) -> String {
    let faults = question.most;
    let gets = match question.gets {
        Gets::Two => "any two of three gets",
        Gets::Three => "three gets",
    };
    let how_long = match question.reductions {
        Switch::On => "a counterexample of which no single step can be left out",
        Switch::Off => "a shortest counterexample",
    };
    let columns = PROPERTIES.map(|property| format!("{} {property}", column(property))).join(", ");
    let odds: f64 = records.iter().map(|record| record.odds).sum();
    format!(
        "{columns}\n\
         holds: within the bounds, at most {faults} faults of all kinds together. Else each minimal set \
         of faults that breaks it, with the length of {how_long}: c crash, d drop, \
         u duplicate, t premature timeout, l lost disk, p partition, 0 none; no part of a set is \
         enough. With <N, or ?: a limit came first, and only fewer than N faults, or nothing, was explored \
         to the end.\n\
         Bounds: one key, one put, {gets}, one final read; N nodes, one more where quorums are \
         sloppy; contacts are pinned. Not covered: anti-entropy, deletes, buffered writes, changes of \
         the layout, several keys, clocks that disagree. The odds that a hash collision hid a state: \
         {odds:.0e}."
    )
}

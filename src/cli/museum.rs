//! `dynamo museum`: known bugs of the Dynamo family, each shown and refuted.

mod record;

use super::check::question::duration;
use super::kept::{Findings, Kept};
use super::{heed_interruptions, interruptible, say};
use anyhow::{Context as _, bail};
use clap::Args;
use dynamo_models::explore::Limits;
use dynamo_models::museum::{CATALOGUE, LEFT_OUT, show};
use dynamo_models::scenario::Museum;
use dynamo_models::trace::text;
use record::key;
pub(super) use record::{Record, legend, sheet};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

/// Where the exhibits are.
const FOLDER: &str = "models/museum";

/// What the museum is.
pub(super) const ABOUT: &str = "Each exhibit is a bug that a store of this family shipped, or that \
    the paper leaves room for. Decisions of the core, or settings, re-create it in a small world, \
    and the checker finds a shortest counterexample; in the same world without it the promise holds.";

#[derive(Args)]
#[command(after_help = "\
Examples:
  dynamo museum                        all of it
  dynamo museum D1 D2                  two of the bugs
  dynamo museum D1 --trace             the counterexample, step by step
  dynamo museum D1 --print > d1.toml   the broken world as a scenario: dynamo explore d1.toml
  dynamo museum --resume museum.jsonl  run it again to go on

Each exhibit is a world in which the safe protocol keeps a promise, and the decision or the setting
that breaks it. Exit codes: 0 every bug shows within its length and the safe protocol holds, 1 one
does not, 2 a limit or Ctrl-C came first, 64 bad usage or input.")]
pub(crate) struct MuseumArgs {
    /// Bugs by their ids [default: all]
    #[arg(value_name = "BUG")]
    bugs: Vec<String>,
    /// Show the counterexamples step by step
    #[arg(long, conflicts_with_all = ["json", "markdown", "resume"])]
    trace: bool,
    /// Print the broken world of one bug as a scenario file, check nothing
    #[arg(long, conflicts_with_all = ["json", "markdown", "resume", "trace"])]
    print: bool,
    /// Stop one exploration after this time, as in 30s, 5m or 1h
    #[arg(long, value_name = "TIME", value_parser = duration)]
    timeout: Option<Duration>,
    #[command(flatten)]
    findings: Findings,
}

pub(crate) fn run(args: MuseumArgs) -> anyhow::Result<ExitCode> {
    let asked = asked(&args.bugs)?;
    if args.print {
        anyhow::ensure!(
            asked.worlds.len() == 1 && asked.cases.is_empty(),
            "--print needs one bug that a world shows, as in `dynamo museum D1 --print`"
        );
        say(asked.worlds[0].broken.to_toml())?;
        return Ok(ExitCode::SUCCESS);
    }
    heed_interruptions()?;
    let limits = Limits { time: args.timeout, ..interruptible() };
    let mut each = |record: &Record| match args.trace {
        true => say(story(record)),
        false => args.findings.say_one(record),
    };
    let records = gather(&asked, limits, args.findings.resume.as_deref(), &mut each)?;
    if !args.trace {
        args.findings.say_all(&sheet(&records), &legend(&records))?;
    }
    let all = asked.bugs().count();
    if records.len() < all {
        eprintln!("interrupted: {} of {all} exhibits", records.len());
    }
    Ok(exit_code(&records, records.len() == all))
}

/// How an exhibit shows its bug.
fn story(record: &Record) -> String {
    match (record.trace(), &record.case) {
        (Some(trace), _) => text::text(&trace),
        (None, Some(case)) => format!("{}\n  {case}\n", record.title),
        (None, None) if record.is_inconclusive() => {
            format!("{}\n  not found before the limit\n", record.title)
        }
        (None, None) => format!("{}\n  does not show\n", record.title),
    }
}

/// Shows one exhibit after the other, unless it is known what it shows; `each` hears of them.
pub(super) fn gather(
    asked: &Museum,
    limits: Limits,
    resume: Option<&Path>,
    each: &mut dyn FnMut(&Record) -> anyhow::Result<()>,
) -> anyhow::Result<Vec<Record>> {
    let mut kept: Kept<Record> = Kept::open(resume, asked.worlds.len())?;
    let mut records = Vec::new();
    for exhibit in &asked.worlds {
        let (name, key) = (format!("{} {}", exhibit.bug, exhibit.safe.title), key(exhibit));
        let found = kept.find(&name, &key, |report| {
            let shown = show(exhibit, limits, report);
            let shown = shown.with_context(|| format!("exhibit {}", exhibit.bug))?;
            Ok(Record::of(exhibit, &shown, key.clone()))
        })?;
        let Some(record) = found else { return Ok(records) };
        each(&record)?;
        records.push(record);
    }
    for exhibit in &asked.cases {
        let record = Record::of_cases(exhibit)?;
        each(&record)?;
        records.push(record);
    }
    records.sort_by_key(|record| place(&record.bug));
    Ok(records)
}

fn exit_code(records: &[Record], complete: bool) -> ExitCode {
    match () {
        () if records.iter().any(|record| record.outcome == "different") => 1.into(),
        () if complete && records.iter().all(|record| record.outcome == "as-catalogued") => {
            ExitCode::SUCCESS
        }
        () => 2.into(),
    }
}

/// Where a bug stands in the catalogue.
fn place(bug: &str) -> Option<usize> {
    CATALOGUE.iter().position(|(id, _)| *id == bug)
}

/// The exhibits of these bugs; all if there are none.
pub(super) fn asked(bugs: &[String]) -> anyhow::Result<Museum> {
    let here = || format!("the exhibits are read from ./{FOLDER}: run this in the repository");
    let mut museum = Museum::load(FOLDER).with_context(here)?;
    museum.worlds.sort_by_key(|exhibit| place(&exhibit.bug));
    let is = |id: &str, bug: &String| id.eq_ignore_ascii_case(bug);
    if let Some(bug) = bugs.iter().find(|bug| !museum.bugs().any(|id| is(id, bug))) {
        let entry = |list: &[(&'static str, &'static str)]| {
            list.iter().find(|(id, _)| is(id, bug)).copied()
        };
        match entry(CATALOGUE).zip(entry(LEFT_OUT)) {
            Some(((id, name), (_, why))) => bail!("{id} ({name}) is not in the museum: {why}"),
            None => bail!("there is no bug {bug:?}; without a bug all are shown"),
        }
    }
    let is_asked = |id: &str| bugs.is_empty() || bugs.iter().any(|bug| is(id, bug));
    museum.worlds.retain(|exhibit| is_asked(&exhibit.bug));
    museum.cases.retain(|exhibit| is_asked(&exhibit.bug));
    Ok(museum)
}

//! `dynamo museum`: known bugs of the Dynamo family, each shown and refuted.

mod record;

use super::check::progress::Meters;
use super::check::question::duration;
use super::kept::Kept;
use super::say;
use anyhow::Context as _;
use clap::Args;
use dynamo_models::explore::{Limits, Progress};
use dynamo_models::museum::{CATALOGUE, LEFT_OUT, show};
use dynamo_models::scenario::{Enumerated, Exhibit};
use dynamo_models::trace::text;
pub(super) use record::{Record, legend, sheet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
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
    /// Keep what is found in this file, and do not look for it again
    #[arg(long, value_name = "FILE")]
    resume: Option<PathBuf>,
    /// Print one JSON object a line instead of a table
    #[arg(long)]
    json: bool,
    /// Print the table for reports/
    #[arg(long, conflicts_with = "json")]
    markdown: bool,
}

/// The exhibits that are asked for.
pub(super) struct Asked {
    worlds: Vec<Exhibit>,
    cases: Vec<Enumerated>,
}

pub(crate) fn run(args: MuseumArgs) -> anyhow::Result<ExitCode> {
    let asked = Asked::of(&args.bugs)?;
    if args.print {
        anyhow::ensure!(
            asked.worlds.len() == 1 && asked.cases.is_empty(),
            "--print needs one bug that a world shows, as in `dynamo museum D1 --print`"
        );
        say(asked.worlds[0].broken.to_toml())?;
        return Ok(ExitCode::SUCCESS);
    }
    static INTERRUPTED: AtomicBool = AtomicBool::new(false);
    ctrlc::set_handler(|| INTERRUPTED.store(true, Ordering::Relaxed))?;
    let limits = Limits { time: args.timeout, ..Limits::default() };
    let mut each = |record: &Record| match (args.json, args.trace) {
        (true, _) => {
            let line = serde_json::to_string(record).context("a record is JSON")?;
            say(format_args!("{line}\n"))
        }
        (_, true) => say(story(record)),
        _ => Ok(()),
    };
    let records = gather(&asked, (limits, args.resume.as_deref()), &INTERRUPTED, &mut each)?;
    if !args.json && !args.trace {
        let sheet = sheet(&records);
        let table = if args.markdown { sheet.markdown() } else { sheet.text() };
        say(format_args!("{table}\n\n{}\n", legend(&records)))?;
    }
    if records.len() < asked.len() {
        eprintln!("interrupted: {} of {} exhibits", records.len(), asked.len());
    }
    Ok(exit_code(&records, records.len() == asked.len()))
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
    asked: &Asked,
    (limits, resume): (Limits, Option<&Path>),
    interrupted: &AtomicBool,
    each: &mut dyn FnMut(&Record) -> anyhow::Result<()>,
) -> anyhow::Result<Vec<Record>> {
    let mut known: Kept<Record> = Kept::open(resume)?;
    let meters = Meters::new(asked.worlds.len());
    let mut records = Vec::new();
    for exhibit in &asked.worlds {
        let meter = meters.start(&format!("{} {}", exhibit.bug, exhibit.safe.title));
        let record = match known.find(|record| record.tells(exhibit)) {
            Some(record) => record.clone(),
            None => {
                let mut report = |progress: &Progress| {
                    meter.show(progress);
                    !interrupted.load(Ordering::Relaxed)
                };
                let shown = show(exhibit, limits, &mut report)
                    .with_context(|| format!("exhibit {}", exhibit.bug))?;
                Record::of(exhibit, &shown)
            }
        };
        meter.finish();
        if interrupted.load(Ordering::Relaxed) {
            return Ok(records);
        }
        known.keep_new(&record, |old| old.tells(exhibit))?;
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

impl Asked {
    /// The exhibits of these bugs; all if there are none.
    pub(super) fn of(bugs: &[String]) -> anyhow::Result<Asked> {
        let here = || format!("the exhibits are read from ./{FOLDER}: run this in the repository");
        let mut worlds = Exhibit::load_all(FOLDER).with_context(here)?;
        let mut cases = Enumerated::load_all(FOLDER)?;
        worlds.sort_by_key(|exhibit| place(&exhibit.bug));
        let is = |id: &str, bug: &String| id.eq_ignore_ascii_case(bug);
        for bug in bugs {
            let mut shown = worlds.iter().map(|e| &e.bug).chain(cases.iter().map(|e| &e.bug));
            if shown.any(|id| is(id, bug)) {
                continue;
            }
            if let Some((id, why)) = LEFT_OUT.iter().find(|(id, _)| is(id, bug)) {
                anyhow::bail!("{id} is not in the museum: {why}");
            }
            anyhow::bail!("there is no bug {bug:?}; without a bug all are shown");
        }
        let is_asked = |id: &str| bugs.is_empty() || bugs.iter().any(|bug| is(id, bug));
        worlds.retain(|exhibit| is_asked(&exhibit.bug));
        cases.retain(|exhibit| is_asked(&exhibit.bug));
        Ok(Asked { worlds, cases })
    }

    fn len(&self) -> usize {
        self.worlds.len() + self.cases.len()
    }
}

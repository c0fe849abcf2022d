//! `dynamo report`: what the checker and the simulator find, written down.

mod museum;
mod plot;
#[cfg(feature = "sim")]
mod seeds;
mod suite;
mod theorems;

use super::check::question::duration;
use super::check::{CheckArgs, DEFAULT_SUITE, check_all};
use super::{heed_interruptions, interruptible, is_interrupted};
use anyhow::Context as _;
use clap::{Args, ValueEnum};
use dynamo::report::{Page, Part, commit, machine};
use dynamo_models::explore::Limits;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use suite::Suite;

#[derive(Args)]
#[command(after_help = "\
Examples:
  dynamo report --out /tmp/reports                  all parts, some minutes
  dynamo report --out reports --resume target/kept  keep what the museum shows, and go on from it
  dynamo theorems --resume theorems.jsonl           takes long, so that the report does not do it,
  dynamo report --out reports --theorems theorems.jsonl    but shows the rows that are kept
  dynamo report museum --out /tmp/reports           one part
  dynamo report suite --scenarios FOLDER --out /tmp/reports    other scenarios
  dynamo report seeds --out /tmp/reports            the figures of earlier work, beside ours

Writes into the folder: index.html, one page with every table, plots, and every counterexample,
readable without a network; and museum.md, suite.md and coverage.md, the same tables for readers of
the repository. Theorems are on the page only. The figures of earlier work have a page of their own,
seeds.html, the same as seeds.md, and their plots in the folder seeds. Exit codes: 0 everything is written, 2 a limit or
Ctrl-C came first, 64 bad usage or input.")]
pub(crate) struct ReportArgs {
    /// Parts [default: all]
    #[arg(value_enum, value_name = "PART")]
    parts: Vec<PartName>,
    /// The folder to write to; it is made if there is none
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// Keep what the museum shows in a file of this folder, and do not look for it again
    #[arg(long, value_name = "FOLDER")]
    resume: Option<PathBuf>,
    /// The scenarios of the suite: a folder, or one file
    #[arg(long, value_name = "FOLDER|FILE", default_value = DEFAULT_SUITE)]
    scenarios: PathBuf,
    /// The rows of the theorem table that `dynamo theorems --resume FILE` has kept
    #[arg(long, value_name = "FILE")]
    theorems: Option<PathBuf>,
    /// Stop one exploration at this many unique states
    #[arg(long, value_name = "N")]
    max_states: Option<u64>,
    /// Stop one exploration after this time, as in 30s, 5m or 1h
    #[arg(long, value_name = "TIME", value_parser = duration)]
    timeout: Option<Duration>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PartName {
    /// What configurations promise, as far as it is kept
    Theorems,
    /// Known bugs of the family
    Museum,
    /// Verdicts on the scenarios
    Suite,
    /// Which kinds of action the suite takes, and which it does not
    Coverage,
    /// Figures of earlier work, simulated again; on a page of their own
    #[cfg(feature = "sim")]
    Seeds,
}

/// A part, and whether no limit cut it short.
struct Done {
    part: Part,
    is_whole: bool,
}

pub(crate) fn run(args: ReportArgs) -> anyhow::Result<ExitCode> {
    heed_interruptions()?;
    for folder in [Some(&args.out), args.resume.as_ref()].into_iter().flatten() {
        let failed = || format!("cannot make {}", folder.display());
        std::fs::create_dir_all(folder).with_context(failed)?;
    }
    let mut names = match args.parts.is_empty() {
        true => PartName::value_variants().to_vec(),
        false => args.parts.clone(),
    };
    let all = names.len();
    names.retain(|name| !name.has_own_page());
    let is_whole = names.is_empty() || checked(&args, &names)?;
    if names.len() < all {
        earlier_work(&args.out)?;
    }
    if is_interrupted() {
        eprintln!("interrupted: not everything is written");
    }
    Ok(if is_whole && !is_interrupted() { ExitCode::SUCCESS } else { 2.into() })
}

/// Writes the page of the checker's parts. Whether nothing cut them short.
fn checked(args: &ReportArgs, names: &[PartName]) -> anyhow::Result<bool> {
    let started = Instant::now();
    let Some(done) = parts(args, names)? else { return Ok(false) };
    let made = made(started);
    for (name, Done { part, .. }) in &done {
        if let Some(file) = name.file() {
            write(&args.out, file, &part.markdown(&made))?;
        }
    }
    let is_whole = done.iter().all(|(_, done)| done.is_whole);
    let parts = done.into_iter().map(|(_, done)| done.part).collect();
    let page = Page { title: "Dynamo, checked".into(), made, parts };
    write(&args.out, "index.html", &page.html())?;
    Ok(is_whole)
}

/// Writes the page of figures that are simulated, unless Ctrl-C comes first.
#[cfg(feature = "sim")]
fn earlier_work(folder: &Path) -> anyhow::Result<()> {
    let started = Instant::now();
    seeds::run(folder, || made(started))
}

/// There is no simulator.
#[cfg(not(feature = "sim"))]
fn earlier_work(_: &Path) -> anyhow::Result<()> {
    Ok(())
}

/// The parts that are asked for; none after an interruption.
fn parts(args: &ReportArgs, names: &[PartName]) -> anyhow::Result<Option<Vec<(PartName, Done)>>> {
    let checks = CheckArgs::of(args.scenarios.clone(), args.limits());
    let scenarios = match names.iter().any(|name| name.is_of_the_suite()) {
        true => checks.scenarios()?,
        false => Vec::new(),
    };
    let suite = Suite { path: &args.scenarios, reports: check_all(&scenarios, &checks)? };
    let mut done = Vec::new();
    for &name in names {
        if is_interrupted() {
            break;
        }
        let part = match name {
            PartName::Theorems => theorems::part(args.theorems.as_deref())?,
            PartName::Museum => museum::part(args)?,
            PartName::Suite => suite.verdicts()?,
            PartName::Coverage => suite.coverage(),
            #[cfg(feature = "sim")]
            PartName::Seeds => continue,
        };
        done.push((name, part));
    }
    Ok((!is_interrupted()).then_some(done))
}

/// By what, of what, where, in which time.
fn made(started: Instant) -> String {
    let commit = commit().map_or(String::new(), |commit| format!(" Commit {commit}."));
    let seconds = started.elapsed().as_secs();
    format!("Made by `dynamo report`.{commit} Machine: {}. {seconds} s.", machine())
}

fn write(folder: &Path, file: &str, text: &str) -> anyhow::Result<()> {
    let path = folder.join(file);
    std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}

impl ReportArgs {
    /// Of each exploration.
    fn limits(&self) -> Limits {
        Limits { states: self.max_states, time: self.timeout, ..interruptible() }
    }
}

impl PartName {
    /// Its tables, for readers of the repository; those of the theorems are written by hand.
    fn file(self) -> Option<&'static str> {
        match self {
            PartName::Theorems => None,
            PartName::Museum => Some("museum.md"),
            PartName::Suite => Some("suite.md"),
            PartName::Coverage => Some("coverage.md"),
            #[cfg(feature = "sim")]
            PartName::Seeds => None,
        }
    }

    /// Whether it is not on the page of the others.
    fn has_own_page(self) -> bool {
        !matches!(
            self,
            PartName::Theorems | PartName::Museum | PartName::Suite | PartName::Coverage
        )
    }

    /// Whether the scenarios have to be checked for it.
    fn is_of_the_suite(self) -> bool {
        matches!(self, PartName::Suite | PartName::Coverage)
    }
}

//! `dynamo report`: what the checker finds, written down.

use super::check::question::duration;
use super::{heed_interruptions, is_interrupted, museum};
use anyhow::Context as _;
use clap::{Args, ValueEnum};
use dynamo::report::{Figure, Page, Part, commit, machine};
use dynamo_models::explore::Limits;
use dynamo_models::museum::LEFT_OUT;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

#[derive(Args)]
#[command(after_help = "\
Examples:
  dynamo report --out /tmp/reports                  all parts
  dynamo report --out reports --resume target/kept  keep what is found, and go on from it
  dynamo report museum --out /tmp/reports           one part

Writes into the folder: index.html, one page with every table and every counterexample, readable
without a network; and museum.md, the same tables for readers of the repository. Exit
codes: 0 everything is written, 2 a limit or Ctrl-C came first, 64 bad usage or input.")]
pub(crate) struct ReportArgs {
    /// Parts [default: all]
    #[arg(value_enum, value_name = "PART")]
    parts: Vec<PartName>,
    /// The folder to write to; it is made if there is none
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// Keep what is found in files of this folder, and do not look for it again
    #[arg(long, value_name = "FOLDER")]
    resume: Option<PathBuf>,
    /// Stop one exploration after this time, as in 30s, 5m or 1h
    #[arg(long, value_name = "TIME", value_parser = duration)]
    timeout: Option<Duration>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PartName {
    /// Known bugs of the family
    Museum,
}

pub(crate) fn run(args: ReportArgs) -> anyhow::Result<ExitCode> {
    heed_interruptions()?;
    for folder in [Some(&args.out), args.resume.as_ref()].into_iter().flatten() {
        let failed = || format!("cannot make {}", folder.display());
        std::fs::create_dir_all(folder).with_context(failed)?;
    }
    let started = Instant::now();
    let parts = match args.parts.is_empty() {
        true => PartName::value_variants().to_vec(),
        false => args.parts.clone(),
    };
    let mut page = Page { title: "Dynamo, checked".into(), ..Page::default() };
    let mut is_complete = true;
    for name in parts {
        let ((part, is_whole), file) = match name {
            PartName::Museum => (museum_part(&args)?, "museum.md"),
        };
        is_complete &= is_whole;
        if is_interrupted() {
            eprintln!("interrupted: nothing is written");
            return Ok(2.into());
        }
        write(&args.out, file, &part.markdown(&made(started)))?;
        page.parts.push(part);
    }
    page.made = made(started);
    write(&args.out, "index.html", &page.html())?;
    Ok(if is_complete { ExitCode::SUCCESS } else { 2.into() })
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

/// The museum, and whether no limit cut it short.
fn museum_part(args: &ReportArgs) -> anyhow::Result<(Part, bool)> {
    let asked = museum::asked(&[])?;
    let limits = Limits { time: args.timeout, ..Limits::default() };
    let kept = args.resume.as_ref().map(|folder| folder.join("museum.jsonl"));
    let mut each = |_: &museum::Record| Ok(());
    let records = museum::gather(&asked, limits, kept.as_deref(), &mut each)?;
    let mut part = Part {
        title: "The museum: known bugs of the Dynamo family".into(),
        before: vec![museum::ABOUT.into()],
        sheet: museum::sheet(&records),
        after: vec![museum::legend(&records)],
        ..Part::default()
    };
    for (row, record) in records.iter().enumerate() {
        if let Some(case) = &record.case {
            part.after.push(format!("{}: {case}.", record.bug));
        }
        let Some(trace) = record.trace() else { continue };
        let (id, title) = (format!("museum-{}", record.bug), &record.title);
        let command = format!("dynamo museum {} --trace", record.bug);
        let heading = format!("{} {title}", record.bug);
        let about = format!("Source: {}.", record.source);
        part.figures.push(Figure::new(id.clone(), heading, about, command, &trace));
        part.links.push((row, LENGTH, id));
    }
    let left_out = LEFT_OUT.iter().map(|(bug, why)| format!("{bug} is left out: {why}."));
    part.after.extend(left_out);
    Ok((part, !records.iter().any(museum::Record::is_inconclusive)))
}

/// The column of [`museum::sheet`] that leads to the counterexample.
const LENGTH: usize = 4;

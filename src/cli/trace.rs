//! `dynamo trace`: the shortest counterexample of a property, in the format of your choice.

use super::{heed_interruptions, interruptible, is_interrupted};
use anyhow::Context as _;
use clap::{Args, ValueEnum};
use dynamo_models::explore::{Limits, Progress};
use dynamo_models::scenario::{Property, Scenario};
use dynamo_models::trace::{self, Found, Trace, TraceFile, counterexample};
use indicatif::{HumanCount, ProgressBar};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

#[derive(Args)]
#[command(after_help = "\
Examples:
  dynamo trace models/scenarios/lecture-311-concurrent.toml
  dynamo trace models/scenarios/lecture-311-concurrent.toml --property monotonic-reads
  dynamo trace SCENARIO --property no-lost-write --format svg --output lost.svg
  dynamo trace SCENARIO --format json --output lost.json

Exit codes: 0 a counterexample was printed, 1 the property holds within the scenario's bounds,
2 inconclusive (a limit came first, or Ctrl-C), 64 bad usage or input.")]
pub(crate) struct TraceArgs {
    /// The scenario file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The property to refute [default: the first that the scenario expects to be refuted, else the
    /// first that is]
    #[arg(long, value_name = "PROPERTY")]
    property: Option<Property>,
    /// How to print it
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Write to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Stop at this many unique states
    #[arg(long, value_name = "N")]
    max_states: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Numbered steps, for people
    Text,
    /// The trace file, for replays
    Json,
    /// A Mermaid sequence diagram
    Mermaid,
    /// A sequence diagram as a picture
    Svg,
    /// A log for ShiViz, with vector clocks
    Shiviz,
}

/// Prints the shortest counterexample.
///
/// # Errors
/// A scenario that cannot be read or built, and an output that cannot be written.
pub(crate) fn run(args: TraceArgs) -> anyhow::Result<ExitCode> {
    let scenario = Scenario::load(&args.file)?;
    let limits = Limits { states: args.max_states, ..interruptible() };
    heed_interruptions()?;
    let (meter, started) = (ProgressBar::new_spinner(), Instant::now());
    let mut report = |progress: &Progress| {
        if started.elapsed() > Duration::from_secs(1) {
            let states = HumanCount(progress.unique);
            meter.set_message(format!("depth {}  {states} states", progress.depth));
        }
        !is_interrupted()
    };
    let found = counterexample(&scenario, args.property, limits, &mut report);
    meter.finish_and_clear();
    let what = args.property.map_or("every property".to_string(), |p| p.to_string());
    match found.with_context(|| args.file.display().to_string())? {
        Found::Trace(found) => {
            write(&args, &print(&found, args.format))?;
            Ok(ExitCode::SUCCESS)
        }
        Found::Holds => {
            eprintln!("{what} holds within these bounds: no counterexample");
            Ok(1.into())
        }
        Found::Inconclusive => {
            eprintln!("{what}: inconclusive, the search ended before the bounds were exhausted");
            Ok(2.into())
        }
    }
}

fn print(found: &Trace, format: Format) -> String {
    match format {
        Format::Text => trace::text::text(found),
        Format::Json => TraceFile::of(found).to_json(),
        Format::Mermaid => trace::mermaid::mermaid(found),
        Format::Svg => trace::svg::diagram(found),
        Format::Shiviz => trace::shiviz::shiviz(found),
    }
}

fn write(args: &TraceArgs, text: &str) -> anyhow::Result<()> {
    match &args.output {
        Some(path) => {
            std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
        }
        None => {
            std::io::stdout().write_all(text.as_bytes()).context("cannot write to standard output")
        }
    }
}

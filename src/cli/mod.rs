//! The command line: one file a verb. A verb parses, calls and prints; it has no logic of its own.

#[cfg(feature = "node")]
mod admin;
#[cfg(feature = "check")]
mod check;
#[cfg(feature = "node")]
mod cluster;
#[cfg(feature = "pbs")]
mod columns;
#[cfg(feature = "node")]
mod connect;
#[cfg(feature = "node")]
mod contexts;
#[cfg(feature = "node")]
mod delete;
#[cfg(feature = "check")]
mod explore;
#[cfg(feature = "node")]
mod get;
#[cfg(feature = "check")]
mod kept;
#[cfg(feature = "node")]
mod measure;
#[cfg(feature = "museum")]
mod museum;
#[cfg(feature = "node")]
mod node;
#[cfg(feature = "pbs")]
mod pbs;
mod plot;
#[cfg(feature = "node")]
mod put;
#[cfg(feature = "node")]
mod replicas;
#[cfg(feature = "museum")]
mod report;
mod ring;
#[cfg(feature = "sim")]
mod simulate;
#[cfg(feature = "node")]
mod status;
#[cfg(feature = "check")]
mod theorems;
#[cfg(feature = "node")]
mod torture;
#[cfg(feature = "check")]
mod trace;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
#[cfg(feature = "check")]
use dynamo_models::explore::Limits;
use std::fmt::Display;
use std::io::{ErrorKind, Write as _};
#[cfg(any(feature = "check", feature = "pbs"))]
use std::num::NonZeroUsize;
use std::process::ExitCode;
#[cfg(any(feature = "check", feature = "pbs"))]
use std::sync::atomic::{AtomicBool, Ordering};

/// Dynamo, written once: checked exhaustively, explored in the browser, run over UDP.
#[derive(Parser)]
#[command(name = "dynamo", version, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Check scenarios exhaustively
    #[cfg(feature = "check")]
    Check(check::CheckArgs),
    /// Open a scenario's states and steps in a web browser
    #[cfg(feature = "check")]
    Explore(explore::ExploreArgs),
    /// Start a cluster on this machine, one process a node
    #[cfg(feature = "node")]
    Cluster(cluster::ClusterArgs),
    /// Run one node
    #[cfg(feature = "node")]
    Node(node::NodeArgs),
    /// Read a key
    #[cfg(feature = "node")]
    Get(get::GetArgs),
    /// Write a key
    #[cfg(feature = "node")]
    Put(put::PutArgs),
    /// Delete a key
    #[cfg(feature = "node")]
    Delete(delete::DeleteArgs),
    /// Let nodes join and leave, and see how it goes
    #[cfg(feature = "node")]
    Admin(admin::AdminArgs),
    /// Show how nodes are
    #[cfg(feature = "node")]
    Status(status::StatusArgs),
    /// Kill and confuse a real cluster under load, then look for what it has lost
    #[cfg(feature = "node")]
    Torture(torture::TortureArgs),
    /// Measure how stale reads are on real nodes with delays put in, next to what PBS says
    #[cfg(feature = "node")]
    Measure(measure::MeasureArgs),
    /// Tell what configurations promise, and all that is enough to break it
    #[cfg(feature = "check")]
    Theorems(theorems::TheoremsArgs),
    /// Show known bugs of the family, each refuted, and that the protocol does not have them
    #[cfg(feature = "museum")]
    Museum(museum::MuseumArgs),
    /// Write down what the checker finds, as a page and as tables
    #[cfg(feature = "museum")]
    Report(report::ReportArgs),
    /// Tell how stale reads are, and how long reads and writes take, by simulated races
    #[cfg(feature = "pbs")]
    Pbs(pbs::PbsArgs),
    /// Simulate a cluster in which things go wrong, and judge what comes of it
    #[cfg(feature = "sim")]
    Simulate(simulate::SimulateArgs),
    /// Put the shares of a simulation together
    #[cfg(feature = "sim")]
    Merge(simulate::MergeArgs),
    /// Show where keys live on the ring
    Ring(ring::RingArgs),
    /// Show the shortest counterexample of a property, step by step
    #[cfg(feature = "check")]
    Trace(trace::TraceArgs),
}

impl Cli {
    /// Does what the command line says.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self.verb {
            #[cfg(feature = "check")]
            Verb::Check(args) => check::run(args),
            #[cfg(feature = "check")]
            Verb::Explore(args) => explore::run(args),
            #[cfg(feature = "node")]
            Verb::Cluster(args) => cluster::run(args),
            #[cfg(feature = "node")]
            Verb::Node(args) => node::run(args),
            #[cfg(feature = "node")]
            Verb::Get(args) => get::run(args),
            #[cfg(feature = "node")]
            Verb::Put(args) => put::run(args),
            #[cfg(feature = "node")]
            Verb::Delete(args) => delete::run(args),
            #[cfg(feature = "node")]
            Verb::Status(args) => status::run(args),
            #[cfg(feature = "node")]
            Verb::Admin(args) => admin::run(args),
            #[cfg(feature = "node")]
            Verb::Torture(args) => torture::run(args),
            #[cfg(feature = "node")]
            Verb::Measure(args) => measure::run(args),
            #[cfg(feature = "check")]
            Verb::Theorems(args) => theorems::run(args),
            #[cfg(feature = "museum")]
            Verb::Museum(args) => museum::run(args),
            #[cfg(feature = "museum")]
            Verb::Report(args) => report::run(args),
            #[cfg(feature = "pbs")]
            Verb::Pbs(args) => pbs::run(args),
            #[cfg(feature = "sim")]
            Verb::Simulate(args) => simulate::run(args),
            #[cfg(feature = "sim")]
            Verb::Merge(args) => simulate::merge(args),
            Verb::Ring(args) => ring::run(args),
            #[cfg(feature = "check")]
            Verb::Trace(args) => trace::run(args),
        }
    }
}

#[cfg(any(feature = "check", feature = "pbs"))]
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// From now on Ctrl-C does not end the process, but long work that asks [`is_interrupted`].
#[cfg(any(feature = "check", feature = "pbs"))]
fn heed_interruptions() -> anyhow::Result<()> {
    Ok(ctrlc::set_handler(|| INTERRUPTED.store(true, Ordering::Relaxed))?)
}

/// Limits of explorations that Ctrl-C ends, and no others.
#[cfg(feature = "check")]
fn interruptible() -> Limits {
    Limits { stop: Some(&INTERRUPTED), ..Limits::default() }
}

/// Whether Ctrl-C was pressed.
#[cfg(any(feature = "check", feature = "pbs"))]
fn is_interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

/// As many threads as there are cores.
#[cfg(any(feature = "check", feature = "pbs"))]
fn cores() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// Prints `text` on standard output.
///
/// # Errors
/// Standard output is full or closed. A reader that has seen enough, such as `head`, is no panic.
fn say(text: impl Display) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    write!(out, "{text}").and_then(|()| out.flush()).context("cannot write to standard output")
}

/// Prints a line on standard error, or nothing if nobody can read it there.
#[cfg(feature = "node")]
fn tell(text: impl Display) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Says what went wrong, as a line on standard error, or to a program as the one JSON object that it
/// reads on standard output. Gives the exit code.
#[cfg(feature = "node")]
fn fail(error: &anyhow::Error, json: bool) -> anyhow::Result<ExitCode> {
    let error = format!("{error:#}");
    match json {
        true => say(format_args!("{}\n", serde_json::json!({ "error": error })))?,
        false => tell(format_args!("error: {error}")),
    }
    Ok(ExitCode::FAILURE)
}

/// Whether `error` says that the reader of standard output has gone.
pub(crate) fn is_closed_output(error: &anyhow::Error) -> bool {
    error.downcast_ref().is_some_and(|error: &std::io::Error| error.kind() == ErrorKind::BrokenPipe)
}

/// The exit code that shells give to a program whose reader has gone: 128 and SIGPIPE.
pub(crate) const CLOSED_OUTPUT: u8 = 141;

/// The exit code of bad usage or input, as `sysexits.h` has it.
pub(crate) const BAD_USAGE: u8 = 64;

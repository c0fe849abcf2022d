//! The command line: one file a verb. A verb parses, calls and prints; it has no logic of its own.

mod check;
#[cfg(feature = "stateright")]
mod explore;
mod ring;
mod trace;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

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
    Check(check::CheckArgs),
    /// Open a scenario's states and steps in a web browser
    #[cfg(feature = "stateright")]
    Explore(explore::ExploreArgs),
    /// Show where keys live on the ring
    Ring(ring::RingArgs),
    /// Show the shortest counterexample of a property, step by step
    Trace(trace::TraceArgs),
}

impl Cli {
    /// Does what the command line says.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self.verb {
            Verb::Check(args) => check::run(args),
            #[cfg(feature = "stateright")]
            Verb::Explore(args) => explore::run(args),
            Verb::Ring(args) => ring::run(args),
            Verb::Trace(args) => trace::run(args),
        }
    }
}

/// The exit code of bad usage or input, as `sysexits.h` has it.
pub(crate) const BAD_USAGE: u8 = 64;

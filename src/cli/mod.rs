//! The command line: one file a verb. A verb parses, calls and prints; it has no logic of its own.

#[cfg(feature = "stateright")]
mod explore;
mod ring;

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
    /// Open a scenario's states and steps in a web browser
    #[cfg(feature = "stateright")]
    Explore(explore::ExploreArgs),
    /// Show where keys live on the ring
    Ring(ring::RingArgs),
}

impl Cli {
    /// Does what the command line says.
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self.verb {
            #[cfg(feature = "stateright")]
            Verb::Explore(args) => explore::run(args),
            Verb::Ring(args) => ring::run(args),
        }
    }
}

/// The exit code of bad usage or input, as `sysexits.h` has it.
pub(crate) const BAD_USAGE: u8 = 64;

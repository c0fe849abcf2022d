//! The command `dynamo`.

mod cli;

use clap::Parser;
use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { cli::BAD_USAGE.into() } else { ExitCode::SUCCESS };
        }
    };
    match cli.run() {
        Ok(code) => code,
        Err(error) if cli::is_closed_output(&error) => cli::CLOSED_OUTPUT.into(),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "dynamo: {error:#}");
            cli::BAD_USAGE.into()
        }
    }
}

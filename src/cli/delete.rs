//! `dynamo delete`: delete a key.

use super::connect::ConnectArgs;
use super::put;
use anyhow::Result;
use std::process::ExitCode;

/// Delete a key
#[derive(clap::Args)]
#[command(after_help = "\
Example:
  dynamo get cart; dynamo delete cart

After a get of the key the delete covers what that get returned. Without one it is blind: it covers
nothing, and the values that are there stay.")]
pub(crate) struct DeleteArgs {
    /// The key
    key: String,
    #[command(flatten)]
    connect: ConnectArgs,
}

/// Deletes and says what became of it.
pub(crate) fn run(args: DeleteArgs) -> Result<ExitCode> {
    put::write(&args.connect, &args.key, None)
}

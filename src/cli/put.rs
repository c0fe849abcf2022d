//! `dynamo put`: write a key.

use super::connect::ConnectArgs;
use super::{replicas, say};
use anyhow::{Context, Result, bail};
use dynamo::client::PutError;
use dynamo_protocol::ids::{Key, Value};
use dynamo_protocol::limits::MAX_VALUE_BYTES;
use dynamo_protocol::message::Replicas;
use serde_json::json;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;

/// Write a key
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  dynamo put cart apples
  dynamo put photo --file cat.jpg
  date | dynamo put now -

After a get of the key the put replaces what that get returned, all siblings; otherwise it is blind:
it replaces nothing, and stands beside what is there. If a fallback holds the put in place of one of
the key's own nodes, that is said. Exit code 1 if it was refused, or if nobody
knows whether it was applied.")]
pub(crate) struct PutArgs {
    /// The key
    key: String,
    /// The value; `-` reads it from standard input
    #[arg(required_unless_present = "file", conflicts_with = "file")]
    value: Option<String>,
    /// Read the value from a file
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    connect: ConnectArgs,
}

/// Writes and says what became of it.
pub(crate) fn run(args: PutArgs) -> Result<ExitCode> {
    let value = value(&args)?;
    write(&args.connect, &args.key, Some(value))
}

/// Writes `value`, or deletes the key, over what the user has read.
pub(super) fn write(connect: &ConnectArgs, key: &str, value: Option<Value>) -> Result<ExitCode> {
    let contexts = connect.contexts(key);
    let context = contexts.load()?;
    let blind = context.is_none();
    let (mut client, name) = (connect.client()?, Key::from(key));
    let is_delete = value.is_none();
    let written = match value {
        Some(value) => client.put(&name, value, context),
        None => client.delete(&name, context),
    };
    if written.is_ok() {
        contexts.clear();
    }
    if connect.json {
        say(format_args!("{}\n", as_json(&written, blind)))?;
    } else {
        print(&written, connect.verbose, blind, is_delete);
    }
    Ok(if written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(written: &Result<Replicas, PutError>, verbose: bool, blind: bool, is_delete: bool) {
    let replicas = match written {
        Ok(replicas) => replicas,
        Err(error) => return eprintln!("{error}"),
    };
    let at = replicas::worth_telling(replicas, verbose).map(|text| format!(" at {text}"));
    let at = at.unwrap_or_default();
    match (blind, is_delete) {
        (true, true) => {
            eprintln!("stored{at}, blind: it covers nothing (get first to delete what is there)");
        }
        (true, false) => {
            eprintln!("stored{at}, blind: it replaces nothing (get first to replace)");
        }
        (false, _) => eprintln!("stored{at}"),
    }
}

fn as_json(written: &Result<Replicas, PutError>, blind: bool) -> serde_json::Value {
    match written {
        Ok(replicas) => {
            let replicas = replicas::as_json(replicas);
            json!({ "result": "stored", "blind": blind, "replicas": replicas })
        }
        Err(error @ PutError::MaybeApplied(_)) => {
            json!({ "result": "maybe-applied", "why": error.to_string() })
        }
        Err(error) => json!({ "result": "not-applied", "why": error.to_string() }),
    }
}

fn value(args: &PutArgs) -> Result<Value> {
    let bytes = match (&args.file, args.value.as_deref()) {
        (Some(file), _) => {
            let name = || format!("cannot read {}", file.display());
            read(File::open(file).with_context(name)?).with_context(name)?
        }
        (None, Some("-")) => read(std::io::stdin().lock()).context("cannot read standard input")?,
        (None, text) => text.unwrap_or_default().into(),
    };
    if bytes.len() > MAX_VALUE_BYTES {
        bail!("the value is longer than {MAX_VALUE_BYTES} bytes; split it");
    }
    Ok(Value(bytes))
}

/// All of it, or just enough to see that it is too much.
fn read(from: impl Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(MAX_VALUE_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

//! `dynamo get`: read a key.

use super::connect::ConnectArgs;
use super::contexts::hex;
use super::{fail, replicas, say};
use anyhow::Result;
use dynamo::client::Read;
use dynamo_protocol::ids::Key;
use dynamo_protocol::versions::Written;
use serde_json::{Value, json};
use std::process::ExitCode;

/// Read a key
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  dynamo get cart
  dynamo get cart --json --node 127.0.0.1:7402

Prints one line for each sibling. More than one is a conflict: what you put next replaces them all,
because the context of this read is kept in ~/.local/state/dynamo/contexts until that put (see
--context, --no-context). It is kept for the nodes named here: name the same ones in the put. Exit
code 1 if there is no value or no quorum.")]
pub(crate) struct GetArgs {
    /// The key
    key: String,
    #[command(flatten)]
    connect: ConnectArgs,
}

/// Reads and prints.
pub(crate) fn run(args: GetArgs) -> Result<ExitCode> {
    let key = Key::from(args.key.as_str());
    let read = match args.connect.client()?.get(&key) {
        Ok(read) => read,
        Err(error) => return fail(&error.into(), args.connect.json),
    };
    if let Read::Found { context, .. } | Read::NotFound { context, .. } = &read {
        args.connect.contexts(&args.key).store(context)?;
    }
    if args.connect.json {
        say(format_args!("{}\n", as_json(&read)))?;
    } else {
        print(&read, args.connect.verbose)?;
    }
    let found = matches!(read, Read::Found { .. });
    Ok(if found { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(read: &Read, verbose: bool) -> Result<()> {
    match read {
        Read::Found { siblings, .. } => {
            let lines = siblings.iter().map(|written| line(written) + "\n");
            say(lines.collect::<String>())?;
            if siblings.len() > 1 {
                eprintln!("{} siblings; the next put replaces them all", siblings.len());
            }
        }
        Read::NotFound { deletes, .. } if deletes.is_empty() => eprintln!("not found"),
        Read::NotFound { .. } => eprintln!("not found: deleted"),
        Read::QuorumUnavailable { got, need } => {
            eprintln!("quorum unavailable: {got} of {need} replicas answered");
        }
        Read::TimedOut => eprintln!("timed out: no node answered; is the cluster running?"),
    }
    if let Read::Found { replicas, .. } | Read::NotFound { replicas, .. } = read
        && let Some(text) = replicas::worth_telling(replicas, verbose)
    {
        eprintln!("as {text} have it");
    }
    Ok(())
}

/// Text as it is; anything that would not print as one line of text, escaped.
fn line(written: &Written) -> String {
    let Some(value) = &written.value else {
        return "(deleted)".into();
    };
    match std::str::from_utf8(&value.0) {
        Ok(text) if !text.contains(|c: char| c.is_control() || c == '\\') => text.into(),
        _ => value.0.escape_ascii().to_string(),
    }
}

fn as_json(read: &Read) -> Value {
    match read {
        Read::Found { siblings, replicas, .. } => json!({
            "result": "found",
            "siblings": siblings.iter().map(sibling).collect::<Vec<_>>(),
            "replicas": replicas::as_json(replicas),
        }),
        Read::NotFound { deletes, replicas, .. } => json!({
            "result": "not-found",
            "deleted": !deletes.is_empty(),
            "replicas": replicas::as_json(replicas),
        }),
        Read::QuorumUnavailable { got, need } => {
            json!({ "result": "quorum-unavailable", "got": got, "need": need })
        }
        Read::TimedOut => json!({ "result": "timed-out" }),
    }
}

fn sibling(written: &Written) -> Value {
    let by = written.by.to_string();
    match written.value.as_ref().map(|value| (std::str::from_utf8(&value.0), &value.0)) {
        None => json!({ "by": by, "deleted": true }),
        Some((Ok(text), _)) => json!({ "by": by, "value": text }),
        Some((Err(_), bytes)) => json!({ "by": by, "hex": hex(bytes) }),
    }
}

//! `dynamo simulate` and `dynamo merge`: seeded runs of a cluster in which things go wrong.

mod text;

use super::{cores, heed_interruptions, is_interrupted, say};
use anyhow::{Context as _, bail};
use clap::Args;
use dynamo::sim::{Seeds, Setup, Shard, Sum, shrink, sweep};
use indicatif::ProgressBar;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Args)]
#[command(after_help = "\
Examples:
  dynamo simulate                                 one run of the default fault mix on five nodes
  dynamo simulate --runs 10000                    as many seeds, on all cores
  dynamo simulate my.toml --seed 17               one run of a setup of one's own
  dynamo simulate my.toml --seed 17 --shrink s.toml   a smaller setup in which the same is wrong
  dynamo simulate my.toml --runs 10000 --shard 3/16 --json > 3.json   one of 16 shares
  dynamo merge *.json                             all shares together

While the clients ask, things go wrong; then all is mended, and the replicas must come to agree.
Every answer and every change of every disk is judged as it happens, against what clients truly had
read when they wrote. The same file and seed give the same bytes on every machine and on any number
of threads. models/simulations/ has setups to begin with; what a file may say is in README.

Exit codes: 0 nothing is wrong, 1 something is, 2 Ctrl-C came first, 64 bad usage or input.")]
pub(crate) struct SimulateArgs {
    /// What is simulated [default: five nodes, the default fault mix]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// The first seed
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// How many seeds
    #[arg(long, default_value_t = 1)]
    runs: u64,
    /// Take only this share of them: 0/4 to 3/4 are four shares
    #[arg(long, value_name = "I/N", default_value = "0/1")]
    shard: Shard,
    /// Threads [default: one for each core]
    #[arg(long, value_name = "COUNT")]
    threads: Option<NonZeroUsize>,
    /// Look for a smaller setup in which the same is wrong, and write it to this file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["runs", "shard", "json"])]
    shrink: Option<PathBuf>,
    /// Print one JSON object, as `dynamo merge` reads it
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
#[command(after_help = "\
Example:
  dynamo merge results/*.json          all shares of one sweep together

Exit codes: 0 nothing is wrong, 1 something is, 2 a share is missing or was not run to its end, 64
bad usage or input: files of different setups or seeds, or one share twice.")]
pub(crate) struct MergeArgs {
    /// Files that `dynamo simulate --json` has printed
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Simulates what `args` ask for.
///
/// # Errors
/// Bad usage or input, in one sentence; a file or a standard output that cannot be written.
pub(crate) fn run(args: SimulateArgs) -> anyhow::Result<ExitCode> {
    heed_interruptions()?;
    let setup = args.file.as_deref().map_or_else(|| Ok(Setup::usual()), Setup::read)?;
    if let Some(file) = &args.shrink {
        return smaller(&setup, args.seed, file);
    }
    let seeds = Seeds { seed: args.seed, runs: args.runs, shard: args.shard };
    seeds.check()?;
    let progress = ProgressBar::new(seeds.here().count() as u64);
    let threads = args.threads.unwrap_or_else(cores);
    let swept = sweep(&setup, seeds, threads, &|done| {
        progress.set_position(done);
        !is_interrupted()
    });
    progress.finish_and_clear();
    let (outcome, is_complete) = swept?;
    let sum = Sum::new(setup, seeds, outcome, is_complete);
    tell(&sum, args.file.as_deref(), args.json)?;
    Ok(code(&sum, sum.is_complete))
}

/// Puts shards together.
///
/// # Errors
/// A file that cannot be read or does not fit the others, in one sentence.
pub(crate) fn merge(args: MergeArgs) -> anyhow::Result<ExitCode> {
    let mut whole: Option<Sum> = None;
    for file in &args.files {
        let name = || file.display().to_string();
        let text =
            std::fs::read_to_string(file).with_context(|| format!("cannot read {}", name()))?;
        let sum: Sum = serde_json::from_str(&text)
            .with_context(|| format!("{} is no output of `dynamo simulate --json`", name()))?;
        sum.check().with_context(name)?;
        match &mut whole {
            Some(whole) => whole.merge(&sum).with_context(name)?,
            None => whole = Some(sum),
        }
    }
    let Some(whole) = whole else { bail!("there is no file") };
    tell(&whole, None, args.json)?;
    Ok(code(&whole, whole.is_whole()))
}

fn code(sum: &Sum, is_whole: bool) -> ExitCode {
    match (sum.wrongs().next(), is_whole) {
        (Some(_), _) => ExitCode::FAILURE,
        (None, false) => 2.into(),
        (None, true) => ExitCode::SUCCESS,
    }
}

fn tell(sum: &Sum, file: Option<&Path>, json: bool) -> anyhow::Result<()> {
    match json {
        true => say(format_args!("{}\n", serde_json::to_string(sum)?)),
        false => say(format_args!("{}\n", text::of(sum, file))),
    }
}

/// Writes a smaller setup in which the same is wrong as in the run of `seed`.
fn smaller(setup: &Setup, seed: u64, file: &Path) -> anyhow::Result<ExitCode> {
    let wrong = dynamo::sim::run(setup, seed)?.violations;
    let Some((property, _)) = wrong.iter().find(|(property, _)| setup.must_hold(**property)) else {
        bail!("nothing is wrong in the run of seed {seed}");
    };
    let progress = ProgressBar::new_spinner();
    let shrunk = shrink(setup, seed, *property, &|| {
        progress.tick();
        !is_interrupted()
    })?;
    progress.finish_and_clear();
    let Some((smaller, seed)) = shrunk else { bail!("the run of seed {seed} cannot be repeated") };
    let path = file.display();
    let head =
        format!("# Violates {}: dynamo simulate {path} --seed {seed}\n", text::name(*property));
    std::fs::write(file, head + &toml::to_string(&smaller)?)
        .with_context(|| format!("cannot write {path}"))?;
    let requests = dynamo::sim::run(&smaller, seed)?.requests;
    let of = |count: u64, what: &str| match count {
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    };
    let (requests, faults) = (of(requests, "request"), smaller.faults.events.len() as u64);
    say(format_args!(
        "{} is violated by {requests} and {}; see it again:\n  \
         dynamo simulate {path} --seed {seed}\n",
        text::name(*property),
        of(faults, "fault"),
    ))?;
    Ok(ExitCode::FAILURE)
}

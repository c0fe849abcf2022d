//! `dynamo torture`: kill and confuse a real cluster under load, then look for what it has lost.

use super::{say, tell};
use anyhow::{Context, Result};
use comfy_table::{Table, presets};
use dynamo::shell::scheme::{Durability, Quorum, Switch};
use dynamo::torture::plan::Options;
use dynamo::torture::{Report, run as torture};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// What the exit code says when it was interrupted.
const INCONCLUSIVE: u8 = 2;

/// What a summary shows of what the nodes have counted.
const TELLING: &[&str] = &[
    "faults-lost",
    "faults-duplicated",
    "faults-held-back",
    "suspects",
    "fallback-puts",
    "kept-hints",
    "released-hints",
    "repaired",
    "exchanged",
    "resynchronised",
];

/// Kill and confuse a real cluster under load, then look for what it has lost
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  dynamo torture
  dynamo torture --seconds 10 --seed 7 --json
  dynamo torture --handoff off --anti-entropy off --settle 5      the copies do not come to agree

Starts nodes of its own on free ports. While clients read, write and delete, datagrams are lost,
doubled and held back, two nodes are killed with SIGKILL and come back, one of them with its data
erased. Then load and faults end, and it waits until no node keeps a hint, the erased one has
recovered and all copies agree. Last it reads every key from every node: each acknowledged write
must be there, or be overwritten by one whose client had truly read it.
One seed gives one plan of load, kills and dice. How far the clients come with it, and how the
operating system interleaves them, is not controlled: two runs of one seed differ.
Exit code 1 if a write is lost or the copies do not agree, 2 if interrupted.")]
pub(crate) struct TortureArgs {
    /// How long load and faults last, in seconds
    #[arg(long, value_name = "S", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,
    /// How long the copies may take to agree afterwards, in seconds
    #[arg(long, value_name = "S", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    settle: u64,
    /// Of the plan [default: a random one, which is printed]
    #[arg(long)]
    seed: Option<u64>,
    /// Nodes
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(3..=64))]
    nodes: u16,
    /// Clients
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=256))]
    clients: u64,
    /// Keys
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    keys: u64,
    /// Probability that a datagram is lost on its way in
    #[arg(long, value_name = "P", default_value_t = 0.1)]
    loss: f64,
    /// Probability that a datagram comes in twice
    #[arg(long, value_name = "P", default_value_t = 0.1)]
    duplicate: f64,
    /// Probability that a datagram is held back
    #[arg(long, value_name = "P", default_value_t = 0.1)]
    reorder: f64,
    /// Leave the nodes alone
    #[arg(long)]
    no_kills: bool,
    /// Whose answers count during the load
    #[arg(long, default_value = "sloppy")]
    quorum: Quorum,
    /// Whether fallbacks give back what they keep for others
    #[arg(long, default_value = "on")]
    handoff: Switch,
    /// Whether nodes compare their copies
    #[arg(long, default_value = "on")]
    anti_entropy: Switch,
    /// Which writes are on disk before they are answered for
    #[arg(long, default_value = "durable")]
    durability: Durability,
    /// Empty folder for data and logs [default: a fresh one that is removed at the end]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Tortures and reports.
pub(crate) fn run(args: TortureArgs) -> Result<ExitCode> {
    let temporary = tempfile::tempdir().context("cannot make a folder for the data")?;
    let options = args.options(args.data.as_deref().unwrap_or(temporary.path()))?;
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = stop.clone();
    ctrlc::set_handler(move || stopped.store(true, Ordering::SeqCst))
        .context("cannot listen for Ctrl-C")?;
    let report = match torture(&options, &stop, &|line| tell(line)) {
        Err(error) if stop.load(Ordering::SeqCst) => {
            tell(format_args!("{error:#}"));
            return Ok(INCONCLUSIVE.into());
        }
        report => report?,
    };
    if args.json {
        say(format_args!("{}\n", serde_json::to_string(&report)?))?;
    } else {
        print(&report)?;
    }
    Ok(match (report.wrongs.is_empty(), report.interrupted, report.is_good()) {
        (true, true, _) => INCONCLUSIVE.into(),
        (_, _, true) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

impl TortureArgs {
    fn options(&self, folder: &Path) -> Result<Options> {
        let binary = std::env::current_exe().context("cannot find my own binary")?;
        let seed = self.seed.unwrap_or_else(|| rand::random::<u32>().into());
        let mut options = Options::new(binary, folder.into(), seed);
        (options.nodes, options.clients, options.keys) = (self.nodes, self.clients, self.keys);
        options.load = Duration::from_secs(self.seconds);
        options.settle = Duration::from_secs(self.settle);
        options.kills = !self.no_kills;
        options.faults.loss = self.loss;
        options.faults.duplicate = self.duplicate;
        options.faults.reorder = self.reorder;
        options.faults.check().map_err(anyhow::Error::msg)?;
        options.cluster.quorum = self.quorum;
        options.cluster.handoff = self.handoff;
        options.cluster.anti_entropy = self.anti_entropy;
        options.cluster.durability = self.durability;
        Ok(options)
    }
}

fn print(report: &Report) -> Result<()> {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_header(["operations", "count"]);
    for (what, count) in &report.operations {
        table.add_row([what.clone(), count.to_string()]);
    }
    let counted = TELLING.iter().filter_map(|name| Some((*name, report.counters.get(*name)?)));
    let counted: Vec<String> = counted.map(|(name, value)| format!("{name} {value}")).collect();
    let mut lines = vec![table.to_string()];
    lines.extend(report.kills.iter().cloned());
    lines.push(format!("nodes counted: {}", counted.join(", ")));
    lines.push(match (report.rest_after_ms, &report.unrest) {
        (Some(ms), _) => format!("at rest {:.1} s after load and faults", ms as f64 / 1000.0),
        (None, Some(unrest)) => format!("not at rest: {unrest}"),
        (None, None) => "not at rest".into(),
    });
    let read = report.reads - report.unread;
    lines.push(format!(
        "{} writes acknowledged, {read} of {} reads answered",
        report.acknowledged, report.reads
    ));
    let wrongs = &report.wrongs;
    for (what, all) in [
        ("lost writes", &wrongs.lost),
        ("invented writes", &wrongs.invented),
        ("overwritten siblings", &wrongs.outlived),
        ("keys read differently", &report.differing),
    ] {
        lines.push(format!("{what}: {}", all.len()));
        lines.extend(all.iter().take(10).map(|one| format!("  {one}")));
    }
    if report.interrupted {
        lines.push("interrupted: this is what is known so far".into());
    }
    lines.push(format!("seed {}", report.seed));
    say(lines.join("\n") + "\n")
}

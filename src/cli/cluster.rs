//! `dynamo cluster`: a cluster on this machine.

use super::tell;
use anyhow::{Context, Result, bail};
use dynamo::node::local::{Event, LocalCluster, Plan};
use dynamo::shell::scheme::{Durability, Quorum, ReadRepair, Switch, Versioning};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, ExitStatus};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// How often the start looks whether all nodes answer.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How long the nodes may take to end.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// Start a cluster on this machine, one process a node
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  dynamo cluster
  dynamo cluster --nodes 3 --n 3 --r 1 --w 3 --data /tmp/three --port 7500

With --data the cluster is there again the next time, with the same numbers; a node whose folder was
erased meanwhile merges what the others hold. Nodes that have joined it with `dynamo admin join` are
started by themselves, and once somebody has, --port stays as it is. Without --data the data goes
when the cluster ends.
Ctrl-C ends it.")]
pub(crate) struct ClusterArgs {
    /// Nodes [default: 5]
    #[arg(long)]
    nodes: Option<u16>,
    /// Replicas of a key [default: 3, or the number of nodes if that is less]
    #[arg(long)]
    n: Option<u8>,
    /// Replicas that must answer a get [default: a majority of N]
    #[arg(long)]
    r: Option<u8>,
    /// Replicas that must hold a put [default: a majority of N]
    #[arg(long)]
    w: Option<u8>,
    /// How versions are ordered [default: dotted]
    #[arg(long)]
    versioning: Option<Versioning>,
    /// What a get does about old copies [default: async]
    #[arg(long)]
    read_repair: Option<ReadRepair>,
    /// Whose answers count, unless a request says otherwise [default: sloppy]
    #[arg(long)]
    quorum: Option<Quorum>,
    /// Whether fallbacks give back what they keep for others [default: on]
    #[arg(long)]
    handoff: Option<Switch>,
    /// Whether nodes compare their copies [default: on]
    #[arg(long)]
    anti_entropy: Option<Switch>,
    /// Which writes are on disk before they are answered for [default: durable]
    #[arg(long)]
    durability: Option<Durability>,
    /// Whether tombstones are removed once no node knows anything older [default: off]
    #[arg(long)]
    reap: Option<Switch>,
    /// Folder that holds the data of all nodes [default: a fresh one that is removed at the end]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The first node's port; the others follow [default: 7400]
    #[arg(long)]
    port: Option<u16>,
}

/// Runs the cluster until it is stopped.
pub(crate) fn run(args: ClusterArgs) -> Result<ExitCode> {
    let temporary = match &args.data {
        Some(_) => None,
        None => Some(tempfile::tempdir().context("cannot make a folder for the data")?),
    };
    let folder = temporary.as_ref().map_or(args.data.as_deref(), |folder| Some(folder.path()));
    let folder = folder.context("no data folder")?;
    let plan = args.plan(Plan::read(folder)?, folder)?;
    let (events, inbox) = mpsc::channel();
    let stop = events.clone();
    let on_stop = move || drop(stop.send(Event::Stop));
    ctrlc::set_handler(on_stop).context("cannot listen for Ctrl-C")?;
    let binary = std::env::current_exe().context("cannot find my own binary")?;
    let mut cluster = LocalCluster::start(&binary, &plan, folder, &events)?;
    if let Some(ended) = await_start(&mut cluster, &inbox)? {
        await_end(&mut cluster, &inbox);
        return Ok(ended);
    }
    LocalCluster::born(&plan, folder)?;
    welcome(&cluster, folder, temporary.is_some())?;
    Ok(serve(&mut cluster, &inbox, folder))
}

impl ClusterArgs {
    /// What the flags ask for, over what lives in the folder.
    fn plan(&self, living: Option<Plan>, folder: &Path) -> Result<Plan> {
        let mut plan = living.clone().unwrap_or_default();
        plan.nodes = self.nodes.unwrap_or(plan.nodes);
        plan.port = self.port.unwrap_or(plan.port);
        let scheme = &mut plan.cluster;
        scheme.versioning = self.versioning.unwrap_or(scheme.versioning);
        scheme.read_repair = self.read_repair.unwrap_or(scheme.read_repair);
        scheme.quorum = self.quorum.unwrap_or(scheme.quorum);
        scheme.handoff = self.handoff.unwrap_or(scheme.handoff);
        scheme.anti_entropy = self.anti_entropy.unwrap_or(scheme.anti_entropy);
        scheme.durability = self.durability.unwrap_or(scheme.durability);
        scheme.reap = self.reap.unwrap_or(scheme.reap);
        if living.is_none() {
            let nodes = u8::try_from(plan.nodes).unwrap_or(u8::MAX);
            scheme.n = self.n.unwrap_or(scheme.n.min(nodes));
            (scheme.r, scheme.w) = (scheme.n / 2 + 1, scheme.n / 2 + 1);
        }
        scheme.n = self.n.unwrap_or(scheme.n);
        scheme.r = self.r.unwrap_or(scheme.r);
        scheme.w = self.w.unwrap_or(scheme.w);
        match living {
            // Addresses and quorums may change between two lives, owners and versions may not.
            Some(living) if !continues(&living, &plan) => bail!(
                "{} holds a cluster of {} nodes with N={} and {:?} versions, which stay as they are; \
                 leave --nodes, --n and --versioning out, or choose another --data",
                folder.display(),
                living.nodes,
                living.cluster.n,
                living.cluster.versioning
            ),
            _ => Ok(plan),
        }
    }
}

fn continues(living: &Plan, plan: &Plan) -> bool {
    let fixed = |plan: &Plan| (plan.nodes, plan.cluster.n, plan.cluster.versioning);
    fixed(living) == fixed(plan)
}

/// Waits until all nodes answer. An exit code says that this will not be.
fn await_start(cluster: &mut LocalCluster, inbox: &Receiver<Event>) -> Result<Option<ExitCode>> {
    let deadline = LocalCluster::start_deadline();
    let mut failed = None;
    loop {
        match inbox.recv_timeout(LOOK_EVERY) {
            Ok(Event::Line(name, line)) => tell(format_args!("{name} | {line}")),
            Ok(Event::Ended(name, status)) => {
                tell(format_args!("error: {name} did not start ({})", how(status)));
                cluster.ended();
                failed = Some(ExitCode::FAILURE);
            }
            Ok(Event::Stop) => failed = Some(ExitCode::SUCCESS),
            Err(_) if failed.is_some() => break,
            Err(_) if cluster.is_ready()? => return Ok(None),
            Err(_) if Instant::now() > deadline => {
                tell("error: the nodes do not answer; see what they print");
                failed = Some(ExitCode::FAILURE);
            }
            Err(_) => {}
        }
    }
    Ok(failed)
}

fn welcome(cluster: &LocalCluster, folder: &Path, temporary: bool) -> Result<()> {
    let (members, others) = cluster.members()?;
    let names = |all: &[SocketAddr]| all.iter().map(ToString::to_string).collect::<Vec<_>>();
    let (addresses, others) = (names(&members), names(&others).join(" "));
    let others = match others.as_str() {
        "" => String::new(),
        others => format!("up as well, but no members any more: {others}\n"),
    };
    let fate = if temporary { ", removed at the end" } else { "" };
    // A cluster goes on when nobody reads what it prints.
    let _ = super::say(format_args!(
        "{count} nodes are up: {all}\n{others}\
         data in {folder}{fate}\n\
         in another terminal:\n  \
           dynamo put cart apples --node {first}\n  \
           dynamo get cart --node {first}\n  \
           dynamo status --node {commas}\n\
         Ctrl-C ends the cluster\n",
        count = addresses.len(),
        all = addresses.join(" "),
        commas = addresses.join(","),
        folder = folder.display(),
        first = addresses[0],
    ));
    Ok(())
}

/// Passes on what the nodes say until somebody or everybody stops.
fn serve(cluster: &mut LocalCluster, inbox: &Receiver<Event>, folder: &Path) -> ExitCode {
    for event in inbox {
        match event {
            Event::Line(name, line) => tell(format_args!("{name} | {line}")),
            Event::Stop => break,
            Event::Ended(name, status) => {
                tell(format_args!("{name} has ended ({}); to bring it back:", how(status)));
                tell(format_args!(
                    "  dynamo node --config {}",
                    folder.join(name + ".toml").display()
                ));
                if cluster.ended() == 0 {
                    tell("error: no node is left");
                    return ExitCode::FAILURE;
                }
            }
        }
    }
    await_end(cluster, inbox);
    ExitCode::SUCCESS
}

/// Stops the nodes and waits for them.
fn await_end(cluster: &mut LocalCluster, inbox: &Receiver<Event>) {
    cluster.stop();
    let deadline = Instant::now() + STOP_TIMEOUT;
    while cluster.running() > 0 {
        match inbox.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(Event::Line(name, line)) => tell(format_args!("{name} | {line}")),
            Ok(Event::Ended(..)) => drop(cluster.ended()),
            Ok(Event::Stop) => {}
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                tell(format_args!("error: {} nodes do not end", cluster.running()));
                return;
            }
        }
    }
}

fn how(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => status.to_string(),
    }
}

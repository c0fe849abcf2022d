//! `dynamo measure`: how stale reads are on real nodes, next to what PBS says.

use super::pbs::{self, share};
use super::{columns, cores, fail, heed_interruptions, is_interrupted, say};
use clap::Args;
use comfy_table::presets;
use dynamo::analysis::pbs::{CONFIDENCE, Histogram, Legs, Outcome, Quorum, Study, wilson};
use dynamo::latency::Latency;
use dynamo::measure::{Options, Probe, Report, run as measure};
use indicatif::ProgressBar;
use serde_json::{Value, json};
use std::process::ExitCode;

/// Trials of PBS.
const SAMPLES: u64 = 1_000_000;

/// What is told of latencies, by its name.
type Told = (&'static str, fn(&Histogram) -> f64);

const TOLD: [Told; 3] = [
    ("mean", Histogram::mean),
    ("p50", |all| all.quantile(0.5).ms),
    ("p99", |all| all.quantile(0.99).ms),
];

#[derive(Args)]
#[command(after_help = "\
Examples:
  dynamo measure --distribution exponential:0.1:1 --t 0 1 2 5 10 20 50
  dynamo measure --distribution lnkd-disk --r 2 --puts 200000 --json

Runs N nodes on this machine, as threads with sockets and disks of their own on free ports, whose
messages to each other take longer by the delays that are named. Clients put keys of their own, each
by one owner; t ms after hearing of the acknowledgement they get them by an owner that is chosen
anew. Beside the share of gets that return what was put is what `dynamo pbs --local` says.
No read repair, no anti-entropy, no failures; writes are buffered, so that no disk adds to delays.
A message that would take more than 2 s is lost, and a request that takes more than 1 s fails; the
shares are of those that do not.
What t truly was stands beside it: what the clients waited, and what a ping took there and back, as
an acknowledgement does one way and a get the other. All is gone in the end. Exit codes: 0 done, 1
the nodes fail, 2 Ctrl-C came first (what is known by then is told), 64 bad usage or input.")]
pub(crate) struct MeasureArgs {
    /// Delays, as for `dynamo pbs`, but for wan
    #[arg(long, value_name = "NAME")]
    distribution: String,
    /// Replicas of a key, and nodes
    #[arg(long, default_value_t = 3)]
    n: u8,
    /// Replicas whose copies a get waits for
    #[arg(long, default_value_t = 1)]
    r: u8,
    /// Replicas that must hold a put before it is acknowledged
    #[arg(long, default_value_t = 1)]
    w: u8,
    /// Milliseconds after the put's acknowledgement at which a get is sent
    #[arg(long, value_name = "MS", num_args = 1.., allow_negative_numbers = true,
        default_values_t = [0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0])]
    t: Vec<f64>,
    /// Puts, and so many gets, in all
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..))]
    puts: u64,
    /// Clients at a time
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u64).range(1..=256))]
    clients: u64,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Measures what `args` ask for and prints it.
///
/// # Errors
/// Bad usage or input, in one sentence; a standard output that cannot be written.
pub(crate) fn run(args: MeasureArgs) -> anyhow::Result<ExitCode> {
    heed_interruptions()?;
    let quorum = Quorum::new(args.n.into(), args.r.into(), args.w.into())?;
    let latency = Latency::Legs(args.distribution.clone());
    let [w, a, r, s] = latency.legs("".as_ref())?;
    let legs = Legs::new(w, a, r, s, None)?.with_local_coordinators();
    let study = Study::new(legs, quorum, args.t.clone(), SAMPLES, 0)?;
    let MeasureArgs { n, r, w, puts, clients, .. } = args;
    let options = Options { n, r, w, latency, times: args.t.clone(), puts, clients };
    options.check()?;
    let Some(expected) = study.run(cores(), &|_| !is_interrupted()) else {
        eprintln!("interrupted: nothing is told");
        return Ok(2.into());
    };
    let progress = ProgressBar::new(puts);
    let report = measure(&options, &|begun| {
        progress.set_position(begun);
        !is_interrupted()
    });
    progress.finish_and_clear();
    let report = match report {
        Ok(report) => report,
        Err(error) => return fail(&error, args.json),
    };
    let text = if args.json {
        format!("{:#}", json_of(&args, &report, &expected))
    } else {
        text(&args, quorum, &report, &expected)
    };
    say(format_args!("{text}\n"))?;
    Ok(if report.interrupted { 2.into() } else { ExitCode::SUCCESS })
}

/// Each time with what was measured and the probability that PBS expects; times without gets are
/// left out.
fn measured<'a>(
    report: &'a Report,
    expected: &'a Outcome,
) -> impl Iterator<Item = (f64, &'a Probe, f64)> {
    let all = expected.consistent().zip(&report.probes).map(|((t, pbs), probe)| (t, probe, pbs.p));
    all.filter(|(_, probe, _)| probe.gets > 0)
}

/// What took how long, with what PBS expects of it, if anything.
fn latencies<'a>(
    report: &'a Report,
    expected: &'a Outcome,
) -> impl Iterator<Item = (&'static str, &'a Histogram, Option<&'a Histogram>)> {
    let put = ("put", &report.put, Some(&expected.write));
    let get = ("get", &report.get, Some(&expected.read));
    let all = [put, get, ("ping", &report.ping, None)];
    all.into_iter().filter(|(_, measured, _)| measured.count() > 0)
}

fn json_of(args: &MeasureArgs, report: &Report, expected: &Outcome) -> Value {
    let consistent = measured(report, expected).map(|(t, probe, pbs)| {
        let p = wilson(probe.fresh, probe.gets);
        let true_ms = probe.after_ms / probe.gets as f64;
        json!({ "t_ms": t, "true_t_ms": true_ms, "gets": probe.gets, "fresh": probe.fresh,
            "p": p.p, "low": p.low, "high": p.high, "pbs": pbs })
    });
    let mut object = json!({
        "distribution": args.distribution,
        "n": args.n,
        "r": args.r,
        "w": args.w,
        "clients": args.clients,
        "failed": report.failed,
        "interrupted": report.interrupted,
        "confidence": CONFIDENCE,
        "p_consistent": consistent.collect::<Vec<_>>(),
    });
    for (what, measured, pbs) in latencies(report, expected) {
        for (name, of) in TOLD {
            object[format!("{what}_{name}_ms")] = of(measured).into();
            if let Some(pbs) = pbs {
                object[format!("{what}_{name}_pbs_ms")] = of(pbs).into();
            }
        }
    }
    object
}

fn text(args: &MeasureArgs, quorum: Quorum, report: &Report, expected: &Outcome) -> String {
    let interval = format!("{:.0} % interval", 100.0 * CONFIDENCE);
    let times = latencies(report, expected).map(|(what, measured, pbs)| {
        let both = TOLD.map(|(_, of)| {
            [pbs::ms(of(measured)), pbs.map_or_else(String::new, |pbs| pbs::ms(of(pbs)))]
        });
        [what.to_owned()].into_iter().chain(both.into_iter().flatten()).collect()
    });
    let consistent = measured(report, expected).map(|(t, probe, pbs)| {
        let p = wilson(probe.fresh, probe.gets);
        let after = probe.after_ms / probe.gets as f64;
        let enclosed = format!("{} to {}", share(p.low), share(p.high));
        let (after, gets) = (format!("{after:.3}"), probe.gets.to_string());
        vec![t.to_string(), after, gets, share(p.p), enclosed, share(pbs)]
    });
    let head = ["t ms", "truly", "gets", "P(consistent)", &interval, "PBS"];
    let quantiles = ["ms", "mean", "PBS", "p50", "PBS", "p99", "PBS"];
    let state = if report.interrupted { ", interrupted" } else { "" };
    format!(
        "{}: real nodes on this machine, {} clients, {} requests failed{state}\n\n{}\n\n{}",
        pbs::title(&args.distribution, quorum),
        args.clients,
        report.failed,
        columns::print(presets::NOTHING, &quantiles, 1..7, times),
        columns::print(presets::NOTHING, &head, 1..6, consistent),
    )
}

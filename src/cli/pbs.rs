//! `dynamo pbs`: how stale reads are, and how long reads and writes take (Bailis et al., PVLDB 2012).

mod plot;
pub(super) mod table;

#[cfg(all(feature = "museum", feature = "sim"))]
pub(super) use plot::curve;

use super::{columns, cores, heed_interruptions, is_interrupted, say};
use anyhow::Context as _;
use clap::Args;
use comfy_table::presets;
use dynamo::analysis::pbs::{CONFIDENCE, Legs, Outcome, Quantile, Quorum, Study, closed};
use dynamo::latency;
use indicatif::ProgressBar;
use serde_json::{Value, json};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;

/// The share of reads, writes and races that the three quantiles speak of.
const SHARE: f64 = 0.999;

/// For how many versions k-staleness is told.
const VERSIONS: [u32; 5] = [1, 2, 3, 5, 10];

#[derive(Args)]
#[command(after_help = "\
Examples:
  dynamo pbs --distribution lnkd-disk --t 0 1 10 50          LinkedIn's disks, N=3 R=W=1
  dynamo pbs --distribution ymmr --r 2 --json                one JSON object
  dynamo pbs --distribution exponential:0.1:1 --svg pbs.svg  also a plot of P(consistent) over t
  dynamo pbs --table --samples 100000                        the paper's Table 4 beside ours

One trial of the model WARS: a write goes to all N replicas, each taking W ms to arrive and A ms to
be acknowledged, and is done with the W-th acknowledgement; t ms later a read goes to all N, each
taking R ms to arrive and S ms to be answered, and is done with the R-th answer. It is consistent
if one of these R replicas had the write when the read arrived. No failures, no repairs.

A file of one's own has a delay for each leg, in milliseconds, and maybe what is added to both ways
of all replicas but one:
  w = { mixture = [
    { weight = 0.38, of = { pareto = { scale = 1.05, shape = 1.51 } } },
    { weight = 0.62, of = { exponential = { rate = 0.183 } } },
  ] }
  a = { normal = { mean = 5, deviation = 2 } }               # below 0 counts as 0
  r = { shifted = { by = 1, of = { uniform = { low = 0, high = 2 } } } }
  s = { empirical = \"answers.txt\" }                          # one number a line
  remote = 75

Limits: N up to 100, 10^11 samples, 1000 times. Quantiles are told within 0.05 % or 1 ns. The result
depends on the seed only, not on threads or machine. Exit codes: 0 done, 2 Ctrl-C came first, 64
bad usage or input.")]
pub(crate) struct PbsArgs {
    /// Delays: lnkd-ssd, lnkd-disk, ymmr, ymmr-code (as the paper's simulator has it), wan,
    /// exponential:RATE_OF_W:RATE_OF_THE_OTHERS a millisecond, or a file that ends in .toml
    #[arg(long, value_name = "NAME", required_unless_present = "table")]
    distribution: Option<String>,
    /// Replicas of a key
    #[arg(long, default_value_t = 3)]
    n: usize,
    /// Replicas whose answers a read waits for
    #[arg(long, default_value_t = 1)]
    r: usize,
    /// Replicas whose acknowledgements a write waits for
    #[arg(long, default_value_t = 1)]
    w: usize,
    /// Milliseconds after the write's acknowledgement at which a read is sent
    #[arg(long, value_name = "MS", num_args = 1.., allow_negative_numbers = true,
        default_values_t = [0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0])]
    t: Vec<f64>,
    /// Let one of the replicas coordinate the write, and one the read: their own legs take no time
    #[arg(long)]
    local: bool,
    /// Trials
    #[arg(long, default_value_t = 1_000_000)]
    samples: u64,
    /// What all chance is drawn from
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Threads [default: one for each core]
    #[arg(long, value_name = "COUNT")]
    threads: Option<NonZeroUsize>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Also write a plot of P(consistent) over t to this file
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Instead of one study, those of the paper's Table 4, as Markdown
    #[arg(long, conflicts_with_all = ["distribution", "n", "r", "w", "t", "local", "json", "svg"])]
    table: bool,
}

/// What a share of races is told of, by its name.
type Told = (&'static str, Quantile);

impl PbsArgs {
    /// Runs the trials of one study; nothing after Ctrl-C.
    fn outcome(
        &self,
        legs: Legs,
        quorum: Quorum,
        times: Vec<f64>,
    ) -> anyhow::Result<Option<Outcome>> {
        let study = Study::new(legs, quorum, times, self.samples, self.seed)?;
        let progress = ProgressBar::new(self.samples);
        let outcome = study.run(self.threads.unwrap_or_else(cores), &|done| {
            progress.set_position(done);
            !is_interrupted()
        });
        progress.finish_and_clear();
        if outcome.is_none() {
            eprintln!("interrupted: nothing is told");
        }
        Ok(outcome)
    }
}

/// Simulates what `args` ask for and prints it.
///
/// # Errors
/// Bad usage or input, in one sentence; a plot or a standard output that cannot be written.
pub(crate) fn run(args: PbsArgs) -> anyhow::Result<ExitCode> {
    heed_interruptions()?;
    let Some(name) = &args.distribution else {
        return table::run(&args);
    };
    let quorum = Quorum::new(args.n, args.r, args.w)?;
    let legs = latency::legs(name)?;
    let (legs, name) = match args.local {
        true => (legs.with_local_coordinators(), format!("{name} (local coordinators)")),
        false => (legs, name.clone()),
    };
    let Some(outcome) = args.outcome(legs, quorum, args.t.clone())? else {
        return Ok(2.into());
    };
    if let Some(file) = &args.svg {
        let picture = plot::svg(&title(&name, quorum), &args.t, &outcome)?;
        std::fs::write(file, picture)
            .with_context(|| format!("cannot write the plot to {}", file.display()))?;
    }
    let text = if args.json {
        format!("{:#}", json_of(&args, &name, quorum, &outcome))
    } else {
        text(&args, &name, quorum, &outcome)
    };
    say(format_args!("{text}\n"))?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn title(name: &str, quorum: Quorum) -> String {
    format!("{name}, N={} R={} W={}", quorum.n(), quorum.r(), quorum.w())
}

fn told(outcome: &Outcome) -> [Told; 3] {
    [
        ("read", outcome.read.quantile(SHARE)),
        ("write", outcome.write.quantile(SHARE)),
        ("t_visibility", outcome.visibility.quantile(SHARE)),
    ]
}

/// The probability that a read returns one of the latest k versions, for each of [`VERSIONS`].
fn within_versions(quorum: Quorum) -> impl Iterator<Item = (u32, f64)> {
    VERSIONS.into_iter().map(move |k| (k, 1.0 - closed::k_stale(quorum, f64::from(k))))
}

fn json_of(args: &PbsArgs, name: &str, quorum: Quorum, outcome: &Outcome) -> Value {
    let consistent = outcome.consistent();
    let versions = within_versions(quorum).map(|(k, p)| json!({ "k": k, "p": p }));
    let mut object = json!({
        "distribution": name,
        "n": quorum.n(),
        "r": quorum.r(),
        "w": quorum.w(),
        "samples": args.samples,
        "seed": args.seed,
        "confidence": CONFIDENCE,
        "p_consistent": consistent
            .map(|(t, p)| json!({ "t_ms": t, "p": p.p, "low": p.low, "high": p.high }))
            .collect::<Vec<_>>(),
        "p_within_k_versions": versions.collect::<Vec<_>>(),
    });
    for (name, Quantile { ms, low, high }) in told(outcome) {
        object[format!("{name}_p999_ms")] = ms.into();
        object[format!("{name}_p999_interval_ms")] = json!([low, high]);
    }
    object
}

fn text(args: &PbsArgs, name: &str, quorum: Quorum, outcome: &Outcome) -> String {
    let interval = format!("{:.0} % interval", 100.0 * CONFIDENCE);
    let quantiles = told(outcome).map(|(name, quantile)| {
        vec![name.replace('_', "-"), ms(quantile.ms), interval_of(&quantile)]
    });
    let consistent = outcome.consistent().map(|(t, p)| {
        vec![t.to_string(), share(p.p), format!("{} to {}", share(p.low), share(p.high))]
    });
    let versions: Vec<String> =
        within_versions(quorum).map(|(k, p)| format!("{k}: {}", share(p))).collect();
    let strict = match quorum.is_strict() {
        true => "R + W > N: every read is consistent.\n",
        false => "",
    };
    format!(
        "{}, {} samples, seed {}\n\n{}\n\n{}\n\n{strict}\
         Within k versions, if quorums are random and nothing spreads: {}",
        title(name, quorum),
        args.samples,
        args.seed,
        columns::print(presets::NOTHING, &["p99.9", "ms", &interval], 1..3, quantiles),
        columns::print(presets::NOTHING, &["t ms", "P(consistent)", &interval], 1..3, consistent),
        versions.join(", "),
    )
}

/// Milliseconds with four digits that count, which is what a histogram knows.
pub(super) fn ms(value: f64) -> String {
    let whole_digits = if value >= 1.0 { value.log10() as usize + 1 } else { 0 };
    let decimals = if value == 0.0 { 0 } else { 4usize.saturating_sub(whole_digits) };
    format!("{value:.decimals$}")
}

fn interval_of(quantile: &Quantile) -> String {
    let high = quantile.high.map_or("? (too few samples)".into(), ms);
    format!("{} to {high}", ms(quantile.low))
}

/// A probability; 1 and 0 stand for nothing else.
pub(super) fn share(p: f64) -> String {
    match format!("{p:.6}").as_str() {
        "1.000000" if p < 1.0 => "> 0.999999".into(),
        "0.000000" if p > 0.0 => "< 0.000001".into(),
        text => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::{ms, share};

    #[test]
    fn four_digits_count() {
        let cases = [(0.0, "0"), (0.2351, "0.2351"), (1.0, "1.000"), (45.514, "45.51")];
        for (value, text) in cases.into_iter().chain([(1364.2, "1364"), (123_456.0, "123456")]) {
            assert_eq!(ms(value), text);
        }
    }

    #[test]
    fn what_is_nearly_certain_is_not_certain() {
        assert_eq!(
            [1.0, 0.999_999_9, 0.5, 0.0].map(share).join(" "),
            "1.000000 > 0.999999 0.500000 0.000000"
        );
    }
}

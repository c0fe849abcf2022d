//! `dynamo pbs --table`: the paper's Table 4, N = 3, beside what is found here.

use super::{PbsArgs, interval_of, ms, told};
use crate::cli::columns;
use anyhow::Context as _;
use comfy_table::presets;
use dynamo::analysis::pbs::{Legs, Outcome, Quorum};
use std::process::ExitCode;

/// R and W of the rows.
const QUORUMS: [(usize, usize); 6] = [(1, 1), (1, 2), (2, 1), (2, 2), (3, 1), (1, 3)];

/// What the paper prints, in milliseconds, in the order of [`QUORUMS`]: the 99.9th percentile of
/// read and write latency (a million of each), and t at which 99.9 % of 50 000 reads are consistent.
type Published = [[f64; 3]; 6];

const SSD: Published = [
    [0.66, 0.66, 1.85],
    [0.66, 1.63, 1.79],
    [1.63, 0.65, 0.0],
    [1.62, 1.64, 0.0],
    [4.14, 0.65, 0.0],
    [0.65, 4.09, 0.0],
];
const DISK: Published = [
    [0.66, 10.99, 45.5],
    [0.65, 20.97, 43.3],
    [1.63, 10.9, 13.6],
    [1.64, 20.96, 0.0],
    [4.12, 10.89, 0.0],
    [0.65, 112.65, 0.0],
];
const YMMR: Published = [
    [5.58, 10.83, 1364.0],
    [5.61, 427.12, 1352.0],
    [32.6, 10.73, 202.0],
    [33.18, 428.11, 0.0],
    [219.27, 10.79, 0.0],
    [5.63, 1870.86, 0.0],
];
const WAN: Published = [
    [3.4, 55.12, 113.0],
    [3.4, 167.64, 0.0],
    [151.3, 56.36, 30.2],
    [151.31, 167.72, 0.0],
    [153.86, 55.19, 0.0],
    [3.44, 241.55, 0.0],
];

/// The distributions, and what the paper has of each.
const COLUMNS: [(&str, Published); 5] =
    [("lnkd-ssd", SSD), ("lnkd-disk", DISK), ("ymmr-code", YMMR), ("ymmr", YMMR), ("wan", WAN)];

/// The columns of the table.
pub(in crate::cli) const HEAD: [&str; 13] = [
    "distribution",
    "R",
    "W",
    "read",
    "interval",
    "paper",
    "write",
    "interval",
    "paper",
    "t",
    "interval",
    "paper",
    "P at t=0",
];

/// Runs all studies of the table and prints it as Markdown.
///
/// # Errors
/// No samples or too many; a standard output that cannot be written.
pub(super) fn run(args: &PbsArgs) -> anyhow::Result<ExitCode> {
    let mut is_stopped = false;
    let rows = rows(|legs, quorum| {
        let outcome = args.outcome(legs, quorum, vec![0.0])?;
        is_stopped = outcome.is_none();
        outcome.context("interrupted")
    });
    if is_stopped {
        return Ok(2.into());
    }
    let table = columns::print(presets::ASCII_MARKDOWN, &HEAD, 1..HEAD.len(), rows?);
    super::say(format_args!("{table}\n"))?;
    Ok(ExitCode::SUCCESS)
}

/// The rows under [`HEAD`], of what `study` makes of each distribution and quorum.
pub(in crate::cli) fn rows(
    mut study: impl FnMut(Legs, Quorum) -> anyhow::Result<Outcome>,
) -> anyhow::Result<Vec<Vec<String>>> {
    let mut rows = Vec::new();
    for (name, published) in COLUMNS {
        for ((r, w), published) in QUORUMS.into_iter().zip(published) {
            let legs = Legs::named(name).context("a name of ours")?;
            let outcome = study(legs, Quorum::new(3, r, w)?)?;
            let mut row = vec![name.to_string(), r.to_string(), w.to_string()];
            for ((_, quantile), published) in told(&outcome).iter().zip(published) {
                row.extend([ms(quantile.ms), interval_of(quantile), published.to_string()]);
            }
            row.extend(outcome.consistent().map(|(_, p)| super::share(p.p)));
            rows.push(row);
        }
    }
    Ok(rows)
}

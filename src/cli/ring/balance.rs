//! `dynamo ring --balance`: how evenly the three strategies share requests (paper §6.2, Figure 8).

use super::{RingArgs, plot, table};
use anyhow::Context as _;
use dynamo_protocol::ids::NodeId;
use dynamo_protocol::ring::{Layout, LayoutError, MAX_PARTITIONS, Member, Ring, Strategy};
use indicatif::ProgressBar;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;

/// T, tokens a node: with the paper's 30 nodes, its points of metadata from 60 to 30 720.
const TOKENS: [u32; 10] = [2, 4, 8, 16, 32, 64, 128, 256, 512, 1024];

/// Most members: with the most tokens they fill a ring's places (`MAX_PREFERENCE_PLACES`).
const MAX_STUDIED: i64 = 256;

/// The cluster of the paper's Figure 8.
const PAPER_MEMBERS: u16 = 30;
const PAPER_N: u8 = 3;

/// Efficiency of strategies 1, 2 and 3 at each of [`TOKENS`], digitised from the markers of the
/// paper's Figure 8, within about 0.005. That its points lie at S*T with these T, and that
/// strategy 2 has about 1024 partitions, is read off the figure; the text does not say so.
const PAPER: [[f64; 3]; 10] = [
    [0.52, 0.53, 0.86],
    [0.61, 0.61, 0.87],
    [0.69, 0.70, 0.90],
    [0.76, 0.76, 0.92],
    [0.82, 0.82, 0.94],
    [0.87, 0.85, 0.96],
    [0.91, 0.88, 0.97],
    [0.93, 0.87, 0.98],
    [0.95, 0.85, 0.98],
    [0.96, 0.84, 0.99],
];

/// What else may be said with `--balance`.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "With --balance")]
// clap forgives a missing --balance where it could not be given, as beside --node.
#[group(multiple = true, requires = "balance", conflicts_with = "nodes")]
pub(super) struct StudyArgs {
    /// S, nodes of equal weight.
    #[arg(long, value_name = "S", default_value_t = PAPER_MEMBERS,
        value_parser = clap::value_parser!(u16).range(1..=MAX_STUDIED))]
    members: u16,

    /// Random rings, over which the mean is taken.
    #[arg(long, default_value_t = 10,
        value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rings: u32,

    /// What the members' names, and so their tokens, are drawn from.
    #[arg(long, default_value_t = 0)]
    seed: u64,

    /// Also write the plot to this file.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

/// Measures, prints, and writes the plot if one is wanted.
///
/// # Errors
/// Numbers that give no ring; a plot or a standard output that cannot be written.
pub(super) fn run(args: &RingArgs) -> anyhow::Result<ExitCode> {
    let study = Study::of(args);
    let points = study.points().context("these options give no ring")?;
    if let Some(file) = &args.study.svg {
        let picture = plot::svg(&study, &points)?;
        std::fs::write(file, picture)
            .with_context(|| format!("cannot write the plot to {}", file.display()))?;
    }
    let text = if args.json { study.json_text(&points) } else { study.table(&points) };
    super::super::say(format_args!("{text}\n"))?;
    Ok(ExitCode::SUCCESS)
}

/// The cluster of the paper's Figure 8, over so many random rings: points, and the plot.
///
/// # Errors
/// Whatever the plotting library finds wrong.
#[cfg(all(feature = "museum", feature = "sim"))]
pub(in crate::cli) fn figure_8(rings: u32) -> anyhow::Result<(Vec<Point>, String)> {
    let partitions = super::DEFAULT_PARTITIONS;
    let study = Study { members: PAPER_MEMBERS, n: PAPER_N, partitions, rings, seed: 0 };
    let points = study.points()?;
    let plot = plot::svg(&study, &points)?;
    Ok((points, plot))
}

/// What is measured.
pub(super) struct Study {
    pub(super) members: u16,
    pub(super) n: u8,
    /// Q of strategy 2.
    partitions: u32,
    pub(super) rings: u32,
    seed: u64,
}

/// What came of one number of tokens.
pub(in crate::cli) struct Point {
    /// T.
    pub(super) tokens: u32,
    /// S*T, the paper's size of the membership metadata.
    pub(in crate::cli) metadata: u32,
    /// Mean efficiency of strategies 1, 2 and 3.
    pub(in crate::cli) efficiency: [f64; 3],
    /// The paper's, if this is its cluster.
    pub(in crate::cli) paper: Option<[f64; 3]>,
}

impl Study {
    fn of(args: &RingArgs) -> Study {
        Study {
            members: args.study.members,
            n: args.n,
            partitions: args.partitions.unwrap_or(super::DEFAULT_PARTITIONS),
            rings: args.study.rings,
            seed: args.study.seed,
        }
    }

    fn points(&self) -> Result<Vec<Point>, LayoutError> {
        let progress = ProgressBar::new(TOKENS.len() as u64 * u64::from(self.rings));
        let points = TOKENS.into_iter().zip(PAPER).map(|(tokens, paper)| {
            let metadata = u32::from(self.members) * tokens;
            let is_paper = (self.members, self.n) == (PAPER_MEMBERS, PAPER_N);
            let efficiency = self.mean_efficiency(tokens, &progress)?;
            Ok(Point { tokens, metadata, efficiency, paper: is_paper.then_some(paper) })
        });
        let points = points.collect();
        progress.finish_and_clear();
        points
    }

    fn mean_efficiency(
        &self,
        tokens: u32,
        progress: &ProgressBar,
    ) -> Result<[f64; 3], LayoutError> {
        let mut sums = [0.0; 3];
        for ring in 0..self.rings {
            for (sum, strategy) in sums.iter_mut().zip(self.strategies(tokens)) {
                let layout = Layout::new(strategy, self.n, self.random_members(ring))?;
                *sum += efficiency(&Ring::new(&layout));
            }
            progress.inc(1);
        }
        Ok(sums.map(|sum| sum / f64::from(self.rings)))
    }

    /// The three strategies with equal metadata. That of strategy 3 is its table of owners, so it
    /// has as many partitions as the others have tokens.
    fn strategies(&self, tokens: u32) -> [Strategy; 3] {
        [
            Strategy::RandomTokens { tokens },
            Strategy::RandomTokensEqualPartitions { tokens, partitions: self.partitions },
            Strategy::EqualPartitions { partitions: self.owners(tokens) },
        ]
    }

    /// Q of strategy 3: S*T, as far as a layout may have so many.
    fn owners(&self, tokens: u32) -> u32 {
        (u32::from(self.members) * tokens).min(MAX_PARTITIONS)
    }

    /// Members of one ring. Their tokens are as good as random, because MD5 makes them of names
    /// that no other ring or seed has.
    fn random_members(&self, ring: u32) -> Vec<Member> {
        let member = |id| Member {
            id: NodeId(id),
            name: format!("{}/{ring}/{id}", self.seed),
            weight: 1,
            zone: None,
            address: String::new(),
        };
        (0..u64::from(self.members)).map(member).collect()
    }

    fn json_text(&self, points: &[Point]) -> String {
        let point = |point: &Point| {
            let strategy = |index: usize| {
                json!({
                    "efficiency": point.efficiency[index],
                    "paper": point.paper.map(|paper| paper[index]),
                })
            };
            let mut object = json!({
                "tokens": point.tokens,
                "metadata": point.metadata,
                "strategy_1": strategy(0),
                "strategy_2": strategy(1),
                "strategy_3": strategy(2),
            });
            object["strategy_2"]["partitions"] = self.partitions.into();
            object["strategy_3"]["partitions"] = self.owners(point.tokens).into();
            object
        };
        let object = json!({
            "members": self.members,
            "n": self.n,
            "rings": self.rings,
            "seed": self.seed,
            "points": points.iter().map(point).collect::<Vec<Value>>(),
        });
        format!("{object:#}")
    }

    fn table(&self, points: &[Point]) -> String {
        let has_paper = points.iter().any(|point| point.paper.is_some());
        let mut header = vec!["T", "S*T"];
        for strategy in ["strategy 1", "strategy 2", "strategy 3"] {
            header.push(strategy);
            if has_paper {
                header.push("paper");
            }
        }
        header.push("Q of 3");
        let mut table = table(header);
        for point in points {
            let mut row = vec![point.tokens.to_string(), point.metadata.to_string()];
            for (index, efficiency) in point.efficiency.into_iter().enumerate() {
                row.push(format!("{efficiency:.3}"));
                row.extend(point.paper.map(|paper| format!("{:.2}", paper[index])));
            }
            row.push(self.owners(point.tokens).to_string());
            table.add_row(row);
        }
        format!(
            "{table}\nefficiency = mean load / load of the hottest node, {}\n{self}",
            "if all keys are asked for alike; 1 is even",
        )
    }
}

/// How the numbers came about.
impl std::fmt::Display for Study {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Study { members, n, partitions, rings, seed } = self;
        write!(f, "S={members} N={n}, Q={partitions} under strategy 2, ")?;
        write!(f, "mean of {rings} random rings, seed {seed}")
    }
}

/// Requests of the mean node over those of the hottest one, in (0, 1], if all keys are asked for
/// alike (paper §6.2, "load balancing efficiency").
fn efficiency(ring: &Ring) -> f64 {
    let loads: Vec<f64> = ring.load().into_values().map(|positions| positions as f64).collect();
    let mean = loads.iter().sum::<f64>() / loads.len() as f64;
    mean / loads.into_iter().fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use dynamo_protocol::ring::Position;

    #[test]
    fn efficiency_of_a_ring_of_quarters() {
        // A ends the first quarter, B the second, C the other half.
        let (a, b, c) = (NodeId(0), NodeId(1), NodeId(2));
        let tokens = [(Position(1 << 126), a), (Position(1 << 127), b), (Position(0), c)];
        // N=1: 1/4, 1/4, 1/2. N=2: A also stores C's half, B A's quarter, C B's. N=3: all, all.
        for (n, expected) in [(1, 2.0 / 3.0), (2, 8.0 / 9.0), (3, 1.0)] {
            let actual = efficiency(&Ring::from_tokens(n, &tokens).unwrap());
            assert!((actual - expected).abs() < 1e-12, "N={n}: {actual}");
        }
    }

    #[test]
    fn strategy_3_has_as_many_partitions_as_there_may_be() {
        let study = |members| Study { members, n: 3, partitions: 1024, rings: 1, seed: 0 };
        assert_eq!(study(64).owners(1024), MAX_PARTITIONS);
        assert_eq!((study(65).owners(512), study(65).owners(1024)), (65 * 512, MAX_PARTITIONS));
    }
}

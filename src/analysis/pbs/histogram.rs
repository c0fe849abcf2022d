//! Milliseconds counted in bins of equal relative width.

use super::interval::{Quantile, quantile_ranks};
use serde::{Deserialize, Serialize};

/// What a value that is read off a histogram differs from a recorded one by, at most, as a part of
/// it: half a bin.
pub const RELATIVE_ERROR: f64 = 0.000_5;

/// Values below, in milliseconds (1 ns), and negative ones count as 0.
pub const SMALLEST_MS: f64 = 1.0 / 1_048_576.0;

/// The bits of a float that choose its bin: all but so many of the mantissa, which leaves 1024 bins
/// to a doubling.
const DROPPED: u32 = 42;
const FIRST: u64 = SMALLEST_MS.to_bits() >> DROPPED;
/// From 2^-20 to 2^40 ms (35 years), the bin of zeros, and all beyond in the last one.
const BINS: usize = 60 * 1024 + 1;

/// How many values lie where. Written down, it is a list of the bins that hold any: place and count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Vec<(u32, u64)>", try_from = "Vec<(u32, u64)>")]
pub struct Histogram {
    counts: Vec<u64>,
}

impl From<Histogram> for Vec<(u32, u64)> {
    fn from(histogram: Histogram) -> Vec<(u32, u64)> {
        (0..).zip(histogram.counts).filter(|(_, count)| *count > 0).collect()
    }
}

impl TryFrom<Vec<(u32, u64)>> for Histogram {
    type Error = String;

    fn try_from(bins: Vec<(u32, u64)>) -> Result<Histogram, String> {
        let mut histogram = Histogram::default();
        for (bin, count) in bins {
            let mine = histogram.counts.get_mut(bin as usize);
            *mine.ok_or_else(|| format!("there is no bin {bin}; there are {BINS}"))? += count;
        }
        Ok(histogram)
    }
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram { counts: vec![0; BINS] }
    }
}

impl Histogram {
    /// Counts one value, in milliseconds.
    pub fn record(&mut self, ms: f64) {
        let bin = (ms.max(0.0).to_bits() >> DROPPED).saturating_sub(FIRST - 1) as usize;
        self.counts[bin.min(BINS - 1)] += 1;
    }

    /// Counts what `other` has counted, too.
    pub fn add(&mut self, other: &Histogram) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
    }

    /// How many values there are.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The mean in milliseconds, within [`RELATIVE_ERROR`]; 0 of nothing.
    pub fn mean(&self) -> f64 {
        let filled = self.counts.iter().enumerate().filter(|(_, count)| **count > 0);
        let sum: f64 = filled.map(|(bin, count)| middle(bin) * *count as f64).sum();
        sum / self.count().max(1) as f64
    }

    /// The smallest value, in milliseconds, that a share `q` in (0, 1] of all does not exceed,
    /// within [`RELATIVE_ERROR`]; between the order statistics that enclose the true quantile with
    /// the usual confidence, widened to the ends of their bins.
    ///
    /// # Panics
    /// Nothing was counted.
    pub fn quantile(&self, q: f64) -> Quantile {
        let count = self.count();
        assert!(count > 0, "a quantile of nothing");
        let (low, rank, high) = quantile_ranks(q, count);
        let bin = self.bin_of(rank);
        Quantile {
            ms: middle(bin),
            low: low.map_or(0.0, |rank| edge(self.bin_of(rank))),
            high: high.map(|rank| self.bin_of(rank)).map(|bin| match bin {
                0 => 0.0,
                bin => edge(bin + 1),
            }),
        }
    }

    /// The share of values below the end of each bin that holds any, in rising order: times in
    /// milliseconds, and the cumulative share. Exact at these times.
    pub fn cumulative(&self) -> impl Iterator<Item = (f64, f64)> {
        let all = self.count() as f64;
        let sums = self.counts.iter().scan(0, |sum, count| {
            *sum += count;
            Some((*sum, *count))
        });
        sums.enumerate().filter(|(_, (_, count))| *count > 0).map(move |(bin, (sum, _))| {
            (if bin == 0 { 0.0 } else { edge(bin + 1) }, sum as f64 / all)
        })
    }

    /// Where the value of this rank lies, the smallest having rank 1.
    fn bin_of(&self, rank: u64) -> usize {
        let mut sum = 0;
        let reaches = |count: &u64| {
            sum += count;
            sum >= rank
        };
        self.counts.iter().position(reaches).unwrap_or(BINS - 1)
    }
}

/// What the values of a bin count as, in milliseconds.
fn middle(bin: usize) -> f64 {
    if bin == 0 { 0.0 } else { 0.5 * (edge(bin) + edge(bin + 1)) }
}

/// The lower end of a bin, in milliseconds.
fn edge(bin: usize) -> f64 {
    match bin {
        0 => 0.0,
        bin => f64::from_bits((FIRST + bin as u64 - 1) << DROPPED),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_again_within_the_error() {
        for step in 0..4000 {
            let value = (f64::from(step) * 0.01 - 19.9).exp2();
            let mut one = Histogram::default();
            one.record(value);
            let found = one.quantile(0.5).ms;
            assert!((found / value - 1.0).abs() <= RELATIVE_ERROR, "{value}: {found}");
        }
    }

    #[test]
    fn what_is_tiny_or_negative_is_nothing_and_what_is_huge_is_kept() {
        let mut all = Histogram::default();
        [-1.0, 0.0, SMALLEST_MS / 2.0, f64::NEG_INFINITY]
            .iter()
            .for_each(|value| all.record(*value));
        assert_eq!(all.quantile(0.9).ms, 0.0);
        assert_eq!(all.cumulative().collect::<Vec<_>>(), [(0.0, 1.0)]);
        [f64::INFINITY, 1e300].iter().for_each(|value| all.record(*value));
        assert_eq!(all.count(), 6);
        assert!(all.quantile(0.9).ms > 1e12);
    }

    #[test]
    fn ranks_are_those_of_sorted_samples() {
        let mut all = Histogram::default();
        (1..=1000).for_each(|value| all.record(f64::from(value)));
        let Quantile { ms, low, high } = all.quantile(0.9);
        assert!((ms / 900.0 - 1.0).abs() < 0.001, "{ms}");
        assert!((all.mean() / 500.5 - 1.0).abs() < 0.001, "{}", all.mean());
        // 900 plus or minus 1.96 * sqrt(1000 * 0.9 * 0.1) = 18.6.
        assert!((879.0..882.0).contains(&low), "{low}");
        assert!((919.0..922.0).contains(&high.expect("enough samples")), "{high:?}");
        assert_eq!(all.quantile(0.999).high, None, "the greatest of 1000 may be too small");
    }
}

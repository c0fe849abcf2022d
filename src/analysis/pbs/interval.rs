//! How far an estimate may be from the truth.

/// How often an interval encloses what it estimates, in the long run.
pub const CONFIDENCE: f64 = 0.95;

/// The standard normal quantile at (1 + [`CONFIDENCE`]) / 2.
const Z: f64 = 1.959_963_984_540_054;

/// An estimated probability.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Proportion {
    /// The share that was found.
    pub p: f64,
    /// The interval's lower end.
    pub low: f64,
    /// The interval's upper end.
    pub high: f64,
}

impl Proportion {
    /// Whether the interval has `p` in it.
    pub fn encloses(&self, p: f64) -> bool {
        (self.low..=self.high).contains(&p)
    }
}

/// The probability behind `hits` of `trials`, with Wilson's score interval (JASA 22, 1927), which
/// also fits near 0 and 1.
///
/// # Panics
/// There are no trials, or more hits than trials.
pub fn wilson(hits: u64, trials: u64) -> Proportion {
    assert!(hits <= trials && trials > 0, "{hits} of {trials}");
    let (p, n) = (hits as f64 / trials as f64, trials as f64);
    let (shrink, z2) = (1.0 + Z * Z / n, Z * Z);
    let centre = (p + z2 / (2.0 * n)) / shrink;
    let half = Z * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt() / shrink;
    // At the ends the formula is exactly 0 and 1, but for rounding.
    let low = if hits == 0 { 0.0 } else { (centre - half).max(0.0) };
    let high = if hits == trials { 1.0 } else { (centre + half).min(1.0) };
    Proportion { p, low, high }
}

/// An estimated quantile.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantile {
    /// The estimate, in milliseconds.
    pub ms: f64,
    /// The interval's lower end, in milliseconds.
    pub low: f64,
    /// The interval's upper end, in milliseconds; none if there are too few samples to know any.
    pub high: Option<f64>,
}

/// The ranks, from 1 to `count`, of the order statistics that estimate the quantile `q` and enclose
/// it: how many of `count` values lie below the true quantile is binomial, here taken as normal and
/// rounded outwards. None where the rank would lie outside the samples.
pub(super) fn quantile_ranks(q: f64, count: u64) -> (Option<u64>, u64, Option<u64>) {
    let n = count as f64;
    let (mean, half) = (n * q, Z * (n * q * (1.0 - q)).sqrt());
    let within = |rank: f64| (1.0..=n).contains(&rank).then_some(rank as u64);
    let (low, high) = ((mean - half).floor(), (mean + half).ceil() + 1.0);
    (within(low), (mean.ceil() as u64).clamp(1, count), within(high))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wilson_s_interval_is_that_of_the_textbook() {
        // E. B. Wilson's formula by hand: 1 of 10.
        let Proportion { p, low, high } = wilson(1, 10);
        assert_eq!(p, 0.1);
        assert!((low - 0.017_876).abs() < 1e-6 && (high - 0.404_150).abs() < 1e-6, "{low} {high}");
        let all = wilson(10, 10);
        assert_eq!((all.p, all.high), (1.0, 1.0));
        // n / (n + z^2)
        assert!((all.low - 0.722_467).abs() < 1e-6, "{}", all.low);
        assert_eq!(wilson(0, 10).low, 0.0);
    }

    #[test]
    fn ranks_outside_the_samples_are_none() {
        assert_eq!(quantile_ranks(0.5, 100), (Some(40), 50, Some(61)));
        assert_eq!(quantile_ranks(0.999, 1000), (Some(997), 999, None));
        assert_eq!(quantile_ranks(0.5, 1), (None, 1, None));
    }
}

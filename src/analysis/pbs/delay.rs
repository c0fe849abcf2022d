//! How long messages take.

use super::BadStudy;
use super::math::{exp, ln, normal_quantile};
use super::trial::{LANES, uniform};
use rand_xoshiro::Xoshiro256PlusPlus;
use std::cell::OnceCell;
use std::sync::Arc;

/// The greatest number of milliseconds, and the greatest rate.
const MOST: f64 = 1e9;

/// Below, Pareto's distribution has values that no float holds.
const LEAST_SHAPE: f64 = 0.1;

/// A distribution of delays, in milliseconds.
#[derive(Clone, Debug, PartialEq)]
pub enum Delay {
    /// Always this.
    Constant(f64),
    /// Anything from the first to the second alike.
    Uniform(f64, f64),
    /// Normal of this mean and this standard deviation; what is negative counts as 0.
    Normal(f64, f64),
    /// Exponential of this rate, lambda, a millisecond: the mean is its inverse.
    Exponential(f64),
    /// Pareto's, of a scale x_m and a shape alpha: P(X > x) = (x_m / x)^alpha from x_m on.
    Pareto(f64, f64),
    /// One of several, by weight.
    Mixture(Vec<(f64, Delay)>),
    /// So much more than another one.
    Shifted(f64, Box<Delay>),
    /// One of the values that were measured, each as likely as the others.
    Empirical(Arc<[f64]>),
}

impl Delay {
    /// Whether it is one.
    ///
    /// # Errors
    /// A parameter that gives no distribution of delays, or is beyond the limits: 10^9 ms or a
    /// millisecond, and 0.1 for a shape.
    pub fn check(&self) -> Result<(), BadStudy> {
        let positive = 1.0 / MOST;
        match self {
            Delay::Constant(ms) => within("a constant delay", *ms, 0.0),
            Delay::Uniform(low, high) => {
                within("the lower end of a uniform delay", *low, 0.0)?;
                within("the upper end of a uniform delay", *high, *low)
            }
            Delay::Normal(mean, deviation) => {
                within("the mean of a normal delay", *mean, 0.0)?;
                within("the standard deviation of a normal delay", *deviation, 0.0)
            }
            Delay::Exponential(rate) => within("the rate of an exponential delay", *rate, positive),
            Delay::Pareto(scale, shape) => {
                within("the scale of a Pareto delay", *scale, positive)?;
                within("the shape of a Pareto delay", *shape, LEAST_SHAPE)
            }
            Delay::Mixture(parts) if parts.is_empty() => {
                Err(BadStudy("a mixture has no parts".into()))
            }
            Delay::Mixture(parts) => parts.iter().try_for_each(|(weight, part)| {
                within("a weight of a mixture", *weight, positive)?;
                part.check()
            }),
            Delay::Shifted(by, of) => {
                within("the shift of a delay", *by, 0.0)?;
                of.check()
            }
            Delay::Empirical(values) if values.is_empty() => {
                Err(BadStudy("an empirical delay has no values".into()))
            }
            Delay::Empirical(values) => {
                values.iter().try_for_each(|value| within("a measured delay", *value, 0.0))
            }
        }
    }

    /// Delays, by inversion, from numbers that are uniform in (0, 1].
    ///
    /// Every one costs one number. It has 52 bits, so that no exponential delay is above 36 means;
    /// what chooses the part of a mixture is no longer there to choose within it, which costs the
    /// rarest part of the named distributions 6 of them.
    pub(super) fn draw(&self, uniform: &[f64; LANES]) -> [f64; LANES] {
        self.draw_from(&Numbers::new(*uniform))
    }

    fn draw_from(&self, numbers: &Numbers) -> [f64; LANES] {
        let uniform = &numbers.uniform;
        match self {
            Delay::Constant(ms) => [*ms; LANES],
            Delay::Uniform(low, high) => each(uniform, |u| low + (high - low) * u),
            Delay::Normal(mean, deviation) => {
                // At exactly 1 the quantile is infinite; the middle of the last step is not.
                let quantile = |u: f64| normal_quantile(u.min(1.0 - f64::EPSILON / 4.0));
                each(uniform, |u| (mean + deviation * quantile(u)).max(0.0))
            }
            Delay::Exponential(rate) => {
                let scale = -1.0 / rate;
                each(numbers.logarithms(), |ln| scale * ln)
            }
            Delay::Pareto(scale, shape) => {
                let power = -1.0 / shape;
                each(numbers.logarithms(), |ln| scale * exp(power * ln))
            }
            Delay::Mixture(parts) => mixture(parts, uniform),
            Delay::Shifted(by, of) => each(&of.draw_from(numbers), |ms| by + ms),
            Delay::Empirical(values) => {
                let last = values.len() - 1;
                each(uniform, |u| values[last.min((u * values.len() as f64) as usize)])
            }
        }
    }
}

/// Delays, one after the other.
#[derive(Clone, Debug)]
pub struct Draws {
    delay: Delay,
    drawn: [f64; LANES],
    next: usize,
}

impl Draws {
    /// From `delay`, which must be [checked](Delay::check).
    pub fn new(delay: Delay) -> Draws {
        Draws { delay, drawn: [0.0; LANES], next: LANES }
    }

    /// The next delay, in milliseconds. The numbers for [`LANES`] of them are taken together.
    pub fn next(&mut self, random: &mut Xoshiro256PlusPlus) -> f64 {
        if self.next == LANES {
            (self.drawn, self.next) = (self.delay.draw(&uniform(random)), 0);
        }
        self.next += 1;
        self.drawn[self.next - 1]
    }
}

/// # Errors
/// `what` is this value and neither `least` nor up to [`MOST`].
fn within(what: &str, value: f64, least: f64) -> Result<(), BadStudy> {
    match (least..=MOST).contains(&value) {
        true => Ok(()),
        false => Err(BadStudy(format!("{what} is {value}; use {least} to {MOST}"))),
    }
}

/// What becomes of each lane. `array::map` calls a large function where a loop has it inside, and
/// so trials take half as long again.
#[inline(always)]
pub(super) fn each(lanes: &[f64; LANES], change: impl Fn(f64) -> f64) -> [f64; LANES] {
    let mut lanes = *lanes;
    for lane in &mut lanes {
        *lane = change(*lane);
    }
    lanes
}

/// Numbers in (0, 1], and their logarithms once anything is drawn by them: the parts of a mixture
/// share them.
struct Numbers {
    uniform: [f64; LANES],
    logarithms: OnceCell<[f64; LANES]>,
}

impl Numbers {
    fn new(uniform: [f64; LANES]) -> Numbers {
        Numbers { uniform, logarithms: OnceCell::new() }
    }

    fn logarithms(&self) -> &[f64; LANES] {
        self.logarithms.get_or_init(|| each(&self.uniform, ln))
    }
}

/// Draws from every part and keeps what belongs, which is cheaper than to branch.
fn mixture(parts: &[(f64, Delay)], uniform: &[f64; LANES]) -> [f64; LANES] {
    let total: f64 = parts.iter().map(|(weight, _)| weight).sum();
    let starts = parts.iter().scan(0.0, |end, (weight, _)| {
        let from = *end;
        *end += weight / total;
        Some((from, total / weight))
    });
    // Of each lane, where its number lies within its part.
    let mut within = *uniform;
    for (from, inverse) in starts.clone() {
        for lane in 0..LANES {
            let u = ((uniform[lane] - from) * inverse).clamp(f64::EPSILON / 4.0, 1.0);
            within[lane] = if uniform[lane] > from { u } else { within[lane] };
        }
    }
    let within = Numbers::new(within);
    let mut drawn = [0.0; LANES];
    for ((from, _), (_, part)) in starts.zip(parts) {
        let all = part.draw_from(&within);
        for lane in 0..LANES {
            drawn[lane] = if uniform[lane] > from { all[lane] } else { drawn[lane] };
        }
    }
    drawn
}

/// The four legs of WARS: a write's way to a replica and the acknowledgement's way back, a read's
/// way to a replica and the answer's way back. Independent, and alike for all replicas.
#[derive(Clone, Debug, PartialEq)]
pub struct Legs {
    /// A write's way to a replica.
    pub w: Delay,
    /// The acknowledgement's way back.
    pub a: Delay,
    /// A read's way to a replica.
    pub r: Delay,
    /// The answer's way back.
    pub s: Delay,
    pub(super) remote: Option<f64>,
    pub(super) local: bool,
}

/// Names of [`Legs::named`].
pub const NAMES: [&str; 5] = ["lnkd-ssd", "lnkd-disk", "ymmr", "ymmr-code", "wan"];

impl Legs {
    /// Legs of these delays. With `remote`, all replicas but one, chosen at random for the write and
    /// independently for the read, take so many milliseconds more on each leg.
    ///
    /// # Errors
    /// A delay with a parameter that gives none.
    pub fn new(
        w: Delay,
        a: Delay,
        r: Delay,
        s: Delay,
        remote: Option<f64>,
    ) -> Result<Legs, BadStudy> {
        [&w, &a, &r, &s].into_iter().try_for_each(Delay::check)?;
        within("the way to remote replicas", remote.unwrap_or(0.0), 0.0)?;
        Ok(Legs { w, a, r, s, remote, local: false })
    }

    /// The same, with coordinators that are replicas themselves, one for the write and, chosen
    /// independently, one for the read: their own legs take no time.
    #[must_use]
    pub fn with_local_coordinators(self) -> Legs {
        Legs { local: true, ..self }
    }

    /// Whether some replicas are farther than others.
    pub fn has_remote(&self) -> bool {
        self.remote.is_some()
    }

    /// W, and one distribution for the other three.
    ///
    /// # Errors
    /// A delay with a parameter that gives none.
    pub fn of(w: Delay, ars: Delay) -> Result<Legs, BadStudy> {
        Legs::new(w, ars.clone(), ars.clone(), ars, None)
    }

    /// What the paper fits to latencies in production (Table 3), if there is anything of this name:
    ///
    /// - `lnkd-ssd`, `lnkd-disk`: LinkedIn's Voldemort, on solid state and on spinning disks;
    /// - `ymmr`: Yammer's Riak as the paper prints it, `ymmr-code`: as its simulator has it, with
    ///   3.5 instead of 3.35 for the shape of a write's way, from which its results come;
    /// - `wan`: `lnkd-disk`, and 75 ms more each way to all replicas but one.
    pub fn named(name: &str) -> Option<Legs> {
        let tailed = |share: f64, scale: f64, shape: f64, rate: f64| {
            let parts =
                [(share, Delay::Pareto(scale, shape)), (1.0 - share, Delay::Exponential(rate))];
            Delay::Mixture(parts.into())
        };
        let ssd = || tailed(0.9122, 0.235, 10.0, 1.66);
        let disk = || tailed(0.38, 1.05, 1.51, 0.183);
        let ymmr = |shape| (tailed(0.939, 3.0, shape, 0.0028), tailed(0.982, 1.5, 3.8, 0.0217));
        let ((w, ars), remote) = match name {
            "lnkd-ssd" => ((ssd(), ssd()), None),
            "lnkd-disk" => ((disk(), ssd()), None),
            "ymmr" => (ymmr(3.35), None),
            "ymmr-code" => (ymmr(3.5), None),
            "wan" => ((disk(), ssd()), Some(75.0)),
            _ => return None,
        };
        Some(Legs { w, a: ars.clone(), r: ars.clone(), s: ars, remote, local: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Delays at LANES even steps of probability.
    fn quantiles(delay: &Delay) -> [f64; LANES] {
        delay.check().unwrap();
        delay.draw(&std::array::from_fn(|i| (i as f64 + 0.5) / LANES as f64))
    }

    #[test]
    fn each_distribution_has_the_tail_of_its_formula() {
        let close = |delay: &Delay, exceeds: &dyn Fn(f64) -> f64| {
            // Exponential and Pareto are drawn from above, the others from below.
            for (i, x) in quantiles(delay).into_iter().enumerate() {
                let u = (i as f64 + 0.5) / LANES as f64;
                assert!((exceeds(x) - u).abs() < 1e-8, "{delay:?} at {u}: {x}");
            }
        };
        close(&Delay::Exponential(0.5), &|x| (-0.5 * x).exp());
        close(&Delay::Pareto(3.0, 1.5), &|x| (3.0 / x).powf(1.5));
        close(&Delay::Uniform(2.0, 6.0), &|x| (x - 2.0) / 4.0);
        close(&Delay::Shifted(7.0, Delay::Uniform(0.0, 1.0).into()), &|x| x - 7.0);
        assert_eq!(quantiles(&Delay::Constant(4.0)), [4.0; LANES]);
    }

    #[test]
    fn normal_delays_are_not_negative() {
        let all = quantiles(&Delay::Normal(50.0, 50.0));
        let zeros = all.iter().filter(|ms| **ms == 0.0).count() as f64 / LANES as f64;
        assert!((zeros - 0.158_655).abs() < 0.01, "P(Z < -1), {zeros}");
        assert!((all[LANES / 2] - 50.0).abs() < 1.0);
        assert!(Delay::Normal(1.0, 1.0).draw(&[1.0; LANES])[0].is_finite());
    }

    #[test]
    fn parts_of_a_mixture_come_by_weight() {
        let parts = [(1.0, Delay::Constant(1.0)), (3.0, Delay::Uniform(10.0, 20.0))];
        let all = quantiles(&Delay::Mixture(parts.into()));
        assert_eq!(all.iter().filter(|ms| **ms == 1.0).count(), LANES / 4);
        let mean: f64 = all[LANES / 4..].iter().sum::<f64>() / (LANES as f64 * 0.75);
        assert!((mean - 15.0).abs() < 1e-9, "the whole of a part is drawn: {mean}");
    }

    #[test]
    fn measured_values_are_equally_likely() {
        let all = quantiles(&Delay::Empirical([5.0, 1.0].into()));
        assert_eq!(all.iter().filter(|ms| **ms == 5.0).count(), LANES / 2);
        assert_eq!(Delay::Empirical([5.0, 1.0].into()).draw(&[1.0; LANES])[0], 1.0);
    }

    #[test]
    fn what_is_no_distribution_is_refused() {
        for (delay, complaint) in [
            (Delay::Constant(-1.0), "a constant delay is -1; use 0 to 1000000000"),
            (Delay::Constant(f64::NAN), "a constant delay is NaN"),
            (Delay::Uniform(5.0, 4.0), "the upper end of a uniform delay is 4; use 5 to"),
            (Delay::Exponential(0.0), "the rate of an exponential delay is 0"),
            (Delay::Pareto(1.0, 0.0), "the shape of a Pareto delay is 0; use 0.1 to"),
            (Delay::Mixture(vec![]), "a mixture has no parts"),
            (Delay::Mixture(vec![(0.0, Delay::Constant(1.0))]), "a weight of a mixture is 0"),
            (Delay::Empirical([].into()), "an empirical delay has no values"),
            (Delay::Shifted(1.0, Delay::Constant(-2.0).into()), "a constant delay is -2"),
        ] {
            let error = Legs::of(Delay::Constant(1.0), delay).unwrap_err().to_string();
            assert!(error.contains(complaint), "{error}");
        }
    }

    #[test]
    fn every_name_has_delays_that_pass() {
        for name in NAMES {
            let Legs { w, a, r, s, remote, .. } = Legs::named(name).expect(name);
            Legs::new(w, a, r, s, remote).expect(name);
        }
        assert_eq!(Legs::named("lnkd"), None);
    }
}

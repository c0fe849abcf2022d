//! Trials of WARS, [`LANES`] at a time.

use super::delay::{Delay, Legs};
use super::{Outcome, Quorum};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

/// Trials that are worked on together, each step for all of them: loops over arrays of a fixed
/// length, without branches, become vector instructions.
pub(super) const LANES: usize = 128;

type Lanes = [f64; LANES];

/// What each of [`LANES`] trials has drawn for each of N replicas, in milliseconds.
pub(super) struct Trials<'a> {
    legs: &'a Legs,
    quorum: Quorum,
    replicas: Vec<Replica>,
}

/// One replica in each trial.
struct Replica {
    /// W + A: when its acknowledgement arrives, after the write was sent.
    acknowledged: Lanes,
    /// R + S: when its answer arrives, after the read was sent.
    answered: Lanes,
    /// W and R, if coordinators are replicas.
    legs: [Lanes; 2],
    /// W - R: how long after the write a read must be sent for this replica to answer with it.
    behind: Lanes,
}

impl<'a> Trials<'a> {
    pub(super) fn new(legs: &'a Legs, quorum: Quorum) -> Trials<'a> {
        let none = [0.0; LANES];
        let replica =
            || Replica { acknowledged: none, answered: none, legs: [none; 2], behind: none };
        Trials { legs, quorum, replicas: (0..quorum.n).map(|_| replica()).collect() }
    }

    /// Runs `size` trials of one block, and counts them.
    pub(super) fn run(&mut self, seed: u64, block: u64, size: u64, outcome: &mut Outcome) {
        let mut random = stream(seed, block);
        let mut left = size as usize;
        while left > 0 {
            let lanes = left.min(LANES);
            self.draw(&mut random);
            let (read, write, thresholds) = self.judge();
            outcome.record(&read[..lanes], &write[..lanes], &thresholds[..lanes]);
            left -= lanes;
        }
    }

    fn draw(&mut self, random: &mut Xoshiro256PlusPlus) {
        let mut leg = |delay: &Delay| delay.draw(&uniform(random));
        for replica in &mut self.replicas {
            let [w, a] = [&self.legs.w, &self.legs.a].map(&mut leg);
            let [r, s] = [&self.legs.r, &self.legs.s].map(&mut leg);
            for lane in 0..LANES {
                replica.acknowledged[lane] = w[lane] + a[lane];
                replica.answered[lane] = r[lane] + s[lane];
                replica.behind[lane] = w[lane] - r[lane];
            }
            if self.legs.local {
                replica.legs = [w, r];
            }
        }
        if self.legs.remote.is_some() || self.legs.local {
            let near = self.chosen(random);
            if self.legs.local {
                self.localise(&near);
            }
            self.legs.remote.into_iter().for_each(|remote| self.separate(remote, &near));
        }
    }

    /// Makes one replica the writer's, and one, maybe another, the reader's coordinator.
    fn localise(&mut self, [writer, reader]: &[[usize; LANES]; 2]) {
        for (index, replica) in self.replicas.iter_mut().enumerate() {
            let [w, r] = &mut replica.legs;
            for lane in 0..LANES {
                if writer[lane] == index {
                    (replica.acknowledged[lane], w[lane]) = (0.0, 0.0);
                }
                if reader[lane] == index {
                    (replica.answered[lane], r[lane]) = (0.0, 0.0);
                }
                replica.behind[lane] = w[lane] - r[lane];
            }
        }
    }

    /// Two replicas, each chosen at random.
    fn chosen(&self, random: &mut Xoshiro256PlusPlus) -> [[usize; LANES]; 2] {
        let n = self.replicas.len();
        let one = |u: f64| n.min((u * n as f64).ceil() as usize) - 1;
        [uniform(random), uniform(random)].map(|all| all.map(one))
    }

    /// Puts all replicas but one far from the writer, and all but one, maybe another, far from the
    /// reader.
    fn separate(&mut self, remote: f64, [writer, reader]: &[[usize; LANES]; 2]) {
        for (index, replica) in self.replicas.iter_mut().enumerate() {
            for lane in 0..LANES {
                let far = |near: usize| if near == index { 0.0 } else { remote };
                let (write, read) = (far(writer[lane]), far(reader[lane]));
                replica.acknowledged[lane] += 2.0 * write;
                replica.answered[lane] += 2.0 * read;
                replica.behind[lane] += write - read;
            }
        }
    }

    /// The latency of the read and of the write, and the threshold: a read that is sent so long
    /// after the write's acknowledgement, or longer, is consistent. That is the smallest of W - R
    /// among the R replicas that answer first, less the write's latency.
    fn judge(&mut self) -> (Lanes, Lanes, Lanes) {
        let Quorum { r, w, .. } = self.quorum;
        for place in 0..w {
            let (head, tail) = self.replicas.split_at_mut(place + 1);
            let first = &mut head[place].acknowledged;
            tail.iter_mut().for_each(|other| exchange(first, &mut other.acknowledged));
        }
        let write = self.replicas[w - 1].acknowledged;
        let mut earliest = [f64::INFINITY; LANES];
        for place in 0..r {
            let (head, tail) = self.replicas.split_at_mut(place + 1);
            let first = &mut head[place];
            tail.iter_mut().for_each(|other| exchange_replicas(first, other));
            for (earliest, behind) in earliest.iter_mut().zip(&first.behind) {
                *earliest = lesser(*earliest, *behind);
            }
        }
        let read = self.replicas[r - 1].answered;
        let threshold = std::array::from_fn(|lane| earliest[lane] - write[lane]);
        (read, write, threshold)
    }
}

/// The numbers of one block of one seed: no other pair has this state of the generator. Its
/// algorithm is fixed (Blackman and Vigna, xoshiro256++ 1.0), unlike that of `StdRng`, and ten
/// times as fast as a cipher.
pub fn stream(seed: u64, block: u64) -> Xoshiro256PlusPlus {
    let words = [seed, block, 0x9e37_79b9_7f4a_7c15, 0xd1b5_4a32_d192_ed03];
    let mut state = [0; 32];
    for (bytes, word) in state.chunks_exact_mut(8).zip(words) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    let mut random = Xoshiro256PlusPlus::from_seed(state);
    // Streams with nearly the same state need a while to part.
    (0..32).for_each(|_| _ = random.next_u64());
    random
}

/// Numbers in (0, 1] in steps of 2^-52: 52 bits as the mantissa of a number in [1, 2), from 2.
pub(super) fn uniform(random: &mut Xoshiro256PlusPlus) -> Lanes {
    let bits: [u64; LANES] = std::array::from_fn(|_| random.next_u64());
    bits.map(|bits| 2.0 - f64::from_bits((bits >> 12) | 1.0f64.to_bits()))
}

fn lesser(a: f64, b: f64) -> f64 {
    if b < a { b } else { a }
}

/// Brings the lesser of each pair to the first place, and the greater to the second.
fn exchange(first: &mut Lanes, second: &mut Lanes) {
    for (a, b) in first.iter_mut().zip(second) {
        (*a, *b) = if *b < *a { (*b, *a) } else { (*a, *b) };
    }
}

/// Brings the replica that answers earlier to the first place.
fn exchange_replicas(first: &mut Replica, second: &mut Replica) {
    for lane in 0..LANES {
        let swap = second.answered[lane] < first.answered[lane];
        let pick = |a: f64, b: f64| if swap { (b, a) } else { (a, b) };
        (first.answered[lane], second.answered[lane]) =
            pick(first.answered[lane], second.answered[lane]);
        (first.behind[lane], second.behind[lane]) = pick(first.behind[lane], second.behind[lane]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::pbs::{Proportion, closed, wilson};

    const INSTANT: Delay = Delay::Constant(0.0);
    const WRITES: f64 = 0.2;
    const READS: f64 = 1.5;

    fn legs(w: Delay, r: Delay) -> Legs {
        Legs::new(w, INSTANT, r, INSTANT, None).unwrap()
    }

    /// The share of reads at `t` that `threshold` calls stale, in 128 000 trials.
    fn stale(
        legs: &Legs,
        quorum: Quorum,
        t: f64,
        threshold: impl Fn(&mut Trials<'_>) -> Lanes,
    ) -> Proportion {
        let (mut trials, mut random) = (Trials::new(legs, quorum), stream(7, 3));
        let batches = 1000;
        let stale = (0..batches).map(|_| {
            trials.draw(&mut random);
            threshold(&mut trials).into_iter().filter(|threshold| *threshold > t).count() as u64
        });
        wilson(stale.sum(), batches * LANES as u64)
    }

    fn ours(trials: &mut Trials<'_>) -> Lanes {
        trials.judge().2
    }

    /// Within 2.5 times the interval: 5 standard deviations.
    fn is_near(estimate: Proportion, truth: f64) -> bool {
        let slack = 0.75 * (estimate.high - estimate.low);
        (estimate.low - slack..=estimate.high + slack).contains(&truth)
    }

    /// The exact probability if W is exponential of rate `WRITES`, R of rate `READS`, and the rest
    /// takes no time. As in [`closed::stale_with_exponential_writes`], but a read that arrives r
    /// later gives its replica so much longer; and the sum of the least R of N exponential times
    /// is a sum of independent ones.
    fn exact(quorum: Quorum, t: f64) -> f64 {
        let (n, r) = (quorum.n as f64, quorum.r as f64);
        let spacing = |j: usize| {
            let (rate, weight) = ((n - j as f64) * READS, r - j as f64);
            rate / (rate + WRITES * weight)
        };
        let longer: f64 = (0..quorum.r).map(spacing).product();
        closed::stale_with_exponential_writes(quorum, WRITES, t) * longer
    }

    fn quorums() -> impl Iterator<Item = Quorum> {
        let sizes = [(2, 1, 1), (3, 1, 1), (3, 1, 2), (3, 2, 1), (5, 2, 2), (5, 1, 3), (10, 3, 4)];
        sizes.into_iter().map(|(n, r, w)| Quorum::new(n, r, w).unwrap())
    }

    #[test]
    fn exponential_writes_and_instant_reads_are_as_stale_as_the_formula_says() {
        let legs = legs(Delay::Exponential(WRITES), INSTANT);
        for (quorum, t) in quorums().flat_map(|quorum| [0.0, 0.5, 2.0].map(|t| (quorum, t))) {
            let truth = closed::stale_with_exponential_writes(quorum, WRITES, t);
            let estimate = stale(&legs, quorum, t, ours);
            assert!(is_near(estimate, truth), "{quorum:?} at {t}: {estimate:?}, not {truth}");
        }
    }

    #[test]
    fn reads_that_take_exponential_times_are_as_stale_as_the_formula_says() {
        let legs = legs(Delay::Exponential(WRITES), Delay::Exponential(READS));
        for (quorum, t) in quorums().flat_map(|quorum| [0.0, 0.5, 2.0].map(|t| (quorum, t))) {
            let truth = exact(quorum, t);
            let estimate = stale(&legs, quorum, t, ours);
            assert!(is_near(estimate, truth), "{quorum:?} at {t}: {estimate:?}, not {truth}");
        }
    }

    /// Canaries: the oracles above see through each of these.
    #[test]
    fn wrong_estimators_are_found_out() {
        let any_replicas = |trials: &mut Trials<'_>| -> Lanes {
            let least = |lane: usize| {
                let behind = trials.replicas.iter().map(|replica| replica.behind[lane]);
                behind.take(trials.quorum.r).fold(f64::INFINITY, lesser)
            };
            let earliest: Lanes = std::array::from_fn(least);
            let write = trials.judge().1;
            std::array::from_fn(|lane| earliest[lane] - write[lane])
        };
        let without_the_write = |trials: &mut Trials<'_>| -> Lanes {
            let (_, write, threshold) = trials.judge();
            std::array::from_fn(|lane| threshold[lane] + write[lane])
        };
        let backwards = |trials: &mut Trials<'_>| trials.judge().2.map(|threshold| -threshold);
        let legs = legs(Delay::Exponential(WRITES), Delay::Exponential(READS));
        for quorum in quorums() {
            let truth = exact(quorum, 0.5);
            assert!(is_near(stale(&legs, quorum, 0.5, ours), truth));
            assert!(!is_near(stale(&legs, quorum, 0.5, any_replicas), truth), "{quorum:?}");
            assert!(!is_near(stale(&legs, quorum, 0.5, without_the_write), truth), "{quorum:?}");
            assert!(!is_near(stale(&legs, quorum, 0.5, backwards), truth), "{quorum:?}");
        }
    }

    #[test]
    fn latencies_are_order_statistics() {
        // The W-th smallest of N exponential times has the mean sum of 1/i, i from N-W+1 to N.
        let legs = legs(Delay::Exponential(WRITES), Delay::Exponential(READS));
        for quorum in quorums() {
            let (mut trials, mut random) = (Trials::new(&legs, quorum), stream(1, 0));
            let (mut reads, mut writes) = (0.0, 0.0);
            for _ in 0..1000 {
                trials.draw(&mut random);
                let (read, write, _) = trials.judge();
                reads += read.iter().sum::<f64>();
                writes += write.iter().sum::<f64>();
            }
            let trials = 1000.0 * LANES as f64;
            let mean = |size: usize, rate: f64| {
                (quorum.n - size + 1..=quorum.n).map(|i| 1.0 / (rate * i as f64)).sum::<f64>()
            };
            let close = |ours: f64, truth: f64| (ours / truth - 1.0).abs() < 5.0 / trials.sqrt();
            assert!(close(writes / trials, mean(quorum.w, WRITES)), "{quorum:?}");
            assert!(close(reads / trials, mean(quorum.r, READS)), "{quorum:?}");
        }
    }

    /// Golden: the first numbers of xoshiro256++ from the state 1, 2, 3, 4, by its authors' code.
    #[test]
    fn the_generator_is_the_one_it_says() {
        let mut state = [0; 32];
        (0..4u8).for_each(|i| state[8 * usize::from(i)] = i + 1);
        let mut random = Xoshiro256PlusPlus::from_seed(state);
        let first: [u64; 4] = std::array::from_fn(|_| random.next_u64());
        assert_eq!(first, [41_943_041, 58_720_359, 3_588_806_011_781_223, 3_591_011_842_654_386]);
    }

    #[test]
    fn uniform_numbers_are_in_range_and_streams_differ() {
        let mut random = stream(0, 0);
        let all: Vec<f64> = (0..1000).flat_map(|_| uniform(&mut random)).collect();
        assert!(all.iter().all(|u| (f64::MIN_POSITIVE..=1.0).contains(u)));
        let mean = all.iter().sum::<f64>() / all.len() as f64;
        assert!((mean - 0.5).abs() < 5.0 * (1.0f64 / 12.0 / all.len() as f64).sqrt(), "{mean}");
        let first = |seed, block| stream(seed, block).next_u64();
        assert!(first(0, 1) != first(1, 0) && first(0, 0) != first(0, 1));
    }
}

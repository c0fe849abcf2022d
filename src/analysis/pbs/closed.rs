//! Closed forms of the PBS paper (PVLDB 2012). They speak of quorums chosen at random, or of reads that
//! take no time.

use super::Quorum;

/// p_s, the probability that a read quorum misses a write quorum, both chosen at random:
/// C(N-W, R) / C(N, R) (equation 1).
pub fn stale(quorum: Quorum) -> f64 {
    miss(quorum, quorum.w)
}

/// The probability that R random replicas are all among the N - `holders` that do not hold a write.
fn miss(Quorum { n, r, .. }: Quorum, holders: usize) -> f64 {
    let lacking = n - holders;
    let factor = |i: usize| lacking.saturating_sub(i) as f64 / (n - i) as f64;
    (0..r).map(factor).product()
}

/// k-staleness: the probability p_s^k that a read returns none of the latest `k` committed versions
/// or a newer one, if nothing spreads beyond the write quorums.
pub fn k_stale(quorum: Quorum, k: f64) -> f64 {
    stale(quorum).powf(k)
}

/// Which reads are monotonic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Monotonic {
    /// A read returns what the client's last one did, or anything newer: exponent
    /// 1 + writes per read.
    Usual,
    /// A read returns something newer, if there is: exponent writes per read.
    Strict,
}

/// The probability that a client's reads are not monotonic, if `writes_per_read` writes are
/// committed to the key, by anybody, for each of its reads.
pub fn not_monotonic(quorum: Quorum, writes_per_read: f64, kind: Monotonic) -> f64 {
    let own = match kind {
        Monotonic::Usual => 1.0,
        Monotonic::Strict => 0.0,
    };
    k_stale(quorum, own + writes_per_read)
}

/// t-visibility of reads that take no time: the probability that a read is stale, if `holders[i]`
/// is the probability that exactly W + i replicas hold the write by then (equation 4,
/// with C(., R) where the paper prints C(., N), and with the probability of exactly so many).
///
/// # Panics
/// There is not one probability for each of W to N.
pub fn stale_by_holders(quorum: Quorum, holders: &[f64]) -> f64 {
    assert_eq!(holders.len(), quorum.n - quorum.w + 1, "one for each of W to N");
    let at = |(i, probability): (usize, &f64)| probability * miss(quorum, quorum.w + i);
    holders.iter().enumerate().map(at).sum()
}

/// The probability that a read is stale `t` ms after the write, if a write takes an exponential time
/// of `rate` a millisecond to reach each replica and all else is instant: p_s * e^(-rate R t). The
/// N - W replicas that lack the write at its acknowledgement wait on without memory, and all R
/// that are read must be among them and still wait.
pub fn stale_with_exponential_writes(quorum: Quorum, rate: f64, t: f64) -> f64 {
    stale(quorum) * (-rate * quorum.r as f64 * t).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quorum(n: usize, r: usize, w: usize) -> Quorum {
        Quorum::new(n, r, w).unwrap()
    }

    #[track_caller]
    fn close(ours: f64, published: f64, error: f64) {
        assert!((ours - published).abs() <= error, "{ours}, published {published}");
    }

    #[test]
    fn published_values_of_k_staleness() {
        for (k, fresh) in [(1, 0.3333), (2, 0.5556), (3, 0.7037), (5, 0.8683), (10, 0.9827)] {
            close(1.0 - k_stale(quorum(3, 1, 1), f64::from(k)), fresh, 5e-5);
        }
        for (k, fresh) in [(1, 0.6667), (2, 0.8889), (3, 0.9630), (5, 0.9959)] {
            close(1.0 - k_stale(quorum(3, 1, 2), f64::from(k)), fresh, 5e-5);
            close(1.0 - k_stale(quorum(3, 2, 1), f64::from(k)), fresh, 5e-5);
        }
        close(stale(quorum(100, 30, 30)), 1.884e-6, 5e-10);
    }

    #[test]
    fn strict_quorums_are_never_stale() {
        for n in 1..=6 {
            for (r, w) in (1..=n).flat_map(|r| (1..=n).map(move |w| (r, w))) {
                let quorum = quorum(n, r, w);
                assert_eq!(stale(quorum) == 0.0, quorum.is_strict(), "{quorum:?}");
            }
        }
    }

    #[test]
    fn monotonic_reads_have_two_exponents() {
        let quorum = quorum(3, 1, 1);
        close(not_monotonic(quorum, 1.0, Monotonic::Usual), 4.0 / 9.0, 1e-15);
        close(not_monotonic(quorum, 1.0, Monotonic::Strict), 2.0 / 3.0, 1e-15);
        assert_eq!(not_monotonic(quorum, 0.0, Monotonic::Strict), 1.0, "there is nothing newer");
    }

    /// How many of the N - W others hold it is binomial if each waits for an exponential time.
    #[test]
    fn both_forms_of_t_visibility_agree() {
        for (n, r, w) in [(3, 1, 1), (3, 1, 2), (3, 2, 1), (5, 2, 2), (10, 1, 1), (10, 3, 4)] {
            for t in [0.0, 0.3, 1.0, 4.0] {
                let quorum = quorum(n, r, w);
                let (rate, others) = (0.5, n - w);
                let arrived: f64 = 1.0 - f64::exp(-rate * t);
                let binomial = |i: usize| {
                    let choices: f64 =
                        (0..i).map(|j| (others - j) as f64 / (i - j) as f64).product();
                    choices * arrived.powi(i as i32) * (1.0 - arrived).powi((others - i) as i32)
                };
                let holders: Vec<f64> = (0..=others).map(binomial).collect();
                let direct = stale_with_exponential_writes(quorum, rate, t);
                close(stale_by_holders(quorum, &holders), direct, 1e-12);
            }
        }
    }
}

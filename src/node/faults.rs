//! Faults on purpose, for tests: datagrams that come in are lost, doubled and held back, and
//! messages to other members take longer.
//!
//! Off unless the configuration has a table `[faults]`. The first three strike every datagram, be it
//! a member's or a client's, right after it was received and before anything looks at it, so that
//! whatever is above must live with them. Latency is drawn for each message as it is sent, whatever
//! it is cut into, and for members' only; see `carrier.rs`.

use crate::analysis::pbs::{Delay, Draws, stream};
use crate::latency::Latency;
use crate::shell::counters::Counters;
use crate::shell::leg::Leg;
use dynamo_protocol::ids::NodeId;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

/// Longest time for which a datagram may be held back, in milliseconds.
pub const MAX_REORDER_MS: u64 = 1_000;

/// Longest latency, in milliseconds. A message that would take longer is lost: none may outlive
/// [`MIN_REAP_MS`](super::config::MIN_REAP_MS), and it may be held back and wait for its pieces.
pub const MAX_LATENCY_MS: f64 = 2_000.0;

/// Most datagrams that are held back at a time, on either way; further ones pass at once.
const MAX_HELD: usize = 16 * 1024;

/// The table `[faults]`: probabilities from 0 to 1.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FaultConfig {
    /// That a datagram is lost.
    #[serde(default)]
    pub loss: f64,
    /// That a second copy of it comes in a little later.
    #[serde(default)]
    pub duplicate: f64,
    /// That it is held back, so that others overtake it.
    #[serde(default)]
    pub reorder: f64,
    /// For how long at most, in milliseconds.
    #[serde(default = "default_reorder_ms")]
    pub reorder_ms: u64,
    /// How long a message to another member takes beside what it takes anyway, as a setup of
    /// `dynamo simulate` says it. Files are found from the working directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<Latency>,
    /// Of the dice, which are each node's own.
    #[serde(default)]
    pub seed: u64,
    /// How long after the start of the node its faults end, in milliseconds; without it, never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_ms: Option<u64>,
}

impl FaultConfig {
    /// Checks everything that the file's grammar does not.
    ///
    /// # Errors
    /// One sentence: what is wrong, and what to do.
    pub fn check(&self) -> Result<(), String> {
        for (name, chance) in
            [("loss", self.loss), ("duplicate", self.duplicate), ("reorder", self.reorder)]
        {
            if !(0.0..=1.0).contains(&chance) {
                return Err(format!("in [faults] {name} is {chance}; use 0 to 1"));
            }
        }
        if self.reorder_ms > MAX_REORDER_MS {
            let ms = self.reorder_ms;
            return Err(format!("in [faults] reorder-ms is {ms}; use 0 to {MAX_REORDER_MS}"));
        }
        self.legs().map(drop)
    }

    fn legs(&self) -> Result<Option<[Delay; 4]>, String> {
        let legs = self.latency.as_ref().map(|latency| latency.legs(Path::new("")));
        legs.transpose().map_err(|error| format!("in [faults] {error:#}"))
    }
}

/// The faults of a running node.
pub(super) struct Faults {
    config: FaultConfig,
    dice: StdRng,
    until: Option<Instant>,
    /// What is held back on its way in.
    held: Held,
    /// How long messages take, by their [`Leg`].
    legs: Option<[Draws; 4]>,
    latency: Xoshiro256PlusPlus,
}

impl Faults {
    /// # Errors
    /// One sentence about a latency that is none.
    pub(super) fn new(config: FaultConfig, node: NodeId, now: Instant) -> Result<Faults, String> {
        // Any odd constant keeps the nodes' dice apart.
        let seed = config.seed.wrapping_add(node.0.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let until = config.until_ms.map(|ms| now + Duration::from_millis(ms));
        let (dice, latency) = (StdRng::seed_from_u64(seed), stream(config.seed, node.0));
        let legs = config.legs()?.map(|legs| legs.map(Draws::new));
        Ok(Faults { config, dice, until, held: Held::default(), legs, latency })
    }

    /// Whether messages take longer.
    pub(super) fn have_latency(&self) -> bool {
        self.legs.is_some()
    }

    /// How much longer a message takes that is sent to a member now; `None` if it never comes.
    pub(super) fn latency(&mut self, leg: Leg, now: Instant) -> Option<Duration> {
        let are_on = self.are_on(now);
        let Some(legs) = self.legs.as_mut().filter(|_| are_on) else { return Some(Duration::ZERO) };
        let ms = legs[leg as usize].next(&mut self.latency);
        (ms <= MAX_LATENCY_MS).then(|| Duration::from_secs_f64(ms / 1000.0))
    }

    /// Whether faults can still strike.
    pub(super) fn are_on(&self, now: Instant) -> bool {
        self.until.is_none_or(|until| now < until)
    }

    /// Throws the dice for a datagram that has come in. Whether it is to be looked at now.
    pub(super) fn let_in(
        &mut self,
        from: SocketAddr,
        datagram: &[u8],
        now: Instant,
        counters: &mut Counters,
    ) -> bool {
        if !self.are_on(now) {
            return true;
        }
        if self.dice.random_bool(self.config.loss) {
            counters.count("faults-lost");
            return false;
        }
        if self.dice.random_bool(self.config.duplicate) && self.hold(from, datagram, now) {
            counters.count("faults-duplicated");
        }
        if self.dice.random_bool(self.config.reorder) && self.hold(from, datagram, now) {
            counters.count("faults-held-back");
            return false;
        }
        true
    }

    fn hold(&mut self, from: SocketAddr, datagram: &[u8], now: Instant) -> bool {
        let is_room = !self.held.is_full();
        if is_room {
            let ms = self.dice.random_range(0..=self.config.reorder_ms);
            self.held.hold(now + Duration::from_millis(ms), from, datagram.to_vec());
        }
        is_room
    }

    /// When the next datagram that is held back comes in.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.held.next_due()
    }

    /// A datagram whose time to come in has come.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<(SocketAddr, Vec<u8>)> {
        self.held.pop_due(now)
    }
}

/// Datagrams that wait, each with where it comes from or goes to.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// By when they are due; those that are due together in the order in which they came.
    queue: BTreeMap<(Instant, u64), (SocketAddr, Vec<u8>)>,
    next: u64,
}

impl Held {
    /// Whether there are so many that no more should wait.
    pub(super) fn is_full(&self) -> bool {
        self.queue.len() >= MAX_HELD
    }

    pub(super) fn hold(&mut self, due: Instant, address: SocketAddr, datagram: Vec<u8>) {
        self.next += 1;
        self.queue.insert((due, self.next), (address, datagram));
    }

    /// When the next one is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.queue.first_key_value().map(|((due, _), _)| *due)
    }

    /// One that is due.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<(SocketAddr, Vec<u8>)> {
        let first = self.queue.first_entry().filter(|entry| entry.key().0 <= now);
        first.map(|entry| entry.remove())
    }
}

fn default_reorder_ms() -> u64 {
    20
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latency::Spec;

    fn from() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 9))
    }

    /// The datagrams in the order in which a node would look at them.
    fn arrivals(config: &FaultConfig, node: u64, datagrams: u32) -> Vec<u32> {
        let (start, mut counters) = (Instant::now(), Counters::default());
        let mut faults = Faults::new(config.clone(), NodeId(node), start).unwrap();
        let mut seen = Vec::new();
        for ms in 0..datagrams + 2_000 {
            let now = start + Duration::from_millis(ms.into());
            while let Some((_, bytes)) = faults.pop_due(now) {
                seen.push(u32::from_le_bytes(bytes.try_into().unwrap()));
            }
            if ms < datagrams && faults.let_in(from(), &ms.to_le_bytes(), now, &mut counters) {
                seen.push(ms);
            }
        }
        assert_eq!(faults.next_due(), None);
        seen
    }

    #[test]
    fn faults_strike_as_often_as_they_are_told_to_and_the_same_again() {
        let none = FaultConfig { reorder_ms: 20, ..FaultConfig::default() };
        assert_eq!(arrivals(&none, 1, 1000), (0..1000).collect::<Vec<_>>());
        let lossy = FaultConfig { loss: 0.1, ..none.clone() };
        let left = arrivals(&lossy, 1, 10_000).len();
        assert!((8_800..9_200).contains(&left), "{left}");
        let double = FaultConfig { duplicate: 0.1, ..none.clone() };
        let all = arrivals(&double, 1, 10_000).len();
        assert!((10_800..11_200).contains(&all), "{all}");
        let mixed = FaultConfig { reorder: 0.1, ..none.clone() };
        let order = arrivals(&mixed, 1, 10_000);
        assert_eq!(order.len(), 10_000);
        assert!(!order.is_sorted());
        assert_eq!(order, arrivals(&mixed, 1, 10_000), "one seed, one fate");
        assert_ne!(order, arrivals(&mixed, 2, 10_000), "each node has its own");
    }

    #[test]
    fn faults_end_when_they_should() {
        let config = FaultConfig { loss: 1.0, until_ms: Some(500), ..FaultConfig::default() };
        assert_eq!(arrivals(&config, 1, 1000), (500..1000).collect::<Vec<_>>());
        let mut slow = slow("lnkd-disk", Some(500), 1);
        let start = slow.until.unwrap() - Duration::from_millis(500);
        let of = |slow: &mut Faults, ms| slow.latency(Leg::Read, start + Duration::from_millis(ms));
        assert!(of(&mut slow, 499) > Some(Duration::ZERO));
        assert_eq!(of(&mut slow, 500), Some(Duration::ZERO));
    }

    fn slow(latency: &str, until_ms: Option<u64>, node: u64) -> Faults {
        let latency = Some(Latency::Legs(latency.into()));
        let config = FaultConfig { latency, until_ms, seed: 7, ..FaultConfig::default() };
        Faults::new(config, NodeId(node), Instant::now()).unwrap()
    }

    #[test]
    fn latencies_are_those_that_were_drawn_and_datagrams_wait_exactly_so_long() {
        let start = Instant::now();
        let (mut faults, mut random) = (slow("exponential:0.1:1", None, 3), stream(7, 3));
        let legs = [Leg::Write, Leg::Acknowledgement, Leg::Read, Leg::Answer];
        let mut draws = [0.1, 1.0, 1.0, 1.0].map(|rate| Draws::new(Delay::Exponential(rate)));
        let (mut held, mut dues) = (Held::default(), Vec::new());
        for i in 0..8_000u32 {
            let leg = i as usize % 4;
            let latency = faults.latency(legs[leg], start).unwrap();
            let drawn = draws[leg].next(&mut random);
            assert!((latency.as_secs_f64() * 1000.0 - drawn).abs() < 1e-6);
            held.hold(start + latency, from(), i.to_le_bytes().into());
            dues.push((start + latency, i));
        }
        let mean = |leg: u32| {
            let of_leg = dues.iter().filter(|(_, i)| i % 4 == leg);
            of_leg.map(|(due, _)| (*due - start).as_secs_f64()).sum::<f64>() * 1000.0 / 2_000.0
        };
        // Five standard deviations.
        for (leg, ms) in (0..).zip([10.0, 1.0, 1.0, 1.0]) {
            assert!((mean(leg) / ms - 1.0).abs() < 5.0 / 2_000f64.sqrt(), "{leg}: {}", mean(leg));
        }
        // A nanosecond before its time nobody comes; then all that are due, and in their order.
        dues.sort();
        for (due, i) in dues {
            assert_eq!(held.next_due(), Some(due));
            assert_eq!(held.pop_due(due - Duration::from_nanos(1)), None);
            assert_eq!(held.pop_due(due), Some((from(), i.to_le_bytes().into())));
        }
        assert_eq!(held.next_due(), None);
        let first = |node| slow("lnkd-disk", None, node).latency(Leg::Write, start);
        assert!(first(1) == first(1) && first(1) != first(2), "each node has its own");
    }

    #[test]
    fn what_would_take_too_long_never_comes() {
        let of = |ms: f64| {
            let latency = Some(Latency::All(Spec::Constant(ms)));
            let config = FaultConfig { latency, ..FaultConfig::default() };
            let mut faults = Faults::new(config, NodeId(0), Instant::now()).unwrap();
            faults.latency(Leg::Write, Instant::now())
        };
        assert_eq!(of(MAX_LATENCY_MS), Some(Duration::from_secs(2)));
        assert_eq!(of(MAX_LATENCY_MS + 0.1), None);
        assert_eq!(of(1e9), None);
    }
}

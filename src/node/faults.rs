//! Faults on purpose, for tests: datagrams that come in are lost, doubled and held back.
//!
//! Off unless the configuration has a table `[faults]`. They strike every datagram, be it a
//! member's or a client's, right after it was received and before anything looks at it, so that
//! whatever is above must live with them.

use crate::shell::counters::Counters;
use dynamo_protocol::ids::NodeId;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Longest time for which a datagram may be held back, in milliseconds.
pub const MAX_REORDER_MS: u64 = 1_000;

/// Most datagrams that are held back at a time; further ones come in at once.
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
        Ok(())
    }
}

/// The faults of a running node.
pub(super) struct Faults {
    config: FaultConfig,
    dice: StdRng,
    until: Option<Instant>,
    /// What is held back, by when it comes in.
    held: BTreeMap<(Instant, u64), (SocketAddr, Vec<u8>)>,
    next: u64,
}

impl Faults {
    pub(super) fn new(config: FaultConfig, node: NodeId, now: Instant) -> Faults {
        // Any odd constant keeps the nodes' dice apart.
        let seed = config.seed.wrapping_add(node.0.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let until = config.until_ms.map(|ms| now + Duration::from_millis(ms));
        let dice = StdRng::seed_from_u64(seed);
        Faults { config, dice, until, held: BTreeMap::new(), next: 0 }
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
        let is_room = self.held.len() < MAX_HELD;
        if is_room {
            let ms = self.dice.random_range(0..=self.config.reorder_ms);
            let due = now + Duration::from_millis(ms);
            self.next += 1;
            self.held.insert((due, self.next), (from, datagram.to_vec()));
        }
        is_room
    }

    /// When the next datagram that is held back comes in.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.held.first_key_value().map(|((due, _), _)| *due)
    }

    /// A datagram whose time has come.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<(SocketAddr, Vec<u8>)> {
        let first = self.held.first_entry().filter(|entry| entry.key().0 <= now);
        first.map(|entry| entry.remove())
    }
}

fn default_reorder_ms() -> u64 {
    20
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 9))
    }

    /// The datagrams in the order in which a node would look at them.
    fn arrivals(config: &FaultConfig, node: u64, datagrams: u32) -> Vec<u32> {
        let (start, mut counters) = (Instant::now(), Counters::default());
        let mut faults = Faults::new(config.clone(), NodeId(node), start);
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
    }
}

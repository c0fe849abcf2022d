//! How long the core's delays are: the only place that knows.

use super::timers::Timers;
use dynamo_protocol::door::{Delay, Timer};
use dynamo_protocol::ids::NodeId;
use dynamo_protocol::node::Node;
use dynamo_protocol::store::Store;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::Add;
use std::time::Duration;

/// Longest time between two offers of hints to a home that is silent.
pub const MAX_HANDOFF: Duration = Duration::from_secs(10);

/// The lengths of the core's delays, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Lengths {
    /// How long a coordinator waits for those it has asked; whoever has forwarded a put to it waits
    /// two and a half times as long. By default less than half as long as a client waits, so that a
    /// sloppy quorum may turn to others and still be in time.
    pub request_timeout_ms: u64,
    /// How long read repair waits for the replicas that were not needed.
    pub straggler_timeout_ms: u64,
    /// How soon hints are offered to a home that speaks. While it is silent the time doubles, up to
    /// [`MAX_HANDOFF`].
    pub handoff_ms: u64,
    /// How often a suspect is asked whether it is back.
    pub retry_ms: u64,
    /// How often two nodes compare their copies: on average, for each time is drawn between half as
    /// long and one and a half times as long.
    pub exchange_ms: u64,
    /// How long lies between the steps of removing tombstones.
    pub reap_ms: u64,
    /// How often a node gossips when nothing changes (paper §4.8).
    pub gossip_ms: u64,
    /// How long lies between two batches of what a change of the layout leaves behind.
    pub settle_ms: u64,
}

impl Lengths {
    /// What they are unless a file says otherwise.
    pub const DEFAULT: Lengths = Lengths {
        request_timeout_ms: 1_000,
        straggler_timeout_ms: 500,
        handoff_ms: 200,
        retry_ms: 1_000,
        exchange_ms: 2_000,
        reap_ms: 60_000,
        gossip_ms: 1_000,
        settle_ms: 20,
    };

    /// Each by its name in files.
    pub fn named(&self) -> [(&'static str, u64); 8] {
        [
            ("request-timeout-ms", self.request_timeout_ms),
            ("straggler-timeout-ms", self.straggler_timeout_ms),
            ("handoff-ms", self.handoff_ms),
            ("retry-ms", self.retry_ms),
            ("exchange-ms", self.exchange_ms),
            ("reap-ms", self.reap_ms),
            ("gossip-ms", self.gossip_ms),
            ("settle-ms", self.settle_ms),
        ]
    }
}

impl Default for Lengths {
    fn default() -> Lengths {
        Lengths::DEFAULT
    }
}

/// The delays of one node.
#[derive(Debug)]
pub struct Delays {
    lengths: Lengths,
    /// How often the handoff timer of a home was set since that home has spoken.
    offers: BTreeMap<NodeId, u32>,
}

impl Delays {
    /// Of these lengths.
    pub fn new(lengths: Lengths) -> Delays {
        Delays { lengths, offers: BTreeMap::new() }
    }

    /// How long `timer`, which `node` sets, is to run; `chance` draws from [0, 1).
    pub fn of<S: Store>(
        &mut self,
        node: &Node<S>,
        timer: Timer,
        delay: Delay,
        chance: impl FnOnce() -> f64,
    ) -> Duration {
        match timer {
            // The other coordinator may have to turn to fallbacks, and then answers in time.
            Timer::Request(id) if node.is_forwarded(id) => {
                ms(self.lengths.request_timeout_ms) * 5 / 2
            }
            // A large page is many datagrams, any of which may be lost, and reads wait for it.
            Timer::Exchange(_) if !node.is_whole() => ms(self.lengths.exchange_ms) / 8,
            _ => self.usual(timer, delay, chance()),
        }
    }

    fn usual(&mut self, timer: Timer, delay: Delay, chance: f64) -> Duration {
        let lengths = &self.lengths;
        match (delay, timer) {
            (Delay::Handoff, Timer::Handoff(home)) => {
                let offers = self.offers.entry(home).or_default();
                let handoff = ms(lengths.handoff_ms);
                let doubled = handoff.saturating_mul(2u32.saturating_pow(*offers));
                *offers += 1;
                doubled.min(MAX_HANDOFF.max(handoff))
            }
            (Delay::Request, _) => ms(lengths.request_timeout_ms),
            (Delay::Straggler, _) => ms(lengths.straggler_timeout_ms),
            (Delay::Handoff, _) => ms(lengths.handoff_ms),
            (Delay::Retry, _) => ms(lengths.retry_ms),
            // Nodes that started together must not go on in step.
            (Delay::Exchange, _) => ms(lengths.exchange_ms).mul_f64(0.5 + chance),
            (Delay::Reap, _) => ms(lengths.reap_ms),
            // One clock for all peers: see `gossip`.
            (Delay::Gossip, _) => ms(lengths.gossip_ms),
            (Delay::Settle, _) => ms(lengths.settle_ms),
        }
    }

    /// `node` has spoken: its hints are offered soon again.
    pub fn heard<T>(&mut self, node: NodeId, timers: &mut Timers<T>, now: T)
    where
        T: Copy + Ord + Add<Duration, Output = T>,
    {
        if self.offers.remove(&node).is_some() {
            let soon = now + ms(self.lengths.handoff_ms);
            timers.bring_forward(Timer::Handoff(node), soon);
        }
    }
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    fn delays(handoff_ms: u64) -> Delays {
        Delays::new(Lengths { handoff_ms, ..Lengths::DEFAULT })
    }

    #[test]
    fn offers_to_a_silent_home_grow_rare_until_it_speaks() {
        let (mut delays, mut timers, now) =
            (delays(200), Timers::<Instant>::default(), Instant::now());
        let home = NodeId(1);
        let offer = |delays: &mut Delays| delays.usual(Timer::Handoff(home), Delay::Handoff, 0.0);
        let waits: Vec<u128> = (0..8).map(|_| offer(&mut delays).as_millis()).collect();
        assert_eq!(waits, [200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
        assert!((0..100).all(|_| offer(&mut delays) == MAX_HANDOFF));
        assert_eq!(offer(&mut delays), MAX_HANDOFF);
        timers.set(Timer::Handoff(home), now + MAX_HANDOFF);
        delays.heard(NodeId(2), &mut timers, now);
        assert_eq!(timers.next_deadline(), Some(now + MAX_HANDOFF), "another node spoke");
        delays.heard(home, &mut timers, now);
        assert_eq!(timers.next_deadline(), Some(now + Duration::from_millis(200)));
        assert_eq!(offer(&mut delays).as_millis(), 200);
    }

    #[test]
    fn exchanges_are_not_in_step() {
        let mut delays = delays(1);
        let timer = Timer::Exchange(NodeId(1));
        let drawn = [0.0, 0.5, 1.0].map(|chance| delays.usual(timer, Delay::Exchange, chance));
        assert_eq!(drawn.map(|length| length.as_millis()), [1000, 2000, 3000]);
    }
}

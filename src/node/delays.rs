//! How long the core's delays are: the only place that knows, and the only one that throws dice.

use super::config::NodeConfig;
use super::timers::Timers;
use dynamo_protocol::door::{Delay, Timer};
use dynamo_protocol::ids::NodeId;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Longest time between two offers of hints to a home that is silent.
pub const MAX_HANDOFF: Duration = Duration::from_secs(10);

/// The lengths of the core's delays.
#[derive(Debug)]
pub struct Delays {
    request: Duration,
    forward: Duration,
    straggler: Duration,
    handoff: Duration,
    retry: Duration,
    exchange: Duration,
    reap: Duration,
    gossip: Duration,
    settle: Duration,
    /// How often the handoff timer of a home was set since that home has spoken.
    offers: BTreeMap<NodeId, u32>,
}

impl Delays {
    /// As the configuration has them.
    pub fn new(config: &NodeConfig) -> Delays {
        let request = Duration::from_millis(config.request_timeout_ms);
        Delays {
            request,
            // The other coordinator may have to turn to fallbacks, and then answers in time.
            forward: request.saturating_mul(2) + request / 2,
            straggler: Duration::from_millis(config.straggler_timeout_ms),
            handoff: Duration::from_millis(config.handoff_ms),
            retry: Duration::from_millis(config.retry_ms),
            exchange: Duration::from_millis(config.exchange_ms),
            reap: Duration::from_millis(config.reap_ms),
            gossip: Duration::from_millis(config.gossip_ms),
            settle: Duration::from_millis(config.settle_ms),
            offers: BTreeMap::new(),
        }
    }

    /// How long a request may run that another node coordinates.
    pub fn forward(&self) -> Duration {
        self.forward
    }

    /// How long a node that has lost its disk waits before it asks for a page again: a large page
    /// is many datagrams, any of which may be lost, and reads wait for it.
    pub fn recovery(&self) -> Duration {
        self.exchange / 8
    }

    /// How long `timer`, which is being set, is to run.
    pub fn of(&mut self, timer: Timer, delay: Delay) -> Duration {
        match (delay, timer) {
            (Delay::Handoff, Timer::Handoff(home)) => {
                let offers = self.offers.entry(home).or_default();
                let doubled = self.handoff.saturating_mul(2u32.saturating_pow(*offers));
                *offers += 1;
                doubled.min(MAX_HANDOFF.max(self.handoff))
            }
            (Delay::Request, _) => self.request,
            (Delay::Straggler, _) => self.straggler,
            (Delay::Handoff, _) => self.handoff,
            (Delay::Retry, _) => self.retry,
            // Nodes that started together must not go on in step.
            (Delay::Exchange, _) => self.exchange.mul_f64(0.5 + rand::random::<f64>()),
            (Delay::Reap, _) => self.reap,
            // One clock for all peers: see `gossip`.
            (Delay::Gossip, _) => self.gossip,
            (Delay::Settle, _) => self.settle,
        }
    }

    /// `node` has spoken: its hints are offered soon again.
    pub fn heard(&mut self, node: NodeId, timers: &mut Timers, now: Instant) {
        if self.offers.remove(&node).is_some() {
            timers.bring_forward(Timer::Handoff(node), now + self.handoff);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delays(handoff_ms: u64) -> Delays {
        let ms = Duration::from_millis;
        let (request, forward, straggler) = (ms(1000), ms(2500), ms(500));
        let (handoff, retry, exchange, reap) = (ms(handoff_ms), ms(1000), ms(2000), ms(60_000));
        let (gossip, settle, offers) = (ms(1000), ms(20), BTreeMap::new());
        Delays {
            request,
            forward,
            straggler,
            handoff,
            retry,
            exchange,
            reap,
            gossip,
            settle,
            offers,
        }
    }

    #[test]
    fn offers_to_a_silent_home_grow_rare_until_it_speaks() {
        let (mut delays, mut timers, now) = (delays(200), Timers::default(), Instant::now());
        let home = NodeId(1);
        let offer = |delays: &mut Delays| delays.of(Timer::Handoff(home), Delay::Handoff);
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
        let all: Vec<_> = (0..100).map(|_| delays.of(timer, Delay::Exchange).as_millis()).collect();
        assert!(all.iter().all(|ms| (1000..=3000).contains(ms)), "{all:?}");
        assert!(all.iter().any(|ms| *ms != all[0]));
    }
}

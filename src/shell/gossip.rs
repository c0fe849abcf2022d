//! When to gossip, and with whom (paper §4.8: with one peer chosen at random every second).
//!
//! The core wants to gossip with every member; these are the candidates. One clock ticks for all of
//! them, and each tick picks one. While the membership changes the clock of the adaptive pace ticks
//! faster and faster, up to [`FASTEST`]; when nothing changes it slows down again.

use dynamo_protocol::ids::NodeId;
use serde::{Deserialize, Serialize};
use std::ops::Add;
use std::time::Duration;

/// Shortest time between two ticks.
pub const FASTEST: Duration = Duration::from_millis(50);

/// How the time between two ticks changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pace {
    /// It halves while the membership changes, and doubles when it does not.
    #[default]
    Adaptive,
    /// Not at all: as in the paper.
    Fixed,
}

/// The clock, by one that shows `T`, and the peers to choose from.
#[derive(Debug)]
pub struct GossipClock<T> {
    pace: Pace,
    /// Between two ticks when nothing changes.
    slow: Duration,
    interval: Duration,
    /// The next tick.
    next: T,
    /// Ascending.
    candidates: Vec<NodeId>,
    /// Whether something has changed since the last tick.
    is_stirred: bool,
}

impl<T: Copy + Ord + Add<Duration, Output = T>> GossipClock<T> {
    /// A clock that ticks every `slow` when nothing changes, for the first time at `first`.
    pub fn new(pace: Pace, slow: Duration, first: T) -> GossipClock<T> {
        let (interval, candidates) = (slow, Vec::new());
        GossipClock { pace, slow, interval, next: first, candidates, is_stirred: false }
    }

    /// The core wants to gossip with `peer`.
    pub fn add(&mut self, peer: NodeId) {
        if let Err(place) = self.candidates.binary_search(&peer) {
            self.candidates.insert(place, peer);
        }
    }

    /// The core does not want to any more.
    pub fn remove(&mut self, peer: NodeId) {
        if let Ok(place) = self.candidates.binary_search(&peer) {
            self.candidates.remove(place);
        }
    }

    /// When the clock ticks next; `None` while there is nobody to gossip with.
    pub fn next_deadline(&self) -> Option<T> {
        (!self.candidates.is_empty()).then_some(self.next)
    }

    /// The membership has changed: others should hear of it.
    pub fn stir(&mut self, now: T) {
        self.is_stirred = true;
        if self.pace == Pace::Adaptive {
            self.next = self.next.min(now + self.fastest());
        }
    }

    /// Takes out the peer to gossip with, if it is time: the one that `draw` picks among so many.
    /// `is_changing` says whether a change of the layout is under way.
    pub fn tick(
        &mut self,
        now: T,
        is_changing: bool,
        draw: impl FnOnce(usize) -> usize,
    ) -> Option<NodeId> {
        if self.candidates.is_empty() || self.next > now {
            return None;
        }
        if self.pace == Pace::Adaptive {
            self.interval = match is_changing || self.is_stirred {
                true => (self.interval / 2).max(self.fastest()),
                false => (self.interval * 2).min(self.slow),
            };
        }
        self.is_stirred = false;
        // Not from the last deadline on: whoever slept does not make up for it.
        self.next = now + self.interval;
        Some(self.candidates.remove(draw(self.candidates.len())))
    }

    fn fastest(&self) -> Duration {
        FASTEST.min(self.slow)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    const SECOND: Duration = Duration::from_secs(1);

    /// The waits in ms until the next ticks, of which `changing` tells whether a change is under way.
    fn waits(clock: &mut GossipClock<Instant>, start: Instant, changing: &[bool]) -> Vec<u128> {
        let mut now = start;
        let wait = |&is_changing: &bool| {
            let due = clock.next_deadline().unwrap();
            assert_eq!(clock.tick(due - Duration::from_millis(1), is_changing, |_| 0), None);
            let peer = clock.tick(due, is_changing, |_| 0).unwrap();
            clock.add(peer);
            let waited = due - std::mem::replace(&mut now, due);
            waited.as_millis()
        };
        changing.iter().map(wait).collect()
    }

    fn clock(pace: Pace, slow: Duration, start: Instant) -> GossipClock<Instant> {
        let mut clock = GossipClock::new(pace, slow, start + slow);
        assert_eq!(clock.next_deadline(), None, "there is nobody");
        (0..3).for_each(|id| clock.add(NodeId(id)));
        clock
    }

    #[test]
    fn the_adaptive_clock_hurries_while_something_changes_and_calms_down() {
        let start = Instant::now();
        let mut clock = clock(Pace::Adaptive, SECOND, start);
        let changing = [false, true, true, true, true, true, true, false, false, false, false];
        let expected = [1000, 1000, 500, 250, 125, 62, 50, 50, 100, 200, 400];
        assert_eq!(waits(&mut clock, start, &changing), expected);
        let later = waits(&mut clock, start, &[false; 4])[1..].to_vec();
        assert_eq!(later, [1000, 1000, 1000]);
    }

    #[test]
    fn news_is_passed_on_at_once_but_not_by_the_fixed_clock() {
        let start = Instant::now();
        for (pace, expected) in [(Pace::Adaptive, FASTEST), (Pace::Fixed, SECOND)] {
            let mut clock = clock(pace, SECOND, start);
            clock.stir(start);
            assert_eq!(clock.next_deadline(), Some(start + expected), "{pace:?}");
        }
        let mut clock = clock(Pace::Fixed, SECOND, start);
        assert_eq!(waits(&mut clock, start, &[true; 3]), [1000, 1000, 1000]);
    }

    #[test]
    fn each_tick_takes_one_of_those_that_are_wanted() {
        let start = Instant::now();
        let mut clock = clock(Pace::Adaptive, Duration::from_millis(20), start);
        clock.remove(NodeId(1));
        let later = start + SECOND;
        assert_eq!(clock.tick(later, true, |count| count - 1), Some(NodeId(2)));
        assert_eq!(clock.tick(later, true, |_| 0), None, "one a tick, however late it is");
        let due = clock.next_deadline();
        assert_eq!(due, Some(later + Duration::from_millis(20)), "never slower than configured");
        assert_eq!(clock.tick(later + SECOND, true, |_| 0), Some(NodeId(0)));
        assert_eq!(clock.next_deadline(), None);
    }
}

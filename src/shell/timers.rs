//! The clock behind the core's timers: names in, names out when they are due.

use dynamo_protocol::door::Timer;
use std::collections::{BTreeMap, BTreeSet};

/// The timers that are running, by a clock that shows `T`. Each name runs at most once.
#[derive(Debug)]
pub struct Timers<T> {
    deadlines: BTreeMap<Timer, T>,
    queue: BTreeSet<(T, Timer)>,
}

impl<T> Default for Timers<T> {
    fn default() -> Timers<T> {
        Timers { deadlines: BTreeMap::new(), queue: BTreeSet::new() }
    }
}

impl<T: Copy + Ord> Timers<T> {
    /// Lets `timer` fire at `deadline`, and at no other time.
    pub fn set(&mut self, timer: Timer, deadline: T) {
        self.cancel(timer);
        self.deadlines.insert(timer, deadline);
        self.queue.insert((deadline, timer));
    }

    /// Stops `timer`; no matter if it does not run.
    pub fn cancel(&mut self, timer: Timer) {
        if let Some(deadline) = self.deadlines.remove(&timer) {
            self.queue.remove(&(deadline, timer));
        }
    }

    /// Lets `timer` fire at `deadline` if it runs and would fire later.
    pub fn bring_forward(&mut self, timer: Timer, deadline: T) {
        if self.deadlines.get(&timer).is_some_and(|set| *set > deadline) {
            self.set(timer, deadline);
        }
    }

    /// The next deadline.
    pub fn next_deadline(&self) -> Option<T> {
        self.queue.first().map(|(deadline, _)| *deadline)
    }

    /// Takes out one timer that is due at `now`.
    pub fn pop_due(&mut self, now: T) -> Option<Timer> {
        let &(deadline, timer) = self.queue.first()?;
        if deadline > now {
            return None;
        }
        self.cancel(timer);
        Some(timer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dynamo_protocol::ids::{ClientId, RequestId};
    use std::time::{Duration, Instant};

    fn timer(sequence: u64) -> Timer {
        Timer::Request(RequestId { client: ClientId(1), sequence })
    }

    #[test]
    fn fires_in_order_of_deadlines_and_once() {
        let (mut timers, start) = (Timers::default(), Instant::now());
        let at = |ms| start + Duration::from_millis(ms);
        timers.set(timer(1), at(30));
        timers.set(timer(2), at(10));
        timers.set(timer(3), at(20));
        timers.cancel(timer(3));
        timers.set(timer(1), at(5));
        assert_eq!(timers.next_deadline(), Some(at(5)));
        assert_eq!(timers.pop_due(at(4)), None);
        let fired: Vec<_> = std::iter::from_fn(|| timers.pop_due(at(60))).collect();
        assert_eq!(fired, [timer(1), timer(2)]);
        assert_eq!(timers.next_deadline(), None);
    }

    #[test]
    fn a_deadline_is_brought_forward_never_back() {
        let (mut timers, start) = (Timers::default(), Instant::now());
        let at = |ms| start + Duration::from_millis(ms);
        timers.bring_forward(timer(1), at(1));
        assert_eq!(timers.next_deadline(), None, "it does not run");
        timers.set(timer(1), at(20));
        timers.bring_forward(timer(1), at(30));
        assert_eq!(timers.next_deadline(), Some(at(20)));
        timers.bring_forward(timer(1), at(10));
        assert_eq!(timers.next_deadline(), Some(at(10)));
    }
}

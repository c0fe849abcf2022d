//! What is to happen, by when.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::ops::Add;
use std::time::Duration;

/// Nanoseconds since the beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Time(pub(super) u64);

impl Time {
    /// So many milliseconds after the beginning, to the nearest nanosecond.
    pub(super) fn from_ms(ms: f64) -> Time {
        Time((ms * 1e6).round() as u64)
    }

    /// Milliseconds since the beginning.
    pub(super) fn ms(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// So many milliseconds later, to the nearest nanosecond.
    #[must_use]
    pub(super) fn after_ms(self, ms: f64) -> Time {
        Time(self.0.saturating_add(Time::from_ms(ms).0))
    }
}

impl Add<Duration> for Time {
    type Output = Time;

    fn add(self, duration: Duration) -> Time {
        Time(self.0.saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)))
    }
}

/// Events in the order of their times; of those at one time the first that was pushed comes first.
#[derive(Debug)]
pub(super) struct Queue<E> {
    order: BinaryHeap<Reverse<(Time, u64, u32)>>,
    /// The events, so that the heap moves little.
    events: Vec<Option<E>>,
    free: Vec<u32>,
    /// Those that come in the order of their pushes, beside the heap: it would be full of them.
    line: VecDeque<(Time, u64, E)>,
    pushed: u64,
}

impl<E> Default for Queue<E> {
    fn default() -> Queue<E> {
        let (order, line) = (BinaryHeap::new(), VecDeque::new());
        Queue { order, events: Vec::new(), free: Vec::new(), line, pushed: 0 }
    }
}

impl<E> Queue<E> {
    /// `event` is to happen at `time`.
    pub(super) fn push(&mut self, time: Time, event: E) {
        let place = self.free.pop().unwrap_or_else(|| {
            self.events.push(None);
            self.events.len() as u32 - 1
        });
        self.events[place as usize] = Some(event);
        self.order.push(Reverse((time, self.pushed, place)));
        self.pushed += 1;
    }

    /// `event` is to happen at `time`, and not before those that were pushed so: they all wait as long.
    pub(super) fn push_in_line(&mut self, time: Time, event: E) {
        debug_assert!(self.line.back().is_none_or(|(last, ..)| *last <= time));
        self.line.push_back((time, self.pushed, event));
        self.pushed += 1;
    }

    /// What is next, if it is not after `end`.
    pub(super) fn pop_until(&mut self, end: Time) -> Option<(Time, E)> {
        let heap = self.order.peek().map(|Reverse((time, pushed, _))| (*time, *pushed));
        let line = self.line.front().map(|(time, pushed, _)| (*time, *pushed));
        let next = heap.into_iter().chain(line).min().filter(|(time, _)| *time <= end);
        let (time, _) = next?;
        if line == next {
            return self.line.pop_front().map(|(time, _, event)| (time, event));
        }
        let Reverse((_, _, place)) = self.order.pop()?;
        self.free.push(place);
        Some((time, self.events[place as usize].take()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_in_the_order_of_their_times_and_of_their_pushes() {
        let mut queue = Queue::default();
        for (ms, name) in [(5.0, 'c'), (1.0, 'a'), (5.0, 'd'), (2.0, 'b'), (9.0, 'e')] {
            queue.push(Time::from_ms(ms), name);
        }
        let until = |queue: &mut Queue<char>, ms| {
            std::iter::from_fn(|| queue.pop_until(Time::from_ms(ms))).map(|(_, c)| c).collect()
        };
        let early: String = until(&mut queue, 5.0);
        assert_eq!(early, "abcd");
        queue.push(Time::from_ms(7.0), 'x');
        let late: String = until(&mut queue, 100.0);
        assert_eq!(late, "xe");
    }

    #[test]
    fn those_in_line_come_in_turn() {
        let mut queue = Queue::default();
        for (ms, name, in_line) in [
            (3.0, 'b', true),
            (3.0, 'c', false),
            (1.0, 'a', false),
            (4.0, 'd', true),
            (9.0, 'e', true),
        ] {
            match in_line {
                true => queue.push_in_line(Time::from_ms(ms), name),
                false => queue.push(Time::from_ms(ms), name),
            }
        }
        let mut until = |ms| {
            std::iter::from_fn(|| queue.pop_until(Time::from_ms(ms))).map(|(_, c)| c).collect()
        };
        let (early, late): (String, String) = (until(5.0), until(100.0));
        assert_eq!((&*early, &*late), ("abcd", "e"));
    }

    #[test]
    fn times_are_nanoseconds() {
        assert_eq!(Time::from_ms(1.000_000_4), Time(1_000_000));
        assert_eq!(Time(5) + Duration::from_millis(2), Time(2_000_005));
        assert_eq!(Time::from_ms(0.5).after_ms(0.25).ms(), 0.75);
    }
}

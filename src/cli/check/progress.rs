//! Progress on stderr, silent when that is no terminal.

use dynamo_models::explore::Progress;
use indicatif::{HumanBytes, HumanCount, MultiProgress, ProgressBar, ProgressStyle};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// One line for all scenarios, and one for each that is being checked.
pub(crate) struct Meters {
    lines: MultiProgress,
    total: ProgressBar,
}

/// The line of one scenario.
pub(crate) struct Meter<'a> {
    meters: &'a Meters,
    line: ProgressBar,
    started: Instant,
    /// States and moment (ms) of the last look, for the rate.
    last_unique: AtomicU64,
    last_ms: AtomicU64,
}

/// How often a line is drawn anew.
const REFRESH: Duration = Duration::from_millis(500);

impl Meters {
    pub(crate) fn new(scenarios: usize) -> Meters {
        let lines = MultiProgress::new();
        let style =
            ProgressStyle::with_template("{pos} of {len}  {elapsed}").expect("a constant template");
        let total = lines.add(ProgressBar::new(scenarios as u64).with_style(style));
        Meters { lines, total }
    }

    pub(crate) fn start(&self, name: &str) -> Meter<'_> {
        let style = ProgressStyle::with_template("{prefix:.bold}  {msg}").expect("a constant");
        let line = self.lines.add(ProgressBar::new_spinner().with_style(style));
        line.set_prefix(name.to_string());
        Meter {
            meters: self,
            line,
            started: Instant::now(),
            last_unique: AtomicU64::new(0),
            last_ms: AtomicU64::new(0),
        }
    }
}

impl Meter<'_> {
    pub(crate) fn show(&self, progress: &Progress) {
        let now = self.started.elapsed().as_millis() as u64;
        let before = self.last_ms.load(Ordering::Relaxed);
        if now < before + REFRESH.as_millis() as u64 {
            return;
        }
        self.last_ms.store(now, Ordering::Relaxed);
        let known = self.last_unique.swap(progress.unique, Ordering::Relaxed);
        let rate = progress.unique.saturating_sub(known) * 1000 / (now - before);
        let Progress { depth, unique, queue, memory_bytes, .. } = *progress;
        let (states, rate) = (HumanCount(unique), HumanCount(rate));
        let mut message = format!("depth {depth}  {states} states  {rate}/s");
        // Stateright tells neither.
        if memory_bytes > 0 {
            message += &format!("  queue {}  {}", HumanCount(queue), HumanBytes(memory_bytes));
        }
        self.line.set_message(message);
    }

    pub(crate) fn finish(self) {
        self.line.finish_and_clear();
        self.meters.total.inc(1);
    }
}

impl Drop for Meters {
    fn drop(&mut self) {
        self.total.finish_and_clear();
    }
}

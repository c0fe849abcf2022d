//! Has the cluster come to rest: no hints, all disks recovered, all replicas equal?

use super::nodes::Nodes;
use crate::wire::status::{Digests, Status, disagreements};
use anyhow::Result;
use serde::Serialize;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How often the nodes are asked.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How long a node may take to read all of its objects.
const TIMEOUT: Duration = Duration::from_secs(5);

/// What keeps a cluster from being at rest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Unrest {
    /// Nodes that do not answer.
    pub silent: Vec<usize>,
    /// Nodes that still recover from a lost disk.
    pub recovering: Vec<usize>,
    /// Hints that are kept, by all nodes.
    pub hints: u64,
    /// Requests that are not finished, at all nodes.
    pub pending: u64,
    /// Ranges of which two replicas hold different objects.
    pub ranges: Vec<u32>,
}

impl Unrest {
    fn of(all: &[Option<Status>]) -> Unrest {
        let place = |wanted: fn(&Option<Status>) -> bool| -> Vec<usize> {
            (0..all.len()).filter(|node| wanted(&all[*node])).collect()
        };
        let there: Vec<Status> = all.iter().flatten().cloned().collect();
        Unrest {
            silent: place(Option::is_none),
            recovering: place(|status| status.as_ref().is_some_and(|s| !s.synchronised)),
            hints: there.iter().map(|status| status.hints).sum(),
            pending: there.iter().map(|status| status.pending).sum(),
            ranges: disagreements(&there).into_iter().map(|range| range.0).collect(),
        }
    }

    /// Whether there is none.
    pub fn is_none(&self) -> bool {
        *self == Unrest::default()
    }
}

impl fmt::Display for Unrest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (silent, recovering) = (self.silent.len(), self.recovering.len());
        let (hints, pending, ranges) = (self.hints, self.pending, self.ranges.len());
        let all = [
            (silent as u64, "silent nodes"),
            (recovering as u64, "recovering nodes"),
            (hints, "hints"),
            (pending, "unfinished requests"),
            (ranges as u64, "ranges that differ"),
        ];
        let there = all.iter().filter(|(count, _)| *count > 0);
        let parts: Vec<String> = there.map(|(count, what)| format!("{count} {what}")).collect();
        f.write_str(if parts.is_empty() { "none" } else { "" })?;
        f.write_str(&parts.join(", "))
    }
}

/// Waits until the cluster is at rest, and gives how long that took from `since` on, or what was
/// left to do at `deadline` or when `stop` was set. The nodes are asked one after the other, so rest
/// is believed only when it is seen twice in a row; the first time counts.
pub(super) fn wait(
    nodes: &Nodes,
    count: usize,
    since: Instant,
    deadline: Instant,
    stop: &AtomicBool,
) -> Result<std::result::Result<Duration, Unrest>> {
    let mut at_rest_since = None;
    loop {
        let looked = Instant::now();
        let all: Result<Vec<_>> =
            (0..count).map(|node| nodes.examine(node, Digests::Objects, TIMEOUT)).collect();
        let unrest = Unrest::of(&all?);
        match (unrest.is_none(), at_rest_since) {
            (true, Some(first)) => return Ok(Ok(Instant::duration_since(&first, since))),
            (true, None) => at_rest_since = Some(looked),
            (false, _) => {
                at_rest_since = None;
                if looked > deadline || stop.load(Ordering::SeqCst) {
                    return Ok(Err(unrest));
                }
            }
        }
        sleep(LOOK_EVERY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dynamo_protocol::merkle::Hash;
    use dynamo_protocol::ring::RangeId;

    #[test]
    fn every_kind_of_unrest_is_seen() {
        let calm = Status {
            synchronised: true,
            ranges: vec![(RangeId(3), Hash([1; 16]))],
            ..Status::default()
        };
        let with = |other: Status| Unrest::of(&[Some(calm.clone()), Some(other)]);
        assert!(with(calm.clone()).is_none());
        assert_eq!(with(Status { hints: 2, ..calm.clone() }).to_string(), "2 hints");
        assert_eq!(with(Status { pending: 1, ..calm.clone() }).pending, 1);
        assert_eq!(with(Status { synchronised: false, ..calm.clone() }).recovering, [1]);
        let differs = Status { ranges: vec![(RangeId(3), Hash([2; 16]))], ..calm.clone() };
        assert_eq!(with(differs).ranges, [3]);
        assert_eq!(Unrest::of(&[None, Some(calm.clone())]).silent, [0]);
    }
}

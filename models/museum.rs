//! The museum: known bugs of the Dynamo family, each re-created by a decision or a setting, refuted
//! within a stated length, while the safe protocol keeps the same promise in the same world.

mod cases;
mod placement;
mod reconcile;

pub use cases::{ENUMERATIONS, Enumeration, Found, Tried};

use crate::check::{CheckError, How, Outcome, Report, Verdict, check};
use crate::explore::{Limits, Progress};
use crate::scenario::{Enumerated, Exhibit};
use crate::trace::Trace;
use std::time::Duration;

/// What an exhibit shows.
#[derive(Clone)]
pub struct Shown {
    /// The counterexample of the broken protocol, if there is one.
    pub counterexample: Option<Trace>,
    /// Unique states until it was found.
    pub broken_states: u64,
    /// What the exploration says of the safe protocol.
    pub safe: Verdict,
    /// Whether the safe world reached what the exhibit demands of it, and nothing cut it short.
    pub safe_outcome: Outcome,
    /// Unique states of the safe world.
    pub safe_states: u64,
    /// Why the search for the counterexample ended before its end, if it did.
    pub limited_by: Option<&'static str>,
    /// Wall time of both.
    pub elapsed: Duration,
}

/// Looks for the counterexample, and explores the safe world to the end.
///
/// # Errors
/// If there cannot be such a cluster.
pub fn show(
    exhibit: &Exhibit,
    limits: Limits,
    report: &mut dyn FnMut(&Progress) -> bool,
) -> Result<Shown, CheckError> {
    let how = How::from(limits);
    let broken = check(&exhibit.broken, &how, report)?;
    let safe = check(&exhibit.safe, &how, report)?;
    Ok(Shown {
        counterexample: counterexample(exhibit, &broken),
        broken_states: broken.unique(),
        limited_by: broken.limited_by(),
        safe: safe.judgements[0].verdict.clone(),
        safe_outcome: safe.outcome(),
        safe_states: safe.unique(),
        elapsed: broken.elapsed() + safe.elapsed(),
    })
}

/// Tries both rules on all small cases; `None` if there are none of that name.
pub fn try_cases(exhibit: &Enumerated) -> Option<Tried> {
    let is_it = |(name, _): &&Enumeration| *name == exhibit.enumeration;
    ENUMERATIONS.iter().find(is_it).map(|(_, rules)| rules())
}

impl Tried {
    /// Whether the historical rule fails, and this protocol's does not.
    pub fn outcome(&self) -> Outcome {
        match (&self.broken.wrong, &self.safe.wrong) {
            (Some(_), None) => Outcome::AsExpected,
            _ => Outcome::Different,
        }
    }
}

fn counterexample(exhibit: &Exhibit, broken: &Report) -> Option<Trace> {
    let Verdict::Refuted(actions) = &broken.judgements[0].verdict else { return None };
    Some(Trace::new(&broken.model_of(exhibit.property), Some(exhibit.property), actions))
}

impl Shown {
    /// Client operations, faults and background exchanges of the counterexample together.
    pub fn length(&self) -> Option<usize> {
        let length = self.counterexample.as_ref()?.length();
        Some(length.operations + length.faults + length.background)
    }

    /// How it compares with what `exhibit` says: the bug shows within the stated length, and the
    /// safe protocol holds.
    pub fn outcome(&self, exhibit: &Exhibit) -> Outcome {
        let broken = match self.length() {
            Some(length) if length <= exhibit.within => Outcome::AsExpected,
            None if self.limited_by.is_some() => Outcome::Inconclusive,
            _ => Outcome::Different,
        };
        broken.max(self.safe_outcome)
    }
}

/// The bugs of the Dynamo family that were catalogued: ids and names.
pub const CATALOGUE: &[(&str, &str)] = &[
    ("A1", "Paper-style server VV: concurrent writes through one coordinator"),
    ("A2", "Lost clock / counter reuse (kv#679)"),
    ("A3", "Epochs on coordinated writes only (kv679 byzantine, PR#1643)"),
    ("A4", "Clock goes backwards via fallbacks + read repair"),
    ("A5", "Duplicate vnode ids"),
    ("A6", "Actor = node name, partition moves away and back"),
    ("A7", "Client-id VV without read-your-writes"),
    ("A8", "Merged server VV: sibling explosion"),
    ("A9", "Double coordination while forwarding"),
    ("A10", "Client-side master retry makes a sibling of itself"),
    ("A11", "Clock truncation"),
    ("A12", "Pruning order not deterministic / drops the youngest"),
    ("A13", "Pruned clock replicated"),
    ("A14", "Same dot, different metadata"),
    ("A15", "Tie on equal clocks"),
    (
        "A16",
        "Forgotten copy is amnesia: ordinary handoff deletion + a coordinating fallback; monotone counters do not cure it",
    ),
    ("B1", "Doomstone via fallback"),
    ("B2", "Doomstone via crashed primary"),
    ("B3", "Deleted value returns from a stale fallback"),
    ("B4", "Tombstone GC before repair (gc_grace)"),
    ("B5", "Tombstone re-seeded / never dies"),
    ("B6", "Hint older than GC'd tombstone"),
    ("B7", "Reap race: read repair instead of delete"),
    ("B8", "Bouncing tombstones"),
    ("B9", "Deletes not forwarded during handoff"),
    ("B10", "TTL object resurrected by AAE"),
    ("B11", "Physical delete + read repair"),
    ("B12", "Tombstone GC vs layout change"),
    ("C1", "Sloppy quorum: R+W>N yet stale"),
    ("C2", "Failed write becomes visible later"),
    ("C3", "R+W>N not linearizable"),
    ("C4", "Blocking read repair tears multi-column writes"),
    ("C5", "notfound from fallbacks"),
    ("C6", "Options silently ignored"),
    ("C7", "PW counts positions, not machines"),
    ("C8", "Read repair skips replicas that have nothing"),
    ("D1", "Hint forgotten before the ack"),
    ("D2", "Hint removed by key though a newer hint arrived"),
    ("D3", "Stranded fallback data"),
    ("D4", "Handoff/replication overwrites newer data blindly"),
    ("D5", "Hints for a node that leaves or is replaced"),
    ("D6", "Handoff to wrong vnode / partition"),
    ("E1", "Pending ranges not counted (CASSANDRA-833)"),
    ("E2", "Inconsistent bootstrap source"),
    ("E3", "Pending node forgotten (GC pause)"),
    ("E4", "Reads routed to new owner before data"),
    ("E5", "Coordinator answers several forwards as separate acks"),
    ("E6", "Layout change breaks quorum intersection"),
    ("E7", "Two layouts with one version number"),
    ("E8", "Concurrent joins compute different rings"),
    ("E9", "Random ring merge churns"),
    ("E10", "Reconcile asymmetry crashes/diverges"),
    ("E11", "Crash → singleton cluster"),
    ("E12", "Claim tail violation / imbalance"),
    ("E13", "Rack-token layout loses quorum with one node"),
    ("F1", "Ghost member circulates"),
    ("F2", "Incarnation hole: dead→alive resurrect"),
    ("F3", "Restart with lower incarnation is stuck dead"),
    ("F4", "Suspect re-adds removed member"),
    ("F5", "Far-future generation / expiry"),
    ("F6", "Failed shadow round leaves a live marker"),
    ("F7", "Replaced/renamed node keeps identity"),
    ("F8", "Down node blocks convergence"),
    ("G1", "Hash over non-canonical representation"),
    ("G2", "Stale tree (dirty close) claims equality"),
    ("G3", "Compare races in-flight writes"),
    ("G4", "Anti-entropy only between primaries"),
    ("G5", "Hash excludes values → equal clocks, different values invisible"),
    ("H1", "LWW drops concurrent acked writes"),
    ("H2", "Clock skew: later write loses, delete sticks"),
    ("H3", "Timestamp tie mixes cells / depends on expiry"),
    ("H4", "Timestamp not advanced past what was seen"),
];

/// The bugs that are not in the museum, and why.
pub const LEFT_OUT: &[(&str, &str)] = &[
    (
        "B8",
        "it takes two clusters that remove tombstones each by itself, and its clocks grow with every \
         bounce, so that no search of the broken world would end",
    ),
    ("B10", "values here do not expire"),
    ("C4", "a value here is one whole: no read or repair is of a part of it"),
    (
        "F4",
        "nobody tells others whom it suspects: suspicion is each node's own and no part of the layout",
    ),
    (
        "F5",
        "needs a forged message, which the model has no fault for; a version too far ahead is refused \
         (`MAX_LAYOUT_LEAD`, src/protocol/tests/membership.rs)",
    ),
];

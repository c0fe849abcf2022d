//! What an exploration can be demanded to have met, so that a verdict that holds is not empty.

use super::{Durability, Problem, ReadRepair, Scenario, Versioning, names::named};

named! {
    /// Something that the protocol does on some paths only. There are at most 32, so that a set of
    /// them fits in a word.
    pub enum Mechanism: "mechanism", later [] {
        /// Concurrent versions.
        Siblings = "siblings",
        /// A stale replica was repaired.
        ReadRepair = "read-repair",
        /// A request was forwarded.
        Forwarded = "forwarded",
        /// A node was suspected.
        Suspected = "suspected",
        /// A fresh epoch was taken.
        FreshEpoch = "fresh-epoch",
        /// A repeated put was refused.
        DuplicateRefused = "duplicate-refused",
        /// A hint was kept.
        HintKept = "hint-kept",
        /// A hint was delivered.
        HintDelivered = "hint-delivered",
        /// A hint was released.
        HintReleased = "hint-released",
        /// A fallback took part in a get.
        FallbackRead = "fallback-read",
        /// A fallback coordinated a put.
        FallbackPut = "fallback-put",
        /// Anti-entropy moved an object.
        ObjectExchanged = "object-exchanged",
        /// A node recovered from the loss of its disk, or fetched what it is to own.
        Resynchronised = "resynchronised",
        /// A tombstone was removed.
        Reaped = "reaped",
        /// Buffered writes were lost.
        BufferLost = "buffer-lost",
        /// Data began to move to new owners.
        LayoutMoves = "layout-moves",
        /// A change of the layout came to its end.
        LayoutChanged = "layout-changed",
        /// A request of another view was not served.
        OtherViewRefused = "other-view-refused",
        /// An old owner gave up its copy.
        CopyDropped = "copy-dropped",
        /// A hint went to a key's new owners.
        HintRehomed = "hint-rehomed",
        /// A node was declared down.
        DeclaredDown = "declared-down",
        /// A proposed change was withdrawn.
        Withdrawn = "withdrawn",
    }
}

const _: () = assert!(Mechanism::ALL.len() <= 32);

impl Mechanism {
    /// What has happened when it was reached, in one sentence.
    pub const fn meaning(self) -> &'static str {
        match self {
            Mechanism::Siblings => "A put made siblings.",
            Mechanism::ReadRepair => "A get wrote to a stale replica.",
            Mechanism::Forwarded => "A node sent a request on to one of the key's owners.",
            Mechanism::Suspected => "A node found that a peer did not answer in time.",
            Mechanism::FreshEpoch => "A put took a fresh epoch.",
            Mechanism::DuplicateRefused => "A node refused to coordinate a put a second time.",
            Mechanism::HintKept => "A fallback kept a write for a node that should have had it.",
            Mechanism::HintDelivered => "A fallback's hint reached its home.",
            Mechanism::HintReleased => "A fallback removed a hint that its home had confirmed.",
            Mechanism::FallbackRead => "A get counted a fallback's copy.",
            Mechanism::FallbackPut => "A fallback coordinated a put.",
            Mechanism::ObjectExchanged => "Anti-entropy moved an object.",
            Mechanism::Resynchronised => {
                "A node has merged from the others what it lost or is to own."
            }
            Mechanism::Reaped => "A tombstone that every replica held was removed.",
            Mechanism::BufferLost => "A crash lost buffered writes.",
            Mechanism::LayoutMoves => "Data began to move to new owners.",
            Mechanism::LayoutChanged => "A change of the layout came to its end.",
            Mechanism::OtherViewRefused => {
                "A node did not serve a request that was made under other layouts."
            }
            Mechanism::CopyDropped => "An old owner removed a copy that its successors hold.",
            Mechanism::DeclaredDown => "A change went on without a node that was declared down.",
            Mechanism::Withdrawn => "A change that was proposed came to nothing.",
            Mechanism::HintRehomed => "A hint went to the new owners of its key.",
        }
    }

    /// Whether the scenario's settings leave room for it. That they do does not mean that it will
    /// be reached.
    ///
    /// # Errors
    /// The setting that rules it out.
    pub fn check(self, scenario: &Scenario) -> Result<(), Problem> {
        match self.ruled_out(scenario) {
            Some((why, help)) => {
                Err(Problem::new(format!("`{self}` cannot be reached, {why}"), help))
            }
            None => Ok(()),
        }
    }

    /// The setting that rules it out, and what to set instead.
    fn ruled_out(self, scenario: &Scenario) -> Option<(&'static str, &'static str)> {
        use Mechanism as M;
        let (cluster, faults) = (&scenario.cluster, &scenario.faults);
        let of_fallbacks = matches!(
            self,
            M::HintKept | M::HintDelivered | M::HintReleased | M::FallbackRead | M::FallbackPut
        );
        match self {
            M::Siblings if cluster.versioning == Versioning::LastWriterWins => {
                Some(("last-writer-wins keeps no siblings", "set versioning to `dotted`"))
            }
            M::ReadRepair if cluster.read_repair == ReadRepair::Off => {
                Some(("read-repair is `off`", "set read-repair to `async`"))
            }
            _ if of_fallbacks && !scenario.asks_sloppily() => {
                Some(("every quorum is strict", "set quorum to `sloppy`"))
            }
            _ if of_fallbacks && cluster.nodes == cluster.n => {
                Some(("n is all nodes and leaves no fallback", "set nodes above n"))
            }
            M::HintDelivered | M::HintReleased if !cluster.handoff.is_on() => {
                Some(("handoff is `off`", "set handoff to `on`"))
            }
            M::ObjectExchanged if !cluster.anti_entropy.is_on() => {
                Some(("anti-entropy is `off`", "set anti-entropy to `on`"))
            }
            M::Resynchronised if faults.disk_losses == 0 && scenario.membership.is_none() => {
                Some(("no disk is lost", "set disk-losses to at least 1"))
            }
            M::LayoutMoves
            | M::LayoutChanged
            | M::OtherViewRefused
            | M::CopyDropped
            | M::HintRehomed
            | M::DeclaredDown
            | M::Withdrawn
                if scenario.membership.is_none() =>
            {
                Some(("nobody orders a change of the layout", "add a `[membership]` table"))
            }
            M::Reaped if !cluster.reap.is_on() => Some(("reap is `off`", "set reap to `on`")),
            M::BufferLost if cluster.durability == Durability::Durable => {
                Some(("durability is `durable`", "set durability to `buffered`"))
            }
            M::BufferLost if faults.crashes == 0 && faults.disk_losses == 0 => {
                Some(("no node crashes", "set crashes to at least 1"))
            }
            _ => None,
        }
    }
}

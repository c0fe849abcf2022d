//! What a scenario can ask, and what it can expect to be answered.

use super::names::named;

named! {
    /// A question to the checker. `x` *covers* `v` if it is `v` or truly overwrote it, through any
    /// chain of true reads.
    pub enum Property: "property", later [] {
        /// No acknowledged write disappears.
        NoLostWrite = "no-lost-write",
        /// A dot identifies one value.
        UniqueDots = "unique-dots",
        /// Siblings are truly concurrent.
        NoFalseConcurrency = "no-false-concurrency",
        /// Siblings are no more than the concurrent puts.
        BoundedSiblings = "bounded-siblings",
        /// A session reads its own writes.
        ReadYourWrites = "read-your-writes",
        /// A session never reads backwards.
        MonotonicReads = "monotonic-reads",
        /// A get sees what was acknowledged before it.
        Regular = "regular",
        /// The history has a real-time order.
        Linearizable = "linearizable",
        /// Acknowledged writes survive the loss of stores.
        DurableF = "durable-f",
        /// What was deleted or overwritten does not come back.
        NoResurrection = "no-resurrection",
        /// The replicas can agree again, whatever has happened.
        Converges = "converges",
        /// Writes are answered while f nodes are down.
        AvailableWrites = "available-writes",
        /// Reads are answered while f nodes are down.
        AvailableReads = "available-reads",
    }
}

impl Property {
    /// What holds when it holds, in one sentence.
    pub const fn meaning(self) -> &'static str {
        match self {
            Property::NoLostWrite => {
                "Every acknowledged value is in the merge of all stores and hints, or is covered there."
            }
            Property::UniqueDots => "One dot never names two values.",
            Property::NoFalseConcurrency => "No sibling covers another.",
            Property::BoundedSiblings => "There are no more siblings than truly concurrent puts.",
            Property::ReadYourWrites => "An answer covers the client's own acknowledged puts.",
            Property::MonotonicReads => "An answer covers the client's earlier answers.",
            Property::Regular => {
                "An answer covers every put acknowledged before the get began, and holds nothing that \
                 such a put overwrote."
            }
            Property::Linearizable => {
                "The history fits the set object in some order that respects real time."
            }
            Property::NoResurrection => {
                "What an acknowledged put or delete covered, once gone from all stores and hints \
                 together, never returns."
            }
            Property::DurableF => "With any f stores removed, no-lost-write holds of the rest.",
            Property::Converges => {
                "From every state some continuation without further faults makes all replicas equal."
            }
            Property::AvailableWrites => {
                "With at most f nodes down, whichever, some continuation stores a fresh put of any key."
            }
            Property::AvailableReads => {
                "With at most f nodes down, whichever, some continuation answers a fresh get of any key."
            }
        }
    }

    /// What it speaks of.
    pub const fn subject(self) -> Subject {
        match self {
            Property::NoLostWrite
            | Property::UniqueDots
            | Property::NoFalseConcurrency
            | Property::BoundedSiblings
            | Property::DurableF => Subject::Stores,
            Property::ReadYourWrites
            | Property::MonotonicReads
            | Property::Regular
            | Property::Linearizable => Subject::Answer,
            Property::NoResurrection => Subject::Step,
            Property::Converges | Property::AvailableWrites | Property::AvailableReads => {
                Subject::Continuations
            }
        }
    }

    /// Whether it speaks of what can follow a state. No state says by itself that such a property
    /// is false there; the exploration engine decides it.
    pub const fn is_about_continuations(self) -> bool {
        matches!(self.subject(), Subject::Continuations)
    }
}

/// What a property speaks of, which says when it is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Disks and messages: these and what truly happened before decide it, whatever step came last.
    Stores,
    /// The answer, if any, that the last step gave.
    Answer,
    /// What the last step has changed.
    Step,
    /// What can follow.
    Continuations,
}

named! {
    /// What a scenario expects to be answered about a property.
    pub enum Expectation: "verdict", later [] {
        /// The property holds in the whole space within the scenario's bounds.
        Holds = "holds",
        /// Some trace refutes the property.
        Refuted = "refuted",
    }
}

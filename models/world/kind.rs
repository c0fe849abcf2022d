//! The kinds of action, named as in trace files; each kind of timer is one of its own.

use super::action::Action;
use crate::scenario::{Durability, Faults, ReadRepair, Scenario};
use dynamo_protocol::door::Timer;

/// A kind of [`Action`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[allow(missing_docs)] // as in `Action` and `Timer`
pub enum Kind {
    Call,
    GiveUp,
    FinalRead,
    Deliver,
    Lose,
    Drop,
    Duplicate,
    RequestTimeout,
    StragglerTimeout,
    /// Either of these while an answer could still come: a fault.
    PrematureTimeout,
    Retry,
    Handoff,
    Exchange,
    Reap,
    Gossip,
    Settle,
    Crash,
    Recover,
    LoseDisk,
    Flush,
    Partition,
    Heal,
    Order,
}

impl Kind {
    /// All of them, with their names, in the order in which they are printed.
    pub const ALL: [(Kind, &'static str); 23] = [
        (Kind::Call, "call"),
        (Kind::GiveUp, "give-up"),
        (Kind::FinalRead, "final-read"),
        (Kind::Deliver, "deliver"),
        (Kind::Lose, "lose"),
        (Kind::Drop, "drop"),
        (Kind::Duplicate, "duplicate"),
        (Kind::RequestTimeout, "request-timeout"),
        (Kind::StragglerTimeout, "straggler-timeout"),
        (Kind::PrematureTimeout, "premature-timeout"),
        (Kind::Retry, "retry"),
        (Kind::Handoff, "handoff"),
        (Kind::Exchange, "exchange"),
        (Kind::Reap, "reap"),
        (Kind::Gossip, "gossip"),
        (Kind::Settle, "settle"),
        (Kind::Crash, "crash"),
        (Kind::Recover, "recover"),
        (Kind::LoseDisk, "lose-disk"),
        (Kind::Flush, "flush"),
        (Kind::Partition, "partition"),
        (Kind::Heal, "heal"),
        (Kind::Order, "order"),
    ];

    /// The kind of an action.
    pub fn of(action: &Action) -> Kind {
        match action {
            Action::Call { .. } => Kind::Call,
            Action::GiveUp { .. } => Kind::GiveUp,
            Action::FinalRead { .. } => Kind::FinalRead,
            Action::Deliver(_) => Kind::Deliver,
            Action::Lose(_) => Kind::Lose,
            Action::Drop(_) => Kind::Drop,
            Action::Duplicate(_) => Kind::Duplicate,
            Action::Fire { premature: true, .. } => Kind::PrematureTimeout,
            Action::Fire { timer, .. } => match timer {
                Timer::Request(_) => Kind::RequestTimeout,
                Timer::Straggler(_) => Kind::StragglerTimeout,
                Timer::Retry(_) => Kind::Retry,
                Timer::Handoff(_) => Kind::Handoff,
                Timer::Exchange(_) => Kind::Exchange,
                Timer::Reap => Kind::Reap,
                Timer::Gossip(_) => Kind::Gossip,
                Timer::Settle => Kind::Settle,
            },
            Action::Crash(_) => Kind::Crash,
            Action::Recover(_) => Kind::Recover,
            Action::LoseDisk(_) => Kind::LoseDisk,
            Action::Flush(_) => Kind::Flush,
            Action::Partition(_) => Kind::Partition,
            Action::Heal => Kind::Heal,
            Action::Order { .. } => Kind::Order,
        }
    }

    /// Whether the budgets and settings of a scenario leave room for it. That they do does not mean
    /// that it will happen.
    pub fn is_allowed(self, scenario: &Scenario) -> bool {
        let (cluster, changes) = (&scenario.cluster, scenario.membership.is_some());
        let faults = match scenario.faults.total {
            Some(0) => Faults::default(),
            _ => scenario.faults,
        };
        let goes_down = faults.crashes > 0 || faults.disk_losses > 0;
        let loses = goes_down || faults.drops > 0 || faults.partitions > 0;
        let suspects = loses || faults.timeouts > 0 || changes;
        match self {
            Kind::Call => scenario.clients.iter().any(|script| !script.is_empty()),
            Kind::FinalRead => true,
            Kind::Deliver => cluster.nodes > 1,
            Kind::StragglerTimeout => {
                cluster.read_repair != ReadRepair::Off || scenario.asks_sloppily()
            }
            Kind::GiveUp | Kind::Recover => goes_down,
            Kind::Lose => goes_down || faults.partitions > 0,
            Kind::Drop => faults.drops > 0,
            Kind::Duplicate => faults.duplicates > 0,
            Kind::RequestTimeout | Kind::Retry => cluster.nodes > 1 && suspects,
            Kind::PrematureTimeout => cluster.nodes > 1 && faults.timeouts > 0,
            Kind::Handoff => scenario.asks_sloppily() && cluster.handoff.is_on() && suspects,
            // With it a node also fetches what a lost disk held, or what it is to own.
            Kind::Exchange => cluster.anti_entropy.is_on() || faults.disk_losses > 0 || changes,
            Kind::Reap => cluster.reap.is_on(),
            Kind::Gossip | Kind::Settle | Kind::Order => changes,
            Kind::Crash => faults.crashes > 0,
            Kind::LoseDisk => faults.disk_losses > 0,
            Kind::Flush => cluster.durability != Durability::Durable,
            Kind::Partition | Kind::Heal => faults.partitions > 0,
        }
    }
}

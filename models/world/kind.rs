//! The kinds of action, named as in trace files; each kind of timer is one of its own.

use super::action::Action;
use crate::scenario::names::named;
use crate::scenario::{Durability, Faults, ReadRepair, Scenario};
use dynamo_protocol::door::Timer;

named! {
    /// A kind of [`Action`].
    #[allow(missing_docs)] // as in `Action` and `Timer`
    pub enum Kind: "kind of action", later [] {
        Call = "call",
        GiveUp = "give-up",
        FinalRead = "final-read",
        Deliver = "deliver",
        Lose = "lose",
        Drop = "drop",
        Duplicate = "duplicate",
        RequestTimeout = "request-timeout",
        StragglerTimeout = "straggler-timeout",
        /// Either of these while an answer could still come: a fault.
        PrematureTimeout = "premature-timeout",
        Retry = "retry",
        Handoff = "handoff",
        Exchange = "exchange",
        Reap = "reap",
        Gossip = "gossip",
        Settle = "settle",
        Crash = "crash",
        Recover = "recover",
        LoseDisk = "lose-disk",
        Flush = "flush",
        Partition = "partition",
        Heal = "heal",
        Order = "order",
    }
}

impl Kind {
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

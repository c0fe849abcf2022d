//! What an open request still depends on: for a checker that need not try every order of steps.

use super::{Node, Pending};
use crate::config::ReadRepair;
use crate::ids::RequestId;
use crate::store::Store;

impl<S: Store> Node<S> {
    /// Whether the request has its answer, and only waits for the replicas that this did not need.
    pub fn is_answered(&self, id: RequestId) -> bool {
        self.state.pending.get(&id).is_some_and(Pending::is_answered)
    }

    /// Whether the order in which further copies reach a get cannot matter: it needs all that are
    /// missing, or knows already what it will answer and looks at no copy after that.
    pub fn takes_copies_in_any_order(&self, id: RequestId) -> bool {
        match self.state.pending.get(&id) {
            Some(Pending::Get(get)) => get.takes_copies_in_any_order(self.config.read_repair()),
            _ => false,
        }
    }

    /// Whether a get has met a copy that holds something, and the copies that are missing can change
    /// nothing but what read repair does after the answer.
    pub fn only_repairs_are_open(&self, id: RequestId) -> bool {
        let repairs_later = self.config.read_repair() == ReadRepair::Async;
        match self.state.pending.get(&id) {
            Some(Pending::Get(get)) => repairs_later && get.has_met_an_object(),
            _ => false,
        }
    }
}

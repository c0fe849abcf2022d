//! Symmetry of clients, and with them of what they write and where: where two have the same script,
//! or one the script of the other with keys exchanged that the same nodes store in the same order, no
//! verdict depends on which of them is which. So they begin in the order of the scenario: whoever is
//! like another waits until that one has called something.
//!
//! No state is rewritten, and none is merged with another: of the runs that are each other's image
//! only one is explored, and it is a run of the whole space, as long as the others. That is why it is
//! sound for `converges`, too: of clients that have called nothing a state knows nothing, so that a
//! state's continuations are images of those that are left.
//!
//! It rests on `unique-dots`: of two values with one dot the larger is kept, whoever wrote it. Where
//! that property is refuted, what follows need not be the same for all.
//!
//! Not where names have an order. A node that has lost its disk refuses sessions up to the latest
//! begun (see `Start`): whether a client comes before or after another makes a difference then. So
//! it does to the last writer of two with the same time, to a truncated clock, to policies of the
//! museum, and to pages, batches and hints if keys are exchanged. And not where clients take turns.

use super::ClusterModel;
use super::state::State;
use crate::scenario::{Durability, Quorum, Scenario, Schedule, Step, Switch, Versioning};
use dynamo_protocol::ids::Key;
use dynamo_protocol::policy::Policy;
use dynamo_protocol::ring::Ring;
use std::collections::BTreeMap;

/// What takes the place of what. Its own inverse.
type Exchange<'a> = BTreeMap<&'a str, &'a str>;

impl ClusterModel {
    /// The same cluster with one of the runs that differ in who is which, all verdicts and the lengths
    /// of all counterexamples unchanged. Without effect where that is not known to be sound, or where
    /// no two clients are alike: see [`ClusterModel::is_symmetric`].
    #[must_use]
    pub fn up_to_symmetry(mut self) -> ClusterModel {
        let clients = self.scenario.clients.len();
        let before = |client| (0..client).rev().find(|&other| self.are_alike(other, client));
        self.begins_after = match can_have_symmetry(&self.scenario) {
            true => (0..clients).map(before).collect(),
            false => Vec::new(),
        };
        self
    }

    /// Whether some client waits until another has begun that is like it.
    pub fn is_symmetric(&self) -> bool {
        self.begins_after.iter().any(Option::is_some)
    }

    /// Whether nobody has to begin before `client`.
    pub(super) fn is_next_of_its_like(&self, state: &State, client: usize) -> bool {
        let before = self.begins_after.get(client).copied().flatten();
        before.is_none_or(|before| {
            let before = &state.run.clients[before];
            before.done > 0 || before.waiting.is_some()
        })
    }

    /// Whether the scenario stays as it is if these two exchange their names and some keys theirs.
    fn are_alike(&self, one: usize, other: usize) -> bool {
        let clients = &self.scenario.clients;
        let Some(exchange) = exchange(&clients[one], &clients[other]) else { return false };
        let ring = self.config.ring();
        let moved = exchange.iter().filter(|(from, to)| from != to).map(|(&from, _)| from);
        let is_free = |key: &str| {
            let others = (0..clients.len()).filter(|&client| client != one && client != other);
            others.flat_map(|client| &clients[client]).all(|step| step.key != key)
        };
        let mut moved = moved.peekable();
        if moved.peek().is_some() && !can_exchange_keys(&self.scenario) {
            return false;
        }
        moved.all(|key| is_free(key) && stored_alike(ring, key, exchange[key]))
    }
}

/// The exchange of keys that makes each of two scripts the other.
fn exchange<'a>(one: &'a [Step], other: &'a [Step]) -> Option<Exchange<'a>> {
    let mut exchange = Exchange::new();
    for (mine, theirs) in one.iter().zip(other) {
        for (from, to) in [(&mine.key, &theirs.key), (&theirs.key, &mine.key)] {
            if *exchange.entry(from).or_insert(to) != to {
                return None;
            }
        }
    }
    let same = |(mine, theirs): (&Step, &Step)| {
        Step { key: theirs.key.clone(), ..mine.clone() } == *theirs
    };
    (one.len() == other.len() && one.iter().zip(other).all(same)).then_some(exchange)
}

/// Whether the same nodes store both keys, in the same order.
fn stored_alike(ring: &Ring, one: &str, other: &str) -> bool {
    let [one, other] = [one, other].map(|key| ring.preference_list(&Key::from(key)).all());
    one.eq(other)
}

/// Whether nothing in the scenario puts the names of clients in an order.
fn can_have_symmetry(scenario: &Scenario) -> bool {
    let cluster = &scenario.cluster;
    scenario.schedule == Schedule::Concurrent
        && scenario.membership.is_none()
        && scenario.faults.disk_losses == 0
        && cluster.durability == Durability::Durable
        && cluster.versioning == Versioning::Dotted
        && cluster.policy == Policy::default()
}

/// Whether nothing in the scenario puts keys in an order.
fn can_exchange_keys(scenario: &Scenario) -> bool {
    let cluster = &scenario.cluster;
    let is_strict = |step: &Step| step.quorum.unwrap_or(cluster.quorum) == Quorum::Strict;
    cluster.anti_entropy == Switch::Off
        && cluster.reap == Switch::Off
        && scenario.clients.iter().flatten().all(is_strict)
}

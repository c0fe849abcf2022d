//! Agreement: what `converges` wants to be reachable from everywhere.

use super::ClusterModel;
use super::Disk;
use super::state::{Host, State};
use crate::explore::Agreement;
use dynamo_protocol::door::Timer;
use dynamo_protocol::ids::{Key, NodeId};
use dynamo_protocol::node::Node;
use dynamo_protocol::store::{Record, RecordKey, Store};

impl ClusterModel {
    /// How far the replicas agree: they can only do so while the cluster is whole and silent.
    pub(super) fn agreed(&self, state: &State) -> Agreement {
        if !self.is_whole(state) || !state.network.is_empty() || self.is_unsettled(state) {
            return Agreement::Apart;
        }
        let Some(member) = self.one_layout(state) else { return Agreement::Apart };
        let mut agreement = Agreement::OnNothing;
        for key in self.plan().keys() {
            match self.agreed_on(state, key, member) {
                None => return Agreement::Apart,
                Some(Some(_)) => agreement = Agreement::OnSomething,
                Some(None) => {}
            }
        }
        agreement
    }

    /// A member, if all of them know the same layout and none is on the way to another.
    fn one_layout<'a>(&self, state: &'a State) -> Option<&'a Node<Disk>> {
        let known = |node: &Node<Disk>| node.membership().cloned();
        let first = state.nodes.iter().find_map(|host| host.up())?;
        let Some(newest) = state
            .nodes
            .iter()
            .filter_map(|host| known(host.up()?))
            .max_by_key(|membership| membership.version())
        else {
            return Some(first);
        };
        let is_member = |node: &&Node<Disk>| newest.current().has(node.id());
        let mut members = state.nodes.iter().filter_map(|host| host.up()).filter(is_member);
        let settled = newest.change().is_none();
        let agree = settled && members.clone().all(|node| known(node).as_ref() == Some(&newest));
        members.next().filter(|_| agree)
    }

    /// What all primaries hold of a key, if it is the same.
    fn agreed_on(&self, state: &State, key: &Key, member: &Node<Disk>) -> Option<Option<Record>> {
        let name = RecordKey::Object(key.clone());
        let primaries = member.ring().preference_list(key).primaries().iter();
        let mut copies = primaries.map(|&node| state.host(node).disk().get(&name));
        let first = copies.next()?;
        copies.all(|copy| copy == first).then_some(first)
    }

    /// Whether every node is up, counts as a replica, and can speak to every other.
    fn is_whole(&self, state: &State) -> bool {
        let counts = |host: &Host| host.up().is_some_and(Node::is_whole);
        state.far_side == 0 && state.nodes.iter().all(|host| counts(host))
    }

    /// Whether there is work left in the background: a hint, a tombstone that is to be removed, or
    /// an exchange that would move an object.
    fn is_unsettled(&self, state: &State) -> bool {
        let reaps = self.config().failures().reap;
        let is_to_go = |(name, record): (&RecordKey, &Record)| match (name, record) {
            (RecordKey::Hint { .. }, _) => true,
            (RecordKey::Object(_), Record::Object(object)) => reaps && object.is_deleted(),
            _ => false,
        };
        if state.nodes.iter().any(|host| host.disk().records().any(is_to_go)) {
            return true;
        }
        (0..).zip(&state.nodes).any(|(node, host)| {
            host.timers.iter().any(|timer| match timer {
                Timer::Exchange(peer) => self.finds_something(state, NodeId(node), *peer),
                Timer::Settle => self.settling_matters(state, NodeId(node)),
                _ => false,
            })
        })
    }
}

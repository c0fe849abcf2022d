//! Routing by the layout (paper §6.4): a client that knows who stores a key asks one of them, so
//! that no put is forwarded and no get waits for two other nodes where one would do.
//!
//! As in the paper the client pulls: it asks a random node for the layout every [`POLL_EVERY`]. It
//! need not wait for that to learn of a change, because every answer names the layouts on which the
//! node that gave it acts. A stale client is slower, never wrong: nodes coordinate or forward
//! whatever they are asked.

use crate::wire::addresses;
use dynamo_protocol::ids::{Key, NodeId};
use dynamo_protocol::membership::{Membership, Phase, View};
use dynamo_protocol::ring::{Layout, Ring};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often the layout is asked for (§6.4).
pub const POLL_EVERY: Duration = Duration::from_secs(10);

/// How soon it is asked for again when nobody answered.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How long a node that did not answer is asked after all others.
const SILENT_FOR: Duration = Duration::from_secs(10);

/// What a client knows of the layout, and of who answers.
#[derive(Debug)]
pub(super) struct Routing {
    known: Option<Known>,
    /// When to ask for the layout.
    due: Instant,
    /// Who knows of a newer layout.
    ahead: Option<SocketAddr>,
    /// Those that did not answer, and until when that counts.
    silent: BTreeMap<SocketAddr, Instant>,
    refreshes: u64,
}

/// A state of the membership, and what follows from it.
#[derive(Debug)]
struct Known {
    membership: Arc<Membership>,
    view: View,
    /// Of the layout on which gets act.
    gets: Ring,
    /// Of a layout on which puts act: the one that is to stay.
    puts: Ring,
    addresses: BTreeMap<NodeId, BTreeSet<SocketAddr>>,
}

impl Known {
    fn new(membership: Arc<Membership>) -> Known {
        let view = membership.view();
        let change = membership.change().filter(|_| view.phase != Phase::Settled);
        let next: &Layout = change.map_or(membership.current(), |change| &change.layout);
        let read = if view.phase == Phase::Reading { next } else { membership.current() };
        let addresses = addresses([membership.current(), next]);
        Known { view, gets: Ring::new(read), puts: Ring::new(next), addresses, membership }
    }

    /// Whether `membership` is to take the place of this one: not if it is older.
    fn gives_way_to(&self, membership: &Membership) -> bool {
        self.membership.cluster() != membership.cluster()
            || !membership.view().is_before(&self.view)
    }
}

impl Routing {
    /// Nothing is known yet: the layout is asked for at once.
    pub(super) fn new(now: Instant) -> Routing {
        Routing { known: None, due: now, ahead: None, silent: BTreeMap::new(), refreshes: 0 }
    }

    /// Whom to ask for `key`: first those of its preference list, in its order; those that are
    /// silent come last. `others` are asked if no member answers.
    pub(super) fn order(
        &self,
        key: &Key,
        is_put: bool,
        others: &[SocketAddr],
        now: Instant,
    ) -> Vec<SocketAddr> {
        let mut order: Vec<SocketAddr> = Vec::new();
        if let Some(known) = &self.known {
            let ring = if is_put { &known.puts } else { &known.gets };
            let nodes = ring.preference_list(key).all();
            order.extend(nodes.filter_map(|node| known.addresses.get(&node)).flatten());
        }
        let rest: Vec<SocketAddr> =
            others.iter().filter(|other| !order.contains(other)).copied().collect();
        order.extend(rest);
        order.sort_by_key(|node| self.is_silent(*node, now));
        order
    }

    fn is_silent(&self, node: SocketAddr, now: Instant) -> bool {
        self.silent.get(&node).is_some_and(|until| *until > now)
    }

    /// A node did not answer.
    pub(super) fn silent(&mut self, node: SocketAddr, now: Instant) {
        self.silent.insert(node, now + SILENT_FOR);
    }

    /// A node has answered.
    pub(super) fn heard(&mut self, node: SocketAddr) {
        self.silent.remove(&node);
    }

    /// A node has said on which layouts it acts: if it knows more, the layout is asked for at once,
    /// and from that node, since others may know as little as this client.
    pub(super) fn compare(&mut self, node: SocketAddr, view: View, now: Instant) {
        let Some(known) = &self.known else { return };
        // Another layout that is not older is newer, or that of another cluster.
        if view != known.view && !view.is_before(&known.view) && self.ahead.is_none() {
            tracing::debug!("{node} acts on {view}, this client on {}", known.view);
            (self.ahead, self.due) = (Some(node), now);
        }
    }

    /// Whom to ask for the layout, if it is time: `draw` picks one of so many.
    pub(super) fn next_poll(
        &mut self,
        others: &[SocketAddr],
        now: Instant,
        draw: impl FnOnce(usize) -> usize,
    ) -> Option<SocketAddr> {
        if now < self.due {
            return None;
        }
        if let Some(ahead) = self.ahead.take() {
            return Some(ahead);
        }
        let members = self.known.iter().flat_map(|known| known.addresses.values().flatten());
        let all: BTreeSet<SocketAddr> = members.chain(others).copied().collect();
        let (silent, heard): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|node| self.is_silent(*node, now));
        let nodes = if heard.is_empty() { silent } else { heard };
        nodes.get(draw(nodes.len())).copied()
    }

    /// What came of asking.
    pub(super) fn polled(&mut self, membership: Option<Arc<Membership>>, now: Instant) {
        self.due = now + if membership.is_some() { POLL_EVERY } else { RETRY_AFTER };
        let Some(membership) = membership else { return };
        self.refreshes += 1;
        if self.known.as_ref().is_none_or(|known| known.gives_way_to(&membership)) {
            self.known = Some(Known::new(membership));
        }
    }

    /// How often the layout has been fetched.
    pub(super) fn refreshes(&self) -> u64 {
        self.refreshes
    }

    /// The layouts that requests are routed by.
    pub(super) fn view(&self) -> Option<View> {
        self.known.as_ref().map(|known| known.view)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dynamo_protocol::ring::{Member, Strategy};

    fn at(id: u64) -> SocketAddr {
        ([127, 0, 0, 1], 100 + id as u16).into()
    }

    fn layout(ids: &[u64]) -> Layout {
        let member = |&id: &u64| Member {
            id: NodeId(id),
            name: format!("n{id}"),
            weight: 1,
            zone: None,
            address: at(id).to_string(),
        };
        let strategy = Strategy::EqualPartitions { partitions: 8 };
        Layout::new(strategy, 1, ids.iter().map(member).collect()).unwrap()
    }

    fn list(layout: &Layout, key: &Key) -> Vec<SocketAddr> {
        Ring::new(layout).preference_list(key).all().map(|node| at(node.0)).collect()
    }

    /// A key whose first node differs between the two.
    fn moved(old: &Layout, new: &Layout) -> Key {
        let keys = (0..1000).map(|i| Key::from(format!("{i}").as_str()));
        keys.into_iter().find(|key| list(old, key)[0] != list(new, key)[0]).unwrap()
    }

    fn routing(membership: &Membership, now: Instant) -> Routing {
        let mut routing = Routing::new(now);
        routing.polled(Some(Arc::new(membership.clone())), now);
        routing
    }

    #[test]
    fn a_key_goes_to_its_preference_list_and_the_silent_come_last() {
        let (now, founding, key) = (Instant::now(), layout(&[0, 1, 2, 3]), Key::from("k"));
        let other = at(77);
        let mut routing = routing(&Membership::founding(founding.clone(), &()), now);
        let mut expected = list(&founding, &key);
        expected.push(other);
        let order = |routing: &Routing, now| routing.order(&key, true, &[at(1), other], now);
        assert_eq!(order(&routing, now), expected);
        routing.silent(expected[0], now);
        let without: Vec<SocketAddr> = [&expected[1..], &expected[..1]].concat();
        assert_eq!(order(&routing, now), without);
        assert_eq!(order(&routing, now + SILENT_FOR), expected, "it is tried again");
        routing.heard(expected[0]);
        assert_eq!(order(&routing, now), expected);
    }

    #[test]
    fn without_a_layout_the_others_are_asked_in_their_order() {
        let now = Instant::now();
        let mut routing = Routing::new(now);
        assert_eq!(routing.order(&Key::from("k"), false, &[at(2), at(1)], now), [at(2), at(1)]);
        assert_eq!(routing.next_poll(&[at(2)], now, |_| 0), Some(at(2)));
        routing.polled(None, now);
        assert_eq!(routing.next_poll(&[at(2)], now, |_| 0), None, "not with every request");
        assert!(routing.next_poll(&[at(2)], now + RETRY_AFTER, |_| 0).is_some());
    }

    #[test]
    fn gets_and_puts_go_by_the_layouts_that_they_act_on() {
        let (now, old, new) = (Instant::now(), layout(&[0, 1, 2]), layout(&[0, 1, 2, 3]));
        let key = moved(&old, &new);
        let first = |m: &Membership, is_put| routing(m, now).order(&key, is_put, &[], now)[0];
        let (of_old, of_new) = (list(&old, &key)[0], list(&new, &key)[0]);
        let mut membership = Membership::founding(old, &()).propose(new);
        for (stage, get, put) in [
            ("proposed", of_old, of_old),
            ("moving", of_old, of_new),
            ("reading", of_new, of_new),
            ("settled", of_new, of_new),
        ] {
            assert_eq!(first(&membership, false), get, "{stage}");
            assert_eq!(first(&membership, true), put, "{stage}");
            membership = membership.advance();
        }
    }

    #[test]
    fn a_node_that_knows_more_is_asked_at_once_and_one_that_knows_less_is_not() {
        let now = Instant::now();
        let old = Membership::founding(layout(&[0, 1, 2]), &()).propose(layout(&[0, 1, 2, 3]));
        let new = old.advance();
        let mut routing = routing(&new, now);
        for view in [old.view(), new.view()] {
            routing.compare(at(1), view, now);
            assert_eq!(routing.next_poll(&[], now, |_| 0), None);
        }
        let newer = new.advance();
        routing.compare(at(1), newer.view(), now);
        routing.compare(at(2), newer.view(), now);
        assert_eq!(routing.next_poll(&[], now, |_| 0), Some(at(1)));
        routing.polled(Some(Arc::new(newer.clone())), now);
        assert_eq!((routing.view(), routing.refreshes()), (Some(newer.view()), 2));
        assert_eq!(routing.next_poll(&[], now, |_| 0), None);
        // The poll comes by chance to one that has not heard yet.
        assert!(routing.next_poll(&[], now + POLL_EVERY, |count| count - 1).is_some());
        routing.polled(Some(Arc::new(old)), now + POLL_EVERY);
        assert_eq!(routing.view(), Some(newer.view()), "nothing older takes its place");
    }

    #[test]
    fn a_cluster_that_was_founded_anew_is_noticed() {
        let now = Instant::now();
        let mut routing = routing(&Membership::founding(layout(&[0, 1, 2]), &()), now);
        let other = Membership::founding(layout(&[4, 5, 6]), &());
        routing.compare(at(4), other.view(), now);
        assert_eq!(routing.next_poll(&[], now, |_| 0), Some(at(4)));
        routing.polled(Some(Arc::new(other.clone())), now);
        assert_eq!(routing.view(), Some(other.view()));
    }
}

//! Who is reached where, and whom to believe: learnt from the layouts, not from whoever calls.
//!
//! A message counts as a member's if it comes from that member's address. While an address changes,
//! the old and the new one are both that member's: it is believed from both and sent to at both.
//!
//! Whoever claims to be no member may speak from anywhere. The core listens to no stranger, and only
//! tells one who has missed a change; the answer goes where the stranger spoke from. A node that is
//! outside itself hears everybody's gossip, but of how things stand it believes only a node that is
//! a member, at this address, by what it says.

use crate::wire;
use dynamo_protocol::ids::NodeId;
use dynamo_protocol::membership::{LayoutHash, Membership};
use dynamo_protocol::message::Message;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;

/// Addresses of strangers that are kept in mind; the oldest goes first.
const MAX_STRANGERS: usize = 64;

/// Where everybody is.
#[derive(Debug)]
pub(super) struct AddressBook {
    me: NodeId,
    /// Those that the configuration names: the founders of the cluster.
    seeds: BTreeMap<NodeId, SocketAddr>,
    /// The members of the layouts that are known.
    members: BTreeMap<NodeId, BTreeSet<SocketAddr>>,
    /// Whoever spoke lately without being known there.
    strangers: VecDeque<(NodeId, SocketAddr)>,
    /// All addresses of members and seeds.
    trusted: BTreeSet<SocketAddr>,
    /// Of the membership that this was learnt from.
    digest: Option<LayoutHash>,
}

impl AddressBook {
    /// The book of node `me`, with nothing but the addresses of its configuration.
    pub(super) fn new(me: NodeId, seeds: BTreeMap<NodeId, SocketAddr>) -> AddressBook {
        let trusted = seeds.values().copied().collect();
        let (members, strangers) = (BTreeMap::new(), VecDeque::new());
        AddressBook { me, seeds, members, strangers, trusted, digest: None }
    }

    /// Takes over the addresses of all members; whether anything about them is new.
    pub(super) fn learn(&mut self, membership: &Membership) -> bool {
        if self.digest.replace(membership.digest()) == Some(membership.digest()) {
            return false;
        }
        self.members = addresses(membership);
        self.trusted = self.members.values().flatten().copied().collect();
        self.trusted.extend(self.seeds.values());
        self.strangers.retain(|(who, _)| !self.members.contains_key(who));
        true
    }

    /// Whether this node is a member, as far as it knows.
    pub(super) fn is_inside(&self) -> bool {
        self.members.contains_key(&self.me)
    }

    /// Where `node` is: everywhere that it may be.
    pub(super) fn of(&self, node: NodeId) -> BTreeSet<SocketAddr> {
        let mut all = self.members.get(&node).cloned().unwrap_or_default();
        if all.is_empty() {
            // One who has left, or to whom this node is still unknown.
            all.extend(self.seeds.get(&node));
        }
        all.extend(self.strangers.iter().filter(|(who, _)| *who == node).map(|(_, at)| *at));
        all
    }

    /// Whether `address` is that of a member or seed, which may send large messages.
    pub(super) fn is_trusted(&self, address: SocketAddr) -> bool {
        self.trusted.contains(&address)
    }

    /// Whether a message that says it is from `node` is to be handed to the core. Keeps in mind
    /// where a stranger is to be answered.
    pub(super) fn believes(&mut self, node: NodeId, address: SocketAddr, says: &Message) -> bool {
        let known = self.members.get(&node);
        if known.is_some_and(|known| known.contains(&address)) {
            return true;
        }
        let is_outside = !self.is_inside();
        let is_believed = match says {
            Message::Gossip { .. } if is_outside => true,
            Message::News(news) if is_outside => {
                self.seeds.get(&node) == Some(&address)
                    || addresses(news).get(&node).is_some_and(|known| known.contains(&address))
            }
            _ => known.is_none(),
        };
        if is_believed {
            self.strangers.retain(|(who, _)| *who != node);
            self.strangers.push_back((node, address));
            if self.strangers.len() > MAX_STRANGERS {
                self.strangers.pop_front();
            }
        }
        is_believed
    }
}

/// Every member's address in the present and, if there is one, the next layout.
fn addresses(membership: &Membership) -> BTreeMap<NodeId, BTreeSet<SocketAddr>> {
    let next = membership.change().map(|change| &change.layout);
    wire::addresses([membership.current()].into_iter().chain(next))
}

#[cfg(test)]
mod tests {
    use super::*;
    use dynamo_protocol::ring::{Layout, Member, Strategy};
    use std::sync::Arc;

    fn at(port: u16) -> SocketAddr {
        ([127, 0, 0, 1], port).into()
    }

    fn layout(members: &[(u64, u16)]) -> Layout {
        let member = |&(id, port): &(u64, u16)| Member {
            id: NodeId(id),
            name: format!("n{id}"),
            weight: 1,
            zone: None,
            address: at(port).to_string(),
        };
        let strategy = Strategy::EqualPartitions { partitions: 8 };
        Layout::new(strategy, 1, members.iter().map(member).collect()).unwrap()
    }

    fn book(me: u64, members: &[(u64, u16)]) -> (AddressBook, Membership) {
        let seeds = members.iter().map(|(id, port)| (NodeId(*id), at(*port))).collect();
        let (mut book, founding) = (AddressBook::new(NodeId(me), seeds), layout(members));
        let membership = Membership::founding(founding, &());
        assert!(book.learn(&membership) && !book.learn(&membership));
        (book, membership)
    }

    fn gossip() -> Message {
        Message::Gossip { digest: LayoutHash::default(), done: false, asks: true }
    }

    fn all_of(book: &AddressBook, node: u64) -> Vec<SocketAddr> {
        book.of(NodeId(node)).into_iter().collect()
    }

    #[test]
    fn a_member_speaks_from_its_own_address_only() {
        let (mut book, _) = book(0, &[(0, 10), (1, 11)]);
        assert!(book.believes(NodeId(1), at(11), &gossip()));
        assert!(!book.believes(NodeId(1), at(12), &gossip()));
        assert!(book.is_trusted(at(11)) && !book.is_trusted(at(12)));
        assert_eq!(all_of(&book, 1), [at(11)], "what is not believed is not answered");
    }

    #[test]
    fn an_address_that_changes_is_two_until_the_change_is_over() {
        let (mut book, founding) = book(0, &[(0, 10), (1, 11)]);
        let mut membership = founding.propose(layout(&[(0, 10), (1, 21)]));
        for _stage in ["proposed", "moving", "reading"] {
            assert!(book.learn(&membership));
            assert_eq!(all_of(&book, 1), [at(11), at(21)]);
            assert!(book.believes(NodeId(1), at(11), &gossip()));
            assert!(book.believes(NodeId(1), at(21), &gossip()));
            membership = membership.advance();
        }
        assert!(book.learn(&membership));
        assert_eq!(all_of(&book, 1), [at(21)]);
        assert!(!book.believes(NodeId(1), at(11), &gossip()));
    }

    #[test]
    fn one_who_has_left_is_answered_where_it_speaks_from() {
        let (mut book, founding) = book(0, &[(0, 10), (1, 11), (2, 12)]);
        let mut membership = founding.propose(layout(&[(0, 10), (1, 11)]));
        for _stage in 0..3 {
            membership = membership.advance();
        }
        assert!(book.learn(&membership));
        assert_eq!(all_of(&book, 2), [at(12)], "it is in the configuration");
        assert!(book.believes(NodeId(2), at(99), &gossip()));
        assert_eq!(all_of(&book, 2), [at(12), at(99)]);
        for id in 100..100 + 2 * MAX_STRANGERS as u64 {
            assert!(book.believes(NodeId(id), at(7), &gossip()));
        }
        assert_eq!(book.strangers.len(), MAX_STRANGERS);
        assert_eq!(all_of(&book, 2), [at(12)], "the oldest stranger is forgotten");
    }

    #[test]
    fn one_who_is_outside_believes_news_of_a_member_only() {
        let (mut book, founding) = book(7, &[(0, 10), (1, 11)]);
        let proposed = founding.propose(layout(&[(1, 21), (5, 15), (7, 17)]));
        let news = Message::News(Arc::new(proposed.clone()));
        assert!(book.believes(NodeId(5), at(15), &news), "by what it says it is a member there");
        assert!(book.believes(NodeId(1), at(21), &news));
        assert!(book.believes(NodeId(1), at(11), &news));
        assert!(!book.believes(NodeId(5), at(16), &news));
        assert!(!book.believes(NodeId(8), at(18), &news));
        assert!(book.believes(NodeId(8), at(18), &gossip()), "it may ask, and is answered");
        assert!(book.learn(&proposed));
        assert!(!book.believes(NodeId(1), at(99), &gossip()), "now this node is inside");
    }
}

//! What nodes tell each other of who takes part.

use crate::common::*;
use crate::town::*;
use dynamo_protocol::door::{Delay, Effect, Ignored, Input, Note, Timer};
use dynamo_protocol::ids::NodeId;
use dynamo_protocol::limits::MAX_LAYOUT_LEAD;
use dynamo_protocol::membership::{Command, Membership, Phase, Step};
use dynamo_protocol::message::Message;
use dynamo_protocol::ring::{Layout, Strategy};
use std::collections::BTreeSet;
use std::sync::Arc;

fn gossip(membership: &Membership, done: bool, asks: bool) -> Message {
    Message::Gossip { digest: membership.digest(), done, asks }
}

fn news(membership: &Membership) -> Message {
    Message::News(Arc::new(membership.clone()))
}

/// Two founders with n = 1, and n2 beside them.
fn two() -> Town {
    Town::new((1, 1, 1), 2, 3)
}

#[test]
fn a_start_sets_a_timer_for_every_other_member() {
    let mut town = two();
    let gossips = |effects: &[Effect]| -> Vec<(Timer, Delay)> {
        let is_gossip = |(timer, _): &(Timer, Delay)| matches!(timer, Timer::Gossip(_));
        timers(effects).into_iter().filter(is_gossip).collect()
    };
    let timer = |peer| (Timer::Gossip(NodeId(peer)), Delay::Gossip);
    assert_eq!(gossips(&town.restart(0)), [timer(1)]);
    assert_eq!(gossips(&town.restart(2)), [timer(0), timer(1)], "it may become one");
    assert_eq!(town.fire(0, Timer::Gossip(NodeId(2))), ignored(Ignored::Stale));
    let effects = town.fire(0, Timer::Gossip(NodeId(1)));
    assert_eq!(timers(&effects), [timer(1)]);
    assert_eq!(sent(&effects), [(1, gossip(&town.founding(), true, true))]);
}

#[test]
fn whoever_agrees_says_so_if_asked() {
    let mut town = two();
    let same = town.founding();
    let effects = town.hear_here(0, 1, gossip(&same, true, true));
    assert_eq!(sent(&effects), [(1, gossip(&same, true, false))]);
    assert_eq!(town.hear_here(0, 1, gossip(&same, true, false)), []);
}

#[test]
fn whoever_knows_something_else_tells_it_unless_the_other_has_come_farther() {
    let mut town = two();
    let mine = town.founding();
    let proposed = mine.propose(layout(1, 3));
    let effects = town.hear(0, 1, proposed.view(), gossip(&proposed, true, true));
    assert_eq!(sent(&effects), [(1, news(&mine))], "who knows more is not to be seen");
    let moving = proposed.advance();
    let effects = town.hear(0, 1, moving.view(), gossip(&moving, true, true));
    assert_eq!(sent(&effects), [(1, gossip(&mine, true, true))]);
    town.tell(0, 1, &moving);
    let effects = town.hear(0, 1, mine.view(), gossip(&mine, true, true));
    assert_eq!(sent(&effects), [(1, news(&moving))]);
}

#[test]
fn news_are_taken_and_confirmed_or_answered_with_what_is_newer() {
    let mut town = two();
    let mine = town.founding();
    let proposed = mine.propose(layout(1, 3));
    let effects = town.tell(0, 1, &proposed);
    assert_eq!(sent(&effects), [(1, gossip(&proposed, true, false))]);
    assert_eq!(town.membership(0), proposed);
    assert!(timers(&effects).contains(&(Timer::Gossip(NodeId(2)), Delay::Gossip)));
    assert_eq!(sent(&town.tell(0, 1, &mine)), [(1, news(&proposed))]);
    assert_eq!(sent(&town.tell(0, 1, &proposed)), [(1, gossip(&proposed, true, false))]);
}

#[test]
fn requests_of_another_view_are_not_served() {
    let mut town = two();
    let (old, new) = (town.founding(), town.founding().propose(layout(1, 3)).advance());
    let effects = town.hear(0, 1, new.view(), read_for(7));
    assert_eq!(notes(&effects), [Note::Ignored(Ignored::OtherView)]);
    assert_eq!(sent(&effects), [(1, gossip(&old, true, true))], "who is behind asks");
    town.tell(0, 1, &new);
    let effects = town.hear(0, 1, old.view(), read_for(7));
    assert_eq!(notes(&effects), [Note::Ignored(Ignored::OtherView)]);
    assert_eq!(sent(&effects), [(1, news(&new))], "who is behind is told");
    assert_ne!(
        receivers(&town.hear_here(0, 1, read_for(7))),
        [0u64; 0],
        "of the same it is served"
    );
}

/// The proposed layout is no view of its own: nothing has moved.
#[test]
fn requests_are_served_while_a_change_is_only_proposed() {
    let mut town = two();
    let old = town.founding();
    town.tell(0, 1, &old.propose(layout(1, 3)));
    assert_eq!(town.node(0).view(), old.view());
    assert_eq!(sent(&town.hear(0, 1, old.view(), read_for(7))).len(), 1);
}

#[test]
fn a_stranger_that_is_behind_is_told_and_no_other() {
    let mut town = two();
    let old = town.founding();
    let next = old.propose(layout(1, 1)).advance().advance().advance();
    assert_eq!((next.version(), next.view().phase), (1, Phase::Settled));
    town.tell(0, 1, &next);
    let effects = town.hear(0, 1, old.view(), read_for(7));
    assert_eq!(notes(&effects), [Note::Ignored(Ignored::Stranger)]);
    assert_eq!(sent(&effects), [(1, news(&next))], "n1 has left");
    let effects = town.hear(0, 1, next.view(), gossip(&old, true, true));
    assert_eq!(effects, ignored(Ignored::Stranger));
    assert_eq!(town.hear(0, 0, old.view(), read_for(7)), ignored(Ignored::Stranger), "itself");
}

#[test]
fn whoever_is_no_member_hears_from_anybody_how_to_become_one() {
    let mut town = two();
    let next = town.founding().propose(layout(1, 3));
    let read = town.hear(2, 9, next.view(), read_for(7));
    assert_eq!(read, ignored(Ignored::Stranger));
    town.tell(2, 9, &next);
    assert_eq!(town.membership(2), next);
}

#[test]
fn another_cluster_is_not_listened_to() {
    let mut town = two();
    let mine = town.founding();
    let other = Membership::founding(layout(1, 3), &()).propose(layout(1, 2)).advance();
    let effects = town.tell(0, 1, &other);
    assert_eq!(effects, ignored(Ignored::OtherCluster));
    assert_eq!(town.membership(0), mine);
}

#[test]
fn news_of_another_n_or_strategy_are_not_believed() {
    let members = || (0..3).map(member).collect::<Vec<_>>();
    let (tokens, parts) = (4, Strategy::EqualPartitions { partitions: 32 });
    let random = Strategy::RandomTokens { tokens };
    let hostile = [
        Layout::new(STRATEGY, 2, members()).unwrap(),
        Layout::new(random, 1, members()).unwrap(),
        Layout::new(parts, 1, members()).unwrap(),
    ];
    for layout in hostile {
        let mut town = two();
        let mine = town.founding();
        let next = made_up(mine.cluster(), 1, &layout);
        for lie in [mine.propose(layout).advance(), next] {
            assert_eq!(town.tell(0, 1, &lie), ignored(Ignored::OtherCluster), "{lie}");
            assert_eq!(town.membership(0), mine);
        }
    }
}

/// F5: one message from the far future must not leave the cluster without a next version.
#[test]
fn news_of_the_far_future_are_not_believed() {
    let mut town = two();
    let mine = town.founding();
    for version in [MAX_LAYOUT_LEAD + 1, u64::MAX] {
        let lie = made_up(mine.cluster(), version, &layout(1, 3));
        assert_eq!(town.tell(0, 1, &lie), ignored(Ignored::OtherCluster));
        assert_eq!(town.membership(0), mine);
    }
    let farthest = made_up(mine.cluster(), MAX_LAYOUT_LEAD, &layout(1, 3));
    town.tell(0, 1, &farthest);
    assert_eq!(town.membership(0), farthest);
    let farther = made_up(mine.cluster(), 2 * MAX_LAYOUT_LEAD, &layout(1, 2));
    town.tell(0, 1, &farther);
    assert_eq!(town.membership(0), farther, "from where it is now");
}

/// Gossips of all with all, until nothing is new any more.
fn settle(town: &mut Town, restarts: bool) {
    let count = town.hosts.len() as u64;
    for _ in 0..6 {
        for id in (0..count).filter(|_| restarts) {
            town.restart(id);
        }
        for (from, to) in (0..count).flat_map(|a| (0..count).map(move |b| (a, b))) {
            if from != to {
                town.fire(from, Timer::Exchange(NodeId(to)));
                town.gossip(from, to);
            }
        }
    }
}

#[test]
fn a_change_goes_through_all_stages_and_a_restart_in_any_of_them_goes_on() {
    for restarts in [false, true] {
        let mut town = two();
        town.order(0, vec![Step::Join(member(2))]);
        assert_eq!(town.at(0), (0, Phase::Settled));
        settle(&mut town, restarts);
        for id in 0..3 {
            assert_eq!(town.at(id), (1, Phase::Settled), "n{id}, restarts: {restarts}");
            assert_eq!(town.membership(id).current(), &layout(1, 2).join(member(2)).unwrap());
            assert!(town.node(id).is_whole());
        }
    }
}

#[test]
fn nobody_goes_on_before_it_has_heard_from_everybody() {
    let mut town = two();
    town.order(0, vec![Step::Join(member(2))]);
    let proposed = town.membership(0);
    assert_eq!(town.node(0).awaited(), BTreeSet::from([NodeId(1), NodeId(2)]));
    town.hear_here(0, 1, gossip(&proposed, true, false));
    town.hear_here(0, 2, gossip(&proposed, false, false));
    assert_eq!(town.node(0).awaited(), BTreeSet::from([NodeId(2)]), "n2 has not done it");
    town.hear_here(0, 2, gossip(&town.founding(), true, false));
    assert_eq!(town.at(0).1, Phase::Settled, "n2 has done something else");
    town.hear_here(0, 2, gossip(&proposed, true, false));
    assert_eq!(town.at(0).1, Phase::Moving);
    assert_eq!(town.node(0).awaited(), BTreeSet::from([NodeId(1), NodeId(2)]), "all over again");
}

#[test]
fn what_was_confirmed_is_asked_again_after_a_restart() {
    let mut town = two();
    town.order(0, vec![Step::Join(member(2))]);
    let proposed = town.membership(0);
    town.hear_here(0, 1, gossip(&proposed, true, false));
    town.restart(0);
    assert_eq!(town.membership(0), proposed);
    assert_eq!(town.node(0).awaited(), BTreeSet::from([NodeId(1), NodeId(2)]));
}

#[test]
fn another_layout_of_the_same_version_is_not_believed() {
    let mut town = two();
    let mine = town.founding();
    town.tell(0, 1, &made_up(mine.cluster(), 0, &layout(1, 3)));
    assert_eq!(town.membership(0), mine);
}

/// n1 comes to the end of a change while n0 is told that n1 is down, and comes to it without n1.
#[test]
fn two_that_end_a_change_with_and_without_a_node_agree_whoever_is_told_first() {
    let mut town = Town::new((2, 1, 2), 3, 3);
    let next = town.founding().current().leave(NodeId(2)).unwrap();
    let reading = town.founding().propose(next).advance().advance();
    for (id, from) in [(0, 1), (1, 0), (2, 0)] {
        town.tell(id, from, &reading);
    }
    // They fetch what they own; nobody hears of more.
    town.network.clear();
    for (from, to) in [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)] {
        town.fire(from, Timer::Exchange(NodeId(to)));
        town.deliver_all();
    }
    town.take(0, Input::Operator(Command::Down(NodeId(1))));
    town.hear_here(1, 0, gossip(&reading, true, false));
    town.hear_here(1, 2, gossip(&reading, true, false));
    let without = town.membership(0);
    town.tell(2, 0, &without);
    town.hear_here(0, 2, gossip(&without, true, false));
    let [a, b] = [0, 1].map(|id| town.membership(id));
    assert_eq!((a.version(), b.version()), (1, 1));
    assert!(a.is_absent(NodeId(1)) && !b.is_absent(NodeId(1)));
    assert_eq!(a.merge(&b), b.merge(&a));
    town.tell(0, 1, &b);
    town.tell(1, 0, &a);
    assert_eq!(town.membership(0), town.membership(1), "though their news crossed");
}

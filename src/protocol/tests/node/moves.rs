//! What a node does as a change goes on: requests under way, keys to fetch, copies to give up.

use crate::common::*;
use crate::town::*;
use dynamo_protocol::config::Quorum;
use dynamo_protocol::door::{Delay, Effect, Note, Timer};
use dynamo_protocol::ids::{Key, NodeId};
use dynamo_protocol::membership::{Membership, Phase};
use dynamo_protocol::message::{Message, Refill, Request};
use dynamo_protocol::ring::Layout;
use dynamo_protocol::store::{Durability, Record, RecordKey, Store};
use dynamo_protocol::versions::{Incarnation, Object};
use std::collections::BTreeSet;

const SETTLE: (Timer, Delay) = (Timer::Settle, Delay::Settle);

/// Two founders, a third node that joins, and a key that n2 takes over from n0.
struct Scene {
    town: Town,
    key: Key,
    founding: Membership,
    moving: Membership,
    reading: Membership,
    moved: Membership,
}

fn scene(quorums: (u8, u8, u8), before: &[u64], after: &[u64]) -> Scene {
    scene_of(quorums, Quorum::Strict, before, after)
}

fn scene_of(quorums: (u8, u8, u8), quorum: Quorum, before: &[u64], after: &[u64]) -> Scene {
    let town = Town::of(quorums, 2, 3, quorum);
    let founding = town.founding();
    let next: Layout = founding.current().join(member(2)).unwrap();
    let key = key_of(&[(founding.current(), before), (&next, after)]);
    let moving = founding.propose(next).advance();
    let (reading, moved) = (moving.advance(), moving.advance().advance());
    Scene { town, key, founding, moving, reading, moved }
}

/// (2,1,2): the key goes from n0 and n1 to n2 and n1.
fn usual() -> Scene {
    scene((2, 1, 2), &[0, 1], &[2, 1])
}

impl Scene {
    fn put(&self, client: u64) -> Request {
        Request { key: self.key.clone(), ..put(client, "milk") }
    }

    fn get(&self, client: u64) -> Request {
        Request { key: self.key.clone(), ..get(client) }
    }

    fn object(&self, at: u64, name: &RecordKey) -> Option<Object> {
        match self.town.node(at).store().get(name) {
            Some(Record::Object(object)) => Some(object),
            _ => None,
        }
    }

    fn copy(&self, at: u64) -> Option<Object> {
        self.object(at, &RecordKey::Object(self.key.clone()))
    }

    fn hint(&self, at: u64, home: u64) -> Option<Object> {
        self.object(at, &RecordKey::Hint { home: NodeId(home), key: self.key.clone() })
    }

    /// A page for `to`, which holds what it names.
    fn page(&mut self, to: u64, from: u64, objects: Vec<(Key, Object)>) -> Vec<Effect> {
        let (after, next) = (None, None);
        let refill = Refill { life: Incarnation(to), losses: 0 };
        let page = Message::Page { refill, after, objects, next, lost: None };
        self.town.hear_here(to, from, page)
    }

    /// The key's object goes to `to`, on behalf of `from`.
    fn replicate(&mut self, to: u64, from: u64, home: Option<u64>) {
        let object = object_of(USUAL, 0, 90, "milk");
        let (key, home, durability) = (self.key.clone(), home.map(NodeId), Durability::Durable);
        let message = Message::Replicate { id: id(90), key, object, home, durability };
        self.town.hear_here(to, from, message);
    }
}

fn exchanges(effects: &[Effect]) -> Vec<u64> {
    let peers = timers(effects).into_iter().filter_map(|(timer, _)| match timer {
        Timer::Exchange(peer) => Some(peer.0),
        _ => None,
    });
    peers.collect()
}

/// Those who are sent an object to store.
fn replicas_asked(effects: &[Effect]) -> Vec<u64> {
    let asked = |(_, message): &(u64, Message)| matches!(message, Message::Replicate { .. });
    sent(effects).into_iter().filter(asked).map(|(to, _)| to).collect()
}

fn readers_asked(effects: &[Effect]) -> Vec<u64> {
    let asked = |(_, message): &(u64, Message)| matches!(message, Message::Read { .. });
    let mut asked: Vec<u64> = sent(effects).into_iter().filter(asked).map(|(to, _)| to).collect();
    asked.sort_unstable();
    asked
}

#[test]
fn while_data_moves_a_put_needs_a_quorum_in_both_layouts() {
    for (first, second) in [(1, 2), (2, 1)] {
        let mut scene = usual();
        scene.town.tell(0, 1, &scene.moving);
        let effects = scene.town.ask(0, scene.put(1));
        assert_eq!(replicas_asked(&effects), [1, 2]);
        assert_eq!(answers(&scene.town.hear_here(0, first, replicated(1))), []);
        let effects = scene.town.hear_here(0, second, replicated(1));
        assert_eq!(answers(&effects), [stored(&[0, 1, 2])]);
    }
}

#[test]
fn a_put_under_way_when_data_begins_to_move_needs_the_new_owner_too() {
    let mut scene = usual();
    scene.town.ask(0, scene.put(1));
    let effects = scene.town.tell(0, 1, &scene.moving);
    assert_eq!(replicas_asked(&effects), [1, 2], "n1 would not serve what it was asked before");
    assert!(timers(&effects).contains(&(Timer::Request(id(1)), Delay::Request)));
    assert_eq!(answers(&scene.town.hear_here(0, 1, replicated(1))), []);
    assert_eq!(answers(&scene.town.hear_here(0, 2, replicated(1))), [stored(&[0, 1, 2])]);
}

#[test]
fn whoever_has_said_yes_does_so_still_when_the_layouts_change() {
    let mut scene = scene((2, 1, 2), &[0, 1], &[2, 1]);
    scene.town.tell(0, 1, &scene.moving);
    scene.town.ask(0, scene.put(1));
    scene.town.hear_here(0, 1, replicated(1));
    let effects = scene.town.tell(0, 1, &scene.reading);
    assert_eq!(replicas_asked(&effects), [2], "n1 holds it");
    assert_eq!(answers(&scene.town.hear_here(0, 2, replicated(1))), [stored(&[0, 1, 2])]);
}

#[test]
fn gets_act_on_the_old_layout_until_all_new_owners_have_their_keys() {
    let mut scene = scene((2, 2, 1), &[0, 1], &[2, 1]);
    for (membership, asked) in
        [(&scene.founding, [1].as_slice()), (&scene.moving, &[1]), (&scene.reading, &[1, 2])]
    {
        scene.town.tell(0, 1, membership);
        let effects = scene.town.ask(0, scene.get(1));
        assert_eq!(readers_asked(&effects), asked, "{membership}");
        scene.town.fire(0, Timer::Request(id(1)));
    }
}

#[test]
fn a_get_under_way_begins_anew_in_other_layouts() {
    let mut scene = scene((2, 2, 1), &[0, 1], &[2, 1]);
    scene.town.tell(0, 1, &scene.moving);
    scene.town.ask(0, scene.get(1));
    let effects = scene.town.tell(0, 1, &scene.reading);
    assert_eq!(readers_asked(&effects), [1, 2]);
    assert_eq!(answers(&scene.town.hear_here(0, 1, copy_for(1, None))), [], "n0 does not count");
    assert_eq!(answers(&scene.town.hear_here(0, 2, copy_for(1, None))).len(), 1);
}

/// n1 has not heard of it when it is asked, and is asked again when it has.
#[test]
fn whoever_was_behind_is_asked_again() {
    let mut scene = usual();
    scene.town.tell(0, 1, &scene.moving);
    scene.town.ask(0, scene.put(1));
    let old = scene.founding.clone();
    let gossip = |m: &Membership, asks| Message::Gossip { digest: m.digest(), done: true, asks };
    let effects = scene.town.hear(0, 1, old.view(), gossip(&old, true));
    assert_eq!(receivers(&effects), [1]);
    assert!(scene.town.node(0).is_behind(NodeId(1)) && scene.town.node(0).waits_for(NodeId(1)));
    let effects = scene.town.hear_here(0, 1, gossip(&scene.moving.clone(), false));
    assert_eq!(replicas_asked(&effects), [1]);
    assert!(!scene.town.node(0).is_behind(NodeId(1)));
    let effects = scene.town.hear_here(0, 1, gossip(&scene.moving.clone(), false));
    assert_eq!(replicas_asked(&effects), [0u64; 0], "once");
}

#[test]
fn a_new_owner_counts_when_it_has_fetched_from_all_old_ones() {
    let mut scene = usual();
    let effects = scene.town.tell(2, 0, &scene.moving);
    assert_eq!(exchanges(&effects), [0, 1]);
    assert!(!scene.town.node(2).is_whole() && !scene.town.node(2).has_done());
    let refill = Refill { life: Incarnation(2), losses: 0 };
    let pull = Message::Pull { refill, after: None };
    let effects = scene.town.fire(2, Timer::Exchange(NodeId(0)));
    assert_eq!(sent(&effects), [(0, pull)]);
    let object = object_of(USUAL, 0, 90, "milk");
    let effects = scene.page(2, 0, vec![(scene.key.clone(), object.clone())]);
    assert_eq!(notes(&effects), [Note::Resynchronised(NodeId(0))]);
    assert_eq!(scene.copy(2), Some(object));
    assert!(!scene.town.node(2).is_whole(), "n1 may hold what n0 does not");
    scene.town.restart(2);
    assert!(!scene.town.node(2).is_whole(), "a restart goes on");
    scene.page(2, 1, Vec::new());
    assert!(scene.town.node(2).is_whole() && scene.town.node(2).has_done());
}

#[test]
fn a_new_owner_takes_writes_and_answers_no_reads_before_that() {
    let mut scene = usual();
    scene.town.tell(2, 0, &scene.moving);
    scene.replicate(2, 0, None);
    assert!(scene.copy(2).is_some());
    let read = Message::Read { id: id(7), key: scene.key.clone(), home: None };
    let effects = scene.town.hear_here(2, 0, read);
    assert_eq!(sent(&effects), [(0, Message::Unsynchronised { id: id(7) })]);
}

#[test]
fn where_too_many_are_declared_down_everybody_is_waited_for_after_all() {
    let mut scene = usual();
    // No command does this, but two operators may, each with one node.
    let without_n0 = scene.moving.declare_down(NodeId(0));
    scene.town.tell(2, 1, &without_n0);
    scene.page(2, 1, Vec::new());
    assert!(!scene.town.node(2).is_whole(), "one of two members is not few");
    scene.page(2, 0, Vec::new());
    assert!(scene.town.node(2).is_whole() && scene.town.node(2).has_done());
}

#[test]
fn what_is_merged_is_enough_once_the_owner_that_is_missing_is_declared_down() {
    let town = Town::new((2, 1, 2), 3, 4);
    let founding = town.founding();
    let next: Layout = founding.current().join(member(3)).unwrap();
    let key = key_of(&[(founding.current(), &[1, 2]), (&next, &[3, 1])]);
    let moving = founding.propose(next).advance();
    let (reading, moved) = (moving.advance(), moving.advance().advance());
    let mut scene = Scene { town, key, founding, moving, reading, moved };
    scene.town.tell(3, 0, &scene.moving);
    scene.page(3, 0, Vec::new());
    scene.page(3, 1, Vec::new());
    assert!(!scene.town.node(3).is_whole(), "n2 may hold more");
    let without_n2 = scene.moving.declare_down(NodeId(2));
    scene.town.tell(3, 0, &without_n2);
    assert!(scene.town.node(3).is_whole() && scene.town.node(3).has_done());
}

#[test]
fn whoever_gains_nothing_is_whole_all_the_time() {
    let mut scene = usual();
    let next = scene.founding.current().rezone(NodeId(0), Some("here".into())).unwrap();
    let elsewhere = scene.founding.propose(next).advance();
    scene.town.tell(1, 0, &elsewhere);
    assert_eq!(scene.town.at(1), (0, Phase::Moving));
    assert!(scene.town.node(1).is_whole() && scene.town.node(1).has_done());
}

/// E3 (CASSANDRA-15439): nobody has waited for it, so it owns what it does not hold.
#[test]
fn whoever_has_missed_a_change_fetches_everything() {
    let mut scene = usual();
    scene.town.tell(2, 1, &scene.moved);
    assert!(!scene.town.node(2).is_whole());
    let read = Message::Read { id: id(7), key: scene.key.clone(), home: None };
    let effects = scene.town.hear_here(2, 1, read);
    assert_eq!(sent(&effects), [(1, Message::Unsynchronised { id: id(7) })]);
}

#[test]
fn an_old_owner_gives_up_its_copy_when_all_is_over_and_not_before() {
    let mut scene = usual();
    scene.replicate(0, 1, None);
    for stage in [scene.moving.clone(), scene.reading.clone()] {
        assert!(!timers(&scene.town.tell(0, 1, &stage)).contains(&SETTLE));
        scene.town.fire(0, Timer::Settle);
        assert!(scene.copy(0).is_some(), "{stage}");
    }
    assert!(timers(&scene.town.tell(0, 1, &scene.moved)).contains(&SETTLE));
    assert!(timers(&scene.town.restart(0)).contains(&SETTLE), "a restart goes on");
    let effects = scene.town.fire(0, Timer::Settle);
    assert_eq!(notes(&effects), [Note::Dropped]);
    assert_eq!((scene.copy(0), scene.hint(0, 2)), (None, None));
}

#[test]
fn a_copy_for_an_owner_that_is_absent_is_kept_as_a_hint() {
    let mut scene = usual();
    scene.replicate(0, 1, None);
    let without_n2 = scene.moving.declare_down(NodeId(2)).advance().advance();
    assert!(without_n2.is_absent(NodeId(2)));
    let held = scene.copy(0);
    scene.town.tell(0, 1, &without_n2);
    let effects = scene.town.fire(0, Timer::Settle);
    assert!(notes(&effects).contains(&Note::KeptHint(NodeId(2))));
    assert_eq!((scene.copy(0), scene.hint(0, 2)), (None, held));
}

/// B12: what it missed meanwhile may have been deleted and forgotten.
#[test]
fn a_copy_that_is_to_go_is_gone_when_its_key_comes_back_to_a_node_that_is_not_waited_for() {
    let mut scene = usual();
    scene.replicate(0, 1, None);
    scene.town.tell(0, 1, &scene.moved);
    assert!(scene.town.node(0).is_settling() && scene.copy(0).is_some());
    let back = scene.moved.propose(scene.founding.current().clone());
    scene.town.tell(0, 1, &back);
    assert!(scene.copy(0).is_some() && !scene.town.node(0).has_done(), "nothing moves yet");
    scene.town.tell(0, 1, &back.declare_down(NodeId(0)).advance());
    assert_eq!((scene.copy(0), scene.town.node(0).is_settling()), (None, false));
    assert!(!scene.town.node(0).is_whole(), "it is to fetch the key");
}

/// Who has lost what it fetched, or was declared down and is waited for after all, still fetches it.
#[test]
fn a_change_does_not_end_before_everybody_that_it_waits_for_is_whole() {
    let mut scene = usual();
    scene.town.tell(2, 0, &scene.reading);
    assert!(!scene.town.node(2).is_whole() && !scene.town.node(2).has_done());
    for from in [0, 1] {
        scene.page(2, from, Vec::new());
    }
    assert!(scene.town.node(2).is_whole() && scene.town.node(2).has_done());
}

#[test]
fn a_copy_that_a_put_under_way_needs_stays_for_so_long() {
    let mut scene = usual();
    scene.town.tell(0, 1, &scene.reading);
    scene.town.ask(0, scene.put(1));
    let effects = scene.town.tell(0, 1, &scene.moved);
    assert_eq!(replicas_asked(&effects), [1, 2]);
    assert!(timers(&scene.town.fire(0, Timer::Settle)).contains(&SETTLE));
    assert!(scene.copy(0).is_some());
    scene.town.hear_here(0, 1, replicated(1));
    assert_eq!(answers(&scene.town.hear_here(0, 2, replicated(1))).len(), 1);
    assert_eq!(notes(&scene.town.fire(0, Timer::Settle)), [Note::Dropped]);
    assert_eq!(scene.copy(0), None);
}

/// D5: the key is n2's now.
#[test]
fn a_hint_for_a_node_that_owns_the_key_no_longer_goes_to_those_that_do() {
    let mut scene = scene_of((1, 1, 1), Quorum::Sloppy, &[1], &[2]);
    scene.replicate(0, 1, Some(1));
    let hint = scene.hint(0, 1);
    assert!(hint.is_some());
    scene.town.tell(0, 1, &scene.moved);
    let effects = scene.town.fire(0, Timer::Settle);
    assert!(notes(&effects).contains(&Note::Rehomed(NodeId(1))));
    assert!(timers(&effects).contains(&(Timer::Handoff(NodeId(2)), Delay::Handoff)));
    assert_eq!((scene.hint(0, 1), scene.hint(0, 2)), (None, hint));
}

/// D5: the key is its own now.
#[test]
fn a_hint_of_a_key_that_the_fallback_owns_becomes_its_copy() {
    let mut scene = scene_of((1, 1, 1), Quorum::Sloppy, &[1], &[1]);
    scene.replicate(0, 1, Some(1));
    let hint = scene.hint(0, 1);
    let without_n1 = scene.founding.current().leave(NodeId(1)).unwrap();
    let alone = scene.founding.propose(without_n1).advance().advance().advance();
    scene.town.tell(0, 1, &alone);
    let effects = scene.town.fire(0, Timer::Settle);
    assert!(notes(&effects).contains(&Note::Rehomed(NodeId(1))));
    assert_eq!((scene.hint(0, 1), scene.copy(0)), (None, hint));
}

#[test]
fn whoever_leaves_has_not_done_before_its_hints_are_gone() {
    let mut scene = scene_of((1, 1, 1), Quorum::Sloppy, &[1], &[1]);
    scene.replicate(0, 1, Some(1));
    let without_n0 = scene.founding.current().leave(NodeId(0)).unwrap();
    scene.town.tell(0, 1, &scene.founding.propose(without_n0).advance());
    assert!(!scene.town.node(0).has_done());
    let effects = scene.town.fire(0, Timer::Handoff(NodeId(1)));
    let [(1, Message::Handoff { key, object })] = &sent(&effects)[..] else {
        panic!("{effects:?}")
    };
    let hash = dynamo_protocol::merkle::Hash::of_object(key, object);
    scene.town.hear_here(0, 1, Message::HandedOff { key: key.clone(), hash });
    assert!(scene.town.node(0).has_done());
    // And it takes no others.
    scene.replicate(0, 1, Some(1));
    assert_eq!(scene.hint(0, 1), None);
}

/// Its hint goes to the other owner: whoever leaves does not wait for who is declared down.
#[test]
fn whoever_leaves_gives_another_owner_what_it_keeps_for_one_that_is_declared_down() {
    let town = Town::of((2, 1, 2), 3, 3, Quorum::Sloppy);
    let founding = town.founding();
    let without_n0: Layout = founding.current().leave(NodeId(0)).unwrap();
    let key = key_of(&[(founding.current(), &[1, 2]), (&without_n0, &[1, 2])]);
    let moving = founding.propose(without_n0).declare_down(NodeId(1)).advance();
    let (reading, moved) = (moving.advance(), moving.advance().advance());
    let mut scene = Scene { town, key, founding, moving, reading, moved };
    scene.replicate(0, 2, Some(1));
    let hint = scene.hint(0, 1);
    assert!(hint.is_some());
    scene.town.tell(0, 2, &scene.moving);
    let effects = scene.town.fire(0, Timer::Settle);
    assert!(notes(&effects).contains(&Note::Rehomed(NodeId(1))));
    assert_eq!((scene.hint(0, 1), scene.hint(0, 2)), (None, hint));
    assert!(!scene.town.node(0).has_done(), "n2 has to take it");
    scene.town.fire(0, Timer::Handoff(NodeId(2)));
    let milk = object_of(USUAL, 0, 90, "milk");
    let hash = dynamo_protocol::merkle::Hash::of_object(&scene.key, &milk);
    let key = scene.key.clone();
    scene.town.hear_here(0, 2, Message::HandedOff { key, hash });
    assert!(scene.town.node(0).has_done());
}

#[test]
fn nobody_is_awaited_when_nothing_changes() {
    let scene = usual();
    assert_eq!(scene.town.node(0).awaited(), BTreeSet::new());
    assert!(scene.town.node(0).has_done() && scene.town.node(0).is_whole());
}

//! Which writes survive a crash (paper §6.1), and what a node may trust after one.

use crate::common::*;
use dynamo_protocol::config::DurabilityMode::{self, Buffered, Durable, OneDurable};
use dynamo_protocol::config::FailureHandling;
use dynamo_protocol::door::{Effect, Ignored, Input, Note, Start, Timer};
use dynamo_protocol::ids::NodeId;
use dynamo_protocol::message::Message;
use dynamo_protocol::node::Node;
use dynamo_protocol::store::{Durability, RecordKey};
use dynamo_protocol::versions::Object;

const MODES: [DurabilityMode; 3] = [Durable, Buffered, OneDurable];

fn in_mode(mode: DurabilityMode, id: u64) -> Host {
    Setup { w: 1, ..USUAL }.writing(mode).node(id)
}

fn object(node: u64, value: &str) -> Object {
    object_of(USUAL, node, 100 + node, value)
}

/// How each replica is told to write.
fn durabilities(effects: &[Effect]) -> Vec<(u64, Durability)> {
    let durability = |(to, message)| match message {
        Message::Replicate { durability, .. } => Some((to, durability)),
        _ => None,
    };
    sent(effects).into_iter().filter_map(durability).collect()
}

fn takes_fresh_epoch(host: &mut Host, client: u64) -> bool {
    let noted = notes(&host.ask(put(client, "next")));
    noted.iter().any(|note| matches!(note, Note::FreshEpoch(_)))
}

#[test]
fn a_durable_put_survives_a_crash_with_its_counter_and_its_session() {
    let mut n0 = in_mode(Durable, 0);
    n0.ask(put(1, "a"));
    let mut again = n0.crashed();
    assert_eq!(again.values(), ["a"]);
    assert_eq!(again.ask(put(1, "a")), ignored(Ignored::Duplicate));
    assert!(!takes_fresh_epoch(&mut again, 2));
}

#[test]
fn a_crash_loses_what_was_buffered_since_the_last_flush_and_nothing_else() {
    for mode in [Buffered, OneDurable] {
        let mut n0 = in_mode(mode, 0);
        n0.ask(put(1, "a"));
        n0.node.store_mut().flush();
        n0.ask(put(2, "b"));
        assert_eq!(n0.values(), ["a", "b"]);
        assert_eq!(n0.crashed().values(), ["a"], "{mode:?}");
    }
}

/// Bug A2: the lost put's dot has gone out already.
#[test]
fn after_a_start_in_a_buffered_mode_no_counter_is_continued() {
    for mode in [Buffered, OneDurable] {
        let mut n0 = in_mode(mode, 0);
        n0.ask(put(1, "a"));
        n0.node.store_mut().flush();
        n0.ask(put(2, "b"));
        let elsewhere = n0.copy().unwrap();
        let mut again = n0.crashed();
        assert!(takes_fresh_epoch(&mut again, 3), "{mode:?}");
        assert!(!takes_fresh_epoch(&mut again, 4), "{mode:?}: once a start is enough");
        let all = again.copy().unwrap().merge(&elsewhere);
        assert_eq!(values_of(&all), ["a", "b", "next", "next"]);
        let mut again = n0.restarted();
        assert!(takes_fresh_epoch(&mut again, 3), "{mode:?}: it cannot know what was lost");
    }
}

/// The operator has asked for more safety, and the last crash was before that.
#[test]
fn the_first_start_in_durable_mode_continues_no_counter_of_a_buffered_one() {
    let mut n0 = in_mode(Buffered, 0);
    n0.ask(put(1, "a"));
    n0.node.store_mut().flush();
    n0.ask(put(2, "b"));
    let elsewhere = n0.copy().unwrap();
    let setup = n0.setup.writing(Durable);
    let mut again = Host { setup, ..n0.clone() }.started_on(n0.node.store().crashed()).0;
    assert!(takes_fresh_epoch(&mut again, 3));
    let all = again.copy().unwrap().merge(&elsewhere);
    assert_eq!(values_of(&all), ["a", "b", "next"]);
    assert!(!takes_fresh_epoch(&mut again.crashed(), 4), "from now on they are safe");
}

#[test]
fn in_durable_and_buffered_mode_all_replicas_write_alike() {
    for (mode, durability) in [(Durable, Durability::Durable), (Buffered, Durability::Buffered)] {
        let effects = in_mode(mode, 0).ask(put(1, "a"));
        assert_eq!(durabilities(&effects), [(1, durability), (2, durability)]);
    }
}

#[test]
fn in_one_durable_mode_exactly_one_other_replica_writes_durably() {
    let mut n0 = in_mode(OneDurable, 0);
    let effects = n0.ask(put(1, "a"));
    assert_eq!(durabilities(&effects), [(1, Durability::Durable), (2, Durability::Buffered)]);
    assert_eq!(answers(&effects), [stored(&[0])], "the coordinator does not wait for that one");
    assert_eq!(n0.crashed().values(), [""; 0]);
    for (to, message) in sent(&effects) {
        let mut replica = in_mode(OneDurable, to);
        replica.hear(0, message);
        assert_eq!(replica.values(), ["a"]);
        assert_eq!(replica.crashed().values().len(), usize::from(to == 1));
    }
}

#[test]
fn the_durable_one_is_no_suspect() {
    let setup = Setup { nodes: 5, ..USUAL }.sloppy().writing(OneDurable);
    let mut n0 = setup.node(0);
    n0.ask(get(9));
    n0.hear(2, copy_for(9, None));
    n0.ask(get(10));
    n0.fire(Timer::Request(id(10)));
    n0.hear(2, replicated(99));
    let durable = durabilities(&n0.ask(put(1, "a")));
    assert_eq!(durable, [(2, Durability::Durable), (3, Durability::Buffered)]);
}

#[test]
fn a_coordinator_that_is_the_only_replica_writes_durably_itself() {
    let setup = Setup { n: 1, nodes: 1, r: 1, w: 1, ..USUAL }.writing(OneDurable);
    let mut n0 = setup.node(0);
    n0.ask(put(1, "a"));
    assert_eq!(n0.crashed().values(), ["a"]);
}

#[test]
fn a_durable_write_of_what_is_in_the_buffer_brings_it_to_the_disk() {
    for mode in [Buffered, OneDurable] {
        let mut n1 = in_mode(mode, 1);
        n1.hear(0, repair(object(0, "a")));
        assert_eq!(n1.crashed().values(), [""; 0]);
        n1.hear(0, replicate(1, object(0, "a")));
        assert_eq!(n1.crashed().values(), ["a"], "{mode:?}");
    }
}

#[test]
fn in_durable_mode_nothing_is_ever_only_buffered() {
    let mut n1 = in_mode(Durable, 1);
    let (key, home, object) = (KEY.into(), None, object(0, "a"));
    let durability = Durability::Buffered;
    n1.hear(0, Message::Replicate { id: id(1), key, object, home, durability });
    assert_eq!(n1.crashed().values(), ["a"], "a durable answer means committed");
}

#[test]
fn a_released_hint_that_a_crash_brings_back_is_offered_again() {
    let mut n3 = in_mode(Buffered, 3);
    n3.hear(0, replicate_as(1, object(0, "a"), Some(1)));
    let hash = dynamo_protocol::merkle::Hash::of_object(&KEY.into(), &object(0, "a"));
    n3.hear(1, Message::HandedOff { key: KEY.into(), hash });
    assert_eq!(n3.node.hints(), 0);
    let (again, effects) = n3.started_on(n3.node.store().crashed());
    assert_eq!(again.node.hints(), 1);
    assert_eq!(timers(&effects).len(), 1);
}

#[test]
fn who_a_disk_belongs_to_is_durable_in_every_mode() {
    for mode in MODES {
        let setup = USUAL.writing(mode);
        assert!(setup.node(0).crashed().node.is_whole());
        let (n0, _) = setup.amnesiac(0, 9);
        assert!(!n0.crashed().node.is_whole(), "{mode:?}: what was lost stays lost");
    }
}

/// Indexes are made of many objects: those that a crash has lost must leave them, too (bug G2).
#[test]
fn indexes_agree_with_the_objects_after_a_crash() {
    for mode in MODES {
        let failures = FailureHandling { reap: true, durability: mode, ..USUAL.failures };
        let mut n0 = Setup { w: 1, failures, ..USUAL }.node(0);
        n0.ask(put(1, "a"));
        let read = n0.copy().unwrap().context();
        n0.ask(write(2, Some(read), None));
        let tombstone = n0.copy().unwrap();
        n0.hear(1, replicate(7, tombstone.clone()));
        n0.ask(write(3, Some(tombstone.context()), Some("b")));
        // Now the disk has the object of "b", by a durable write.
        n0.hear(1, replicate(8, n0.copy().unwrap()));
        let again = n0.crashed();
        assert_eq!(again.values(), ["b"]);
        let is_index = |name: &&RecordKey| matches!(name, RecordKey::Tombstone(_));
        let left = again.node.store().seen.keys().filter(is_index).count();
        assert_eq!(left, 0, "{mode:?}: \"b\" would be reaped");
    }
}

#[test]
fn a_node_does_not_start_on_another_nodes_disk_in_any_mode() {
    for mode in MODES {
        let disk = in_mode(mode, 1).node.store().clone();
        let mut n0 = Node::new(in_mode(mode, 0).setup.config(), NodeId(0), disk);
        let effects = n0.handle(Input::Start(Start::Restart { latest: BEFORE })).0;
        assert_eq!(effects, ignored(Ignored::BadStart));
    }
}

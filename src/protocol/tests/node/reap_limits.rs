//! The limits of reaping, at the limit and one past it.

use crate::common::*;
use crate::reap::{reaping, tombstone};
use dynamo_protocol::config::{Config, ConfigError, FailureHandling, ReadRepair};
use dynamo_protocol::door::{Ambient, Effect, Ignored, Input, Start, Timer};
use dynamo_protocol::ids::{ClientId, Key, NodeId, RequestId};
use dynamo_protocol::limits::{MAX_WATCHED, REAP_BATCH};
use dynamo_protocol::membership::View;
use dynamo_protocol::merkle::Hash;
use dynamo_protocol::message::{Message, Request, Round};
use dynamo_protocol::node::Node;
use dynamo_protocol::ring::{Position, Ring};
use dynamo_protocol::versions::{Incarnation, Versioning};
use std::collections::BTreeMap;
use std::sync::Arc;

use Round::First;

fn numbered(number: usize) -> Key {
    Key(format!("{number:06}").into_bytes())
}

/// So many tombstones for a node that knows nothing of them.
fn many(from: usize, count: usize) -> Message {
    let tombstones = (from..from + count).map(|number| (numbered(number), Hash([1; 16])));
    Message::ReapAsk { round: First, tombstones: tombstones.collect() }
}

fn agreed(effects: &[Effect]) -> usize {
    match &sent(effects)[..] {
        [(_, Message::ReapYes { tombstones, .. })] => tombstones.len(),
        [] => 0,
        other => panic!("{other:?}"),
    }
}

#[test]
fn so_many_tombstones_are_asked_about_at_a_time() {
    let mut n3 = reaping().node(3);
    assert_eq!(agreed(&n3.hear(0, many(0, REAP_BATCH))), REAP_BATCH);
    assert_eq!(n3.hear(0, many(0, REAP_BATCH + 1)), ignored(Ignored::Stale));
}

/// n0 with so many tombstones, and its first questions.
fn asked(tombstones: usize) -> (Host, Vec<usize>) {
    let mut n0 = reaping().node(0);
    for number in 0..tombstones {
        n0.hear(1, Message::Repair { key: numbered(number), object: tombstone() });
    }
    let mut batch = || {
        let questions = sent(&n0.fire(Timer::Reap));
        let Some((_, Message::ReapAsk { tombstones, .. })) = questions.first() else { return 0 };
        tombstones.len()
    };
    let batches = (0..3).map(|_| batch()).collect();
    (n0, batches)
}

#[test]
fn so_many_have_their_turn_at_a_time() {
    let full = REAP_BATCH;
    assert_eq!(asked(full - 1).1, [full - 1; 3]);
    assert_eq!(asked(full + 1).1, [full, 1, full], "and nobody is left out for ever");
    assert_eq!(asked(2 * full).1[..2], [full, full]);
}

#[test]
fn a_full_batch_that_is_reaped_leaves_no_turn_behind() {
    let setup = Setup { n: 1, nodes: 1, ..reaping() };
    let mut n0 = setup.node(0);
    for number in 0..REAP_BATCH {
        let id = RequestId { client: ClientId(1), sequence: number as u64 + 1 };
        n0.ask(Request { id, key: numbered(number), ..write(1, None, None) });
    }
    for _ in 0..4 {
        n0.fire(Timer::Reap);
    }
    assert_eq!(n0.node.store().seen.len(), 3, "identity and session");
    assert!(n0.is_at_rest(), "{:?}", n0.node);
}

#[test]
fn when_all_tombstones_are_gone_no_turn_is_remembered() {
    let (mut n0, _) = asked(REAP_BATCH + 1);
    for number in 0..=REAP_BATCH {
        let value = object_of(USUAL, 2, 7, "b");
        n0.hear(1, Message::Repair { key: numbered(number), object: value });
    }
    assert_eq!(timers(&n0.fire(Timer::Reap)), []);
    assert!(n0.is_at_rest(), "{:?}", n0.node);
}

/// A cluster so wide that more reapers than one node can watch for ask at once. Each key has an
/// owner of its own, and n0 owns none.
#[test]
fn so_many_tombstones_are_watched_at_a_time() {
    let reapers = MAX_WATCHED / REAP_BATCH + 2;
    let failures = FailureHandling { reap: true, ..USUAL.failures };
    let config =
        Config::new(spread_ring(reapers as u64), 1, 1, Versioning::Dotted, ReadRepair::Off);
    let config = Arc::new(config.unwrap().with(failures).unwrap());
    let mut batches: BTreeMap<NodeId, Vec<(Key, Hash)>> = BTreeMap::new();
    for number in 0..200_000 {
        let owner = config.ring().preference_list(&numbered(number)).primaries()[0];
        let batch = batches.entry(owner).or_default();
        if batch.len() < REAP_BATCH {
            batch.push((numbered(number), Hash([1; 16])));
        }
    }
    let mut n0 = Node::new(config, NodeId(0), Disk::default());
    let _ = n0.handle(Input::Start(Start::Bootstrap { incarnation: Incarnation(0) }));
    batches.remove(&NodeId(0));
    assert_eq!(batches.len(), reapers - 1);
    let answers = batches.into_iter().map(|(from, tombstones)| {
        assert_eq!(tombstones.len(), REAP_BATCH);
        let message = Message::ReapAsk { round: First, tombstones };
        let ambient = Ambient::default();
        agreed(&n0.handle(Input::Peer { from, view: View::default(), message, ambient }).0)
    });
    let answers: Vec<usize> = answers.collect();
    let (last, others) = answers.split_last().unwrap();
    assert!(others.iter().all(|&agreed| agreed == REAP_BATCH), "{answers:?}");
    assert_eq!(*last, 0, "MAX_WATCHED are watched");
}

/// A ring of so many nodes, each with the same share.
fn spread_ring(nodes: u64) -> Ring {
    let share = u128::MAX / u128::from(nodes);
    let tokens: Vec<_> =
        (0..nodes).map(|node| (Position(share * u128::from(node)), NodeId(node))).collect();
    Ring::from_tokens(1, &tokens).expect("a valid ring")
}

#[test]
fn what_a_reaper_has_given_up_is_forgotten() {
    let mut n3 = reaping().node(3);
    // n0 has restarted after each question, and has forgotten what it had asked.
    for round in 0..2 * MAX_WATCHED / REAP_BATCH {
        let effects = n3.hear(0, many(round * REAP_BATCH, REAP_BATCH));
        assert_eq!(agreed(&effects), REAP_BATCH, "after {round} questions");
    }
}

#[test]
fn only_dotted_versions_are_reaped() {
    for versioning in [Versioning::VectorClock { limit: None }, Versioning::LastWriterWins] {
        let config = Config::new(spread_ring(3), 1, 1, versioning, ReadRepair::Off).unwrap();
        let failures = FailureHandling { reap: true, ..FailureHandling::default() };
        assert_eq!(config.with(failures).unwrap_err(), ConfigError::ReapsWithoutDots);
    }
}

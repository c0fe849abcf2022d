//! Ways back: what is proposed is withdrawn, and whoever was declared down is waited for again.

use crate::common::*;
use crate::town::*;
use dynamo_protocol::config::Config;
use dynamo_protocol::config::{FailureHandling, Quorum};
use dynamo_protocol::door::{Effect, Ignored, Input, Note, Start};
use dynamo_protocol::ids::NodeId;
use dynamo_protocol::membership::{Command, CommandError, Membership, Phase, Stage, Step};
use dynamo_protocol::node::Node;
use std::collections::BTreeSet;
use std::sync::Arc;

const ABORT: Command = Command::Abort;

fn down(id: u64) -> Command {
    Command::Down(NodeId(id))
}

fn up(id: u64) -> Command {
    Command::Up(NodeId(id))
}

fn ids(ids: &[u64]) -> BTreeSet<NodeId> {
    ids.iter().copied().map(NodeId).collect()
}

fn refuses(town: &Town, id: u64, command: &Command, why: &CommandError) {
    assert_eq!(town.node(id).check_command(command).as_ref(), Err(why));
}

fn others_config() -> Arc<Config> {
    Town::new((2, 2, 2), 3, 3).config
}

/// (2,1,2) on three founders; n3 is proposed, and nobody has ever heard of it.
fn ghost() -> Town {
    let mut town = Town::new((2, 1, 2), 3, 3);
    town.order(0, vec![Step::Join(member(3))]);
    town
}

#[test]
fn a_proposed_change_is_withdrawn_when_every_present_member_has_heard_so() {
    let mut town = ghost();
    for _ in 0..3 {
        town.gossip(0, 1);
        town.gossip(0, 2);
    }
    assert_eq!(town.node(0).awaited(), ids(&[3]), "it waits for n3 for ever");
    town.take(0, Input::Operator(ABORT));
    assert_eq!(town.node(0).awaited(), ids(&[1, 2]));
    town.gossip(0, 1);
    assert_eq!(town.node(0).awaited(), ids(&[2]));
    town.gossip(0, 2);
    assert_eq!(town.node(0).awaited(), ids(&[1, 2]), "once more");
    assert_eq!(town.at(0), (0, Phase::Settled), "nothing moves");
    town.gossip(0, 1);
    town.gossip(0, 2);
    let withdrawn = town.membership(0);
    assert_eq!((withdrawn.version(), withdrawn.change()), (1, None));
    assert_eq!(withdrawn.current(), town.founding().current());
    assert!(notes(&town.tell(1, 0, &withdrawn)).contains(&Note::Withdrawn(withdrawn.view())));
    for id in [0, 1] {
        assert!(town.node(id).is_whole(), "nothing has moved, so n{id} misses nothing");
    }
    town.order(1, vec![Step::Leave(NodeId(2))]);
    assert!(town.membership(1).change().is_some(), "the next change begins");
}

/// The one that is down may be the one that has gone on.
#[test]
fn a_withdrawal_waits_for_present_members_that_were_declared_down() {
    let mut town = ghost();
    town.take(0, Input::Operator(down(2)));
    town.take(0, Input::Operator(ABORT));
    assert_eq!(town.node(0).awaited(), ids(&[1, 2]));
    refuses(&town, 0, &down(2), &CommandError::Withdrawn);
    town.gossip(0, 1);
    assert_eq!(town.membership(0).version(), 0);
}

#[test]
fn only_what_is_proposed_can_be_withdrawn_and_once() {
    let mut town = ghost();
    refuses(&Town::new((2, 1, 2), 3, 3), 0, &ABORT, &CommandError::NothingProposed);
    let moving = town.membership(0).advance();
    for stage in [moving.clone(), moving.advance()] {
        town.tell(1, 0, &stage);
        refuses(&town, 1, &ABORT, &CommandError::TooLateToAbort);
    }
    town.take(0, Input::Operator(ABORT));
    refuses(&town, 0, &ABORT, &CommandError::Withdrawn);
    let effects = town.tell(0, 1, &moving);
    assert!(notes(&effects).contains(&Note::Layout(moving.view())), "it was too late");
}

/// B12: what it holds of former times may have been deleted and forgotten by all others.
#[test]
fn a_newcomer_is_waited_for_until_it_has_heard_of_the_change() {
    let mut town = ghost();
    refuses(&town, 0, &down(3), &CommandError::Newcomer(NodeId(3)));
    town.tell(0, 1, &town.membership(0).advance());
    assert!(town.node(0).check_command(&down(3)).is_ok(), "it has confirmed it");
}

/// Nobody can tell a withdrawn change from another one by the version alone.
#[test]
fn whoever_has_missed_a_change_does_not_take_it_for_a_withdrawn_one() {
    let mut town = ghost();
    let moved = town.membership(0).advance().advance().advance();
    town.take(0, Input::Operator(ABORT));
    let effects = town.tell(0, 1, &moved);
    assert!(notes(&effects).contains(&Note::Layout(moved.view())));
    assert!(!town.node(0).is_whole());
}

#[test]
fn whoever_was_declared_down_may_be_waited_for_again() {
    let mut town = ghost();
    refuses(&town, 0, &up(1), &CommandError::NotDown(NodeId(1)));
    town.take(0, Input::Operator(down(1)));
    assert_eq!(town.node(0).awaited(), ids(&[2, 3]));
    refuses(&town, 0, &down(2), &CommandError::TooManyDown(NodeId(2)));
    let without = town.membership(0);
    town.take(0, Input::Operator(up(1)));
    assert_eq!(town.node(0).awaited(), ids(&[1, 2, 3]));
    refuses(&town, 0, &up(1), &CommandError::NotDown(NodeId(1)));
    town.tell(0, 2, &without);
    assert_eq!(town.node(0).awaited(), ids(&[1, 2, 3]), "what was said last counts");
    assert!(town.node(0).check_command(&down(2)).is_ok());
    town.take(0, Input::Operator(down(1)));
    town.tell(0, 1, &town.membership(0).advance());
    assert!(town.node(0).check_command(&up(1)).is_ok(), "while data moves it can still fetch");
    town.tell(0, 1, &town.membership(0).advance());
    refuses(&town, 0, &up(1), &CommandError::TooLateForUp(NodeId(1)));
}

/// F3: it would wait for a quorum that the others do not count.
#[test]
fn nodes_that_go_by_other_settings_are_of_another_cluster() {
    let mut town = ghost();
    let others = [
        Town::new((2, 2, 2), 3, 3),
        Town::new((2, 1, 1), 3, 3),
        Town::of((2, 1, 2), 3, 3, Quorum::Sloppy),
    ];
    for mut other in others {
        other.order(1, vec![Step::Leave(NodeId(2))]);
        let theirs = other.membership(1);
        let before = town.membership(0);
        let effects = town.tell(0, 1, &theirs.advance());
        assert_eq!(notes(&effects), [Note::Ignored(Ignored::OtherCluster)]);
        assert_eq!(town.membership(0), before);
    }
    // Nor does a node start on the disk of another cluster.
    let disk = town.node(0).store().crashed();
    for (config, starts) in [(others_config(), false), (town.config.clone(), true)] {
        let mut node = Node::new(config, NodeId(0), disk.clone());
        let effects = node.handle(Input::Start(Start::Restart { latest: BEFORE }));
        let is_refused = effects.0.contains(&Effect::Note(Note::Ignored(Ignored::BadStart)));
        assert_eq!(is_refused, !starts);
    }
    let config = (*town.config).clone();
    let again = config.with(FailureHandling { gossip: true, ..FailureHandling::default() });
    assert_eq!(again.unwrap().founding(), town.config.founding(), "the same settings are the same");
}

/// Members move: whoever joins may have been told where they are now.
#[test]
fn a_newcomer_takes_over_the_addresses_that_the_members_know() {
    let mut town = Town::new((1, 1, 1), 2, 3);
    let founding = town.founding();
    let elsewhere = founding.current().readdress(NodeId(1), "[::1]:1".into()).unwrap();
    let clusters = [founding.current(), &elsewhere]
        .map(|layout| Membership::founding(layout.clone(), &()).cluster());
    assert_eq!(clusters[0], clusters[1]);
    let theirs = made_up(founding.cluster(), 0, &elsewhere);
    let proposed = theirs.propose(elsewhere.join(member(2)).unwrap());
    town.tell(2, 0, &proposed);
    assert_eq!(town.membership(2), proposed);
    town.tell(2, 1, &founding);
    assert_eq!(town.membership(2), proposed, "now it takes part itself");
    town.tell(1, 0, &theirs);
    assert_eq!(town.membership(1), founding, "a member knows better");
}

/// It comes to its end from the stage at which nobody moves: there is none after that.
#[test]
fn a_withdrawal_that_is_read_from_does_not_fit() {
    let mut town = ghost();
    town.take(0, Input::Operator(ABORT));
    let proposed = town.membership(0);
    let moving = proposed.advance();
    let [mut bytes, others] = [&proposed, &moving].map(|it| postcard::to_allocvec(it).unwrap());
    let stage = bytes.iter().zip(&others).position(|(one, other)| one != other).unwrap();
    bytes[stage] = others[stage] + 1;
    let reading: Membership = postcard::from_bytes(&bytes).unwrap();
    assert_eq!(reading.change().map(|change| change.stage), Some(Stage::Reading));
    assert!(proposed.fits(&town.config) && moving.fits(&town.config));
    assert!(!reading.fits(&town.config));
}

//! The beginning of a life.

use crate::common::*;
use dynamo_protocol::door::{Ignored, Input, Start, Timer};
use dynamo_protocol::message::{Answer, Message};
use dynamo_protocol::store::{Record, RecordKey};
use dynamo_protocol::versions::Incarnation;

const BOOTSTRAP: Input = Input::Start(Start::Bootstrap { incarnation: Incarnation(7) });
const RESTART: Input = Input::Start(Start::Restart);

fn off(disk: Disk) -> Host {
    Host::new(USUAL, 0, disk)
}

fn one_record() -> Disk {
    Disk([(RecordKey::Counter(KEY.into()), Record::Session(1))].into())
}

#[test]
fn a_node_is_deaf_until_it_is_started() {
    let mut n0 = off(Disk::default());
    let before = n0.node.clone();
    assert_eq!(n0.ask(put(1, "a")), ignored(Ignored::NotStarted));
    let read = Message::Read { id: id(1), key: KEY.into() };
    assert_eq!(n0.hear(1, read.clone()), ignored(Ignored::NotStarted));
    assert_eq!(n0.fire(Timer::Request(id(1))), ignored(Ignored::NotStarted));
    assert_eq!(n0.node, before);

    assert_eq!(n0.take(BOOTSTRAP), []);
    assert_eq!(sent(&n0.hear(1, read)), [(1, copy_for(1, None))]);
}

#[test]
fn a_start_that_the_disk_contradicts_leaves_the_node_deaf_and_the_disk_alone() {
    let someone_else = Setup { ..USUAL }.node(1).node.store().clone();
    let mine = USUAL.node(0).node.store().clone();
    for (disk, start) in [
        (Disk::default(), RESTART),
        (one_record(), RESTART),
        (one_record(), BOOTSTRAP),
        (someone_else.clone(), RESTART),
        (someone_else, BOOTSTRAP),
        (mine, BOOTSTRAP),
    ] {
        let mut n0 = off(disk.clone());
        assert_eq!(n0.take(start), ignored(Ignored::BadStart));
        assert_eq!(n0.ask(get(1)), ignored(Ignored::NotStarted));
        assert_eq!(n0.node.store(), &disk);
    }
}

#[test]
fn a_running_node_is_not_started_again() {
    let mut n0 = USUAL.node(0);
    n0.ask(get(1));
    let before = n0.node.clone();
    for start in [BOOTSTRAP, RESTART] {
        assert_eq!(n0.take(start), ignored(Ignored::BadStart));
    }
    assert_eq!(n0.node, before, "the get goes on");
}

#[test]
fn a_restart_keeps_the_disk_and_nothing_else() {
    let mut n0 = USUAL.node(0);
    n0.ask(put(1, "a"));
    n0.ask(get(2));
    n0.fire(Timer::Request(id(2)));
    assert_eq!((n0.node.pending().count(), n0.node.suspects().count()), (1, 2));

    let mut again = n0.restarted();
    assert_eq!((again.node.pending().count(), again.node.suspects().count()), (0, 0));
    assert_eq!(again.values(), ["a"]);
    assert_ne!(again.node.digest(), n0.node.digest());
    assert_eq!(again.hear(1, replicated(1)), ignored(Ignored::Stale));
    let mut once = Setup { w: 1, ..USUAL }.node(0);
    assert_eq!(answers(&once.ask(put(1, "a"))), [Answer::Stored]);
}

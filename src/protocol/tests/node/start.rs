//! The beginning of a life.

use crate::common::*;
use dynamo_protocol::config::DurabilityMode;
use dynamo_protocol::door::{Ignored, Input, Start, Timer};
use dynamo_protocol::ids::ClientId;
use dynamo_protocol::message::Answer;
use dynamo_protocol::store::{Record, RecordKey};
use dynamo_protocol::versions::Incarnation;

const BOOTSTRAP: Input = Input::Start(Start::Bootstrap { incarnation: Incarnation(7) });
const RESTART: Input = Input::Start(Start::Restart { latest: BEFORE });

fn off(disk: Disk) -> Host {
    Host::new(USUAL, 0, disk)
}

fn one_record() -> Disk {
    Disk::of([(RecordKey::Counter(KEY.into()), Record::Session(1))])
}

#[test]
fn a_node_is_deaf_until_it_is_started() {
    let mut n0 = off(Disk::default());
    let before = n0.node.clone();
    assert_eq!(n0.ask(put(1, "a")), ignored(Ignored::NotStarted));
    let read = read_for(1);
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
    assert_eq!(answers(&once.ask(put(1, "a"))), [stored(&[0])]);
}

/// What `session` still puts: done, or "maybe applied".
fn is_done(host: &mut Host, session: u64) -> bool {
    let mut request = put(session, "late");
    request.id.sequence = 9;
    match &answers(&host.ask(request))[..] {
        [Answer::Stored { .. }] => true,
        [Answer::TimedOut] => false,
        other => panic!("{other:?}"),
    }
}

/// Bug A9: a copy of what it has put may be on its way to a disk that does not remember it.
#[test]
fn sessions_from_before_a_disk_or_its_buffer_was_lost_are_forgotten() {
    let setup = Setup { w: 1, ..USUAL };
    let latest = ClientId(5);
    let mut lost = Host::new(setup, 0, Disk::default());
    lost.take(Input::Start(Start::Amnesia { incarnation: Incarnation(7), latest }));
    assert_eq!([5, 6].map(|session| is_done(&mut lost, session)), [false, true]);

    for (mode, forgets) in [
        (DurabilityMode::Durable, false),
        (DurabilityMode::Buffered, true),
        (DurabilityMode::OneDurable, true),
    ] {
        let mut before = setup.writing(mode).node(0);
        before.ask(put(4, "a"));
        let (mut n0, _) = before.started_after(before.node.store().clone(), latest);
        let done = [4, 5, 6].map(|session| is_done(&mut n0, session));
        assert_eq!(done, [!forgets, !forgets, true], "{mode:?}");
        let (mut again, _) = n0.started_after(n0.node.store().clone(), BEFORE);
        assert_eq!(is_done(&mut again, 3), !forgets, "{mode:?}: for good");
    }
}

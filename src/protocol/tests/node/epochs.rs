//! Which dot the next put gets: an epoch is continued only while its counter can be trusted
//! (bugs A2, A3, A4 and A16).

use crate::common::*;
use dynamo_protocol::door::Note;
use dynamo_protocol::store::{Durability, RecordKey, Store};
use dynamo_protocol::versions::{Epoch, Object};

fn owner(id: u64) -> Host {
    Setup { w: 1, ..USUAL }.node(id)
}

/// Whether the put with `value` took a fresh epoch.
fn is_fresh(host: &mut Host, client: u64, value: &str) -> bool {
    notes(&host.ask(put(client, value))).iter().any(|note| matches!(note, Note::FreshEpoch(_)))
}

fn lose_copy(host: &mut Host) {
    host.node.store_mut().remove(&RecordKey::Object(KEY.into()), Durability::Durable);
}

fn repaired(host: &mut Host, object: &Object) {
    host.hear(3, repair(object.clone()));
}

fn stamps(host: &Host) -> Vec<String> {
    let object = host.copy().unwrap();
    object.versions().into_iter().map(|(stamp, _)| stamp).collect()
}

#[test]
fn the_first_put_takes_a_fresh_epoch_and_the_next_ones_continue_it() {
    let mut n0 = owner(0);
    let noted = notes(&n0.ask(put(1, "a")));
    assert_eq!(noted, [Note::FreshEpoch(Epoch(1))]);
    assert!(!is_fresh(&mut n0, 2, "b"));
    assert!(!is_fresh(&mut n0.restarted(), 3, "c"));
    assert_eq!(stamps(&n0), ["{n0e1:1}", "{n0e1:2}"]);
    let seen = n0.copy().unwrap().context();
    assert_eq!(seen.to_string(), "{n0e1:2}");
}

#[test]
fn after_the_copy_was_lost_no_dot_is_given_twice() {
    let mut n0 = owner(0);
    n0.ask(put(1, "a"));
    let elsewhere = n0.copy().unwrap();
    lose_copy(&mut n0);
    assert!(is_fresh(&mut n0, 2, "b"));
    assert_eq!(values_of(&n0.copy().unwrap().merge(&elsewhere)), ["a", "b"], "bug A2");
}

#[test]
fn an_older_copy_of_mine_that_comes_back_does_not_bring_the_counter_back() {
    let mut n0 = owner(0);
    n0.ask(put(1, "a"));
    let early = n0.copy().unwrap();
    n0.ask(put(2, "b"));
    let late = n0.copy().unwrap();
    lose_copy(&mut n0);
    repaired(&mut n0, &early);
    assert!(is_fresh(&mut n0, 3, "c"), "bug A4: n0e1:2 is taken");
    assert_eq!(values_of(&n0.copy().unwrap().merge(&late)), ["a", "b", "c"]);
}

/// Bug A3 in its smallest form: n0 forgets, and learns of itself again as a mere replica.
#[test]
fn a_replica_write_that_mentions_me_does_not_make_me_trust_my_counter() {
    let (mut n0, mut n1, mut n2) = (owner(0), owner(1), owner(2));
    n0.ask(put(1, "a"));
    repaired(&mut n1, &n0.copy().unwrap());
    n0.ask(put(2, "b"));
    repaired(&mut n2, &n0.copy().unwrap());
    lose_copy(&mut n0);
    n1.ask(put(3, "c"));
    repaired(&mut n0, &n1.copy().unwrap());
    assert!(is_fresh(&mut n0, 4, "d"));
    let all = [n1, n2].iter().fold(n0.copy().unwrap(), |all, n| all.merge(&n.copy().unwrap()));
    assert_eq!(values_of(&all), ["a", "b", "c", "d"]);
}

#[test]
fn a_merge_that_knows_more_of_me_than_i_do_ends_the_epoch() {
    let mut n0 = owner(0);
    n0.ask(put(1, "a"));
    // The same disk from before the second put, as after a restore.
    let mut restored = n0.clone();
    n0.ask(put(2, "b"));
    repaired(&mut restored, &n0.copy().unwrap());
    assert!(is_fresh(&mut restored, 3, "c"));
    assert_eq!(values_of(&restored.copy().unwrap().merge(&n0.copy().unwrap())), ["a", "b", "c"]);
}

#[test]
fn a_context_that_knows_more_of_me_than_i_do_ends_the_epoch() {
    let mut n0 = owner(0);
    n0.ask(put(1, "a"));
    let mut restored = n0.clone();
    n0.ask(put(2, "b"));
    let read = n0.copy().unwrap().context();
    let noted = notes(&restored.ask(write(3, Some(read), Some("c"))));
    assert!(matches!(noted[..], [Note::FreshEpoch(_)]), "{noted:?}");
    let merged = restored.copy().unwrap().merge(&n0.copy().unwrap());
    assert_eq!(values_of(&merged), ["c"], "it had read both");
}

#[test]
fn a_context_that_knows_as_much_of_me_as_i_do_continues_the_epoch() {
    let mut n0 = owner(0);
    n0.ask(put(1, "a"));
    let read = n0.copy().unwrap().context();
    assert_eq!(notes(&n0.ask(write(2, Some(read), Some("b")))), []);
    assert_eq!(stamps(&n0), ["{n0e1:2}"]);
}

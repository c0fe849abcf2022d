//! Messages that can never matter again leave the network.

use super::{Compared, is_too_bold, passes};
use dynamo_models::scenario::Scenario;
use dynamo_models::world::{ClusterModel, State};

/// Answers to requests that are finished, and whatever else can never matter again, stay in the
/// network: it takes longer until nothing is in flight, and that is all.
#[test]
fn no_verdict_of_the_suite_depends_on_messages_that_never_matter() {
    let suite = Scenario::load_all(concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios"));
    let (mut compared, mut changes) = (Compared::default(), 0);
    for (name, scenario) in suite.unwrap_or_else(|error| panic!("{error}")) {
        for usual in passes(&scenario) {
            let (whole, before) = (usual.clone().with_the_dead(), compared.worlds);
            compared.compare(&whole, &usual, &usual, |all, some| {
                assert!(all.keys().eq(some.keys()), "{name}: {all:?}, but {some:?}");
            });
            let is_change = scenario.membership.is_some() && compared.worlds > before;
            changes += usize::from(is_change);
        }
    }
    compared.print();
    println!("{changes} with changes of the layout");
    assert!(compared.worlds > 80 && compared.refuted > 50 && changes > 2);
    assert!(compared.reduced * 3 < compared.whole * 2);
}

/// Takes answers out of the network that somebody waits for.
fn bury_answers(state: &mut State) {
    state.network.retain(|envelope| !envelope.message.is_answer());
}

#[test]
fn a_message_that_matters_is_missed() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/lecture-322-concurrent.toml");
    let scenario = Scenario::load(file).unwrap_or_else(|error| panic!("{error}"));
    let whole = ClusterModel::new(&scenario).expect("a cluster").with_the_dead();
    assert!(is_too_bold(&whole, |_, actions| actions, bury_answers));
}

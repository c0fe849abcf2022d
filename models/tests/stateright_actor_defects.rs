//! The defects of the actors of Stateright 0.31 that shaped this project.
//!
//! As in `stateright_defects.rs`, every test asserts the *defective* behaviour.
#![cfg(feature = "stateright")]

use std::borrow::Cow;

use stateright::actor::{
    Actor, ActorModel, ActorModelAction, ActorModelState, Envelope, Id, LossyNetwork, Network, Out,
    model_timeout,
};
use stateright::{Checker, Expectation, Model};

// Timers.

/// Sets a timer at the start.
#[derive(Clone, Copy, PartialEq)]
enum Clock {
    /// Rings once.
    Anonymous,
    /// Rings once, with a timer that says whose it is.
    Named,
    /// Blinks at each ring and sets the timer again.
    Periodic,
}

impl Actor for Clock {
    type Msg = ();
    type Timer = Option<Id>;
    type State = bool;
    type Storage = ();
    type Random = ();

    fn on_start(&self, id: Id, _: &Option<()>, out: &mut Out<Self>) -> bool {
        out.set_timer((*self == Clock::Named).then_some(id), model_timeout());
        false
    }

    fn on_timeout(&self, _: Id, lit: &mut Cow<bool>, timer: &Option<Id>, out: &mut Out<Self>) {
        if *self == Clock::Periodic {
            *lit.to_mut() = !**lit;
            out.set_timer(*timer, model_timeout());
        }
    }
}

fn clocks(count: usize, clock: Clock) -> ActorModel<Clock> {
    ActorModel::new((), ()).actors(vec![clock; count]).property(
        Expectation::Eventually,
        "impossible",
        |_, _| false,
    )
}

/// With a timer that renews itself every run is a cycle, so every `eventually` holds. All our
/// properties are `always`.
#[test]
fn eventually_is_vacuous_with_a_periodic_timer() {
    let found = clocks(1, Clock::Periodic).checker().spawn_bfs().join();
    assert_eq!(found.unique_state_count(), 2);
    let reported = found.discovery("impossible").is_some();
    assert!(!reported, "false never becomes true");
}

/// Timers are hashed without their owner, so states that differ only in whose timer is running are
/// one to the checker. Our hosts hold their timers in a std set and are hashed one by one.
#[test]
fn timers_are_hashed_without_their_owner() {
    let count = |n, clock| {
        let found = clocks(n, clock).checker().spawn_bfs().join();
        found.unique_state_count()
    };
    for n in 2..=4 {
        assert_eq!(count(n, Clock::Anonymous), n + 1, "{n} timers: 2^{n} states");
        assert_eq!(count(n, Clock::Named), 1 << n, "{n} named timers: 2^{n} states");
    }
}

// Messages and crashes.

/// Shut until its timer rings; a knock on the open door is answered, on the shut one ignored.
#[derive(Clone)]
struct Door;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Doorway {
    Shut,
    Open,
    Answered,
}

impl Actor for Door {
    type Msg = ();
    type Timer = ();
    type State = Doorway;
    type Storage = ();
    type Random = ();

    fn on_start(&self, _: Id, _: &Option<()>, out: &mut Out<Self>) -> Doorway {
        out.set_timer((), model_timeout());
        Doorway::Shut
    }

    fn on_timeout(&self, _: Id, door: &mut Cow<Doorway>, (): &(), _: &mut Out<Self>) {
        *door.to_mut() = Doorway::Open;
    }

    fn on_msg(&self, _: Id, door: &mut Cow<Doorway>, _: Id, (): (), _: &mut Out<Self>) {
        if **door == Doorway::Open {
            *door.to_mut() = Doorway::Answered;
        }
    }
}

type DoorModel = ActorModel<Door, (), bool>;
type DoorState = ActorModelState<Door, bool>;
type DoorAction = ActorModelAction<(), (), ()>;

fn door() -> Id {
    Id::from(0)
}

fn knock() -> Envelope<()> {
    Envelope { src: door(), dst: door(), msg: () }
}

/// One door and one knock; the history says whether the knock was delivered.
fn door_model(network: fn([Envelope<()>; 1]) -> Network<()>) -> DoorModel {
    ActorModel::new((), false)
        .actor(Door)
        .init_network(network([knock()]))
        .record_msg_in(|(), _, _| Some(true))
        .property(Expectation::Sometimes, "lost", |_, s| s.network.len() == 0 && !s.history)
        .property(Expectation::Sometimes, "ignored", |_, s| {
            s.network.len() == 0 && *s.actor_states[0] == Doorway::Shut
        })
}

fn can(model: DoorModel, property: &'static str) -> bool {
    let checker = model.checker().spawn_bfs().join();
    checker.discovery(property).is_some()
}

/// The state after some actions, none of them ignored by the model.
fn after(model: &DoorModel, actions: impl IntoIterator<Item = DoorAction>) -> DoorState {
    let init = model.init_states().remove(0);
    let step = |state, action| model.next_state(&state, action).expect("a possible action");
    actions.into_iter().fold(init, step)
}

/// A message that an actor ignores stays in the network, except in an ordered one, and may act
/// later. In our model every delivery consumes the message.
#[test]
fn ignored_messages_stay_in_the_network() {
    assert!(can(door_model(Network::new_ordered), "ignored"));
    let model = door_model(Network::new_unordered_nonduplicating);
    assert!(!can(model, "ignored"), "a knock on the shut door is gone");
}

/// Without a lossy network a message to a crashed actor waits for its recovery. Our model may lose
/// it free of any budget: a hint is needed exactly then.
#[test]
fn messages_to_a_crashed_actor_are_held() {
    let model = door_model(Network::new_unordered_nonduplicating).max_crashes(1);
    assert!(can(model.clone().lossy_network(LossyNetwork::Yes), "lost"));
    assert!(!can(model, "lost"), "nobody receives at a crashed actor");
}

/// A crash keeps what was in memory visible until the actor recovers. In our model only the disk
/// is left of a crashed process, so equal clusters are equal states.
#[test]
fn memory_outlives_a_crash() {
    let model = door_model(Network::new_unordered_nonduplicating).max_crashes(1);
    let ring = DoorAction::Timeout(door(), ());
    let crashed = after(&model, [ring, DoorAction::Crash(door())]);
    assert_eq!(*crashed.actor_states[0], Doorway::Open, "memory is lost");
}

/// `max_crashes` bounds how many actors are down at once, not how often they crash. Our crashes
/// are spent from a budget for the whole run.
#[test]
fn crashes_are_not_bounded_in_total() {
    let model = door_model(Network::new_unordered_nonduplicating).max_crashes(1);
    let (crash, recover) = (DoorAction::Crash(door()), DoorAction::Recover(door()));
    let once = [crash.clone(), recover];
    let mut actions = Vec::new();
    model.actions(&after(&model, [once.clone(), once].concat()), &mut actions);
    assert!(actions.contains(&crash), "at most one crash was asked for");
}

/// `iter_all` yields a repeated message once too often, and never ends on an ordered network. Our
/// network is a sorted `Vec`.
#[test]
fn networks_list_messages_too_often() {
    let network = Network::new_unordered_nonduplicating([knock(), knock()]);
    assert_eq!(network.len(), 2);
    assert_eq!(network.iter_all().count(), 3, "there are 2 messages");
    let network = Network::new_ordered([knock()]);
    assert_eq!(network.len(), 1);
    assert_eq!(network.iter_all().take(9).count(), 9, "there is 1 message");
}

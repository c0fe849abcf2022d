//! Operators order what they like while nodes hear of it in any order: what a version came to is the
//! same everywhere, and in the end all know it.

use crate::town::*;
use dynamo_protocol::door::{Input, Timer};
use dynamo_protocol::ids::NodeId;
use dynamo_protocol::membership::{Command, Stage, Step};
use dynamo_protocol::ring::Layout;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::collections::BTreeMap;

/// Founders of the town, and nodes that may join.
const FOUNDERS: u64 = 3;
const NODES: u64 = 5;

/// What happens next; nodes are taken modulo what there are, messages modulo what is in flight.
#[derive(Clone, Copy, Debug)]
enum Event {
    Join(u64, u64),
    Leave(u64, u64),
    Down(u64, u64),
    Up(u64, u64),
    Abort(u64),
    /// A node gossips with another, or fetches from it, and both hear each other out.
    Talk(u64, u64),
    Fetch(u64, u64),
    /// A node begins a gossip.
    Begin(u64, u64),
    Deliver(usize),
    Lose(usize),
    Restart(u64),
    /// A node loses its disk, and begins a new life.
    Amnesia(u64),
}

/// Anything, also that live nodes are declared down.
fn anything() -> impl Strategy<Value = Event> {
    let (node, pair) = (0..NODES, (0..NODES, 0..NODES));
    let down = pair.clone().prop_map(|(at, who)| Event::Down(at, who));
    let up = pair.clone().prop_map(|(at, who)| Event::Up(at, who));
    let abort = node.clone().prop_map(Event::Abort);
    let amnesia = node.prop_map(Event::Amnesia);
    prop_oneof![80 => usual(), 4 => down, 2 => up, 2 => abort, 1 => amnesia]
}

fn usual() -> impl Strategy<Value = Event> {
    let (node, pair) = (0..NODES, (0..NODES, 0..NODES));
    prop_oneof![
        2 => (0..FOUNDERS, FOUNDERS..NODES).prop_map(|(at, who)| Event::Join(at, who)),
        1 => pair.clone().prop_map(|(at, who)| Event::Leave(at, who)),
        2 => node.clone().prop_map(Event::Abort),
        12 => pair.clone().prop_map(|(from, to)| Event::Talk(from, to)),
        4 => pair.clone().prop_map(|(from, to)| Event::Fetch(from, to)),
        6 => pair.prop_map(|(from, to)| Event::Begin(from, to)),
        12 => any::<usize>().prop_map(Event::Deliver),
        1 => any::<usize>().prop_map(Event::Lose),
        1 => node.prop_map(Event::Restart),
    ]
}

/// A rule of the protocol that is broken from outside after each event.
type Broken = fn(&mut World);

struct World {
    town: Town,
    /// What each version was seen to be.
    ends: BTreeMap<u64, Layout>,
}

impl World {
    fn new() -> World {
        World { town: Town::new((2, 1, 2), FOUNDERS, NODES), ends: BTreeMap::new() }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Join(at, who) => self.plan(at, Step::Join(member(who))),
            Event::Leave(at, who) => self.plan(at, Step::Leave(NodeId(who))),
            Event::Down(at, who) => self.order(at, Command::Down(NodeId(who))),
            Event::Up(at, who) => self.order(at, Command::Up(NodeId(who))),
            Event::Abort(at) => self.order(at, Command::Abort),
            Event::Talk(from, to) => self.talk(from, to, Timer::Gossip),
            Event::Fetch(from, to) => self.talk(from, to, Timer::Exchange),
            Event::Begin(from, to) => drop(self.town.fire(from, Timer::Gossip(NodeId(to)))),
            Event::Deliver(which) => {
                if let Some((from, to, view, message)) = self.pick(which) {
                    self.town.hear(to, from, view, message);
                }
            }
            Event::Lose(which) => drop(self.pick(which)),
            Event::Restart(at) => drop(self.town.restart(at)),
            Event::Amnesia(at) => self.town.lose_disk(at),
        }
    }

    fn order(&mut self, at: u64, command: Command) {
        self.town.take(at, Input::Operator(command));
    }

    fn plan(&mut self, at: u64, step: Step) {
        self.order(at, Command::Clear);
        if step.apply(self.town.membership(at).current()).is_ok() {
            self.town.order(at, vec![step]);
        }
    }

    fn pick(&mut self, which: usize) -> Option<Sent> {
        let count = self.town.network.len();
        (count > 0).then(|| self.town.network.remove(which % count).expect("it is in flight"))
    }

    /// What the two of them say is heard at once; all else stays in flight.
    fn talk(&mut self, from: u64, to: u64, timer: fn(NodeId) -> Timer) {
        let before = std::mem::take(&mut self.town.network);
        self.town.fire(from, timer(NodeId(to)));
        let mut others = before;
        while let Some(sent) = self.town.network.pop_front() {
            match (sent.0, sent.1) {
                pair if pair == (from, to) || pair == (to, from) => {
                    self.town.hear(sent.1, sent.0, sent.2, sent.3);
                }
                _ => others.push_back(sent),
            }
        }
        self.town.network = others;
    }

    /// Two nodes that have come to the same version know the same layout.
    fn check(&mut self) -> Result<(), String> {
        for id in 0..NODES {
            let known = self.town.membership(id);
            let end = self.ends.entry(known.version()).or_insert_with(|| known.current().clone());
            if end != known.current() {
                return Err(format!("version {} is two layouts, one at n{id}", known.version()));
            }
        }
        Ok(())
    }

    /// All hear of each other, for as long as it may take.
    fn settle(&mut self) -> Result<(), String> {
        self.town.network.clear();
        for _ in 0..12 {
            for (from, to) in (0..NODES).flat_map(|a| (0..NODES).map(move |b| (a, b))) {
                if from != to {
                    self.talk(from, to, Timer::Exchange);
                    self.talk(from, to, Timer::Gossip);
                    self.check()?;
                }
            }
        }
        let known = self.town.membership(0);
        match (1..NODES).find(|id| self.town.membership(*id) != known) {
            _ if known.change().is_some() => Err(format!("n0 still knows {known}")),
            Some(id) => Err(format!("n{id} knows {}, n0 {known}", self.town.membership(id))),
            None => Ok(()),
        }
    }
}

/// Everything happens; then, unless nodes that are up were declared down, all is settled.
fn run(events: &[Event], broken: Option<Broken>) -> Result<u64, String> {
    let mut world = World::new();
    for event in events {
        world.happen(*event);
        if let Some(broken) = broken {
            broken(&mut world);
        }
        world.check()?;
    }
    if !events.iter().any(|event| matches!(event, Event::Down(..))) {
        world.settle()?;
    }
    Ok(world.ends.len() as u64)
}

/// So many runs of so many events; the first that goes wrong, or how many versions were met.
fn runs(
    cases: u32,
    event: impl Strategy<Value = Event>,
    broken: Option<Broken>,
) -> Result<u64, String> {
    let config = Config { failure_persistence: None, ..Config::with_cases(cases) };
    let rng = proptest::test_runner::TestRng::deterministic_rng(config.rng_algorithm);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let versions = std::cell::Cell::new(0);
    let all = vec(event, 0..150);
    let ran = runner.run(&all, |events| {
        let met = run(&events, broken).map_err(TestCaseError::fail)?;
        versions.set(versions.get() + met - 1);
        Ok(())
    });
    ran.map(|()| versions.get()).map_err(|error| error.to_string())
}

#[test]
fn what_a_version_came_to_is_the_same_everywhere_and_in_the_end_all_know_it() {
    let versions = runs(1500, usual(), None).unwrap_or_else(|wrong| panic!("{wrong}"));
    assert!(versions > 200, "{versions} changes or withdrawals came to their end");
}

#[test]
fn what_a_version_came_to_is_the_same_everywhere_even_if_live_nodes_are_declared_down() {
    let versions = runs(1500, anything(), None).unwrap_or_else(|wrong| panic!("{wrong}"));
    assert!(versions > 200, "{versions} changes or withdrawals came to their end");
}

/// A withdrawal is at its end when everybody has said once that it is in it.
fn one_round(world: &mut World) {
    for id in 0..NODES {
        let known = world.town.membership(id);
        let is_sealed = known.change().is_some_and(|change| change.stage == Stage::Moving);
        if known.is_withdrawal() && is_sealed {
            world.town.tell(id, (id + 1) % FOUNDERS, &known.advance());
        }
    }
}

/// A withdrawal is at its end as soon as somebody knows of it.
fn nobody_is_waited_for(world: &mut World) {
    for id in 0..NODES {
        let known = world.town.membership(id);
        if known.is_withdrawal() {
            world.town.tell(id, (id + 1) % NODES, &known.advance().advance());
        }
    }
}

/// n1 agrees to the withdrawal, loses its disk, and hears from n2 of the change that is withdrawn.
#[test]
fn a_withdrawal_of_one_round_makes_two_layouts_of_a_version_when_a_disk_is_lost() {
    let start = [
        Event::Join(2, 3),
        Event::Down(2, 0),
        Event::Talk(2, 0),
        Event::Talk(2, 3),
        Event::Abort(0),
        Event::Talk(0, 1),
        Event::Amnesia(1),
        // n1 hears of the change, but not n2 its answer.
        Event::Begin(1, 2),
        Event::Deliver(0),
        Event::Deliver(0),
        Event::Lose(0),
        // n2 and n3 agree to it, and n1 begins to move.
        Event::Begin(2, 1),
        Event::Deliver(0),
        Event::Lose(0),
        Event::Talk(3, 1),
        Event::Talk(0, 2),
        Event::Talk(1, 2),
    ];
    let among = [1, 2, 3].into_iter().flat_map(|a| [1, 2, 3].map(|b| (a, b)));
    let on =
        among.filter(|(a, b)| a != b).flat_map(|(a, b)| [Event::Fetch(a, b), Event::Talk(a, b)]);
    let on: Vec<Event> = on.collect();
    let events: Vec<Event> = start.into_iter().chain(on.repeat(6)).collect();
    run(&events, None).unwrap_or_else(|wrong| panic!("{wrong}"));
    let wrong = run(&events, Some(one_round)).expect_err("n0 has ended it");
    println!("{wrong}");
}

#[test]
fn a_withdrawal_that_waits_for_nobody_makes_two_layouts_of_a_version() {
    let wrong = runs(3000, usual(), Some(nobody_is_waited_for)).expect_err("others go on");
    println!("{wrong}");
}

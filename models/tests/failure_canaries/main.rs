//! Every safety mechanism of failure handling has a canary: a small world in which the protocol
//! keeps a property and reaches the mechanism, and in which it loses the property once this one
//! mechanism is broken. It is broken from outside, in the messages, timers and records between the
//! model and the nodes.

mod disks;
mod hints;
mod reaping;
mod requests;

use dynamo_models::explore::{Agreement, Exploration, Limits, Marks, Space, explore};
use dynamo_models::scenario::{Mechanism, Property, Scenario};
use dynamo_models::seal::Sealed;
use dynamo_models::world::{Action, ClusterModel, Disk, Envelope, Process, State, Violated};
use dynamo_protocol::ids::{Key, NodeId};
use dynamo_protocol::message::Message;
use dynamo_protocol::store::{Durability, Store};

/// One step of a world in which something is broken.
type Step = fn(&ClusterModel, &State, &Action) -> State;

/// A small world: a cluster, and the faults that are left out of it beside those without a budget.
struct World {
    model: ClusterModel,
    may: fn(&State, &Action) -> bool,
}

impl World {
    fn new(toml: &str) -> World {
        let scenario = Scenario::parse(toml, "inline").unwrap_or_else(|error| panic!("{error}"));
        let model = ClusterModel::new(&scenario).expect("a valid cluster");
        World { model, may: |_, _| true }
    }

    /// The same world, in which only what `may` happen happens.
    fn only(self, may: fn(&State, &Action) -> bool) -> World {
        World { may, ..self }
    }

    fn explore(&self, step: Option<Step>) -> Exploration<Action> {
        let asked: Vec<Property> = self.model.asked().collect();
        let limits = Limits { states: Some(2_000_000), ..Limits::default() };
        explore(&Stepped { world: self, step }, &asked, limits, &mut |_| true)
    }

    /// The protocol keeps every property asked, in the whole space, and meets what it must.
    fn holds(&self) {
        let done = self.explore(None);
        let title = &self.model.scenario().title;
        println!("{title}: holds in {} states, {:?}", done.progress.unique, done.elapsed);
        assert_eq!((done.stopped, &done.refuted), (None, &Vec::new()), "{title} holds");
        let missed = |it: &&Mechanism| !done.marks.has(**it as u32);
        let missed: Vec<_> = self.model.scenario().reaches.iter().filter(missed).collect();
        assert!(missed.is_empty(), "{title} reaches {missed:?}");
    }

    /// It loses each of them when it steps like this.
    fn is_refuted_by(&self, step: Step) {
        let done = self.explore(Some(step));
        for property in self.model.asked() {
            let trace = done.trace(property);
            let title = &self.model.scenario().title;
            let trace = trace.unwrap_or_else(|| panic!("{title}: {property} is not refuted"));
            println!("{title}: {property} is refuted in {} steps: {trace:#?}", trace.len());
        }
    }

    /// The same world passes with the real step and fails with the broken one.
    fn canary(&self, broken: Step) {
        self.holds();
        self.is_refuted_by(broken);
    }
}

/// A world with its real step, or a broken one.
struct Stepped<'a> {
    world: &'a World,
    step: Option<Step>,
}

impl Space for Stepped<'_> {
    type State = State;
    type Action = Action;

    fn initial(&self) -> State {
        self.world.model.initial()
    }

    fn actions(&self, state: &State) -> Vec<Action> {
        let actions = self.world.model.actions(state).into_iter();
        actions.filter(|action| (self.world.may)(state, action)).collect()
    }

    fn step(&self, state: &State, action: &Action, marks: &mut Marks) -> State {
        match self.step {
            None => Space::step(&self.world.model, state, action, marks),
            Some(step) => step(&self.world.model, state, action),
        }
    }

    fn violated(&self, state: &State) -> Violated {
        state.violated
    }

    fn is_fault(&self, action: &Action) -> bool {
        action.is_fault()
    }

    fn agreement(&self, state: &State) -> Agreement {
        self.world.model.agreement(state)
    }
}

fn node(id: u64) -> NodeId {
    NodeId(id)
}

fn key() -> Key {
    Key::from("k")
}

fn envelope(from: NodeId, to: NodeId, message: Message) -> Envelope {
    Envelope { from, to, message, orphan: false, dying: 0 }
}

/// A message arrives that nobody has sent.
fn forge(model: &ClusterModel, state: &State, from: NodeId, to: NodeId, message: Message) -> State {
    model.step(state, &Action::Deliver(Sealed::new(envelope(from, to, message))))
}

/// Another message arrives than the one that was sent.
fn swap(model: &ClusterModel, state: &State, sent: &Sealed<Envelope>, message: Message) -> State {
    let mut state = state.clone();
    state.take(sent);
    forge(model, &state, sent.from, sent.to, message)
}

/// What a step has sent.
fn sent<'a>(before: &'a State, after: &'a State) -> impl Iterator<Item = Sealed<Envelope>> + 'a {
    after.network.iter().filter(|envelope| !before.network.contains(envelope)).cloned()
}

/// The same state with other records on a node's disk.
fn with_disk(state: &State, node: NodeId, edit: impl FnOnce(&mut Disk)) -> State {
    let mut host = (**state.host(node)).clone();
    match &mut host.process {
        Process::Up(process) => edit(process.store_mut()),
        Process::Down(disk) => edit(disk),
    }
    let mut state = state.clone();
    state.set_host(node, host);
    state
}

/// The same state, but what the step into it wrote is still in the buffers.
fn uncommitted(before: &State, after: &State) -> State {
    let nodes = (0..).zip(before.nodes.iter().zip(&after.nodes));
    let wrote = nodes.filter(|(_, (a, b))| !a.disk().untouched_since(b.disk()));
    wrote.fold(after.clone(), |state, (id, (before, _))| {
        with_disk(&state, node(id), |disk| *disk = layered(before.disk().after_crash(), disk))
    })
}

/// A disk that shows what `visible` shows, and keeps what `durable` keeps.
fn layered(durable: Disk, visible: &Disk) -> Disk {
    let mut disk = durable.clone();
    for (name, _) in durable.records().filter(|(name, _)| visible.get(name).is_none()) {
        disk.remove(name, Durability::Buffered);
    }
    for (name, record) in visible.records() {
        disk.put(name.clone(), record.clone(), Durability::Buffered);
    }
    disk
}

//! Small worlds that hold with the real step and are refuted with one mechanism broken.

use dynamo_models::explore::{Agreement, Exploration, Limits, Marks, Space, explore};
use dynamo_models::scenario::{Mechanism, Property, Scenario};
use dynamo_models::seal::Sealed;
use dynamo_models::world::{Action, ClusterModel, Disk, Envelope, Process, State, Violated};
use dynamo_protocol::ids::NodeId;
use dynamo_protocol::message::Message;
use dynamo_protocol::node::Node;

/// One step of a world in which something is broken.
pub(crate) type Step = fn(&ClusterModel, &State, &Action) -> State;

/// A small world: a cluster, and the faults that are left out of it beside those without a budget.
pub(crate) struct World {
    pub(crate) model: ClusterModel,
    may: fn(&State, &Action) -> bool,
}

impl World {
    pub(crate) fn new(toml: &str) -> World {
        let scenario = Scenario::parse(toml, "inline").unwrap_or_else(|error| panic!("{error}"));
        let model = ClusterModel::new(&scenario).expect("a valid cluster");
        World { model, may: |_, _| true }
    }

    /// The same world, in which only what `may` happen happens.
    pub(crate) fn only(self, may: fn(&State, &Action) -> bool) -> World {
        World { may, ..self }
    }

    pub(crate) fn explore(&self, step: Option<Step>) -> Exploration<Action> {
        let asked: Vec<Property> = self.model.asked().collect();
        let limits = Limits { states: Some(2_000_000), ..Limits::default() };
        explore(&Stepped { world: self, step }, &asked, limits, &mut |_| true)
    }

    /// The protocol keeps every property asked, in the whole space, and meets what it must.
    pub(crate) fn holds(&self) {
        let done = self.explore(None);
        let title = &self.model.scenario().title;
        println!("{title}: holds in {} states, {:?}", done.progress.unique, done.elapsed);
        assert_eq!((done.stopped, &done.refuted), (None, &Vec::new()), "{title} holds");
        let missed = |it: &&Mechanism| !done.marks.has(**it as u32);
        let missed: Vec<_> = self.model.scenario().reaches.iter().filter(missed).collect();
        assert!(missed.is_empty(), "{title} reaches {missed:?}");
    }

    /// It loses each of them when it steps like this.
    pub(crate) fn is_refuted_by(&self, step: Step) {
        let done = self.explore(Some(step));
        for property in self.model.asked() {
            let trace = done.trace(property);
            let title = &self.model.scenario().title;
            let trace = trace.unwrap_or_else(|| panic!("{title}: {property} is not refuted"));
            let (steps, states) = (trace.len(), done.progress.unique);
            println!(
                "{title}: {property} is refuted in {steps} steps, {states} states: {trace:#?}"
            );
        }
    }

    /// The same world passes with the real step and fails with the broken one.
    pub(crate) fn canary(&self, broken: Step) {
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

pub(crate) fn node(id: u64) -> NodeId {
    NodeId(id)
}

/// What `from` would send, under the layouts that it acts on.
pub(crate) fn envelope(state: &State, from: NodeId, to: NodeId, message: Message) -> Envelope {
    let view = state.up(from).map(Node::view).unwrap_or_default();
    Envelope { from, to, view, message, orphan: false, dying: 0 }
}

/// A message arrives that nobody has sent.
pub(crate) fn forge(
    model: &ClusterModel,
    state: &State,
    from: NodeId,
    to: NodeId,
    message: Message,
) -> State {
    model.step(state, &Action::Deliver(Sealed::new(envelope(state, from, to, message))))
}

/// Another message arrives than the one that was sent.
pub(crate) fn swap(
    model: &ClusterModel,
    state: &State,
    sent: &Sealed<Envelope>,
    message: Message,
) -> State {
    let mut state = state.clone();
    state.take(sent);
    let envelope = Envelope { message, ..(**sent).clone() };
    model.step(&state, &Action::Deliver(Sealed::new(envelope)))
}

/// The same state with other records on a node's disk.
pub(crate) fn with_disk(state: &State, node: NodeId, edit: impl FnOnce(&mut Disk)) -> State {
    let mut host = (**state.host(node)).clone();
    match &mut host.process {
        Process::Up(process) => edit(process.store_mut()),
        Process::Down(disk) => edit(disk),
    }
    let mut state = state.clone();
    state.set_host(node, host);
    state
}

//! One run of the model, step by step, and the formats that it is told in.
//!
//! | module | what it is |
//! |---|---|
//! | [`find`] | the shortest counterexample of a property |
//! | [`event`] | what a step did, in one-liners |
//! | [`text`] | for people |
//! | [`json`], [`replay`] | for machines: written, read, and run again on the core |
//! | [`mermaid`], [`svg`] | sequence diagrams |
//! | [`shiviz`] | a log with vector clocks |
//!
//! All formats print the same list: [`Trace::steps`] with their events, and [`Trace::flights`].

mod ahead;
pub mod event;
pub mod find;
pub mod json;
pub mod mermaid;
mod no_return;
pub mod replay;
pub mod shiviz;
pub mod svg;
pub mod text;
mod why;

pub use event::Event;
pub use find::{Found, counterexample};
pub use json::TraceFile;
pub use replay::{Mismatch, replay_on_core};

use crate::scenario::{Property, Scenario};
use crate::world::{Action, ClusterModel, Host, ModelError, Process, State};
use dynamo_protocol::door::{Effects, Timer};
use dynamo_protocol::ids::NodeId;
use dynamo_protocol::message::Message;
use dynamo_protocol::store;
use std::fmt;
use std::sync::OnceLock;

/// A run: the steps from the start, and every message on its way.
#[derive(Clone)]
pub struct Trace {
    /// The cluster that ran.
    pub model: ClusterModel,
    /// The property that the run refutes, or that it was asked about.
    pub property: Option<Property>,
    /// The state before the first step.
    pub initial: State,
    /// The steps.
    pub steps: Vec<Step>,
    /// Every message that was sent, in order of sending.
    pub flights: Vec<Flight>,
    /// Why a property that speaks of continuations is false at the end, if it is; worked out once.
    ahead: OnceLock<Option<String>>,
}

/// One step.
#[derive(Clone)]
pub struct Step {
    /// What happened.
    pub action: Action,
    /// Its stable text.
    pub text: String,
    /// The message that it is about, by its place in [`Trace::flights`].
    pub flight: Option<usize>,
    /// What it did, in order.
    pub events: Vec<Event>,
    /// The state after it.
    pub after: State,
    /// The digest of each node after it, n0 first.
    pub digests: Vec<[u8; 32]>,
}

/// A message from its sending to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flight {
    /// The sender.
    pub from: NodeId,
    /// The receiver.
    pub to: NodeId,
    /// What it says.
    pub message: Message,
    /// The step that sent it, from 0.
    pub sent: usize,
    /// Each arrival or loss and its step; more than one if it was duplicated, none if the trace
    /// ends before or the message has come to matter no more.
    pub ends: Vec<(usize, End)>,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It arrived.
    Delivered,
    /// It arrived and stayed in flight: a fault.
    Duplicated,
    /// It was dropped: a fault.
    Dropped,
    /// It was lost because its receiver is down or its sender has crashed.
    Lost,
}

/// The length of a trace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Length {
    /// All steps.
    pub actions: usize,
    /// Calls of clients.
    pub operations: usize,
    /// Budgeted faults.
    pub faults: usize,
    /// Arrivals of messages that nobody waits for: read repairs.
    pub background: usize,
}

/// The model of a scenario that judges `property`, whether the scenario asks it or not.
///
/// # Errors
/// If the scenario's cluster cannot be built.
pub fn model_for(
    scenario: &Scenario,
    property: Option<Property>,
) -> Result<ClusterModel, ModelError> {
    let mut scenario = scenario.clone();
    if let Some(property) = property
        && scenario.expect.iter().all(|&(asked, _)| asked != property)
    {
        scenario.expect.push((property, None));
    }
    let model = ClusterModel::new(&scenario)?;
    let history = property == Some(Property::Linearizable);
    Ok(if history { model.with_history() } else { model })
}

impl Trace {
    /// Runs `actions` from the start; each must be possible where it stands.
    pub fn new(model: &ClusterModel, property: Option<Property>, actions: &[Action]) -> Trace {
        let initial = model.initial();
        let mut trace = Trace {
            model: model.clone(),
            property,
            initial,
            steps: Vec::with_capacity(actions.len()),
            flights: Vec::new(),
            ahead: OnceLock::new(),
        };
        for action in actions {
            trace.push(action.clone());
        }
        trace
    }

    /// Runs one more action, which must be possible.
    pub fn push(&mut self, action: Action) {
        let mut did = None;
        let mut watch = |node: NodeId, effects: &Effects| did = Some((node, effects.clone()));
        let before = self.last();
        let after = self.model.explain(before, &action, &mut watch);
        let step = self.steps.len();
        let events = event::events(before, &after, did, self.flights.len());
        let flight = self.end(&action, step);
        let sent = events.iter().filter_map(|event| match event {
            Event::Sends { from, to, message, .. } => Some((*from, *to, message.clone())),
            _ => None,
        });
        let fly = |(from, to, message)| Flight { from, to, message, sent: step, ends: Vec::new() };
        self.flights.extend(sent.map(fly));
        let digests = after.nodes.iter().map(|host| digest(host)).collect();
        let text = action.to_string();
        self.steps.push(Step { action, text, flight, events, after, digests });
        self.ahead = OnceLock::new();
    }

    /// Notes what an action makes of its message; the message's place.
    fn end(&mut self, action: &Action, step: usize) -> Option<usize> {
        let (envelope, end) = match action {
            Action::Deliver(envelope) => (envelope, End::Delivered),
            Action::Duplicate(envelope) => (envelope, End::Duplicated),
            Action::Drop(envelope) => (envelope, End::Dropped),
            Action::Lose(envelope) => (envelope, End::Lost),
            _ => return None,
        };
        let same = |flight: &Flight| {
            (flight.from, flight.to, &flight.message)
                == (envelope.from, envelope.to, &envelope.message)
        };
        let place = self.flights.iter().rposition(same)?;
        self.flights[place].ends.push((step, end));
        Some(place)
    }

    /// The state at the end.
    pub fn last(&self) -> &State {
        self.steps.last().map_or(&self.initial, |step| &step.after)
    }

    /// The state before a step.
    pub fn before(&self, step: usize) -> &State {
        step.checked_sub(1).map_or(&self.initial, |previous| &self.steps[previous].after)
    }

    /// How long it is.
    pub fn length(&self) -> Length {
        let mut length = Length { actions: self.steps.len(), ..Length::default() };
        for step in &self.steps {
            let starts = matches!(
                &step.action,
                Action::Fire { timer: Timer::Handoff(_) | Timer::Exchange(_), .. }
            );
            let repairs = |envelope: &crate::world::Envelope| {
                matches!(envelope.message, Message::Repair { .. })
            };
            length.operations += usize::from(step.action.is_client_operation());
            length.faults += usize::from(step.action.is_fault());
            let repair = matches!(&step.action, Action::Deliver(envelope) if repairs(envelope));
            length.background += usize::from(starts || repair);
        }
        length
    }

    /// Whether the property that the trace is about is false at its end. For one that speaks of
    /// continuations all of them are searched.
    pub fn refutes(&self) -> bool {
        self.property.is_some_and(|property| match property.is_about_continuations() {
            true => self.ahead().is_some(),
            false => self.last().violated.has(property),
        })
    }

    /// The name of a client for people; the one after the last makes the final free read.
    pub fn client_name(&self, client: usize) -> String {
        format!("c{client}")
    }

    /// The clients that take part, in order.
    pub fn clients(&self) -> Vec<usize> {
        let reads = |step: &Step| matches!(step.action, Action::FinalRead { .. });
        let scripted = self.model.plan().clients();
        (0..scripted + usize::from(self.steps.iter().any(reads))).collect()
    }

    /// How many nodes there are.
    pub fn nodes(&self) -> usize {
        self.initial.nodes.len()
    }
}

impl Step {
    /// The client and node of a call.
    pub fn call(&self, trace: &Trace) -> Option<(usize, NodeId)> {
        match &self.action {
            Action::Call { client, node, .. } => Some((*client, *node)),
            Action::FinalRead { node, .. } => Some((trace.model.plan().clients(), *node)),
            _ => None,
        }
    }

    /// What the call asks for.
    pub fn request(&self) -> Option<String> {
        match &self.action {
            Action::Call { what, .. } => Some(what.clone()),
            Action::FinalRead { key, .. } => Some(format!("get {key}")),
            _ => None,
        }
    }
}

/// The digest of a node: of its process, or of the disk that a crash left.
pub fn digest(host: &Host) -> [u8; 32] {
    match &host.process {
        Process::Up(node) => node.digest(),
        Process::Down(disk) => store::digest(disk),
    }
}

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", counted(self.actions, "action"))?;
        write!(f, " ({}", counted(self.operations, "client operation"))?;
        write!(f, ", {}", counted(self.faults, "fault"))?;
        write!(f, ", {})", counted(self.background, "background exchange"))
    }
}

/// "1 fault", "2 faults".
fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

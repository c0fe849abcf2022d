//! A scenario as a Stateright `ActorModel`.

use super::actors::{DynamoNode, Msg, OwnedTimer, ScriptedClient};
use super::model::properties;
use super::participant::{Participant, ParticipantState};
use crate::explore::{Marks, Space};
use crate::scenario::{Durability, Property, Scenario, Schedule, Versioning};
use crate::seal::Sealed;
use crate::world::{
    ClusterModel, Envelope, Host, ModelError, Process, Seen, State, Violated, client_of,
};
use ::stateright::Model;
use ::stateright::actor::{ActorModel, ActorModelAction, ActorModelState, LossyNetwork, Network};
use dynamo_protocol::ids::{NodeId, RequestId};
use dynamo_protocol::message::Answer;

/// The actors of a scenario: nodes, then clients. The cluster model that comes along has the
/// configuration, the scripts and the judges.
pub type Encoded = ActorModel<Participant, ClusterModel>;

/// A state of [`Encoded`].
pub type EncodedState = ActorModelState<Participant>;

/// A step of [`Encoded`].
pub type EncodedAction = ActorModelAction<Msg, OwnedTimer, ()>;

/// Makes a scenario's actors.
///
/// The worlds differ from the cluster model's where Stateright's `ActorModel` does: timers may fire
/// at any time whatever the budget, the budget of crashes bounds how many actors (clients too) are
/// down at once, any number of messages is lost if one may be, and what is sent to a crashed actor
/// waits for it.
#[derive(Clone, Debug)]
pub struct ActorEncoding {
    model: ClusterModel,
    has_timers: bool,
}

/// Why a scenario has no actors.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncodingError {
    /// There is no such cluster.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A step leaves its contact open.
    #[error(
        "client {client}'s step `{step}` may ask any node, but an actor cannot choose: pin it, as in \
         `{step}@0`"
    )]
    Unpinned {
        /// The client.
        client: usize,
        /// The step.
        step: String,
    },
    /// The scenario needs what actors do not have.
    #[error("the actor encoding has no {what}: {instead}")]
    Unsupported {
        /// What is missing.
        what: &'static str,
        /// What to do.
        instead: &'static str,
    },
}

impl ActorEncoding {
    /// The actors of `scenario`.
    ///
    /// # Errors
    /// If a step is not pinned to a node, or if the scenario needs turns between clients, a clock or
    /// repeated messages.
    pub fn new(scenario: &Scenario) -> Result<ActorEncoding, EncodingError> {
        for (client, script) in scenario.clients.iter().enumerate() {
            if let Some(step) = script.iter().find(|step| step.contact.is_none()) {
                return Err(EncodingError::Unpinned { client, step: step.to_string() });
            }
        }
        let refuse = |refused: bool, what, instead| match refused {
            true => Err(EncodingError::Unsupported { what, instead }),
            false => Ok(()),
        };
        let versioning = scenario.cluster.versioning;
        let needs_clock =
            versioning == Versioning::LastWriterWins || versioning.clock_limit().is_some();
        let cluster = "use the cluster encoding";
        refuse(scenario.schedule == Schedule::Sequential, "turns between clients", cluster)?;
        refuse(needs_clock, "clock, which this versioning needs", cluster)?;
        refuse(scenario.faults.duplicates > 0, "budget of duplicates", cluster)?;
        refuse(scenario.faults.disk_losses > 0, "budget of lost disks", cluster)?;
        refuse(scenario.faults.partitions > 0, "budget of partitions", cluster)?;
        let is_durable = scenario.cluster.durability == Durability::Durable;
        refuse(!is_durable, "buffer that a crash loses", cluster)?;
        refuse(scenario.membership.is_some(), "change of the layout", cluster)?;
        refuse(scenario.cluster.reap.is_on(), "wait that messages do not outlive", cluster)?;
        // Its timers fire for ever, and its network keeps every copy of what they send.
        let exchanges = scenario.cluster.anti_entropy.is_on();
        let hands_off = scenario.asks_sloppily() && scenario.cluster.handoff.is_on();
        refuse(exchanges || hands_off, "end of work that is done in the background", cluster)?;
        Ok(ActorEncoding { model: ClusterModel::new(scenario)?, has_timers: true })
    }

    /// The same actors, no timer ever set.
    #[must_use]
    pub fn without_timers(self) -> ActorEncoding {
        ActorEncoding { has_timers: false, ..self }
    }

    /// The properties that are asked and can be judged.
    pub fn asked(&self) -> Vec<Property> {
        self.model.asked().filter(|property| ClusterModel::is_observable(*property)).collect()
    }

    /// The actors, with the properties of [`ActorEncoding::asked`].
    pub fn model(&self) -> Encoded {
        let nodes = usize::from(self.model.scenario().cluster.nodes);
        let faults = self.model.scenario().faults;
        let node = |index: usize| {
            let node = DynamoNode::new(self.model.config().clone(), NodeId(index as u64), nodes);
            Participant::Node(if self.has_timers { node } else { node.without_timers() })
        };
        let client = |client| Participant::Client(ScriptedClient::new(self.model.clone(), client));
        let lossy = if faults.drops > 0 { LossyNetwork::Yes } else { LossyNetwork::No };
        let mut model = Encoded::new(self.model.clone(), ())
            .actors((0..nodes).map(node))
            .actors((0..self.model.plan().clients()).map(client))
            .init_network(Network::new_unordered_nonduplicating([]))
            .lossy_network(lossy)
            .max_crashes(faults.crashes.into());
        model.properties = properties(self.asked().into_iter());
        model
    }
}

/// What each client has seen at a state. An answer in flight counts as received, as in the cluster
/// model, where an answer and its receipt are one step; so does a request in flight as not yet made.
pub fn seen(state: &EncodedState) -> Vec<Seen> {
    let clients = state.actor_states.iter().filter_map(|actor| match &**actor {
        ParticipantState::Client(client) => Some(&client.answers),
        ParticipantState::Node(_) => None,
    });
    let seen = |(client, received): (usize, &Vec<Answer>)| {
        let open = |id: RequestId| {
            client_of(id.client) == client && id.sequence == received.len() as u64 + 1
        };
        let mut answers = received.clone();
        match answer_in_flight(state, &open) {
            // Only when it arrives will the client ask its next step.
            Some(answer) => {
                answers.push(answer);
                Seen { answers, has_called: false }
            }
            None => Seen { answers, has_called: !is_request_in_flight(state, &open) },
        }
    };
    clients.enumerate().map(seen).collect()
}

fn is_request_in_flight(state: &EncodedState, is_open: &dyn Fn(RequestId) -> bool) -> bool {
    let mut messages = state.network.iter_deliverable();
    messages.any(|message| matches!(message.msg, Msg::Ask(asked) if is_open(asked.id)))
}

fn answer_in_flight(state: &EncodedState, is_open: &dyn Fn(RequestId) -> bool) -> Option<Answer> {
    let answers = state.network.iter_deliverable().filter_map(|message| match message.msg {
        Msg::Answer(of, answer) if is_open(*of) => Some(answer),
        _ => None,
    });
    answers.min().cloned()
}

/// A state of the actors as the cluster model would show it, judged.
pub fn observed(model: &ClusterModel, state: &EncodedState) -> State {
    let nodes = state.actor_states.iter().enumerate().filter_map(|(index, actor)| match &**actor {
        ParticipantState::Node(node) => {
            let timers = state.timers_set[index].iter().map(|&(_, timer)| timer).collect();
            let process = match state.crashed[index] {
                true => Process::Down(node.0.store().clone()),
                false => Process::Up(node.0.clone()),
            };
            Some(Sealed::new(Host { process, timers }))
        }
        ParticipantState::Client(_) => None,
    });
    let message = |message: ::stateright::actor::Envelope<&Msg>| match message.msg {
        Msg::Peer(view, content) => {
            let [from, to] = [message.src, message.dst].map(|id| NodeId(usize::from(id) as u64));
            Some(Sealed::new(Envelope {
                from,
                to,
                view: *view,
                message: content.clone(),
                orphan: false,
                dying: 0,
            }))
        }
        Msg::Ask(_) | Msg::Answer(..) => None,
    };
    let network = state.network.iter_deliverable().filter_map(message).collect();
    model.observed(nodes.collect(), network, &seen(state))
}

/// So that our engine can explore the actors too, and find shortest traces.
impl Space for Encoded {
    type State = EncodedState;
    type Action = EncodedAction;

    fn initial(&self) -> EncodedState {
        self.init_states().remove(0)
    }

    fn actions(&self, state: &EncodedState) -> Vec<EncodedAction> {
        let mut actions = Vec::new();
        Model::actions(self, state, &mut actions);
        actions
    }

    /// An action that Stateright ignores leads back to the same state.
    fn step(&self, state: &EncodedState, action: &EncodedAction, _: &mut Marks) -> EncodedState {
        self.next_state(state, action.clone()).unwrap_or_else(|| state.clone())
    }

    fn violated(&self, state: &EncodedState) -> Violated {
        observed(&self.cfg, state).violated
    }
}

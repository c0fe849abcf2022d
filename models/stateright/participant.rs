//! Nodes and clients side by side in one model: Stateright's actors are all of one type.
//!
//! (Its own `Choice` would do, but drops `on_random`, and its states read badly in the Explorer.)

use super::actors::{ClientState, DynamoNode, Msg, NodeState, OwnedTimer, Saved, ScriptedClient};
use ::stateright::actor::{Actor, Id, Out};
use dynamo_protocol::message::Answer;
use std::borrow::Cow;
use std::fmt;

/// An actor of the cluster.
#[derive(Clone, Debug)]
pub enum Participant {
    /// A node.
    Node(DynamoNode),
    /// A client.
    Client(ScriptedClient),
}

/// The state of a [`Participant`].
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum ParticipantState {
    /// Of a node.
    Node(Box<NodeState>),
    /// Of a client.
    Client(ClientState),
}

impl fmt::Debug for ParticipantState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ParticipantState::Node(node) => node.fmt(f),
            ParticipantState::Client(client) => {
                let answers: Vec<String> = client.answers.iter().map(Answer::to_string).collect();
                write!(f, "was told: {}", answers.join("; "))
            }
        }
    }
}

impl Actor for Participant {
    type Msg = Msg;
    type Timer = OwnedTimer;
    type State = ParticipantState;
    type Storage = Saved;
    type Random = ();

    fn on_start(&self, id: Id, saved: &Option<Saved>, out: &mut Out<Self>) -> ParticipantState {
        match self {
            Participant::Node(node) => {
                let mut its = Out::new();
                let state = node.on_start(id, saved, &mut its);
                out.append(&mut its);
                ParticipantState::Node(Box::new(state))
            }
            Participant::Client(client) => {
                let mut its = Out::new();
                let state = client.on_start(id, saved, &mut its);
                out.append(&mut its);
                ParticipantState::Client(state)
            }
        }
    }

    fn on_msg(
        &self,
        id: Id,
        state: &mut Cow<'_, ParticipantState>,
        src: Id,
        msg: Msg,
        out: &mut Out<Self>,
    ) {
        let after = match (self, &**state) {
            (Participant::Node(node), ParticipantState::Node(before)) => {
                let (mut its, mut out_of_node) = (Cow::Borrowed(&**before), Out::new());
                node.on_msg(id, &mut its, src, msg, &mut out_of_node);
                out.append(&mut out_of_node);
                changed(its).map(|after| ParticipantState::Node(Box::new(after)))
            }
            (Participant::Client(client), ParticipantState::Client(before)) => {
                let (mut its, mut out_of_client) = (Cow::Borrowed(before), Out::new());
                client.on_msg(id, &mut its, src, msg, &mut out_of_client);
                out.append(&mut out_of_client);
                changed(its).map(ParticipantState::Client)
            }
            _ => None,
        };
        if let Some(after) = after {
            *state = Cow::Owned(after);
        }
    }

    fn on_timeout(
        &self,
        id: Id,
        state: &mut Cow<'_, ParticipantState>,
        timer: &OwnedTimer,
        out: &mut Out<Self>,
    ) {
        let (Participant::Node(node), ParticipantState::Node(before)) = (self, &**state) else {
            return;
        };
        let (mut its, mut out_of_node) = (Cow::Borrowed(&**before), Out::new());
        node.on_timeout(id, &mut its, timer, &mut out_of_node);
        out.append(&mut out_of_node);
        if let Some(after) = changed(its) {
            *state = Cow::Owned(ParticipantState::Node(Box::new(after)));
        }
    }

    fn name(&self) -> String {
        match self {
            Participant::Node(node) => node.name(),
            Participant::Client(client) => client.name(),
        }
    }
}

/// The state if it was written: Stateright takes a step that writes nothing for none.
fn changed<T: Clone>(state: Cow<'_, T>) -> Option<T> {
    match state {
        Cow::Borrowed(_) => None,
        Cow::Owned(after) => Some(after),
    }
}

//! The cluster as a space to explore.

use super::ClusterModel;
use super::action::Action;
use super::kind::Kind;
use super::state::{Spent, State, Violated};
use crate::explore::{Agreement, Known, Marks, Space};
use crate::scenario::{Mechanism, Property};
use dynamo_protocol::door::{Effect, Ignored, Note};
use dynamo_protocol::ids::NodeId;
use dynamo_protocol::membership::Phase;
use dynamo_protocol::message::Message;
use dynamo_protocol::node::Node;

impl Space for ClusterModel {
    type State = State;
    type Action = Action;

    fn initial(&self) -> State {
        ClusterModel::initial(self)
    }

    fn actions(&self, state: &State) -> Vec<Action> {
        ClusterModel::actions(self, state)
    }

    fn step(&self, state: &State, action: &Action, marks: &mut Marks) -> State {
        let mut after = state.clone();
        self.step_into(&mut after, state, action, marks);
        self.judge_stores(state, &mut after);
        after
    }

    fn step_into(&self, after: &mut State, state: &State, action: &Action, marks: &mut Marks) {
        if let Action::Crash(node) | Action::LoseDisk(node) = action
            && state.host(*node).disk().has_buffered()
        {
            marks.add(Mechanism::BufferLost as u32);
        }
        if let Action::Order { what, .. } = action
            && what.starts_with("down")
        {
            marks.add(Mechanism::DeclaredDown as u32);
        }
        self.go(state, action, after, &mut |_, effects| {
            effects.0.iter().filter_map(reached).for_each(|it| marks.add(it as u32));
        });
        // Its note says whose copies are merged, not that these are enough.
        if let Action::Deliver(envelope) = action
            && let Message::Page { .. } = envelope.message
            && is_whole(after, envelope.to)
            && !is_whole(state, envelope.to)
        {
            marks.add(Mechanism::Resynchronised as u32);
        }
    }

    fn judge(&self, before: &State, after: &mut State) {
        self.judge_stores(before, after);
    }

    fn violated(&self, state: &State) -> Violated {
        state.violated
    }

    fn violated_ahead(&self, state: &State, open: &[Property], known: &mut Known) -> Violated {
        let mut violated = Violated::default();
        for unanswered in self.unanswered(state, open, known) {
            violated.judge(unanswered.property, false);
        }
        violated
    }

    fn wanted(&self) -> Marks {
        let mut wanted = Marks::default();
        // The pass that judges the other properties goes first, and looks for them.
        if !self.has_history() {
            self.scenario().reaches.iter().for_each(|&it| wanted.add(it as u32));
        }
        wanted
    }

    fn is_fault(&self, action: &Action) -> bool {
        action.is_fault()
    }

    fn kind(&self, action: &Action) -> u8 {
        Kind::of(action) as u8
    }

    fn bytes(&self) -> u64 {
        self.memo.bytes()
    }

    fn spent(&self, state: &State) -> Spent {
        state.spent
    }

    fn agreement(&self, state: &State) -> Agreement {
        self.agreed(state)
    }
}

fn is_whole(state: &State, node: NodeId) -> bool {
    state.up(node).is_some_and(Node::is_whole)
}

/// The mechanism that an effect shows to be reached, if any.
fn reached(effect: &Effect) -> Option<Mechanism> {
    match effect {
        Effect::Send { message: Message::Forward(_), .. } => Some(Mechanism::Forwarded),
        Effect::Note(note) => match note {
            Note::Siblings(_) => Some(Mechanism::Siblings),
            Note::Repaired(_) => Some(Mechanism::ReadRepair),
            Note::Suspects(_) => Some(Mechanism::Suspected),
            Note::FreshEpoch(_) => Some(Mechanism::FreshEpoch),
            Note::Ignored(Ignored::Duplicate) => Some(Mechanism::DuplicateRefused),
            Note::KeptHint(_) => Some(Mechanism::HintKept),
            Note::MergedHint(_) => Some(Mechanism::HintDelivered),
            Note::ReleasedHint(_) => Some(Mechanism::HintReleased),
            Note::FallbackRead(_) => Some(Mechanism::FallbackRead),
            Note::FallbackPut(_) => Some(Mechanism::FallbackPut),
            Note::Exchanged(_) => Some(Mechanism::ObjectExchanged),
            Note::Reaped => Some(Mechanism::Reaped),
            Note::Layout(view) => match view.phase {
                Phase::Moving => Some(Mechanism::LayoutMoves),
                Phase::Settled => Some(Mechanism::LayoutChanged),
                Phase::Reading => None,
            },
            Note::Withdrawn(_) => Some(Mechanism::Withdrawn),
            Note::Ignored(Ignored::OtherView) => Some(Mechanism::OtherViewRefused),
            Note::Dropped => Some(Mechanism::CopyDropped),
            Note::Rehomed(_) => Some(Mechanism::HintRehomed),
            Note::Resynchronised(_) | Note::Trusts(_) | Note::Ignored(_) => None,
        },
        _ => None,
    }
}

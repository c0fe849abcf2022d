//! The cluster model as a Stateright model.

use super::checker::Judged;
use crate::scenario::Property as Question;
use crate::trace::{Trace, svg};
use crate::world::{Action, ClusterModel, State};
use ::stateright::{Model, Path, Property};

/// A property that is always true: while it is undecided Stateright does not stop early.
pub const EXPLORE_EVERYTHING: &str = "explore everything";

/// Draws the actions of a path as an SVG picture.
type Diagram = fn(&ClusterModel, &[Action]) -> Option<String>;

/// What draws the pictures of the Explorer.
const DIAGRAM: Diagram = |model, actions| Some(svg::diagram(&Trace::new(model, None, actions)));

impl Model for ClusterModel {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![self.initial()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        actions.extend(ClusterModel::actions(self, state));
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        Some(self.step(state, &action))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties(self.asked())
    }

    fn format_action(&self, action: &Action) -> String {
        action.to_string()
    }

    fn format_step(&self, state: &State, action: Action) -> Option<String> {
        Some(self.describe(&self.step(state, &action)))
    }

    fn as_svg(&self, path: Path<State, Action>) -> Option<String> {
        DIAGRAM(self, &path.into_actions())
    }
}

/// The properties asked that can be judged at a state as Stateright's, and [`EXPLORE_EVERYTHING`].
pub(super) fn properties<M: Judged>(asked: impl Iterator<Item = Question>) -> Vec<Property<M>> {
    asked
        .filter_map(|asked| Some(Property::always(asked.name(), condition(asked)?)))
        .chain([Property::always(EXPLORE_EVERYTHING, |_, _| true)])
        .collect()
}

type Condition<M> = fn(&M, &<M as Model>::State) -> bool;

/// Stateright takes functions that capture nothing: one for each property. None for those that speak
/// of continuations: Stateright cannot decide AG EF, only our engine can.
fn condition<M: Judged>(property: Question) -> Option<Condition<M>> {
    macro_rules! holds {
        ($($Property:ident),*) => {
            match property {
                $(Question::$Property => Some(|model, state| {
                    !model.false_at(state).has(Question::$Property)
                }),)*
                Question::Converges | Question::AvailableWrites | Question::AvailableReads => None,
            }
        };
    }
    holds!(
        NoLostWrite,
        UniqueDots,
        NoFalseConcurrency,
        BoundedSiblings,
        ReadYourWrites,
        MonotonicReads,
        Regular,
        Linearizable,
        DurableF,
        NoResurrection
    )
}

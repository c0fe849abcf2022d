//! The cluster for Stateright, in two encodings.
//!
//! | encoding | what it is | what it is for |
//! |---|---|---|
//! | cluster | `impl Model for` [`ClusterModel`](crate::world::ClusterModel) | the Explorer; a second opinion on counts |
//! | actor | [`ActorEncoding`]: an `ActorModel` of [`DynamoNode`]s and [`ScriptedClient`]s | the same nodes under a network that we did not write |
//!
//! [`check`] judges a scenario with Stateright's own checkers. The verdicts of this project come from [`crate::explore`], not from here: Stateright 0.31 does not
//! return shortest traces, skips states whose timers belong to different actors, holds messages to
//! crashed actors, and bounds simultaneous crashes only. `tests/stateright_defects.rs` and
//! `tests/stateright_actor_defects.rs` show each; `tests/encodings.rs` shows that the two encodings
//! reach the same node states and answers wherever no timer is set.

mod actors;
mod checker;
mod encoding;
mod explorer;
mod model;
mod participant;

pub use actors::{ClientState, DynamoNode, Msg, NodeState, OwnedTimer, Saved, ScriptedClient};
pub use checker::{Judged, Order, can_judge, check, run};
pub use encoding::{
    ActorEncoding, Encoded, EncodedAction, EncodedState, EncodingError, observed, seen,
};
pub use explorer::{Explorable, ExplorerError, explorer_path, free_address, serve};
pub use model::EXPLORE_EVERYTHING;
pub use participant::{Participant, ParticipantState};

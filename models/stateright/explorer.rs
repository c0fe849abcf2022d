//! Stateright's Explorer: states and steps in a web browser.

use super::encoding::Encoded;
use crate::explore::{Marks, Space};
use crate::world::ClusterModel;
use ::stateright::Model;
use std::fmt::Debug;
use std::hash::Hash;
use std::net::{SocketAddr, TcpListener};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Why the Explorer does not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExplorerError {
    /// The address cannot be listened on.
    #[error(
        "{address} cannot be listened on ({error}): choose another port, or 0 for any free one"
    )]
    Address {
        /// Which.
        address: SocketAddr,
        /// Why.
        error: std::io::Error,
    },
    /// The server, or the model in it, has panicked.
    #[error("the Explorer has stopped unexpectedly: {0}")]
    Stopped(String),
}

/// A free address to serve at: `address` itself, or with any free port if its port is 0.
///
/// # Errors
/// If it is taken.
pub fn free_address(address: SocketAddr) -> Result<SocketAddr, ExplorerError> {
    TcpListener::bind(address)
        .and_then(|listener| listener.local_addr())
        .map_err(|error| ExplorerError::Address { address, error })
}

/// What the Explorer can show and our engine can explore: both encodings.
pub trait Explorable:
    Model<
        State: Debug + Hash + Clone + PartialEq + Send + Sync,
        Action: Debug + Clone + PartialEq + Send + Sync,
    > + Space<State = <Self as Model>::State, Action = <Self as Model>::Action>
    + Send
    + Sync
    + 'static
{
}

impl Explorable for ClusterModel {}
impl Explorable for Encoded {}

/// Serves the Explorer at `address` for ever. It checks nothing until its user asks it to run to
/// completion.
pub fn serve<M: Explorable>(model: M, address: SocketAddr) -> ExplorerError {
    let served = catch_unwind(AssertUnwindSafe(|| {
        model.checker().serve(address);
    }));
    let reason = match served {
        Ok(()) => "the server has ended".to_string(),
        Err(panic) => match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
            (Some(text), _) => text.to_string(),
            (_, Some(text)) => text.clone(),
            _ => "its cause is on standard error".to_string(),
        },
    };
    ExplorerError::Stopped(reason)
}

/// Where the page shows the state after `actions`: `/#/steps/0/3/1`, the 0 being the initial state,
/// every other number the place of an action among those possible.
pub fn explorer_path<M: Explorable>(model: &M, actions: &[<M as Model>::Action]) -> String {
    let mut path = String::from("/#/steps");
    if actions.is_empty() {
        return path;
    }
    let mut state = model.initial();
    path.push_str("/0");
    for action in actions {
        let possible = Space::actions(model, &state);
        let Some(place) = possible.iter().position(|candidate| candidate == action) else { break };
        path.push_str(&format!("/{place}"));
        state = model.step(&state, action, &mut Marks::default());
    }
    path
}

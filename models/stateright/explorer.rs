//! Stateright's Explorer: states and steps in a web browser.

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

/// Serves the Explorer at `address` for ever. It checks nothing until its user asks it to run to
/// completion.
pub fn serve<M>(model: M, address: SocketAddr) -> ExplorerError
where
    M: 'static + Model + Send + Sync,
    M::Action: Debug + Clone + PartialEq + Send + Sync,
    M::State: Debug + Hash + Clone + PartialEq + Send + Sync,
{
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
pub fn explorer_path<M>(model: &M, actions: &[M::Action]) -> String
where
    M: Model,
    M::Action: Clone + PartialEq,
{
    let mut path = String::from("/#/steps");
    let Some(mut state) = model.init_states().into_iter().next().filter(|_| !actions.is_empty())
    else {
        return path;
    };
    path.push_str("/0");
    for action in actions {
        let mut possible = Vec::new();
        model.actions(&state, &mut possible);
        let Some(place) = possible.iter().position(|candidate| candidate == action) else { break };
        path.push_str(&format!("/{place}"));
        state = model.next_state(&state, action.clone()).unwrap_or(state);
    }
    path
}

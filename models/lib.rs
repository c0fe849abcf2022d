//! Small Dynamo clusters, checked exhaustively.
//!
//! | module | what it is |
//! |---|---|
//! | [`scenario`] | the question: a TOML file |
//! | [`world`] | the cluster model: the protocol's own nodes, network, clients, faults, ghost, properties |
//! | [`explore`] | the engine: breadth-first, shortest traces |
//! | [`seal`] | hashing |
//! | `stateright` | the same cluster as a Stateright model and as Stateright actors; the Explorer |
//! | [`theorems`] | what a configuration promises, and all that is enough to break it |
//! | [`trace`] | one run, told in text, JSON, Mermaid, SVG and ShiViz, and run again |

pub mod check;
pub mod explore;
#[cfg(feature = "museum")]
pub mod museum;
pub mod scenario;
pub mod seal;
#[cfg(feature = "stateright")]
pub mod stateright;
pub mod theorems;
pub mod trace;
pub mod world;

/// The sources of the core and of this crate, hashed: what other sources have found may be wrong.
pub const SOURCES: &str = env!("DYNAMO_SOURCES");

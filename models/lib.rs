//! Small Dynamo clusters, checked exhaustively.
//!
//! | module | what it is |
//! |---|---|
//! | [`scenario`] | the question: a TOML file |
//! | [`world`] | the cluster model: the protocol's own nodes, network, clients, faults, ghost, properties |
//! | [`explore`] | the engine: breadth-first, shortest traces |
//! | [`seal`] | hashing |

pub mod check;
pub mod explore;
pub mod scenario;
pub mod seal;
pub mod world;

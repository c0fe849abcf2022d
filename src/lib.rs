//! One Dynamo: checked exhaustively, simulated, and run over UDP.

#[cfg(feature = "pbs")]
pub mod analysis;
#[cfg(feature = "node")]
pub mod client;
#[cfg(feature = "node")]
pub mod node;
#[cfg(feature = "check")]
pub mod report;
#[cfg(feature = "node")]
pub mod torture;
#[cfg(feature = "node")]
pub mod wire;

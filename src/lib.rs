//! One Dynamo: checked exhaustively, simulated, and run over UDP.

#[cfg(feature = "pbs")]
pub mod analysis;
#[cfg(feature = "node")]
pub mod client;
#[cfg(feature = "pbs")]
pub mod latency;
#[cfg(feature = "node")]
pub mod measure;
#[cfg(feature = "node")]
pub mod node;
#[cfg(feature = "check")]
pub mod report;
#[cfg(any(feature = "node", feature = "sim"))]
pub mod shell;
#[cfg(feature = "sim")]
pub mod sim;
#[cfg(feature = "node")]
pub mod torture;
#[cfg(feature = "node")]
pub mod wire;

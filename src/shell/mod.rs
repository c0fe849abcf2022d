//! What every shell around the core needs that has a clock, be it real or simulated: how the
//! cluster is described, how long the core's delays are, which timers run, when to gossip.

pub mod counters;
pub mod delays;
pub mod gossip;
pub mod scheme;
pub mod timers;

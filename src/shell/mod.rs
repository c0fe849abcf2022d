//! What every shell around the core needs that has a clock, be it real or simulated: how the
//! cluster is described, how long the core's delays are, which timers run, when to gossip, and which
//! leg of a request a message is.

pub mod counters;
pub mod delays;
pub mod gossip;
pub mod leg;
pub mod scheme;
pub mod timers;

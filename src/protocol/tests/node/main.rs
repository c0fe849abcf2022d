//! One node through its door, with an in-memory disk.

#[path = "../common/mod.rs"]
mod common;

mod aborts;
mod agree;
mod any;
mod cluster;
mod commands;
mod durability;
mod epochs;
mod exchange;
mod forward;
mod get;
mod handoff;
mod homes;
mod limits;
mod members;
mod moves;
mod put;
mod reap;
mod reap_limits;
mod resync;
mod sloppy;
mod start;
mod total;
mod town;

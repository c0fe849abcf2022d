//! The deterministic core of Dynamo: one state machine a node, no clock, no randomness, no I/O.
//!
//! [`node::Node::handle`] is the one door: an [`door::Input`] goes in, [`door::Effects`] come out.
//! The model checker explores exactly this code, and the UDP runtime runs it.
//!
//! | module | what it is |
//! |---|---|
//! | [`ring`] | who owns a key: partitioning, preference lists (paper §4.2, §4.3, §6.2) |
//! | [`versions`] | what a key holds and how copies merge (paper §4.4) |
//! | [`quorum`] | how many distinct replicas have answered (paper §4.5) |
//! | [`node`] | puts, gets, forwarding, read repair (paper §4.5, §5) |
//! | [`store`] | what a node keeps on disk |
#![no_std]

extern crate alloc;

pub mod config;
pub mod door;
pub mod ids;
pub mod limits;
pub mod message;
pub mod node;
pub mod quorum;
pub mod ring;
pub mod store;
pub mod versions;

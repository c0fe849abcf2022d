//! One node through its door, with an in-memory disk.

#[path = "../common/mod.rs"]
mod common;

mod epochs;
mod forward;
mod get;
mod limits;
mod put;
mod start;
mod total;

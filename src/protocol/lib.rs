//! The deterministic core of Dynamo.
#![no_std]

extern crate alloc;

pub mod ids;

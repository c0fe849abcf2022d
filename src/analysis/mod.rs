//! What follows from numbers alone: pure functions of their arguments, which use nothing else of
//! this project, no clock and no files, and give the same bits on every machine.

pub mod history;
pub mod pbs;

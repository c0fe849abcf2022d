//! The command `dynamo`.
fn main() {}

//! The `hansard` command.
fn main() {}

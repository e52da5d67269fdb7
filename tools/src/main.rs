//! The `moraine` command.
#![forbid(unsafe_code)]
fn main() {}

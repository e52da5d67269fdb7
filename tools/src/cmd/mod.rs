//! The subcommands: each reads its arguments, calls the engine or the server, and prints.

pub mod fsck;
pub mod inspect;
pub mod serve;

//! The subcommands: each reads its arguments, calls the engine, the server or its admin API, and prints.

pub mod bucket;
pub mod fsck;
pub mod inspect;
pub mod key;
pub mod serve;
pub mod status;
pub mod tenant;

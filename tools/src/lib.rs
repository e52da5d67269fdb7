//! The parts of the `moraine` command that others attack: how its settings are read. A library only so that the fuzz targets
//! can call them; its interface is nobody's but theirs and the command's.
#![forbid(unsafe_code)]
#![cfg(feature = "command")]

pub mod bytes;
pub mod domain;
pub mod failure;
pub mod logging;
pub mod settings;

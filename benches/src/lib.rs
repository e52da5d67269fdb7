//! What the measurements share. Each binary of `src/bin` has its module here under its own name.
#![forbid(unsafe_code)]

pub mod load;
pub mod peer;

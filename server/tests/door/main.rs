//! The door from outside: a real server on a real store, spoken to in bytes over a socket.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "the helpers of tests are tests: what they did not expect ends them"
)]

mod admin;
mod aws_chunked;
mod client;
mod conditions;
mod damage;
mod drain;
mod guards;
mod hosts;
mod integrity;
mod keys;
mod links;
mod links_v2;
mod listing;
mod logs;
mod memory;
mod multipart;
mod preflight;
mod public;
mod ranges;
mod read_only;
mod replay;
mod server;
mod signatures;
mod signer;
mod stream_texts;
mod tenancy;
mod timeouts;

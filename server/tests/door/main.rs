//! The door from outside: a real server on a real store, spoken to in bytes over a socket.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "the helpers of tests are tests: what they did not expect ends them"
)]

mod admin;
mod admin_api;
mod aws_chunked;
mod client;
mod conditions;
mod connections;
mod damage;
mod drain;
mod guards;
mod integrity;
mod keys;
mod lengths;
mod listing;
mod logs;
mod memory;
mod multipart;
mod public;
mod ranges;
mod read_only;
mod server;
mod smuggling;
mod stream_texts;
mod tenancy;
mod timeouts;
mod unread;
mod xml_bodies;

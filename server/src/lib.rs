//! The S3 and HTTP gateway of Moraine: a thin door on the engine that knows nothing of files.
//!
//! A request passes, in this order: the socket wrapper (`wire`), the guards (`guards`, `signature`), then either the
//! anonymous reads (`public`, `preflight`) or `s3s` (signatures, XML, routing), whose body is watched by `body`; then one
//! file of `ops`. What it is about, its `address`, comes from its path and its host (`hosts`).
//! What `s3s` does not check (truncation, trailers, digests, sub-resources that it does not know) is checked here, so
//! that a PUT which answers 200 has stored exactly what the client meant.
//!
//! The admin listener (`admin`) is a separate socket with health and metrics.
#![forbid(unsafe_code)]

mod access;
mod address;
mod admin;
mod attributes;
mod body;
mod checksum;
mod conditions;
mod config;
mod connection;
mod context;
mod door;
mod errors;
mod front;
mod guards;
mod hosts;
mod metrics;
mod ops;
mod patience;
mod preflight;
mod public;
mod query;
mod range;
mod region;
mod restate;
mod server;
mod signature;
mod wire;

pub use config::{Limits, ServerConfig};
pub use hosts::{BadDomain, Domains};
pub use server::{ServeError, Server, serve};

//! The S3 and HTTP gateway of Moraine: a thin door on the engine that knows nothing of files.
//!
//! A request passes, in this order: the socket wrapper (`wire`), the guards (`guards`,
//! `signed_headers`), then either the anonymous
//! reads (`public`) or `s3s` (signatures, XML, routing), whose body is watched by `body`; then one file of `ops`.
//! What `s3s` does not check (truncation, trailers, digests, sub-resources that it does not know) is checked here, so
//! that a PUT which answers 200 has stored exactly what the client meant.
//!
//! The admin listener (`admin`) is a separate socket with health, metrics, and the API for tenants, keys and buckets.
#![forbid(unsafe_code)]

mod access;
mod acl;
mod admin;
mod admission;
mod attributes;
mod body;
mod book;
mod checksum;
mod completions;
mod conditions;
mod config;
mod connection;
mod context;
mod door;
mod error_subject;
mod errors;
mod front;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod guards;
mod heads;
mod metrics;
mod ops;
mod patience;
mod process;
mod public;
mod range;
mod refusal;
mod restate;
mod second_pass;
mod server;
mod signed_headers;
mod versions;
mod wire;

pub use config::{Limits, ServerConfig};
pub use server::{ServeError, Server, serve};

//! The S3 and HTTP gateway of Moraine: a thin door on the engine that knows nothing of files.
//!
//! A connection is let in (`admission`) and served (`connection`). A request passes, in this order: the socket wrapper
//! (`wire`, `heads`), the guards (`guards`, `signature`), then either the anonymous reads (`public`, `preflight`) or `s3s`
//! (signatures, XML, routing), whose body is watched by `body`; then one file of `ops`. What it is about, its `address`,
//! comes from its path and its host (`hosts`).
//! What `s3s` does not check (truncation, trailers, digests, sub-resources that it does not know) is checked here, so
//! that a PUT which answers 200 has stored exactly what the client meant.
//!
//! The admin listener (`admin`) is a separate socket with health, metrics, and the API for tenants, keys and buckets.
#![forbid(unsafe_code)]

mod access;
mod acl;
mod address;
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
mod error_sentences;
mod error_subject;
mod errors;
mod face;
mod front;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod guards;
mod heads;
mod hosts;
mod metrics;
mod ops;
mod patience;
mod preflight;
mod process;
mod public;
mod query;
mod quick;
mod range;
mod refusal;
mod region;
mod restate;
mod second_pass;
mod server;
mod shares;
mod signature;
mod versions;
mod wire;

pub use config::{Limits, ServerConfig};
pub use hosts::{BadDomain, Domains};
pub use server::{OTHER_CONNECTIONS_MAX, ServeError, Server, serve};

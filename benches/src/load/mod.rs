//! A load generator for S3 and for plain HTTP servers of files, cheap enough to share two cores with what it measures.
//!
//! One thread or two, each with its own sockets behind one `epoll`; requests are prepared bytes, bodies are pieces of one
//! template that never gets copied, and answers are compared with it where the kernel put them. Everything that is not
//! as it should be (a status, a byte, a length, a broken connection) is an error, counted, and the first few are kept in words.

pub mod body;
pub mod connection;
pub mod histogram;
pub mod phase;
pub mod random;
pub mod readback;
pub mod report;
pub mod requests;
pub mod signer;
pub mod usage;
pub mod worker;

/// What a measurement returns: a sentence if it could not be done.
pub type Done<T = ()> = Result<T, String>;

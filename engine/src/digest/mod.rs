//! MD5, which S3 calls an ETag: more work than everything else that happens to new content together, and so the one digest
//! that is computed for several bodies at once.
//!
//! [`Md5`] is one message, `lanes` takes blocks of several in lockstep, [`Batcher`] brings the bodies together that wait at
//! one moment. The functions are checked against the `md-5` crate.

mod batcher;
mod lanes;
mod message;
mod rounds;

pub(crate) use batcher::Batcher;
pub(crate) use message::Md5;

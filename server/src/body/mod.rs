//! Bodies, in and out: the watcher around what a client sends, and those that the server sends.

mod aws_chunked;
mod blob;
mod marked_sections;
mod metered;
mod one_declaration;
mod watched;

#[cfg(feature = "fuzzing")]
pub use aws_chunked::AwsChunked;
pub use blob::{BlobBody, BlobBroken};
pub use metered::Metered;
pub use one_declaration::OneDeclaration;
pub use watched::{Kind, Supervision, Watched};

/// What can be wrong with a body as it comes in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BodyFault {
    /// The connection ended, or the final chunk is missing.
    #[error("the body ended before it was complete")]
    Truncated,
    /// Nothing came for too long, or too little.
    #[error("the body came too slowly")]
    TooSlow,
    /// The aws-chunked coding is not well-formed.
    #[error("the aws-chunked coding of the body is malformed")]
    Malformed,
    /// One aws-chunked chunk is larger than the server gathers.
    #[error("a chunk of the body is larger than 2 MiB")]
    ChunkTooLarge,
    /// There was no memory to gather a chunk in.
    #[error("there was no memory for a chunk of the body")]
    NoMemory,
    /// An XML body holds a CDATA section.
    #[error("CDATA sections are not supported")]
    MarkedSection,
}

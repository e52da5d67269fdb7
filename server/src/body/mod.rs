//! Bodies, in and out: the watcher around what a client sends, and those that the server sends.

mod aws_chunked;
mod blob;
mod late;
mod metered;
mod one_declaration;
mod structured;
mod watched;
pub(crate) mod xml;
mod xml_chars;
mod xml_elements;
mod xml_references;
mod xml_text;

#[cfg(feature = "fuzzing")]
pub use aws_chunked::AwsChunked;
pub use blob::{BlobBody, BlobBroken};
pub use late::{Late, document};
pub use metered::Metered;
pub use one_declaration::OneDeclaration;
pub use watched::{Supervision, Watched};
pub use xml_references::without_high_references;
pub use xml_text::{in_namespace, readable};

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
    #[error("a chunk of the body is larger than 8 MiB")]
    ChunkTooLarge,
    /// There was no memory to gather a chunk in.
    #[error("there was no memory for a chunk of the body")]
    NoMemory,
    /// An XML body is not a plain, well-formed document.
    #[error("the XML you provided was not well-formed: {0}")]
    Xml(&'static str),
    /// An XML body is larger than the server gathers.
    #[error("the XML body is larger than 2 MiB")]
    XmlTooLarge,
    /// An XML body is coded as aws-chunked, or announces trailers.
    #[error("an XML body in the aws-chunked coding or with trailers is not implemented")]
    CodedXml,
    /// An XML body asks for something that is not there.
    #[error("an element of the XML body asks for what is not implemented")]
    ForeignXml,
    /// `Content-MD5` is not an MD5.
    #[error("the Content-MD5 is not valid")]
    InvalidMd5,
    /// `x-amz-checksum-*` is not a checksum.
    #[error("the value of an x-amz-checksum header is not valid")]
    InvalidChecksum,
    /// The body does not have the digest of that name that its sender gave.
    #[error("the {0} that was given is not that of the body")]
    Digest(&'static str),
}

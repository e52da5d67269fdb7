//! The parsers of outside bytes, as functions that take any bytes and panic if a property does not hold. For the crate
//! `moraine-fuzz` alone: behind the feature `fuzzing`, not a part of the public surface.
//!
//! Each target has the name of the parser that it attacks. None is content with "no panic": it compares with a slow,
//! obvious twin, or with another parser that has to agree (`httparse`, which is `hyper`'s; `s3s`), or checks that pieces
//! give the same as the whole and that what was accepted is within the limits.

mod acl;
mod address;
mod admin;
mod attributes;
mod aws_chunked;
mod checksums;
mod conditions;
mod copy_source;
mod heads;
mod listing;
mod range;
mod signature;
mod xml;

pub use acl::acl;
pub use address::address;
pub use admin::admin;
pub use attributes::attributes;
pub use aws_chunked::aws_chunked;
pub use checksums::checksums;
pub use conditions::conditions;
pub use copy_source::copy_source;
pub use heads::heads;
pub use listing::listing;
pub use range::range;
pub use signature::signature;
pub use xml::xml;

use crate::config::Limits;
use http::Request;
use http::request::Parts;

/// The head of a request as `hyper` would hand it over: what is not a head to `hyper`'s parser reaches nobody.
fn head(data: &[u8]) -> Option<Parts> {
    head_and_body(data).map(|(parts, _)| parts)
}

/// The same, and what follows it.
fn head_and_body(data: &[u8]) -> Option<(Parts, &[u8])> {
    let mut headers = [httparse::EMPTY_HEADER; Limits::HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(end) = request.parse(data).ok()? else {
        return None;
    };
    let mut builder = Request::builder()
        .method(request.method?)
        .uri(request.path?);
    for header in request.headers.iter() {
        builder = builder.header(header.name, header.value);
    }
    let (parts, ()) = builder.body(()).ok()?.into_parts();
    Some((parts, data.get(end..).unwrap_or_default()))
}

//! What a request is about: `address` and `hosts` say the same as `s3s` says of the same host and path, refuse no path
//! without a reason, and an address that is escaped and read again is the same address.

use crate::address::{Address, locate};
use crate::hosts::Domains;
use http::Request;
use http::header::HOST;
use http::request::Parts;
use s3s::host::S3Host;
use s3s::path::{
    ParseS3PathError, S3Path, parse_virtual_hosted_style,
    parse_virtual_hosted_style_with_validation,
};
use s3s::validation::NameValidation;
use std::fmt::Write;

/// Two of which one ends in the other, and one of a single label.
const DOMAINS: [&str; 3] = ["example.org", "s3.example.org", "localhost"];

/// Lets every bucket through: how a request is split is asked, not which names there are.
struct AnyName;

impl NameValidation for AnyName {
    fn validate_bucket_name(&self, _: &str) -> bool {
        true
    }
}

/// Attacks `address` and `hosts`. The first line is the host, the rest the target of the request.
pub fn address(data: &[u8]) {
    let Some(end) = data.iter().position(|byte| *byte == b'\n') else {
        return;
    };
    let (host, target) = data.split_at(end);
    let Some(parts) = target.get(1..).and_then(|target| head(host, target)) else {
        return;
    };
    let domains = Domains::new(&DOMAINS.map(str::to_owned)).expect("these are domains");
    let path = decoded(parts.uri.path());
    match locate(&domains, &parts) {
        Ok(found) => {
            let path = path.expect("what was located was decoded");
            assert!(path.starts_with('/'), "{path:?}");
            alike(&domains, &parts, &path, &found);
            again(&domains, &parts, &found);
        }
        Err(_) => assert!(
            path.is_none_or(|path| !path.starts_with('/') || path.contains("..")),
            "{parts:?} was refused without a reason"
        ),
    }
}

fn head(host: &[u8], target: &[u8]) -> Option<Parts> {
    let request = Request::builder().uri(target).header(HOST, host).body(());
    request.ok().map(|request| request.into_parts().0)
}

/// The obvious decoder: `None` if a percent sign is not followed by two hexadecimal digits, or the bytes are not UTF-8.
fn decoded(text: &str) -> Option<String> {
    let mut pieces = text.split('%');
    let mut bytes = pieces.next()?.as_bytes().to_vec();
    for piece in pieces {
        let (digits, rest) = piece.split_at_checked(2)?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

/// `s3s` splits alike; that it refuses long keys, and buckets by their names, comes later here.
fn alike(domains: &Domains, parts: &Parts, path: &str, found: &Address) {
    let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok());
    let named = host.and_then(|host| domains.parse_host_header(host).ok());
    let bucket = named.as_ref().and_then(|named| named.bucket());
    let ours = match (&found.bucket, &found.key) {
        (None, _) => S3Path::root(),
        (Some(bucket), None) => S3Path::bucket(bucket),
        (Some(bucket), Some(key)) => S3Path::object(bucket, key),
    };
    match parse_virtual_hosted_style_with_validation(bucket, path, &AnyName) {
        Ok(theirs) => assert_eq!(ours, theirs, "{path:?}"),
        Err(ParseS3PathError::KeyTooLong) => {
            assert!(found.key.as_ref().is_some_and(|key| key.len() > 1024));
        }
        Err(error) => panic!("{path:?}: {error}"),
    }
    if let Ok(theirs) = parse_virtual_hosted_style(bucket, path) {
        assert_eq!(ours, theirs, "{path:?}");
    }
}

/// The same address, every byte of it escaped: on the same host, and in the path of a host that names no bucket.
fn again(domains: &Domains, parts: &Parts, found: &Address) {
    let (Some(bucket), Some(host)) = (&found.bucket, parts.headers.get(HOST)) else {
        return;
    };
    let key = escaped(found.key.as_deref().unwrap_or_default());
    let in_host = host
        .to_str()
        .is_ok_and(|host| domains.bucket(host).is_some());
    if in_host {
        same(domains, host.as_bytes(), &format!("/{key}"), found);
    }
    // A host may have a slash where no bucket has one: no path names that.
    if !bucket.contains('/') {
        let path = format!("/{}/{key}", escaped(bucket));
        let plain: &[u8] = if in_host {
            b"127.0.0.1:8900"
        } else {
            host.as_bytes()
        };
        same(domains, plain, &path, found);
    }
}

fn same(domains: &Domains, host: &[u8], path: &str, found: &Address) {
    // A target has a limit, which three bytes for one may break.
    if let Some(parts) = head(host, path.as_bytes()) {
        assert_eq!(locate(domains, &parts).ok().as_ref(), Some(found), "{path}");
    }
}

fn escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "%{byte:02X}");
        out
    })
}

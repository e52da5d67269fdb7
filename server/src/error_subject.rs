//! What an error is about: the bucket or key, which S3 names in its error documents and the errors of `s3s` do not carry.
//!
//! A key that XML cannot carry is not named, and the path then stands as it was sent: strict parsers would refuse the whole
//! document, and their clients not learn which error it was.

use crate::address::{Address, percent_decoded};
use bytes::Bytes;

/// The element that the names come before: every error document of the server has it, once.
const BEHIND: &str = "<RequestId>";

/// The error document with the names of what the request was about, where S3 has them. `path` is that of the request, as it
/// was sent, and `address` what it means, if it means anything. Another document stays as it is.
pub fn named(document: Bytes, path: &str, address: Option<&Address>) -> Bytes {
    let Ok(text) = std::str::from_utf8(&document) else {
        return document;
    };
    let Some((head, tail)) = text
        .split_once(BEHIND)
        .filter(|(head, _)| head.contains("<Error>"))
    else {
        return document;
    };
    let readable = decoded(path).filter(|path| is_carried(path));
    let path = readable.unwrap_or_else(|| path.to_owned());
    let (bucket, key) = address
        .map(|it| (it.bucket.as_deref(), it.key.as_deref()))
        .unwrap_or_default();
    let (bucket, key) = (bucket.unwrap_or_default(), key.unwrap_or_default());
    let mut out = String::with_capacity(text.len() + 3 * path.len() + 64);
    out.push_str(head);
    match code(head) {
        "NoSuchKey" | "NoSuchVersion" if is_carried(key) => element(&mut out, "Key", key),
        "NoSuchBucket"
        | "BucketNotEmpty"
        | "BucketAlreadyExists"
        | "BucketAlreadyOwnedByYou"
        | "InvalidBucketName" => element(&mut out, "BucketName", bucket),
        _ => {}
    }
    element(&mut out, "Resource", &path);
    out.push_str(BEHIND);
    out.push_str(tail);
    out.into()
}

fn code(document: &str) -> &str {
    let code = document.split_once("<Code>").map(|(_, rest)| rest);
    code.and_then(|rest| rest.split('<').next())
        .unwrap_or_default()
}

/// The path without percent-encoding, if it was well encoded.
fn decoded(path: &str) -> Option<String> {
    String::from_utf8(percent_decoded(path)?).ok()
}

/// Whether XML has all of these characters.
fn is_carried(text: &str) -> bool {
    let foreign = |it: char| {
        matches!(it, '\0'..' ' | '\u{fffe}' | '\u{ffff}') && !matches!(it, '\t' | '\n' | '\r')
    };
    !text.contains(foreign)
}

fn element(out: &mut String, name: &str, text: &str) {
    out.push('<');
    out.push_str(name);
    out.push('>');
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            other => out.push(other),
        }
    }
    out.push_str("</");
    out.push_str(name);
    out.push('>');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: &str) -> Bytes {
        format!("<Error><Code>{code}</Code><Message>m</Message><RequestId>1</RequestId></Error>")
            .into()
    }

    fn of(code: &str, path: &str, bucket: &str, key: &str) -> Bytes {
        let address = Address {
            bucket: Some(bucket.to_owned()),
            key: Some(key.to_owned()),
        };
        named(error(code), path, Some(&address))
    }

    fn text(document: Bytes) -> String {
        String::from_utf8(document.to_vec()).unwrap()
    }

    #[test]
    fn a_missing_key_is_named() {
        let named = text(of("NoSuchKey", "/media/a%20%3C/b%26", "media", "a </b&"));
        assert!(
            named.contains(
                "<Message>m</Message><Key>a &lt;/b&amp;</Key><Resource>/media/a &lt;/b&amp;</Resource><RequestId>1</RequestId></Error>"
            ),
            "{named}"
        );
    }

    #[test]
    fn a_bucket_is_named_without_its_key() {
        let named = text(of("NoSuchBucket", "/media/k", "media", "k"));
        assert!(
            named.contains("<BucketName>media</BucketName><Resource>/media/k</Resource>"),
            "{named}"
        );
    }

    #[test]
    fn a_bucket_in_the_host_is_named() {
        let named = text(of("NoSuchBucket", "/k", "media", "k"));
        assert!(
            named.contains("<BucketName>media</BucketName><Resource>/k</Resource>"),
            "{named}"
        );
    }

    #[test]
    fn a_key_that_xml_cannot_carry_is_not_named() {
        let named = text(of(
            "NoSuchKey",
            "/media/a%01%C3%A9",
            "media",
            "a\u{1}\u{e9}",
        ));
        assert!(
            named.contains("<Resource>/media/a%01%C3%A9</Resource>"),
            "{named}"
        );
        assert!(!named.contains("<Key>"), "{named}");
    }

    #[test]
    fn a_path_that_is_badly_encoded_is_named_as_it_is() {
        let named = text(named(error("InvalidURI"), "/media/%zz%ff", None));
        assert!(
            named.contains("<Resource>/media/%zz%ff</Resource>"),
            "{named}"
        );
    }

    #[test]
    fn other_documents_stay() {
        let document = Bytes::from_static(
            b"<ListBucketResult><Key>&lt;RequestId&gt;</Key></ListBucketResult>",
        );
        assert_eq!(named(document.clone(), "/media", None), document);
    }
}

//! What listings take and give: tokens, markers, groups, and names in XML that every parser reads.

use crate::body::readable;
use crate::ops::list_objects_v2::{resume, token};
use crate::ops::listing::{Encoding, behind, group};
use bytes::Bytes;
use moraine_engine::ListStart;

/// Attacks `ops::listing`, the continuation tokens and `body::xml_text`. Zero bytes part the fields.
pub fn listing(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(start) = resume(text) {
        let again = token(start.clone()).and_then(|token| resume(&token).ok());
        assert_eq!(again, Some(start), "{text}");
    }
    let mut fields = text.split('\0');
    let mut field = || fields.next().unwrap_or_default();
    let (key, prefix, delimiter) = (field(), field(), field());
    let found = group(key.as_bytes(), prefix.as_bytes(), delimiter.as_bytes());
    assert_eq!(
        found.map(<[u8]>::to_vec),
        slow_group(key, prefix, delimiter)
    );
    match behind(key, prefix, delimiter) {
        ListStart::First => assert!(key.is_empty()),
        ListStart::AfterKey(at) => assert_eq!(at, key.as_bytes()),
        ListStart::AfterPrefix(at) => assert!(at == key.as_bytes() && found == Some(at.as_slice())),
    }
    let encoded = Encoding::Url.text(text.to_owned());
    assert!(encoded.is_ascii() && decoded(&encoded) == data, "{encoded}");
    let document = Bytes::copy_from_slice(data);
    let sent = readable(document.clone());
    assert!(sent.len() <= 8 * document.len());
    assert_eq!(readable(sent.clone()), sent, "nothing is left to do");
    assert!(std::str::from_utf8(&sent).is_ok_and(|sent| sent.chars().all(is_allowed)));
}

fn slow_group(key: &str, prefix: &str, delimiter: &str) -> Option<Vec<u8>> {
    let rest = key.strip_prefix(prefix).filter(|_| !delimiter.is_empty())?;
    let (first, _) = rest.split_once(delimiter)?;
    Some(format!("{prefix}{first}{delimiter}").into_bytes())
}

fn decoded(text: &str) -> Vec<u8> {
    let mut pieces = text.split('%');
    let mut out = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        let (digits, rest) = piece.split_at_checked(2).unwrap_or_default();
        out.extend(u8::from_str_radix(digits, 16));
        out.extend_from_slice(rest.as_bytes());
    }
    out
}

/// What a document may hold as it is: `Char` of XML 1.0, but for the carriage return, which a parser would change.
const fn is_allowed(char: char) -> bool {
    matches!(char, '\t' | '\n' | ' '..='\u{fffd}' | '\u{10000}'..)
}

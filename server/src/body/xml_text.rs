//! Makes an XML answer readable for parsers: characters of keys that XML cannot carry leave as character references.
//!
//! `s3s` writes names as they are. XML 1.0 has no control characters but tab and line feed, and no U+FFFE or U+FFFF; and a
//! carriage return that is not a reference is read as a line feed. S3 writes references for them (`&#x1;`, `&#13;`). The
//! strictest parsers refuse `&#x1;` all the same; for them there is `encoding-type=url`.
//!
//! Markup holds none of these characters, so only bytes are looked at. Usually there is nothing to do, and nothing is
//! copied.
//!
//! And gives the results of copies their namespace, for clients that look elements up with it.

use bytes::Bytes;

/// Results that `s3s` writes without their namespace, which the others have.
const BARE: [&[u8]; 2] = [b"<CopyObjectResult>", b"<CopyPartResult>"];
const NAMESPACE: &[u8] = b" xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">";

/// The document with the namespace of S3 at its root, where `s3s` forgot it.
pub fn in_namespace(document: Bytes) -> Bytes {
    let root = match document.as_ref() {
        [b'<', b'?', ..] => document.iter().position(|byte| *byte == b'>'),
        _ => None,
    };
    let root = root.map_or(0, |at| at + 1);
    let split = document.split_at_checked(root);
    let Some((declaration, rest)) = split else {
        return document;
    };
    for name in BARE {
        if let (Some(content), Some(open)) = (rest.strip_prefix(name), name.strip_suffix(b">")) {
            return [declaration, open, NAMESPACE, content].concat().into();
        }
    }
    document
}

/// The document with references for what cannot stand in it. At most six times as long, for keys of nothing else.
pub fn readable(document: Bytes) -> Bytes {
    let (mut out, mut rest) = (Vec::new(), document.as_ref());
    while let Some((before, reference, after)) = unreadable(rest) {
        out.extend_from_slice(before);
        out.extend_from_slice(reference.as_bytes());
        rest = after;
    }
    if rest.len() == document.len() {
        return document;
    }
    out.extend_from_slice(rest);
    out.into()
}

/// What is before the first character that cannot stand as it is, the reference for it, and what is behind.
fn unreadable(bytes: &[u8]) -> Option<(&[u8], String, &[u8])> {
    let mut from = 0;
    loop {
        let at = from + bytes.get(from..)?.iter().position(is_suspicious)?;
        let (before, tail) = bytes.split_at_checked(at)?;
        match tail {
            // U+FFFE and U+FFFF in UTF-8.
            [0xEF, 0xBF, last @ (0xBE | 0xBF), after @ ..] => {
                return Some((before, format!("&#xFFF{:X};", last & 0xF), after));
            }
            [0xEF, ..] => from = at + 1,
            [b'\r', after @ ..] => return Some((before, "&#13;".to_owned(), after)),
            [byte, after @ ..] => return Some((before, format!("&#x{byte:X};"), after)),
            [] => return None,
        }
    }
}

/// Whether this byte is, or may begin, a character that cannot stand as it is.
const fn is_suspicious(byte: &u8) -> bool {
    matches!(byte, 0..b'\t' | 0x0B..0x20 | 0xEF)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_copies_get_their_namespace() {
        let given = |text: &'static str| in_namespace(Bytes::from_static(text.as_bytes()));
        let expected = "<CopyPartResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><ETag/></CopyPartResult>";
        assert_eq!(given("<CopyPartResult><ETag/></CopyPartResult>"), expected);
        let declared = given("<?xml version=\"1.0\"?><CopyPartResult><ETag/></CopyPartResult>");
        assert_eq!(declared, format!("<?xml version=\"1.0\"?>{expected}"));
        for other in ["", "<?xml", "<?xml?>", "<Error><CopyPartResult></Error>"] {
            assert_eq!(given(other), other);
        }
    }

    fn text(document: &str) -> String {
        String::from_utf8(readable(Bytes::from(document.to_owned())).to_vec()).unwrap()
    }

    #[test]
    fn only_what_xml_cannot_carry_is_changed() {
        let last_before = char::from_u32(0xFFFD).unwrap();
        for (written, sent) in [
            ("<Key>a\tb\nc</Key>", "<Key>a\tb\nc</Key>".to_owned()),
            ("\u{1}a\u{1f}", "&#x1;a&#x1F;".to_owned()),
            ("a\r\n\r", "a&#13;\n&#13;".to_owned()),
            ("\u{b}\u{c}\0", "&#xB;&#xC;&#x0;".to_owned()),
            ("x\u{fffe}y\u{ffff}", "x&#xFFFE;y&#xFFFF;".to_owned()),
            (
                "\u{fffd}\u{ff01}\u{7f}\u{85}",
                format!("{last_before}\u{ff01}\u{7f}\u{85}"),
            ),
        ] {
            assert_eq!(text(written), sent);
        }
    }

    #[test]
    fn a_readable_document_is_not_copied() {
        let document = Bytes::from_static("<a>\u{e9}\u{ff01}</a>".as_bytes());
        assert_eq!(readable(document.clone()).as_ptr(), document.as_ptr());
    }
}

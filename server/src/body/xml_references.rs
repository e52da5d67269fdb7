//! References to characters above U+FFFF in XML requests, which `s3s` refuses although XML has them: they are resolved
//! before it sees them. Pure.
//!
//! The documents that come here are plain and well-formed ([`super::xml`]): `&#` stands in text and attributes only, and
//! begins a reference. The character means the same there, and XML marks nothing with it.

use bytes::Bytes;

/// The document with characters for the references to those above U+FFFF. It gets no longer: such a reference has at least
/// 8 bytes, the character 4.
pub fn without_high_references(document: Bytes) -> Bytes {
    let Ok(text) = std::str::from_utf8(&document) else {
        return document;
    };
    let mut references = text.split("&#").skip(1);
    if !references.any(|behind| high(behind).is_some()) {
        return document;
    }
    let mut pieces = text.split("&#");
    let mut out = String::with_capacity(text.len());
    out.push_str(pieces.next().unwrap_or_default());
    for behind in pieces {
        match high(behind) {
            Some((character, after)) => {
                out.push(character);
                out.push_str(after);
            }
            None => {
                out.push_str("&#");
                out.push_str(behind);
            }
        }
    }
    out.into()
}

/// The character above U+FFFF that a reference names, and what is behind it. `behind` begins behind `&#`.
fn high(behind: &str) -> Option<(char, &str)> {
    let (reference, after) = behind.split_once(';')?;
    let number = match reference.strip_prefix('x') {
        Some(hex) => u32::from_str_radix(hex, 16),
        None => reference.parse(),
    };
    let character = char::from_u32(number.ok()?)?;
    (character > '\u{ffff}').then_some((character, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(given: &'static str, expected: &str) {
        let result = without_high_references(Bytes::from_static(given.as_bytes()));
        assert_eq!(result, expected, "{given}");
        assert!(result.len() <= given.len());
    }

    #[test]
    fn high_characters_are_resolved() {
        is("<Key>a&#128512;b</Key>", "<Key>a\u{1f600}b</Key>");
        is("&#x1F600;&#x10000;", "\u{1f600}\u{10000}");
        is("&#x10FFFF;&#13;&#0128512;", "\u{10ffff}&#13;\u{1f600}");
    }

    #[test]
    fn all_else_stays() {
        for text in [
            "<Key>&amp;#128512;</Key>",
            "&#13;&#xFFFD;&#60;",
            "&#x110000;",
            "&#xD83D;&#xDE00;",
            "&#",
            "&#;&#x;",
            "",
        ] {
            is(text, text);
        }
    }
}

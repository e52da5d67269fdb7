//! Which characters and references XML knows. Pure.

/// Whether it is one of the blanks of XML.
pub const fn is_blank(next: char) -> bool {
    matches!(next, ' ' | '\t' | '\r' | '\n')
}

/// Whether a name may begin with it. Beyond ASCII all do: `s3s` knows no such name.
pub fn is_name_start(next: char) -> bool {
    next.is_ascii_alphabetic() || matches!(next, '_' | ':') || !next.is_ascii()
}

/// Whether a name may go on with it.
pub fn is_name(next: char) -> bool {
    is_name_start(next) || next.is_ascii_digit() || matches!(next, '-' | '.')
}

/// Whether that is the name of one of the five entities of XML, or the number of a character.
pub fn is_reference(word: &str) -> bool {
    let Some(number) = word.strip_prefix('#') else {
        return matches!(word, "amp" | "lt" | "gt" | "quot" | "apos");
    };
    let (digits, radix) = number
        .strip_prefix('x')
        .map_or((number, 10), |digits| (digits, 16));
    digits.chars().all(|digit| digit.is_digit(radix))
        && u32::from_str_radix(digits, radix)
            .ok()
            .and_then(char::from_u32)
            .is_some_and(|it| it >= ' ' && !matches!(it, '\u{fffe}' | '\u{ffff}') || is_blank(it))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_to_characters_of_xml() {
        for word in ["amp", "quot", "#9", "#32", "#x1F600", "#xd", "#x10FFFF"] {
            assert!(is_reference(word), "{word}");
        }
        for word in [
            "", "AMP", "#", "#x", "#8", "#xD800", "#x110000", "#-1", "#+1", "#X20",
        ] {
            assert!(!is_reference(word), "{word}");
        }
    }

    #[test]
    fn names() {
        assert!(is_name_start('x') && is_name_start('_') && is_name_start('\u{e9}'));
        assert!(!is_name_start('1') && !is_name_start('-') && is_name('1') && is_name('-'));
        assert!(!is_name(' ') && !is_name('/') && !is_name('='));
    }
}

//! Finds the `<![` of a CDATA section in an XML body. `s3s` drops such sections without a word, so that
//! `<Key><![CDATA[a]]></Key>` is the empty key to it. Nothing that S3 takes has a `<![` elsewhere.

/// The search, over pieces of a body.
#[derive(Debug, Default)]
pub struct MarkedSections {
    /// How many bytes of the mark the body so far ends with.
    matched: usize,
}

const MARK: &[u8] = b"<![";

impl MarkedSections {
    /// Takes the next bytes; whether the mark is in them or ends in them.
    pub fn observe(&mut self, bytes: &[u8]) -> bool {
        for byte in bytes {
            if MARK.get(self.matched) == Some(byte) {
                self.matched += 1;
            } else {
                self.matched = usize::from(MARK.first() == Some(byte));
            }
            if self.matched == MARK.len() {
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sees(text: &str) -> bool {
        let whole = MarkedSections::default().observe(text.as_bytes());
        for cut in 0..text.len() {
            let (one, two) = text.as_bytes().split_at(cut);
            let mut search = MarkedSections::default();
            assert_eq!(search.observe(one) || search.observe(two), whole, "{text}");
        }
        whole
    }

    #[test]
    fn the_mark_is_found_wherever_pieces_end() {
        assert!(sees("<Key><![CDATA[a]]></Key>"));
        assert!(sees("<<![cdata["));
        assert!(sees("<!<!["));
        assert!(!sees("<!DOCTYPE a><!-- [ --><Key>&lt;![CDATA[</Key>"));
        assert!(!sees("< ![ <! ["));
    }
}

//! Reads along with an XML body and refuses what is not a plain, well-formed document. Pure.
//!
//! `s3s` parses the same bytes once they are gathered, and is content with less: it drops CDATA sections, comments, document
//! types and processing instructions (so that `<Key><![CDATA[a]]></Key>` is the empty key), skips text before, behind and
//! between elements, follows tags to any depth, and takes the digits at the start of a number for the number. What it would
//! overlook is refused here, while the body comes in, so that a deep or broken document is never gathered.
//!
//! A document is: a byte order mark or not, an XML declaration or not, one root element, blanks around it. Elements hold
//! elements or text. Of references there are the five of XML and those to characters: nothing is ever expanded. No client
//! of S3 sends anything that begins with `<!`, comments included, so all of it is refused.
//!
//! Memory: the names of the open elements, at most [`DEPTH_MAX`] times [`TAG_BYTES_MAX`].

use super::xml_chars::{is_blank, is_name, is_name_start, is_reference};
use super::xml_elements::is_known;

/// How deep elements may nest: twice what the deepest that S3 knows have (`LifecycleConfiguration`, 6), and some room.
pub const DEPTH_MAX: usize = 16;
/// Elements in one element: the parts of a completion. Each becomes some 200 bytes, however short it is.
pub const CHILDREN_MAX: usize = 10_000;
/// Bytes in one tag, attributes included: those with a namespace and a type take about 150.
pub const TAG_BYTES_MAX: usize = 1024;
/// Attributes of one element: `xmlns`, `xmlns:xsi`, `xsi:type`, and some room.
pub const ATTRIBUTES_MAX: usize = 8;
/// Bytes of the XML declaration: with version, encoding and `standalone` about 60.
const DECLARATION_BYTES_MAX: usize = 256;
/// Bytes of a reference: `&#x0010FFFF;`, without the first and the last.
const REFERENCE_BYTES_MAX: usize = 10;

/// Elements of requests that hold a number.
const NUMBERS: [&str; 2] = ["PartNumber", "Size"];

/// Why a document is refused, in words for the client.
pub type Flaw = &'static str;

/// What the next character belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    Start,
    /// Behind a byte order mark.
    Marked,
    Text,
    /// Behind `&`, in text or (with the quote) in an attribute.
    Reference(Option<char>),
    /// Behind `<`; whether nothing was in front of it.
    Tag(bool),
    Declaration,
    Name,
    /// Where an attribute may begin; `true` behind a blank.
    Attributes(bool),
    Attribute,
    /// Behind an attribute's name and a blank.
    Equals,
    /// Behind `=`.
    Quote,
    Value(char),
    /// Behind the `/` of `<a/`.
    Empty,
    EndName,
    /// Behind the name of an end tag and a blank.
    End,
}

/// An element that is open.
#[derive(Debug)]
struct Element {
    name: String,
    has_text: bool,
    children: usize,
}

/// A document as it comes in.
#[derive(Debug)]
pub struct Document {
    place: Place,
    /// The start of a character whose end has not come.
    partial: Vec<u8>,
    /// The name of the tag that is being read.
    name: String,
    /// The reference or declaration that is being read.
    word: String,
    open: Vec<Element>,
    root_ended: bool,
    tag_bytes: usize,
    /// The names of the tag's attributes, the last perhaps not whole.
    attributes: Vec<String>,
    /// Whether an element asks for something that is not there.
    pub foreign: bool,
}

impl Document {
    /// At the first byte.
    pub const fn new() -> Self {
        Self {
            place: Place::Start,
            partial: Vec::new(),
            name: String::new(),
            word: String::new(),
            open: Vec::new(),
            root_ended: false,
            tag_bytes: 0,
            attributes: Vec::new(),
            foreign: false,
        }
    }

    /// Takes the next bytes.
    pub fn observe(&mut self, bytes: &[u8]) -> Result<(), Flaw> {
        let joined;
        let mut bytes = bytes;
        if !self.partial.is_empty() {
            joined = [&self.partial, bytes].concat();
            bytes = &joined;
        }
        let (text, rest) = match std::str::from_utf8(bytes) {
            Ok(text) => (text, &[][..]),
            Err(error) if error.error_len().is_some() => return Err("the document is not UTF-8"),
            Err(error) => {
                let (valid, rest) = bytes
                    .split_at_checked(error.valid_up_to())
                    .unwrap_or((bytes, &[]));
                (std::str::from_utf8(valid).unwrap_or_default(), rest)
            }
        };
        self.partial = rest.to_vec();
        text.chars().try_for_each(|next| self.step(next))
    }

    /// Says whether the document may end here. No document at all is for the operation to judge.
    pub fn finish(&self) -> Result<(), Flaw> {
        let nothing = self.place == Place::Start;
        let whole = self.place == Place::Text && self.root_ended;
        if self.partial.is_empty() && (nothing || whole) {
            Ok(())
        } else {
            Err("the document ends before its root element does")
        }
    }

    fn step(&mut self, next: char) -> Result<(), Flaw> {
        if next < ' ' && !is_blank(next) || matches!(next, '\u{fffe}' | '\u{ffff}') {
            return Err("the document holds a character that XML does not have");
        }
        self.place = match self.place {
            Place::Start if next == '\u{feff}' => Place::Marked,
            Place::Start | Place::Marked | Place::Text => self.text(next)?,
            Place::Reference(quote) => self.reference(next, quote)?,
            Place::Declaration => self.declaration(next)?,
            _ => {
                self.tag_bytes += next.len_utf8();
                if self.tag_bytes > TAG_BYTES_MAX {
                    return Err("a tag is too long");
                }
                self.tag(next)?
            }
        };
        Ok(())
    }

    fn text(&mut self, next: char) -> Result<Place, Flaw> {
        match next {
            '<' => {
                self.name.clear();
                self.word.clear();
                self.tag_bytes = 0;
                self.attributes.clear();
                return Ok(Place::Tag(self.place != Place::Text));
            }
            '&' => {
                self.hold_text(None)?;
                self.word.clear();
                return Ok(Place::Reference(None));
            }
            _ if is_blank(next) && !self.in_number() => {}
            _ => self.hold_text(Some(next))?,
        }
        Ok(Place::Text)
    }

    fn in_number(&self) -> bool {
        self.open
            .last()
            .is_some_and(|it| NUMBERS.contains(&it.name.as_str()))
    }

    /// The innermost element holds text; `next` is its next character, if it is one that stands for itself.
    fn hold_text(&mut self, next: Option<char>) -> Result<(), Flaw> {
        let number = self.in_number();
        let element = self
            .open
            .last_mut()
            .ok_or("there is text outside the root element")?;
        if element.children > 0 {
            return Err("there is text between elements");
        }
        if number && !next.is_some_and(|next| next.is_ascii_digit()) {
            return Err("a number has other characters than digits");
        }
        element.has_text = true;
        Ok(())
    }

    fn reference(&mut self, next: char, quote: Option<char>) -> Result<Place, Flaw> {
        if next == ';' && is_reference(&self.word) {
            return Ok(quote.map_or(Place::Text, Place::Value));
        }
        self.word.push(next);
        let known = next.is_ascii_alphanumeric() || next == '#';
        if !known || self.word.len() > REFERENCE_BYTES_MAX {
            return Err("there is a reference to something else than a character");
        }
        Ok(Place::Reference(quote))
    }

    fn declaration(&mut self, next: char) -> Result<Place, Flaw> {
        self.word.push(next);
        if self.word.len() > DECLARATION_BYTES_MAX || next == '<' {
            return Err("the XML declaration is malformed");
        }
        if !self.word.ends_with("?>") {
            return Ok(Place::Declaration);
        }
        if self.word.starts_with("xml ") {
            Ok(Place::Text)
        } else {
            Err("there is a processing instruction")
        }
    }

    fn tag(&mut self, next: char) -> Result<Place, Flaw> {
        match (self.place, next) {
            (Place::Tag(true), '?') => return Ok(Place::Declaration),
            (Place::Tag(false), '?') => return Err("there is a processing instruction"),
            (Place::Tag(_), '!') => {
                return Err("comments, CDATA sections and document types are not supported");
            }
            (Place::Tag(_), '/') => return Ok(Place::EndName),
            (Place::Tag(_), _) if is_name_start(next) => {
                self.name.push(next);
                return Ok(Place::Name);
            }
            (Place::Name | Place::EndName, _) if is_name(next) => {
                self.name.push(next);
                return Ok(self.place);
            }
            (Place::EndName, _) if is_blank(next) => return Ok(Place::End),
            (Place::End, _) if is_blank(next) => return Ok(Place::End),
            (Place::EndName | Place::End, '>') => return self.close(),
            (Place::Name, '>') | (Place::Attributes(_), '>') => {
                self.open()?;
                return Ok(Place::Text);
            }
            (Place::Name, '/') | (Place::Attributes(_), '/') => {
                self.open()?;
                return Ok(Place::Empty);
            }
            (Place::Empty, '>') => return self.close(),
            _ => {}
        }
        self.attribute(next)
    }

    fn attribute(&mut self, next: char) -> Result<Place, Flaw> {
        Ok(match (self.place, next) {
            (Place::Name | Place::Attributes(_), _) if is_blank(next) => Place::Attributes(true),
            (Place::Attributes(true), _) if is_name_start(next) => {
                if self.attributes.len() == ATTRIBUTES_MAX {
                    return Err("an element has too many attributes");
                }
                self.attributes.push(next.into());
                Place::Attribute
            }
            (Place::Attribute, _) if is_name(next) => {
                if let Some(name) = self.attributes.last_mut() {
                    name.push(next);
                }
                Place::Attribute
            }
            (Place::Attribute | Place::Equals, '=') => {
                if let Some((last, others)) = self.attributes.split_last()
                    && others.contains(last)
                {
                    return Err("an element has two attributes of one name");
                }
                Place::Quote
            }
            (Place::Attribute | Place::Equals, _) if is_blank(next) => Place::Equals,
            (Place::Quote, '"' | '\'') => Place::Value(next),
            (Place::Quote, _) if is_blank(next) => Place::Quote,
            (Place::Value(quote), _) if next == quote => Place::Attributes(false),
            (Place::Value(quote), '&') => {
                self.word.clear();
                Place::Reference(Some(quote))
            }
            (Place::Value(_), _) if next != '<' => self.place,
            _ => return Err("a tag is malformed"),
        })
    }

    fn open(&mut self) -> Result<(), Flaw> {
        match self.open.last_mut() {
            None if self.root_ended => return Err("there is more than one root element"),
            Some(parent) if parent.has_text => return Err("there is text between elements"),
            Some(parent) if parent.children == CHILDREN_MAX => {
                return Err("there are too many elements");
            }
            Some(parent) => {
                parent.children += 1;
                self.foreign |= !is_known(&parent.name, &self.name);
            }
            None => {}
        }
        if self.open.len() == DEPTH_MAX {
            return Err("the elements nest too deep");
        }
        self.open.push(Element {
            name: std::mem::take(&mut self.name),
            has_text: false,
            children: 0,
        });
        Ok(())
    }

    /// Ends the innermost element: by an end tag of its name, or by the `/` of its own tag.
    fn close(&mut self) -> Result<Place, Flaw> {
        let element = self.open.pop().ok_or("an end tag ends nothing")?;
        if self.place != Place::Empty && element.name != self.name {
            return Err("an end tag has another name than its element");
        }
        self.root_ended = self.open.is_empty();
        Ok(Place::Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is wrong with the document, however its bytes are cut.
    fn flaw(document: &[u8]) -> Option<Flaw> {
        let judge = |size: usize| {
            let mut it = Document::new();
            document
                .chunks(size)
                .try_for_each(|piece| it.observe(piece))
                .and_then(|()| it.finish())
                .err()
        };
        let whole = judge(document.len().max(1));
        for size in [1, 2, 7] {
            let shown = document.escape_ascii();
            assert_eq!(judge(size), whole, "{size} {shown}");
        }
        whole
    }

    #[track_caller]
    fn passes(document: &str) {
        assert_eq!(flaw(document.as_bytes()), None, "{document}");
    }

    #[track_caller]
    fn refused(document: &str, part: &str) {
        let flaw = flaw(document.as_bytes()).unwrap_or_else(|| panic!("{document} passes"));
        assert!(flaw.contains(part), "{document}: {flaw}");
    }

    #[test]
    fn what_clients_send_passes() {
        passes("");
        passes("<Delete/>");
        passes(
            "\u{feff}<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\n  <Object><Key>a b/&amp;&lt;&#x20;&#13;&#128512;\u{e9}\u{1f600}</Key></Object>\n  <Quiet>true</Quiet>\n</Delete>\n",
        );
        passes(
            "<CompleteMultipartUpload><Part><ETag>&quot;x&quot;</ETag><PartNumber>1</PartNumber></Part></CompleteMultipartUpload>",
        );
        passes(
            "<AccessControlPolicy><AccessControlList><Grant><Grantee xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' xsi:type = \"Group\"><URI>a&gt;b</URI></Grantee></Grant></AccessControlList></AccessControlPolicy >",
        );
        passes("<a b='>' c=\"it's &apos;\"><d /></a>");
    }

    #[test]
    fn what_begins_with_an_exclamation_mark_is_refused() {
        for piece in [
            "<![CDATA[x]]>",
            "<!-- x -->",
            "<!DOCTYPE a>",
            "<!ENTITY x 'y'>",
        ] {
            refused(&format!("<a>{piece}</a>"), "not supported");
            refused(&format!("{piece}<a/>"), "not supported");
            refused(&format!("<a/>{piece}"), "not supported");
        }
    }

    #[test]
    fn processing_instructions_are_refused() {
        refused("<?xml-stylesheet href='x'?><a/>", "processing instruction");
        refused("<?php x ?><a/>", "processing instruction");
        refused("<a><?xml version='1.0'?></a>", "processing instruction");
        refused(" <?xml version='1.0'?><a/>", "processing instruction");
        refused(
            &format!("<?xml {}?><a/>", "x".repeat(DECLARATION_BYTES_MAX)),
            "declaration",
        );
    }

    #[test]
    fn references_are_to_characters() {
        let names = "x;nbsp;;#;#x;#0;#xD800;#x110000;#+32;#xFFFF;#00000000032;a b";
        for name in names.split(';') {
            refused(&format!("<a>&{name};</a>"), "reference");
            refused(&format!("<a b='&{name};'/>"), "reference");
        }
        refused("<a>&amp</a>", "reference");
    }

    #[test]
    fn depth_and_number_are_bounded() {
        let nested = |depth: usize| "<a>".repeat(depth) + &"</a>".repeat(depth);
        passes(&nested(DEPTH_MAX));
        refused(&nested(DEPTH_MAX + 1), "nest");
        let mut deep = Document::new();
        assert!(
            deep.observe("<a>".repeat(100_000).as_bytes()).is_err() && deep.open.len() == DEPTH_MAX
        );
        passes(&format!("<a>{}</a>", "<b/>".repeat(CHILDREN_MAX)));
        let more = "<b/>".repeat(CHILDREN_MAX + 1);
        refused(&format!("<a>{more}</a>"), "too many");
    }

    #[test]
    fn tags_are_bounded() {
        refused(&format!("<{}/>", "a".repeat(TAG_BYTES_MAX)), "long");
        refused(&format!("<a{}/>", " ".repeat(TAG_BYTES_MAX)), "long");
        let attributes: String = (0..=ATTRIBUTES_MAX).map(|n| format!(" a{n}=''")).collect();
        refused(&format!("<a{attributes}/>"), "attributes");
        refused("<a b='1' c='2' b = '3'/>", "one name");
    }

    #[test]
    fn there_is_one_root_and_nothing_beside_it() {
        refused("<a/><b/>", "root");
        refused("<a></a><a>", "root");
        refused("x<a/>", "outside");
        refused("<a/>x", "outside");
        refused("<a/>&amp;", "outside");
        refused("<a/>\0", "character");
        refused(" ", "ends before");
        refused("\u{feff}", "ends before");
        refused("<a><b></b>", "ends before");
        refused("<a>", "ends before");
        refused("<a/", "ends before");
    }

    #[test]
    fn tags_are_well_formed() {
        let documents = "<a b></a>;<a b=c></a>;<a b='<'/>;<a b='1'c='2'/>;< a/>;<a/ >;<1/>;<a \"b\"/>;<>;<a></a b='c'>";
        documents.split(';').for_each(|it| refused(it, "malformed"));
        refused("<a></b>", "another name");
        refused("<a><b></a></b>", "another name");
        refused("</a>", "ends nothing");
    }

    #[test]
    fn elements_hold_text_or_elements() {
        refused("<a>x<b/></a>", "between");
        refused("<a><b/>x</a>", "between");
        passes("<a>\n<b/>\n</a>");
    }

    #[test]
    fn numbers_are_digits() {
        for number in ["1x", " 1", "1 ", "-1", "&#49;", "+1", "1.0"] {
            refused(&format!("<PartNumber>{number}</PartNumber>"), "number");
        }
        passes("<PartNumber>10000</PartNumber>");
    }

    #[test]
    fn bytes_that_are_not_utf8_are_refused() {
        for bytes in [
            &b"<a>\xff</a>"[..],
            b"<a>\xc3</a>",
            b"<a>\xc0\xaf</a>",
            b"<a>\xed\xa0\x80</a>",
        ] {
            assert!(flaw(bytes).is_some_and(|flaw| flaw.contains("UTF-8")));
        }
        assert!(flaw(b"<a/>\xc3").is_some());
        assert!(flaw(b"<\0a/>").is_some());
    }
}

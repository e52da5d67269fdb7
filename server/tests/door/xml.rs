//! A strict reader of XML answers: what is not well-formed ends the test.

/// An element with its text, in which references are resolved, and its children.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Element {
    pub name: String,
    pub text: String,
    pub children: Vec<Element>,
}

impl Element {
    /// The children of that name.
    pub fn all(&self, name: &str) -> Vec<&Self> {
        self.children.iter().filter(|it| it.name == name).collect()
    }

    /// The only child of that name, if there is one.
    pub fn child(&self, name: &str) -> Option<&Self> {
        let found = self.all(name);
        assert!(found.len() <= 1, "{name} is there {} times", found.len());
        found.into_iter().next()
    }

    /// The text of the only child of that name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.child(name).map(|it| it.text.as_str())
    }

    /// The texts of `name` in each `parent`.
    pub fn texts(&self, parent: &str, name: &str) -> Vec<String> {
        let parents = self.all(parent).into_iter();
        parents.map(|it| it.get(name).unwrap().to_owned()).collect()
    }
}

/// The root of a document.
#[track_caller]
pub fn parse(document: &[u8]) -> Element {
    let text = std::str::from_utf8(document).unwrap();
    let raw =
        |it: char| (it < ' ' && it != '\n' && it != '\t') || matches!(it, '\u{fffe}' | '\u{ffff}');
    assert!(!text.contains(raw), "what XML cannot carry: {text:?}");
    let body = text.strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
    let body = body.unwrap_or_else(|| panic!("no declaration: {text:?}"));
    let mut open = vec![Element::default()];
    let mut rest = body;
    while let Some((before, tag)) = rest.split_once('<') {
        let (tag, after) = tag.split_once('>').expect("an open tag");
        open.last_mut().unwrap().text.push_str(&resolved(before));
        if let Some(name) = tag.strip_prefix('/') {
            let closed = open.pop().unwrap();
            assert_eq!(closed.name, name);
            open.last_mut().unwrap().children.push(closed);
        } else {
            let name = tag.trim_end_matches('/').split(' ').next().unwrap();
            let element = Element {
                name: name.to_owned(),
                ..Element::default()
            };
            if tag.ends_with('/') {
                open.last_mut().unwrap().children.push(element);
            } else {
                open.push(element);
            }
        }
        rest = after;
    }
    assert_eq!((open.len(), rest.trim()), (1, ""), "{text}");
    let mut document = open.remove(0);
    assert_eq!(document.children.len(), 1, "{text}");
    document.children.remove(0)
}

fn resolved(text: &str) -> String {
    let mut pieces = text.split('&');
    let mut out = pieces.next().unwrap().to_owned();
    for piece in pieces {
        let (name, rest) = piece.split_once(';').expect("a reference");
        out.push(character(name));
        out.push_str(rest);
    }
    out
}

fn character(name: &str) -> char {
    match name {
        "lt" => '<',
        "gt" => '>',
        "amp" => '&',
        "quot" => '"',
        "apos" => '\'',
        _ => {
            let number = name.strip_prefix('#').unwrap();
            let number = match number.strip_prefix('x') {
                Some(digits) => u32::from_str_radix(digits, 16),
                None => number.parse(),
            };
            char::from_u32(number.unwrap()).unwrap()
        }
    }
}

/// Text as it stands in a request.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('\r', "&#13;")
}

/// A key as it stands in a path: as for a parameter, but with its slashes.
pub fn path(key: &str) -> String {
    url(key).replace("%2F", "/")
}

/// Everything but unreserved characters percent-encoded: for a parameter.
pub fn url(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
            char::from(byte).to_string()
        }
        other => format!("%{other:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// What a percent-encoded text says.
pub fn url_decoded(text: &str) -> String {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
            out.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
        } else {
            assert_ne!(byte, b'+');
            out.push(byte);
        }
    }
    String::from_utf8(out).unwrap()
}

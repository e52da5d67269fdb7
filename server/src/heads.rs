//! Follows the heads and bodies of requests on a connection and finds those that two readers could cut apart in two ways.
//! Pure.
//!
//! That is how one request is hidden behind another: the proxy in front sees one, the server two. `hyper` decides for one
//! reading without a trace where it could refuse: it drops a `Content-Length` beside a `Transfer-Encoding`, takes the same
//! length twice, decodes `gzip, chunked` as `chunked`, and ends lines at a bare line feed. So the raw bytes are read here
//! before it.
//!
//! Agrees with `hyper` on every request that `hyper` accepts; on what it does not, the connection ends anyway.

use crate::config::Limits;

/// Finds the heads in what a client sends.
pub struct Heads {
    place: Place,
    line: Vec<u8>,
    length: Option<u64>,
    chunked: bool,
    seen: Seen,
}

/// What was seen on a connection so far.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Seen {
    /// Requests that end in one place.
    Plain,
    /// The head of a request whose body may end in two places.
    AmbiguousHead,
    /// A body in chunks that may end in two places.
    AmbiguousBody,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The request line or a header.
    Head { first: bool },
    /// A body of known length.
    Body { left: u64 },
    /// The line before a chunk.
    ChunkSize,
    /// A chunk and the line end behind it.
    Chunk { left: u64 },
    /// The lines behind the last chunk.
    Trailers,
    /// Not understood: nothing more is looked at.
    Lost,
}

impl Heads {
    /// Before the first byte of a connection.
    pub const fn new() -> Self {
        Self {
            place: Place::Head { first: true },
            line: Vec::new(),
            length: None,
            chunked: false,
            seen: Seen::Plain,
        }
    }

    /// Takes the next bytes; says the worst that was ever seen.
    pub fn observe(&mut self, mut bytes: &[u8]) -> Seen {
        while !bytes.is_empty() && self.place != Place::Lost {
            bytes = match self.place {
                Place::Body { left } => {
                    let (left, rest) = skip(left, bytes);
                    self.place = if left == 0 {
                        Place::Head { first: true }
                    } else {
                        Place::Body { left }
                    };
                    rest
                }
                Place::Chunk { left } => {
                    let (left, rest) = skip(left, bytes);
                    self.place = if left == 0 {
                        Place::ChunkSize
                    } else {
                        Place::Chunk { left }
                    };
                    rest
                }
                _ => self.take_line(bytes),
            };
        }
        self.seen
    }

    /// Takes bytes up to the end of a line, and acts on the line once it is whole.
    fn take_line<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let (now, rest) = bytes
            .split_at_checked(end.map_or(bytes.len(), |at| at + 1))
            .unwrap_or((bytes, &[]));
        if self.line.len() + now.len() > Limits::READ_BUFFER {
            self.place = Place::Lost;
            return rest;
        }
        self.line.extend_from_slice(now);
        if end.is_some() {
            let line = std::mem::take(&mut self.line);
            if !line.ends_with(b"\r\n") {
                self.doubt(!matches!(self.place, Place::Head { .. }));
            }
            self.place = self.act(line.trim_ascii_end());
            self.line = line;
            self.line.clear();
        }
        rest
    }

    fn act(&mut self, line: &[u8]) -> Place {
        match self.place {
            // Empty lines before a request are skipped, as hyper does.
            Place::Head { first: true } if line.is_empty() => self.place,
            Place::Head { first: true } => {
                (self.length, self.chunked) = (None, false);
                Place::Head { first: false }
            }
            Place::Head { first: false } if line.is_empty() => self.end_of_head(),
            Place::Head { first: false } => {
                self.header(line);
                self.place
            }
            Place::ChunkSize => match chunk_size(line) {
                Some(0) => Place::Trailers,
                // The chunk and the CRLF behind it.
                Some(size) => Place::Chunk {
                    left: size.saturating_add(2),
                },
                None => Place::Lost,
            },
            Place::Trailers if line.is_empty() => Place::Head { first: true },
            other => other,
        }
    }

    fn doubt(&mut self, body: bool) {
        let now = if body {
            Seen::AmbiguousBody
        } else {
            Seen::AmbiguousHead
        };
        self.seen = self.seen.max(now);
    }

    fn header(&mut self, line: &[u8]) {
        let mut halves = line.splitn(2, |byte| *byte == b':');
        let name = halves.next().unwrap_or_default();
        let value = halves.next().unwrap_or_default().trim_ascii();
        if name.eq_ignore_ascii_case(b"content-length") {
            let value = std::str::from_utf8(value)
                .ok()
                .and_then(|it| it.parse().ok());
            if self.length.is_some() {
                self.doubt(false);
            }
            self.length = Some(value.unwrap_or(u64::MAX));
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
                self.doubt(false);
            }
            self.chunked = true;
        }
    }

    fn end_of_head(&mut self) -> Place {
        if self.chunked && self.length.is_some() {
            self.doubt(false);
        }
        match (self.seen, self.chunked, self.length) {
            (Seen::Plain, true, _) => Place::ChunkSize,
            (Seen::Plain, _, Some(left @ 1..)) => Place::Body { left },
            (Seen::Plain, _, _) => Place::Head { first: true },
            _ => Place::Lost,
        }
    }
}

fn skip(left: u64, bytes: &[u8]) -> (u64, &[u8]) {
    let here = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
    let rest = bytes
        .split_at_checked(here)
        .map_or(&[][..], |(_, rest)| rest);
    (left - u64::try_from(here).unwrap_or(left), rest)
}

fn chunk_size(line: &[u8]) -> Option<u64> {
    let digits = line.split(|byte| *byte == b';').next()?.trim_ascii();
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(bytes: &[u8]) -> Seen {
        let whole = Heads::new().observe(bytes);
        let mut heads = Heads::new();
        let single = bytes
            .iter()
            .fold(Seen::Plain, |_, byte| heads.observe(&[*byte]));
        assert_eq!(whole, single, "{}", bytes.escape_ascii());
        whole
    }

    fn sees(bytes: &[u8]) -> bool {
        seen(bytes) != Seen::Plain
    }

    const HIDDEN: &[u8] =
        b"PUT /b/k HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";

    #[test]
    fn both_lengths_are_seen_in_either_order_and_case() {
        assert!(sees(HIDDEN));
        assert!(sees(
            b"PUT / HTTP/1.1\r\ntransfer-encoding:chunked\r\ncontent-length:4\r\n\r\n"
        ));
        assert!(sees(
            b"\r\nPUT / HTTP/1.1\r\nTRANSFER-ENCODING: x\r\nCONTENT-LENGTH: y\r\n\r\n"
        ));
    }

    #[test]
    fn each_header_of_a_length_is_plain_and_alone() {
        for headers in [
            "Content-Length: 5\r\nContent-Length: 5",
            "content-length:5\r\nX: y\r\nCONTENT-LENGTH:6",
            "Transfer-Encoding: gzip",
            "Transfer-Encoding: gzip, chunked",
            "Transfer-Encoding: chunked, chunked",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding:",
        ] {
            let head = format!("PUT / HTTP/1.1\r\n{headers}\r\n\r\n");
            assert!(sees(head.as_bytes()), "{headers}");
        }
        for header in [
            "Content-Length: 5",
            "Transfer-Encoding: Chunked",
            "Te: gzip",
        ] {
            let head = format!("PUT / HTTP/1.1\r\n{header}\r\n\r\n");
            assert!(!sees(head.as_bytes()), "{header}");
        }
    }

    #[test]
    fn lines_of_a_head_end_with_crlf() {
        for head in [
            "PUT / HTTP/1.1\nHost: x\r\n\r\n",
            "PUT / HTTP/1.1\r\nHost: x\n\r\n",
            "PUT / HTTP/1.1\r\nHost: x\r\n\n",
            "\nPUT / HTTP/1.1\r\n",
        ] {
            assert!(sees(head.as_bytes()), "{head:?}");
        }
        let body = b"PUT / HTTP/1.1\r\nContent-Length: 3\r\n\r\n\n\n\n";
        assert!(!sees(body));
    }

    #[test]
    fn lines_around_chunks_end_with_crlf() {
        let head = "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
        for body in ["1\nx\r\n0\r\n\r\n", "0\n\r\n", "0\r\nx: y\n\r\n", "0\r\n\n"] {
            let body = format!("{head}{body}");
            assert_eq!(seen(body.as_bytes()), Seen::AmbiguousBody, "{body:?}");
        }
        let fine = format!("{head}1\r\n\n\r\n0\r\nx: y\r\n\r\n");
        assert_eq!(seen(fine.as_bytes()), Seen::Plain);
    }

    #[test]
    fn one_length_is_fine_whatever_the_body_holds() {
        let body = [
            b"PUT / HTTP/1.1\r\nContent-Length: 90\r\n\r\n".to_vec(),
            HIDDEN.to_vec(),
        ]
        .concat();
        assert!(!sees(&body[..body.len() - 1]));
        let chunk = [
            format!(
                "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{:x};x=y\r\n",
                HIDDEN.len()
            )
            .as_bytes(),
            HIDDEN,
            b"\r\n0\r\nContent-Length: 1\r\n\r\n",
        ]
        .concat();
        assert!(!sees(&chunk));
    }

    #[test]
    fn later_requests_on_a_connection_are_seen() {
        for first in [
            &b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..],
            b"PUT / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc",
            b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx: y\r\n\r\n",
        ] {
            assert!(!sees(first));
            assert!(sees(&[first, HIDDEN].concat()));
            assert!(sees(&[first, first, HIDDEN].concat()));
        }
    }
}

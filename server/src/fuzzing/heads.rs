//! The heads in what a client sends, against `httparse`: a request that `hyper` would serve is never hidden behind one
//! whose end is doubtful and was not seen to be.

use crate::config::Limits;
use crate::heads::{Heads, Seen};

/// What the twin found.
enum Found {
    /// A request that `hyper` would take, and that another reader might end in another place.
    Ambiguous,
    /// Only plain requests, up to the end of the bytes.
    Plain,
    /// Something that `hyper` refuses or that is not all there: what follows does not matter.
    Refused,
}

/// Attacks `heads`.
pub fn heads(data: &[u8]) {
    let whole = Heads::new().observe(data);
    let mut heads = Heads::new();
    let single = data
        .chunks(1)
        .fold(Seen::Plain, |_, byte| heads.observe(byte));
    assert_eq!(whole, single, "in one piece, and byte by byte");
    match twin(data) {
        Found::Ambiguous => assert_ne!(whole, Seen::Plain, "an ambiguous request was not seen"),
        Found::Plain => assert_eq!(whole, Seen::Plain, "there is none"),
        Found::Refused => (),
    }
}

fn twin(mut rest: &[u8]) -> Found {
    loop {
        let mut headers = [httparse::EMPTY_HEADER; Limits::HEADERS_MAX];
        let mut request = httparse::Request::new(&mut headers);
        let length = match request.parse(rest) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) if rest.is_empty() => return Found::Plain,
            Ok(httparse::Status::Partial) | Err(_) => return Found::Refused,
        };
        let values = |name: &str| -> Vec<&[u8]> {
            let named = request
                .headers
                .iter()
                .filter(|header| header.name.eq_ignore_ascii_case(name));
            named.map(|header| header.value).collect()
        };
        let (lengths, codings) = (values("content-length"), values("transfer-encoding"));
        let Some((head, body)) = rest.split_at_checked(length) else {
            return Found::Refused;
        };
        if request.method == Some("CONNECT") {
            return Found::Refused;
        }
        let after = match (lengths.as_slice(), codings.as_slice()) {
            _ if bare_line_feed(head) => return Found::Ambiguous,
            ([], []) => Some(body),
            ([], [coding]) if coding.eq_ignore_ascii_case(b"chunked") => chunked(body),
            ([one], []) => sized(one, body),
            _ => return Found::Ambiguous,
        };
        match after {
            Some([]) => return Found::Plain,
            Some(next) => rest = next,
            None => return Found::Refused,
        }
    }
}

fn bare_line_feed(bytes: &[u8]) -> bool {
    let mut before = None;
    bytes.iter().any(|byte| {
        let bare = *byte == b'\n' && before != Some(b'\r');
        before = Some(*byte);
        bare
    })
}

/// What follows a body of the length that `value` says. Nothing, if the body is not all there.
fn sized<'a>(value: &[u8], body: &'a [u8]) -> Option<&'a [u8]> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let length: u64 = std::str::from_utf8(value).ok()?.parse().ok()?;
    let length = usize::try_from(length).ok()?;
    Some(body.get(length..).unwrap_or_default())
}

/// What follows a chunked body, if it is all there.
fn chunked(mut body: &[u8]) -> Option<&[u8]> {
    loop {
        let (line, rest) = line(body)?;
        let digits = line.split(|byte| *byte == b';').next()?;
        if !(1..=15).contains(&digits.len()) || !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        if line.contains(&b'\r') || line.contains(&b'\n') {
            return None;
        }
        let size = usize::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        if size == 0 {
            return trailers(rest);
        }
        let (_, after) = rest.split_at_checked(size)?;
        body = match after {
            [b'\r', b'\n', next @ ..] => next,
            _ => return None,
        };
    }
}

/// What follows the trailers, if they are all there.
fn trailers(mut rest: &[u8]) -> Option<&[u8]> {
    loop {
        let (line, next) = line(rest)?;
        if line.is_empty() {
            return Some(next);
        }
        // Spaces around names and lines are `hyper`'s to judge.
        if line.trim_ascii() != line || !line.contains(&b':') || line.contains(&b'\n') {
            return None;
        }
        rest = next;
    }
}

/// A line without its CRLF, and what follows. Nothing if it is not all there.
fn line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.windows(2).position(|pair| pair == b"\r\n")?;
    Some((bytes.get(..end)?, bytes.get(end + 2..)?))
}

//! One connection: a request out, its answer in, nothing copied that the kernel did not copy.
//!
//! Reads only what the measured servers send: HTTP/1.1 with a `content-length`. Everything else is an error, after which the
//! connection is of no more use.

use crate::load::body::{Body, Template};
use crate::load::requests::Ask;
use std::io::{ErrorKind, IoSlice, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

const HEAD_MAX: usize = 16 * 1024;
const HEADERS_MAX: usize = 64;
/// Of an answer that is an error, this much is repeated.
const COMPLAINT_MAX: usize = 300;

/// A connection and the request on it.
pub struct Connection {
    stream: TcpStream,
    /// The request's head: room for the next one.
    pub head: Vec<u8>,
    /// What goes with it, and what comes back.
    pub ask: Ask,
    /// When the request began.
    pub started: Instant,
    sent: usize,
    answer: Answer,
}

/// What has come of an answer.
#[derive(Default)]
struct Answer {
    /// A head that came in pieces.
    stash: Vec<u8>,
    head: Option<Head>,
    got: usize,
    first_byte: Option<Instant>,
    head_alone: bool,
    complaint: Vec<u8>,
}

#[derive(Clone, Copy)]
struct Head {
    status: u16,
    length: usize,
    closes: bool,
}

/// An answer that came in full and was right.
pub struct Answered {
    /// When its first byte was read.
    pub first_byte: Instant,
    /// Bytes of its body.
    pub received: usize,
    /// The first read brought the head without any byte of the body.
    pub head_alone: bool,
    /// The server closes the connection.
    pub closes: bool,
}

impl Connection {
    /// Connects; requests leave at once.
    pub fn open(address: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream,
            head: Vec::new(),
            ask: Ask::default(),
            started: Instant::now(),
            sent: 0,
            answer: Answer::default(),
        })
    }

    /// The socket, for `epoll`.
    pub const fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// A new request, whose head is in `head` already.
    pub fn begin(&mut self, ask: Ask, started: Instant) {
        self.ask = ask;
        self.started = started;
        self.sent = 0;
        self.answer.stash.clear();
        self.answer = Answer {
            stash: std::mem::take(&mut self.answer.stash),
            ..Answer::default()
        };
    }

    fn whole(&self) -> usize {
        self.head.len() + self.ask.sends.map_or(0, |body| body.length)
    }

    /// Sends what the kernel takes; true once all is sent.
    pub fn send(&mut self, template: &Template) -> Result<bool, String> {
        while self.sent < self.whole() {
            let written = match self.ask.sends {
                None => self
                    .stream
                    .write(self.head.get(self.sent..).unwrap_or_default()),
                Some(body) => self.send_piece(body, template),
            };
            match written {
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(format!("sending: {error}")),
            }
        }
        Ok(true)
    }

    fn send_piece(&mut self, body: Body, template: &Template) -> std::io::Result<usize> {
        let head = self.head.get(self.sent..).unwrap_or_default();
        let offset = self.sent.saturating_sub(self.head.len());
        template.pieces(body, offset, |[plain, stamp]| {
            self.stream
                .write_vectored(&[IoSlice::new(head), plain, stamp])
        })
    }

    /// Takes what has come; `None` if there is more to come.
    pub fn receive(
        &mut self,
        template: &Template,
        scratch: &mut [u8],
    ) -> Result<Option<Answered>, String> {
        loop {
            let count = match self.stream.read(scratch) {
                Ok(0) => return Err("the server closed the connection".to_owned()),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(format!("receiving: {error}")),
            };
            let filled = count == scratch.len();
            let expects = self.ask.expects;
            self.answer.first_byte.get_or_insert_with(Instant::now);
            self.answer
                .take(scratch.get(..count).unwrap_or_default(), expects, template)?;
            if let Some(answered) = self.answer.finished()? {
                return if self.sent == self.whole() {
                    Ok(Some(answered))
                } else {
                    Err("an answer before the whole request was sent".to_owned())
                };
            }
            // A short read emptied the socket: asking again would cost a system call for nothing.
            if !filled {
                return Ok(None);
            }
        }
    }
}

impl Answer {
    fn take(
        &mut self,
        bytes: &[u8],
        expects: Option<Body>,
        template: &Template,
    ) -> Result<(), String> {
        if self.head.is_some() {
            return self.take_body(bytes, expects, template);
        }
        let stashed = self.stash.len();
        let parsed = if stashed == 0 {
            parse(bytes)?
        } else {
            self.stash.extend_from_slice(bytes);
            parse(&self.stash)?
        };
        let Some((head, length)) = parsed else {
            if stashed == 0 {
                self.stash.extend_from_slice(bytes);
            }
            return if self.stash.len() > HEAD_MAX {
                Err("an endless head".to_owned())
            } else {
                Ok(())
            };
        };
        if let Some(body) = expects.filter(|body| head.status == 200 && body.length != head.length)
        {
            return Err(format!(
                "{} bytes were promised instead of {}",
                head.length, body.length
            ));
        }
        let rest = bytes.get(length - stashed..).unwrap_or_default();
        self.head_alone = rest.is_empty() && head.length > 0;
        self.head = Some(head);
        self.take_body(rest, expects, template)
    }

    fn take_body(
        &mut self,
        bytes: &[u8],
        expects: Option<Body>,
        template: &Template,
    ) -> Result<(), String> {
        if self.head.is_some_and(|head| head.status != 200) {
            let room = COMPLAINT_MAX
                .saturating_sub(self.complaint.len())
                .min(bytes.len());
            self.complaint
                .extend_from_slice(bytes.get(..room).unwrap_or_default());
        } else if let Some(body) = expects
            && !template.agrees(body, self.got, bytes)
        {
            return Err(format!(
                "wrong bytes from {} of {} on",
                self.got, body.length
            ));
        }
        self.got += bytes.len();
        Ok(())
    }

    fn finished(&mut self) -> Result<Option<Answered>, String> {
        let Some(head) = self.head.filter(|head| self.got >= head.length) else {
            return Ok(None);
        };
        if self.got > head.length {
            return Err("more bytes than promised".to_owned());
        }
        if head.status != 200 {
            let complaint = String::from_utf8_lossy(&self.complaint);
            return Err(format!("status {}: {complaint}", head.status));
        }
        Ok(Some(Answered {
            first_byte: self.first_byte.unwrap_or_else(Instant::now),
            received: self.got,
            head_alone: self.head_alone,
            closes: head.closes,
        }))
    }
}

/// The head and its length; `None` if it is not whole.
fn parse(bytes: &[u8]) -> Result<Option<(Head, usize)>, String> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    let length = match response.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => return Err(format!("not HTTP: {error}")),
    };
    let mut head = Head {
        status: response.code.unwrap_or(0),
        length: 0,
        closes: false,
    };
    for header in response.headers {
        if header.name.eq_ignore_ascii_case("content-length") {
            let number = std::str::from_utf8(header.value)
                .ok()
                .and_then(|text| text.parse().ok());
            head.length = number.ok_or("a content-length that is no number")?;
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            return Err("an answer in chunks".to_owned());
        } else if header.name.eq_ignore_ascii_case("connection") {
            head.closes = header.value.eq_ignore_ascii_case(b"close");
        }
    }
    Ok(Some((head, length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: Body = Body {
        number: 9,
        length: 5000,
    };

    fn answer(status: &str, body: &[u8]) -> Vec<u8> {
        let mut bytes = format!(
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        bytes.extend_from_slice(body);
        bytes
    }

    fn taken(bytes: &[u8], step: usize) -> Result<Option<Answered>, String> {
        let template = Template::new(1);
        let mut answer = Answer::default();
        for piece in bytes.chunks(step) {
            answer.take(piece, Some(BODY), &template)?;
        }
        answer.finished()
    }

    #[test]
    fn an_answer_in_any_pieces_is_right() {
        let bytes = answer("200 OK", &Template::new(1).whole(BODY));
        for step in [1, 7, 42, 100, bytes.len()] {
            let answered = taken(&bytes, step).unwrap().unwrap();
            assert_eq!(answered.received, BODY.length);
        }
        assert!(taken(&bytes[..bytes.len() - 1], 100).unwrap().is_none());
        let head = bytes.len() - BODY.length;
        assert!(taken(&bytes, head).unwrap().unwrap().head_alone);
        assert!(!taken(&bytes, bytes.len()).unwrap().unwrap().head_alone);
    }

    #[test]
    fn whatever_is_wrong_is_an_error() {
        let right = Template::new(1).whole(BODY);
        let mut flipped = right.clone();
        flipped[4000] ^= 1;
        assert!(taken(&answer("200 OK", &flipped), 999).is_err());
        assert!(taken(&answer("200 OK", &right[1..]), 999).is_err());
        assert!(
            taken(&answer("503 Slow Down", b"<Error/>"), 9)
                .err()
                .unwrap()
                .contains("503")
        );
        assert!(
            taken(
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                9
            )
            .is_err()
        );
        assert!(taken(b"nonsense\r\n\r\n", 9).is_err());
    }
}

//! The socket of a client, watched in both directions.
//!
//! Inwards, the heads of requests are looked at before `hyper` parses them: a head with both a `Content-Length` and a
//! `Transfer-Encoding` is how one request is hidden behind another, and `hyper` drops the first of the two without a
//! trace. Such a head raises a flag, which the front answers with an error and the end of the connection.
//!
//! Outwards, a client that takes nothing for too long, or too little while memory is short, loses its connection, so that
//! it does not hold memory.

use crate::config::Limits;
use crate::patience::Patience;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// The socket of a client.
pub struct Wire {
    stream: TcpStream,
    heads: Heads,
    two_lengths: Arc<AtomicBool>,
    patience: Patience,
}

impl Wire {
    /// Watches `stream`, and loses it with `patience`.
    pub fn new(stream: TcpStream, patience: Patience) -> Self {
        Self {
            stream,
            heads: Heads::new(),
            two_lengths: Arc::new(AtomicBool::new(false)),
            patience,
        }
    }

    /// Set once a head with two lengths was seen.
    pub fn two_lengths(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.two_lengths)
    }

    /// The socket itself.
    pub fn into_inner(self) -> TcpStream {
        self.stream
    }

    /// Bounds how long `sent` may stay pending.
    fn bounded(
        &mut self,
        sent: Poll<io::Result<usize>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(result) = &sent {
            self.patience.progress(*result.as_ref().unwrap_or(&0));
            return sent;
        }
        std::task::ready!(self.patience.poll_spent(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        std::task::ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        if let Some((_, new)) = buf.filled().split_at_checked(before)
            && self.heads.observe(new)
        {
            self.two_lengths.store(true, Ordering::Release);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.bounded(sent, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.bounded(sent, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Finds the heads in what a client sends. Agrees with `hyper` on every request that `hyper` accepts; on what it does
/// not, the connection ends anyway.
pub(crate) struct Heads {
    place: Place,
    line: Vec<u8>,
    length: Option<u64>,
    chunked: bool,
    both: bool,
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
    pub(crate) fn new() -> Self {
        Self {
            place: Place::Head { first: true },
            line: Vec::new(),
            length: None,
            chunked: false,
            both: false,
        }
    }

    /// Takes the next bytes; says whether a head with two lengths was ever seen.
    pub(crate) fn observe(&mut self, mut bytes: &[u8]) -> bool {
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
        self.both
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

    fn header(&mut self, line: &[u8]) {
        let mut halves = line.splitn(2, |byte| *byte == b':');
        let name = halves.next().unwrap_or_default();
        let value = halves.next().unwrap_or_default().trim_ascii();
        if name.eq_ignore_ascii_case(b"content-length") {
            let value = std::str::from_utf8(value)
                .ok()
                .and_then(|it| it.parse().ok());
            self.length = Some(value.unwrap_or(u64::MAX));
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.chunked = true;
        }
    }

    fn end_of_head(&mut self) -> Place {
        self.both |= self.chunked && self.length.is_some();
        match (self.both, self.chunked, self.length) {
            (true, _, _) => Place::Lost,
            (_, true, _) => Place::ChunkSize,
            (_, _, Some(left @ 1..)) => Place::Body { left },
            _ => Place::Head { first: true },
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

    fn sees(bytes: &[u8]) -> bool {
        let whole = Heads::new().observe(bytes);
        let mut heads = Heads::new();
        let single = bytes.iter().fold(false, |_, byte| heads.observe(&[*byte]));
        assert_eq!(whole, single, "{}", bytes.escape_ascii());
        whole
    }

    const HIDDEN: &[u8] =
        b"PUT /b/k HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";

    #[test]
    fn two_lengths_are_seen_in_either_order_and_case() {
        assert!(sees(HIDDEN));
        assert!(sees(
            b"PUT / HTTP/1.1\r\ntransfer-encoding:chunked\r\ncontent-length:4\r\n\r\n"
        ));
        assert!(sees(
            b"\r\nPUT / HTTP/1.1\nTRANSFER-ENCODING: x\nCONTENT-LENGTH: y\n\n"
        ));
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

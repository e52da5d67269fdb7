//! The socket of a client, watched in both directions.
//!
//! Inwards, the heads of requests are looked at before `hyper` parses them (`heads`). One whose body may end in two places
//! raises a flag, which the front answers with an error and the end of the connection; a body that may breaks off there.
//!
//! Outwards, a client that takes nothing for too long, or too little while memory is short, loses its connection, so that
//! it does not hold memory.

use crate::heads::{Heads, Seen};
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
    ambiguous: Arc<AtomicBool>,
    patience: Patience,
}

impl Wire {
    /// Watches `stream`, and loses it with `patience`.
    pub fn new(stream: TcpStream, patience: Patience) -> Self {
        Self {
            stream,
            heads: Heads::new(),
            ambiguous: Arc::new(AtomicBool::new(false)),
            patience,
        }
    }

    /// Set once a head was seen whose body may end in two places.
    pub fn ambiguous(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.ambiguous)
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
        let (_, new) = buf.filled().split_at_checked(before).unwrap_or((&[], &[]));
        match self.heads.observe(new) {
            Seen::Plain => {}
            Seen::AmbiguousHead => self.ambiguous.store(true, Ordering::Release),
            Seen::AmbiguousBody => return Poll::Ready(Err(io::ErrorKind::InvalidData.into())),
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

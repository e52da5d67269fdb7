//! The answer to a connection that is not let in: a few bytes that are always the same, then the end.
//!
//! Closing while what the client sent lies unread would reset the connection, and the client might never see the answer. So
//! some of the refused are read on for a moment, without keeping what they send; when there are too many of them, the rest
//! is just closed.

use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

/// How many refused connections are read on at once: they take a task and 1 KiB each.
pub const READ_ON_MAX: usize = 64;
/// For how long, and how many times [`SCRATCH`] bytes.
const READ_ON: Duration = Duration::from_secs(1);
const READS_MAX: usize = 128;
const SCRATCH: usize = 512;

const BODY: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>SlowDown</Code><Message>There are too many connections. Please reduce your request rate.</Message></Error>";

/// Refuses connections.
pub struct Refusals {
    answer: Arc<str>,
    room: Arc<Semaphore>,
}

impl Refusals {
    /// With room for as many as are read on at once.
    pub fn new() -> Self {
        let head = format!(
            "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/xml\r\nContent-Length: {}\r\nRetry-After: 1\r\nConnection: close\r\n\r\n",
            BODY.len()
        );
        Self {
            answer: (head + BODY).into(),
            room: Arc::new(Semaphore::new(READ_ON_MAX)),
        }
    }

    /// Answers 503 and closes.
    pub fn refuse(&self, mut stream: TcpStream) {
        let answer = Arc::clone(&self.answer);
        let Ok(room) = Arc::clone(&self.room).try_acquire_owned() else {
            // An empty send buffer takes these few bytes at once.
            if let Ok(mut stream) = stream.into_std() {
                let _ = std::io::Write::write(&mut stream, answer.as_bytes());
            }
            return;
        };
        tokio::spawn(async move {
            let read_on = async {
                stream.write_all(answer.as_bytes()).await?;
                stream.shutdown().await?;
                let mut scratch = [0; SCRATCH];
                for _ in 0..READS_MAX {
                    if stream.read(&mut scratch).await? == 0 {
                        break;
                    }
                }
                std::io::Result::Ok(())
            };
            let _ = tokio::time::timeout(READ_ON, read_on).await;
            drop(room);
        });
    }
}

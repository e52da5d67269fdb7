//! SIGTERM and SIGINT: the first asks for a clean stop, the second ends the process at once.
//!
//! Ending at once is safe for the data: whatever was acknowledged is already durable. It only costs the next start a
//! replay of the tail.

use crate::failure::Failure;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a shell reports for a process that a signal ended is 128 and the signal's number; SIGINT is 2.
const ENDED_AT_ONCE: i32 = 130;

/// Both signals that ask for an end.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Takes over both signals. Must run inside the runtime.
    pub fn take() -> Result<Self, Failure> {
        let take = |kind, name| {
            signal(kind).map_err(|error| Failure::new(format!("cannot listen for {name}: {error}")))
        };
        Ok(Self {
            terminate: take(SignalKind::terminate(), "SIGTERM")?,
            interrupt: take(SignalKind::interrupt(), "SIGINT")?,
        })
    }

    /// Waits for the first signal; from then on a second one ends the process.
    pub async fn stop_asked(mut self) {
        let name = self.next().await;
        tracing::info!("{name}: finishing what was begun; another signal ends at once");
        tokio::spawn(async move {
            let name = self.next().await;
            tracing::warn!(
                "{name} again: ended at once; the next start replays the end of the log"
            );
            std::process::exit(ENDED_AT_ONCE);
        });
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

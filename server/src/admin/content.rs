//! The count of distinct content, made when it is asked for.
//!
//! It looks at every name, some two seconds for a million of them, so it is made once however many ask, a figure that is
//! still exact is given again, and one that took long is given again for nine times as long as it took: at most a tenth
//! of one core goes into it. Who asks waits a few seconds at most, and then gets the last figure, or none.

use moraine_engine::{Content, LogPoint, Store};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, watch};

/// How long to wait for a count in progress.
const WAIT_MAX: Duration = Duration::from_secs(5);
/// A count that takes no longer is made anew whenever something has changed.
const QUICK: Duration = Duration::from_millis(500);
/// A slow one is good for so many times as long as it took.
const REST_FACTOR: u32 = 9;

/// A finished count.
#[derive(Clone, Copy, Debug)]
pub struct Counted {
    /// What was found.
    pub content: Content,
    at: Instant,
    took: Duration,
    /// Up to where the log was applied before it began.
    applied: LogPoint,
}

impl Counted {
    /// How many seconds ago the figure was exact, in a store that is applied up to there.
    pub fn age_seconds(&self, applied: LogPoint) -> u64 {
        if self.applied == applied {
            0
        } else {
            self.at.elapsed().as_secs()
        }
    }

    fn is_good(&self, applied: LogPoint, now: Instant) -> bool {
        self.applied == applied
            || (self.took > QUICK
                && now.saturating_duration_since(self.at) < self.took.saturating_mul(REST_FACTOR))
    }
}

/// Counts, one at a time.
#[derive(Debug)]
pub struct ContentCounter {
    last: watch::Sender<Option<Counted>>,
    turn: Arc<Mutex<()>>,
}

impl Default for ContentCounter {
    fn default() -> Self {
        Self {
            last: watch::Sender::new(None),
            turn: Arc::default(),
        }
    }
}

impl ContentCounter {
    /// The newest figure that can be had soon.
    pub async fn get(self: &Arc<Self>, store: &Store) -> Option<Counted> {
        let mut finished = self.last.subscribe();
        let last = *finished.borrow_and_update();
        let applied = store.stats().applied;
        if let Some(last) = last.filter(|last| last.is_good(applied, Instant::now())) {
            return Some(last);
        }
        if let Ok(turn) = Arc::clone(&self.turn).try_lock_owned() {
            let (counter, store) = (Arc::clone(self), store.clone());
            tokio::spawn(async move {
                counter.count(&store, applied).await;
                drop(turn);
            });
        }
        let _ = tokio::time::timeout(WAIT_MAX, finished.changed()).await;
        *self.last.borrow()
    }

    async fn count(&self, store: &Store, applied: LogPoint) {
        let began = Instant::now();
        match store.content().await {
            Ok(content) => {
                let counted = Counted {
                    content,
                    at: Instant::now(),
                    took: began.elapsed(),
                    applied,
                };
                self.last.send_replace(Some(counted));
            }
            Err(error) => {
                tracing::warn!(%error, "the distinct content could not be counted");
                self.last.send_modify(|_| {});
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use moraine_engine::{Offset, SegmentNumber};

    fn point(offset: u64) -> LogPoint {
        LogPoint {
            segment: SegmentNumber(1),
            offset: Offset(offset),
        }
    }

    #[test]
    fn a_figure_is_given_again_while_exact_or_while_the_counter_rests() {
        let at = Instant::now();
        let counted = |took_ms| Counted {
            content: Content::default(),
            at,
            took: Duration::from_millis(took_ms),
            applied: point(1),
        };
        let after = |ms| at + Duration::from_millis(ms);
        assert!(counted(1).is_good(point(1), after(1_000_000)));
        assert!(!counted(1).is_good(point(2), after(0)));
        assert!(counted(1000).is_good(point(2), after(8_999)));
        assert!(!counted(1000).is_good(point(2), after(9_000)));
    }
}

//! When requests begin, and when their answers count.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Longer than any measurement.
const FOREVER: Duration = Duration::from_secs(24 * 3600);
/// How exact the end is when bytes decide about it.
const POLL: Duration = Duration::from_millis(1);

/// What ends a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Time; or before it, once bodies of so many bytes were sent.
    Time {
        /// How long answers count.
        duration: Duration,
        /// Bytes.
        sent_max: u64,
    },
    /// So many requests, the last answer included.
    Requests(u64),
    /// Nothing but the end of what is to be sent.
    None,
}

/// The window of all threads.
#[derive(Debug)]
pub struct Window {
    from: Instant,
    until: Instant,
    requests_left: AtomicU64,
    sent: AtomicU64,
    sent_max: u64,
    exhausted: OnceLock<Instant>,
}

impl Window {
    /// A window that opens after `warm_up`.
    pub fn new(warm_up: Duration, limit: Limit) -> Self {
        let from = Instant::now() + warm_up;
        let (duration, sent_max, requests) = match limit {
            Limit::Time { duration, sent_max } => (duration, sent_max, u64::MAX),
            Limit::Requests(requests) => (FOREVER, u64::MAX, requests),
            Limit::None => (FOREVER, u64::MAX, u64::MAX),
        };
        Self {
            from,
            until: from + duration,
            requests_left: AtomicU64::new(requests),
            sent: AtomicU64::new(0),
            sent_max,
            exhausted: OnceLock::new(),
        }
    }

    /// Whether one more request may begin.
    pub fn admits(&self, now: Instant) -> bool {
        let one_less = |left: u64| left.checked_sub(1);
        now < self.until
            && self.exhausted.get().is_none()
            && self
                .requests_left
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less)
                .is_ok()
    }

    /// A request with this many bytes begins. Those before the window do not count.
    pub fn spend(&self, bytes: usize, now: Instant) {
        if self.sent_max == u64::MAX || now < self.from {
            return;
        }
        let bytes = bytes as u64;
        if self.sent.fetch_add(bytes, Ordering::Relaxed) + bytes >= self.sent_max {
            self.exhausted.get_or_init(|| now);
        }
    }

    /// Whether an answer that came now counts.
    pub fn counts(&self, now: Instant) -> bool {
        now >= self.from && now < self.until && self.exhausted.get().is_none_or(|end| now < *end)
    }

    /// Sleeps until it opens.
    pub fn wait_open(&self) {
        std::thread::sleep(self.from.saturating_duration_since(Instant::now()));
    }

    /// Sleeps until time or bytes close it, and says when that was.
    pub fn wait_closed(&self) -> Instant {
        loop {
            if let Some(end) = self.exhausted.get() {
                return *end;
            }
            let left = self.until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return self.until;
            }
            let polling = self.sent_max != u64::MAX;
            std::thread::sleep(if polling { left.min(POLL) } else { left });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn time_opens_and_closes_it() {
        let limit = Limit::Time {
            duration: HOUR,
            sent_max: u64::MAX,
        };
        let window = Window::new(HOUR, limit);
        let now = Instant::now();
        for (hours, admits, counts) in [(0, true, false), (1, true, true), (2, false, false)] {
            let then = now + HOUR * hours + Duration::from_secs(1);
            assert_eq!(
                (window.admits(then), window.counts(then)),
                (admits, counts),
                "{hours}"
            );
        }
    }

    #[test]
    fn bytes_close_it_and_those_of_the_warm_up_do_not() {
        let limit = Limit::Time {
            duration: HOUR,
            sent_max: 100,
        };
        let window = Window::new(HOUR, limit);
        let open = Instant::now() + HOUR + Duration::from_secs(1);
        window.spend(1000, Instant::now());
        window.spend(99, open);
        assert!(window.admits(open) && window.counts(open));
        window.spend(1, open);
        assert!(!window.admits(open) && !window.counts(open));
        assert_eq!(window.wait_closed(), open);
    }

    #[test]
    fn no_more_requests_than_asked_for() {
        let window = Window::new(Duration::ZERO, Limit::Requests(3));
        let now = Instant::now();
        let admitted = (0..10).filter(|_| window.admits(now)).count();
        assert_eq!(admitted, 3);
        assert!(window.counts(now));
    }
}

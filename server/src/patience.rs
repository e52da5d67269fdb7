//! How long the server goes on waiting for a client, who sends a body or takes an answer.
//!
//! Time counts only while the server waits for the client. A client may pause for a while; over all, it may not be slower
//! than a rate; and while the store's memory is nearly used up, it may not be slower than a higher rate over a short
//! window, so that a few slow clients cannot hold the memory that the others wait for.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// Says whether memory is nearly used up.
pub type Pressed = Arc<dyn Fn() -> bool + Send + Sync>;

/// What a client is held to.
#[derive(Clone, Copy, Debug)]
pub struct Demands {
    /// The longest pause.
    pub idle_max: Duration,
    /// The least bytes a second of waiting, after a grace of `idle_max`. 0 for none.
    pub rate_min: u64,
    /// The least bytes a second in each window under pressure.
    pub pressed_rate_min: u64,
    /// That window.
    pub pressed_window: Duration,
}

/// The waiting for one client.
pub struct Patience {
    demands: Demands,
    pressed: Pressed,
    moved: u64,
    idle: Duration,
    waited: Duration,
    window_moved: u64,
    window_waited: Duration,
    waiting_since: Option<Instant>,
    alarm: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    /// Before the first byte.
    pub fn new(demands: Demands, pressed: Pressed) -> Self {
        Self {
            demands,
            pressed,
            moved: 0,
            idle: Duration::ZERO,
            waited: Duration::ZERO,
            window_moved: 0,
            window_waited: Duration::ZERO,
            waiting_since: None,
            alarm: None,
        }
    }

    /// The client sent or took that many bytes.
    pub fn progress(&mut self, bytes: usize) {
        if let Some(since) = self.waiting_since.take() {
            self.wait(since.elapsed());
        }
        let bytes = u64::try_from(bytes).unwrap_or(0);
        self.moved = self.moved.saturating_add(bytes);
        self.window_moved = self.window_moved.saturating_add(bytes);
        self.idle = Duration::ZERO;
    }

    /// Ready once the client has been waited for too long.
    pub fn poll_spent(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let now = Instant::now();
            if let Some(since) = self.waiting_since.replace(now) {
                self.wait(now - since);
            }
            if self.is_spent() {
                return Poll::Ready(());
            }
            // Pressure may begin at any time: look several times in a window.
            let next = now + self.left().min(self.demands.pressed_window / 5);
            let alarm = match &mut self.alarm {
                Some(alarm) => {
                    alarm.as_mut().reset(next);
                    alarm
                }
                None => self.alarm.insert(Box::pin(tokio::time::sleep_until(next))),
            };
            std::task::ready!(alarm.as_mut().poll(cx));
        }
    }

    fn wait(&mut self, time: Duration) {
        self.idle += time;
        self.waited += time;
        self.window_waited += time;
    }

    /// The waiting that is left: a pause, or what the slowest allowed client would still have, if that is less.
    fn left(&self) -> Duration {
        let pause = self.demands.idle_max.saturating_sub(self.idle);
        let Some(seconds) = self.moved.checked_div(self.demands.rate_min) else {
            return pause;
        };
        let allowed = self.demands.idle_max + Duration::from_secs(seconds);
        pause.min(allowed.saturating_sub(self.waited))
    }

    fn is_spent(&mut self) -> bool {
        self.left().is_zero() || self.is_slow_under_pressure()
    }

    /// Without pressure a window never ends, so that pressure does not strike who was slow before it.
    fn is_slow_under_pressure(&mut self) -> bool {
        let pressed = (self.pressed)();
        if pressed && self.window_waited < self.demands.pressed_window {
            return false;
        }
        let millis = u64::try_from(self.window_waited.as_millis()).unwrap_or(u64::MAX);
        let least = self.demands.pressed_rate_min.saturating_mul(millis) / 1000;
        let slow = self.window_moved < least;
        (self.window_moved, self.window_waited) = (0, Duration::ZERO);
        pressed && slow
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    const SECOND: Duration = Duration::from_secs(1);

    fn patience(rate_min: u64) -> (Patience, Arc<AtomicBool>) {
        let pressure = Arc::new(AtomicBool::new(false));
        let demands = Demands {
            idle_max: SECOND * 30,
            rate_min,
            pressed_rate_min: 16 * 1024,
            pressed_window: SECOND * 5,
        };
        let pressed = Arc::clone(&pressure);
        let pressed = Arc::new(move || pressed.load(Ordering::Relaxed));
        (Patience::new(demands, pressed), pressure)
    }

    /// Waits a second at a time, each followed by `bytes`; how many seconds that went well.
    fn lasts(client: &mut Patience, seconds: u32, bytes: usize) -> u32 {
        for second in 0..seconds {
            client.wait(SECOND);
            if client.is_spent() {
                return second;
            }
            client.progress(bytes);
        }
        seconds
    }

    #[test]
    fn a_pause_is_bounded() {
        let (mut client, _) = patience(1024);
        client.progress(1 << 30);
        assert_eq!(client.left(), SECOND * 30);
        client.wait(SECOND * 29);
        assert!(!client.is_spent());
        client.wait(SECOND);
        assert!(client.is_spent());
    }

    #[test]
    fn dripping_runs_out_of_patience() {
        let (mut client, _) = patience(1024);
        assert_eq!(lasts(&mut client, 1000, 1024), 1000);
        let (mut client, _) = patience(1024);
        assert_eq!(lasts(&mut client, 1000, 512), 57);
        let (mut client, _) = patience(0);
        assert_eq!(lasts(&mut client, 1000, 1), 1000);
    }

    #[test]
    fn under_pressure_slow_ones_end_sooner() {
        let (mut client, pressure) = patience(1024);
        assert_eq!(lasts(&mut client, 100, 15 * 1024), 100);
        pressure.store(true, Ordering::Relaxed);
        assert_eq!(lasts(&mut client, 100, 15 * 1024), 4);
    }

    #[test]
    fn under_pressure_fast_ones_go_on() {
        let (mut client, pressure) = patience(1024);
        pressure.store(true, Ordering::Relaxed);
        assert_eq!(lasts(&mut client, 100, 21 * 1024), 100);
    }

    #[test]
    fn pressure_forgives_what_was_before_it() {
        let (mut client, pressure) = patience(1024);
        assert_eq!(lasts(&mut client, 20, 2048), 20);
        pressure.store(true, Ordering::Relaxed);
        assert_eq!(lasts(&mut client, 4, 2048), 4);
        pressure.store(false, Ordering::Relaxed);
        assert_eq!(lasts(&mut client, 20, 2048), 20);
    }
}

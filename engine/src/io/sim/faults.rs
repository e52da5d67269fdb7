//! Which calls are going to fail, and how.

use super::config::{FaultKind, Repeat};

/// Counts down to one event: 1 strikes the next.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Countdown(Option<u64>);

impl Countdown {
    /// Strikes the `nth` from now, counted from 1.
    pub fn set(&mut self, nth: u64) {
        assert!(nth > 0, "the next one is number 1");
        self.0 = Some(nth);
    }

    /// Whether it counts.
    pub const fn is_set(self) -> bool {
        self.0.is_some()
    }

    /// Counts one event; whether it is the one.
    pub fn strikes(&mut self) -> bool {
        match self.0 {
            Some(1) => {
                self.0 = None;
                true
            }
            Some(left) => {
                self.0 = Some(left - 1);
                false
            }
            None => false,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Failure {
    countdown: Countdown,
    kind: FaultKind,
    repeat: Repeat,
    begun: bool,
}

/// All faults that a test asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Faults {
    failures: Vec<Failure>,
    pub crash: Countdown,
    pub sync: Countdown,
    pub rename: Countdown,
    pub misdirected_write: (Countdown, usize),
    pub misdirected_read: (Countdown, usize),
}

impl Faults {
    pub fn fail_call(&mut self, nth: u64, kind: FaultKind, repeat: Repeat) {
        let mut countdown = Countdown::default();
        countdown.set(nth);
        self.failures.push(Failure {
            countdown,
            kind,
            repeat,
            begun: false,
        });
    }

    /// Whether something has not struck yet.
    pub fn is_pending(&self) -> bool {
        let waiting = [self.crash, self.sync, self.rename]
            .into_iter()
            .chain([self.misdirected_write.0, self.misdirected_read.0])
            .chain(self.failures.iter().map(|failure| failure.countdown));
        waiting.into_iter().any(Countdown::is_set)
    }

    /// Counts one call; how it fails, if it does.
    pub fn strike_call(&mut self) -> Option<FaultKind> {
        let mut struck = None;
        for failure in &mut self.failures {
            let now = failure.countdown.strikes();
            if now || (failure.begun && failure.repeat == Repeat::Forever) {
                struck = struck.or(Some(failure.kind));
            }
            failure.begun |= now;
        }
        struck
    }
}

//! Runs a test for many seeds on all cores, and reports the first one that fails so that it can be repeated.
//!
//! | variable | means |
//! | --- | --- |
//! | `MORAINE_SEED` | only this seed |
//! | `MORAINE_SEED_BASE` | the first seed (default 0): a long run explores other seeds than CI |
//! | `MORAINE_TEST_SCALE` | how many times the figure of CI (a decimal number, default 1) |

use super::model::{Check, Failure};
use super::op::Op;
use super::shrink::shrink;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
// The threads here run whole tests: they are real in every build.
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, Once, PoisonError};
use std::thread;

/// Many runs of one test.
#[derive(Clone, Copy, Debug)]
pub struct Campaign {
    /// The name of the test, for the line that repeats a run.
    pub name: &'static str,
    /// Runs in CI.
    pub count: u64,
}

impl Campaign {
    /// Runs histories: `generate` draws one from a seed, `run` judges it. A failing history is shrunk.
    ///
    /// # Panics
    /// If one fails.
    pub fn histories(
        &self,
        generate: impl Fn(u64) -> Vec<Op> + Sync,
        run: impl Fn(u64, &[Op]) -> Check + Sync,
    ) {
        self.seeds(|seed| {
            let history = generate(seed);
            let Err(failure) = quietly(|| run(seed, &history)) else {
                return Ok(());
            };
            let smallest = shrink(&history, |history| quietly(|| run(seed, history)).is_err());
            let last = quietly(|| run(seed, &smallest)).err();
            let mut text = format!("{}\n  smallest history that fails:\n", failure.0);
            for op in &smallest {
                text.push_str(&format!("    {op:?}\n"));
            }
            let last = last.map_or_else(|| "does not fail any more".to_owned(), |last| last.0);
            text.push_str(&format!("  it gives: {last}"));
            Err(Failure(text))
        });
    }

    /// Runs one test for many seeds.
    ///
    /// # Panics
    /// If one fails.
    pub fn seeds(&self, test: impl Fn(u64) -> Check + Sync) {
        if let Err(failure) = self.try_seeds(test) {
            panic!("{}", failure.0);
        }
    }

    /// Runs one test for each number below [`Self::count`], whatever the scale: for what is complete as it is.
    ///
    /// # Panics
    /// If one fails.
    pub fn all(&self, test: impl Fn(u64) -> Check + Sync) {
        let (first, count) = number("MORAINE_SEED").map_or((0, self.count), |seed| (seed, 1));
        if let Err(failure) = self.run(first, count, test) {
            panic!("{}", failure.0);
        }
    }

    /// The same as [`Self::seeds`], for tests that must fail.
    pub fn try_seeds(&self, test: impl Fn(u64) -> Check + Sync) -> Check {
        let (first, count) = match number("MORAINE_SEED") {
            Some(seed) => (seed, 1),
            None => (number("MORAINE_SEED_BASE").unwrap_or(0), scaled(self.count)),
        };
        self.run(first, count, test)
    }

    fn run(&self, first: u64, count: u64, test: impl Fn(u64) -> Check + Sync) -> Check {
        let next = AtomicU64::new(0);
        let failed: Mutex<Option<(u64, Failure)>> = Mutex::new(None);
        let threads = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= count
                            || failed
                                .lock()
                                .unwrap_or_else(PoisonError::into_inner)
                                .is_some()
                        {
                            return;
                        }
                        let seed = first + number;
                        if let Err(failure) = quietly(|| test(seed)) {
                            let mut failed = failed.lock().unwrap_or_else(PoisonError::into_inner);
                            if failed.as_ref().is_none_or(|(other, _)| seed < *other) {
                                *failed = Some((seed, failure));
                            }
                        }
                    }
                });
            }
        });
        match failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
            None => Ok(()),
            Some((seed, failure)) => Err(Failure(format!(
                "{} fails with seed {seed}: {}\n  repeat: {}MORAINE_SEED={seed} cargo test -p moraine-engine \
                 --features sim,canary --test bars {} -- --nocapture",
                self.name,
                failure.0,
                also_set(),
                self.name
            ))),
        }
    }
}

/// The other variables that decide what a number means, where they are set.
fn also_set() -> String {
    let names = [
        "MORAINE_SEED_BASE",
        "MORAINE_TEST_SCALE",
        "MORAINE_EXHAUSTIVE",
    ];
    let set = |name| std::env::var(name).map(|value| format!("{name}={value} "));
    names.into_iter().flat_map(set).collect()
}

/// A number from the environment.
fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name}={text} is not a number")),
    )
}

/// A figure of CI times `MORAINE_TEST_SCALE`.
pub fn scaled(count: u64) -> u64 {
    let Ok(text) = std::env::var("MORAINE_TEST_SCALE") else {
        return count;
    };
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, "0"));
    let thousandths = format!("{whole}{:0<3.3}", fraction);
    let thousandths: u64 = thousandths
        .parse()
        .unwrap_or_else(|_| panic!("MORAINE_TEST_SCALE={text} is not a number"));
    (count.saturating_mul(thousandths) / 1_000).max(1)
}

thread_local! {
    static LAST_PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
    static QUIET: RefCell<u32> = const { RefCell::new(0) };
}

/// Runs a test; a panic becomes a failure, with its place, and is not printed.
pub fn quietly(test: impl FnOnce() -> Check) -> Check {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if QUIET.with_borrow(|depth| *depth == 0) {
                return loud(info);
            }
            LAST_PANIC.set(Some(info.to_string()));
        }));
    });
    QUIET.with_borrow_mut(|depth| *depth += 1);
    let result = catch_unwind(AssertUnwindSafe(test));
    QUIET.with_borrow_mut(|depth| *depth -= 1);
    result.unwrap_or_else(|_| {
        let text = LAST_PANIC
            .take()
            .unwrap_or_else(|| "a panic without a message".to_owned());
        Err(Failure(text))
    })
}

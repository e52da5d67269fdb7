//! Latencies, counted in classes that are at most 1/64 of their value wide, in constant memory.

use std::time::Duration;

/// Classes in each power of two.
const FINE: u64 = 64;
const FINE_BITS: u32 = FINE.trailing_zeros();
/// Nanoseconds up to 2^63.
const CLASSES: usize = 58 * 64 + 64;

/// Counts of durations.
#[derive(Clone, Debug)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
    longest: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            counts: vec![0; CLASSES],
            total: 0,
            longest: 0,
        }
    }
}

fn class(nanos: u64) -> u64 {
    if nanos < FINE {
        return nanos;
    }
    let shift = nanos.ilog2() - FINE_BITS;
    (u64::from(shift) + 1) * FINE + ((nanos >> shift) & (FINE - 1))
}

/// The largest value of a class.
fn top(class: u64) -> u64 {
    if class < FINE {
        return class;
    }
    let shift = class / FINE - 1;
    let bottom = (FINE + class % FINE) << shift;
    bottom + ((1 << shift) - 1)
}

impl Histogram {
    /// Counts one.
    pub fn record(&mut self, duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX >> 1);
        let class = usize::try_from(class(nanos)).unwrap_or(usize::MAX);
        if let Some(count) = self.counts.get_mut(class) {
            *count += 1;
        }
        self.total += 1;
        self.longest = self.longest.max(nanos);
    }

    /// Adds what another one counted.
    pub fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.total += other.total;
        self.longest = self.longest.max(other.longest);
    }

    /// Microseconds that `share` of all durations do not exceed; 0 if there are none.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a count of requests is far below 2^52"
    )]
    pub fn micros(&self, share: f64) -> f64 {
        let mut seen = 0_u64;
        for (class, count) in (0..).zip(&self.counts) {
            seen += count;
            if *count > 0 && seen as f64 >= share * self.total as f64 {
                return top(class).min(self.longest) as f64 / 1000.0;
            }
        }
        self.longest as f64 / 1000.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_narrow_and_in_order() {
        let mut last = None;
        for nanos in (0..5000).chain((1..50).map(|bits| (1_u64 << bits) + 12_345)) {
            let top = top(class(nanos));
            assert!(top >= nanos && top - nanos <= nanos / 64, "{nanos}: {top}");
            if nanos < 5000 {
                assert!(last.is_none_or(|last| last <= class(nanos)));
                last = Some(class(nanos));
            }
        }
        assert!(class(u64::MAX >> 1) < CLASSES as u64);
    }

    #[test]
    fn shares_of_a_thousand() {
        let mut all = Histogram::default();
        for micros in 1..=1000 {
            let mut one = Histogram::default();
            one.record(Duration::from_micros(micros));
            all.merge(&one);
        }
        for (share, micros) in [(0.5, 500.0), (0.99, 990.0), (1.0, 1000.0)] {
            assert!((all.micros(share) / micros - 1.0).abs() < 0.02, "{share}");
        }
    }
}

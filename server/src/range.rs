//! The `Range` header: one range of bytes. Pure.

use moraine_engine::canary::{self, Canary};
use std::ops::Range;

/// A range as a client asks for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RangeSpec {
    /// `bytes=FIRST-` or `bytes=FIRST-LAST`.
    From {
        /// The first byte.
        first: u64,
        /// The last byte, included.
        last: Option<u64>,
    },
    /// `bytes=-LENGTH`: the last bytes.
    Suffix {
        /// How many.
        length: u64,
    },
}

/// No byte of the range exists: 416.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unsatisfiable;

impl RangeSpec {
    /// Reads a header. `None` means that it is to be ignored, as RFC 9110 asks for: another unit, several ranges, or
    /// not well-formed.
    pub fn parse(header: &str) -> Option<Self> {
        let (unit, range) = header.split_once('=')?;
        if !unit.trim().eq_ignore_ascii_case("bytes") {
            return None;
        }
        let (first, last) = range.trim().split_once('-')?;
        if first.is_empty() {
            return Some(Self::Suffix {
                length: number(last)?,
            });
        }
        let first = number(first)?;
        let last = if last.is_empty() {
            None
        } else {
            Some(number(last)?)
        };
        if last.is_some_and(|last| last < first) {
            return None;
        }
        Some(Self::From { first, last })
    }

    /// The bytes of an object of `size` that the range covers.
    pub fn resolve(self, size: u64) -> Result<Range<u64>, Unsatisfiable> {
        let range = match self {
            Self::From { first, last } => {
                first..last.map_or(size, |last| last.saturating_add(1).min(size))
            }
            Self::Suffix { length } => size.saturating_sub(length)..size,
        };
        if range.is_empty() && !canary::is(Canary::RangeBehindTheEnd) {
            Err(Unsatisfiable)
        } else {
            Ok(range)
        }
    }
}

/// Digits and nothing else.
fn number(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// The `Content-Range` of an answer with `range` of `size` bytes.
pub fn content_range(range: &Range<u64>, size: u64) -> String {
    format!(
        "bytes {}-{}/{size}",
        range.start,
        range.end.saturating_sub(1)
    )
}

/// The `Content-Range` of an answer that no range of `size` bytes satisfies.
pub fn content_range_unsatisfiable(size: u64) -> String {
    format!("bytes */{size}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(header: &str, size: u64) -> Option<Result<Range<u64>, Unsatisfiable>> {
        RangeSpec::parse(header).map(|spec| spec.resolve(size))
    }

    #[test]
    fn table() {
        assert_eq!(resolve("bytes=0-0", 10), Some(Ok(0..1)));
        assert_eq!(resolve("bytes=0-", 10), Some(Ok(0..10)));
        assert_eq!(resolve("bytes=3-5", 10), Some(Ok(3..6)));
        assert_eq!(resolve("bytes=3-500", 10), Some(Ok(3..10)));
        assert_eq!(resolve("Bytes=9-", 10), Some(Ok(9..10)));
        assert_eq!(resolve("bytes=10-", 10), Some(Err(Unsatisfiable)));
        assert_eq!(resolve("bytes=-3", 10), Some(Ok(7..10)));
        assert_eq!(resolve("bytes=-30", 10), Some(Ok(0..10)));
        assert_eq!(resolve("bytes=-0", 10), Some(Err(Unsatisfiable)));
        assert_eq!(resolve("bytes=0-", 0), Some(Err(Unsatisfiable)));
        assert_eq!(resolve("bytes=-5", 0), Some(Err(Unsatisfiable)));
        assert_eq!(resolve("bytes=0-18446744073709551615", 10), Some(Ok(0..10)));
    }

    #[test]
    fn ignored() {
        for header in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=5-3",
            "bytes=a-b",
            "bytes=0-1,3-4",
            "items=0-1",
            "bytes=+1-2",
            "bytes=1-99999999999999999999",
        ] {
            assert_eq!(RangeSpec::parse(header), None, "{header}");
        }
    }
}

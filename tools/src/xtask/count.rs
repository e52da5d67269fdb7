//! How many tests a program says it ran, read from its closing lines.

use std::ops::AddAssign;

/// Tests that passed, failed and were skipped.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Count {
    pub passed: u64,
    pub failed: u64,
    pub skipped: u64,
}

impl Count {
    /// All of them that ran.
    pub fn ran(self) -> u64 {
        self.passed + self.failed
    }
}

impl AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

/// The counts in a closing line of `cargo nextest`, `cargo test` or one of our scripts; `None` for any other line.
pub fn closing(line: &str) -> Option<Count> {
    let line = line.trim();
    let counts = if let Some(rest) = line.strip_prefix("test result: ") {
        rest.split_once(". ")?.1
    } else if line.starts_with("Summary [") {
        line.split_once(" run: ")?.1
    } else {
        let (number, _) = line.split_once(" passed, ")?;
        number.parse::<u64>().ok()?;
        line
    };
    let mut count = Count::default();
    for item in counts.split([',', ';']) {
        let mut words = item.split_whitespace();
        let Some(number) = words.next().and_then(|word| word.parse::<u64>().ok()) else {
            continue;
        };
        match words.next() {
            Some("passed") => count.passed = number,
            Some("failed") => count.failed += number,
            // Of nextest: as bad as failed.
            Some("timed") => count.failed += number,
            Some("skipped" | "ignored") => count.skipped = number,
            _ => {}
        }
    }
    Some(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(passed: u64, failed: u64, skipped: u64) -> Option<Count> {
        Some(Count {
            passed,
            failed,
            skipped,
        })
    }

    #[test]
    fn reads_nextest() {
        let line = "     Summary [   3.412s] 45 tests run: 44 passed (1 slow), 1 failed, 2 skipped";
        assert_eq!(closing(line), count(44, 1, 2));
        let line = "     Summary [   0.412s] 1 test run: 1 passed, 0 skipped";
        assert_eq!(closing(line), count(1, 0, 0));
    }

    #[test]
    fn reads_cargo_test() {
        let line = "test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.42s";
        assert_eq!(closing(line), count(5, 0, 1));
        let line = "test result: FAILED. 5 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out";
        assert_eq!(closing(line), count(5, 2, 0));
    }

    #[test]
    fn reads_our_scripts() {
        assert_eq!(closing("12 passed, 0 failed, 1 skipped"), count(12, 0, 1));
        assert_eq!(closing("12 passed, 3 failed"), count(12, 3, 0));
    }

    #[test]
    fn other_lines_do_not_count() {
        for line in [
            "",
            "running 5 tests",
            "the test passed, really",
            "PASS [0.1s] a::b",
        ] {
            assert_eq!(closing(line), None, "{line:?}");
        }
    }
}

//! Whose turn it is: `cargo xtask test` attacks some of the fuzz targets, and the next change attacks the next ones.
//!
//! A turn is the number of commits behind the one that is tested, so that a run can be repeated by whoever has the same
//! commit, and changes that follow each other go through all targets in a row. Where that number is not known (a shallow
//! clone, no repository) it is the number of days since 1970. The variable `MORAINE_FUZZ_TURN` overrides both.

use crate::run;
use std::time::{SystemTime, UNIX_EPOCH};

/// The variable that says which turn it is.
const VARIABLE: &str = "MORAINE_FUZZ_TURN";
const DAY_SECONDS: u64 = 24 * 60 * 60;

/// A turn, and where its number comes from.
#[derive(PartialEq, Eq, Debug)]
pub struct Turn {
    pub number: u64,
    pub source: &'static str,
}

impl Turn {
    /// The one that it is now.
    pub fn now() -> Result<Self, String> {
        if let Ok(text) = std::env::var(VARIABLE) {
            let number = text.parse();
            let number = number.map_err(|_| format!("{VARIABLE}={text} is not a number"))?;
            let source = VARIABLE;
            return Ok(Self { number, source });
        }
        Ok(commits().unwrap_or_else(days))
    }

    /// The `count` items whose turn it is: behind those of the turn before, around and around.
    pub fn choose(&self, mut items: Vec<String>, count: usize) -> Vec<String> {
        let (len, step) = (items.len().max(1), count % items.len().max(1));
        let turn = self.number % u64::try_from(len).unwrap_or(u64::MAX);
        // Both factors are below the number of items.
        items.rotate_left(usize::try_from(turn).unwrap_or(0) * step % len);
        items.truncate(count);
        items
    }
}

/// The number of commits behind this one, if the repository has them all.
fn commits() -> Option<Turn> {
    let git = |arguments: &[&str]| {
        let output = run::program("git").args(arguments).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    };
    if git(&["rev-parse", "--is-shallow-repository"])? != "false" {
        return None;
    }
    let number = git(&["rev-list", "--count", "HEAD"])?.parse().ok()?;
    let source = "commits";
    Some(Turn { number, source })
}

fn days() -> Turn {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let number = since.map_or(0, |since| since.as_secs() / DAY_SECONDS);
    let source = "days since 1970";
    Turn { number, source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn chosen(number: u64, of: usize, count: usize) -> Vec<String> {
        let items = (0..of).map(|item| item.to_string()).collect();
        let source = "a test";
        Turn { number, source }.choose(items, count)
    }

    /// How many turns it takes until all have had theirs, if the number grows by `step` from one to the next.
    fn turns_until_all(step: u64, of: usize, count: usize) -> Option<usize> {
        let mut seen = BTreeSet::new();
        (0..2 * of).zip(0_u64..).position(|(_, turn)| {
            seen.extend(chosen(1234 + turn * step, of, count));
            seen.len() == of
        })
    }

    #[test]
    fn a_turn_begins_where_the_one_before_ended() {
        let both: Vec<String> = (7..9).flat_map(|turn| chosen(turn, 25, 8)).collect();
        let distinct: BTreeSet<_> = both.iter().collect();
        assert_eq!((both.len(), distinct.len()), (16, 16));
    }

    #[test]
    fn all_have_their_turn_in_four_and_soon_where_merges_bring_several_commits() {
        assert_eq!(turns_until_all(1, 25, 8), Some(3));
        for step in 2..25 {
            let turns = turns_until_all(step, 25, 8);
            assert!(turns.is_some_and(|turns| turns < 20), "{step}: {turns:?}");
        }
    }

    #[test]
    fn odd_numbers_of_items_are_no_trouble() {
        assert_eq!(chosen(u64::MAX, 0, 8), Vec::<String>::new());
        assert_eq!(chosen(u64::MAX, 3, 8).len(), 3);
    }
}

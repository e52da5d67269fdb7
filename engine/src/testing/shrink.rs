//! Leaves operations out of a failing history for as long as it still fails.

use super::op::Op;

/// Runs that one shrinking may take.
const RUNS_MAX: usize = 2_000;

/// The smallest history found that fails. `fails` must say the same whenever it is asked about the same history.
pub fn shrink(history: &[Op], fails: impl Fn(&[Op]) -> bool) -> Vec<Op> {
    let mut best = history.to_vec();
    let mut runs = 0;
    let mut size = best.len().div_ceil(2);
    while size > 0 && runs < RUNS_MAX {
        let mut at = 0;
        let mut shrunk = false;
        while at < best.len() && runs < RUNS_MAX {
            let candidate: Vec<Op> = best
                .iter()
                .take(at)
                .chain(best.iter().skip(at + size))
                .cloned()
                .collect();
            runs += 1;
            if fails(&candidate) {
                best = candidate;
                shrunk = true;
            } else {
                at += size;
            }
        }
        if !shrunk || size > 1 {
            size /= 2;
        }
    }
    thin_groups(best, &fails)
}

/// Leaves requests out of groups, and takes groups of one apart.
fn thin_groups(mut best: Vec<Op>, fails: &impl Fn(&[Op]) -> bool) -> Vec<Op> {
    let mut at = 0;
    while let Some(op) = best.get(at).cloned() {
        if let Op::Together(group) = op {
            for candidate in smaller(&group) {
                let mut history = best.clone();
                if let Some(place) = history.get_mut(at) {
                    *place = candidate;
                }
                if fails(&history) {
                    best = history;
                    // The group, now smaller, is looked at again.
                    at = at.wrapping_sub(1);
                    break;
                }
            }
        }
        at = at.wrapping_add(1);
    }
    best
}

fn smaller(group: &[Op]) -> Vec<Op> {
    (0..group.len())
        .map(|left_out| {
            let mut rest: Vec<Op> = group
                .iter()
                .enumerate()
                .filter(|(at, _)| *at != left_out)
                .map(|(_, op)| op.clone())
                .collect();
            match (rest.len(), rest.pop()) {
                (1, Some(only)) => only,
                (_, last) => {
                    rest.extend(last);
                    Op::Together(rest)
                }
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jump(ms: i64) -> Op {
        Op::Jump { ms }
    }

    #[test]
    fn only_what_fails_stays() {
        let history: Vec<Op> = (0..50).map(jump).collect();
        let fails = |history: &[Op]| history.contains(&jump(7)) && history.contains(&jump(33));
        assert_eq!(shrink(&history, fails), [jump(7), jump(33)]);
    }

    #[test]
    fn groups_get_smaller() {
        let history = [jump(1), Op::Together(vec![jump(2), jump(3), jump(4)])];
        let fails = |history: &[Op]| format!("{history:?}").contains("ms: 3");
        assert_eq!(shrink(&history, fails), [jump(3)]);
    }
}

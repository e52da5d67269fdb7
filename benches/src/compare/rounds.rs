//! The rounds: in each, every server of a group does the same for the same time, one after the other, and the order turns.

use crate::compare::groups::{Group, Who};
use crate::compare::stage::Stage;
use crate::load::Done;
use crate::load::phase::{Setting, measure};
use crate::load::readback;
use crate::load::report::Report;
use crate::load::requests::Plan;
use crate::load::window::Limit;
use serde::Serialize;
use std::time::Duration;

/// Warming up with new bytes is short: they stay on the disk.
const WARM_UP_WRITING: Duration = Duration::from_millis(100);
/// Of a run that only shows whether everything works: requests for each connection, and at least.
const SMOKE_EACH: usize = 2;
const SMOKE_MIN: usize = 16;
/// Share of writes where reads and writes are mixed.
const PUTS: f64 = 0.3;
/// After writing: what a server does in the background is not to be charged to the next one.
const PAUSE: Duration = Duration::from_millis(300);

/// How long and how often.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Pace {
    /// Rounds.
    pub rounds: u32,
    /// How long each server works in each round.
    pub duration: Duration,
    /// Before that.
    pub warm_up: Duration,
    /// New bytes that are stored in the whole comparison, roughly.
    pub write_bytes: u64,
    /// Only to see whether everything works: a few requests, however long they take.
    pub smoke: bool,
}

/// What one server did in one round.
#[derive(Clone, Debug, Serialize)]
pub struct Run {
    /// The group's name.
    pub group: &'static str,
    /// The round, from 0.
    pub round: u32,
    /// The server.
    pub who: Who,
    /// What was measured.
    pub report: Report,
}

/// Runs all groups; an error as soon as anything but speed is wrong. `said` gets a line for each run.
pub fn run(
    stage: &Stage,
    groups: &[Group],
    pace: Pace,
    mut said: impl FnMut(&str),
) -> Done<Vec<Run>> {
    let writing = groups.iter().filter(|group| group.writes()).count() as u64;
    let sent_max = pace.write_bytes / (writing * u64::from(pace.rounds)).max(1);
    let mut runs = Vec::new();
    for group in groups {
        for round in 0..pace.rounds {
            let mut turn: Vec<Who> = group.who.to_vec();
            let ahead = usize::try_from(round).unwrap_or(0) % turn.len().max(1);
            turn.rotate_left(ahead);
            for who in turn {
                let report = one(stage, group, who, pace, sent_max)?;
                said(&report.line());
                runs.push(Run {
                    group: group.name,
                    round,
                    who,
                    report,
                });
            }
        }
    }
    Ok(runs)
}

fn limited(group: &Group, who: Who, pace: Pace, sent_max: u64, setting: Setting) -> Setting {
    if pace.smoke {
        let requests = (group.connections * SMOKE_EACH).max(SMOKE_MIN) as u64;
        return Setting {
            limit: Limit::Requests(requests),
            ..setting
        };
    }
    let writes = group.writes();
    Setting {
        warm_up: if writes {
            pace.warm_up.min(WARM_UP_WRITING)
        } else {
            pace.warm_up
        },
        limit: Limit::Time {
            duration: pace.duration,
            sent_max: if writes && who == Who::Moraine {
                sent_max
            } else {
                u64::MAX
            },
        },
        ..setting
    }
}

fn one(stage: &Stage, group: &Group, who: Who, pace: Pace, sent_max: u64) -> Done<Report> {
    let setting = Setting {
        connections: group.connections,
        fresh: group.fresh,
        ..limited(group, who, pace, sent_max, stage.setting(who)?)
    };
    let plan = Plan {
        operation: group.operation,
        sizes: group.sizes,
        duplicates: group.duplicates,
        puts: PUTS,
        objects: stage.objects(group.sizes),
    };
    let what = format!("{}, {}", group.name, who.name());
    let (report, tally, run) = measure(&setting, &plan, &what)?;
    if report.errors > 0 || report.requests == 0 {
        return Err(format!(
            "{what}: {} errors in {} answers: {:?}",
            report.errors, report.requests, report.error_words
        ));
    }
    if who == Who::Moraine {
        readback::check(&setting, &tally.written, run).map_err(|why| format!("{what}: {why}"))?;
    }
    if group.writes() && !pace.smoke {
        std::thread::sleep(PAUSE);
    }
    Ok(report)
}

//! From runs to rows: ratios of the same round, their median and spread, and whether the aim is met.

use crate::compare::groups::{Group, Judge, Who};
use crate::compare::rounds::Run;
use crate::load::report::{Report, each, mib};
use serde::Serialize;

/// Which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Aim {
    /// Not less than this.
    AtLeast(f64),
    /// Not more than this.
    AtMost(f64),
    /// Less than this.
    Below(f64),
    /// None: the figure is for scale.
    None,
}

impl Aim {
    /// Whether `value` meets it; `None` without an aim.
    pub fn met(self, value: f64) -> Option<bool> {
        match self {
            Self::AtLeast(aim) => Some(value >= aim),
            Self::AtMost(aim) => Some(value <= aim),
            Self::Below(aim) => Some(value < aim),
            Self::None => None,
        }
    }
}

/// One figure.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// What was done.
    pub what: String,
    /// What the figure is: a ratio to whom, or its unit.
    pub figure: String,
    /// Whether it is a ratio.
    pub is_ratio: bool,
    /// The median of all rounds, which is judged.
    pub median: f64,
    /// The lowest.
    pub min: f64,
    /// The highest.
    pub max: f64,
    /// What is aimed for.
    pub aim: Aim,
    /// Whether it is met.
    pub met: Option<bool>,
    /// What the store did, in words.
    pub ours: String,
    /// What the other did, if there is one.
    pub theirs: String,
}

/// All rows of a group.
pub fn rows(group: &Group, runs: &[Run]) -> Vec<Row> {
    let of = |who: Who| -> Vec<&Report> {
        let mut own: Vec<&Run> = runs
            .iter()
            .filter(|run| run.group == group.name && run.who == who)
            .collect();
        own.sort_by_key(|run| run.round);
        own.into_iter().map(|run| &run.report).collect()
    };
    let ours = of(Who::Moraine);
    group
        .judges
        .iter()
        .map(|judge| row(group, *judge, &ours, &of))
        .collect()
}

/// The row of a figure that was taken once.
pub fn single(what: &str, figure: &str, value: f64, aim: Aim) -> Row {
    Row {
        what: what.to_owned(),
        figure: figure.to_owned(),
        is_ratio: false,
        median: value,
        min: value,
        max: value,
        aim,
        met: aim.met(value),
        ours: String::new(),
        theirs: String::new(),
    }
}

fn row<'a>(
    group: &Group,
    judge: Judge,
    ours: &[&'a Report],
    of: &impl Fn(Who) -> Vec<&'a Report>,
) -> Row {
    let ratio = |who: Who, figure: fn(&Report) -> f64| -> Vec<f64> {
        ours.iter()
            .zip(of(who))
            .map(|(our, their)| each(figure(our), figure(their)))
            .collect()
    };
    let absolute = |figure: fn(&Report) -> f64| ours.iter().map(|report| figure(report)).collect();
    let (figure, values, aim, other): (String, Vec<f64>, Aim, Option<Who>) = match judge {
        Judge::Rate(who, aim) => (
            format!("requests/s over {}", who.name()),
            ratio(who, |report| report.requests_per_second),
            aim.map_or(Aim::None, Aim::AtLeast),
            Some(who),
        ),
        Judge::Cpu(who, aim) => (
            format!("CPU s/GiB over {}", who.name()),
            ratio(who, cpu),
            aim.map_or(Aim::None, Aim::AtMost),
            Some(who),
        ),
        Judge::P99(aim) => (
            "p99, ms".to_owned(),
            absolute(|report| report.latency_us.p99 / 1000.0),
            Aim::Below(aim),
            None,
        ),
        Judge::NoStall(aim) => (
            "p99.9, ms".to_owned(),
            absolute(|report| report.latency_us.p999 / 1000.0),
            Aim::Below(aim),
            Some(Who::Nginx),
        ),
        Judge::Throughput => (
            "MiB/s".to_owned(),
            absolute(|report| report.mib_per_second),
            Aim::None,
            None,
        ),
        Judge::Memory(aim) => (
            "peak RssAnon, MiB".to_owned(),
            absolute(peak),
            Aim::Below(aim),
            None,
        ),
    };
    let median = median(&values);
    let heads_alone: u64 = ours.iter().map(|report| report.heads_alone).sum();
    let stalls = matches!(judge, Judge::NoStall(_)) && heads_alone > 0;
    let max = values.iter().copied().fold(f64::MIN, f64::max);
    // A peak is a peak: the highest of all rounds is judged.
    let judged = if matches!(judge, Judge::Memory(_)) {
        max
    } else {
        median
    };
    Row {
        what: group.name.to_owned(),
        figure,
        is_ratio: matches!(judge, Judge::Rate(..) | Judge::Cpu(..)),
        median: judged,
        min: values.iter().copied().fold(f64::MAX, f64::min),
        max,
        aim,
        met: aim.met(judged).map(|met| met && !stalls),
        ours: words(judge, ours),
        theirs: other.map_or_else(String::new, |who| words(judge, &of(who))),
    }
}

fn cpu(report: &Report) -> f64 {
    report
        .server
        .map_or(0.0, |server| server.cpu_seconds_per_gib)
}

fn peak(report: &Report) -> f64 {
    report
        .server
        .map_or(0.0, |server| mib(server.anonymous_bytes_peak))
}

/// The median; of an even number the lower of the two in the middle, so that it is a figure that was measured.
fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
        .get(sorted.len().saturating_sub(1) / 2)
        .copied()
        .unwrap_or(0.0)
}

fn words(judge: Judge, reports: &[&Report]) -> String {
    let middle = |figure: fn(&Report) -> f64| {
        let values: Vec<f64> = reports.iter().map(|report| figure(report)).collect();
        median(&values)
    };
    let rate = middle(|report| report.requests_per_second);
    let latency = |name: &str, figure: fn(&Report) -> f64| {
        format!("{name} {:.2} ms", middle(figure) / 1000.0)
    };
    match judge {
        Judge::Rate(..) => format!(
            "{}/s, {} MiB/s",
            thousands(rate),
            thousands(middle(|report| report.mib_per_second))
        ),
        Judge::Cpu(..) => format!("{:.3} CPU s/GiB", middle(cpu)),
        Judge::P99(_) => format!(
            "{}/s, {}, {}",
            thousands(rate),
            latency("p50", |report| report.latency_us.p50),
            latency("max", |report| report.latency_us.max)
        ),
        Judge::NoStall(_) => {
            let alone: u64 = reports.iter().map(|report| report.heads_alone).sum();
            let p50 = latency("p50", |report| report.latency_us.p50);
            let max = latency("max", |report| report.latency_us.max);
            format!("{p50}, {max}, {alone} heads alone")
        }
        Judge::Throughput => format!(
            "{}/s, {}",
            thousands(rate),
            latency("p99", |report| report.latency_us.p99)
        ),
        Judge::Memory(_) => format!(
            "{:.0} MiB before",
            middle(|report| {
                report
                    .server
                    .map_or(0.0, |server| mib(server.anonymous_bytes_before))
            })
        ),
    }
}

/// A number with a comma after each three digits.
pub fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::groups::GROUPS;

    fn runs(group: &Group, rates: &[(Who, [f64; 3])]) -> Vec<Run> {
        let of = |(who, rates): &(Who, [f64; 3])| {
            let who = *who;
            (0..)
                .zip(*rates)
                .map(move |(round, rate)| Run {
                    group: group.name,
                    round,
                    who,
                    report: Report {
                        requests_per_second: rate,
                        ..Report::default()
                    },
                })
                .collect::<Vec<_>>()
        };
        rates.iter().flat_map(of).collect()
    }

    #[test]
    fn ratios_are_those_of_each_round() {
        let group = &GROUPS[0];
        let runs = runs(
            group,
            &[
                (Who::Moraine, [10.0, 40.0, 27.0]),
                (Who::Nginx, [20.0, 40.0, 30.0]),
                (Who::HyperGet, [10.0; 3]),
            ],
        );
        let rows = rows(group, &runs);
        assert_eq!((rows[0].min, rows[0].median, rows[0].max), (0.5, 0.9, 1.0));
        assert_eq!(rows[0].met, Some(true));
        assert_eq!(rows[1].met, None);
    }

    #[test]
    fn a_missed_aim_is_said() {
        let group = &GROUPS[0];
        let runs = runs(
            group,
            &[
                (Who::Moraine, [8.0; 3]),
                (Who::Nginx, [10.0; 3]),
                (Who::HyperGet, [10.0; 3]),
            ],
        );
        assert_eq!(rows(group, &runs)[0].met, Some(false));
    }

    #[test]
    fn a_head_that_came_alone_misses_the_aim() {
        let stall = |group: &&Group| matches!(group.judges, [Judge::NoStall(_)]);
        let group = GROUPS.iter().find(stall).unwrap();
        let mut runs = runs(group, &[(Who::Moraine, [1.0; 3]), (Who::Nginx, [1.0; 3])]);
        assert_eq!(rows(group, &runs)[0].met, Some(true));
        runs[1].report.heads_alone = 1;
        assert_eq!(rows(group, &runs)[0].met, Some(false));
    }

    #[test]
    fn numbers_are_grouped() {
        for (number, text) in [
            (0.0, "0"),
            (999.0, "999"),
            (1000.0, "1,000"),
            (1_234_567.4, "1,234,567"),
        ] {
            assert_eq!(thousands(number), text);
        }
    }
}

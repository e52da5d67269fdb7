//! Figures by name, and how they are printed: as a table in Markdown, and as JSON.

use std::collections::BTreeMap;
use std::fmt;

/// The figures of a phase or a level.
#[derive(Default)]
pub struct Figures(BTreeMap<String, f64>);

impl Figures {
    /// From the lines that a phase printed.
    pub fn parse(text: &str) -> Self {
        let line = |line: &str| {
            let (figure, value) = line.rsplit_once(' ')?;
            Some((figure.to_owned(), value.parse().ok()?))
        };
        Self(text.lines().filter_map(line).collect())
    }

    pub fn get(&self, figure: &str) -> f64 {
        *self.0.get(figure).unwrap_or(&f64::NAN)
    }

    pub fn set(&mut self, figure: &str, value: f64) {
        self.0.insert(figure.to_owned(), value);
    }

    pub fn take(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    pub fn take_as(&mut self, prefix: &str, others: Self) {
        let named = |(figure, value)| (format!("{prefix}{figure}"), value);
        self.0.extend(others.0.into_iter().map(named));
    }

    fn json(&self) -> String {
        let pairs: Vec<String> = self
            .0
            .iter()
            .map(|(figure, value)| format!("\"{figure}\": {value}"))
            .collect();
        format!("{{{}}}", pairs.join(", "))
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (figure, value) in &self.0 {
            write!(f, "{figure} {value:.3}; ")?;
        }
        Ok(())
    }
}

/// The rows of the first table.
const ROWS: &[&str] = &[
    "fill per s",
    "PUT per s",
    "PUT CPU us",
    "PUT p50 us",
    "PUT p99 us",
    "GET warm p50 us",
    "GET warm p99 us",
    "GET warm CPU us",
    "GET after start p50 us",
    "GET after start p99 us",
    "GET after start CPU us",
    "LIST 1,000 p50 ms",
    "LIST 1,000 CPU ms",
    "LIST of groups p50 ms",
    "LIST of groups CPU ms",
    "clean start s",
    "clean start CPU s",
    "start after kill s",
    "start after kill CPU s",
    "rebuild s",
    "rebuild CPU s",
    "rebuild records per s",
    "rebuild peak MiB",
    "anonymous MiB idle",
    "anonymous MiB in use",
    "log bytes a name",
    "index/hash bytes a name",
    "index/names bytes a name",
];

/// The rows of the second: figure, aim.
const AIMS: &[(&str, &str)] = &[
    ("1000000: bytes an entry", "<= 24"),
    ("1000000: mean bytes an entry", "<= 24"),
    ("1000000: most bytes an entry", "just after a growth"),
    ("1000000: checkpoint p50 ms", ""),
    ("10000000: bytes an entry", "<= 24"),
    ("10000000: mean bytes an entry", "<= 24"),
    ("10000000: least bytes an entry", "just before a growth"),
    ("10000000: most bytes an entry", "just after a growth"),
    ("10000000: hash insert us", ""),
    ("10000000: checkpoint p50 ms", ""),
    ("blocks of 4096: blobs a batch", ""),
    ("blocks of 4096: log %", "< 1"),
    ("blocks of 4096: with indexes %", "< 2"),
    ("blocks of 512: blobs a batch", ""),
    ("blocks of 512: log %", "< 1"),
    ("blocks of 512: with indexes %", "< 2"),
];

fn shown(value: f64) -> String {
    if value.is_nan() {
        "-".to_owned()
    } else if value >= 100.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.2}")
    }
}

/// Prints both tables, and everything as JSON.
pub fn print(columns: &[(u64, Figures)], alone: &Figures) {
    let names: Vec<String> = columns.iter().map(|(level, _)| level.to_string()).collect();
    println!("| names | {} |", names.join(" | "));
    println!("| --- |{}", " --: |".repeat(columns.len()));
    for row in ROWS {
        let values: Vec<String> = columns.iter().map(|(_, it)| shown(it.get(row))).collect();
        println!("| {row} | {} |", values.join(" | "));
    }
    println!("\n| figure | aim | measured |\n| --- | --- | --: |");
    for (figure, aim) in AIMS {
        println!("| {figure} | {aim} | {} |", shown(alone.get(figure)));
    }
    let levels: Vec<String> = columns
        .iter()
        .map(|(level, figures)| format!("\"{level}\": {}", figures.json()))
        .collect();
    let all = format!("{{{}, \"alone\": {}}}", levels.join(", "), alone.json());
    println!("\n{all}");
}

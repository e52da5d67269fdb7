//! `moraine fsck`: every record and every name of a stopped store, read and verified; nothing is written.

use crate::bytes::Amount;
use crate::failure::{Outcome, printed};
use crate::settings::{DEFAULT_DATA, data_parser};
use moraine_engine::fsck::{self, Finding, Progress, Report};
use serde_json::json;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// The flags of the subcommand.
#[derive(clap::Args)]
pub struct Args {
    /// The data directory
    #[arg(long, value_name = "DIR", env = "MORAINE_DATA", default_value = DEFAULT_DATA, value_parser = data_parser())]
    data: PathBuf,
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
}

/// The exit code when something is damaged.
const DAMAGED: u8 = 1;

/// Verifies, prints what was found, and says with the exit code whether anything was.
pub fn run(args: &Args) -> Outcome {
    let mut meter = Meter::new();
    let started = Instant::now();
    let report = fsck::run(&args.data, &mut |progress| meter.show(&progress))?;
    meter.finish();
    let mut out = io::stdout().lock();
    printed(if args.json {
        serde_json::to_writer_pretty(&mut out, &in_json(&report))
            .map_err(io::Error::from)
            .and_then(|()| writeln!(out))
    } else {
        print(&report, started.elapsed(), &mut out)
    })?;
    Ok(if report.is_clean() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(DAMAGED)
    })
}

fn print(report: &Report, elapsed: Duration, out: &mut impl Write) -> io::Result<()> {
    for finding in &report.findings {
        let Finding {
            subject,
            place,
            problem,
            ..
        } = finding;
        writeln!(out, "DAMAGED ({}) {place}: {problem}", subject.as_str())?;
    }
    let listed = report.findings.len() as u64;
    if report.damaged > listed {
        writeln!(out, "... and {} more", report.damaged - listed)?;
    }
    for note in &report.notes {
        writeln!(out, "note: {note}")?;
    }
    writeln!(
        out,
        "{} segments, {} batches, {} records, {}, {} names verified in {:.1} s",
        report.segments,
        report.batches,
        report.records,
        Amount(report.bytes),
        report.names,
        elapsed.as_secs_f64()
    )?;
    match report.damaged {
        0 => writeln!(out, "clean"),
        1 => writeln!(out, "1 thing is damaged"),
        many => writeln!(out, "{many} things are damaged"),
    }
}

fn in_json(report: &Report) -> serde_json::Value {
    let finding = |finding: &Finding| {
        json!({
            "subject": finding.subject.as_str(),
            "place": finding.place,
            "problem": finding.problem,
            "id": finding.id.map(|id| id.to_string()),
        })
    };
    json!({
        "clean": report.is_clean(),
        "segments": report.segments,
        "batches": report.batches,
        "records": report.records,
        "bytes": report.bytes,
        "contents": report.contents,
        "names": report.names,
        "damaged": report.damaged,
        "findings": report.findings.iter().map(finding).collect::<Vec<_>>(),
        "notes": report.notes,
    })
}

/// Progress on standard error: one line that is drawn over, or a line now and then where that is a file.
struct Meter {
    terminal: bool,
    shown: Option<Instant>,
}

impl Meter {
    /// How often the line changes on a terminal, and how often one is added to a file.
    const EVERY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));

    fn new() -> Self {
        Self {
            terminal: io::stderr().is_terminal(),
            shown: None,
        }
    }

    fn show(&mut self, progress: &Progress) {
        let (terminal, file) = Self::EVERY;
        let every = if self.terminal { terminal } else { file };
        if self.shown.is_some_and(|shown| shown.elapsed() < every) {
            return;
        }
        self.shown = Some(Instant::now());
        let start = if self.terminal { "\r\x1b[K" } else { "" };
        let end = if self.terminal { "" } else { "\n" };
        eprint!("{start}{}{end}", line(progress));
    }

    fn finish(&self) {
        if self.terminal && self.shown.is_some() {
            eprint!("\r\x1b[K");
        }
    }
}

fn line(progress: &Progress) -> String {
    format!(
        "{}: {} of {} segments, {} verified",
        progress.phase,
        progress.segments_done,
        progress.segments,
        Amount(progress.bytes)
    )
}

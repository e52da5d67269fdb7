//! `cargo xtask test`: the steps that a change must pass, each timed, all of them run even if one fails.

use crate::count::Count;
use crate::run::{self, Done};
use crate::steps::{STEPS, Step, Work};
use std::process::Command;
use std::time::{Duration, Instant};

/// The arguments of the chore.
#[derive(clap::Args)]
pub struct Args {
    /// Only these steps (all if none is named): see `--list`
    steps: Vec<String>,
    /// Name the steps and what each is for
    #[arg(long)]
    list: bool,
}

/// Runs the steps and closes with the number of tests that passed and failed.
pub fn run(args: &Args) -> Done {
    if args.list {
        for step in STEPS {
            println!("{:12} {}", step.name, step.what);
        }
        return Ok(());
    }
    if let Some(unknown) = args
        .steps
        .iter()
        .find(|name| !STEPS.iter().any(|s| s.name == **name))
    {
        return Err(format!(
            "there is no step {unknown}: `cargo xtask test --list` names them"
        ));
    }
    let wanted = |step: &&Step| args.steps.is_empty() || args.steps.iter().any(|n| n == step.name);
    let started = Instant::now();
    let mut results = Vec::new();
    for step in STEPS.iter().filter(wanted) {
        println!("\n== {}: {}", step.name, step.what);
        let begun = Instant::now();
        let count = perform(&step.work);
        println!(
            "== {}: {} in {}",
            step.name,
            verdict(count),
            seconds(begun.elapsed())
        );
        results.push((step.name, count, begun.elapsed()));
    }
    close(&results, started.elapsed())
}

fn perform(work: &Work) -> Count {
    match work {
        Work::Own(own) => outcome(own()),
        Work::Chore(chore) => chore().unwrap_or_else(|why| outcome(Err(why))),
        Work::Cargo(arguments) => counted(run::cargo(arguments)),
        Work::Clients(scripts) => {
            let mut total = Count::default();
            for (script, arguments) in *scripts {
                total += counted(run::client(script, arguments));
            }
            total
        }
    }
}

/// One program; one that could not run at all is a failed test.
fn counted(program: Command) -> Count {
    println!("$ {}", run::shown(&program));
    run::count(program).unwrap_or_else(|why| outcome(Err(why)))
}

fn outcome(done: Done) -> Count {
    match done {
        Ok(()) => Count {
            passed: 1,
            ..Count::default()
        },
        Err(why) => {
            println!("{why}");
            Count {
                failed: 1,
                ..Count::default()
            }
        }
    }
}

fn close(results: &[(&str, Count, Duration)], elapsed: Duration) -> Done {
    println!(
        "\n{:12} {:>9} {:>7} {:>7} {:>8}",
        "step", "time", "passed", "failed", "skipped"
    );
    let mut total = Count::default();
    for (name, count, took) in results {
        println!(
            "{name:12} {:>9} {:>7} {:>7} {:>8}",
            seconds(*took),
            count.passed,
            count.failed,
            count.skipped
        );
        total += *count;
    }
    println!("{:12} {:>9}\n", "all", seconds(elapsed));
    println!(
        "{} passed, {} failed, {} skipped",
        total.passed, total.failed, total.skipped
    );
    if total.failed == 0 && total.passed > 0 {
        return Ok(());
    }
    let failed: Vec<&str> = results
        .iter()
        .filter(|(_, count, _)| count.failed > 0)
        .map(|(name, ..)| *name)
        .collect();
    Err(format!(
        "failed: {}; repeat with `cargo xtask test {}`",
        failed.join(", "),
        failed.join(" ")
    ))
}

fn verdict(count: Count) -> &'static str {
    if count.failed == 0 {
        "passed"
    } else {
        "FAILED"
    }
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

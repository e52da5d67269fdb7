//! `cargo xtask fuzz`: runs the targets of `fuzz/` under libFuzzer.
//!
//! The stable compiler is enough: coverage is a pass of LLVM (`sancov-module`), and the crate `libfuzzer-sys` builds
//! libFuzzer itself, which takes a C++ compiler. All targets are one program, built once into `target/fuzz`.
//!
//! Targets run side by side, as many at once as there are cores. The program can be broken on purpose, one parser at a
//! time (`CANARIES`): `cargo xtask test` and `long` then expect libFuzzer to notice within the seconds that a target has.

use crate::count::Count;
use crate::finding::{last_line, panic_in, repetition};
use crate::place;
use crate::run::{self, Done};
use crate::turn::Turn;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;

/// What the compiler adds for libFuzzer, to our crates and to all that they use.
const FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";
/// Seconds after which one input is a finding: every target takes far less than one.
const INPUT_SECONDS_MAX: &str = "-timeout=10";
/// Memory above which an input is a finding.
const MEMORY_MIB_MAX: &str = "-rss_limit_mb=1024";
/// For how long `cargo xtask test` runs each target.
const SECONDS: u64 = 30;
/// The variable that tells the program to break a parser.
const CANARY: &str = "MORAINE_CANARY";
/// Parsers that are broken on purpose, and the target that has to notice: one of the door's, two of the disk's.
const CANARIES: [(&str, &str); 3] = [
    ("RangeBehindTheEnd", "range"),
    ("TableUnsorted", "disk_footer"),
    ("ExtentsUnchecked", "disk_manifest"),
];

/// The arguments of the chore.
#[derive(clap::Args)]
pub struct Args {
    /// How long to run each target
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Add what reached new code to the corpus that is kept, minimised
    #[arg(long)]
    keep: bool,
    /// The targets: folders of `fuzz/corpus` (all if none is named)
    targets: Vec<String>,
}

/// Runs the targets; the error names those that failed.
pub fn run(args: &Args) -> Done {
    let known = targets()?;
    if let Some(unknown) = args.targets.iter().find(|name| !known.contains(name)) {
        return Err(format!(
            "there is no target {unknown}: {}",
            known.join(", ")
        ));
    }
    let chosen = if args.targets.is_empty() {
        known
    } else {
        args.targets.clone()
    };
    attack_all(&chosen, args.seconds, args.keep)
}

/// Runs every target that long, and the canaries; the error names those that failed.
pub fn everything(seconds: u64) -> Done {
    attack_all(&targets()?, seconds, false)?;
    let program = build()?;
    let missed = side_by_side(&CANARIES, |canary| is_caught(&program, canary, seconds));
    named(missed.iter().map(|(canary, _)| *canary).collect())
}

fn attack_all(chosen: &[String], seconds: u64, keep: bool) -> Done {
    if let Some(why) = missing() {
        return Err(why);
    }
    let program = build()?;
    let failed = side_by_side(chosen, |target| attack(&program, target, seconds, keep));
    named(failed.iter().map(|target| target.as_str()).collect())
}

fn named(failed: Vec<&str>) -> Done {
    if failed.is_empty() {
        Ok(())
    } else {
        Err(format!("failed: {}", failed.join(", ")))
    }
}

/// Targets that one run of `cargo xtask test` attacks: all have their turn within some runs, and a run stays short.
const IN_TURN: usize = 8;

/// The targets whose turn it is, and the canaries: what `cargo xtask test` does.
pub fn smoke() -> Done<Count> {
    let turn = Turn::now()?;
    let known = turn.choose(targets()?, IN_TURN);
    println!(
        "turn {} ({}): {}",
        turn.number,
        turn.source,
        known.join(", ")
    );
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    let all = count(known.len() + CANARIES.len());
    if let Some(why) = missing() {
        println!("skipped: {why}");
        return Ok(Count {
            skipped: all,
            ..Count::default()
        });
    }
    let program = build()?;
    let failed = side_by_side(&known, |target| attack(&program, target, SECONDS, false));
    let missed = side_by_side(&CANARIES, |canary| is_caught(&program, canary, SECONDS));
    let failed = count(failed.len() + missed.len());
    Ok(Count {
        passed: all - failed,
        failed,
        ..Count::default()
    })
}

/// Does the work for every item, as many at once as there are cores; returns those for which it failed.
fn side_by_side<T: Sync>(items: &[T], work: impl Fn(&T) -> Done + Sync) -> Vec<&T> {
    let lanes = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let (next, failed) = (Mutex::new(items.iter()), Mutex::new(Vec::new()));
    let take = || next.lock().ok()?.next();
    thread::scope(|scope| {
        for _ in 0..lanes {
            scope.spawn(|| {
                while let Some(item) = take() {
                    if let Err(why) = work(item) {
                        println!("{why}");
                        failed.lock().expect("nobody panics with it").push(item);
                    }
                }
            });
        }
    });
    failed.into_inner().unwrap_or_default()
}

/// Why there can be no fuzzing here, if there cannot.
fn missing() -> Option<String> {
    let compiler = Command::new("c++").arg("--version").output();
    let found = compiler.is_ok_and(|output| output.status.success());
    (!found).then(|| "fuzzing takes a C++ compiler, `c++`, for libFuzzer".to_owned())
}

fn targets() -> Done<Vec<String>> {
    let folder = place::root().join("fuzz/corpus");
    let entries =
        fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    names.sort();
    Ok(names)
}

fn build() -> Done<PathBuf> {
    let host = host()?;
    let folder = place::target().join("fuzz");
    let folder_text = folder.display().to_string();
    let mut command = run::cargo(&[
        "build",
        "--profile",
        "fuzz",
        "--package",
        "moraine-fuzz",
        "--features",
        "canary",
        "--bin",
        "fuzz",
        // Named even though it is this machine's: build scripts and macros stay without the flags.
        "--target",
        &host,
        "--target-dir",
        &folder_text,
    ]);
    command.env("RUSTFLAGS", FLAGS);
    run::finish(command)?;
    Ok(folder.join(host).join("fuzz/fuzz"))
}

fn host() -> Done<String> {
    let mut command = run::program("rustc");
    let output = command
        .arg("-vV")
        .output()
        .map_err(|error| format!("rustc: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines()
        .find_map(|line| line.strip_prefix("host: "))
        .map(str::to_owned)
        .ok_or_else(|| "rustc -vV names no host".to_owned())
}

/// Runs one target; says on one line how it went. The error says all that is needed to repeat it.
fn attack(program: &Path, target: &str, seconds: u64, keep: bool) -> Done {
    let work = place::target().join("fuzz");
    let found = folder(work.join("corpus").join(target))?;
    let findings = folder(work.join("findings").join(target))?;
    let kept = place::root().join("fuzz/corpus").join(target);
    let log = work.join(format!("{target}.log"));
    let mut command = fuzzer(program, target, &log)?;
    limit(&mut command, seconds, &findings).args([&found, &kept]);
    let done = run::finish(command);
    let text = fs::read_to_string(&log).unwrap_or_default();
    done.map_err(|why| {
        let repeat = repetition(&text, target, program);
        format!("{target}: {why}\n{}\n{repeat}", panic_in(&text))
    })?;
    let done = last_line(&text, "Done ").unwrap_or("done");
    println!("{target}: {}", done.trim());
    if keep {
        let mut merge = fuzzer(program, target, &log)?;
        merge
            .args(["-merge=1", "-max_len=1024"])
            .args([&kept, &found]);
        run::finish(merge)?;
    }
    Ok(())
}

/// Runs a target with its parser broken, beginning with the kept inputs alone: it must panic, and not end otherwise.
fn is_caught(program: &Path, (canary, target): &(&str, &str), seconds: u64) -> Done {
    let work = place::target().join("fuzz").join("canaries").join(canary);
    let found = work.join("corpus");
    // What an earlier run found would give the fault away.
    let _ = fs::remove_dir_all(&found);
    let (found, findings) = (folder(found)?, folder(work.join("findings"))?);
    let kept = place::root().join("fuzz/corpus").join(target);
    let log = work.join("log");
    let mut command = fuzzer(program, target, &log)?;
    command.env(CANARY, canary);
    limit(&mut command, seconds, &findings).args([&found, &kept]);
    let done = run::finish(command);
    let text = fs::read_to_string(&log).unwrap_or_default();
    let noticed = panic_in(&text);
    if done.is_ok() || noticed.is_empty() {
        let end = text.lines().last().unwrap_or_default();
        return Err(format!(
            "{target} does not notice the canary {canary} in {seconds} s: {end}"
        ));
    }
    let runs = text.lines().rfind(|line| line.starts_with('#'));
    let runs = runs.and_then(|line| line.split_whitespace().next());
    println!(
        "{canary}: noticed by {target} after {}",
        runs.unwrap_or("the kept inputs")
    );
    Ok(())
}

fn folder(path: PathBuf) -> Done<PathBuf> {
    fs::create_dir_all(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(path)
}

fn limit<'a>(command: &'a mut Command, seconds: u64, findings: &Path) -> &'a mut Command {
    command
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-artifact_prefix={}/", findings.display()))
        .args([INPUT_SECONDS_MAX, MEMORY_MIB_MAX])
}

fn fuzzer(program: &Path, target: &str, log: &Path) -> Done<Command> {
    let file = File::create(log).map_err(|error| format!("{}: {error}", log.display()))?;
    let mut command = run::program(program);
    command
        .env("MORAINE_FUZZ_TARGET", target)
        // A trace takes so long to print that the finding would be called a timeout; whoever repeats it asks for one.
        .env("RUST_BACKTRACE", "0")
        .stdout(Stdio::null())
        .stderr(file);
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn every_item_is_worked_on_once_and_failures_are_told() {
        let done = AtomicU32::new(0);
        let items: Vec<u32> = (0..50).collect();
        let failed = side_by_side(&items, |item| {
            done.fetch_add(1, Ordering::Relaxed);
            if item % 10 == 3 {
                Err(String::new())
            } else {
                Ok(())
            }
        });
        let mut failed: Vec<u32> = failed.into_iter().copied().collect();
        failed.sort_unstable();
        assert_eq!(failed, [3, 13, 23, 33, 43]);
        assert_eq!(done.into_inner(), 50);
    }

    #[test]
    fn canaries_sit_in_targets_that_exist() {
        let known = targets().unwrap();
        for (canary, target) in CANARIES {
            assert!(known.iter().any(|name| name == target), "{canary}");
        }
    }
}

//! `cargo xtask fuzz`: runs the targets of `fuzz/` under libFuzzer.
//!
//! The stable compiler is enough: coverage is a pass of LLVM (`sancov-module`), and the crate `libfuzzer-sys` builds
//! libFuzzer itself, which takes a C++ compiler. All targets are one program, built once into `target/fuzz`.

use crate::count::Count;
use crate::place;
use crate::run::{self, Done};
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

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
/// How many targets `cargo xtask test` tries, and for how long each: a minute with the build that is there already.
const ROTATED_TARGETS: usize = 4;
const ROTATED_SECONDS: u64 = 8;

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

/// Runs every target that long; the error names those that failed.
pub fn everything(seconds: u64) -> Done {
    attack_all(&targets()?, seconds, false)
}

fn attack_all(chosen: &[String], seconds: u64, keep: bool) -> Done {
    if let Some(why) = missing() {
        return Err(why);
    }
    let program = build()?;
    let failed: Vec<&str> = chosen
        .iter()
        .map(String::as_str)
        .filter(|target| attack(&program, target, seconds, keep).is_err())
        .collect();
    if failed.is_empty() {
        Ok(())
    } else {
        Err(format!("failed: {}", failed.join(", ")))
    }
}

/// Some of the targets, whichever the seconds of the clock say, for a short time: what `cargo xtask test` does.
pub fn rotated() -> Done<Count> {
    let known = targets()?;
    if let Some(why) = missing() {
        println!("skipped: {why}");
        let skipped = u64::try_from(ROTATED_TARGETS).unwrap_or(0);
        return Ok(Count {
            skipped,
            ..Count::default()
        });
    }
    let program = build()?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0, |since| since.as_secs());
    let mut count = Count::default();
    for target in drawn(&known, now) {
        match attack(&program, target, ROTATED_SECONDS, false) {
            Ok(()) => count.passed += 1,
            Err(why) => {
                println!("{why}");
                count.failed += 1;
            }
        }
    }
    Ok(count)
}

/// The targets of a run that begins at that second. They follow from a hash of it, not from a count of hours or days: runs
/// that begin at regular times would then meet the same targets again and again.
fn drawn(known: &[String], second: u64) -> Vec<&String> {
    let mut by_hash: Vec<_> = known.iter().collect();
    by_hash.sort_by_cached_key(|name| {
        let mut hasher = DefaultHasher::new();
        (second, name.as_str()).hash(&mut hasher);
        hasher.finish()
    });
    by_hash.truncate(ROTATED_TARGETS);
    by_hash
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

/// Runs one target; says on one line how it went.
fn attack(program: &Path, target: &str, seconds: u64, keep: bool) -> Done {
    let work = place::target().join("fuzz");
    let (found, findings) = (
        work.join("corpus").join(target),
        work.join("findings").join(target),
    );
    for folder in [&found, &findings] {
        fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    let kept = place::root().join("fuzz/corpus").join(target);
    let log = work.join(format!("{target}.log"));
    let mut command = fuzzer(program, target, &log)?;
    command
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-artifact_prefix={}/", findings.display()))
        .args([INPUT_SECONDS_MAX, MEMORY_MIB_MAX])
        .args([&found, &kept]);
    let done = run::finish(command);
    let text = fs::read_to_string(&log).unwrap_or_default();
    let last = |what: &str| text.lines().rfind(|line| line.contains(what));
    match &done {
        Ok(()) => println!("{target}: {}", last("Done ").unwrap_or("done").trim()),
        Err(why) => {
            let panic = text
                .lines()
                .skip_while(|line| !line.contains("panicked"))
                .take(4);
            println!("{target}: {why}\n{}", panic.collect::<Vec<_>>().join("\n"));
            let input = last("Test unit written to").unwrap_or_default();
            println!(
                "{input}\nrepeat: MORAINE_FUZZ_TARGET={target} {} FILE",
                program.display()
            );
        }
    }
    done?;
    if keep {
        let mut merge = fuzzer(program, target, &log)?;
        run::finish({
            merge
                .args(["-merge=1", "-max_len=1024"])
                .args([&kept, &found]);
            merge
        })?;
    }
    Ok(())
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
    use std::collections::BTreeSet;

    /// With 4 of some 20 targets in each run, the chance that any is missed by so many is below one in a million.
    const RUNS: u64 = 100;

    #[test]
    fn runs_at_regular_times_meet_every_target() {
        let known: Vec<String> = targets().unwrap();
        for every in [1, 3600, 86_400, 7 * 86_400] {
            let mut met = BTreeSet::new();
            for run in 0..RUNS {
                let second = 1_800_000_000 + run * every;
                let some = drawn(&known, second);
                assert_eq!(some.len(), ROTATED_TARGETS);
                met.extend(some);
            }
            assert_eq!(met.len(), known.len(), "every {every} s: {met:?}");
        }
    }
}

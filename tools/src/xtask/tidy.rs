//! Style that no other tool checks: every Rust file opens with what it is, stays short, and unsafe code stays where it
//! is meant to be.

use crate::place;
use crate::run::Done;
use std::fs;
use std::path::{Path, PathBuf};

/// The folders of our crates.
const CRATES: [&str; 5] = ["benches", "engine", "fuzz", "server", "tools"];

/// Lines after which a file asks to be two, which is printed, and after which it must be.
const LINES_ASKING: usize = 500;
const LINES_MAX: usize = 800;

/// The only folders and files in which `unsafe` may stand: the ring driver, the memory maps, and
/// the test that forbids itself io_uring.
const UNSAFE_ALLOWED: [&str; 3] = [
    "engine/src/io/",
    "engine/src/index/hash/",
    "engine/tests/io_forbidden.rs",
];

/// Checks every Rust file; the error lists what breaks a rule.
pub fn check() -> Done {
    let mut files = Vec::new();
    for dir in CRATES {
        rust_files(&place::root().join(dir), &mut files)?;
    }
    files.sort();
    let mut found = Vec::new();
    for file in &files {
        let name = file
            .strip_prefix(place::root())
            .unwrap_or(file)
            .display()
            .to_string();
        let text = fs::read_to_string(file).map_err(|error| format!("{name}: {error}"))?;
        found.extend(faults(&name, &text).map(|fault| format!("{name}: {fault}")));
    }
    if found.is_empty() {
        println!("{} files are tidy", files.len());
        Ok(())
    } else {
        Err(found.join("\n"))
    }
}

fn rust_files(dir: &Path, files: &mut Vec<PathBuf>) -> Done {
    let entries = fs::read_dir(dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    for path in entries.filter_map(Result::ok).map(|entry| entry.path()) {
        if path.is_dir() {
            rust_files(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

fn faults(name: &str, text: &str) -> impl Iterator<Item = String> {
    let mut faults = Vec::new();
    if !text.starts_with("//!") {
        faults.push("does not open with `//!`, saying what it is".to_owned());
    }
    let lines = text.lines().count();
    if lines > LINES_ASKING {
        println!("{name} has {lines} lines and asks to be two files");
    }
    if lines > LINES_MAX {
        faults.push(format!(
            "has {lines} lines: more than {LINES_MAX} is two concepts"
        ));
    }
    let marker = concat!("un", "safe {");
    if text.contains(marker)
        && !UNSAFE_ALLOWED
            .iter()
            .any(|allowed| name.starts_with(allowed))
    {
        faults.push(
            "has unsafe code, which belongs to the ring driver and the memory maps".to_owned(),
        );
    }
    faults.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(name: &str, text: &str) -> usize {
        faults(name, text).count()
    }

    #[test]
    fn each_rule_is_checked() {
        assert_eq!(found("server/src/a.rs", "//! A file.\n"), 0);
        assert_eq!(found("server/src/a.rs", "fn main() {}\n"), 1);
        assert_eq!(found("server/src/a.rs", &"//! A file.\n".repeat(801)), 1);
        let marked = format!("//! A file.\n{}", concat!("un", "safe { }"));
        assert_eq!(found("server/src/a.rs", &marked), 1);
        assert_eq!(found("engine/src/io/uring/ring.rs", &marked), 0);
    }
}

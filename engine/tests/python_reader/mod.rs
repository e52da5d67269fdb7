//! Runs the reader that was written from `FORMAT.md` in Python, for the tests that compare it with the engine.

use std::path::Path;
use std::process::{Command, Output};

/// The interpreter, or `None`, said aloud, where it or the package `blake3` is missing.
pub fn python() -> Option<String> {
    let python = std::env::var("MORAINE_PYTHON").unwrap_or_else(|_| "python3".into());
    let probe = Command::new(&python).args(["-c", "import blake3"]).output();
    if probe.is_ok_and(|probe| probe.status.success()) {
        return Some(python);
    }
    assert!(
        std::env::var_os("MORAINE_REQUIRE_PYTHON").is_none(),
        "{python} with the package blake3 is required here"
    );
    eprintln!("SKIPPED: needs {python} with the package blake3 (pip install blake3)");
    None
}

/// Runs the reader.
pub fn reader(python: &str, arguments: &[&str]) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tools/reader/moraine_reader.py");
    Command::new(python)
        .arg(script)
        .args(arguments)
        .output()
        .unwrap()
}

//! Bar 21, for races: a store that is broken on purpose in a way that one thread never shows is caught.

use moraine_engine::canary::{Canary, set};
use std::process::Command;

/// The variable that tells a process to break the store.
const VARIABLE: &str = "MORAINE_CANARY";

/// Breaks the store if this process is there for that.
pub fn arm() {
    if std::env::var(VARIABLE).is_ok_and(|name| name == "NameBeforeBytes") {
        set(Some(Canary::NameBeforeBytes));
    }
}

/// Who attaches to an extent in flight does not wait until it is queued: a name may lie before its bytes in the log.
#[test]
fn bar_21_a_name_before_its_bytes_is_caught() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "dedup::bar_10_dedup", "--nocapture"])
        .env(VARIABLE, "NameBeforeBytes")
        .env("RUST_BACKTRACE", "0")
        .env_remove("MORAINE_SEED")
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    assert!(
        text.contains("running 1 test"),
        "there is no such test: {text}"
    );
    assert!(!output.status.success(), "nobody notices");
    assert!(
        text.contains("fails with seed"),
        "it fails in another way: {text}"
    );
}

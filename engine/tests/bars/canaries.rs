//! Bar 21: a store that is broken on purpose is caught by the bars at their figures of CI.
//!
//! The switches are global, so each canary runs a bar in a process of its own: this binary again, told by the
//! environment to break the store first.

use std::process::Command;
use std::sync::Once;

/// The variable that names the canary of this process.
const VARIABLE: &str = "MORAINE_CANARY";

/// Breaks the store if this process is there for that. Every bar calls it first.
pub fn arm() {
    static ARMED: Once = Once::new();
    ARMED.call_once(moraine_engine::canary::arm);
}

/// Runs a bar with a canary; it must fail as a bar does, not otherwise.
fn is_caught(canary: &str, bar: &str) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", bar, "--nocapture"])
        .env(VARIABLE, canary)
        .env("RUST_BACKTRACE", "0")
        // At the figures of CI, whatever this process was told.
        .env_remove("MORAINE_SEED")
        .env_remove("MORAINE_SEED_BASE")
        .env_remove("MORAINE_TEST_SCALE")
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    assert!(
        text.contains("running 1 test"),
        "there is no bar {bar}: {text}"
    );
    assert!(!output.status.success(), "{bar} does not notice {canary}");
    assert!(
        text.contains("fails with seed"),
        "{bar} fails in another way with {canary}: {text}"
    );
    let reason = text
        .lines()
        .find(|line| line.contains("fails with seed"))
        .unwrap_or_default();
    println!("{canary}: {reason}");
}

#[test]
fn bar_21_no_fsync_is_caught() {
    is_caught("NoFsync", "crashes::bar_02_random_crashes");
    is_caught("NoFsync", "exhaustive::bar_03_all_short_histories");
}

#[test]
fn bar_21_no_folder_fsync_is_caught() {
    is_caught("NoDirFsync", "crashes::bar_02_random_crashes");
    is_caught("NoDirFsync", "exhaustive::bar_03_all_short_histories");
}

#[test]
fn bar_21_crc_over_half_is_caught() {
    is_caught("CrcOverHalf", "flips::bar_06_flipped_bits");
}

#[test]
fn bar_21_acknowledging_before_the_sync_is_caught() {
    is_caught("AckBeforeSync", "crashes::bar_02_random_crashes");
    is_caught("AckBeforeSync", "exhaustive::bar_03_all_short_histories");
}

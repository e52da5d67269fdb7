//! Bar 21, for races: a store that is broken on purpose in a way that one thread hardly ever shows is caught by the race that
//! the fault belongs to, at its figure of CI.
//!
//! The switches are global, so each runs a race in a process of its own: this binary again, told by the environment to break
//! the store first. Pins that are taken too late have no switch: nothing asks for them until space is reclaimed.

use std::process::Command;

/// The variable that tells a process to break the store.
const VARIABLE: &str = "MORAINE_CANARY";

/// Breaks the store if this process is there for that.
pub fn arm() {
    moraine_engine::canary::arm();
}

/// Runs a race with a canary; it must fail as a race does, not otherwise.
fn is_caught(canary: &str, race: &str) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", race, "--nocapture"])
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
        "there is no race {race}: {text}"
    );
    assert!(!output.status.success(), "{race} does not notice {canary}");
    let reason = text.lines().find(|line| line.contains("fails with seed"));
    let reason = reason.unwrap_or_else(|| panic!("{race} fails in another way: {text}"));
    println!("{canary}: {reason}");
}

#[test]
fn bar_21_a_name_before_its_bytes_is_caught() {
    is_caught("NameBeforeBytes", "dedup::bar_10_dedup");
}

#[test]
fn bar_21_a_name_of_refused_bytes_is_caught() {
    is_caught("NameOfRefusedBytes", "faults::bar_10_faults");
}

#[test]
fn bar_21_a_mark_ahead_of_its_data_is_caught() {
    is_caught("MarkAheadOfData", "checkpoint::bar_10_checkpoint");
}

#[test]
fn bar_21_a_segment_that_is_gone_while_it_is_sealed_is_caught() {
    is_caught("SegmentGoneWhileSealed", "reads::bar_10_reads");
}

#[test]
fn bar_21_a_lock_that_ends_before_its_change_is_caught() {
    is_caught("LockEndsEarly", "keys::bar_10_first_writer");
    is_caught("LockEndsEarly", "keys::bar_10_newest_version");
}

#[test]
fn bar_21_an_old_name_that_stays_hot_is_caught() {
    is_caught("HotNameComesBack", "keys::bar_10_newest_version");
}

#[test]
fn bar_21_uploads_that_wait_with_memory_in_hand_are_caught() {
    is_caught("GrantInPieces", "budget::bar_10_budget");
}

#[test]
fn bar_21_a_part_behind_the_end_of_its_upload_is_caught() {
    is_caught("PartUnlocked", "uploads::bar_10_upload_end");
}

#[test]
fn bar_21_an_object_behind_the_end_of_its_bucket_is_caught() {
    is_caught("BucketCheckedOnce", "buckets::bar_10_bucket_end");
}

#[test]
fn bar_21_a_close_before_all_is_applied_is_caught() {
    is_caught("CloseBeforeApplied", "close::bar_10_close");
}

#[test]
fn bar_21_a_shard_that_is_read_before_it_is_filled_is_caught() {
    is_caught("ShardSwitchedEarly", "hash_index::bar_10_hash_index");
}

#[test]
fn bar_21_a_lost_wake_up_of_the_log_writer_is_caught() {
    is_caught("SleepUnchecked", "dedup::bar_10_dedup");
}

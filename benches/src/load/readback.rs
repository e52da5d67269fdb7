//! Reads some of what a run wrote, and compares every byte.

use crate::load::Done;
use crate::load::body::Body;
use crate::load::phase::{Setting, complete};
use crate::load::requests::Source;

/// Reads these objects of the run `run`; how many they were.
pub fn check(setting: &Setting, written: &[(u32, Body)], run: u32) -> Done<usize> {
    let setting = Setting {
        threads: 1,
        connections: 4,
        fresh: false,
        ..setting.clone()
    };
    complete(&setting, |_| Source::ReadingBack(written.to_vec(), run))
        .map_err(|why| format!("what was written does not come back: {why}"))?;
    Ok(written.len())
}

/// Stores the objects that will be read.
pub fn store(setting: &Setting, objects: &[Body]) -> Done<u64> {
    let setting = Setting {
        fresh: false,
        ..setting.clone()
    };
    let threads = setting.threads;
    complete(&setting, |thread| {
        let own = objects.iter().skip(thread).step_by(threads);
        Source::Storing(own.copied().collect())
    })
    .map_err(|why| format!("storing the objects: {why}"))
}

//! Bar 16, the half that follows a crash: `fsck` finds nothing wrong in what crashes left.
//!
//! `fsck` reads a real folder, so the simulated files are copied to one, without `index/`: the twins of the indexes
//! have files of their own.

use crate::common::draw;
use crate::crashes;
use moraine_engine::fsck;
use moraine_engine::testing::{Campaign, Check, Failure, ensure};
use std::path::Path;

fn check(seed: u64, dir: &Path) -> Check {
    let mut world = crashes::run(seed, &draw(seed, false))?;
    world.sim.kill();
    for path in world.disk().files() {
        if path.starts_with("index/") {
            continue;
        }
        let to = dir.join(&path);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::write(to, world.disk().read_file(&path).unwrap()).unwrap();
    }
    let report = fsck::run(dir, &mut |_| {}).map_err(|error| Failure(error.to_string()))?;
    ensure!(report.is_clean(), "fsck finds {report:?}");
    Ok(())
}

#[test]
fn bar_16_fsck_is_clean_after_crashes() {
    crate::common::arm_canary();
    Campaign {
        name: "bar_16_fsck_is_clean_after_crashes",
        count: 300,
    }
    .seeds(|seed| {
        let name = format!("moraine-bar-16-{}-{seed}", std::process::id());
        let dir = std::env::temp_dir().join(name);
        std::fs::create_dir(&dir).unwrap();
        let checked = check(seed, &dir);
        std::fs::remove_dir_all(&dir).unwrap();
        checked
    });
}

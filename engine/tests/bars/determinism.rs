//! Bar 20: the same seed gives the same trace.

use crate::common::draw;
use crate::crashes;
use moraine_engine::testing::{Campaign, Check, ensure};

fn trace(seed: u64) -> Check<[u8; 32]> {
    Ok(crashes::run(seed, &draw(seed, true))?.disk().trace())
}

#[test]
fn bar_20_same_seed_same_trace() {
    crate::common::arm_canary();
    Campaign {
        name: "bar_20_same_seed_same_trace",
        count: 100,
    }
    .seeds(|seed| {
        let (first, second) = (trace(seed)?, trace(seed)?);
        ensure!(first == second, "two runs gave two traces");
        let other = trace(seed + 1)?;
        ensure!(first != other, "another seed gave the same trace");
        Ok(())
    });
}

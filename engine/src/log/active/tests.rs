//! How a segment comes into the log, and what is left where there is no room for it.

use super::*;
use crate::format::StoreId;
use crate::io::sim::{FaultKind, Repeat, SimConfig, SimDisk};
use crate::log::logs_dir;
use crate::position::{Incarnation, NodeId};

const NODE: NodeId = NodeId(1);

fn disk() -> Arc<SimDisk> {
    let config = SimConfig {
        garbage_in_allocated: true,
        ..SimConfig::default()
    };
    let disk = SimDisk::new(9, config);
    for folder in [logs_dir(), log_dir(NODE), spare_dir()] {
        durable::create_dir(&*disk, &folder).unwrap();
    }
    disk
}

fn header() -> SegmentHeader {
    SegmentHeader {
        store: StoreId([1; 16]),
        node: NODE,
        incarnation: Incarnation(1),
        segment: SegmentNumber(1),
        binding: Binding(7),
        geometry: crate::testing::geometry(9),
        created_ms: 1,
        live: Vec::new(),
    }
}

#[test]
fn a_block_near_the_end_of_an_allocated_segment_is_written() {
    let disk = disk();
    let header = header();
    ActiveSegment::create(&*disk, &header, None).unwrap();
    let path = log_dir(NODE).join(&segment_name(header.segment));
    let bytes = disk.read_file(path.as_str()).unwrap();
    let at = bytes.len() - usize::try_from(MARK_BEFORE_END).unwrap();
    let (before, marked) = bytes.split_at(at);
    let (marked, behind) = marked.split_at(MARK_BYTES);
    assert!(marked.iter().all(|byte| *byte == 0));
    let is_written = |bytes: &[u8]| bytes.iter().all(|byte| *byte == 0);
    let neighbour = before.rchunks(MARK_BYTES).next().unwrap();
    assert!(
        !is_written(neighbour) && !is_written(behind),
        "one block alone"
    );
}

#[test]
fn where_room_ends_before_the_segment_is_in_the_log_nothing_is_left_of_it() {
    let calls = {
        let disk = disk();
        disk.record_calls();
        ActiveSegment::create(&*disk, &header(), None).unwrap();
        disk.recorded_calls()
    };
    let published = calls.iter().position(|(what, _)| what == "rename").unwrap();
    // The mark and the header.
    let written = calls.iter().filter(|(what, _)| what == "write").count();
    assert_eq!(written, 2, "{calls:?}");
    for (nth, (what, _)) in (1..).zip(calls.iter().take(published)) {
        if what == "exists" {
            continue;
        }
        let disk = disk();
        disk.fail_nth(nth, FaultKind::Enospc, Repeat::Once);
        let error = ActiveSegment::create(&*disk, &header(), None)
            .err()
            .unwrap();
        assert!(matches!(error, Error::NoSpace { .. }), "{what}: {error}");
        assert_eq!(disk.files(), Vec::<String>::new(), "{what}");
        ActiveSegment::create(&*disk, &header(), None).unwrap();
    }
}

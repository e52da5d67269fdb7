//! Fuzz targets: one for each parser of bytes that come from outside, the network's and the disk's.
//!
//! A target is an ordinary function that panics if a property of its parser does not hold. Three things call them: the
//! program `fuzz` under libFuzzer (`cargo xtask fuzz`), `tests/corpus.rs` with every input that is kept in `corpus/`, and
//! whoever debugs a finding.
#![forbid(unsafe_code)]

mod engine;
mod indexes;
mod settings;
mod texts;

use moraine_server::fuzzing as door;

/// A target: its name, which is that of its folder in `corpus/`, and what it does with bytes.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: &[Target] = &[
    ("acl", door::acl),
    ("address", door::address),
    ("admin", door::admin),
    ("attributes", door::attributes),
    ("aws_chunked", door::aws_chunked),
    ("checksums", door::checksums),
    ("command", texts::command),
    ("conditions", door::conditions),
    ("copy_source", door::copy_source),
    ("heads", door::heads),
    ("ids", texts::ids),
    ("listing", door::listing),
    ("range", door::range),
    ("settings", settings::settings),
    ("signature", door::signature),
    ("xml", door::xml),
    ("disk_batch", engine::batch),
    ("disk_footer", engine::footer),
    ("disk_hash", indexes::hash),
    ("disk_manifest", engine::manifest),
    ("disk_names", indexes::names),
    ("disk_record", engine::record),
    ("disk_segment", engine::segment),
    ("disk_superblock", engine::superblock),
    ("disk_tagged", engine::tagged),
];

/// The target of that name.
pub fn target(name: &str) -> Option<fn(&[u8])> {
    TARGETS
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, target)| *target)
}

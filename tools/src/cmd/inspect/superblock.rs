//! `moraine inspect superblock`.

use crate::date::rfc3339;
use crate::failure::Failure;
use crate::sheet::Sheet;
use moraine_engine::inspect::Inspector;

/// All its fields.
pub fn show(inspector: &Inspector) -> Result<Sheet, Failure> {
    let (superblock, copies) = inspector.superblock()?;
    let geometry = superblock.geometry;
    let mut sheet = Sheet::default();
    sheet.field("store", superblock.store.to_string());
    sheet.field("node", superblock.node.to_string());
    sheet.field("incarnation", superblock.incarnation.0);
    sheet.field("format version", superblock.format_version);
    sheet.field("compatible flags", format!("{:#x}", superblock.compatible));
    sheet.field("read-only flags", format!("{:#x}", superblock.read_only));
    sheet.field(
        "incompatible flags",
        format!("{:#x}", superblock.incompatible),
    );
    sheet.field("created", rfc3339(superblock.created_ms));
    sheet.field("extent bytes", geometry.extent_bytes);
    sheet.field("crc block bytes", geometry.crc_block_bytes);
    sheet.field("segment bytes", geometry.segment_bytes);
    sheet.field("block bytes", geometry.block_bytes);
    sheet.field("valid copies", copies);
    Ok(sheet)
}

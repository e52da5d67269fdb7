//! Room that is left to the indexes while a segment is being filled.
//!
//! The segment has its room already, but what it says goes into the indexes, which grow as they please and cannot refuse: a
//! name index that met a full disk would make the store read-only. A roll keeps a reserve for them; whoever else uses
//! the disk may take that away meanwhile. So each batch looks first, and is refused while there is too little: nothing was
//! written, nothing is poisoned, and the next one that finds room is taken. Looking is one system call of a
//! microsecond; where it fails, the batch is taken.

use super::Writer;
use super::prepare::Spare;
use crate::error::{Error, Result};

/// One part in this many of a segment stays free while it is filled: 32 MiB at the default size. That is what the name index
/// writes to empty its memory once (16 MiB) beside a journal that it lays out anew, and half of what a roll leaves.
const FLOOR_SHARE: u64 = 8;

impl Writer {
    /// Refuses the next batch while the indexes would lack room. The spare is given back first; `false` if that must wait for
    /// an operation that is on its way: the file system frees the room of a removed file when nobody has it open.
    pub(super) fn check_floor(&mut self) -> Result<bool> {
        let need = self.config.geometry.segment_bytes / FLOOR_SHARE;
        if self.has_free(need) {
            return Ok(true);
        }
        if !matches!(self.spare, Spare::None | Spare::GivenUp) {
            tracing::warn!("the disk is nearly full: the spare segment is given back");
            self.give_back();
            if self.has_free(need) {
                return Ok(true);
            }
        }
        if self.spare_busy {
            return Ok(false);
        }
        Err(Error::NoSpace { need })
    }

    fn has_free(&self, need: u64) -> bool {
        self.disk.space().map_or(true, |space| space.free >= need)
    }
}

//! A handle to a simulated file.

use super::disk::Shared;
use super::node::{self, DataChange, NodeId};
use super::state::State;
use crate::io::File;
use crate::sync::Arc;
use std::io;

/// An open file of a simulated disk; stale after the next crash.
pub(super) struct SimFile {
    pub shared: Arc<Shared>,
    pub handle: Handle,
}

/// What a handle refers to and allows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Handle {
    pub node: NodeId,
    pub generation: u64,
    /// 1 through the page cache.
    pub alignment: usize,
    pub writable: bool,
}

impl Handle {
    fn check_write(self) -> io::Result<()> {
        const EBADF: i32 = 9;
        if self.writable {
            Ok(())
        } else {
            Err(io::Error::from_raw_os_error(EBADF))
        }
    }

    fn check_alignment(self, buf: &[u8], offset: u64) -> io::Result<usize> {
        const EINVAL: i32 = 22;
        let offset = place(offset)?;
        let aligned = offset.is_multiple_of(self.alignment)
            && buf.len().is_multiple_of(self.alignment)
            && buf.as_ptr().addr().is_multiple_of(self.alignment);
        if aligned {
            Ok(offset)
        } else {
            Err(io::Error::from_raw_os_error(EINVAL))
        }
    }
}

fn place(offset: u64) -> io::Result<usize> {
    const EFBIG: i32 = 27;
    usize::try_from(offset)
        .ok()
        .filter(|offset| *offset <= usize::MAX / 4)
        .ok_or_else(|| io::Error::from_raw_os_error(EFBIG))
}

impl State {
    pub fn read_file(&mut self, file: Handle, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.reach(file.generation)?;
        let mut at = file.check_alignment(buf, offset)?;
        self.begin_call("read", "", &[file.node, offset, buf.len() as u64])?;
        let (misdirected, by) = &mut self.faults.misdirected_read;
        if misdirected.strikes() {
            at += *by;
        }
        Ok(node::read(&self.node(file.node)?.live, at, buf))
    }

    pub fn write_file(&mut self, file: Handle, buf: &[u8], offset: u64) -> io::Result<()> {
        self.reach(file.generation)?;
        file.check_write()?;
        let mut offset = file.check_alignment(buf, offset)?;
        let (misdirected, by) = &mut self.faults.misdirected_write;
        if misdirected.strikes() {
            offset += *by;
        }
        let bytes = buf.to_vec();
        self.change_data("write", file.node, DataChange::Write { offset, bytes })
    }

    pub fn sync_file(&mut self, file: Handle, watermark: u64) -> io::Result<()> {
        self.reach(file.generation)?;
        self.sync(file.node, watermark)
    }
}

impl File for SimFile {
    fn alignment(&self) -> usize {
        self.handle.alignment
    }

    fn len(&self) -> io::Result<u64> {
        let mut state = self.shared.state.lock();
        state.reach(self.handle.generation)?;
        state.begin_call("len", "", &[self.handle.node])?;
        Ok(state.node(self.handle.node)?.live.len() as u64)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut state = self.shared.state.lock();
        state.read_file(self.handle, buf, offset)
    }

    fn try_read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<Option<usize>> {
        if self.handle.alignment != 1 {
            return Ok(None);
        }
        let mut state = self.shared.state.lock();
        let config = state.config;
        if state.random.percent(config.miss_percent) {
            return Ok(None);
        }
        let len = if buf.len() > 1 && state.random.percent(config.short_percent) {
            1 + state.random.below(buf.len() - 1)
        } else {
            buf.len()
        };
        let part = buf.get_mut(..len).unwrap_or_default();
        state.read_file(self.handle, part, offset).map(Some)
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.shared.state.lock();
        state.write_file(self.handle, buf, offset)
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        let mut state = self.shared.state.lock();
        state.reach(self.handle.generation)?;
        self.handle.check_write()?;
        let len = place(len)?;
        let garbage = state
            .config
            .garbage_in_allocated
            .then(|| state.random.next());
        let old = state.node(self.handle.node)?.live.len();
        let len = len.max(old);
        let data = DataChange::Allocate { len, garbage };
        state.change_data("allocate", self.handle.node, data)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.shared.state.lock();
        state.reach(self.handle.generation)?;
        self.handle.check_write()?;
        let data = DataChange::SetLen { len: place(len)? };
        state.change_data("set_len", self.handle.node, data)
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.shared.state.lock();
        let watermark = state.watermark();
        state.sync_file(self.handle, watermark)
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

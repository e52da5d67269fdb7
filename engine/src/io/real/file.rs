//! A file of the real file system: opened past the page cache where that is possible, and its blocking calls.

use super::{Step, Transfer};
use crate::io::{AlignedBuf, File, OpenMode};
use rustix::fs::{AtFlags, FallocateFlags, Mode, OFlags, StatxFlags};
use rustix::io::{Errno, ReadWriteFlags, retry_on_intr};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::path::Path;

/// An open file of the real file system.
#[derive(Debug)]
pub(in crate::io) struct RealFile {
    fd: OwnedFd,
    /// 1 through the page cache, else what the file system asks for.
    alignment: usize,
}

impl RealFile {
    /// Opens the file at an absolute path.
    pub fn open(path: &Path, mode: OpenMode) -> io::Result<Self> {
        let flags = match mode {
            OpenMode::Read | OpenMode::ReadDirect => OFlags::RDONLY,
            OpenMode::CreateDirect => OFlags::RDWR | OFlags::CREATE | OFlags::EXCL,
            OpenMode::WriteDirect => OFlags::RDWR,
        };
        let permissions = Mode::RUSR | Mode::WUSR;
        let fd = retry_on_intr(|| rustix::fs::open(path, flags | OFlags::CLOEXEC, permissions))?;
        let alignment = match mode {
            OpenMode::Read => 1,
            OpenMode::ReadDirect | OpenMode::CreateDirect | OpenMode::WriteDirect => {
                bypass_page_cache(&fd)?.unwrap_or_else(|| {
                    tracing::debug!(path = %path.display(), "no O_DIRECT here; the page cache is used");
                    1
                })
            }
        };
        Ok(Self { fd, alignment })
    }

    /// A file without a name in a folder, for reading and writing; gone when closed.
    pub fn unnamed(folder: &Path) -> io::Result<Self> {
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        let fd = rustix::fs::open(folder, flags, Mode::RUSR | Mode::WUSR)?;
        let alignment = bypass_page_cache(&fd)?.unwrap_or(1);
        Ok(Self { fd, alignment })
    }

    /// The folder itself, which can only be synced.
    pub fn folder(folder: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::open(folder, flags, Mode::empty())?;
        Ok(Self { fd, alignment: 1 })
    }

    /// A second descriptor of the same open file, O_DIRECT included.
    pub fn duplicate(&self) -> io::Result<std::fs::File> {
        Ok(std::fs::File::from(self.fd.try_clone()?))
    }

    /// The same file, as if its file system asked for this alignment.
    #[cfg(test)]
    pub fn with_alignment(mut self, alignment: usize) -> Self {
        self.alignment = alignment;
        self
    }

    /// The descriptor, for the ring. It is valid as long as this file lives.
    pub fn raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

/// Switches a descriptor to O_DIRECT and returns the alignment that it then asks for; `None` where the file system has
/// no O_DIRECT or asks for more than our buffers offer.
///
/// O_DIRECT is set after the open: a refused `open(O_CREAT | O_DIRECT)` may leave an empty file behind.
fn bypass_page_cache(fd: &OwnedFd) -> io::Result<Option<usize>> {
    let Some(alignment) = direct_alignment(fd)? else {
        return Ok(None);
    };
    let flags = rustix::fs::fcntl_getfl(fd)?;
    match rustix::fs::fcntl_setfl(fd, flags | OFlags::DIRECT) {
        Ok(()) => Ok(Some(alignment)),
        Err(Errno::INVAL | Errno::OPNOTSUPP) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What the file system says that O_DIRECT asks for. Kernels before 6.1 do not say; 4096 suits them all.
fn direct_alignment(fd: &OwnedFd) -> io::Result<Option<usize>> {
    let stat = match rustix::fs::statx(fd, "", AtFlags::EMPTY_PATH, StatxFlags::DIOALIGN) {
        Ok(stat) => stat,
        Err(Errno::NOSYS) => return Ok(Some(AlignedBuf::ALIGNMENT)),
        Err(error) => return Err(error.into()),
    };
    if stat.stx_mask & StatxFlags::DIOALIGN.bits() == 0 {
        return Ok(Some(AlignedBuf::ALIGNMENT));
    }
    let asked = stat.stx_dio_mem_align.max(stat.stx_dio_offset_align);
    let alignment = usize::try_from(asked).unwrap_or(usize::MAX);
    let usable = alignment.is_power_of_two()
        && alignment <= AlignedBuf::ALIGNMENT
        && stat.stx_dio_offset_align != 0;
    Ok(usable.then_some(alignment))
}

impl File for RealFile {
    fn alignment(&self) -> usize {
        self.alignment
    }

    fn len(&self) -> io::Result<u64> {
        let stat = rustix::fs::fstat(&self.fd)?;
        u64::try_from(stat.st_size).map_err(io::Error::other)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut transfer = Transfer::read(buf.len(), self.alignment);
        loop {
            let rest = buf
                .get_mut(transfer.done()..)
                .expect("a transfer stays within its buffer");
            let at = offset + transfer.done() as u64;
            let moved = retry_on_intr(|| rustix::io::pread(&self.fd, &mut *rest, at))?;
            if transfer.advance(moved) != Step::Continue {
                return Ok(transfer.done());
            }
        }
    }

    fn try_read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<Option<usize>> {
        if self.alignment != 1 {
            return Ok(None);
        }
        let mut bufs = [io::IoSliceMut::new(buf)];
        let read = retry_on_intr(|| {
            rustix::io::preadv2(&self.fd, &mut bufs, offset, ReadWriteFlags::NOWAIT)
        });
        match read {
            Ok(read) => Ok(Some(read)),
            Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::NOSYS) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        let mut transfer = Transfer::write(buf.len(), self.alignment);
        loop {
            let rest = buf
                .get(transfer.done()..)
                .expect("a transfer stays within its buffer");
            let at = offset + transfer.done() as u64;
            let moved = retry_on_intr(|| rustix::io::pwrite(&self.fd, rest, at))?;
            match transfer.advance(moved) {
                Step::Continue => {}
                Step::Finished => return Ok(()),
                Step::Stuck => return Err(io::ErrorKind::WriteZero.into()),
            }
        }
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        if len == 0 {
            return Ok(());
        }
        match retry_on_intr(|| rustix::fs::fallocate(&self.fd, FallocateFlags::empty(), 0, len)) {
            // Without reservations the length is all there is; a full disk then shows at a write.
            Err(Errno::OPNOTSUPP) if self.len()? < len => self.set_len(len),
            Ok(()) | Err(Errno::OPNOTSUPP) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        Ok(retry_on_intr(|| rustix::fs::ftruncate(&self.fd, len))?)
    }

    fn sync_data(&self) -> io::Result<()> {
        // EINTR is not retried here, as nothing is after a failed sync: nobody knows what the first one did.
        Ok(rustix::fs::fdatasync(self.fd.as_fd())?)
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

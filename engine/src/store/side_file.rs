//! Small files that an application keeps beside the store, such as the token of its admin API.
//!
//! They are replaced whole and durably, so that no reader ever sees half of one; like every file of a store they are made
//! for the owner's eyes only. The store itself never reads them.

use super::Store;
use crate::durable;
use crate::error::{Error, Result};
use crate::io::DiskPath;

/// Names that are the store's own.
const RESERVED: [&str; 5] = ["superblock", "store.key", "LOCK", "log", "index"];
/// Longer content does not belong beside a store.
const SIDE_FILE_BYTES_MAX: usize = 64 << 10;

impl Store {
    /// Replaces, or makes, the file of that name in the data directory. Blocks for two syncs.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a name that is not plain or the store's own, and for more than 64 KiB; [`Error::Io`].
    pub fn replace_side_file(&self, name: &str, content: &[u8]) -> Result<()> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        let good = !name.is_empty()
            && name.bytes().all(plain)
            && !name.starts_with('.')
            && !RESERVED.iter().any(|own| name.starts_with(own));
        if !good {
            return Err(Error::Invalid {
                what: "file name",
                why: "it has letters, digits, '.', '-' and '_', and is none of the store's own",
            });
        }
        if content.len() > SIDE_FILE_BYTES_MAX {
            return Err(Error::Invalid {
                what: "file",
                why: "it is too long",
            });
        }
        let path = DiskPath::root().join(name);
        durable::replace(&*self.shared.disk, &path, content)
            .map_err(|source| Error::io("write", &path, source))
    }
}

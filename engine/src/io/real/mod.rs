//! What the two real implementations share: a folder tree under a root, files opened past the page cache where the
//! file system allows it, and the rule by which an interrupted transfer is continued.
//!
//! Paths are resolved under the root at each call; nothing here caches what the file system knows.

mod file;
mod transfer;
mod tree;

pub(in crate::io) use file::RealFile;
pub(in crate::io) use transfer::{Step, Transfer};
pub(in crate::io) use tree::Tree;
pub(crate) use tree::{link_astray, remove_all};

//! Paths inside the data directory: relative, plain, and nothing else.

use std::fmt;

/// A relative path of plain names joined by `/`; empty for the data directory itself.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct DiskPath(String);

impl DiskPath {
    /// The data directory.
    pub const fn root() -> Self {
        Self(String::new())
    }

    /// The entry `name` of this folder.
    ///
    /// # Panics
    /// If `name` is empty, `.`, `..`, or holds a slash or a NUL: names come from this program, never from outside.
    pub fn join(&self, name: &str) -> Self {
        assert!(
            !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\0']),
            "{name:?} is not a plain file name"
        );
        if self.0.is_empty() {
            Self(name.to_owned())
        } else {
            Self(format!("{}/{name}", self.0))
        }
    }

    /// The folder that holds this entry; the root is its own parent.
    pub fn parent(&self) -> Self {
        Self(
            self.0
                .rsplit_once('/')
                .map_or(String::new(), |(parent, _)| parent.to_owned()),
        )
    }

    /// The last name; empty for the root.
    pub fn name(&self) -> &str {
        self.0.rsplit_once('/').map_or(&self.0, |(_, name)| name)
    }

    /// The path as text, relative to the data directory.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DiskPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "." } else { &self.0 })
    }
}

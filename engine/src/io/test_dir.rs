//! A folder of the real file system that lives as long as a test.

use crate::sync::atomic::{AtomicU64, Ordering};
use std::path::{Path, PathBuf};

/// Removed with all it holds when dropped.
pub(crate) struct TestDir(PathBuf);

impl TestDir {
    /// A fresh folder under the system's temporary one.
    pub fn new(name: &str) -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = format!("moraine-{name}-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(folder);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TestDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

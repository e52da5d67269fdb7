//! Where things lie in the workspace.

use std::path::{Path, PathBuf};

/// The folder of the workspace's `Cargo.toml`.
pub fn root() -> &'static Path {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR"));
    tools
        .parent()
        .expect("the tools crate lies in the workspace")
}

/// Where cargo builds.
pub fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => root().join(dir),
        None => root().join("target"),
    }
}

/// The Python environment of the client tests.
pub fn venv() -> PathBuf {
    target().join("venv")
}

/// A script of the client tests.
pub fn client(script: &str) -> PathBuf {
    root().join("tools/clients").join(script)
}

/// The server that the client tests start.
pub fn server() -> PathBuf {
    target().join("release/moraine")
}

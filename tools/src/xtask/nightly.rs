//! What only a nightly compiler has: Miri and the sanitizers. Where rustup can bring it, it does; else the steps that need it
//! are skipped, with the reason, and counted as skipped.

use crate::count::Count;
use crate::run::{self, Done};
use std::process::{Command, Stdio};

/// The toolchain.
const NIGHTLY: &str = "nightly";

/// A step that needs components of the nightly toolchain.
pub fn step(components: &[&str], work: impl FnOnce() -> Done<Count>) -> Done<Count> {
    match missing(components) {
        None => work(),
        Some(why) => {
            println!("skipped: {why}");
            Ok(Count {
                skipped: 1,
                ..Count::default()
            })
        }
    }
}

/// The nightly `cargo`, whatever toolchain started this.
pub fn cargo(arguments: &[&str]) -> Command {
    let mut command = tool("cargo");
    command.args(arguments);
    command
}

/// A program of the nightly toolchain, whatever toolchain started this.
pub fn tool(name: &str) -> Command {
    let mut command = run::program("rustup");
    command
        .args(["run", NIGHTLY, name])
        .env_remove("RUSTUP_TOOLCHAIN")
        .env_remove("CARGO")
        .env_remove("RUSTC");
    command
}

/// The target triple of the nightly compiler.
pub fn host() -> Done<String> {
    let mut command = run::program("rustup");
    command.args(["run", NIGHTLY, "rustc", "--print", "host-tuple"]);
    let output = command
        .output()
        .map_err(|error| format!("{}: {error}", run::shown(&command)))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Why a component is not there, after an attempt to bring them.
fn missing(components: &[&str]) -> Option<String> {
    if !succeeds(&["--version"]) {
        return Some("there is no rustup, which brings nightly compilers".to_owned());
    }
    if components.iter().all(|component| is_installed(component)) {
        return None;
    }
    println!(
        "installing the nightly toolchain with {}",
        components.join(" and ")
    );
    // A toolchain that is there stays as it is. A new one has all that any step needs: some nightlies lack a part.
    if !succeeds(&["run", NIGHTLY, "rustc", "--version"]) {
        let install = ["toolchain", "install", NIGHTLY, "--profile", "minimal"];
        let with = ["--no-self-update", "--allow-downgrade"];
        let all = ["--component", "miri,rust-src"];
        if !succeeds(&[&install[..], &with, &all].concat()) {
            succeeds(&[&install[..], &with].concat());
        }
    }
    for component in components {
        if !is_installed(component) {
            succeeds(&["component", "add", "--toolchain", NIGHTLY, component]);
        }
    }
    let missing = components.iter().find(|component| !is_installed(component));
    missing.map(|component| {
        format!("`rustup component add --toolchain {NIGHTLY} {component}` did not work here")
    })
}

fn is_installed(component: &str) -> bool {
    let output = run::program("rustup")
        .args(["component", "list", "--installed", "--toolchain", NIGHTLY])
        .output();
    output.is_ok_and(|output| {
        let list = String::from_utf8_lossy(&output.stdout).into_owned();
        output.status.success() && list.lines().any(|line| line.starts_with(component))
    })
}

fn succeeds(arguments: &[&str]) -> bool {
    let mut command = run::program("rustup");
    command
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

//! Runs programs: their output goes through, and the tests that they report are counted on the way.

use crate::count::{self, Count};
use crate::place;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};
use std::sync::Mutex;

/// What a chore or a step of it returns: a sentence if it failed.
pub type Done<T = ()> = Result<T, String>;

/// A program that runs in the workspace's folder and finds the tools of the Python environment first.
pub fn program(name: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(name);
    let ours = place::venv().join("bin");
    let inherited = std::env::var_os("PATH").unwrap_or_default();
    let path = std::iter::once(ours).chain(std::env::split_paths(&inherited));
    if let Ok(path) = std::env::join_paths(path) {
        command.env("PATH", path);
    }
    command.current_dir(place::root()).stdin(Stdio::null());
    command
}

/// `cargo`, with arguments.
pub fn cargo(arguments: &[&str]) -> Command {
    let mut command = program(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // Tests that need the environment's Python, or libfaketime, fail without it, instead of passing unseen.
    command
        .env("MORAINE_PYTHON", place::venv().join("bin/python"))
        .env("MORAINE_REQUIRE_PYTHON", "1")
        .env("MORAINE_REQUIRE_FAKETIME", "1")
        .args(arguments);
    command
}

/// A script of the client tests.
pub fn client(script: &str, arguments: &[&str]) -> Command {
    let mut command = script_at(place::client(script));
    command.args(arguments);
    command
}

/// A script that starts servers, by its path in the workspace.
pub fn script(path: &str) -> Command {
    script_at(place::root().join(path))
}

fn script_at(path: impl AsRef<OsStr>) -> Command {
    let mut command = program(place::venv().join("bin/python"));
    command
        .env("MORAINE_BINARY", place::server())
        .env("MORAINE_TARGET", place::target())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("PYTHONUNBUFFERED", "1")
        .arg(path);
    command
}

/// Runs it to its end; an error unless it succeeds.
pub fn finish(mut command: Command) -> Done {
    let status = command
        .status()
        .map_err(|error| format!("{}: {error}", shown(&command)))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{} failed ({status})", shown(&command)))
    }
}

/// Runs it to its end and counts the tests that it reports. One that reports nothing is one test itself; one that says it
/// ran no test has failed.
pub fn count(mut command: Command) -> Done<Count> {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command
        .spawn()
        .map_err(|error| format!("{}: {error}", shown(&command)))?;
    let total = Mutex::new(None);
    let (out, err) = (child.stdout.take(), child.stderr.take());
    std::thread::scope(|scope| {
        scope.spawn(|| pass_through(out, std::io::stdout(), &total));
        scope.spawn(|| pass_through(err, std::io::stderr(), &total));
    });
    let status = child
        .wait()
        .map_err(|error| format!("{}: {error}", shown(&command)))?;
    let reported = *total
        .lock()
        .map_err(|_| "a reader of the output panicked".to_owned())?;
    let mut count = reported.unwrap_or(Count {
        passed: u64::from(status.success()),
        ..Count::default()
    });
    if count.ran() == 0 && status.success() {
        println!("it ran no test");
    }
    if count.failed == 0 && (count.ran() == 0 || !status.success()) {
        count.failed = 1;
    }
    Ok(count)
}

fn pass_through(from: Option<impl Read>, mut to: impl Write, total: &Mutex<Option<Count>>) {
    let Some(from) = from else { return };
    for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
        let text = String::from_utf8_lossy(&line);
        // Whoever read our output is gone: the program is run to its end all the same.
        let _ = writeln!(to, "{text}");
        if let (Some(count), Ok(mut total)) = (count::closing(&text), total.lock()) {
            *total.get_or_insert_default() += count;
        }
    }
}

/// The command as one would type it.
pub fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(OsStr::to_string_lossy)
        .collect::<Vec<_>>()
        .join(" ")
}

//! Why a subcommand could not run: one sentence for the operator, who may have to act on it at night.

use std::fmt;
use std::process::ExitCode;

/// The exit code of a subcommand that could not run.
pub const COULD_NOT_RUN: u8 = 2;

/// What a subcommand returns.
pub type Outcome = Result<ExitCode, Failure>;

/// A sentence that says what is wrong and what to do about it.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure(String);

impl Failure {
    /// From a finished sentence.
    pub fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<moraine_engine::Error> for Failure {
    fn from(error: moraine_engine::Error) -> Self {
        use moraine_engine::Error;
        match error {
            Error::NoSpace { .. } => Self(format!(
                "{error}: free space on the disk, or choose another with --data"
            )),
            error => Self(error.to_string()),
        }
    }
}

/// What printing came to. A reader that went away, as `head` does, has what it wanted.
pub fn printed(result: std::io::Result<()>) -> Result<(), Failure> {
    match result {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure(format!("cannot write the output: {error}")))
        }
        _ => Ok(()),
    }
}

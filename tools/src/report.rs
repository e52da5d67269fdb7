//! How the commands that call the admin API print: one JSON object, or text for people.

use crate::failure::{Failure, printed};
use crate::sheet::Sheet;
use serde::Serialize;
use std::io::{self, Write};

/// Says what was done.
pub fn done(
    json: bool,
    value: &impl Serialize,
    text: impl FnOnce() -> String,
) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    printed(if json {
        in_json(value, &mut out)
    } else {
        writeln!(out, "{}", text())
    })
}

/// Prints a table.
pub fn list(
    json: bool,
    value: &impl Serialize,
    sheet: impl FnOnce() -> Sheet,
) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    printed(if json {
        in_json(value, &mut out)
    } else {
        sheet().print(false, &mut out)
    })
}

fn in_json(value: &impl Serialize, out: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    writeln!(out)
}

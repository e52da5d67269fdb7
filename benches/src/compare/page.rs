//! The table, for the terminal and for `benches/README.md`, where it stands between two markers.

use crate::compare::judge::{Aim, Row, thousands};
use crate::load::Done;
use std::fmt::Write;

/// Around the table in the page.
const BEGIN: &str = "<!-- comparison: written by `cargo xtask bench` -->";
const END: &str = "<!-- end of the comparison -->";

/// The value with as many digits as it deserves.
fn number(value: f64) -> String {
    if value >= 1000.0 {
        thousands(value)
    } else if value >= 100.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.2}")
    }
}

/// The aim, in words.
pub fn aim(aim: Aim) -> String {
    match aim {
        Aim::AtLeast(value) => format!("at least {value}"),
        Aim::AtMost(value) => format!("at most {value}"),
        Aim::Below(value) => format!("below {value}"),
        Aim::None => String::new(),
    }
}

/// Whether it is met, in words.
pub fn verdict(met: Option<bool>) -> &'static str {
    match met {
        Some(true) => "met",
        Some(false) => "**missed**",
        None => "",
    }
}

/// The rows as a table.
pub fn table(rows: &[Row]) -> String {
    let mut text = String::from(
        "| what | figure | median | lowest to highest | aim | | Moraine | the other |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for row in rows {
        let spread = if row.min < row.max {
            format!("{} to {}", number(row.min), number(row.max))
        } else {
            String::new()
        };
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "| {} | {} | {} | {spread} | {} | {} | {} | {} |",
            row.what,
            row.figure,
            number(row.median),
            aim(row.aim),
            verdict(row.met),
            row.ours,
            row.theirs
        );
    }
    text
}

/// The page with this text between the markers.
pub fn replaced(page: &str, text: &str) -> Done<String> {
    let cut = || {
        let (before, rest) = page.split_once(BEGIN)?;
        let (_, after) = rest.split_once(END)?;
        Some((before, after))
    };
    let (before, after) =
        cut().ok_or_else(|| format!("the page has no `{BEGIN}` before `{END}`"))?;
    Ok(format!(
        "{before}{BEGIN}\n\n{}\n\n{END}{after}",
        text.trim()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::judge::single;

    #[test]
    fn only_what_is_between_the_markers_changes() {
        let page = format!("above\n{BEGIN}\nold\n{END}\nbelow\n");
        let once = replaced(&page, "new").unwrap();
        assert_eq!(once, format!("above\n{BEGIN}\n\nnew\n\n{END}\nbelow\n"));
        assert_eq!(replaced(&once, "new").unwrap(), once);
        assert!(replaced("no markers", "new").is_err());
    }

    #[test]
    fn the_page_has_its_markers() {
        replaced(include_str!("../../README.md"), "").unwrap();
    }

    #[test]
    fn a_row_says_whether_its_aim_is_met() {
        let rows = [
            single("idle", "MiB", 12.0, Aim::Below(64.0)),
            single("busy", "MiB", 500.0, Aim::Below(400.0)),
        ];
        let text = table(&rows);
        assert!(
            text.contains("| idle | MiB | 12.00 |  | below 64 | met |"),
            "{text}"
        );
        assert!(
            text.contains("| busy | MiB | 500 |  | below 400 | **missed** |"),
            "{text}"
        );
    }
}

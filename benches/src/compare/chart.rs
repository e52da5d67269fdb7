//! The ratios as an SVG: a bar for each, a whisker from the lowest round to the highest, a mark at the aim.
//!
//! The picture brings its own colours for light and dark surroundings. Whether an aim is met is said in words too.

use crate::compare::judge::{Aim, Row};
use std::fmt::Write;

const WIDTH: f64 = 860.0;
const LEFT: f64 = 330.0;
const RIGHT: f64 = 150.0;
const TOP: f64 = 64.0;
const LINE: f64 = 26.0;
const BAR: f64 = 14.0;
/// Ratios beyond this are cut off, with their figure beside them.
const RATIO_MAX: f64 = 3.0;

const STYLE: &str = "\
text{font:13px system-ui,sans-serif;fill:#1f2328}.soft{fill:#59636e}.title{font-size:16px;font-weight:600}\
.bar{fill:#2f6fb3}.missed{fill:#b35c00}.plain{fill:#7a8490}.line{stroke:#d0d7de}.whisker{stroke:#1f2328;stroke-width:1.5}\
.aim{stroke:#1f2328;stroke-width:3}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.soft{fill:#9aa4ae}.bar{fill:#58a0e8}.missed{fill:#e0913a}\
.plain{fill:#8b949e}.line{stroke:#3d444d}.whisker,.aim{stroke:#e6edf3}}";

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// Where a ratio lies.
fn x(ratio: f64, scale: f64) -> f64 {
    LEFT + (WIDTH - LEFT - RIGHT) * (ratio.min(scale) / scale)
}

/// The picture of all rows that are ratios; `subtitle` says where and when.
#[expect(clippy::cast_precision_loss, reason = "a picture has few rows")]
pub fn svg(rows: &[Row], subtitle: &str) -> String {
    let rows: Vec<&Row> = rows.iter().filter(|row| row.is_ratio).collect();
    let highest = rows.iter().map(|row| row.max).fold(1.0, f64::max);
    let scale = (highest.min(RATIO_MAX) * 4.0).ceil() / 4.0;
    let height = TOP + LINE * rows.len() as f64 + 42.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\">\
         <title>Moraine over other servers, as ratios</title><style>{STYLE}</style>\n\
         <text class=\"title\" x=\"12\" y=\"24\">Moraine over other servers, as ratios</text>\n\
         <text class=\"soft\" x=\"12\" y=\"44\">{}</text>\n",
        escaped(subtitle)
    );
    let bottom = TOP + LINE * rows.len() as f64;
    let mut tick = 0.0;
    while tick <= scale {
        let x = x(tick, scale);
        put(
            &mut svg,
            format_args!(
                "<line class=\"line\" x1=\"{x:.1}\" y1=\"{TOP}\" x2=\"{x:.1}\" y2=\"{bottom:.1}\"/>"
            ),
        );
        put(
            &mut svg,
            format_args!(
                "<text class=\"soft\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{tick}</text>",
                bottom + 18.0
            ),
        );
        tick += if scale > 2.0 { 0.5 } else { 0.25 };
    }
    for (place, row) in rows.iter().enumerate() {
        bar(&mut svg, row, TOP + LINE * place as f64, scale);
    }
    put(
        &mut svg,
        format_args!(
            "<text class=\"soft\" x=\"12\" y=\"{:.1}\">bar: median; thin line: lowest to highest round; thick mark: aim</text>",
            bottom + 36.0
        ),
    );
    svg.push_str("</svg>\n");
    svg
}

fn bar(svg: &mut String, row: &Row, y: f64, scale: f64) {
    let class = match row.met {
        Some(true) => "bar",
        Some(false) => "missed",
        None => "plain",
    };
    let (end, middle) = (x(row.median, scale), y + LINE / 2.0);
    let label = escaped(&format!("{}, {}", row.what, row.figure));
    put(
        svg,
        format_args!(
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\" font-size=\"12\">{label}</text>",
            LEFT - 8.0,
            middle + 4.0
        ),
    );
    put(
        svg,
        format_args!(
            "<rect class=\"{class}\" x=\"{LEFT}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{BAR}\" rx=\"2\"/>",
            middle - BAR / 2.0,
            end - LEFT
        ),
    );
    let (low, high) = (x(row.min, scale), x(row.max, scale));
    put(
        svg,
        format_args!(
            "<line class=\"whisker\" x1=\"{low:.1}\" y1=\"{middle:.1}\" x2=\"{high:.1}\" y2=\"{middle:.1}\"/>"
        ),
    );
    let verdict = match (row.aim, row.met) {
        (Aim::AtLeast(aim) | Aim::AtMost(aim) | Aim::Below(aim), Some(met)) => {
            let x = x(aim, scale);
            put(
                svg,
                format_args!(
                    "<line class=\"aim\" x1=\"{x:.1}\" y1=\"{:.1}\" x2=\"{x:.1}\" y2=\"{:.1}\"/>",
                    y + 2.0,
                    y + LINE - 2.0
                ),
            );
            if met { ", met" } else { ", missed" }
        }
        _ => "",
    };
    put(
        svg,
        format_args!(
            "<text x=\"{:.1}\" y=\"{:.1}\">{:.2}{verdict}</text>",
            WIDTH - RIGHT + 12.0,
            middle + 4.0,
            row.median
        ),
    );
}

fn put(svg: &mut String, piece: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(svg, "{piece}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ratio(what: &str, median: f64, met: Option<bool>) -> Row {
        Row {
            is_ratio: true,
            min: median - 0.1,
            max: median + 0.1,
            met,
            aim: met.map_or(Aim::None, |_| Aim::AtLeast(0.9)),
            ..crate::compare::judge::single(what, "requests/s", median, Aim::None)
        }
    }

    #[test]
    fn every_ratio_has_a_bar_and_every_aim_a_mark() {
        let rows = [
            ratio("a < b", 0.95, Some(true)),
            ratio("c", 0.5, Some(false)),
            ratio("d", 9.0, None),
            crate::compare::judge::single("no ratio", "MiB", 12.0, Aim::Below(64.0)),
        ];
        let svg = svg(&rows, "here & now");
        assert_eq!(svg.matches("<rect").count(), 3);
        assert_eq!(svg.matches("class=\"aim\"").count(), 2);
        assert!(
            svg.contains("a &lt; b") && svg.contains("here &amp; now") && !svg.contains("no ratio")
        );
        assert!(
            svg.contains("0.95, met") && svg.contains("0.50, missed") && svg.contains(">9.00<")
        );
    }

    #[test]
    fn nothing_is_drawn_beyond_the_scale() {
        let svg = svg(&[ratio("far", 9.0, None)], "");
        assert!(
            svg.contains(&format!("width=\"{:.1}\"", WIDTH - LEFT - RIGHT)),
            "{svg}"
        );
    }
}

//! Prints results: a readable line, and the same as JSON.

/// The middle value of several rounds, with the least and the greatest.
#[derive(Clone, Copy, Debug)]
pub struct Spread {
    pub least: f64,
    pub middle: f64,
    pub greatest: f64,
}

impl Spread {
    /// Of at least one value.
    pub fn of(values: &[f64]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        Self {
            least: sorted[0],
            middle: sorted[sorted.len() / 2],
            greatest: sorted[sorted.len() - 1],
        }
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let digits = if self.middle >= 100.0 { 0 } else { 3 };
        write!(
            f,
            "{:.digits$} ({:.digits$} to {:.digits$})",
            self.middle, self.least, self.greatest
        )
    }
}

/// One result: several values with their units, over all rounds.
pub fn print(name: &str, values: &[(&str, Vec<f64>)]) {
    let mut text = Vec::new();
    let mut json = vec![format!("\"bench\":\"{name}\"")];
    for (unit, rounds) in values {
        let spread = Spread::of(rounds);
        text.push(format!("{unit} {spread}"));
        json.push(format!(
            "\"{unit}\":{{\"median\":{:.4},\"min\":{:.4},\"max\":{:.4}}}",
            spread.middle, spread.least, spread.greatest
        ));
    }
    println!("{name:<28} {}", text.join("; "));
    println!("{{{}}}", json.join(","));
}

/// MiB a second.
pub fn mib_per_s(bytes: u64, seconds: f64) -> f64 {
    bytes as f64 / f64::from(1 << 20) / seconds
}

/// CPU seconds for each GiB.
pub fn per_gib(cpu_seconds: f64, bytes: u64) -> f64 {
    cpu_seconds / (bytes as f64 / f64::from(1 << 30))
}

//! `moraine status`: how a running store is, and how much is in it. `docs/admin-api.md` says what each figure is.

use super::tenant::Tenant;
use crate::admin::call::{Api, TargetFlags};
use crate::bytes::Amount;
use crate::failure::{Failure, Outcome};
use crate::report;
use crate::sheet::Sheet;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::process::ExitCode;

/// The flags of the subcommand.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: TargetFlags,
}

/// The status, as the API shows it.
#[derive(Deserialize, Serialize)]
struct Status {
    version: String,
    health: String,
    reason: Option<String>,
    uptime_seconds: u64,
    io_driver: String,
    names: u64,
    logical_bytes: u64,
    upload_bytes: u64,
    blobs: Option<u64>,
    unique_bytes: Option<u64>,
    dedup_ratio: Option<f64>,
    counted_seconds_ago: Option<u64>,
    physical_bytes: u64,
    log_bytes: u64,
    index_bytes: u64,
    segments: u64,
    disk_free: u64,
    disk_total: u64,
    tenants: Vec<Tenant>,
}

/// Asks and prints.
pub fn run(args: &Args) -> Outcome {
    print(&args.target)?;
    Ok(ExitCode::SUCCESS)
}

fn print(target: &TargetFlags) -> Result<(), Failure> {
    let status: Status = Api::of(target)?.get("/v1/status")?;
    report::list(target.json, &status, || sheet(&status))
}

fn sheet(status: &Status) -> Sheet {
    let mut sheet = Sheet::default();
    let health = match &status.reason {
        Some(reason) => format!("{}: {reason}", status.health),
        None => status.health.clone(),
    };
    sheet.field("health", health);
    sheet.field("version", status.version.as_str());
    sheet.field("uptime", duration(status.uptime_seconds));
    sheet.field("names", status.names);
    sheet.field("logical", amount(status.logical_bytes));
    sheet.field("in uploads", amount(status.upload_bytes));
    sheet.field(
        "blobs",
        counted(status, status.blobs.map(|blobs| blobs.to_string())),
    );
    sheet.field("unique", counted(status, status.unique_bytes.map(amount)));
    sheet.field(
        "dedup ratio",
        status.dedup_ratio.map_or(Value::Null, Value::from),
    );
    sheet.field(
        "physical",
        format!(
            "{} (log {}, index {})",
            amount(status.physical_bytes),
            amount(status.log_bytes),
            amount(status.index_bytes)
        ),
    );
    sheet.field(
        "disk",
        format!(
            "{} free of {}",
            amount(status.disk_free),
            amount(status.disk_total)
        ),
    );
    sheet.columns(&[
        "tenant",
        "keys",
        "buckets",
        "names",
        "logical",
        "in uploads",
    ]);
    for tenant in &status.tenants {
        sheet.row(vec![
            Value::from(tenant.name.as_str()),
            Value::from(tenant.keys),
            Value::from(tenant.buckets),
            Value::from(tenant.names),
            Value::from(amount(tenant.logical_bytes)),
            Value::from(amount(tenant.upload_bytes)),
        ]);
    }
    sheet
}

/// A figure of the count of distinct content, which may be old or still be missing.
fn counted(status: &Status, figure: Option<String>) -> String {
    match (figure, status.counted_seconds_ago) {
        (None, _) => "being counted: ask again in a minute".to_owned(),
        (Some(figure), None | Some(0)) => figure,
        (Some(figure), Some(ago)) => format!("{figure} ({} ago)", duration(ago)),
    }
}

fn amount(bytes: u64) -> String {
    Amount(bytes).to_string()
}

/// In the two largest units.
fn duration(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, _, _) => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_two_units() {
        assert_eq!(duration(59), "59 s");
        assert_eq!(duration(61), "1 min 1 s");
        assert_eq!(duration(7_260), "2 h 1 min");
        assert_eq!(duration(90_000), "1 d 1 h");
    }
}

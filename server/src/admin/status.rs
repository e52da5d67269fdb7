//! `GET /v1/status`: how the store is, and how much is in it.
//!
//! Each figure in words: *names* are live objects, *logical bytes* the sum of their sizes, as clients see them; *upload
//! bytes* lie in parts of uploads that are not complete. *Blobs* are the distinct contents that live names stand for,
//! and *unique bytes* the sum of their sizes; the *dedup ratio* is logical bytes by unique bytes. *Log* and *index bytes*
//! are what the file system holds for the files, the reserved rest of the newest segment and the remains of deleted
//! objects included; *physical bytes* are both. Content that tenants share belongs to none of them, so there are no
//! unique bytes of a tenant.

use super::answer::{Answer, ApiError, json};
use super::api::aside;
use super::{Admin, tenants};
use http::StatusCode;
use moraine_engine::{DiskUse, Health, Stats};
use serde::Serialize;
use std::sync::atomic::Ordering;

#[derive(Serialize)]
struct Shown {
    version: &'static str,
    /// `ok`, `stopping` or `read_only`.
    health: &'static str,
    /// Why the store is read-only.
    reason: Option<String>,
    uptime_seconds: u64,
    io_driver: &'static str,
    names: u64,
    logical_bytes: u64,
    upload_bytes: u64,
    #[serde(flatten)]
    content: Counted,
    #[serde(flatten)]
    disk: Disk,
    tenants: Vec<tenants::Shown>,
}

/// Null until the first count is finished.
#[derive(Serialize, Default)]
struct Counted {
    blobs: Option<u64>,
    unique_bytes: Option<u64>,
    dedup_ratio: Option<f64>,
    /// How old the three are: 0 unless counting takes long.
    counted_seconds_ago: Option<u64>,
}

#[derive(Serialize)]
struct Disk {
    physical_bytes: u64,
    log_bytes: u64,
    index_bytes: u64,
    segments: u64,
    disk_free: u64,
    disk_total: u64,
}

/// Answers with all of it.
pub async fn show(admin: &Admin) -> Result<Answer, ApiError> {
    let counted = admin.content.get(&admin.store).await;
    let disk = admin.store.disk_use().await?;
    let stats = admin.store.stats();
    let (health, reason) = health(admin);
    let store = admin.store.clone();
    let tenants = aside(move || tenants::all(&store)).await?;
    let content = counted.map(|counted| Counted {
        blobs: Some(counted.content.blobs),
        unique_bytes: Some(counted.content.bytes),
        dedup_ratio: ratio(stats.logical_bytes, counted.content.bytes),
        counted_seconds_ago: Some(counted.age_seconds(stats.applied)),
    });
    let shown = Shown {
        version: env!("CARGO_PKG_VERSION"),
        health,
        reason,
        uptime_seconds: admin.started.elapsed().as_secs(),
        io_driver: stats.driver,
        names: stats.names,
        logical_bytes: stats.logical_bytes,
        upload_bytes: stats.upload_bytes,
        content: content.unwrap_or_default(),
        disk: disk_shown(disk, &stats),
        tenants,
    };
    Ok(json(StatusCode::OK, &shown))
}

const fn disk_shown(disk: DiskUse, stats: &Stats) -> Disk {
    Disk {
        physical_bytes: disk.log_bytes.saturating_add(disk.index_bytes),
        log_bytes: disk.log_bytes,
        index_bytes: disk.index_bytes,
        segments: stats.segments,
        disk_free: stats.disk_free,
        disk_total: stats.disk_total,
    }
}

fn health(admin: &Admin) -> (&'static str, Option<String>) {
    match admin.store.health() {
        Health::ReadOnly { reason } => ("read_only", Some(reason.to_string())),
        Health::Ok if admin.metrics.draining.load(Ordering::Relaxed) => ("stopping", None),
        Health::Ok => ("ok", None),
    }
}

/// In thousandths, as many as are worth reading. `None` if there is nothing that could be shared.
fn ratio(logical: u64, unique: u64) -> Option<f64> {
    let thousandths = (u128::from(logical) * 1000).checked_div(u128::from(unique))?;
    let thousandths = u32::try_from(thousandths).unwrap_or(u32::MAX);
    Some(f64::from(thousandths) / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios() {
        assert_eq!(ratio(0, 0), None);
        assert_eq!(ratio(10, 10), Some(1.0));
        assert_eq!(ratio(10, 3), Some(3.333));
        assert_eq!(ratio(u64::MAX, 1), Some(4_294_967.295));
    }
}

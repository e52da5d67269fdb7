//! `/v1/tenants`: one for each server that uses the store.

use super::answer::{Answer, ApiError, json, no_content};
use http::StatusCode;
use moraine_engine::{Store, Tenant, TenantId};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// A tenant, and what it has.
#[derive(Serialize)]
pub struct Shown {
    id: String,
    name: String,
    created_ms: u64,
    keys: usize,
    buckets: usize,
    names: u64,
    logical_bytes: u64,
    upload_bytes: u64,
}

impl Shown {
    /// As it is now.
    pub fn of(store: &Store, tenant: Tenant) -> Self {
        let has = store.tenant_usage(tenant.id);
        Self {
            id: tenant.id.to_string(),
            name: tenant.name,
            created_ms: tenant.created_ms,
            keys: has.access_keys,
            buckets: has.buckets,
            names: has.held.names,
            logical_bytes: has.held.bytes,
            upload_bytes: has.held.upload_bytes,
        }
    }
}

/// All tenants, by name.
pub fn all(store: &Store) -> Vec<Shown> {
    let mut tenants = store.tenants();
    tenants.sort_by(|one, other| one.name.cmp(&other.name));
    let shown = tenants.into_iter().map(|tenant| Shown::of(store, tenant));
    shown.collect()
}

/// The tenant of that name, or else of that id.
pub fn find(store: &Store, text: &str) -> Result<Tenant, ApiError> {
    let found = store
        .tenant_named(text)
        .or_else(|| store.tenant(TenantId(id(text)?)));
    found.ok_or_else(|| ApiError::unknown("tenant", text))
}

/// An id, as it is shown: 16 hexadecimal digits.
pub fn id(text: &str) -> Option<u64> {
    let digits = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let good = text.len() == 16 && text.bytes().all(digits);
    good.then(|| u64::from_str_radix(text, 16).ok())?
}

/// `GET /v1/tenants`
pub fn list(store: &Store) -> Answer {
    json(StatusCode::OK, &json!({"tenants": all(store)}))
}

/// `GET /v1/tenants/TENANT`
pub fn show(store: &Store, tenant: &str) -> Result<Answer, ApiError> {
    let tenant = find(store, tenant)?;
    Ok(json(StatusCode::OK, &Shown::of(store, tenant)))
}

/// What a new tenant is made of.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct New {
    name: String,
}

/// `POST /v1/tenants`
pub async fn create(store: &Store, new: New) -> Result<Answer, ApiError> {
    check_name(&new.name)?;
    let tenant = store.create_tenant(&new.name).await?;
    tracing::info!(tenant = tenant.name, id = %tenant.id, "a tenant was created");
    Ok(json(StatusCode::CREATED, &Shown::of(store, tenant)))
}

/// `DELETE /v1/tenants/TENANT`
pub async fn delete(store: &Store, tenant: &str) -> Result<Answer, ApiError> {
    let tenant = find(store, tenant)?;
    store.delete_tenant(tenant.id).await?;
    tracing::info!(tenant = tenant.name, id = %tenant.id, "a tenant was deleted");
    Ok(no_content())
}

/// Names stand in paths, in logs and on command lines, so that they are plain; a domain name is what they should be.
fn check_name(name: &str) -> Result<(), ApiError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    let good = (1..=255).contains(&name.len())
        && name.bytes().all(plain)
        && name.starts_with(|first: char| first.is_ascii_alphanumeric());
    let complaint = if !good {
        "a tenant's name has 1 to 255 letters, digits, '.', '-' and '_', and begins with a letter or digit"
    } else if id(name).is_some() {
        "a tenant's name must not look like an id"
    } else {
        return Ok(());
    };
    Err(ApiError::new(StatusCode::BAD_REQUEST, "invalid", complaint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain() {
        for name in ["a", "mastodon.example", "Under_Score-1"] {
            check_name(name).unwrap();
        }
        let long = "a".repeat(256);
        for name in [
            "",
            "a b",
            ".",
            "..",
            "-a",
            "a/b",
            "\u{e9}",
            "00000000000000ff",
            &long,
        ] {
            assert!(check_name(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn ids_have_sixteen_digits() {
        assert_eq!(id("00000000000000ff"), Some(255));
        for text in ["ff", "00000000000000FF", "+0000000000000ff", "media"] {
            assert_eq!(id(text), None, "{text}");
        }
    }
}

//! `/v1/keys`: pairs of an access key and a secret. A secret is shown once, when it is made.

use super::answer::{Answer, ApiError, json, no_content};
use super::tenants;
use http::StatusCode;
use moraine_engine::{AccessKey, Error, Store, TenantId};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// S3 clients put the access key between slashes and commas of a header: what could end it there is not in it.
const ACCESS_KEY_CHARS: std::ops::RangeInclusive<usize> = 3..=128;
/// Shorter secrets can be guessed from one captured signature.
const SECRET_KEY_CHARS: std::ops::RangeInclusive<usize> = 16..=128;

/// A key without its secret.
#[derive(Serialize)]
struct Shown {
    access_key: String,
    tenant: String,
    tenant_id: String,
    created_ms: u64,
}

impl Shown {
    fn of(store: &Store, key: &AccessKey) -> Self {
        Self {
            access_key: key.access_key.clone(),
            tenant: name_of(store, key.tenant),
            tenant_id: key.tenant.to_string(),
            created_ms: key.created_ms,
        }
    }
}

/// A tenant's name.
pub fn name_of(store: &Store, tenant: TenantId) -> String {
    store
        .tenant(tenant)
        .map(|tenant| tenant.name)
        .unwrap_or_default()
}

/// A new key, with the secret that is shown only now.
#[derive(Serialize)]
struct Made {
    access_key: String,
    secret_key: String,
    tenant: String,
    tenant_id: String,
    created_ms: u64,
}

fn made(store: &Store, key: &AccessKey) -> Answer {
    let tenant = name_of(store, key.tenant);
    tracing::info!(
        access_key = key.access_key,
        tenant,
        "an access key was created"
    );
    let made = Made {
        access_key: key.access_key.clone(),
        secret_key: key.secret.expose().to_owned(),
        tenant,
        tenant_id: key.tenant.to_string(),
        created_ms: key.created_ms,
    };
    json(StatusCode::CREATED, &made)
}

fn find(store: &Store, access_key: &str) -> Result<AccessKey, ApiError> {
    let found = store.access_key(access_key);
    found.ok_or_else(|| ApiError::unknown("key", access_key))
}

/// `GET /v1/keys`, of one tenant or of all.
pub fn list(store: &Store, tenant: Option<&str>) -> Result<Answer, ApiError> {
    let tenants = match tenant {
        Some(tenant) => vec![tenants::find(store, tenant)?],
        None => store.tenants(),
    };
    let keys = tenants
        .iter()
        .flat_map(|tenant| store.access_keys(tenant.id));
    let mut keys: Vec<Shown> = keys.map(|key| Shown::of(store, &key)).collect();
    keys.sort_by(|one, other| {
        (&one.tenant, &one.access_key).cmp(&(&other.tenant, &other.access_key))
    });
    Ok(json(StatusCode::OK, &json!({"keys": keys})))
}

/// `GET /v1/keys/KEY`
pub fn show(store: &Store, access_key: &str) -> Result<Answer, ApiError> {
    let key = find(store, access_key)?;
    Ok(json(StatusCode::OK, &Shown::of(store, &key)))
}

/// What a new key is made of. What is not given is generated.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct New {
    tenant: String,
    access_key: Option<String>,
    secret_key: Option<String>,
}

/// `POST /v1/keys`
pub async fn create(store: &Store, new: New) -> Result<Answer, ApiError> {
    let tenant = tenants::find(store, &new.tenant)?;
    check_chosen(new.access_key.as_deref(), new.secret_key.as_deref())?;
    let key = store
        .create_access_key(
            tenant.id,
            new.access_key.as_deref(),
            new.secret_key.as_deref(),
        )
        .await?;
    Ok(made(store, &key))
}

/// `DELETE /v1/keys/KEY`
pub async fn delete(store: &Store, access_key: &str) -> Result<Answer, ApiError> {
    let ended = store.delete_access_key(access_key).await;
    let ended = ended.map_err(|error| match error {
        Error::NoSuchAccessKey => ApiError::unknown("key", access_key),
        error => error.into(),
    })?;
    log_end(store, &ended);
    Ok(no_content())
}

fn log_end(store: &Store, key: &AccessKey) {
    let tenant = name_of(store, key.tenant);
    tracing::info!(
        access_key = key.access_key,
        tenant,
        "an access key was deleted"
    );
}

/// How a key is rotated.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rotation {
    /// Whether the old key goes on working, until it is deleted.
    #[serde(default)]
    keep_old: bool,
}

/// `POST /v1/keys/KEY/rotate`: a new key for the same tenant. The old one ends in the same step, unless it is to be kept.
pub async fn rotate(store: &Store, access_key: &str, how: Rotation) -> Result<Answer, ApiError> {
    let old = find(store, access_key)?;
    let new = store
        .rotate_access_key(&old.access_key, how.keep_old)
        .await?;
    if !how.keep_old {
        log_end(store, &old);
    }
    Ok(made(store, &new))
}

/// Checks a key that was chosen by a person or comes from another store.
fn check_chosen(access_key: Option<&str>, secret_key: Option<&str>) -> Result<(), ApiError> {
    let refused = |message: &str| {
        let message = message.to_owned();
        Err(ApiError::new(StatusCode::BAD_REQUEST, "invalid", message))
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if access_key
        .is_some_and(|key| !ACCESS_KEY_CHARS.contains(&key.len()) || !key.bytes().all(plain))
    {
        return refused("an access key has 3 to 128 letters, digits, '-', '_' and '.'");
    }
    let printable = |byte: u8| byte.is_ascii_graphic();
    if secret_key
        .is_some_and(|key| !SECRET_KEY_CHARS.contains(&key.len()) || !key.bytes().all(printable))
    {
        return refused("a secret key has 16 to 128 printable characters without spaces");
    }
    if secret_key.is_some() && access_key.is_none() {
        return refused("a secret key of your own needs the access key that belongs to it");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "0123456789abcdef";

    #[test]
    fn chosen_keys_keep_the_limits() {
        check_chosen(None, None).unwrap();
        check_chosen(Some("AKIA_old.one-1"), Some(SECRET)).unwrap();
        check_chosen(Some("AKIA"), None).unwrap();
        for (access_key, secret) in [
            (Some("ab"), None),
            (Some("a/b/c"), None),
            (Some("a b c"), None),
            (None, Some(SECRET)),
            (Some("AKIA"), Some("too-short")),
            (Some("AKIA"), Some("with a space inside")),
        ] {
            let error = check_chosen(access_key, secret).unwrap_err();
            let shown = format!("{error:?}");
            assert!(
                secret.is_none_or(|secret| !shown.contains(secret)),
                "{shown}"
            );
        }
    }
}

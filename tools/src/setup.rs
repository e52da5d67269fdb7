//! What a store needs before anyone can use it: a tenant, a bucket and an access key.
//!
//! Done in that order, each step only if it is missing, until the store has an access key: a process that died half-way is
//! completed by the next start, and nobody is locked out of a store whose first key was never made. A store with a key of
//! whichever tenant is left as its operator made it: what was deleted does not come back with a restart.

use crate::failure::Failure;
use moraine_engine::{Store, Tenant};

/// The tenant of the first key.
pub const FIRST_TENANT: &str = "default";
/// The bucket that the printed commands use.
pub const FIRST_BUCKET: &str = "media";

const ACCESS_KEY_VARIABLE: &str = "MORAINE_ACCESS_KEY";
/// Its secret is there.
pub const SECRET_KEY_VARIABLE: &str = "MORAINE_SECRET_KEY";
/// S3 clients put the access key between slashes and commas of a header: what could end it there is not in it.
const ACCESS_KEY_CHARS: std::ops::RangeInclusive<usize> = 3..=128;
/// Shorter secrets can be guessed from one captured signature.
const SECRET_KEY_CHARS: std::ops::RangeInclusive<usize> = 16..=128;

/// A key that the operator chose.
#[derive(Debug, PartialEq, Eq)]
pub struct ChosenKey {
    access_key: String,
    secret: String,
}

impl ChosenKey {
    /// The key in the environment, if there is one.
    pub fn from_environment() -> Result<Option<Self>, Failure> {
        let read = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self::check(read(ACCESS_KEY_VARIABLE), read(SECRET_KEY_VARIABLE))
    }

    fn check(access_key: Option<String>, secret: Option<String>) -> Result<Option<Self>, Failure> {
        let (access_key, secret) = match (access_key, secret) {
            (None, None) => return Ok(None),
            (Some(access_key), Some(secret)) => (access_key, secret),
            _ => {
                return Err(Failure::new(format!(
                    "set both {ACCESS_KEY_VARIABLE} and {SECRET_KEY_VARIABLE}, or neither"
                )));
            }
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if !ACCESS_KEY_CHARS.contains(&access_key.len()) || !access_key.chars().all(plain) {
            return Err(Failure::new(format!(
                "{ACCESS_KEY_VARIABLE} must be {} to {} letters, digits, '-', '_' or '.'",
                ACCESS_KEY_CHARS.start(),
                ACCESS_KEY_CHARS.end()
            )));
        }
        let printable = |c: char| c.is_ascii_graphic();
        if !SECRET_KEY_CHARS.contains(&secret.len()) || !secret.chars().all(printable) {
            return Err(Failure::new(format!(
                "{SECRET_KEY_VARIABLE} must be {} to {} printable characters without spaces",
                SECRET_KEY_CHARS.start(),
                SECRET_KEY_CHARS.end()
            )));
        }
        Ok(Some(Self { access_key, secret }))
    }
}

/// What setting up did, for the text that is printed.
pub enum SetUp {
    /// The store got its first key.
    FirstKey {
        /// The access key.
        access_key: String,
        /// Its secret if it was generated: printed now and never again. One that the operator chose is never printed.
        secret: Option<String>,
    },
    /// The key in the environment was added beside the others.
    KeyAdded {
        /// The access key.
        access_key: String,
    },
    /// Everything was there.
    Nothing,
}

/// Makes what is missing.
pub async fn complete(store: &Store, chosen: Option<ChosenKey>) -> Result<SetUp, Failure> {
    let tenants = store.tenants();
    let has_key = |tenant: &Tenant| !store.access_keys(tenant.id).is_empty();
    if tenants.iter().any(has_key) {
        return add_chosen(store, chosen).await;
    }
    let tenant = first_tenant(store).await?;
    if store.bucket(FIRST_BUCKET).is_none() {
        store.create_bucket(tenant.id, FIRST_BUCKET, false).await?;
    }
    let chosen = chosen.as_ref();
    let key = store
        .create_access_key(
            tenant.id,
            chosen.map(|key| key.access_key.as_str()),
            chosen.map(|key| key.secret.as_str()),
        )
        .await?;
    Ok(SetUp::FirstKey {
        secret: chosen.is_none().then(|| key.secret.expose().to_owned()),
        access_key: key.access_key,
    })
}

async fn first_tenant(store: &Store) -> Result<Tenant, Failure> {
    let mut tenants = store.tenants().into_iter();
    match tenants.find(|tenant| tenant.name == FIRST_TENANT) {
        Some(tenant) => Ok(tenant),
        None => Ok(store.create_tenant(FIRST_TENANT).await?),
    }
}

/// A key in the environment of a later start is added: the way back in for whoever lost the first secret.
async fn add_chosen(store: &Store, chosen: Option<ChosenKey>) -> Result<SetUp, Failure> {
    let Some(chosen) = chosen else {
        return Ok(SetUp::Nothing);
    };
    match store.access_key(&chosen.access_key) {
        Some(known) if known.secret.expose() == chosen.secret => Ok(SetUp::Nothing),
        Some(_) => Err(Failure::new(format!(
            "this store knows the access key in {ACCESS_KEY_VARIABLE} with another secret: choose another access key, \
             or unset both variables"
        ))),
        None => {
            let tenant = first_tenant(store).await?;
            let secret = Some(chosen.secret.as_str());
            let key = store
                .create_access_key(tenant.id, Some(&chosen.access_key), secret)
                .await?;
            Ok(SetUp::KeyAdded {
                access_key: key.access_key,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(access_key: &str, secret: &str) -> Result<Option<ChosenKey>, Failure> {
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        ChosenKey::check(given(access_key), given(secret))
    }

    #[test]
    fn both_or_neither() {
        assert_eq!(check("", ""), Ok(None));
        assert!(check("operator", "0123456789abcdef").unwrap().is_some());
        for (access_key, secret) in [("operator", ""), ("", "0123456789abcdef")] {
            let error = check(access_key, secret).unwrap_err().to_string();
            assert!(error.contains(ACCESS_KEY_VARIABLE) && error.contains(SECRET_KEY_VARIABLE));
        }
    }

    #[test]
    fn what_breaks_a_limit_is_refused_and_never_repeated() {
        for (access_key, secret) in [
            ("ab", "0123456789abcdef"),
            ("a/b/c", "0123456789abcdef"),
            ("operator", "too-short"),
            ("operator", "with a space inside"),
        ] {
            let error = check(access_key, secret).unwrap_err().to_string();
            assert!(!error.contains(secret), "{error}");
        }
    }
}

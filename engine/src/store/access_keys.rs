//! Making access keys: new ones, and one in the place of another.

use super::Store;
use super::catalog_edit::end_of_key;
use super::catalog_ops::{ACCESS_KEYS_MAX, below, catalog_lock};
use crate::error::{Error, Result};
use crate::format::{CatalogEntry, CatalogRecord, TenantId};
use crate::index::catalog::AccessKey;
use crate::log::Item;
use crate::secret::Secret;

/// The letters of generated access keys and secrets: easy to select, none needs quoting.
const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

impl Store {
    /// Makes an access key for a tenant; what is not given is generated.
    ///
    /// # Errors
    /// [`Error::NoSuchTenant`]; [`Error::AccessKeyExists`], whoever has it; [`Error::TooMany`]; [`Error::Invalid`] for a
    /// length out of bounds (access key 1 to 128, secret 1 to 256 bytes). How long a secret must be to be safe is for whoever
    /// hands it out to say: a store that takes over keys which are in use elsewhere, or replays recorded requests, cannot
    /// choose.
    pub async fn create_access_key(
        &self,
        tenant: TenantId,
        access_key: Option<&str>,
        secret: Option<&str>,
    ) -> Result<AccessKey> {
        let guard = self.shared.locks.write(&catalog_lock()).await;
        if self.tenant(tenant).is_none() {
            return Err(Error::NoSuchTenant);
        }
        self.check_key_count(tenant)?;
        let access_key = access_key.map_or_else(|| self.letters(20), str::to_owned);
        let secret = Secret::new(secret.map_or_else(|| self.letters(40), str::to_owned));
        check_lengths(&access_key, &secret)?;
        if self.access_key(&access_key).is_some() {
            return Err(Error::AccessKeyExists);
        }
        let (key, item) = self.new_key(tenant, access_key, secret)?;
        self.shared.append(vec![item], vec![guard.into()]).await?;
        Ok(key)
    }

    /// Makes a generated access key for the tenant of another one, which ends in the same step unless it is kept: a crash
    /// leaves the old one alone, or all of the change.
    ///
    /// # Errors
    /// [`Error::NoSuchAccessKey`]; [`Error::TooMany`] if the old one is kept.
    pub async fn rotate_access_key(&self, access_key: &str, keep_old: bool) -> Result<AccessKey> {
        let guard = self.shared.locks.write(&catalog_lock()).await;
        let old = self.access_key(access_key).ok_or(Error::NoSuchAccessKey)?;
        let secret = Secret::new(self.letters(40));
        let (new, item) = self.new_key(old.tenant, self.letters(20), secret)?;
        let mut items = vec![item];
        if keep_old {
            self.check_key_count(old.tenant)?;
        } else {
            items.push(self.catalog_item(&end_of_key(&old))?);
        }
        self.shared.append(items, vec![guard.into()]).await?;
        Ok(new)
    }

    fn check_key_count(&self, tenant: TenantId) -> Result<()> {
        let others = self.shared.indexes.catalog.read().access_key_count(tenant);
        below(others, ACCESS_KEYS_MAX, "access keys of a tenant")
    }

    fn new_key(
        &self,
        tenant: TenantId,
        access_key: String,
        secret: Secret,
    ) -> Result<(AccessKey, Item)> {
        let sealed = self
            .shared
            .indexes
            .key
            .seal(&access_key, &secret, &*self.shared.entropy);
        let entry = CatalogEntry::AccessKey {
            access_key: access_key.clone(),
            tenant,
            sealed,
        };
        let created_ms = self.shared.clock.now_ms();
        let item = self.catalog_item(&CatalogRecord::new(created_ms, entry))?;
        let key = AccessKey {
            access_key,
            tenant,
            secret,
            created_ms,
        };
        Ok((key, item))
    }

    fn letters(&self, count: usize) -> String {
        let mut bytes = vec![0; count];
        self.shared.entropy.fill(&mut bytes);
        let letter = |byte: u8| char::from(*ALPHABET.get(usize::from(byte) % 32).unwrap_or(&b'A'));
        bytes.into_iter().map(letter).collect()
    }
}

fn check_lengths(access_key: &str, secret: &Secret) -> Result<()> {
    let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'/';
    if !(1..=128).contains(&access_key.len()) || !access_key.bytes().all(plain) {
        return Err(Error::Invalid {
            what: "access key",
            why: "it has 1 to 128 printable ASCII characters without '/'",
        });
    }
    if !(1..=256).contains(&secret.expose().len()) {
        return Err(Error::Invalid {
            what: "secret key",
            why: "it has 1 to 256 bytes",
        });
    }
    Ok(())
}

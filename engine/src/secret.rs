//! Secret keys: sealed in the log, redacted in every debug output, wiped when dropped.
//!
//! Sealed with XChaCha20-Poly1305 under `store.key` with a random nonce of 24 bytes in front; the access key is the
//! associated data, so that a sealed secret cannot be moved to another access key. Segments that hold sealed secrets may
//! travel to peers and to a rented bucket.

use crate::clock::Entropy;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use std::fmt;
use zeroize::Zeroizing;

/// Bytes of the nonce in front of a sealed secret.
const NONCE_BYTES: usize = 24;

/// A secret key in the clear.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Wraps a secret.
    pub fn new(secret: String) -> Self {
        Self(Zeroizing::new(secret))
    }

    /// The secret itself: for signature checks, never for a log.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// The key in `store.key`.
#[derive(Clone)]
pub(crate) struct StoreKey(Zeroizing<[u8; StoreKey::LEN]>);

impl StoreKey {
    /// Bytes in a key.
    pub const LEN: usize = 32;

    /// A new key.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        let mut bytes = Zeroizing::new([0; Self::LEN]);
        entropy.fill(&mut *bytes);
        Self(bytes)
    }

    /// The key in a file's content; `None` if that is not [`StoreKey::LEN`] bytes.
    pub fn from_file(content: &[u8]) -> Option<Self> {
        Some(Self(Zeroizing::new(content.try_into().ok()?)))
    }

    /// The bytes, for the file and for the superblock's check.
    pub fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&Key::from(*self.0))
    }

    /// Seals the secret of `access_key`.
    pub fn seal(&self, access_key: &str, secret: &Secret, entropy: &dyn Entropy) -> Vec<u8> {
        let mut nonce = [0; NONCE_BYTES];
        entropy.fill(&mut nonce);
        let payload = Payload {
            msg: secret.expose().as_bytes(),
            aad: access_key.as_bytes(),
        };
        let sealed = self
            .cipher()
            .encrypt(&XNonce::from(nonce), payload)
            .expect("a secret is far below the cipher's limit of 256 GiB");
        [nonce.as_slice(), sealed.as_slice()].concat()
    }

    /// Opens a sealed secret; `None` if it was not sealed with this key for this access key.
    pub fn open(&self, access_key: &str, sealed: &[u8]) -> Option<Secret> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE_BYTES>()?;
        let payload = Payload {
            msg: sealed,
            aad: access_key.as_bytes(),
        };
        let secret = self.cipher().decrypt(&XNonce::from(*nonce), payload).ok()?;
        String::from_utf8(secret).ok().map(Secret::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SimEntropy;

    #[test]
    fn a_secret_opens_only_with_its_key_and_access_key() {
        let entropy = SimEntropy::new(1);
        let key = StoreKey::generate(&entropy);
        let secret = Secret::new("hush".to_owned());
        let sealed = key.seal("AK", &secret, &entropy);
        assert_eq!(key.open("AK", &sealed), Some(secret.clone()));
        assert_eq!(key.open("OTHER", &sealed), None);
        assert_eq!(StoreKey::generate(&entropy).open("AK", &sealed), None);
        for at in 0..sealed.len() {
            let mut bent = sealed.clone();
            bent[at] ^= 1;
            assert_eq!(key.open("AK", &bent), None);
        }
        assert!(!format!("{secret:?}").contains("hush"));
    }
}

//! Bytes to store: reproducible, and no two payloads alike.

use bytes::Bytes;

/// The payload of this number and length.
pub fn payload(number: u64, len: usize) -> Bytes {
    let mut bytes = vec![0; len];
    let mut key = [0; 32];
    key[..8].copy_from_slice(&number.to_le_bytes());
    blake3::Hasher::new_keyed(&key)
        .finalize_xof()
        .fill(&mut bytes);
    Bytes::from(bytes)
}

//! Checksums: those that headers announce, and those of a whole from those of its parts.

use super::head;
use crate::checksum::{self, Algorithm, Hasher};

/// More shows nothing new, and five digests of it take their time.
const CONTENT_BYTES_MAX: usize = 512;

/// Attacks `checksum`. The first byte says how long the parts are; the bytes are headers too, if they look like some.
pub fn checksums(data: &[u8]) {
    if let Some(parts) = head(data)
        && let Ok(announced) = checksum::announced(&parts.headers)
    {
        for (algorithm, value) in announced {
            assert_eq!(
                Algorithm::by_header(algorithm.header().as_str()),
                Some(algorithm)
            );
            assert_eq!(Algorithm::by_name(algorithm.name()), Some(algorithm));
            assert!(parts.headers.contains_key(algorithm.header()) && value.len() <= 44);
        }
    }
    let Some((step, content)) = data.split_first() else {
        return;
    };
    let content = content.get(..CONTENT_BYTES_MAX).unwrap_or(content);
    let parts: Vec<&[u8]> = content
        .chunks(usize::from(*step).max(content.len() / 16 + 1))
        .collect();
    let whole = digest(&[content]);
    assert_eq!(whole, digest(&parts), "the same in pieces");
    for (algorithm, expected) in whole {
        let values: Vec<(u64, String)> = parts.iter().map(|part| one(algorithm, part)).collect();
        let values: Vec<(u64, &str)> = values.iter().map(|(len, it)| (*len, it.as_str())).collect();
        if let Some(combined) = checksum::full_object(algorithm, &values) {
            assert_eq!(combined, expected, "{algorithm:?} of {} parts", parts.len());
        }
        let composite = checksum::composite(algorithm, &values).unwrap_or_default();
        assert!(composite.ends_with(&format!("-{}", parts.len())));
    }
}

fn digest(pieces: &[&[u8]]) -> Vec<(Algorithm, String)> {
    let mut hasher = Hasher::default();
    Algorithm::ALL.into_iter().for_each(|it| hasher.add(it));
    pieces.iter().for_each(|piece| hasher.update(piece));
    hasher.finish()
}

fn one(algorithm: Algorithm, part: &[u8]) -> (u64, String) {
    let mut hasher = Hasher::default();
    hasher.add(algorithm);
    hasher.update(part);
    let value = hasher.finish().pop().map(|(_, value)| value);
    (
        u64::try_from(part.len()).unwrap_or(u64::MAX),
        value.unwrap_or_default(),
    )
}

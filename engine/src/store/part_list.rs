//! The list of parts that ends an upload: checked against what was uploaded, and the ETag that follows from it.

use super::object::hex;
use super::upload::{CompletePart, Part};
use crate::error::{Error, Result};
use md5::{Digest, Md5};
use std::collections::BTreeMap;

/// The parts that a completion names, in order, checked.
pub(super) fn choose(
    known: &[Part],
    named: &[CompletePart],
    min_part_bytes: u64,
) -> Result<Vec<Part>> {
    if named.is_empty() {
        return Err(Error::Invalid {
            what: "parts",
            why: "there is none",
        });
    }
    if named
        .iter()
        .zip(named.iter().skip(1))
        .any(|(part, next)| part.number >= next.number)
    {
        return Err(Error::Invalid {
            what: "parts",
            why: "they are not in ascending order",
        });
    }
    let by_number: BTreeMap<u16, &Part> = known.iter().map(|part| (part.number, part)).collect();
    let mut chosen = Vec::with_capacity(named.len());
    for name in named {
        let part = by_number
            .get(&name.number)
            .filter(|part| part.etag.eq_ignore_ascii_case(&name.etag))
            .ok_or(Error::InvalidPart {
                number: name.number,
            })?;
        chosen.push((*part).clone());
    }
    if let Some((_, others)) = chosen.split_last()
        && let Some(small) = others.iter().find(|part| part.size < min_part_bytes)
    {
        return Err(Error::PartTooSmall {
            number: small.number,
        });
    }
    Ok(chosen)
}

/// The ETag of a multipart object.
pub(super) fn multipart_etag(parts: &[Part]) -> Result<String> {
    let mut digest = Md5::new();
    for part in parts {
        let md5 = decode_md5(&part.etag).ok_or(Error::InvalidPart {
            number: part.number,
        })?;
        digest.update(md5);
    }
    let digest: [u8; 16] = digest.finalize().into();
    Ok(format!("{}-{}", hex(&digest), parts.len()))
}

fn decode_md5(text: &str) -> Option<[u8; 16]> {
    let number = u128::from_str_radix(text, 16).ok()?;
    (text.len() == 32).then(|| number.to_be_bytes())
}

//! The checksum of a multipart object: which one, and how it follows from its parts'. Pure.
//!
//! While an upload is open its plan is kept among its attributes, as a checksum without a value.

use crate::checksum::{self, Algorithm, PartChecksum};
use moraine_engine::{Checksum, Part};
use s3s::dto::{ChecksumType, CompletedPart};
use s3s::{S3Result, s3_error};

/// Which checksum a multipart object will carry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Plan {
    /// The algorithm.
    pub algorithm: Algorithm,
    /// Of the parts' checksums, or of the whole object?
    pub composite: bool,
}

impl Plan {
    /// The plan that a request asks for, if it asks for one. Without a type, CRC-64 is of the whole object and the
    /// others are composite.
    pub fn from_request(algorithm: Option<&str>, kind: Option<&str>) -> S3Result<Option<Self>> {
        let Some(name) = algorithm else {
            return match kind {
                None => Ok(None),
                Some(_) => Err(s3_error!(
                    InvalidRequest,
                    "a checksum type needs an algorithm"
                )),
            };
        };
        let algorithm =
            Algorithm::by_name(name).ok_or_else(|| checksum::unknown_algorithm(name))?;
        let composite = match kind {
            None => algorithm != Algorithm::Crc64Nvme,
            Some(ChecksumType::COMPOSITE) => true,
            Some(ChecksumType::FULL_OBJECT) => false,
            Some(_) => return Err(s3_error!(InvalidRequest, "unknown checksum type")),
        };
        let possible = match algorithm {
            Algorithm::Crc32 | Algorithm::Crc32c => true,
            Algorithm::Crc64Nvme => !composite,
            Algorithm::Sha1 | Algorithm::Sha256 => composite,
        };
        if !possible {
            return Err(s3_error!(
                InvalidRequest,
                "this checksum type cannot be used with {}",
                algorithm.name()
            ));
        }
        Ok(Some(Self {
            algorithm,
            composite,
        }))
    }

    /// The plan as an upload's attributes keep it.
    pub fn to_stored(self) -> Checksum {
        Checksum {
            algorithm: self.algorithm.name().to_owned(),
            value: String::new(),
            composite: self.composite,
        }
    }

    /// The plan that an upload's attributes keep.
    pub fn from_stored(checksums: &[Checksum]) -> Option<Self> {
        let stored = checksums.first()?;
        let algorithm = Algorithm::by_name(&stored.algorithm)?;
        Some(Self {
            algorithm,
            composite: stored.composite,
        })
    }

    /// The plan behind a checksum that only the completion tells of: `kind` is the type that its headers say, if they do.
    /// A value that ends in `-N` is composite, another is what is usual for the algorithm.
    pub fn from_completion(
        algorithm: Algorithm,
        value: &str,
        kind: Option<&str>,
    ) -> S3Result<Option<Self>> {
        let crc = matches!(
            algorithm,
            Algorithm::Crc32 | Algorithm::Crc32c | Algorithm::Crc64Nvme
        );
        let usual = if crc && !value.contains('-') {
            ChecksumType::FULL_OBJECT
        } else {
            ChecksumType::COMPOSITE
        };
        Self::from_request(Some(algorithm.name()), kind.or(Some(usual)))
    }

    /// Whether `value` is what a client may call `checksum`: S3 takes a composite one also without the number of parts.
    pub fn accepts(self, checksum: &Checksum, value: &str) -> bool {
        let plain = checksum.value.split('-').next();
        value == checksum.value || self.composite && plain == Some(value)
    }

    /// Whether the value is of the whole object.
    pub fn kind(self) -> ChecksumType {
        let kind = if self.composite {
            ChecksumType::COMPOSITE
        } else {
            ChecksumType::FULL_OBJECT
        };
        ChecksumType::from_static(kind)
    }

    /// The checksum of the object that `parts` make up.
    pub fn combine(self, parts: &[&Part]) -> S3Result<Checksum> {
        let missing = || s3_error!(InternalError, "a part has no checksum");
        let values: Vec<PartChecksum<'_>> = parts
            .iter()
            .map(|part| {
                let stored = checksum::stored(&part.checksums, self.algorithm)?;
                Some((part.size, stored.value.as_str()))
            })
            .collect::<Option<_>>()
            .ok_or_else(missing)?;
        let value = if self.composite {
            checksum::composite(self.algorithm, &values)
        } else {
            checksum::full_object(self.algorithm, &values)
        };
        Ok(Checksum {
            value: value.ok_or_else(missing)?,
            ..self.to_stored()
        })
    }
}

/// Whether the checksums that a completion names for a part are those that it has. What the part does not have cannot be
/// compared and counts as different.
pub fn agree(named: &CompletedPart, part: &Part) -> bool {
    let names = [
        (Algorithm::Crc32, &named.checksum_crc32),
        (Algorithm::Crc32c, &named.checksum_crc32c),
        (Algorithm::Crc64Nvme, &named.checksum_crc64nvme),
        (Algorithm::Sha1, &named.checksum_sha1),
        (Algorithm::Sha256, &named.checksum_sha256),
    ];
    names.into_iter().all(|(algorithm, named)| {
        let stored = checksum::stored(&part.checksums, algorithm).map(|it| it.value.as_str());
        named.as_deref().is_none_or(|named| stored == Some(named))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(algorithm: &str, kind: Option<&str>) -> Option<(Algorithm, bool)> {
        let plan = Plan::from_request(Some(algorithm), kind).ok()??;
        assert_eq!(Plan::from_stored(&[plan.to_stored()]), Some(plan));
        Some((plan.algorithm, plan.composite))
    }

    #[test]
    fn types_by_algorithm() {
        assert_eq!(plan("CRC32", None), Some((Algorithm::Crc32, true)));
        assert_eq!(
            plan("CRC32", Some("FULL_OBJECT")),
            Some((Algorithm::Crc32, false))
        );
        assert_eq!(plan("CRC64NVME", None), Some((Algorithm::Crc64Nvme, false)));
        assert_eq!(plan("CRC64NVME", Some("COMPOSITE")), None);
        assert_eq!(plan("SHA256", None), Some((Algorithm::Sha256, true)));
        assert_eq!(plan("SHA256", Some("FULL_OBJECT")), None);
        assert_eq!(plan("MD4", None), None);
        assert!(Plan::from_request(None, Some("COMPOSITE")).is_err());
        assert_eq!(Plan::from_request(None, None).unwrap(), None);
    }
}

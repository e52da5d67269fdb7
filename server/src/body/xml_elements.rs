//! Elements of XML bodies that ask for something that is not there. Pure.
//!
//! `s3s` skips what it does not know, which is right for most documents: clients may say more than is asked. But an element
//! that asks for something must not be skipped: the answer would say that it was done.

use crate::checksum::Algorithm;

/// Whether `name` inside `parent` is something that is understood, or harmless.
pub fn is_known(parent: &str, name: &str) -> bool {
    match parent {
        "CreateBucketConfiguration" => {
            matches!(name, "LocationConstraint" | "Location" | "Bucket")
        }
        // A part of a completion: a checksum that is not held against the part's would pass for verified.
        "Part" => name.strip_prefix("Checksum").is_none_or(|algorithm| {
            let known = |it: Algorithm| it.name() == algorithm;
            Algorithm::ALL.into_iter().any(known)
        }),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::is_known;

    #[test]
    fn what_would_be_skipped_in_silence() {
        assert!(!is_known("CreateBucketConfiguration", "Tags"));
        assert!(is_known("CreateBucketConfiguration", "LocationConstraint"));
        assert!(!is_known("Part", "ChecksumSHA512"));
        assert!(!is_known("Part", "ChecksumXXHASH64"));
        for name in ["ETag", "ChecksumCRC32", "ChecksumCRC64NVME", "Size"] {
            assert!(is_known("Part", name), "{name}");
        }
        assert!(is_known("Object", "ChecksumSHA512"));
    }
}

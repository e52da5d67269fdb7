//! Digests that clients send with a body, and the checksum of an object that was put together from parts.
//!
//! The computing is `s3s::checksum`'s. It runs on the task of the request, between two reads of the socket, on at most
//! one read buffer (64 KiB: about 40 us for SHA-256, 3 us for the CRCs).

use http::{HeaderMap, HeaderName};
use moraine_engine::Checksum;
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{self, Checksum as _};
use s3s::{S3Error, S3Result, s3_error};

/// A checksum algorithm of S3.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Algorithm {
    /// CRC-32 as zlib has it.
    Crc32,
    /// CRC-32C.
    Crc32c,
    /// CRC-64/NVME.
    Crc64Nvme,
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Crc32,
        Self::Crc32c,
        Self::Crc64Nvme,
        Self::Sha1,
        Self::Sha256,
    ];

    /// The name that S3 uses, and that is stored.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    /// The header or trailer that carries the value.
    pub const fn header(self) -> HeaderName {
        match self {
            Self::Crc32 => HeaderName::from_static("x-amz-checksum-crc32"),
            Self::Crc32c => HeaderName::from_static("x-amz-checksum-crc32c"),
            Self::Crc64Nvme => HeaderName::from_static("x-amz-checksum-crc64nvme"),
            Self::Sha1 => HeaderName::from_static("x-amz-checksum-sha1"),
            Self::Sha256 => HeaderName::from_static("x-amz-checksum-sha256"),
        }
    }

    /// The algorithm of that name, in any case.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|it| it.name().eq_ignore_ascii_case(name))
    }

    /// The algorithm whose value that header or trailer carries.
    pub fn by_header(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|it| it.header().as_str().eq_ignore_ascii_case(name))
    }

    /// Bytes of a value.
    const fn length(self) -> usize {
        match self {
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64Nvme => 8,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    fn decode(self, value: &str) -> Option<Vec<u8>> {
        let bytes = base64_simd::STANDARD.decode_to_vec(value).ok()?;
        (bytes.len() == self.length()).then_some(bytes)
    }

    fn digest(self, data: &[u8]) -> Vec<u8> {
        match self {
            Self::Crc32 => crypto::Crc32::checksum(data).to_vec(),
            Self::Crc32c => crypto::Crc32c::checksum(data).to_vec(),
            Self::Crc64Nvme => crypto::Crc64Nvme::checksum(data).to_vec(),
            Self::Sha1 => crypto::Sha1::checksum(data).as_ref().to_vec(),
            Self::Sha256 => crypto::Sha256::checksum(data).as_ref().to_vec(),
        }
    }
}

/// The checksums in the headers of a request.
pub fn announced(headers: &HeaderMap) -> S3Result<Vec<(Algorithm, String)>> {
    let mut found = Vec::new();
    for algorithm in Algorithm::ALL {
        if let Some(value) = headers.get(algorithm.header()) {
            let value = value.to_str().unwrap_or_default().trim();
            if algorithm.decode(value).is_none() {
                return Err(s3_error!(
                    InvalidRequest,
                    "Value for {} header is invalid.",
                    algorithm.header()
                ));
            }
            found.push((algorithm, value.to_owned()));
        }
    }
    Ok(found)
}

/// What the names of all headers with checksums begin with, and of those about them.
const PREFIX: &str = "x-amz-checksum-";
/// Headers about checksums that hold none.
const ABOUT: [&str; 3] = [
    "x-amz-checksum-algorithm",
    "x-amz-checksum-mode",
    "x-amz-checksum-type",
];
/// Headers that name an algorithm.
const NAMES: [&str; 2] = ["x-amz-checksum-algorithm", "x-amz-sdk-checksum-algorithm"];

/// Refuses a request whose headers or announced trailers hold a checksum, or name an algorithm, that is not computed here
/// (SHA-512, MD5 and xxHash among those of S3): to answer 200 would say that it was found right.
pub fn check_known(headers: &HeaderMap) -> S3Result<()> {
    let trailers = headers.get_all("x-amz-trailer").iter();
    let trailers = trailers.flat_map(|value| value.to_str().unwrap_or_default().split(','));
    let sent = headers.keys().map(HeaderName::as_str);
    for name in sent.chain(trailers.map(str::trim)) {
        let is_checksum = name
            .get(..PREFIX.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(PREFIX));
        if is_checksum && Algorithm::by_header(name).is_none() && !ABOUT.contains(&name) {
            return Err(s3_error!(NotImplemented, "{name} is not implemented"));
        }
    }
    for name in NAMES {
        for value in headers.get_all(name) {
            let value = value.to_str().unwrap_or_default().trim();
            if !value.is_empty() && Algorithm::by_name(value).is_none() {
                return Err(unknown_algorithm(value));
            }
        }
    }
    Ok(())
}

/// The refusal of an algorithm that is not computed here.
pub fn unknown_algorithm(name: &str) -> S3Error {
    s3_error!(
        NotImplemented,
        "the checksum algorithm {name} is not implemented"
    )
}

/// The `Content-MD5` of a request.
pub fn content_md5(headers: &HeaderMap) -> S3Result<Option<[u8; 16]>> {
    let Some(value) = headers.get("content-md5") else {
        return Ok(None);
    };
    base64_simd::STANDARD
        .decode_to_vec(value.as_bytes())
        .ok()
        .and_then(|bytes| bytes.try_into().ok())
        .map(Some)
        .ok_or_else(|| s3_error!(InvalidDigest))
}

/// The checksums of a whole multipart object in the headers of its completion. Composite ones may end in `-N`, so their
/// shape is not checked: one that is not the object's is refused anyway.
pub fn announced_whole(headers: &HeaderMap) -> Vec<(Algorithm, String)> {
    let value = |algorithm: Algorithm| headers.get(algorithm.header())?.to_str().ok();
    Algorithm::ALL
        .into_iter()
        .filter_map(|algorithm| Some((algorithm, value(algorithm)?.trim().to_owned())))
        .collect()
}

/// Computes several checksums in one pass.
#[derive(Default)]
pub struct Hasher {
    inner: ChecksumHasher,
    algorithms: Vec<Algorithm>,
}

impl Hasher {
    /// Also computes `algorithm`.
    pub fn add(&mut self, algorithm: Algorithm) {
        if self.algorithms.contains(&algorithm) {
            return;
        }
        self.algorithms.push(algorithm);
        match algorithm {
            Algorithm::Crc32 => self.inner.crc32 = Some(crypto::Crc32::new()),
            Algorithm::Crc32c => self.inner.crc32c = Some(crypto::Crc32c::new()),
            Algorithm::Crc64Nvme => self.inner.crc64nvme = Some(crypto::Crc64Nvme::new()),
            Algorithm::Sha1 => self.inner.sha1 = Some(crypto::Sha1::new()),
            Algorithm::Sha256 => self.inner.sha256 = Some(crypto::Sha256::new()),
        }
    }

    /// Takes the next bytes.
    pub fn update(&mut self, data: &[u8]) {
        self.inner.update(data);
    }

    /// The values, in base64.
    pub fn finish(self) -> Vec<(Algorithm, String)> {
        let values = self.inner.finalize();
        let value = |algorithm| match algorithm {
            Algorithm::Crc32 => values.checksum_crc32.clone(),
            Algorithm::Crc32c => values.checksum_crc32c.clone(),
            Algorithm::Crc64Nvme => values.checksum_crc64nvme.clone(),
            Algorithm::Sha1 => values.checksum_sha1.clone(),
            Algorithm::Sha256 => values.checksum_sha256.clone(),
        };
        Algorithm::ALL
            .into_iter()
            .filter_map(|algorithm| Some((algorithm, value(algorithm)?)))
            .collect()
    }
}

/// The stored value of `algorithm`.
pub fn stored(checksums: &[Checksum], algorithm: Algorithm) -> Option<&Checksum> {
    checksums.iter().find(|it| it.algorithm == algorithm.name())
}

/// A part's size and its checksum in base64.
pub type PartChecksum<'a> = (u64, &'a str);

/// The composite value of a multipart object: the checksum of its parts' checksums, and their number.
pub fn composite(algorithm: Algorithm, parts: &[PartChecksum<'_>]) -> Option<String> {
    let mut all = Vec::with_capacity(parts.len() * algorithm.length());
    for (_, value) in parts {
        all.extend(algorithm.decode(value)?);
    }
    let value = base64_simd::STANDARD.encode_to_string(algorithm.digest(&all));
    Some(format!("{value}-{}", parts.len()))
}

/// The checksum of a whole multipart object, combined from its parts'. Only CRCs can be combined.
pub fn full_object(algorithm: Algorithm, parts: &[PartChecksum<'_>]) -> Option<String> {
    let crc = match algorithm {
        Algorithm::Crc32 => crc_fast::CrcAlgorithm::Crc32IsoHdlc,
        Algorithm::Crc32c => crc_fast::CrcAlgorithm::Crc32Iscsi,
        Algorithm::Crc64Nvme => crc_fast::CrcAlgorithm::Crc64Nvme,
        Algorithm::Sha1 | Algorithm::Sha256 => return None,
    };
    let mut all = None;
    for (size, value) in parts {
        let bytes = algorithm.decode(value)?;
        let value = bytes
            .iter()
            .fold(0, |value, byte| value << 8 | u64::from(*byte));
        all = Some(match all {
            None => value,
            Some(before) => crc_fast::checksum_combine(crc, before, value, *size),
        });
    }
    let bytes = all?.to_be_bytes();
    let value = bytes.get(bytes.len() - algorithm.length()..)?;
    Some(base64_simd::STANDARD.encode_to_string(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(data: &[u8]) -> Vec<(Algorithm, String)> {
        let mut hasher = Hasher::default();
        Algorithm::ALL.into_iter().for_each(|it| hasher.add(it));
        hasher.update(data);
        hasher.finish()
    }

    #[test]
    fn known_values() {
        // The check values of the CRC catalogue, and of FIPS 180.
        let found = values(b"123456789");
        let expected = [
            (Algorithm::Crc32, "y/Q5Jg=="),
            (Algorithm::Crc32c, "4waSgw=="),
            (Algorithm::Crc64Nvme, "rosUhgp5mIg="),
            (Algorithm::Sha1, "98O8HYCOBHMq32eZZczDTKeuNEE="),
            (
                Algorithm::Sha256,
                "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=",
            ),
        ];
        assert_eq!(found, expected.map(|(it, value)| (it, value.to_owned())));
    }

    #[test]
    fn whole_crcs_come_from_their_parts() {
        let data: Vec<u8> = (0..10_000_u32)
            .map(|n| (n * 7 % 251).to_le_bytes()[0])
            .collect();
        let (one, rest) = data.split_at(1234);
        let (two, three) = rest.split_at(5000);
        for (n, (algorithm, whole)) in values(&data).into_iter().enumerate() {
            let parts: Vec<(u64, String)> = [one, two, three]
                .into_iter()
                .map(|part| (part.len() as u64, values(part)[n].1.clone()))
                .collect();
            let parts: Vec<_> = parts
                .iter()
                .map(|(size, it)| (*size, it.as_str()))
                .collect();
            let expected = (algorithm < Algorithm::Sha1).then_some(whole);
            assert_eq!(full_object(algorithm, &parts), expected, "{algorithm:?}");
            assert!(composite(algorithm, &parts).unwrap().ends_with("-3"));
        }
    }

    #[test]
    fn composite_of_one_part_is_the_digest_of_its_digest() {
        let part = base64_simd::STANDARD.encode_to_string([1, 2, 3, 4]);
        let (_, expected) = values(&[1, 2, 3, 4]).remove(0);
        assert_eq!(
            composite(Algorithm::Crc32, &[(9, &part)]),
            Some(format!("{expected}-1"))
        );
    }

    #[test]
    fn an_md5_has_16_bytes() {
        let md5 = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("content-md5", value.parse().unwrap());
            content_md5(&headers)
        };
        assert!(md5("1B2M2Y8AsgTpgAmY7PhCfg==").unwrap().is_some());
        assert!(md5("AAAA").is_err());
        assert!(md5("not base64").is_err());
    }

    #[test]
    fn checksums_that_are_not_computed_are_refused() {
        let code = |name: &'static str, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            check_known(&headers).err().map(|it| it.code().clone())
        };
        let refused = Some(s3s::S3ErrorCode::NotImplemented);
        for name in ["sha512", "md5", "xxhash64", "xxhash3", "foo", "crc32x", ""] {
            let name: &'static str = format!("{PREFIX}{name}").leak();
            assert_eq!(code(name, "AAAA"), refused, "{name}");
            assert_eq!(code("x-amz-trailer", name), refused, "{name}");
        }
        for name in NAMES {
            assert_eq!(code(name, "SHA512"), refused, "{name}");
            assert_eq!(code(name, "crc64nvme"), None, "{name}");
        }
        for algorithm in Algorithm::ALL {
            let header: &'static str = algorithm.header().as_str().to_owned().leak();
            assert_eq!(code(header, "AAAA"), None);
        }
        let both = "x-amz-meta-a, X-Amz-Checksum-Sha512";
        assert_eq!(code("x-amz-trailer", both), refused);
        for (name, value) in [
            ("x-amz-checksum-mode", "ENABLED"),
            ("x-amz-checksum-type", "FULL_OBJECT"),
            ("x-amz-trailer", "x-amz-checksum-sha1"),
        ] {
            assert_eq!(code(name, value), None, "{name}");
        }
    }

    #[test]
    fn values_of_another_length_are_refused() {
        let mut headers = HeaderMap::new();
        headers.insert(Algorithm::Crc32.header(), "AAAA".parse().unwrap());
        assert!(announced(&headers).is_err());
        headers.insert(Algorithm::Crc32.header(), "AAAAAA==".parse().unwrap());
        assert_eq!(announced(&headers).unwrap().len(), 1);
    }
}

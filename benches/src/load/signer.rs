//! Signature version 4 in a header, with the least work for each request: one SHA-256 of the canonical request and one HMAC.
//!
//! Keys hold only characters that need no encoding.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use sha2::digest::Digest;
use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

const REGION: &str = "us-east-1";
/// What a client sends instead of the hash of a body that it does not hash.
pub const UNSIGNED: &str = "UNSIGNED-PAYLOAD";
/// The hash of no bytes.
pub const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Signs for one access key.
pub struct Signer {
    access_key: String,
    secret: String,
    /// The second that `date`, `scope` and `key` were made for.
    second: u64,
    date: String,
    scope: String,
    key: Hmac<Sha256>,
}

/// What is signed of a request, apart from the date.
pub struct Parts<'a> {
    /// `GET`, `PUT`.
    pub method: &'a str,
    /// The path, `/bucket/key`.
    pub path: &'a str,
    /// The header `host`.
    pub host: &'a str,
    /// The header `content-md5`, if there is one.
    pub md5: Option<&'a str>,
    /// The header `x-amz-acl`, if there is one.
    pub acl: Option<&'a str>,
    /// The header `x-amz-content-sha256`.
    pub payload: &'a str,
}

fn hmac(key: &[u8], text: &str) -> [u8; 32] {
    let mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length will do");
    mac.chain_update(text).finalize().into_bytes().into()
}

/// The date in UTC as `20130524T000000Z` (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms": `civil_from_days`).
fn date(second: u64) -> String {
    let (day, in_day) = (second / 86_400, second % 86_400);
    let shifted = day + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (in_day / 3600, in_day / 60 % 60, in_day % 60);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| {
        DIGITS
            .get(usize::from(nibble))
            .map_or('0', |d| char::from(*d))
    };
    bytes
        .iter()
        .flat_map(|b| [digit(b >> 4), digit(b & 15)])
        .collect()
}

impl Signer {
    /// Signs for this pair.
    pub fn new(access_key: &str, secret: &str) -> Self {
        Self {
            access_key: access_key.to_owned(),
            secret: secret.to_owned(),
            second: 0,
            date: String::new(),
            scope: String::new(),
            key: Hmac::new_from_slice(&[]).expect("a key of any length will do"),
        }
    }

    fn prepare(&mut self, second: u64) {
        if self.second == second {
            return;
        }
        self.second = second;
        self.date = date(second);
        let day = self.date.get(..8).unwrap_or_default();
        let scope = format!("{day}/{REGION}/s3/aws4_request");
        if scope != self.scope {
            let mut key = hmac(format!("AWS4{}", self.secret).as_bytes(), day);
            for text in [REGION, "s3", "aws4_request"] {
                key = hmac(&key, text);
            }
            self.key = Hmac::new_from_slice(&key).expect("a key of any length will do");
            self.scope = scope;
        }
    }

    /// Writes the headers that carry the signature to `head`: all that is in `parts` except for the host.
    pub fn sign(&mut self, parts: &Parts<'_>, head: &mut Vec<u8>) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        self.prepare(now.map_or(0, |since| since.as_secs()));
        self.write(parts, head)
            .expect("writing to memory cannot fail");
    }

    fn write(&self, parts: &Parts<'_>, head: &mut Vec<u8>) -> std::io::Result<()> {
        let Parts {
            method,
            path,
            host,
            md5,
            acl,
            payload,
        } = parts;
        let date = &self.date;
        let mut canonical = Vec::with_capacity(512);
        write!(canonical, "{method}\n{path}\n\n")?;
        let mut names = String::with_capacity(64);
        let headers = [
            ("content-md5", *md5),
            ("host", Some(*host)),
            ("x-amz-acl", *acl),
            ("x-amz-content-sha256", Some(*payload)),
            ("x-amz-date", Some(date.as_str())),
        ];
        for (name, value) in headers {
            let Some(value) = value else { continue };
            writeln!(canonical, "{name}:{value}")?;
            if !names.is_empty() {
                names.push(';');
            }
            names.push_str(name);
            if name != "host" {
                write!(head, "{name}: {value}\r\n")?;
            }
        }
        write!(canonical, "\n{names}\n{payload}")?;
        let canonical = hex(&Sha256::digest(&canonical));
        let mut mac = self.key.clone();
        for text in [
            "AWS4-HMAC-SHA256\n",
            date,
            "\n",
            &self.scope,
            "\n",
            &canonical,
        ] {
            mac.update(text.as_bytes());
        }
        let signature = hex(&mac.finalize().into_bytes());
        write!(
            head,
            "authorization: AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders={names}, Signature={signature}\r\n",
            self.access_key, self.scope
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        assert_eq!(date(0), "19700101T000000Z");
        assert_eq!(date(951_782_399), "20000228T235959Z");
        assert_eq!(date(951_782_400), "20000229T000000Z");
        assert_eq!(date(1_369_353_600), "20130524T000000Z");
        assert_eq!(date(1_798_761_599), "20261231T235959Z");
    }

    /// The signature that an independent implementation (botocore 1.44) makes of this request.
    #[test]
    fn a_signature_is_the_known_one() {
        let mut signer = Signer::new(
            "AKIAIOSFODNN7EXAMPLE",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        );
        signer.prepare(1_369_353_600);
        let mut head = Vec::new();
        let parts = Parts {
            method: "PUT",
            path: "/media/files/12.jpg",
            host: "127.0.0.1:8900",
            md5: Some("XUFAKrxLKna5cZ2REBfFkg=="),
            acl: Some("public-read"),
            payload: UNSIGNED,
        };
        signer.write(&parts, &mut head).unwrap();
        let head = String::from_utf8(head).unwrap();
        assert!(head.contains("x-amz-acl: public-read\r\n"), "{head}");
        assert!(
            head.contains(
                "Signature=a856200753fa1127399ad79fb5b2a4a74379396269443905f9c065a58bd7ee60\r\n"
            ),
            "{head}"
        );
    }
}

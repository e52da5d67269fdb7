//! Domains under which a bucket is a host of its own, as an operator writes them.

use crate::failure::Failure;
use std::net::IpAddr;

/// What DNS allows for a name, and for one label of it.
const NAME_CHARS_MAX: usize = 253;
const LABEL_CHARS_MAX: usize = 63;
/// Each request is compared with all of them.
const DOMAINS_MAX: usize = 64;

/// Checks each, in lower case and without the dot at its end; one that is given twice counts once.
pub fn all(texts: Vec<String>) -> Result<Vec<String>, Failure> {
    let mut domains: Vec<String> = Vec::new();
    for text in texts {
        let domain = one(text.trim())?;
        if !domains.contains(&domain) {
            domains.push(domain);
        }
    }
    if domains.len() > DOMAINS_MAX {
        return Err(Failure::new(format!(
            "domain is given {} times: at most {DOMAINS_MAX} are taken",
            domains.len()
        )));
    }
    Ok(domains)
}

fn one(text: &str) -> Result<String, Failure> {
    let bad = |why: &str| {
        Failure::new(format!(
            "domain is {text:?}, {why}: write it like s3.example.org"
        ))
    };
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    if name.parse::<IpAddr>().is_ok() {
        return Err(bad("which is an IP address and has no sub-domains"));
    }
    if name.len() > NAME_CHARS_MAX || !name.split('.').all(is_label) {
        return Err(bad("which is no domain name"));
    }
    Ok(name)
}

fn is_label(label: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (1..=LABEL_CHARS_MAX).contains(&label.len())
        && label.bytes().all(inner)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(texts: &[&str]) -> Result<Vec<String>, Failure> {
        all(texts.iter().map(|text| (*text).to_owned()).collect())
    }

    #[test]
    fn domains_are_made_comparable() {
        let domains = taken(&["S3.Example.org.", " localhost", "s3.example.org"]).unwrap();
        assert_eq!(domains, ["s3.example.org", "localhost"]);
        assert_eq!(taken(&[]), Ok(Vec::new()));
    }

    #[test]
    fn what_is_no_domain_is_refused_by_name() {
        let long = ["a"; 128].join(".");
        for text in [
            "",
            ".",
            "a..b",
            "https://s3.example.org",
            "s3.example.org:443",
            "*.example.org",
            "under_score.example",
            "-a.example",
            "10.0.0.1",
            "::1",
            &"a".repeat(64),
            &long,
        ] {
            let error = taken(&[text]).unwrap_err().to_string();
            assert!(error.starts_with("domain is "), "{error}");
        }
    }
}

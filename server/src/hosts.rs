//! Which bucket a `Host` header names: `BUCKET.DOMAIN`, for the domains that the operator configured. Pure.
//!
//! Every other host names the server and never a bucket, and so does a domain by itself: `localhost`, an address, the name
//! of a machine, a name that somebody else points here. A client that uses one of those puts the bucket in the path. The
//! comparison takes no notice of case, of a port and of one trailing dot. Of two domains of which one ends in the other,
//! the longer one counts.

use s3s::S3Result;
use s3s::host::{S3Host, VirtualHost};

/// Bytes of a host name: what DNS allows.
const HOST_BYTES_MAX: usize = 253;

/// A domain that cannot have buckets in front of it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0:?} is not a domain: it is a host name such as s3.example.org, not an address or a URL")]
pub struct BadDomain(
    /// What was given.
    pub String,
);

/// The domains under which buckets are names of hosts.
#[derive(Clone, Default, Debug)]
pub struct Domains {
    /// Lower-case, without port and trailing dot, the longest first.
    names: Vec<String>,
}

impl Domains {
    /// These domains; none is fine, then every request has its bucket in the path.
    ///
    /// # Errors
    /// [`BadDomain`] for the first that is not a host name.
    pub fn new(domains: &[String]) -> Result<Self, BadDomain> {
        let mut names = domains
            .iter()
            .map(|domain| {
                let name = bare(domain);
                is_name(&name)
                    .then_some(name)
                    .ok_or_else(|| BadDomain(domain.clone()))
            })
            .collect::<Result<Vec<_>, _>>()?;
        names.sort_by_key(|name| std::cmp::Reverse(name.len()));
        Ok(Self { names })
    }

    /// The bucket that `host` names, if it does. Whether there can be such a bucket is not asked here.
    pub fn bucket(&self, host: &str) -> Option<String> {
        if self.names.is_empty() {
            return None;
        }
        let host = bare(host);
        for name in &self.names {
            match host.strip_suffix(name.as_str()) {
                Some("") => return None,
                Some(rest) => match rest.strip_suffix('.') {
                    Some("") | None => {}
                    Some(bucket) => return Some(bucket.to_owned()),
                },
                None => {}
            }
        }
        None
    }
}

/// A host in lower case, without its port and one trailing dot.
fn bare(host: &str) -> String {
    let host = host.trim();
    let host = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

fn is_name(host: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    // What ends in a number is an address, or would make one look like a bucket.
    let last = host.rsplit('.').next().unwrap_or_default();
    host.len() <= HOST_BYTES_MAX
        && host.split('.').all(label)
        && !last.bytes().all(|byte| byte.is_ascii_digit())
}

impl S3Host for Domains {
    fn parse_host_header<'a>(&'a self, host: &'a str) -> S3Result<VirtualHost<'a>> {
        let named = VirtualHost::new(host);
        Ok(match self.bucket(host) {
            Some(bucket) => named.with_bucket(bucket),
            None => named,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domains(names: &[&str]) -> Result<Domains, BadDomain> {
        Domains::new(&names.iter().map(|&it| it.to_owned()).collect::<Vec<_>>())
    }

    fn bucket(host: &str) -> Option<String> {
        domains(&["example.org", "S3.Example.org:8900", "localhost"])
            .unwrap()
            .bucket(host)
    }

    #[test]
    fn buckets_are_in_front_of_a_domain() {
        for (host, expected) in [
            ("media.s3.example.org", "media"),
            ("media.example.org", "media"),
            ("media.localhost:8900", "media"),
            ("MEDIA.s3.EXAMPLE.org.:443", "media"),
            ("a.b.c.s3.example.org", "a.b.c"),
            // Not a name that a bucket can have, but one that was asked for.
            ("No_Bucket.example.org", "no_bucket"),
        ] {
            assert_eq!(bucket(host).as_deref(), Some(expected), "{host}");
        }
    }

    #[test]
    fn other_hosts_name_the_server() {
        for host in [
            "s3.example.org",
            "example.org:8900",
            "EXAMPLE.ORG.",
            "localhost",
            ".example.org",
            "notexample.org",
            "example.org.evil.net",
            "media.example.com",
            "127.0.0.1:8900",
            "[::1]:8900",
            "::1",
            "",
            ":",
            ".",
        ] {
            assert_eq!(bucket(host), None, "{host}");
        }
        assert_eq!(Domains::default().bucket("media.s3.example.org"), None);
    }

    #[test]
    fn only_names_are_domains() {
        assert!(domains(&["s3.example.org", "x", "xn--bcher-kva.example."]).is_ok());
        for bad in [
            "",
            ".",
            "a..b",
            "10.0.0.1",
            "1",
            "[::1]",
            "::1",
            "https://s3.example.org",
            "s3.example.org/",
            "*.example.org",
            "a b",
        ] {
            assert_eq!(domains(&[bad]).unwrap_err(), BadDomain(bad.to_owned()));
        }
    }
}

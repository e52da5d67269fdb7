//! Signatures of every kind, right or wrong in any one place.

use crate::client::{Client, Response, amz_date, base64, hex, hmac, sha256};
use crate::server::{KEY, TestServer};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What is signed, and as whom. The fields are public, so that a test can spoil one.
#[derive(Clone)]
pub struct Signer {
    pub key: (&'static str, &'static str),
    pub method: &'static str,
    /// Percent-encoded.
    pub path: String,
    /// Percent-encoded names and values.
    pub query: Vec<(String, String)>,
    pub host: String,
    /// Headers that are signed besides `host`.
    pub headers: Vec<(String, String)>,
    pub time: SystemTime,
    /// The day in the credential, if it is not that of the time.
    pub day: Option<&'static str>,
    pub region: &'static str,
    pub service: &'static str,
    pub payload: String,
}

/// `seconds` from now.
pub fn later(seconds: u64) -> SystemTime {
    SystemTime::now() + Duration::from_secs(seconds)
}

/// `seconds` ago.
pub fn earlier(seconds: u64) -> SystemTime {
    SystemTime::now() - Duration::from_secs(seconds)
}

impl Signer {
    /// The first tenant signs for `target`, now.
    pub fn new(server: &TestServer, method: &'static str, target: &str) -> Self {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        Self {
            key: KEY,
            method,
            path: path.to_owned(),
            query: pairs
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            host: server.address.to_string(),
            headers: Vec::new(),
            time: SystemTime::now(),
            day: None,
            region: "some-region",
            service: "s3",
            payload: "UNSIGNED-PAYLOAD".to_owned(),
        }
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    fn date(&self) -> String {
        amz_date(self.time)
    }

    fn scope(&self) -> String {
        let date = self.date();
        let day = self.day.unwrap_or(&date[..8]);
        format!("{day}/{}/{}/aws4_request", self.region, self.service)
    }

    /// Names and values of what is signed, in order.
    fn signed(&self) -> Vec<(String, String)> {
        let mut signed = self.headers.clone();
        signed.push(("host".to_owned(), self.host.clone()));
        signed.sort();
        signed
    }

    /// The names of the headers that are signed.
    pub fn list(&self) -> String {
        let signed = self.signed();
        let names: Vec<&str> = signed.iter().map(|(name, _)| name.as_str()).collect();
        names.join(";")
    }

    fn signature(&self, query: &[(String, String)]) -> String {
        let mut query = query.to_vec();
        query.sort();
        let query: Vec<String> = query.iter().map(|(n, v)| format!("{n}={v}")).collect();
        let headers: String = self
            .signed()
            .iter()
            .map(|(name, value)| format!("{name}:{value}\n"))
            .collect();
        let canonical = format!(
            "{}\n{}\n{}\n{headers}\n{}\n{}",
            self.method,
            self.path,
            query.join("&"),
            self.list(),
            self.payload
        );
        let scope = self.scope();
        let to_sign = format!(
            "AWS4-HMAC-SHA256\n{}\n{scope}\n{}",
            self.date(),
            sha256(canonical.as_bytes())
        );
        let start = format!("AWS4{}", self.key.1).into_bytes();
        let key = scope
            .split('/')
            .fold(start, |key, step| hmac(&key, step.as_bytes()));
        hex(&hmac(&key, to_sign.as_bytes()))
    }

    /// An `Authorization` header. `x-amz-date` is not signed unless it is in `headers`.
    pub fn authorization(&self) -> String {
        format!(
            "AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders={}, Signature={}",
            self.key.0,
            self.scope(),
            self.list(),
            self.signature(&self.query)
        )
    }

    /// With `x-amz-date` and `x-amz-content-sha256`, as SDKs send them.
    pub fn dated(mut self) -> Self {
        let date = self.date();
        self = self.header("x-amz-date", &date);
        let payload = self.payload.clone();
        self.header("x-amz-content-sha256", &payload)
    }

    /// A SigV4 link that holds for `expires` seconds.
    pub fn link(&self, expires: &str) -> String {
        let mut query = self.query.clone();
        let credential = format!("{}/{}", self.key.0, self.scope()).replace('/', "%2F");
        for (name, value) in [
            ("X-Amz-Algorithm", "AWS4-HMAC-SHA256".to_owned()),
            ("X-Amz-Credential", credential),
            ("X-Amz-Date", self.date()),
            ("X-Amz-Expires", expires.to_owned()),
            ("X-Amz-SignedHeaders", self.list().replace(';', "%3B")),
        ] {
            query.push((name.to_owned(), value));
        }
        let signature = self.signature(&query);
        query.push(("X-Amz-Signature".to_owned(), signature));
        self.target(&query)
    }

    /// A SigV2 link until `end`. `resource` is the path with the bucket, and the sub-resources that are signed.
    pub fn link_v2(&self, end: SystemTime, resource: &str) -> String {
        let seconds = end.duration_since(UNIX_EPOCH).unwrap().as_secs();
        self.link_v2_until(&seconds.to_string(), resource)
    }

    pub fn link_v2_until(&self, end: &str, resource: &str) -> String {
        let value = |name: &str| {
            let found = self.headers.iter().find(|(it, _)| it == name);
            found.map_or("", |(_, value)| value.as_str())
        };
        let mut amz: Vec<String> = self
            .headers
            .iter()
            .filter(|(name, _)| name.starts_with("x-amz-"))
            .map(|(name, value)| format!("{name}:{value}\n"))
            .collect();
        amz.sort();
        let to_sign = format!(
            "{}\n{}\n{}\n{end}\n{}{resource}",
            self.method,
            value("content-md5"),
            value("content-type"),
            amz.concat()
        );
        let mut mac = Hmac::<Sha1>::new_from_slice(self.key.1.as_bytes()).unwrap();
        mac.update(to_sign.as_bytes());
        let signature = base64(&mac.finalize().into_bytes())
            .replace('+', "%2B")
            .replace('/', "%2F")
            .replace('=', "%3D");
        let mut query = self.query.clone();
        for (name, value) in [
            ("AWSAccessKeyId", self.key.0),
            ("Expires", end),
            ("Signature", &signature),
        ] {
            query.push((name.to_owned(), value.to_owned()));
        }
        self.target(&query)
    }

    fn target(&self, query: &[(String, String)]) -> String {
        let pairs: Vec<String> = query
            .iter()
            .map(|(name, value)| match value.as_str() {
                "" => name.clone(),
                value => format!("{name}={value}"),
            })
            .collect();
        format!("{}?{}", self.path, pairs.join("&"))
    }

    /// Sends what was signed with an `Authorization` header.
    pub async fn send(&self, server: &TestServer, body: &[u8]) -> Response {
        let mut headers = self.headers.clone();
        headers.push(("authorization".to_owned(), self.authorization()));
        let target = match self.query.is_empty() {
            true => self.path.clone(),
            false => self.target(&self.query),
        };
        send(server, self.method, &target, &self.host, &headers, body).await
    }

    /// Uses a link, with more headers.
    pub async fn open(
        &self,
        server: &TestServer,
        link: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Response {
        let headers: Vec<(String, String)> = headers
            .iter()
            .map(|&(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        send(server, self.method, link, &self.host, &headers, body).await
    }
}

/// Sends a request byte by byte.
pub async fn send(
    server: &TestServer,
    method: &str,
    target: &str,
    host: &str,
    headers: &[(String, String)],
    body: &[u8],
) -> Response {
    let mut request = format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n");
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() || matches!(method, "PUT" | "POST") {
        request.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    request.push_str("\r\n");
    let bytes = [request.as_bytes(), body].concat();
    Client::new(server.address, None)
        .exchange(&bytes, method == "HEAD")
        .await
}

/// Reads without a signature, at `host`.
pub async fn at(server: &TestServer, host: &str, method: &str, target: &str) -> Response {
    send(server, method, target, host, &[], b"").await
}

//! A small S3 client that can do everything wrong: it writes requests byte by byte and signs what it is told to.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use std::net::SocketAddr;
use std::time::SystemTime;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

pub fn base64(bytes: &[u8]) -> String {
    base64_simd::STANDARD.encode_to_string(bytes)
}

pub fn crc32(bytes: &[u8]) -> String {
    let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32IsoHdlc, bytes);
    base64(&u32::try_from(crc).unwrap().to_be_bytes())
}

pub fn md5(bytes: &[u8]) -> [u8; 16] {
    use md5::Digest as _;
    md5::Md5::digest(bytes).into()
}

pub fn hmac(key: &[u8], data: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(data);
    mac.finalize().into_bytes().to_vec()
}

/// An access key and its secret.
#[derive(Clone)]
pub struct Credentials {
    pub access_key: String,
    secret: String,
}

impl From<(&str, &str)> for Credentials {
    fn from((access_key, secret): (&str, &str)) -> Self {
        Self {
            access_key: access_key.to_owned(),
            secret: secret.to_owned(),
        }
    }
}

/// Where to send, and as whom.
#[derive(Clone)]
pub struct Client {
    pub address: SocketAddr,
    credentials: Option<Credentials>,
}

/// What is being built.
pub struct Request {
    client: Client,
    method: String,
    path: String,
    query: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    sha256: String,
    length: bool,
}

/// A request ready to be sent, with what chunk signatures go on from.
pub struct Signed {
    pub head: Vec<u8>,
    pub body: Vec<u8>,
    pub signature: String,
    pub scope: String,
    pub date: String,
    pub key: Vec<u8>,
}

/// What came back.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Whether the body was as long as announced.
    pub complete: bool,
}

impl Client {
    pub fn new(address: SocketAddr, credentials: Option<Credentials>) -> Self {
        Self {
            address,
            credentials,
        }
    }

    /// `target` is a path already encoded, with or without a query.
    pub fn request(&self, method: &str, target: &str) -> Request {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Request {
            client: self.clone(),
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
            sha256: sha256(b""),
            length: true,
        }
    }

    pub async fn get(&self, target: &str) -> Response {
        self.request("GET", target).send().await
    }

    pub async fn put(&self, target: &str, body: &[u8]) -> Response {
        self.request("PUT", target).body(body).send().await
    }

    /// Sends bytes as they are and reads one answer.
    pub async fn raw(&self, bytes: &[u8]) -> Response {
        self.exchange(bytes, false).await
    }

    /// The same; the answer to a `HEAD` has no body.
    pub async fn exchange(&self, bytes: &[u8], head_only: bool) -> Response {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        read(&mut BufReader::new(stream), head_only).await
    }
}

impl Request {
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers
            .push((name.to_ascii_lowercase(), value.to_owned()));
        self
    }

    pub fn body(mut self, body: &[u8]) -> Self {
        self.sha256 = sha256(body);
        self.body = body.to_vec();
        self
    }

    /// What `x-amz-content-sha256` says, instead of the truth.
    pub fn content_sha256(mut self, value: &str) -> Self {
        self.sha256 = value.to_owned();
        self
    }

    /// Leaves the `Content-Length` to the caller.
    pub fn without_length(mut self) -> Self {
        self.length = false;
        self
    }

    pub fn sign(mut self) -> Signed {
        let date = amz_date(SystemTime::now());
        let day = date[..8].to_owned();
        let scope = format!("{day}/eu-test-1/s3/aws4_request");
        if self.length && (!self.body.is_empty() || self.method == "PUT" || self.method == "POST") {
            self.headers
                .push(("content-length".to_owned(), self.body.len().to_string()));
        }
        if !self.headers.iter().any(|(name, _)| name == "host") {
            self.headers
                .push(("host".to_owned(), self.client.address.to_string()));
        }
        let mut signature = String::new();
        let mut key = Vec::new();
        if let Some(credentials) = self.client.credentials.clone() {
            self.headers.push(("x-amz-date".to_owned(), date.clone()));
            self.headers
                .push(("x-amz-content-sha256".to_owned(), self.sha256.clone()));
            self.headers.sort();
            let canonical = self.canonical();
            let to_sign = format!(
                "AWS4-HMAC-SHA256\n{date}\n{scope}\n{}",
                sha256(canonical.as_bytes())
            );
            key = signing_key(&credentials.secret, &day);
            signature = hex(&hmac(&key, to_sign.as_bytes()));
            self.headers.push((
                "authorization".to_owned(),
                format!(
                    "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={}, Signature={signature}",
                    credentials.access_key,
                    self.signed_names()
                ),
            ));
        }
        let target = match self.query.as_str() {
            "" => self.path.clone(),
            query => format!("{}?{query}", self.path),
        };
        let mut head = format!("{} {target} HTTP/1.1\r\n", self.method);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        Signed {
            head: head.into_bytes(),
            body: self.body,
            signature,
            scope,
            date,
            key,
        }
    }

    fn signed_names(&self) -> String {
        let names = self.headers.iter().map(|(name, _)| name.as_str());
        names
            .filter(|name| *name != "authorization")
            .collect::<Vec<_>>()
            .join(";")
    }

    fn canonical(&self) -> String {
        let pairs = self.query.split('&').filter(|pair| !pair.is_empty());
        let mut pairs: Vec<(&str, &str)> = pairs
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .collect();
        // By name, not by text: `=` comes after `-`.
        pairs.sort();
        let pairs: Vec<String> = pairs
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let headers: String = self
            .headers
            .iter()
            .map(|(name, value)| format!("{name}:{}\n", value.trim()))
            .collect();
        format!(
            "{}\n{}\n{}\n{headers}\n{}\n{}",
            self.method,
            self.path,
            pairs.join("&"),
            self.signed_names(),
            self.sha256
        )
    }

    pub async fn send(self) -> Response {
        let head_only = self.method == "HEAD";
        let address = self.client.address;
        let signed = self.sign();
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream
            .write_all(&[signed.head, signed.body].concat())
            .await
            .unwrap();
        read(&mut BufReader::new(stream), head_only).await
    }

    /// A URL that carries the signature in its query, for `seconds`.
    pub fn presign(mut self, seconds: u32) -> String {
        let credentials = self.client.credentials.clone().unwrap();
        let date = amz_date(SystemTime::now());
        let scope = format!("{}/eu-test-1/s3/aws4_request", &date[..8]);
        let credential = format!("{}/{scope}", credentials.access_key).replace('/', "%2F");
        let auth = format!(
            "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={credential}&X-Amz-Date={date}\
             &X-Amz-Expires={seconds}&X-Amz-SignedHeaders=host"
        );
        self.query = if self.query.is_empty() {
            auth
        } else {
            format!("{}&{auth}", self.query)
        };
        self.headers = vec![("host".to_owned(), self.client.address.to_string())];
        self.sha256 = "UNSIGNED-PAYLOAD".to_owned();
        let to_sign = format!(
            "AWS4-HMAC-SHA256\n{date}\n{scope}\n{}",
            sha256(self.canonical().as_bytes())
        );
        let signature = hex(&hmac(
            &signing_key(&credentials.secret, &date[..8]),
            to_sign.as_bytes(),
        ));
        format!("{}?{}&X-Amz-Signature={signature}", self.path, self.query)
    }

    /// Signs in the query, for `seconds`, and covers the headers, not the body.
    #[allow(dead_code, reason = "the tests against the model use it")]
    pub fn sign_in_query(mut self, seconds: u32) -> Signed {
        let credentials = self.client.credentials.clone().unwrap();
        let date = amz_date(SystemTime::now());
        let scope = format!("{}/eu-test-1/s3/aws4_request", &date[..8]);
        let credential = format!("{}/{scope}", credentials.access_key).replace('/', "%2F");
        self.headers
            .push(("host".to_owned(), self.client.address.to_string()));
        self.headers.sort();
        let names = self.signed_names().replace(';', "%3B");
        let auth = format!(
            "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={credential}&X-Amz-Date={date}\
             &X-Amz-Expires={seconds}&X-Amz-SignedHeaders={names}"
        );
        let joint = if self.query.is_empty() { "" } else { "&" };
        self.query = format!("{}{joint}{auth}", self.query);
        self.sha256 = "UNSIGNED-PAYLOAD".to_owned();
        let to_sign = format!(
            "AWS4-HMAC-SHA256\n{date}\n{scope}\n{}",
            sha256(self.canonical().as_bytes())
        );
        let key = signing_key(&credentials.secret, &date[..8]);
        let signature = hex(&hmac(&key, to_sign.as_bytes()));
        let mut head = format!(
            "{} {}?{}&X-Amz-Signature={signature} HTTP/1.1\r\ncontent-length: {}\r\n",
            self.method,
            self.path,
            self.query,
            self.body.len()
        );
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        Signed {
            head: head.into_bytes(),
            body: self.body,
            signature,
            scope,
            date,
            key,
        }
    }
}

impl Signed {
    pub async fn send(self, address: SocketAddr) -> Response {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream
            .write_all(&[self.head, self.body].concat())
            .await
            .unwrap();
        read(&mut BufReader::new(stream), false).await
    }

    /// The signature of a chunk that follows one with the signature `previous`.
    pub fn chunk_signature(&self, previous: &str, chunk: &[u8]) -> String {
        let to_sign = format!(
            "AWS4-HMAC-SHA256-PAYLOAD\n{}\n{}\n{previous}\n{}\n{}",
            self.date,
            self.scope,
            sha256(b""),
            sha256(chunk)
        );
        hex(&hmac(&self.key, to_sign.as_bytes()))
    }

    /// The signature of the trailers that follow a chunk with the signature `previous`.
    pub fn trailer_signature(&self, previous: &str, trailers: &str) -> String {
        let to_sign = format!(
            "AWS4-HMAC-SHA256-TRAILER\n{}\n{}\n{previous}\n{}",
            self.date,
            self.scope,
            sha256(trailers.as_bytes())
        );
        hex(&hmac(&self.key, to_sign.as_bytes()))
    }
}

fn signing_key(secret: &str, day: &str) -> Vec<u8> {
    [day, "eu-test-1", "s3", "aws4_request"]
        .iter()
        .fold(format!("AWS4{secret}").into_bytes(), |key, step| {
            hmac(&key, step.as_bytes())
        })
}

impl Response {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self
            .headers
            .iter()
            .find(|(it, _)| it.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The content of the first element of that name.
    pub fn element(&self, name: &str) -> Option<String> {
        let text = self.text();
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        Some(rest.split_once(&format!("</{name}>"))?.0.to_owned())
    }

    pub fn code(&self) -> String {
        self.element("Code").unwrap_or_default()
    }

    #[track_caller]
    pub fn is(&self, status: u16, code: &str) {
        assert_eq!(
            (self.status, self.code().as_str()),
            (status, code),
            "{}",
            self.text()
        );
    }
}

/// Reads one answer.
pub async fn read(stream: &mut BufReader<TcpStream>, head_only: bool) -> Response {
    loop {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.unwrap() == 0 {
                return Response {
                    status: 0,
                    headers: vec![],
                    body: vec![],
                    complete: false,
                };
            }
            match line.trim_end() {
                "" => break,
                line => lines.push(line.to_owned()),
            }
        }
        let status: u16 = lines[0].split(' ').nth(1).unwrap().parse().unwrap();
        if status == 100 {
            continue;
        }
        let headers: Vec<(String, String)> = lines[1..]
            .iter()
            .map(|line| line.split_once(':').unwrap())
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
            .collect();
        let mut response = Response {
            status,
            headers,
            body: vec![],
            complete: true,
        };
        if !head_only && status != 304 && status != 204 {
            read_body(stream, &mut response).await;
        }
        return response;
    }
}

async fn read_body(stream: &mut BufReader<TcpStream>, response: &mut Response) {
    if response.header("transfer-encoding").is_some() {
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).await.unwrap();
            let size = usize::from_str_radix(line.trim_end(), 16).unwrap();
            let mut chunk = vec![0; size + 2];
            stream.read_exact(&mut chunk).await.unwrap();
            response.body.extend_from_slice(&chunk[..size]);
            if size == 0 {
                return;
            }
        }
    }
    let length: usize = response.header("content-length").unwrap().parse().unwrap();
    let mut body = vec![0; length];
    let mut got = 0;
    while got < length {
        match stream.read(&mut body[got..]).await {
            Ok(count @ 1..) => got += count,
            _ => break,
        }
    }
    body.truncate(got);
    response.complete = got == length;
    response.body = body;
}

/// `YYYYMMDDTHHMMSSZ`.
pub fn amz_date(time: SystemTime) -> String {
    let date = httpdate::fmt_http_date(time);
    let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let parts: Vec<&str> = date.split(' ').collect();
    let month = months.iter().position(|month| *month == parts[2]).unwrap() + 1;
    format!(
        "{}{month:02}{}T{}Z",
        parts[3],
        parts[1],
        parts[4].replace(':', "")
    )
}

//! Which requests are sent: sizes, keys, shares, all drawn from a seed.
//!
//! What is read lies under `o/LENGTH/NUMBER.jpg`: the key says what the bytes are, so that a server of files or a bare one
//! can hold the same objects. What is written goes to `p/RUN/COUNT.jpg`, a key of its own for each request.

use crate::load::Done;
use crate::load::body::{Body, Hashes, Template};
use crate::load::random::Random;
use crate::load::signer::{EMPTY, Parts, Signer, UNSIGNED, hex};
use clap::ValueEnum;
use serde::Serialize;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Shares and sizes of the classes of a fediverse server's media, in bytes; uniform in the logarithm within each.
const FEDIVERSE: [(f64, f64, f64); 4] = [
    (0.45, 5.0 * KIB, 40.0 * KIB),
    (0.40, 60.0 * KIB, 600.0 * KIB),
    (0.12, 0.6 * KIB * KIB, 3.0 * KIB * KIB),
    (0.03, 4.0 * KIB * KIB, 40.0 * KIB * KIB),
];
const KIB: f64 = 1024.0;
/// Objects to read: as many as fit into this, within the bounds.
const OBJECTS_BYTES: usize = 64 << 20;
const OBJECTS_MIN: usize = 16;
const OBJECTS_MAX: usize = 1024;
const OBJECTS_OF_MIX: usize = 300;

/// How long bodies are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sizes {
    /// All of this many bytes.
    Fixed(usize),
    /// As in the media of a fediverse server.
    Fediverse,
}

impl Sizes {
    /// `64KiB`, `1MiB`, a number of bytes, or `fediverse`.
    pub fn parse(text: &str) -> Done<Self> {
        if text == "fediverse" {
            return Ok(Self::Fediverse);
        }
        let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
        let shift = match text.get(digits.len()..) {
            Some("") => 0,
            Some("K" | "KiB") => 10,
            Some("M" | "MiB") => 20,
            _ => return Err(format!("{text}: a size such as 4096, 64KiB or 1MiB")),
        };
        let number: usize = digits.parse().map_err(|_| format!("{text}: not a size"))?;
        match number.checked_mul(1 << shift) {
            Some(bytes @ 1..=0x4000_0000) => Ok(Self::Fixed(bytes)),
            _ => Err(format!("{text}: from 1 byte to 1 GiB")),
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "at most 40 MiB"
    )]
    fn draw(self, random: &mut Random) -> usize {
        let Self::Fediverse = self else {
            return match self {
                Self::Fixed(bytes) => bytes,
                Self::Fediverse => 0,
            };
        };
        let mut left = random.unit();
        let class = FEDIVERSE.iter().find(|(share, ..)| {
            left -= share;
            left < 0.0
        });
        let (_, low, high) = class.or(FEDIVERSE.last()).copied().unwrap_or_default();
        (low * (high / low).powf(random.unit())) as usize
    }

    /// The objects that are read, the same for whoever asks.
    pub fn objects(self) -> Vec<Body> {
        let count = match self {
            Self::Fixed(bytes) => (OBJECTS_BYTES / bytes).clamp(OBJECTS_MIN, OBJECTS_MAX),
            Self::Fediverse => OBJECTS_OF_MIX,
        };
        let mut random = Random::new(1);
        let lengths = (0..count).map(|_| self.draw(&mut random));
        let body = |(index, length)| Body {
            number: (length as u64) << 20 | index,
            length,
        };
        (1..).zip(lengths).map(body).collect()
    }
}

/// The path of an object that is read.
pub fn object_path(bucket: &str, body: Body) -> String {
    format!("/{bucket}/o/{}/{}.jpg", body.length, body.number)
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// GET without a signature
    Get,
    /// GET with one
    GetSigned,
    /// PUT whose body is not hashed by the client
    Put,
    /// PUT with the body's SHA-256, signed
    PutSha256,
    /// PUT with the body's MD5
    PutMd5,
    /// GET without a signature, and PUT whose body is not hashed
    Mixed,
}

/// Whom it is done to.
#[derive(Clone, Debug)]
pub struct Target {
    /// Where it listens.
    pub address: SocketAddr,
    /// The bucket.
    pub bucket: String,
    /// The access key; empty for a server that asks for none.
    pub access_key: String,
    /// Its secret.
    pub secret: String,
}

/// What is sent, as long as it lasts.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What is done.
    pub operation: Operation,
    /// How long new bodies are.
    pub sizes: Sizes,
    /// Which share of the bodies that are sent are objects that are stored already.
    pub duplicates: f64,
    /// Of `Mixed`: which share of the requests is PUT.
    pub puts: f64,
    /// What is read, and what is sent again.
    pub objects: Arc<Vec<Body>>,
}

/// A request whose head was written: the body to send, and the one to get.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ask {
    /// The body that goes with it.
    pub sends: Option<Body>,
    /// The body of its answer.
    pub expects: Option<Body>,
    /// The count in the key, if it writes.
    pub count: u32,
}

/// Where a thread's requests come from.
pub enum Source {
    /// Draws them; never ends.
    Drawn {
        /// From this.
        plan: Plan,
        /// The thread's own numbers.
        random: Random,
        /// The keys of this run.
        run: Run,
    },
    /// Stores these objects where they will be read.
    Storing(Vec<Body>),
    /// Reads what a run has written: counts and bodies.
    ReadingBack(Vec<(u32, Body)>, u32),
}

/// Numbers that keep a run's keys and bodies apart from those of others.
#[derive(Clone, Debug)]
pub struct Run {
    /// The run.
    pub id: u32,
    next: Arc<AtomicU32>,
}

impl Run {
    /// A run of its own.
    pub fn new() -> Self {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let nanos = since.map_or(0, |since| since.as_nanos());
        let mut random = Random::new(u64::try_from(nanos & u128::from(u64::MAX)).unwrap_or(0));
        Self {
            id: u32::try_from(random.bits() >> 33).unwrap_or(0),
            next: Arc::default(),
        }
    }
}

impl Default for Run {
    fn default() -> Self {
        Self::new()
    }
}

/// Writes requests for one thread.
pub struct Writer {
    source: Source,
    target: Target,
    host: String,
    template: Arc<Template>,
    hashes: Hashes,
    signer: Signer,
}

impl Writer {
    /// Writes what `source` says, for `target`.
    pub fn new(source: Source, target: Target, template: Arc<Template>) -> Self {
        Self {
            source,
            host: target.address.to_string(),
            signer: Signer::new(&target.access_key, &target.secret),
            target,
            template,
            hashes: Hashes::default(),
        }
    }

    /// Writes the next request's head to `head`; `None` once there are no more.
    pub fn next(&mut self, head: &mut Vec<u8>) -> Option<Ask> {
        head.clear();
        match &mut self.source {
            Source::Storing(objects) => {
                let body = objects.pop()?;
                let path = object_path(&self.target.bucket, body);
                Some(self.put(&path, body, Operation::Put, 0, head))
            }
            Source::ReadingBack(written, run) => {
                let (count, body) = written.pop()?;
                let path = put_path(&self.target.bucket, *run, count);
                Some(self.get(&path, body, false, head))
            }
            Source::Drawn { .. } => self.draw(head),
        }
    }

    fn draw(&mut self, head: &mut Vec<u8>) -> Option<Ask> {
        let Source::Drawn { plan, random, run } = &mut self.source else {
            return None;
        };
        let operation = match plan.operation {
            Operation::Mixed if random.unit() < plan.puts => Operation::Put,
            Operation::Mixed => Operation::Get,
            operation => operation,
        };
        let reads = matches!(operation, Operation::Get | Operation::GetSigned);
        let known = plan.objects.get(random.below(plan.objects.len())).copied();
        if reads {
            let path = object_path(&self.target.bucket, known?);
            return Some(self.get(&path, known?, operation == Operation::GetSigned, head));
        }
        let count = run.next.fetch_add(1, Ordering::Relaxed);
        let path = put_path(&self.target.bucket, run.id, count);
        let again = plan.duplicates > 0.0 && random.unit() < plan.duplicates;
        let body = known.filter(|_| again).unwrap_or_else(|| Body {
            number: 1 << 63 | u64::from(run.id) << 32 | u64::from(count),
            length: plan.sizes.draw(random),
        });
        Some(self.put(&path, body, operation, count, head))
    }

    fn get(&mut self, path: &str, body: Body, signed: bool, head: &mut Vec<u8>) -> Ask {
        begin(head, "GET", path, &self.host);
        if signed {
            self.sign("GET", path, None, None, EMPTY, head);
        }
        head.extend_from_slice(b"\r\n");
        Ask {
            expects: Some(body),
            ..Ask::default()
        }
    }

    fn put(
        &mut self,
        path: &str,
        body: Body,
        operation: Operation,
        count: u32,
        head: &mut Vec<u8>,
    ) -> Ask {
        begin(head, "PUT", path, &self.host);
        let written = write!(
            head,
            "content-length: {}\r\ncontent-type: image/jpeg\r\n",
            body.length
        );
        written.expect("writing to memory cannot fail");
        let md5 = (operation == Operation::PutMd5)
            .then(|| base64(&self.hashes.md5(&self.template, body)));
        let sha256 = (operation == Operation::PutSha256)
            .then(|| hex(&self.hashes.sha256(&self.template, body)));
        let payload = sha256.as_deref().unwrap_or(UNSIGNED);
        self.sign(
            "PUT",
            path,
            md5.as_deref(),
            Some("public-read"),
            payload,
            head,
        );
        head.extend_from_slice(b"\r\n");
        Ask {
            sends: Some(body),
            expects: None,
            count,
        }
    }

    fn sign(
        &mut self,
        method: &str,
        path: &str,
        md5: Option<&str>,
        acl: Option<&str>,
        payload: &str,
        head: &mut Vec<u8>,
    ) {
        let host = self.host.as_str();
        let parts = Parts {
            method,
            path,
            host,
            md5,
            acl,
            payload,
        };
        self.signer.sign(&parts, head);
    }
}

fn put_path(bucket: &str, run: u32, count: u32) -> String {
    format!("/{bucket}/p/{run:08x}/{count}.jpg")
}

fn begin(head: &mut Vec<u8>, method: &str, path: &str, host: &str) {
    for piece in [method, " ", path, " HTTP/1.1\r\nhost: ", host, "\r\n"] {
        head.extend_from_slice(piece.as_bytes());
    }
}

/// Base64 with padding (RFC 4648, section 4).
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let mut bits = three
            .iter()
            .fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte));
        bits <<= 8 * (3 - three.len());
        for place in 0..4 {
            let digit = DIGITS.get(bits >> (18 - 6 * place) & 63).copied();
            let padded = digit.filter(|_| place <= three.len()).unwrap_or(b'=');
            text.push(char::from(padded));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read() {
        assert_eq!(Sizes::parse("64KiB"), Ok(Sizes::Fixed(65_536)));
        assert_eq!(Sizes::parse("16M"), Ok(Sizes::Fixed(16 << 20)));
        assert_eq!(Sizes::parse("1000"), Ok(Sizes::Fixed(1000)));
        assert_eq!(Sizes::parse("fediverse"), Ok(Sizes::Fediverse));
        for wrong in ["", "0", "KiB", "4GiB", "-1", "99999M", "1 MiB"] {
            assert!(Sizes::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_mix_has_the_shares_of_its_classes() {
        let mut random = Random::new(5);
        let drawn: Vec<usize> = (0..20_000)
            .map(|_| Sizes::Fediverse.draw(&mut random))
            .collect();
        for (share, low, high) in FEDIVERSE {
            let within = drawn
                .iter()
                .filter(|size| (low..=high).contains(&(**size as f64 + 1.0)))
                .count();
            assert!(
                (within as f64 / 20_000.0 - share).abs() < 0.02,
                "{share}: {within}"
            );
        }
    }

    #[test]
    fn objects_of_different_sizes_share_no_number() {
        let sizes = [
            Sizes::Fixed(4096),
            Sizes::Fixed(1 << 20),
            Sizes::Fixed(16 << 20),
            Sizes::Fediverse,
        ];
        let numbers: Vec<u64> = sizes
            .iter()
            .flat_map(|s| s.objects())
            .map(|b| b.number)
            .collect();
        let distinct: std::collections::HashSet<_> = numbers.iter().collect();
        assert_eq!(distinct.len(), numbers.len());
    }

    #[test]
    fn base64_of_the_rfc() {
        for (plain, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(plain.as_bytes()), text);
        }
    }
}

//! The hashes by themselves, one thread: what no append can do without.

use crate::corpus::payload;
use crate::report::{per_gib, print};
use md5::{Digest, Md5};
use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

const LEN: usize = 64 << 10;
const COUNT: usize = 2048;

/// Seconds for each GiB of `hash` over 64 KiB payloads that are not in the cache.
fn time(payloads: &[bytes::Bytes], hash: impl Fn(&[u8])) -> f64 {
    let start = Instant::now();
    payloads.iter().for_each(|payload| hash(payload));
    per_gib(start.elapsed().as_secs_f64(), (payloads.len() * LEN) as u64)
}

/// CPU seconds for each GiB: BLAKE3, CRC32C and MD5.
pub fn costs(rounds: usize) -> [Vec<f64>; 3] {
    let payloads: Vec<_> = (0..COUNT).map(|it| payload(it as u64, LEN)).collect();
    let mut results = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..rounds {
        results[0].push(time(&payloads, |it| {
            black_box(blake3::hash(it));
        }));
        results[1].push(time(&payloads, |it| {
            black_box(crc32c::crc32c(it));
        }));
        results[2].push(time(&payloads, |it| {
            black_box(Md5::digest(it));
        }));
    }
    results
}

/// Prints them.
pub fn run(_: &Path, rounds: usize) {
    let [blake3, crc32c, md5] = costs(rounds);
    print(
        "hashing, s/GiB, 64 KiB",
        &[("blake3", blake3), ("crc32c", crc32c), ("md5", md5)],
    );
}

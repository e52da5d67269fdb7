//! What the generated objects contain: bytes that follow from a few numbers.
//!
//! Contents of one seed are prefixes of one stream, so that two lengths of a seed share extents. Zeros repeat an
//! extent inside one blob. Bytes of the log itself are the hostile case: an object that looks like records.

use bytes::Bytes;
use std::fmt;

/// A description of some bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Content {
    /// The first `len` bytes of the stream of `seed`.
    Stream {
        /// Which stream.
        seed: u64,
        /// How many bytes of it.
        len: usize,
    },
    /// `len` zeros.
    Zeros {
        /// How many.
        len: usize,
    },
    /// The first `len` bytes of the newest segment file after `skip` bytes of it, as they are when the operation starts.
    LogBytes {
        /// Bytes to skip.
        skip: usize,
        /// How many, at most.
        len: usize,
    },
}

impl Content {
    /// The bytes; `log` gives those of the newest segment.
    pub fn bytes(&self, log: impl FnOnce() -> Vec<u8>) -> Bytes {
        match *self {
            Self::Stream { seed, len } => {
                let mut out = vec![0; len];
                let mut hasher = blake3::Hasher::new();
                hasher.update(&seed.to_le_bytes());
                hasher.finalize_xof().fill(&mut out);
                out.into()
            }
            Self::Zeros { len } => vec![0; len].into(),
            Self::LogBytes { skip, len } => {
                let bytes: Vec<u8> = log().into_iter().skip(skip).take(len).collect();
                bytes.into()
            }
        }
    }
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stream { seed, len } => write!(f, "{len} B of stream {seed}"),
            Self::Zeros { len } => write!(f, "{len} zeros"),
            Self::LogBytes { skip, len } => write!(f, "{len} B of the log after {skip}"),
        }
    }
}

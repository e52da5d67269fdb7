//! Follows the aws-chunked coding of a body without changing it: are the chunks well-formed and small enough, and did
//! the last one, of size 0, arrive?
//!
//! `s3s` decodes the same bytes and checks the signatures, but takes a body that stops between two chunks for complete,
//! gathers a chunk of up to 4 GiB, and reads only the first 8 digits of a size. This parser is stricter than that one
//! wherever the two could disagree: a size has 1 to 8 hexadecimal digits, then `;` or CR.
//!
//! What follows the last chunk are the trailers; `s3s` parses and bounds those.

use super::BodyFault;
use crate::config::Limits;

/// Bytes in the line before a chunk: a size and a signature take 86.
const LINE_BYTES_MAX: usize = 1024;

/// Where in the coding the next byte falls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    Size { digits: u32, size: u64 },
    Extension { size: u64, length: usize },
    LineFeed { size: u64 },
    Data { left: u64 },
    DataReturn,
    DataFeed,
    Trailers,
}

const START: Place = Place::Size { digits: 0, size: 0 };

/// Follows one body.
#[derive(Debug)]
pub struct AwsChunked {
    place: Place,
    announced: Option<u64>,
}

impl AwsChunked {
    /// At the first byte of a body.
    pub const fn new() -> Self {
        Self {
            place: START,
            announced: None,
        }
    }

    /// Takes the next bytes of the body.
    pub fn observe(&mut self, mut bytes: &[u8]) -> Result<(), BodyFault> {
        while let Some((&byte, rest)) = bytes.split_first() {
            if self.place == Place::Trailers {
                return Ok(());
            }
            if let Place::Data { left } = self.place {
                let here = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                bytes = bytes.split_at_checked(here).map_or(&[], |(_, rest)| rest);
                let left = left - u64::try_from(here).unwrap_or(left);
                self.place = if left == 0 {
                    Place::DataReturn
                } else {
                    Place::Data { left }
                };
                continue;
            }
            let line = matches!(self.place, Place::LineFeed { .. });
            self.place = step(self.place, byte)?;
            if line {
                self.announced = Some(match self.place {
                    Place::Data { left } => left,
                    _ => 0,
                });
            }
            bytes = rest;
        }
        Ok(())
    }

    /// The size of the chunk that was announced last, unless it was asked for already.
    pub fn announced(&mut self) -> Option<u64> {
        self.announced.take()
    }

    /// Says whether the body may end here.
    pub fn finish(&self) -> Result<(), BodyFault> {
        match self.place {
            Place::Trailers => Ok(()),
            _ => Err(BodyFault::Truncated),
        }
    }
}

/// One byte outside a chunk's data.
fn step(place: Place, byte: u8) -> Result<Place, BodyFault> {
    Ok(match (place, byte) {
        (Place::Size { digits: 1.., size }, b';') => Place::Extension { size, length: 0 },
        (Place::Size { digits: 1.., size }, b'\r') => Place::LineFeed { size },
        (Place::Size { digits: 0..8, .. }, _) if !byte.is_ascii_hexdigit() => {
            return Err(BodyFault::Malformed);
        }
        (
            Place::Size {
                digits: digits @ 0..8,
                size,
            },
            _,
        ) => Place::Size {
            digits: digits + 1,
            size: size * 16 + u64::from(char::from(byte).to_digit(16).unwrap_or(0)),
        },
        (Place::Extension { size, .. }, b'\r') => Place::LineFeed { size },
        (
            Place::Extension {
                length: LINE_BYTES_MAX..,
                ..
            },
            _,
        )
        | (Place::Extension { .. }, b'\n') => {
            return Err(BodyFault::Malformed);
        }
        (Place::Extension { size, length }, _) => Place::Extension {
            size,
            length: length + 1,
        },
        (Place::LineFeed { size: 0 }, b'\n') => Place::Trailers,
        (Place::LineFeed { size }, b'\n') if size > Limits::CHUNK_BYTES_MAX => {
            return Err(BodyFault::ChunkTooLarge);
        }
        (Place::LineFeed { size }, b'\n') => Place::Data { left: size },
        (Place::DataReturn, b'\r') => Place::DataFeed,
        (Place::DataFeed, b'\n') => START,
        _ => return Err(BodyFault::Malformed),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(body: &[u8]) -> Result<(), BodyFault> {
        let mut coding = AwsChunked::new();
        coding.observe(body)?;
        coding.finish()
    }

    fn byte_by_byte(body: &[u8]) -> Result<(), BodyFault> {
        let mut coding = AwsChunked::new();
        body.iter().try_for_each(|byte| coding.observe(&[*byte]))?;
        coding.finish()
    }

    fn both(body: &[u8]) -> Result<(), BodyFault> {
        assert_eq!(whole(body), byte_by_byte(body));
        whole(body)
    }

    #[test]
    fn complete_bodies_pass() {
        assert_eq!(both(b"0\r\n\r\n"), Ok(()));
        assert_eq!(both(b"3\r\nabc\r\n0\r\n\r\n"), Ok(()));
        assert_eq!(
            both(b"3;chunk-signature=ff\r\nabc\r\n0;chunk-signature=00\r\n\r\n"),
            Ok(())
        );
        assert_eq!(
            both(b"3\r\nabc\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n"),
            Ok(())
        );
        assert_eq!(both(b"A\r\n0\r\n\r\n56789\r\n0\r\n\r\n"), Ok(()));
    }

    #[test]
    fn every_cut_before_the_last_chunk_is_truncation() {
        let body = b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n";
        for cut in 0..body.len() {
            assert_eq!(
                both(&body[..cut]),
                Err(BodyFault::Truncated),
                "cut at {cut}"
            );
        }
        assert_eq!(both(body), Ok(()));
    }

    #[test]
    fn sizes_are_strict() {
        for body in [
            &b"\r\nabc"[..],
            b" 3\r\nabc\r\n",
            b"3 \r\nabc\r\n",
            b"0x3\r\nabc\r\n",
            b"000000003\r\nabc\r\n",
            b"3\nabc",
            b"3\r\nabcd\r\n",
            b"3\r\nabc\n",
            b"3;x\ny\r\n",
        ] {
            assert_eq!(
                both(body),
                Err(BodyFault::Malformed),
                "{}",
                body.escape_ascii()
            );
        }
    }

    #[test]
    fn chunks_are_bounded() {
        let most = format!("{:x}\r\n", Limits::CHUNK_BYTES_MAX);
        assert_eq!(both(most.as_bytes()), Err(BodyFault::Truncated));
        let more = format!("{:x}\r\n", Limits::CHUNK_BYTES_MAX + 1);
        assert_eq!(both(more.as_bytes()), Err(BodyFault::ChunkTooLarge));
        assert_eq!(both(b"ffffffff\r\n"), Err(BodyFault::ChunkTooLarge));
    }

    #[test]
    fn each_chunk_is_announced_once() {
        let mut coding = AwsChunked::new();
        let mut seen = Vec::new();
        for byte in b"A;x=y\r\n0123456789\r\n2\r\nab\r\n0\r\nx:y\r\n\r\n" {
            coding.observe(&[*byte]).unwrap();
            seen.extend(coding.announced());
        }
        assert_eq!(seen, [10, 2, 0]);
    }

    #[test]
    fn extensions_are_bounded() {
        let mut body = b"3;".to_vec();
        body.extend(std::iter::repeat_n(b'x', LINE_BYTES_MAX + 1));
        assert_eq!(both(&body), Err(BodyFault::Malformed));
    }
}

//! The aws-chunked coding, against a decoder of the whole body.

use crate::body::{AwsChunked, BodyFault};
use crate::config::Limits;

/// Attacks `body::aws_chunked`. The first byte says where the body is cut in two.
pub fn aws_chunked(data: &[u8]) {
    let Some((cut, body)) = data.split_first() else {
        return;
    };
    let (_, whole) = decode(&[body]);
    let cut = usize::from(*cut).min(body.len());
    let (one, two) = body.split_at_checked(cut).unwrap_or((body, &[]));
    assert_eq!(whole, decode(&[one, two]).1, "in two pieces");
    let single: Vec<&[u8]> = body.chunks(1).collect();
    let (announced, verdict) = decode(&single);
    assert_eq!(whole, verdict, "byte by byte");
    let expected = twin(body);
    assert_eq!(verdict.is_ok(), expected.is_some(), "{verdict:?}");
    if let Some(expected) = expected {
        assert_eq!(announced, expected, "the sizes of the chunks");
    }
}

/// The sizes that were announced (all of them only if the pieces are single bytes), and the verdict.
fn decode(pieces: &[&[u8]]) -> (Vec<u64>, Result<(), BodyFault>) {
    let mut coding = AwsChunked::new();
    let mut announced = Vec::new();
    for piece in pieces {
        let taken = coding.observe(piece);
        announced.extend(coding.announced());
        assert!(
            announced
                .iter()
                .all(|size| *size <= Limits::CHUNK_BYTES_MAX)
        );
        if let Err(fault) = taken {
            return (announced, Err(fault));
        }
    }
    (announced, coding.finish())
}

/// The sizes of the chunks of a body that is whole and well-formed up to its last chunk.
fn twin(mut body: &[u8]) -> Option<Vec<u64>> {
    let mut sizes = Vec::new();
    loop {
        let end = body.iter().position(|byte| *byte == b'\n')?;
        let line = body.get(..end)?.strip_suffix(b"\r")?;
        let (digits, extension) = match line.iter().position(|byte| *byte == b';') {
            Some(at) => line.split_at_checked(at)?,
            None => (line, &[][..]),
        };
        let well_formed = (1..=8).contains(&digits.len())
            && digits.iter().all(u8::is_ascii_hexdigit)
            && extension.len() <= 1025
            && !line.contains(&b'\r');
        if !well_formed {
            return None;
        }
        let size = u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        let rest = body.get(end + 1..)?;
        sizes.push(size);
        if size == 0 {
            return Some(sizes);
        }
        if size > Limits::CHUNK_BYTES_MAX {
            return None;
        }
        let (_, rest) = rest.split_at_checked(usize::try_from(size).ok()?)?;
        body = rest.strip_prefix(b"\r\n")?;
    }
}

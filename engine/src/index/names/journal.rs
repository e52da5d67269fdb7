//! A check of `fjall`'s journals that `fjall` does not make: that the batches' numbers ascend.
//!
//! A journal batch is a start (count and sequence number), items, and an end with a checksum of the items alone. A flipped
//! bit in a sequence number would place the batch before or behind others unseen, or have it skipped as flushed. The
//! numbers are given out one by one, to batches and to the odd flush or compaction: so they ascend in small steps from
//! batch to batch and from journal to journal, and whatever keeps that order does no harm. What is left: a flip among the
//! low bits of the very first number, of a batch that was not flushed.
//!
//! Only framing is parsed, of the one format version that [`super::disk`] opens. In the newest journal the check ends where
//! the framing does: that is its torn end, which `fjall` cuts off. It would cut off an older journal just as silently, and
//! go on with the next: so in those only zeros may follow, the rest of what was laid out ahead. The test that flips bytes of a journal fails if a release changes the framing.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

/// The largest step between two batches: far more flushes and compactions than can happen between two commits.
const STEP_MAX: u64 = 1 << 12;

/// Whether the numbers of all batches in the folder's journals ascend in small steps, and only the newest is torn.
pub(super) fn in_order(folder: &Path) -> io::Result<bool> {
    let mut journals = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let number = path
            .file_stem()
            .and_then(|name| name.to_str()?.parse::<u64>().ok());
        if let Some(number) = number.filter(|_| path.extension().is_some_and(|ext| ext == "jnl")) {
            journals.push((number, path));
        }
    }
    journals.sort();
    let newest = journals.last().map(|(number, _)| *number);
    let mut last = None;
    for (number, path) in journals {
        let mut reader = BufReader::with_capacity(1 << 20, File::open(path)?);
        if !batches_ascend(&mut reader, &mut last)?
            || Some(number) != newest && !only_zeros(&mut reader)?
        {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Reads up to the first byte that starts no entry.
fn batches_ascend(reader: &mut impl Read, last: &mut Option<u64>) -> io::Result<bool> {
    loop {
        match entry(reader) {
            Ok(Some(number)) if follows(*last, number) => *last = Some(number),
            Ok(Some(_)) => return Ok(false),
            Ok(None) => {}
            Err(error) if is_end(&error) => return Ok(true),
            Err(error) => return Err(error),
        }
    }
}

fn only_zeros(reader: &mut impl BufRead) -> io::Result<bool> {
    loop {
        let bytes = reader.fill_buf()?;
        if bytes.is_empty() {
            return Ok(true);
        }
        if bytes.iter().any(|&byte| byte != 0) {
            return Ok(false);
        }
        let len = bytes.len();
        reader.consume(len);
    }
}

fn follows(last: Option<u64>, number: u64) -> bool {
    last.is_none_or(|last| number > last && number - last <= STEP_MAX)
}

fn is_end(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData
    )
}

/// Reads one entry; a start gives its number.
fn entry(reader: &mut impl Read) -> io::Result<Option<u64>> {
    match byte(reader)? {
        1 => {
            let _count = array::<4>(reader)?;
            return Ok(Some(u64::from_le_bytes(array(reader)?)));
        }
        2 => {
            let _kind = byte(reader)?;
            let _compression = byte(reader)?;
            let _tree = array::<8>(reader)?;
            let key = u16::from_le_bytes(array(reader)?);
            let _uncompressed = array::<4>(reader)?;
            let value = u32::from_le_bytes(array(reader)?);
            skip(reader, u64::from(key) + u64::from(value))?;
        }
        3 => skip(reader, 8 + 4)?,
        4 => skip(reader, 8)?,
        _ => return Err(io::ErrorKind::InvalidData.into()),
    }
    Ok(None)
}

fn byte(reader: &mut impl Read) -> io::Result<u8> {
    let [byte] = array(reader)?;
    Ok(byte)
}

fn array<const LEN: usize>(reader: &mut impl Read) -> io::Result<[u8; LEN]> {
    let mut bytes = [0; LEN];
    reader.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn skip(reader: &mut impl Read, len: u64) -> io::Result<()> {
    let skipped = io::copy(&mut reader.take(len), &mut io::sink())?;
    if skipped < len {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(number: u64) -> Vec<u8> {
        let mut bytes = vec![1, 1, 0, 0, 0];
        bytes.extend_from_slice(&number.to_le_bytes());
        bytes.extend_from_slice(&[2, 0, 0]);
        bytes.extend_from_slice(&7_u64.to_le_bytes());
        bytes.extend_from_slice(&1_u16.to_le_bytes());
        bytes.extend_from_slice(&2_u32.to_le_bytes());
        bytes.extend_from_slice(&2_u32.to_le_bytes());
        bytes.extend_from_slice(b"kvv");
        bytes.push(3);
        bytes.extend_from_slice(&[9; 12]);
        bytes
    }

    fn ascend(journal: &[u8]) -> (bool, Option<u64>, bool) {
        let mut reader = journal;
        let mut last = None;
        let ascend = batches_ascend(&mut reader, &mut last).unwrap();
        (ascend, last, only_zeros(&mut reader).unwrap())
    }

    #[test]
    fn a_journal_is_read_to_its_end() {
        let whole = [batch(4), batch(5), vec![0; 64]].concat();
        assert_eq!(ascend(&whole), (true, Some(5), true));
        let cut = [batch(4), vec![0], batch(5)].concat();
        assert_eq!(ascend(&cut), (true, Some(4), false));
        let swapped = [batch(5), batch(4)].concat();
        assert!(!ascend(&swapped).0);
        for len in 0..whole.len() {
            ascend(&whole[..len]);
        }
    }

    #[test]
    fn numbers_ascend_in_small_steps() {
        assert!(follows(None, 9));
        assert!(follows(Some(9), 10));
        assert!(follows(Some(9), 12));
        assert!(!follows(Some(9), 9));
        assert!(!follows(Some(9), 8));
        assert!(!follows(Some(9), 9 + STEP_MAX + 1));
    }
}

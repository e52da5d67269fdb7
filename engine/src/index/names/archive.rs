//! A check of the archives that `fjall` keeps its tables and versions in, which the crate that reads them does not make.
//!
//! An archive ends with a trailer that says where its table of contents lies; that begins with its number of entries, for
//! which room is taken before the checksum over it is compared. One flipped bit can make that hundreds of gigabytes, and memory
//! that is not to be had ends the process, at this start and at each one after it. So the number is held against the
//! length of the file first. All else is left to the checksums. The test that flips every byte of an index fails
//! if a release changes the framing.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Trailer: magic 4 | version u8 | kind of checksum u8 | checksum 16 | place of the contents u64 | their length u64.
const TRAILER_LEN: usize = 38;
const TRAILER_MAGIC: &[u8; 4] = b"SFA!";
/// Where the trailer says where the contents lie.
const PLACE_AT: usize = 22;
/// Contents: magic 4 | number of entries u32 | entries.
const CONTENTS_MAGIC: &[u8; 4] = b"TOC!";
const CONTENTS_HEAD_LEN: usize = 8;
/// An entry: position u64 | length u64 | length of its name u16 | name.
const ENTRY_LEN_MIN: u64 = 18;

/// Whether no archive in the folder, or in those below it, claims more entries than it has bytes for.
pub(super) fn are_bounded(folder: &Path) -> io::Result<bool> {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() && !is_bounded(&File::open(entry.path())?)? {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// What is no archive is none that claims too much.
fn is_bounded(file: &File) -> io::Result<bool> {
    let len = file.metadata()?.len();
    let mut trailer = [0; TRAILER_LEN];
    let Some(at) = len.checked_sub(TRAILER_LEN as u64) else {
        return Ok(true);
    };
    file.read_exact_at(&mut trailer, at)?;
    let place = trailer.get(PLACE_AT..).and_then(<[u8]>::first_chunk);
    let place = place.map_or(u64::MAX, |place| u64::from_le_bytes(*place));
    let room = len
        .checked_sub(place)
        .filter(|room| *room > CONTENTS_HEAD_LEN as u64);
    let (true, Some(room)) = (trailer.starts_with(TRAILER_MAGIC), room) else {
        return Ok(true);
    };
    let mut head = [0; CONTENTS_HEAD_LEN];
    file.read_exact_at(&mut head, place)?;
    let entries = head
        .last_chunk()
        .map_or(0, |field| u32::from_le_bytes(*field));
    let claimed = u64::from(entries).saturating_mul(ENTRY_LEN_MIN);
    Ok(!head.starts_with(CONTENTS_MAGIC) || claimed <= room)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::test_dir::TestDir;

    fn archive(entries: u32) -> Vec<u8> {
        let mut bytes = b"content".to_vec();
        let place = bytes.len() as u64;
        bytes.extend_from_slice(CONTENTS_MAGIC);
        bytes.extend_from_slice(&entries.to_le_bytes());
        bytes.extend_from_slice(&[0; 36]);
        bytes.extend_from_slice(TRAILER_MAGIC);
        bytes.extend_from_slice(&[0; 18]);
        bytes.extend_from_slice(&place.to_le_bytes());
        bytes.extend_from_slice(&44_u64.to_le_bytes());
        bytes
    }

    #[test]
    fn an_archive_that_claims_more_entries_than_it_has_bytes_is_found() {
        let dir = TestDir::new("archive");
        let below = dir.path().join("tables");
        fs::create_dir(&below).unwrap();
        for (entries, bounded) in [(0, true), (2, true), (100, false), (u32::MAX, false)] {
            fs::write(below.join("7"), archive(entries)).unwrap();
            assert_eq!(are_bounded(dir.path()).unwrap(), bounded, "{entries}");
        }
    }

    #[test]
    fn what_is_no_archive_is_left_to_others() {
        let dir = TestDir::new("archive-none");
        let mut far = archive(u32::MAX);
        let at = far.len() - 16;
        far[at..at + 8].copy_from_slice(&u64::MAX.to_le_bytes());
        for content in [&b""[..], b"short", &[0; 200], &far] {
            fs::write(dir.path().join("file"), content).unwrap();
            assert!(are_bounded(dir.path()).unwrap());
        }
    }
}

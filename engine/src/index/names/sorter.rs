//! Sorts rows that may be more than memory holds: runs of bounded size, sorted and spilled to files, then merged.
//!
//! Of rows with one key only the newest version comes out; of equal versions the one that went in first. Spilled rows carry
//! a checksum and must ascend, and a run must hold as many as were written: what a disk garbled between writing and reading ends the sort with an error. A sorter
//! without a place for them keeps everything in memory. A run goes when the merge has opened it, or with its [`Spill`], which
//! is its owner's business.
//!
//! Spilled row: key length u32 | value length u32 | version: hlc u64, node u64 | key | value | CRC32C of all that u32.

use super::error::{NamesError, Result};
use super::spill::Spill;
use crate::position::{Hlc, NodeId, Version};
use rayon::slice::ParallelSliceMut;
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::rc::Rc;

/// Bytes read ahead of each run: with a thousand runs, 64 GB of rows, as much again as a run.
const READ_BYTES: usize = 64 << 10;
/// Bytes gathered before a run's file is written to.
const WRITE_BYTES: usize = 1 << 20;
/// Bytes before the key of a spilled row.
const HEAD_BYTES: usize = 4 + 4 + 8 + 8;
/// No key and no value is longer: what says so was garbled.
const PART_MAX: usize = 16 << 20;

/// Takes rows in, in any order.
pub(super) struct Sorter {
    /// Where runs are spilled to, and how their names begin.
    spill: Option<(Rc<dyn Spill>, &'static str)>,
    run: Run,
    /// The names of the runs, and how many rows each holds.
    spilled: Vec<(String, usize)>,
}

impl Sorter {
    /// A sorter that holds about a run in memory, if it has a place to spill them to.
    pub fn new(spill: Option<(Rc<dyn Spill>, &'static str)>) -> Self {
        Self {
            spill,
            run: Run::default(),
            spilled: Vec::new(),
        }
    }

    /// Takes a row in. `write` appends its key, then its value, to the buffer it is given, and says how long the key is.
    pub fn add(
        &mut self,
        version: Version,
        write: impl FnOnce(&mut Vec<u8>) -> usize,
    ) -> Result<()> {
        let start = self.run.bytes.len();
        let key_len = write(&mut self.run.bytes);
        let end = self.run.bytes.len();
        assert!(key_len <= end - start);
        self.run.rows.push(Placed {
            prefix: 0,
            start,
            key_len,
            end,
            version,
        });
        let held = end + self.run.rows.len() * size_of::<Placed>();
        match &self.spill {
            Some((place, name)) if held >= place.run_bytes() => {
                let name = format!("{name}.{}", self.spilled.len());
                self.run.sort();
                let spilled = spill(&self.run, &**place, &name);
                spilled.map_err(|source| NamesError::io("sort", source))?;
                self.spilled.push((name, self.run.rows.len()));
                self.run.bytes.clear();
                self.run.rows.clear();
            }
            _ => {}
        }
        Ok(())
    }

    /// The rows in order.
    pub fn merge(mut self) -> Result<Merge> {
        let mut heads = BinaryHeap::new();
        let place = self.spill.iter().map(|(place, _)| place).cycle();
        for (order, ((name, rows), place)) in self.spilled.iter().zip(place).enumerate() {
            let run = place.take(name);
            let run = run.map_err(|source| NamesError::io("sort", source))?;
            let source = Source::Spilled(BufReader::with_capacity(READ_BYTES, run), *rows);
            heads.extend(Head::first(order, source)?);
        }
        self.run.sort();
        let source = Source::Memory(self.run, 0);
        heads.extend(Head::first(self.spilled.len(), source)?);
        Ok(Merge {
            heads,
            last: None,
            value: Vec::new(),
        })
    }
}

/// Rows in memory.
#[derive(Default)]
struct Run {
    bytes: Vec<u8>,
    rows: Vec<Placed>,
}

/// Where a row lies in its run: the key from `start` on, then the value, up to `end`.
struct Placed {
    /// The first bytes of the key after what all keys of the run have in common: they decide most comparisons.
    prefix: u64,
    start: usize,
    key_len: usize,
    end: usize,
    version: Version,
}

impl Run {
    fn key(&self, row: &Placed) -> &[u8] {
        let key = row.start..row.start + row.key_len;
        self.bytes.get(key).expect("the row is in its run")
    }

    fn value(&self, row: &Placed) -> &[u8] {
        let value = row.start + row.key_len..row.end;
        self.bytes.get(value).expect("the row is in its run")
    }

    fn sort(&mut self) {
        let mut rows = std::mem::take(&mut self.rows);
        let common = self.common(&rows);
        for row in &mut rows {
            let rest = self.key(row).get(common..).unwrap_or_default();
            row.prefix = rest
                .iter()
                .chain(std::iter::repeat(&0))
                .take(8)
                .fold(0, |prefix, byte| prefix << 8 | u64::from(*byte));
        }
        // Stable, so that of equal versions the first stays in front.
        rows.par_sort_by(|one, other| {
            let keys = || self.key(one).cmp(self.key(other));
            let newest = || other.version.cmp(&one.version);
            one.prefix
                .cmp(&other.prefix)
                .then_with(keys)
                .then_with(newest)
        });
        self.rows = rows;
    }

    /// How many bytes all keys begin with alike.
    fn common(&self, rows: &[Placed]) -> usize {
        let Some((first, rest)) = rows.split_first() else {
            return 0;
        };
        let first = self.key(first);
        rest.iter().fold(first.len(), |common, row| {
            let both = first.iter().zip(self.key(row)).take(common);
            both.take_while(|(one, other)| one == other).count()
        })
    }
}

fn spill(run: &Run, place: &dyn Spill, name: &str) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(WRITE_BYTES, place.create(name)?);
    for row in &run.rows {
        let (key, value) = (run.key(row), run.value(row));
        let mut head = [0; HEAD_BYTES];
        let len = |part: &[u8]| u32::try_from(part.len()).map_err(io::Error::other);
        let fields = [
            &len(key)?.to_le_bytes()[..],
            &len(value)?.to_le_bytes(),
            &row.version.hlc.0.to_le_bytes(),
            &row.version.node.0.to_le_bytes(),
        ];
        for (to, from) in head.iter_mut().zip(fields.into_iter().flatten()) {
            *to = *from;
        }
        out.write_all(&head)?;
        out.write_all(key)?;
        out.write_all(value)?;
        out.write_all(&crc_of(&head, key, value).to_le_bytes())?;
    }
    out.flush()
}

fn crc_of(head: &[u8], key: &[u8], value: &[u8]) -> u32 {
    let crc = crc32c::crc32c_append(crc32c::crc32c(head), key);
    crc32c::crc32c_append(crc, value)
}

/// The rest of a run.
enum Source {
    /// And how many rows are left in it.
    Spilled(BufReader<Box<dyn Read>>, usize),
    /// And the number of the next row.
    Memory(Run, usize),
}

/// The next row of a run.
struct Head {
    key: Vec<u8>,
    value: Vec<u8>,
    version: Version,
    /// Which run it is: earlier ones have smaller numbers.
    order: usize,
    source: Source,
}

impl Head {
    fn first(order: usize, source: Source) -> Result<Option<Self>> {
        let mut head = Self {
            key: Vec::new(),
            value: Vec::new(),
            version: Version::default(),
            order,
            source,
        };
        Ok(head.advance()?.then_some(head))
    }

    /// Goes on to the next row; false if there is none.
    fn advance(&mut self) -> Result<bool> {
        match &mut self.source {
            Source::Spilled(file, left) => {
                let Some(after) = left.checked_sub(1) else {
                    return Ok(false);
                };
                let read = read_row(file, &mut self.key, &mut self.value);
                self.version = read.map_err(|source| NamesError::io("sort", source))?;
                *left = after;
                Ok(true)
            }
            Source::Memory(run, at) => {
                let Some(row) = run.rows.get(*at) else {
                    return Ok(false);
                };
                *at += 1;
                self.version = row.version;
                self.key.clear();
                self.key.extend_from_slice(run.key(row));
                self.value.clear();
                self.value.extend_from_slice(run.value(row));
                Ok(true)
            }
        }
    }
}

fn read_row(file: &mut impl Read, key: &mut Vec<u8>, value: &mut Vec<u8>) -> io::Result<Version> {
    let mut head = [0; HEAD_BYTES];
    file.read_exact(&mut head)?;
    let mut fields = head.as_slice();
    let mut word = |len| {
        let (field, rest) = fields.split_at_checked(len)?;
        fields = rest;
        Some(
            field
                .iter()
                .rev()
                .fold(0, |word, byte| word << 8 | u64::from(*byte)),
        )
    };
    let (key_len, value_len, hlc, node) = (word(4), word(4), word(8), word(8));
    for (part, len) in [(&mut *key, key_len), (&mut *value, value_len)] {
        let len = usize::try_from(len.unwrap_or_default()).map_err(io::Error::other)?;
        if len > PART_MAX {
            return Err(garbled());
        }
        part.resize(len, 0);
        file.read_exact(part)?;
    }
    let mut crc = [0; 4];
    file.read_exact(&mut crc)?;
    if u32::from_le_bytes(crc) != crc_of(&head, key, value) {
        return Err(garbled());
    }
    Ok(Version {
        hlc: Hlc(hlc.unwrap_or_default()),
        node: NodeId(node.unwrap_or_default()),
    })
}

fn garbled() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a spilled row does not verify")
}

impl Ord for Head {
    /// The greatest comes out first: the least key, of that the newest version, of that the first that went in.
    fn cmp(&self, other: &Self) -> Ordering {
        let key = other.key.cmp(&self.key);
        key.then_with(|| self.version.cmp(&other.version))
            .then_with(|| other.order.cmp(&self.order))
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Head {}

/// Gives the rows out in order.
pub(super) struct Merge {
    heads: BinaryHeap<Head>,
    /// The key that came out last.
    last: Option<Vec<u8>>,
    value: Vec<u8>,
}

impl Merge {
    /// The newest row of the next key: key and value.
    pub fn next(&mut self) -> Result<Option<(&[u8], &[u8])>> {
        loop {
            let Some(mut top) = self.heads.peek_mut() else {
                return Ok(None);
            };
            let order = match &self.last {
                Some(last) => top.key.cmp(last),
                None => Ordering::Greater,
            };
            if order == Ordering::Less {
                return Err(NamesError::io("sort", garbled()));
            }
            if order == Ordering::Greater {
                let last = self.last.get_or_insert_default();
                std::mem::swap(last, &mut top.key);
                std::mem::swap(&mut self.value, &mut top.value);
            }
            if !top.advance()? {
                PeekMut::pop(top);
            }
            if order == Ordering::Greater {
                let key = self.last.as_deref().unwrap_or_default();
                return Ok(Some((key, &self.value)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::names::SpillFolder;
    use crate::io::test_dir::TestDir;
    use std::collections::BTreeMap;
    use std::fs::{self, File};

    fn in_runs_of(run_bytes: usize, dir: &TestDir) -> Sorter {
        let place = SpillFolder::with_run(dir.path().to_owned(), run_bytes);
        Sorter::new(Some((Rc::new(place), "rows")))
    }

    fn version(hlc: u64) -> Version {
        Version {
            hlc: Hlc(hlc),
            node: NodeId(1),
        }
    }

    fn add(sorter: &mut Sorter, key: &[u8], hlc: u64, value: &[u8]) {
        let write = |out: &mut Vec<u8>| {
            out.extend_from_slice(key);
            out.extend_from_slice(value);
            key.len()
        };
        sorter.add(version(hlc), write).unwrap();
    }

    fn rows(sorter: Sorter) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut merge = sorter.merge().unwrap();
        let mut rows = Vec::new();
        while let Some((key, value)) = merge.next().unwrap() {
            rows.push((key.to_vec(), value.to_vec()));
        }
        rows
    }

    /// Keys that are prefixes of each other, longer than the cached prefix, and written several times.
    fn key(number: u64) -> Vec<u8> {
        let long = format!("common/{:03}/{}", number % 97, number % 13);
        let len = long.len().min(7 + (number % 9) as usize);
        long.into_bytes()[..len].to_vec()
    }

    #[test]
    fn the_newest_of_each_key_comes_out_in_order_spilled_or_not() {
        let dir = TestDir::new("sorter");
        for run_bytes in [1, 500, 5_000, usize::MAX] {
            let mut sorter = in_runs_of(run_bytes, &dir);
            let mut expected: BTreeMap<Vec<u8>, (u64, Vec<u8>)> = BTreeMap::new();
            for number in 0..600_u64 {
                let hlc = number.wrapping_mul(0x9E37_79B9) % 50;
                let value = number.to_le_bytes().to_vec();
                add(&mut sorter, &key(number), hlc, &value);
                let held = expected.entry(key(number)).or_insert((hlc, value.clone()));
                if hlc > held.0 {
                    *held = (hlc, value);
                }
            }
            assert_eq!(sorter.spilled.is_empty(), run_bytes == usize::MAX);
            let expected: Vec<_> = expected
                .into_iter()
                .map(|(key, (_, value))| (key, value))
                .collect();
            assert_eq!(rows(sorter), expected, "runs of {run_bytes} bytes");
        }
        assert!(rows(Sorter::new(None)).is_empty());
    }

    #[test]
    fn every_flipped_byte_of_a_spilled_run_is_an_error() {
        let dir = TestDir::new("sorter-flips");
        let mut sorter = in_runs_of(1, &dir);
        add(&mut sorter, b"key", 3, b"value");
        let path = dir.path().join(&sorter.spilled.first().unwrap().0);
        let good = fs::read(&path).unwrap();
        let read = |bytes: &[u8]| {
            let (mut key, mut value, mut file) = (Vec::new(), Vec::new(), bytes);
            read_row(&mut file, &mut key, &mut value)
        };
        assert_eq!(read(&good).unwrap(), version(3));
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x10;
            assert!(read(&bad).is_err(), "byte {at}");
            assert!(read(&good[..at]).is_err(), "{at} bytes");
        }
    }

    #[test]
    fn a_run_that_is_cut_between_two_rows_is_an_error() {
        for rows in 0..2 {
            let dir = TestDir::new("sorter-cut");
            let mut sorter = in_runs_of(200, &dir);
            for number in 0..20_u64 {
                add(&mut sorter, &number.to_be_bytes(), 1, b"value");
            }
            let (name, count) = sorter.spilled.first().unwrap().clone();
            let path = dir.path().join(name);
            let len = fs::metadata(&path).unwrap().len();
            let cut = len / count as u64 * rows;
            File::options()
                .write(true)
                .open(&path)
                .unwrap()
                .set_len(cut)
                .unwrap();
            let ended = sorter.merge().and_then(|mut merge| {
                while merge.next()?.is_some() {}
                Ok(())
            });
            assert!(ended.is_err(), "{rows} of {count} rows");
        }
    }

    #[test]
    fn a_merge_leaves_no_file_behind() {
        let dir = TestDir::new("sorter-files");
        let mut sorter = in_runs_of(1, &dir);
        add(&mut sorter, b"key", 3, b"value");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        assert_eq!(rows(sorter).len(), 1);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}

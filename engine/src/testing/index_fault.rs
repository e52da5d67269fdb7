//! Damage to the files in `index/` while the store is closed. None of it may change what the store holds.

use super::op::IndexFault;
use super::rng::Rng;
use crate::io::sim::SimDisk;
use std::collections::BTreeMap;

/// Inflicts damage, and keeps what the files were for the next time.
#[derive(Clone, Default, Debug)]
pub struct IndexFaults {
    before: BTreeMap<String, Vec<u8>>,
}

impl IndexFaults {
    /// Damages the files as told.
    pub fn inflict(&mut self, fault: IndexFault, disk: &SimDisk) {
        let now: BTreeMap<String, Vec<u8>> = index_files(disk);
        let before = std::mem::replace(&mut self.before, now.clone());
        let pick = |number: u64| {
            let mut rng = Rng::new(number);
            let path = now.keys().nth(rng.index(now.len())).cloned();
            path.map(|path| (path, rng))
        };
        match fault {
            IndexFault::None => {}
            IndexFault::Deleted => now.keys().for_each(|path| remove(disk, path)),
            IndexFault::OneDeleted(number) => {
                if let Some((path, _)) = pick(number) {
                    remove(disk, &path);
                }
            }
            IndexFault::Flipped(number) => {
                if let Some((path, mut rng)) = pick(number) {
                    flip(disk, &path, &mut rng);
                }
            }
            IndexFault::Stale(number) => {
                if let Some((path, _)) = pick(number) {
                    match before.get(&path) {
                        Some(bytes) => disk.write_file(&path, bytes),
                        None => remove(disk, &path),
                    }
                }
            }
            IndexFault::AllStale => {
                now.keys()
                    .filter(|path| !before.contains_key(*path))
                    .for_each(|path| remove(disk, path));
                before
                    .iter()
                    .for_each(|(path, bytes)| disk.write_file(path, bytes));
            }
            IndexFault::Swapped(number) => {
                if let (Some((first, _)), Some((second, _))) = (pick(number), pick(!number)) {
                    let bytes =
                        [&first, &second].map(|path| now.get(path).cloned().unwrap_or_default());
                    let [of_first, of_second] = bytes;
                    disk.write_file(&first, &of_second);
                    disk.write_file(&second, &of_first);
                }
            }
            IndexFault::Mixed(number) => {
                for (path, bytes) in &now {
                    if let Some(mixed) = mix(bytes, &mut Rng::new(number)) {
                        disk.write_file(path, &mixed);
                    }
                }
            }
            IndexFault::Cut(number) => {
                if let Some((path, _)) = pick(number) {
                    let len = now.get(&path).map_or(0, Vec::len);
                    disk.truncate_file(&path, len / 2)
                        .expect("the file was listed");
                }
            }
        }
    }
}

fn index_files(disk: &SimDisk) -> BTreeMap<String, Vec<u8>> {
    disk.files()
        .into_iter()
        .filter(|path| path.starts_with("index/"))
        .filter_map(|path| {
            let bytes = disk.read_file(&path).ok()?;
            Some((path, bytes))
        })
        .collect()
}

fn remove(disk: &SimDisk, path: &str) {
    disk.remove_file(path).expect("the file was listed");
}

/// Flips one bit; of large files mostly in the part that is not zero, where there is something to damage.
fn flip(disk: &SimDisk, path: &str, rng: &mut Rng) {
    let bytes = disk.read_file(path).unwrap_or_default();
    let used: Vec<usize> = bytes
        .iter()
        .enumerate()
        .filter_map(|(at, byte)| (*byte != 0).then_some(at))
        .collect();
    let at = if used.is_empty() || rng.one_in(4) {
        rng.index(bytes.len())
    } else {
        *rng.pick(&used)
    };
    if !bytes.is_empty() {
        let bit = u8::try_from(rng.below(8)).unwrap_or(0);
        disk.flip_bit(path, at, bit)
            .expect("the byte is in the file");
    }
}

/// Rotates the locations of all full slots of a shard by some places; `None` for other files.
///
/// A shard begins with a line of 64 bytes, which says what it is; slots of two words follow, tag and location.
fn mix(bytes: &[u8], rng: &mut Rng) -> Option<Vec<u8>> {
    const LINE: usize = 64;
    const SLOT: usize = 16;
    const LOCATION: usize = 8;
    if !bytes.starts_with(b"MORHSHRD") {
        return None;
    }
    let mut out = bytes.to_vec();
    let locations: Vec<[u8; SLOT - LOCATION]> = slots(bytes.get(LINE..)?)
        .filter_map(|slot| slot.get(LOCATION..)?.try_into().ok())
        .collect();
    let by = 1 + rng.index(locations.len().saturating_sub(1));
    let mut rotated = locations.iter().cycle().skip(by);
    for slot in out.get_mut(LINE..)?.chunks_exact_mut(SLOT) {
        if is_full(slot) {
            slot.get_mut(LOCATION..)?.copy_from_slice(rotated.next()?);
        }
    }
    Some(out)
}

fn slots(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.chunks_exact(16).filter(|slot| is_full(slot))
}

fn is_full(slot: &[u8]) -> bool {
    slot.chunks(8)
        .all(|word| word.iter().any(|byte| *byte != 0))
}

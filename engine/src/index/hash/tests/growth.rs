//! Growth: everything is found before, during and after; space is bounded; a full disk is not a failure at once.

use super::disk::Keep;
use super::*;
use crate::index::hash::{LINE_WORDS, PageSource, Pages};
use crate::io::DiskPath;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Mutex, thread};
use std::io;

fn fill(index: &HashIndex, numbers: std::ops::Range<u64>) -> Result<()> {
    for number in numbers {
        let place = place(1 + number / 100, number);
        index.insert(&id(number), place, &mut nobody_asks)?;
    }
    Ok(())
}

fn check(index: &HashIndex, numbers: std::ops::Range<u64>) {
    for number in numbers {
        let place = place(1 + number / 100, number);
        assert!(holds(index, &id(number), &place), "{number}");
    }
}

#[test]
fn everything_is_found_after_many_growths() {
    let disk = MemoryDisk::new();
    let (index, _) = open(&disk);
    fill(&index, 0..20_000).unwrap();
    check(&index, 0..20_000);
    let stats = index.stats();
    assert_eq!(
        (stats.entries, stats.segments, stats.shards),
        (20_000, 200, 2)
    );
    assert!(stats.growths >= 12, "{stats:?}");
    let load = stats.entries as f64 / stats.slots as f64;
    assert!((0.5..0.81).contains(&load), "{stats:?}");
    index.close(&covered(200, 0)).unwrap();
    let (index, opened) = open(&disk);
    assert_eq!(opened.rebuild, None);
    assert_eq!(index.stats().entries, 20_000);
    check(&index, 0..20_000);
}

#[test]
fn generations_that_no_mark_names_are_removed_at_the_next_one() {
    let disk = MemoryDisk::new();
    let (index, _) = open(&disk);
    fill(&index, 0..1_000).unwrap();
    let bytes: usize = disk.names().iter().map(|name| disk.read(name).len()).sum();
    assert!(
        bytes as u64 <= 4 * index.stats().bytes,
        "{:?}",
        disk.names()
    );
    index.checkpoint(&covered(11, 0)).unwrap();
    assert_eq!(disk.names().len(), 3, "{:?}", disk.names());
    fill(&index, 1_000..10_000).unwrap();
    assert!(disk.names().len() > 3, "{:?}", disk.names());
    index.checkpoint(&covered(101, 0)).unwrap();
    assert_eq!(disk.names().len(), 3, "{:?}", disk.names());
    check(&index, 0..10_000);
}

#[test]
fn removed_slots_do_not_make_a_shard_grow_for_ever() {
    let (index, _) = open(&MemoryDisk::new());
    for number in 0..20_000 {
        let place = place(1, number);
        index.insert(&id(number), place, &mut nobody_asks).unwrap();
        index.remove(&id(number), &place).unwrap();
    }
    let stats = index.stats();
    assert_eq!((stats.entries, stats.bytes), (0, 2 * 4096), "{stats:?}");
}

#[test]
fn slots_of_forgotten_segments_go_at_the_next_growth() {
    let (index, _) = open(&MemoryDisk::new());
    for segment in 1..=100 {
        for number in 0..200 {
            let id = id(segment * 1_000 + number);
            index
                .insert(&id, place(segment, number), &mut nobody_asks)
                .unwrap();
        }
        index.forget_segment(NODE, SegmentNumber(segment)).unwrap();
    }
    assert!(index.stats().bytes <= 4 * 4096, "{:?}", index.stats());
}

#[test]
fn shards_do_not_grow_together() {
    let disk = MemoryDisk::new();
    let config = HashConfig { shards: 16, ..TINY };
    let ((index, _), _) = try_open(&disk, config).unwrap();
    fill(&index, 0..40_000).unwrap();
    // Between here and twice as much, each shard grows two or three times: spread, not at once.
    let mut most = 0;
    let mut before = index.stats().growths;
    for number in (40_000..80_000).step_by(500) {
        fill(&index, number..number + 500).unwrap();
        let now = index.stats().growths;
        most = most.max(now - before);
        before = now;
    }
    assert!(most <= 8, "{most} of 16 shards grew within 500 inserts");
}

/// The checkpoint names the generation that it flushes, though the shard has moved on when the mark is written.
#[test]
fn a_shard_that_grows_while_it_is_flushed() {
    let disk = MemoryDisk::new();
    let source = Arc::new(Interrupting {
        inner: HeapSource::new(disk.clone()),
        interruption: Arc::default(),
    });
    let interruption = source.interruption.clone();
    let config = HashConfig {
        number_block: 256,
        ..TINY
    };
    let (index, _) = HashIndex::open(disk.clone(), source, STORE, config).unwrap();
    let index = Arc::new(index);
    fill(&index, 0..600).unwrap();
    let busy = index.clone();
    *interruption.lock() = Some(Box::new(move || fill(&busy, 600..2_000).unwrap()));
    let before = index.stats().growths;
    index.checkpoint(&covered(7, 600)).unwrap();
    assert!(index.stats().growths >= before + 2);
    for keep in [Keep::Nothing, Keep::Everything] {
        let (adopted, opened) = open(&disk.after_crash(keep));
        assert_eq!((opened.rebuild, opened.covered), (None, covered(7, 600)));
        check(&adopted, 0..600);
    }
    check(&index, 0..2_000);
    index.close(&covered(21, 0)).unwrap();
    let (adopted, opened) = open(&disk.after_crash(Keep::Nothing));
    assert_eq!((opened.rebuild, opened.covered), (None, covered(21, 0)));
    check(&adopted, 0..2_000);
}

type Interruption = Arc<Mutex<Option<Box<dyn FnOnce() + Send>>>>;

/// Does something after the next flush.
struct Interrupting {
    inner: HeapSource,
    interruption: Interruption,
}

struct InterruptingPages(Box<dyn Pages>, Interruption);

impl PageSource for Interrupting {
    fn map(&self, path: &DiskPath, len: u64) -> io::Result<Box<dyn Pages>> {
        let pages = self.inner.map(path, len)?;
        let interruption = self.interruption.clone();
        Ok(Box::new(InterruptingPages(pages, interruption)))
    }
}

impl Pages for InterruptingPages {
    fn lines(&self) -> usize {
        self.0.lines()
    }

    fn load_line(&self, line: usize) -> [u64; LINE_WORDS] {
        self.0.load_line(line)
    }

    fn store(&self, word: usize, value: u64) {
        self.0.store(word, value);
    }

    fn flush(&self) -> io::Result<()> {
        self.0.flush()?;
        let interruption = self.1.lock().take();
        if let Some(interrupt) = interruption {
            interrupt();
        }
        Ok(())
    }
}

/// The figure to plan memory with. Between two growths of most shards it swings around its mean.
#[test]
fn a_million_entries_take_about_24_bytes_each() {
    let ((index, _), _) = try_open(&MemoryDisk::new(), HashConfig::default()).unwrap();
    let mut figures = Vec::new();
    for number in 0..1_000_000 {
        let place = place(1 + number / 4_000, number);
        index.insert(&id(number), place, &mut nobody_asks).unwrap();
        if number >= 300_000 && number % 10_000 == 0 {
            let stats = index.stats();
            figures.push(stats.bytes as f64 / stats.entries as f64);
        }
    }
    let mean = figures.iter().sum::<f64>() / figures.len() as f64;
    let most = figures.iter().copied().fold(0.0, f64::max);
    println!("{:?}", index.stats());
    println!("bytes an entry from 300,000 entries on: mean {mean:.1}, most {most:.1}");
    assert!(mean < 24.5 && most < 26.0, "{figures:?}");
    let found = (0..1_000_000).filter(|number| !index.lookup(&id(*number)).is_empty());
    assert_eq!(found.count(), 1_000_000);
}

#[test]
fn on_a_full_disk_a_shard_fills_up_then_fails_and_lookups_go_on() {
    let disk = MemoryDisk::new();
    let (index, _) = open(&disk);
    fill(&index, 0..10).unwrap();
    index.checkpoint(&covered(1, 80)).unwrap();
    disk.set_full(true);
    let failed = (10..600).find(|number| fill(&index, *number..number + 1).is_err());
    let failed = failed.expect("two shards of one page cannot hold 600");
    assert!(
        failed > 440,
        "the slack above the load was not used: {failed}"
    );
    check(&index, 0..failed);
    assert!(is_poisoned(index.checkpoint(&covered(9, 0))));
    assert!(is_poisoned(index.remove(&id(0), &place(1, 0))));

    disk.set_full(false);
    let (index, opened) = open(&disk);
    assert_eq!((opened.rebuild, &opened.covered), (None, &covered(1, 80)));
    check(&index, 0..10);
    fill(&index, 0..600).unwrap();
    check(&index, 0..600);
}

#[test]
fn a_shard_grows_once_there_is_room_again() {
    let disk = MemoryDisk::new();
    let (index, _) = open(&disk);
    disk.set_full(true);
    fill(&index, 0..420).unwrap();
    assert_eq!(index.stats().growths, 0);
    disk.set_full(false);
    fill(&index, 420..490).unwrap();
    assert_eq!(index.stats().growths, 2, "before the shards are full");
    fill(&index, 490..1_000).unwrap();
    check(&index, 0..1_000);
}

#[test]
fn readers_find_everything_while_writers_grow_and_checkpoint() {
    let (index, _) = open(&MemoryDisk::new());
    fill(&index, 0..200).unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut rounds = 0;
            while !done.load(Ordering::Acquire) || rounds == 0 {
                check(&index, 0..200);
                rounds += 1;
            }
        });
        let writers = [200..4_000, 4_000..8_000].map(|numbers| {
            let index = &index;
            scope.spawn(move || fill(index, numbers))
        });
        for _ in 0..20 {
            index.checkpoint(&covered(1, 0)).unwrap();
        }
        for writer in writers {
            writer.join().unwrap().unwrap();
        }
        done.store(true, Ordering::Release);
        reader.join().unwrap();
    });
    check(&index, 0..8_000);
    assert_eq!(index.stats().entries, 8_000);
}

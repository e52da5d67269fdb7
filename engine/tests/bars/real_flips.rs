//! Bar 6 on real files: a bit of any kind of file and of any region of it is flipped, the store is opened, and everything is
//! read: right bytes or an error. CI samples every region; `MORAINE_EVERY_BYTE=1` goes through all bytes.

use crate::common::Tally;
use crate::real_store::{Folder, Sample, Seen, files, look, make};
use crate::regions::Regions;
use moraine_engine::fsck;
use moraine_engine::testing::{Campaign, Check, Failure, Rng, ensure, scaled};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Mutex;

/// Flips in each region, in CI.
const EACH: u64 = 10;

/// A byte to be damaged: what it is, which of those, and whether the indexes are taken away first.
struct Flip {
    what: String,
    number: u64,
    without_indexes: bool,
}

fn flips(regions: &Regions) -> Vec<Flip> {
    let every = std::env::var_os("MORAINE_EVERY_BYTE").is_some();
    let base = std::env::var("MORAINE_SEED_BASE").map_or(0, |base| base.parse().unwrap());
    let mut rng = Rng::new(base);
    let mut out = Vec::new();
    for what in regions.0.keys() {
        let len = regions.len(what);
        let numbers: Vec<u64> = if every {
            (0..len).collect()
        } else {
            (0..scaled(EACH)).map(|_| rng.below(len)).collect()
        };
        out.extend(numbers.into_iter().map(|number| Flip {
            what: what.clone(),
            number,
            without_indexes: !what.contains("index") && number % 2 == 1,
        }));
    }
    out
}

fn is_log(what: &str) -> bool {
    !what.contains("index") && !what.contains("superblock") && what != "store.key"
}

/// What came of a flip.
struct Outcome {
    seen: Seen,
    /// `fsck` had found something, before the store was opened.
    found: bool,
    /// The byte is one of the last segment.
    in_last: bool,
}

/// Damages one bit and looks at what is left.
fn run(sample: &Sample, regions: &Regions, flip: &Flip, bit: u8) -> Result<Outcome, Failure> {
    let (path, at) = regions.place(&flip.what, flip.number);
    let copy = Folder::copy_of(&sample.folder.0);
    let mut bytes = fs::read(copy.0.join(&path)).unwrap();
    bytes[usize::try_from(at.start).unwrap()] ^= 1 << bit;
    fs::write(copy.0.join(&path), &bytes).unwrap();
    if flip.without_indexes {
        fs::remove_dir_all(copy.0.join("index")).unwrap();
    }
    let place = |failure: Failure| {
        let Failure(why) = failure;
        Failure(format!(
            "{}: bit {bit} of byte {} of {path}: {why}",
            flip.what, at.start
        ))
    };
    let report = fsck::run(&copy.0, &mut |_| {});
    let found = report.is_ok_and(|report| !report.is_clean());
    let seen = look(&copy.0, &sample.objects).map_err(place)?;
    Ok(Outcome {
        seen,
        found,
        in_last: sample.last_segment() == path,
    })
}

/// How often each region was hit, and what came of it: flips, found by `fsck`, refused, unreadable, missing.
static SUMMARY: Mutex<BTreeMap<(bool, String), [u64; 5]>> = Mutex::new(BTreeMap::new());

fn summarise(sealed: bool, what: &str, Outcome { seen, found, .. }: &Outcome) {
    let mut summary = SUMMARY.lock().unwrap();
    let row = summary.entry((sealed, what.to_owned())).or_default();
    let more = [
        1,
        u64::from(*found),
        seen.refused.into(),
        seen.unreadable,
        seen.missing,
    ];
    row.iter_mut()
        .zip(more)
        .for_each(|(sum, more)| *sum += more);
}

fn campaign(name: &'static str, sealed: bool, judge: impl Fn(&str, &Outcome) -> Check + Sync) {
    crate::common::arm_canary();
    let sample = make(sealed);
    let regions = Regions::of(&sample.folder.0);
    let flips = flips(&regions);
    let count = flips.len() as u64;
    Campaign { name, count }.all(|number| {
        let flip = &flips[usize::try_from(number).unwrap()];
        let bit = u8::try_from(Rng::new(number).below(8)).unwrap();
        let outcome = run(&sample, &regions, flip, bit)?;
        summarise(sealed, &flip.what, &outcome);
        judge(&flip.what, &outcome).map_err(|Failure(why)| {
            let (path, at) = regions.place(&flip.what, flip.number);
            Failure(format!("{}, byte {} of {path}: {why}", flip.what, at.start))
        })
    });
    println!(
        "{count} flips in {} regions; each: flips, found by fsck, refused, unreadable, missing",
        regions.0.len()
    );
    for ((_, what), row) in SUMMARY.lock().unwrap().iter() {
        println!("{what:40} {row:?}");
    }
}

/// Where two copies lie side by side, or an index can be built anew, nothing at all may be missing.
#[test]
fn bar_06_flips_in_a_closed_store() {
    campaign("bar_06_flips_in_a_closed_store", true, |what, outcome| {
        let seen = &outcome.seen;
        ensure!(seen.missing == 0, "{} names are missing", seen.missing);
        ensure!(seen.refused == (what == "store.key"), "{seen:?}");
        if !is_log(what) && what != "store.key" {
            ensure!(seen.is_whole(), "{seen:?}");
        }
        // Without its footer the last segment looks like one whose process was killed: the end is found again, no damage.
        let like_a_kill = outcome.in_last && (what.contains("footer") || what == "trailer");
        if !what.contains("index") && !like_a_kill {
            ensure!(outcome.found, "fsck does not see it");
        }
        Ok(())
    });
}

/// The end of a log that nothing attests may be taken for a tear; a slot of an index that was not closed may hide its record.
#[test]
fn bar_06_flips_in_a_killed_store() {
    campaign("bar_06_flips_in_a_killed_store", false, |what, outcome| {
        let seen = &outcome.seen;
        ensure!(seen.refused == (what == "store.key"), "{seen:?}");
        if !is_log(what) && what != "store.key" && what != "hash index, slot" {
            ensure!(seen.is_whole(), "{seen:?}");
        }
        if is_log(what) && !outcome.in_last {
            ensure!(seen.missing == 0, "{} names are missing", seen.missing);
            ensure!(outcome.found, "fsck does not see it");
        }
        Ok(())
    });
}

/// The regions are all there: a sample that holds no manifest would never have one damaged.
#[test]
fn bar_06_the_samples_hold_every_kind_of_byte() {
    static SEEN: Tally = Tally::new();
    for sealed in [true, false] {
        let sample = make(sealed);
        let regions = Regions::of(&sample.folder.0);
        for kind in [
            "Extent",
            "Manifest",
            "Name",
            "Tombstone",
            "Catalog",
            "Start",
        ] {
            let what = format!("payload, {kind}");
            assert!(regions.0.contains_key(&what), "{what}");
        }
        let total: u64 = regions.0.keys().map(|what| regions.len(what)).sum();
        assert_eq!(
            total,
            bytes_of(&sample.folder.0),
            "every byte is in one region"
        );
        let seen = look(&sample.folder.0, &sample.objects).unwrap();
        assert!(seen.is_whole(), "{seen:?}");
        SEEN.add(regions.0.len() as u64);
    }
    SEEN.at_least(40);
}

fn bytes_of(folder: &Path) -> u64 {
    let sizes = files(folder).into_iter();
    sizes
        .map(|path| fs::metadata(folder.join(path)).unwrap().len())
        .sum()
}

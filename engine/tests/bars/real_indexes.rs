//! Bar 8 on real files, mapped pages and `fjall`: index files deleted, cut, blanked, swapped, stale or of another store, and any
//! of them at once, before an open. The result is the same content, and a store whose check finds nothing. Where a link leads nowhere, that
//! comes only once it leads somewhere: before, the store is not opened, and nothing is changed.

use crate::real_store::{Folder, Sample, copy, files, look, make, options};
use moraine_engine::testing::{Campaign, Check, Failure, ensure};
use moraine_engine::{Error, Store, fsck};
use std::fs;
use std::path::{Path, PathBuf};

/// Something that happens to `index/` while the store is closed.
enum Fault {
    Deleted(String),
    Cut(String),
    Blanked(String),
    Grown(String),
    Swapped(String, String),
    /// This part is as it was earlier.
    Stale(String),
    /// This part is another store's.
    Foreign(String),
    /// A folder is a file.
    Flat(String),
    /// A file is a folder with something in it.
    Deep(String),
    /// There is a link that leads nowhere.
    Dangling(String),
}

fn faults(index: &Path) -> Vec<Fault> {
    let files = files(index);
    let mut out = Vec::new();
    for part in ["", "hash", "names"] {
        out.push(Fault::Deleted(part.to_owned()));
        out.push(Fault::Stale(part.to_owned()));
        out.push(Fault::Foreign(part.to_owned()));
        out.push(Fault::Flat(part.to_owned()));
        out.push(Fault::Dangling(part.to_owned()));
    }
    // None of these is there when a store was closed.
    for (path, made) in [
        ("rebuild/names.0", Fault::Deep as fn(String) -> Fault),
        ("rebuild", Fault::Flat),
        ("hash/mark.tmp", Fault::Deep),
        ("names/removed", Fault::Deep),
        ("names/suspect", Fault::Deep),
    ] {
        out.push(made(path.to_owned()));
    }
    for file in &files {
        out.push(Fault::Deleted(file.clone()));
        out.push(Fault::Cut(file.clone()));
        out.push(Fault::Blanked(file.clone()));
        out.push(Fault::Grown(file.clone()));
        out.push(Fault::Stale(file.clone()));
        out.push(Fault::Foreign(file.clone()));
        out.push(Fault::Deep(file.clone()));
        for other in files.iter().filter(|other| *other > file) {
            out.push(Fault::Swapped(file.clone(), other.clone()));
        }
    }
    out
}

impl Fault {
    fn inflict(&self, index: &Path, earlier: &Path, foreign: &Path) {
        match self {
            Self::Deleted(part) => remove(&index.join(part)),
            Self::Cut(file) => {
                let bytes = fs::read(index.join(file)).unwrap();
                fs::write(index.join(file), &bytes[..bytes.len() / 2]).unwrap();
            }
            Self::Blanked(file) => {
                let len = fs::metadata(index.join(file)).unwrap().len();
                fs::write(index.join(file), vec![0; usize::try_from(len).unwrap()]).unwrap();
            }
            Self::Grown(file) => {
                let mut bytes = fs::read(index.join(file)).unwrap();
                bytes.extend_from_slice(&[0xa5; 5000]);
                fs::write(index.join(file), bytes).unwrap();
            }
            Self::Swapped(one, other) => {
                let spare = index.join("spare");
                fs::rename(index.join(one), &spare).unwrap();
                fs::rename(index.join(other), index.join(one)).unwrap();
                fs::rename(spare, index.join(other)).unwrap();
            }
            Self::Stale(part) => take_from(earlier, index, part),
            Self::Foreign(part) => take_from(foreign, index, part),
            Self::Flat(part) => {
                remove(&index.join(part));
                fs::write(named(index, part), b"not a folder").unwrap();
            }
            Self::Deep(part) => {
                remove(&index.join(part));
                fs::create_dir_all(index.join(part)).unwrap();
                fs::write(index.join(part).join("file"), b"not a file").unwrap();
            }
            Self::Dangling(part) => {
                remove(&index.join(part));
                std::os::unix::fs::symlink("nowhere", named(index, part)).unwrap();
            }
        }
    }

    fn told(&self) -> String {
        match self {
            Self::Deleted(part) => format!("{part:?} deleted"),
            Self::Cut(part) => format!("{part} cut"),
            Self::Blanked(part) => format!("{part} blanked"),
            Self::Grown(part) => format!("{part} grown"),
            Self::Swapped(one, other) => format!("{one} and {other} swapped"),
            Self::Stale(part) => format!("{part:?} stale"),
            Self::Foreign(part) => format!("{part:?} of another store"),
            Self::Flat(part) => format!("{part:?} a file"),
            Self::Deep(part) => format!("{part} a folder"),
            Self::Dangling(part) => format!("{part:?} a link that leads nowhere"),
        }
    }
}

/// A store of which this part is a link that leads nowhere is not opened, and says why; then the folder is there.
fn mount(folder: &Path, part: &str) -> Check {
    let link = named(&folder.join("index"), part);
    let refused = Store::open(folder, options(false)).map(drop);
    let Err(Error::LinkAstray { path, target, .. }) = &refused else {
        return Err(Failure(format!("opened all the same: {refused:?}")));
    };
    let told = (folder.join(path.as_str()), target.as_str());
    ensure!(told == (link.clone(), "nowhere"), "{refused:?}");
    let kept = fs::read_link(&link).unwrap();
    ensure!(kept == Path::new("nowhere"), "the link was changed");
    let report = fsck::run(folder, &mut |_| {}).map_err(|error| Failure(error.to_string()))?;
    ensure!(report.findings.len() == 1, "{:?}", report.findings);
    fs::create_dir(link.with_file_name("nowhere")).unwrap();
    Ok(())
}

/// The path of a part, also of the index itself, without a slash at its end.
fn named(index: &Path, part: &str) -> PathBuf {
    index.join(part).components().collect()
}

fn remove(path: &Path) {
    if path.is_dir() {
        fs::remove_dir_all(path).unwrap();
    } else if path.exists() {
        fs::remove_file(path).unwrap();
    }
}

/// Puts a part of another index in the place of ours; it goes if the other has none.
fn take_from(other: &Path, index: &Path, part: &str) {
    let (from, to): (PathBuf, PathBuf) = (other.join(part), index.join(part));
    remove(&to);
    if from.is_dir() {
        copy(&from, &to);
    } else if from.exists() {
        fs::copy(from, to).unwrap();
    }
}

fn run(sample: &Sample, foreign: &Path, fault: &Fault) -> Check {
    let copy = Folder::copy_of(&sample.folder.0);
    let index = copy.0.join("index");
    fault.inflict(&index, &sample.earlier_index.0, foreign);
    let blame = |why: String| Failure(format!("{}: {why}", fault.told()));
    if let Fault::Dangling(part) = fault {
        mount(&copy.0, part).map_err(|Failure(why)| blame(why))?;
    }
    // Looking writes an object, so the second time the rebuilt indexes are what is read. `fjall` may open what was put
    // together from two of its trees and find only at the next start that it cannot go on with it: that is rebuilt then.
    for last in [false, false, true] {
        let seen = look(&copy.0, &sample.objects).map_err(|Failure(why)| blame(why))?;
        ensure!(seen.is_whole(), "{}: {seen:?}", fault.told());
        let left = index.join("rebuild");
        ensure!(!left.exists(), "{}: the leftovers stay", fault.told());
        let report = fsck::run(&copy.0, &mut |_| {}).map_err(|error| blame(error.to_string()))?;
        let of_index = |found: &fsck::Finding| found.subject == fsck::Subject::NameIndex;
        let passes = !last && report.findings.iter().all(of_index);
        ensure!(
            passes || report.is_clean(),
            "{}: {:?}",
            fault.told(),
            report.findings
        );
    }
    Ok(())
}

fn campaign(name: &'static str, sealed: bool) {
    crate::common::arm_canary();
    let sample = make(sealed);
    let foreign = make(true);
    let faults = faults(&sample.folder.0.join("index"));
    let count = faults.len() as u64;
    println!("{count} faults");
    assert!(count > 50, "the indexes have few files: {count} faults");
    Campaign { name, count }.all(|number| {
        let fault = &faults[usize::try_from(number).unwrap()];
        run(&sample, &foreign.folder.0.join("index"), fault)
    });
}

#[test]
fn bar_08_real_indexes_of_a_closed_store() {
    campaign("bar_08_real_indexes_of_a_closed_store", true);
}

#[test]
fn bar_08_real_indexes_of_a_killed_store() {
    campaign("bar_08_real_indexes_of_a_killed_store", false);
}

//! The name index on each candidate for its storage engine: `names fjall|redb FOLDER NAMES SECONDS`, one a run.
//!
//! Names are put in commits of 64 until there are NAMES of them or SECONDS have passed, then in commits of 16; then they
//! are read, listed and overwritten; then the program runs itself again, writes for 30 s without a persist, is killed,
//! and opens what is left. During the load every two seconds a persist. Three quarters of the names come in ascending
//! order in three buckets (Mastodon's numbers grow with time), a quarter in random order (other servers name by hash).
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    reason = "a measurement ends with a panic when something goes wrong, and prints what it found"
)]

use bytes::Bytes;
use moraine_engine::format::NameKey;
use moraine_engine::index::Covered;
use moraine_engine::index::names::{
    Change, DiskKv, DiskOptions, Kv, KvStats, ListQuery, ListStart, NameChange, NameIndex,
    NamesError, RebuildReason, RowSink, Table, Visit, Visitor,
};
use moraine_engine::{
    BucketId, Hlc, Id, Incarnation, LogPoint, NodeId, Offset, Position, SegmentNumber, Version,
};
use redb::{Database, Durability, ReadableDatabase, TableDefinition};
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

const CACHE: u64 = 256 << 20;
const NODE: NodeId = NodeId(1);

/// The candidate that lost, behind the same seam.
struct RedbKv(Database);

type Rows = TableDefinition<'static, &'static [u8], &'static [u8]>;

const fn definition(table: Table) -> Rows {
    TableDefinition::new(match table {
        Table::Names => "names",
        Table::Reverse => "reverse",
        Table::Meta => "meta",
    })
}

fn failed(error: impl std::fmt::Display) -> NamesError {
    RebuildReason::Storage(error.to_string()).into()
}

impl RedbKv {
    fn open(folder: &Path) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        let database = Database::builder()
            .set_cache_size(usize::try_from(CACHE).unwrap())
            .create(folder.join("names.redb"))
            .unwrap();
        let mut write = database.begin_write().unwrap();
        write.set_quick_repair(true);
        for table in Table::ALL {
            write.open_table(definition(table)).unwrap();
        }
        write.commit().unwrap();
        Self(database)
    }
}

impl Kv for RedbKv {
    fn engine(&self) -> &'static str {
        "redb"
    }

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, NamesError> {
        let read = self.0.begin_read().map_err(failed)?;
        let rows = read.open_table(definition(table)).map_err(failed)?;
        let found = rows.get(key).map_err(failed)?;
        Ok(found.map(|value| value.value().to_vec()))
    }

    fn commit(&self, changes: Vec<Change>) -> Result<(), NamesError> {
        let mut write = self.0.begin_write().map_err(failed)?;
        write.set_durability(Durability::None).map_err(failed)?;
        for table in Table::ALL {
            let mut rows = write.open_table(definition(table)).map_err(failed)?;
            for change in changes.iter().filter(|change| change.table == table) {
                match &change.value {
                    Some(value) => rows.insert(change.key.as_slice(), value.as_slice()),
                    None => rows.remove(change.key.as_slice()),
                }
                .map_err(failed)?;
            }
        }
        write.commit().map_err(failed)
    }

    fn fill(
        &self,
        rows: &mut dyn FnMut(&mut RowSink<'_>) -> Result<(), NamesError>,
    ) -> Result<(), NamesError> {
        let mut changes = Vec::new();
        rows(&mut |table, key, value| {
            changes.push(Change {
                table,
                key: key.to_vec(),
                value: Some(value.to_vec()),
            });
            Ok(())
        })?;
        self.commit(changes)?;
        self.persist()
    }

    fn range(
        &self,
        table: Table,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        visit: &mut Visitor<'_>,
    ) -> Result<(), NamesError> {
        let read = self.0.begin_read().map_err(failed)?;
        let rows = read.open_table(definition(table)).map_err(failed)?;
        for row in rows.range::<&[u8]>((from, to)).map_err(failed)? {
            let (key, value) = row.map_err(failed)?;
            if visit(key.value(), value.value())? == Visit::Stop {
                break;
            }
        }
        Ok(())
    }

    fn persist(&self) -> Result<(), NamesError> {
        let mut write = self.0.begin_write().map_err(failed)?;
        write.set_quick_repair(true);
        write.commit().map_err(failed)
    }

    fn stats(&self) -> Result<KvStats, NamesError> {
        Ok(KvStats::default())
    }
}

/// A size from the environment, in MiB.
fn mib(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).map_or(otherwise, |mib| mib.parse::<u64>().unwrap() << 20)
}

fn open(engine: &str, folder: &Path) -> NameIndex {
    let kv: Box<dyn Kv> = match engine {
        "fjall" => {
            let options = DiskOptions {
                cache_bytes: mib("NAMES_CACHE_MIB", CACHE),
                memtable_bytes: mib("NAMES_MEMTABLE_MIB", 64 << 20),
            };
            Box::new(DiskKv::open(folder, options).unwrap())
        }
        "redb" => Box::new(RedbKv::open(folder)),
        _ => panic!("fjall or redb"),
    };
    NameIndex::open(kv, [7; 16]).unwrap()
}

fn name(number: u64) -> NameKey {
    let random = blake3::hash(&number.to_le_bytes());
    let (id, rest) = random.as_bytes().split_first_chunk().unwrap();
    let id = if number % 4 == 3 {
        u64::from_le_bytes(*id) % 1_000_000_000_000_000_000
    } else {
        111_000_000_000_000_000 + number * 65_536 * 100
    };
    let digits = format!("{id:018}");
    let parts: Vec<&str> = (0..6).map(|part| &digits[part * 3..part * 3 + 3]).collect();
    let hex: String = rest[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    let path = parts.join("/");
    NameKey {
        bucket: BucketId(1 + number % 4),
        key: format!("cache/media_attachments/files/{path}/original/{hex}.jpeg").into_bytes(),
    }
}

/// A row of about 250 bytes.
fn change(number: u64, generation: u64) -> NameChange {
    let key = name(number);
    let blob = Id::of(&[number, generation].map(u64::to_le_bytes).concat());
    let mut payload = key.key.clone();
    payload.extend_from_slice(blob.as_bytes());
    payload.extend_from_slice(b"image/jpeg, public, max-age=315576000");
    payload.resize(250 - 90, b' ');
    NameChange {
        key,
        version: Version {
            hlc: Hlc(1 + generation),
            node: NODE,
        },
        at: Position {
            node: NODE,
            incarnation: Incarnation(1),
            segment: SegmentNumber(number >> 20),
            offset: Offset(number),
        },
        payload: Some(Bytes::from(payload)),
        blob: Some(blob),
        size: number,
    }
}

fn put(index: &NameIndex, numbers: impl Iterator<Item = u64>, generation: u64, covered: u64) {
    let changes: Vec<_> = numbers.map(|number| change(number, generation)).collect();
    let point = LogPoint {
        segment: SegmentNumber(1),
        offset: Offset(covered),
    };
    index
        .apply(&changes, &Covered::from([(NODE, point)]), Hlc(0))
        .unwrap();
}

fn state(index: &NameIndex) -> u64 {
    index.covered().get(&NODE).map_or(0, |point| point.offset.0)
}

fn proc_field(file: &str, field: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/self/{file}")).unwrap();
    let line = text.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = text
        .rsplit_once(')')
        .unwrap()
        .1
        .split_whitespace()
        .collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

fn disk_mib(folder: &Path) -> u64 {
    let out = Command::new("du").arg("-sm").arg(folder).output().unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    text.split_whitespace().next().unwrap().parse().unwrap()
}

struct Meter {
    at: Instant,
    cpu: f64,
    written: u64,
}

impl Meter {
    fn start() -> Self {
        Self {
            at: Instant::now(),
            cpu: cpu_seconds(),
            written: proc_field("io", "write_bytes"),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    fn report(&self, what: &str, count: u64) {
        let seconds = self.at.elapsed().as_secs_f64();
        println!(
            "{what}: {count} in {seconds:.1} s, {:.0}/s, CPU {:.1} us each, written {} MiB, peak memory {} MiB",
            count as f64 / seconds,
            (cpu_seconds() - self.cpu) * 1e6 / count as f64,
            (proc_field("io", "write_bytes") - self.written) >> 20,
            proc_field("status", "VmHWM") >> 10,
        );
    }
}

/// Puts names in order of their numbers; returns how far it came.
fn load(index: &NameIndex, from: u64, to: u64, batch: u64, limit: Duration, persist: bool) -> u64 {
    let meter = Meter::start();
    let mut persisted = Instant::now();
    let mut slowest = Duration::ZERO;
    let mut at = from;
    while at < to && meter.at.elapsed() < limit {
        let end = (at + batch).min(to);
        let before = Instant::now();
        put(index, at..end, 0, end);
        if persist && persisted.elapsed() >= Duration::from_secs(2) {
            index.persist().unwrap();
            persisted = Instant::now();
        }
        slowest = slowest.max(before.elapsed());
        at = end;
    }
    meter.report(&format!("put, commits of {batch}"), at - from);
    println!("  slowest commit {} ms", slowest.as_millis());
    at
}

fn repeat(what: &str, limit: u64, step: u64, mut call: impl FnMut(u64)) {
    let meter = Meter::start();
    let mut count = 0;
    while count < limit && meter.at.elapsed() < Duration::from_secs(20) {
        call(count);
        count += step;
    }
    meter.report(what, count);
}

fn pick(number: u64, end: u64) -> u64 {
    let hash = blake3::hash(&number.to_be_bytes());
    u64::from_le_bytes(*hash.as_bytes().first_chunk().unwrap()) % end
}

fn measure(index: &NameIndex, folder: &Path, names: u64, limit: Duration) {
    let names = load(index, 0, names, 64, limit, true);
    index.persist().unwrap();
    println!(
        "size {} MiB, {} bytes a name",
        disk_mib(folder),
        (disk_mib(folder) << 20) / names
    );
    let names = load(
        index,
        names,
        names + 500_000,
        16,
        Duration::from_secs(30),
        true,
    );
    index.persist().unwrap();
    repeat("random get", 300_000, 1, |number| {
        assert!(index.get(&name(pick(number, names))).unwrap().is_some());
    });
    repeat("absent get", 300_000, 1, |number| {
        let mut name = name(pick(number, names));
        name.key.push(b'x');
        assert!(index.get(&name).unwrap().is_none());
    });
    repeat("list 1000", 3_000, 1, |number| {
        let name = name(pick(number, names));
        let query = ListQuery {
            start: ListStart::AfterKey(name.key),
            limit: 1000,
            ..ListQuery::default()
        };
        index.list(name.bucket, &query).unwrap();
    });
    repeat("random overwrite, commits of 16", 200_000, 16, |number| {
        put(
            index,
            (number..number + 16).map(|number| pick(number, names)),
            1,
            names,
        );
    });
    index.persist().unwrap();
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let [_, engine, folder, names, seconds, rest @ ..] = args.as_slice() else {
        panic!("names fjall|redb FOLDER NAMES SECONDS");
    };
    let folder = PathBuf::from(folder);
    let meter = Meter::start();
    let index = open(engine, &folder);
    match rest.first().map(String::as_str) {
        None => {
            let limit = Duration::from_secs(seconds.parse().unwrap());
            measure(&index, &folder, names.parse().unwrap(), limit);
            drop(index);
            println!("size after close {} MiB", disk_mib(&folder));
            for phase in ["kill", "reopen"] {
                let program = std::env::current_exe().unwrap();
                Command::new(program)
                    .args(&args[1..])
                    .arg(phase)
                    .status()
                    .unwrap();
            }
        }
        Some("kill") => {
            load(
                &index,
                state(&index),
                u64::MAX,
                16,
                Duration::from_secs(30),
                false,
            );
            let me = std::process::id().to_string();
            Command::new("kill").args(["-9", &me]).status().unwrap();
        }
        Some(_) => {
            assert!(index.get(&name(5)).unwrap().is_some());
            println!("after kill -9 at {}: ", state(&index));
            meter.report("open and first get", 1);
        }
    }
}

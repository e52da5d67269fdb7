//! How an index is found on disk: adopted as the mark says, or started afresh.

use super::HashIndex;
use super::config::HashConfig;
use super::files::{Files, ShardFile, Undurable};
use super::mark::SHARDS_AT;
use super::mark::{Mark, ShardMark};
use super::pages::PageSource;
use super::reason::RebuildReason;
use super::segments::SegmentTable;
use super::shard::Shard;
use crate::error::Result;
use crate::index::Covered;
use crate::io::Disk;
use crate::sync::atomic::AtomicBool;
use crate::sync::{Arc, Mutex, RwLock};

/// What was found on disk.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HashOpen {
    /// The index holds every record before these points; replay starts here.
    pub covered: Covered,
    /// Why the index starts empty, if it does; `covered` is empty then.
    pub rebuild: Option<RebuildReason>,
}

impl HashIndex {
    /// The number of shards that the bytes of a mark state, if it is one that an index can have. Nothing else is checked.
    pub fn shards_in(mark: &[u8]) -> Option<u32> {
        let field = mark.get(SHARDS_AT..)?.first_chunk()?;
        let shards = u32::from_le_bytes(*field);
        (shards.is_power_of_two() && shards <= HashConfig::SHARDS_MAX).then_some(shards)
    }

    /// Opens the index of the store `store_id` in `index/hash`, which is created if it is absent. An index that cannot
    /// be trusted is replaced by an empty one.
    ///
    /// # Errors
    /// Only if the disk fails, or is full.
    pub fn open(
        disk: Arc<dyn Disk>,
        pages: Arc<dyn PageSource>,
        store_id: [u8; 16],
        config: HashConfig,
    ) -> Result<(Self, HashOpen)> {
        config.check();
        let files = Files::new(disk, pages, store_id, config.shards);
        files.create_dir()?;
        let found = match files.read_mark()? {
            Ok(found) => adopt(&files, &config, found)?,
            Err(reason) => Err(reason),
        };
        let (parts, rebuild) = match found {
            Ok(parts) => (parts, None),
            Err(reason) => {
                report(reason);
                (start_afresh(&files, &config)?, Some(reason))
            }
        };
        let Parts {
            mark,
            segments,
            shards,
        } = parts;
        let covered = mark.covered.clone();
        let index = Self {
            files,
            config,
            shards,
            segments: RwLock::new(segments),
            mark: Mutex::new(mark),
            changing: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
            stop_reason: Mutex::new(None),
        };
        Ok((index, HashOpen { covered, rebuild }))
    }
}

/// What an index consists of.
struct Parts {
    mark: Mark,
    segments: SegmentTable,
    shards: Vec<Shard>,
}

/// Says for the log why an index is rebuilt; silent where there is none yet.
fn report(reason: RebuildReason) {
    if reason != RebuildReason::Absent {
        tracing::warn!(%reason, "the hash index is rebuilt from the log");
    }
}

/// Opens the shards as the mark names them.
fn adopt(
    files: &Files,
    config: &HashConfig,
    (mark, mut segments): (Mark, SegmentTable),
) -> Result<Result<Parts, RebuildReason>> {
    if u32::try_from(mark.shards.len()) != Ok(config.shards) {
        return Ok(Err(RebuildReason::OtherShardCount));
    }
    if !mark.clean {
        segments.skip_reserved();
    }
    if segments.left_at_all() < config.number_block {
        return Ok(Err(RebuildReason::NumbersUsedUp));
    }
    let next_generation = next_generation(&files.shard_files()?);
    let mut shards = Vec::with_capacity(mark.shards.len());
    for (shard, state) in (0..).zip(&mark.shards) {
        let file = ShardFile {
            shard,
            generation: state.generation,
        };
        if file.generation == 0 {
            shards.push(new_shard(files, config, shard, next_generation)?);
            continue;
        }
        let sequences = state.sequence..=mark.sequence.saturating_add(1);
        let table = match files.adopt(file, state.pages, sequences)? {
            Ok(table) => table,
            Err(reason) => return Ok(Err(reason)),
        };
        let used = state.entries.checked_add(state.dead);
        if used.is_none_or(|used| used > table.slots()) {
            return Ok(Err(RebuildReason::DamagedMark));
        }
        if mark.clean && table.crc() != state.crc {
            return Ok(Err(RebuildReason::DamagedShard { shard }));
        }
        // After a crash of the process alone, the pages may show what is not on the disk yet. Replay finds it there,
        // changes nothing, and the next checkpoint must flush it all the same.
        let dirty = !mark.clean;
        shards.push(Shard::new(table, *state, next_generation, dirty));
    }
    Ok(Ok(Parts {
        mark,
        segments,
        shards,
    }))
}

/// Starts with empty shards. Until the new mark is durable the next open finds the same fault, or another one.
fn start_afresh(files: &Files, config: &HashConfig) -> Result<Parts> {
    let mark = Mark::empty(files.store_id(), 0, config.shards);
    let mut segments = SegmentTable::default();
    files
        .write_mark(&mark.encode(&segments, config.number_block))
        .map_err(Undurable::into_error)?;
    segments.raise_limit(config.number_block);
    let old = files.shard_files()?;
    for file in &old {
        files.remove(*file);
    }
    let shards = (0..config.shards)
        .map(|shard| new_shard(files, config, shard, next_generation(&old)))
        .collect::<Result<_>>()?;
    Ok(Parts {
        mark,
        segments,
        shards,
    })
}

/// A shard that is empty, with a file that no mark names yet.
fn new_shard(files: &Files, config: &HashConfig, shard: u32, generation: u64) -> Result<Shard> {
    let file = ShardFile { shard, generation };
    let table = files.create(file, u64::from(config.initial_pages), 0)?;
    Ok(Shard::new(
        table,
        ShardMark::default(),
        generation + 1,
        false,
    ))
}

/// A generation that no file has.
fn next_generation(files: &[ShardFile]) -> u64 {
    let newest = files.iter().map(|file| file.generation).max();
    newest.unwrap_or_default().saturating_add(1)
}

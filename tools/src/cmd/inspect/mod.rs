//! `moraine inspect`: what lies in a store's files. Reads only and takes no lock, so it also works beside a running server,
//! whose newest batches it may not see.

mod index;
mod places;
mod segment;
mod segments;
mod superblock;

use crate::failure::{Failure, Outcome, printed};
use crate::settings::{DEFAULT_DATA, data_parser};
use crate::sheet::Sheet;
use clap::Subcommand;
use moraine_engine::inspect::Inspector;
use moraine_engine::{Id, SegmentNumber};
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The arguments of the subcommand.
#[derive(clap::Args)]
pub struct Args {
    /// The data directory
    #[arg(long, global = true, value_name = "DIR", env = "MORAINE_DATA", default_value = DEFAULT_DATA, value_parser = data_parser())]
    data: PathBuf,
    /// Print one JSON object instead of text
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Store and node, format version, feature flags, sizes
    Superblock,
    /// Every segment: its log, state, sizes and totals
    Segments,
    /// One segment: its header and footer, and with a flag what lies between
    Segment {
        /// Its number, as `inspect segments` shows it
        number: u64,
        /// List its batches
        #[arg(long, conflicts_with = "records")]
        batches: bool,
        /// List its records
        #[arg(long)]
        records: bool,
    },
    /// Fill and sizes of the hash index and the name index
    Index,
    /// Every record of a key, and where its bytes lie
    Key {
        /// The bucket's name
        bucket: String,
        /// The key
        key: String,
    },
    /// Where a blob or extent lies, and which keys it belongs to
    Blob {
        /// Its BLAKE3, as `b3sum` prints it
        id: String,
    },
}

/// Prints what was asked for.
pub fn run(args: &Args) -> Outcome {
    warn_if_in_use(&args.data);
    let inspector = Inspector::open(&args.data)?;
    let sheet: Sheet = match &args.what {
        What::Superblock => superblock::show(&inspector)?,
        What::Segments => segments::show(&inspector),
        What::Segment {
            number,
            batches,
            records,
        } => {
            let listed = match (batches, records) {
                (true, _) => segment::Listed::Batches,
                (_, true) => segment::Listed::Records,
                _ => segment::Listed::Nothing,
            };
            segment::show(&inspector, SegmentNumber(*number), listed)?
        }
        What::Index => index::show(&inspector)?,
        What::Key { bucket, key } => places::key(&inspector, bucket, key)?,
        What::Blob { id } => {
            let id: Id = id.parse().map_err(|_| {
                Failure::new(format!(
                    "{id:?} is no id: give the 64 hexadecimal digits of a BLAKE3"
                ))
            })?;
            places::blob(&inspector, &id)?
        }
    };
    printed(sheet.print(args.json, &mut std::io::stdout().lock()))?;
    Ok(ExitCode::SUCCESS)
}

/// A server that has the store open holds this lock exclusively.
fn warn_if_in_use(data: &Path) {
    let held = File::open(data.join("LOCK")).map(|lock| lock.try_lock_shared());
    if matches!(held, Ok(Err(TryLockError::WouldBlock))) {
        eprintln!(
            "moraine: {} is in use: what was written last may be missing here",
            data.display()
        );
    }
}

//! One extent or manifest on its way in: hash, pin, look up, and hand over what is new. Runs on a worker's
//! thread, and answers from one: MD5s are computed for several bodies at once.

use super::blob_writer::Held;
use super::in_flight::{Claim, First, InFlight};
use super::shared::Shared;
use crate::budget::Grant;
use crate::digest::Md5;
use crate::error::{Error, Result};
use crate::format::{Digests, ManifestExtent, RecordKind, chaining_value};
use crate::id::Id;
use crate::log::{Draft, DraftId, Item};
use crate::stats::Counters;
use crate::sync::{Arc, oneshot};
use bytes::Bytes;

/// An extent that was hashed and looked up.
pub(crate) struct Hashed {
    pub extent: ManifestExtent,
    pub md5: Md5,
    pub held: Held,
}

/// A body of one extent that was hashed and looked up.
pub(crate) enum Single {
    /// All is known.
    Done { id: Id, md5: [u8; 16], held: Held },
    /// Somebody else's record with the same bytes is on its way, and with it perhaps their MD5.
    Attached {
        id: Id,
        payload: Bytes,
        grant: Option<Grant>,
        entry: Arc<InFlight>,
        held: Held,
    },
}

/// Hashes one extent of a longer body, which lies at `offset` of the object, and stores it unless it is known.
pub(crate) fn ingest_extent(
    shared: &Arc<Shared>,
    payload: Bytes,
    offset: u64,
    grant: Option<Grant>,
    md5: Md5,
    sender: oneshot::Sender<Result<Hashed>>,
) {
    let ingested = ingest_without_md5(shared, payload.clone(), offset, grant);
    match ingested {
        Ok((extent, held)) => shared.md5.add(md5, payload, move |md5| {
            let _ = sender.send(Ok(Hashed { extent, md5, held }));
        }),
        Err(error) => {
            let _ = sender.send(Err(error));
        }
    }
}

fn ingest_without_md5(
    shared: &Arc<Shared>,
    payload: Bytes,
    offset: u64,
    grant: Option<Grant>,
) -> Result<(ManifestExtent, Held)> {
    let len = u32::try_from(payload.len()).expect("an extent is at most 1 MiB");
    let id = Id::of(&payload);
    // A part may be guessed to begin where no subtree of this length can: its value is then computed on completion.
    let chaining = match blake3::hazmat::max_subtree_len(offset) {
        Some(limit) if limit < u64::from(len) => [0; 32],
        _ => chaining_value(&payload, offset),
    };
    let mut held = Held::default();
    if let LookUp::New(first) = look_up(shared, id, payload.len(), &mut held)? {
        let kind = RecordKind::Extent;
        let digests = Digests::default();
        queue(shared, first, kind, id, payload, digests, grant, &mut held)?;
    }
    Ok((ManifestExtent { id, chaining, len }, held))
}

/// Stores a body of one extent unless it is known. Its MD5 is that of the known record where it has one; for new content
/// it is computed, and kept with the record.
pub(crate) fn ingest_single(
    shared: &Arc<Shared>,
    payload: Bytes,
    grant: Option<Grant>,
    sender: oneshot::Sender<Result<Single>>,
) {
    let id = Id::of(&payload);
    let mut held = Held::default();
    let found = look_up(shared, id, payload.len(), &mut held);
    let answer = match found {
        Ok(LookUp::New(first)) => {
            return ingest_new(shared, first, id, payload, grant, held, sender);
        }
        Ok(LookUp::Known(Digests { md5: None, .. })) => {
            return shared.md5.add(Md5::default(), payload, move |md5| {
                let md5 = md5.finish();
                let _ = sender.send(Ok(Single::Done { id, md5, held }));
            });
        }
        Ok(LookUp::Known(Digests { md5: Some(md5), .. })) => Ok(Single::Done { id, md5, held }),
        Ok(LookUp::Attached(entry)) => Ok(Single::Attached {
            id,
            payload,
            grant,
            entry,
            held,
        }),
        Err(error) => Err(error),
    };
    let _ = sender.send(answer);
}

/// Hands new content of one extent to the log writer once its MD5 is there.
fn ingest_new(
    shared: &Arc<Shared>,
    first: First,
    id: Id,
    payload: Bytes,
    grant: Option<Grant>,
    mut held: Held,
    sender: oneshot::Sender<Result<Single>>,
) {
    let job = Arc::clone(shared);
    shared.md5.add(Md5::default(), payload.clone(), move |md5| {
        let md5 = md5.finish();
        let digests = Digests {
            md5: Some(md5),
            sha256: None,
        };
        let kind = RecordKind::Extent;
        let queued = queue(&job, first, kind, id, payload, digests, grant, &mut held);
        let _ = sender.send(queued.map(|()| Single::Done { id, md5, held }));
    });
}

/// Stores a manifest unless it is known.
pub(crate) fn ingest_manifest(
    shared: &Arc<Shared>,
    id: Id,
    payload: Bytes,
    digests: Digests,
    held: &mut Held,
) -> Result<()> {
    match look_up(shared, id, 0, held)? {
        LookUp::Known(_) | LookUp::Attached(_) => Ok(()),
        LookUp::New(first) => queue(
            shared,
            first,
            RecordKind::Manifest,
            id,
            payload,
            digests,
            None,
            held,
        ),
    }
}

enum LookUp {
    /// A record has this id.
    Known(Digests),
    /// Somebody else's record with this id is on its way.
    Attached(Arc<InFlight>),
    /// Nobody has it.
    New(First),
}

/// Pins the id, and asks what is on its way and then the index.
fn look_up(shared: &Arc<Shared>, id: Id, len: usize, held: &mut Held) -> Result<LookUp> {
    held.pins.push(shared.pins.pin(id));
    let first = match shared.in_flight.claim(id) {
        Claim::Attached(entry) => {
            Counters::add(&shared.counters.dedup_hits, 1);
            Counters::add(&shared.counters.dedup_bytes, len as u64);
            held.needs.push(Arc::clone(&entry));
            return Ok(LookUp::Attached(entry));
        }
        Claim::First(first) => first,
    };
    let known = match shared.known(&id) {
        Ok(known) => known,
        Err(error) => {
            first.fail(&error);
            return Err(error);
        }
    };
    match known {
        Some(digests) => {
            Counters::add(&shared.counters.dedup_hits, 1);
            Counters::add(&shared.counters.dedup_bytes, len as u64);
            first.known();
            Ok(LookUp::Known(digests))
        }
        None => Ok(LookUp::New(first)),
    }
}

/// Hands a new record to the log writer.
#[expect(
    clippy::too_many_arguments,
    reason = "the parts of one record, used once"
)]
fn queue(
    shared: &Arc<Shared>,
    first: First,
    kind: RecordKind,
    id: Id,
    payload: Bytes,
    digests: Digests,
    grant: Option<Grant>,
    held: &mut Held,
) -> Result<()> {
    shared.check_writable()?;
    let crc_block = shared.geometry.crc_block_bytes;
    let draft = Draft::new(kind, DraftId::Content(id), payload, digests, crc_block);
    let entry = first.into_entry();
    if let Some(md5) = digests.md5 {
        entry.set_md5(md5);
    }
    held.needs.push(Arc::clone(&entry));
    let mut item = Item::new(draft);
    item.grant = grant;
    item.in_flight = Some(entry);
    shared.inbox.push(vec![item])
}

/// An error for content that must be there and is not.
pub(crate) fn missing(id: Id) -> Error {
    Error::Missing { id }
}

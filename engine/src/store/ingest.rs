//! One extent or manifest on its way in: hash, pin, look up, and hand over what is new. Runs on a worker's thread.

use super::blob_writer::Held;
use super::in_flight::{Claim, First};
use super::shared::Shared;
use crate::budget::Grant;
use crate::error::{Error, Result};
use crate::format::{Digests, ManifestExtent, RecordKind, chaining_value};
use crate::id::Id;
use crate::log::{Draft, DraftId, Item};
use crate::stats::Counters;
use crate::sync::Arc;
use bytes::Bytes;
use md5::{Digest, Md5};

/// The MD5 of a body, extent by extent: what S3 calls its ETag.
#[derive(Clone, Default)]
pub(crate) struct Digester(Md5);

impl Digester {
    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all bytes.
    pub fn finish(self) -> [u8; 16] {
        self.0.finalize().into()
    }
}

/// An extent that was hashed and looked up.
pub(crate) struct Hashed {
    pub extent: ManifestExtent,
    pub digester: Digester,
    pub held: Held,
}

/// Hashes one extent of a longer body, which lies at `offset` of the object, and stores it unless it is known.
pub(crate) fn ingest_extent(
    shared: &Arc<Shared>,
    payload: Bytes,
    offset: u64,
    grant: Option<Grant>,
    mut digester: Digester,
) -> Result<Hashed> {
    digester.update(&payload);
    let len = u32::try_from(payload.len()).expect("an extent is at most 1 MiB");
    let id = Id::of(&payload);
    // A part may be guessed to begin where no subtree of this length can: its value is then computed on completion.
    let chaining = match blake3::hazmat::max_subtree_len(offset) {
        Some(limit) if limit < u64::from(len) => [0; 32],
        _ => chaining_value(&payload, offset),
    };
    let mut held = Held::default();
    ingest_content(
        shared,
        RecordKind::Extent,
        id,
        payload,
        grant,
        false,
        &mut held,
    )?;
    Ok(Hashed {
        extent: ManifestExtent { id, chaining, len },
        digester,
        held,
    })
}

/// Stores an extent unless it is known. With `with_md5` returns the MD5 of the payload: from the known record where it
/// has one, else computed here and kept with the new record.
pub(crate) fn ingest_content(
    shared: &Arc<Shared>,
    kind: RecordKind,
    id: Id,
    payload: Bytes,
    grant: Option<Grant>,
    with_md5: bool,
    held: &mut Held,
) -> Result<Option<[u8; 16]>> {
    let digest = |payload: &Bytes| -> [u8; 16] { Md5::digest(payload).into() };
    match look_up(shared, id, payload.len(), held)? {
        LookUp::Known(digests) => {
            Ok(with_md5.then(|| digests.md5.unwrap_or_else(|| digest(&payload))))
        }
        LookUp::Attached => Ok(with_md5.then(|| digest(&payload))),
        LookUp::New(first) => {
            let md5 = with_md5.then(|| digest(&payload));
            let digests = Digests { md5, sha256: None };
            queue(shared, first, kind, id, payload, digests, grant, held)?;
            Ok(md5)
        }
    }
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
        LookUp::Known(_) | LookUp::Attached => Ok(()),
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
    Attached,
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
            held.needs.push(entry);
            return Ok(LookUp::Attached);
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

//! One extent or manifest on its way in: hash, pin, look up, and hand over what is new. Runs on a worker's
//! thread, and answers from one: MD5s are computed for several bodies at once.

use super::blob_writer::Held;
use super::in_flight::{Claim, First, InFlight};
use super::read::counted;
use super::shared::Shared;
use crate::budget::Grant;
use crate::digest::Md5;
use crate::error::{Error, Result};
use crate::format::{Digests, ManifestExtent, RecordKind, chaining_value};
use crate::id::Id;
use crate::log::{Draft, DraftId, Item};
use crate::stats::Counters;
use crate::sync::{Arc, oneshot};
use blake3::hazmat::HasherExt;
use bytes::Bytes;

/// An extent that was hashed and looked up.
pub(crate) struct Hashed {
    pub extent: ManifestExtent,
    pub md5: Md5,
    pub taken: Taken,
    pub held: Held,
}

/// Whether the MD5 of the body has an extent in it.
pub(crate) enum Taken {
    /// It has.
    Yes,
    /// It has neither this extent nor those before it: the store knows them all.
    Deferred,
    /// This is the first that the store did not know, so those before it must be hashed now, and then this. Its bytes are
    /// not kept: their memory must come back when their record is durable, whatever this body waits for.
    Behind,
}

/// What is to be done with the MD5 of a body as an extent of it comes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Plan {
    /// Hash it.
    Hash,
    /// Leave it if the store knows it. It is the first one.
    First,
    /// Leave it if the store knows it, as it knows those before it.
    Next,
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

/// An extent of a longer body.
pub(crate) struct Piece {
    pub payload: Bytes,
    /// Where it lies in the object.
    pub offset: u64,
    pub grant: Option<Grant>,
    /// Of what came before it.
    pub md5: Md5,
    pub plan: Plan,
}

/// Hashes one extent of a longer body, and stores it unless it is known.
pub(crate) fn ingest_extent(
    shared: &Arc<Shared>,
    piece: Piece,
    sender: oneshot::Sender<Result<Hashed>>,
) {
    let Piece {
        payload,
        offset,
        grant,
        md5,
        plan,
    } = piece;
    // The log lets go of the bytes when they are applied, and the MD5 when it has them: one may be long before the other.
    let granted_md5 = grant.as_ref().map(Grant::shared);
    let stored = store_extent(shared, payload.clone(), offset, grant);
    let (extent, known, held) = match stored {
        Ok(stored) => stored,
        Err(error) => {
            let _ = sender.send(Err(error));
            return;
        }
    };
    let taken = match plan {
        Plan::First | Plan::Next if known => Taken::Deferred,
        Plan::Next => Taken::Behind,
        Plan::First | Plan::Hash => {
            let payload = granted(payload, granted_md5);
            return shared.md5.add(md5, payload, move |md5| {
                let taken = Taken::Yes;
                let _ = sender.send(Ok(Hashed {
                    extent,
                    md5,
                    taken,
                    held,
                }));
            });
        }
    };
    let _ = sender.send(Ok(Hashed {
        extent,
        md5,
        taken,
        held,
    }));
}

/// Says also whether the store knew the extent.
fn store_extent(
    shared: &Arc<Shared>,
    payload: Bytes,
    offset: u64,
    grant: Option<Grant>,
) -> Result<(ManifestExtent, bool, Held)> {
    let len = u32::try_from(payload.len()).expect("an extent is at most 1 MiB");
    let mut hasher = blake3::Hasher::new();
    hasher.update(&payload);
    let id = Id::from_bytes(*hasher.finalize().as_bytes());
    // A part may be guessed to begin where no subtree of this length can: its value is then computed on completion.
    let chaining = match blake3::hazmat::max_subtree_len(offset) {
        Some(limit) if limit < u64::from(len) => [0; 32],
        // At the front the tree is the extent's own, but for its root.
        None => hasher.finalize_non_root(),
        Some(_) => chaining_value(&payload, offset),
    };
    let mut held = Held::default();
    let kind = RecordKind::Extent;
    let known = match look_up(shared, id, kind, payload.len(), &mut held)? {
        LookUp::Known(_) => true,
        LookUp::Attached(_) => false,
        LookUp::New(first) => {
            let digests = Digests::default();
            let draft = draft(shared, kind, id, payload, digests);
            queue(shared, first, draft, grant, &mut held)?;
            false
        }
    };
    Ok((ManifestExtent { id, chaining, len }, known, held))
}

/// Bytes that keep their grant, if they have one.
pub(crate) fn granted(payload: Bytes, grant: Option<Grant>) -> Bytes {
    match grant {
        Some(grant) => counted(payload, grant),
        None => payload,
    }
}

/// Pins a manifest, and the MD5 of the content that it lists if the store knows both.
pub(crate) fn known_manifest(shared: &Shared, id: Id, held: &mut Held) -> Result<Option<[u8; 16]>> {
    held.pins.push(shared.pins.pin(id));
    let known = shared.known(&id, RecordKind::Manifest)?;
    let md5 = known.and_then(|digests| digests.md5);
    if md5.is_some() {
        Counters::add(&shared.counters.dedup_hits, 1);
    }
    Ok(md5)
}

/// Stores a body of one extent, called `id`, unless it is known. Its MD5 is that of the known record where it has one; for
/// new content it is computed, and kept with the record.
pub(crate) fn ingest_single(
    shared: &Arc<Shared>,
    id: Id,
    payload: Bytes,
    grant: Option<Grant>,
    sender: oneshot::Sender<Result<Single>>,
) {
    let mut held = Held::default();
    let found = look_up(shared, id, RecordKind::Extent, payload.len(), &mut held);
    let answer = match found {
        Ok(LookUp::New(first)) => {
            return ingest_new(shared, first, id, payload, grant, held, sender);
        }
        Ok(LookUp::Known(Digests { md5: None, .. })) => {
            let payload = granted(payload, grant);
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
    let kind = RecordKind::Extent;
    let mut draft = draft(shared, kind, id, payload.clone(), Digests::default());
    shared.md5.add(Md5::default(), payload, move |md5| {
        let md5 = md5.finish();
        draft.extension.digests.md5 = Some(md5);
        let queued = queue(&job, first, draft, grant, &mut held);
        let _ = sender.send(queued.map(|()| Single::Done { id, md5, held }));
    });
}

/// Stores a manifest unless it is known.
pub(crate) fn ingest_manifest(
    shared: &Arc<Shared>,
    id: Id,
    payload: Bytes,
    digests: Digests,
    grant: Option<Grant>,
    held: &mut Held,
) -> Result<()> {
    match look_up(shared, id, RecordKind::Manifest, 0, held)? {
        LookUp::Known(_) | LookUp::Attached(_) => Ok(()),
        LookUp::New(first) => {
            let draft = draft(shared, RecordKind::Manifest, id, payload, digests);
            queue(shared, first, draft, grant, held)
        }
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
fn look_up(
    shared: &Arc<Shared>,
    id: Id,
    kind: RecordKind,
    len: usize,
    held: &mut Held,
) -> Result<LookUp> {
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
    let known = match shared.known(&id, kind) {
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

/// A record of new content, with its checksums. Made where the payload was just hashed: it is still in the cache.
fn draft(shared: &Shared, kind: RecordKind, id: Id, payload: Bytes, digests: Digests) -> Draft {
    let crc_block = shared.geometry.crc_block_bytes;
    Draft::new(kind, DraftId::Content(id), payload, digests, crc_block)
}

/// Hands a new record to the log writer.
fn queue(
    shared: &Shared,
    first: First,
    draft: Draft,
    grant: Option<Grant>,
    held: &mut Held,
) -> Result<()> {
    shared.check_writable()?;
    let entry = first.into_entry();
    // That of a manifest is its object's or part's: who comes with the bytes of the manifest itself has another.
    if draft.kind == RecordKind::Extent
        && let Some(md5) = draft.extension.digests.md5
    {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Share;
    use crate::io::test_dir::TestDir;
    use crate::store::{Options, Store};
    use crate::sync::{mpsc, thread};
    use pollster::block_on;

    #[test]
    fn bytes_that_wait_for_their_md5_are_counted() {
        let dir = TestDir::new("md5-grants");
        let store = Store::open(dir.path(), Options::default()).unwrap();
        let shared = &store.shared;
        let payload = Bytes::from(vec![7; 100_000]);
        for known in [false, true] {
            // Somebody hashes, and does not get on.
            let (begun, is_begun) = mpsc::channel();
            let (go_on, may_go_on) = mpsc::channel::<()>();
            let batcher = shared.md5.clone();
            let driver = thread::spawn(move || {
                batcher.add(Md5::default(), Bytes::from(vec![1; 10_000]), move |_| {
                    begun.send(()).unwrap();
                    may_go_on.recv().unwrap();
                });
            });
            is_begun.recv().unwrap();
            let grant = block_on(shared.budget.take(Share::Large, payload.len()));
            let piece = Piece {
                payload: payload.clone(),
                offset: 0,
                grant: Some(grant),
                md5: Md5::default(),
                plan: Plan::Hash,
            };
            let (sender, answer) = oneshot::channel();
            ingest_extent(shared, piece, sender);
            // What comes later is applied later.
            block_on(store.create_tenant(if known { "b" } else { "a" })).unwrap();
            assert_eq!(shared.in_flight.len(), 0, "applied");
            assert!(shared.budget.used() >= payload.len(), "known: {known}");
            go_on.send(()).unwrap();
            driver.join().unwrap();
            assert!(block_on(answer).unwrap().is_ok());
            assert_eq!(shared.budget.used(), 0, "known: {known}");
        }
    }
}

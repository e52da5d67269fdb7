//! A body of one extent: most of what a media server stores.
//!
//! A short one is hashed with BLAKE3 on the caller's thread. Where memory alone can say that the store has it, with its MD5,
//! it goes no further: a media server is sent the same few pictures all day, and to hand one over and be woken again costs
//! more than to hash it. Any other goes to the pool, where looking it up may wait for a disk and MD5 takes its time.

use super::blob_writer::{Held, md5_of};
use super::ingest::{Single, granted, ingest_single};
use super::shared::Shared;
use crate::budget::Grant;
use crate::digest::Md5;
use crate::error::{Error, Result};
use crate::format::RecordKind;
use crate::id::Id;
use crate::stats::Counters;
use crate::sync::Arc;
use bytes::Bytes;

/// A body up to this long is hashed on the caller's thread: 6 us, less than handing it over takes. MD5 would take fifteen
/// times as long.
pub(crate) const HASHED_HERE_BYTES: usize = 64 * 1024;

/// The bytes of a body.
pub(crate) enum Body {
    /// In an allocation of their own.
    Own(Bytes),
    /// In one that may be larger, which nobody counts, such as what was read from a socket: copied if they are kept.
    Lent(Bytes),
}

impl Body {
    const fn bytes(&self) -> &Bytes {
        match self {
            Self::Own(bytes) | Self::Lent(bytes) => bytes,
        }
    }

    fn into_own(self) -> Bytes {
        match self {
            Self::Own(bytes) => bytes,
            Self::Lent(bytes) => Bytes::copy_from_slice(&bytes),
        }
    }
}

/// Stores content of one extent unless it is known: its id, its MD5, and what keeps it.
pub(crate) async fn stage_single(
    shared: &Arc<Shared>,
    body: Body,
    grant: Option<Grant>,
) -> Result<(Id, [u8; 16], Held)> {
    let len = body.bytes().len();
    let mut hashed = None;
    if len <= HASHED_HERE_BYTES {
        let id = Id::of(body.bytes());
        if let Some((md5, held)) = known_in_memory(shared, id, len) {
            return Ok((id, md5, held));
        }
        hashed = Some(id);
    }
    let job = Arc::clone(shared);
    let answer = shared.compute.answer(move |sender| {
        let payload = body.into_own();
        let id = hashed.unwrap_or_else(|| Id::of(&payload));
        ingest_single(&job, id, payload, grant, sender);
    });
    match answer.await.unwrap_or(Err(Error::Closed))? {
        Single::Done { id, md5, held } => Ok((id, md5, held)),
        Single::Attached {
            id,
            payload,
            grant,
            entry,
            held,
        } => {
            entry.decided().await;
            let md5 = match entry.md5() {
                Some(md5) => md5,
                None => {
                    let payload = granted(payload, grant);
                    md5_of(shared, Md5::default(), payload).await?.finish()
                }
            };
            Ok((id, md5, held))
        }
    }
}

/// The MD5 of an extent that memory vouches for, and what keeps it. Never waits for a disk, nor for a page of the mapped
/// index.
///
/// What is in memory is in the log at the place that comes with it, durable and applied: nobody has to claim it.
fn known_in_memory(shared: &Shared, id: Id, len: usize) -> Option<([u8; 16], Held)> {
    let mut held = Held::default();
    held.pins.push(shared.pins.pin(id));
    let (place, digests) = shared.recent.record_of(&id, RecordKind::Extent)?;
    if shared
        .damaged
        .holds(place.node, place.segment, place.offset)
    {
        return None;
    }
    let md5 = digests.md5?;
    Counters::add(&shared.counters.dedup_hits, 1);
    Counters::add(&shared.counters.dedup_bytes, len as u64);
    Some((md5, held))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Geometry;
    use crate::io::test_dir::TestDir;
    use crate::store::{Options, StagedBlob, Store};
    use md5::Digest;
    use pollster::block_on;

    /// Takes `payload` in, in pieces of `piece` bytes, announced as `announced`.
    fn stage(store: &Store, payload: &[u8], piece: usize, announced: Option<u64>) -> StagedBlob {
        block_on(async {
            let mut writer = store.blob_writer(announced);
            for piece in payload.chunks(piece) {
                writer.write(Bytes::copy_from_slice(piece)).await.unwrap();
            }
            writer.finish().await.unwrap()
        })
    }

    /// Waits until all that was queued is applied.
    fn settle(store: &Store, name: &str) {
        block_on(store.create_tenant(name)).unwrap();
    }

    fn hits(store: &Store) -> u64 {
        store.stats().dedup_hits
    }

    #[test]
    fn a_short_body_is_the_same_however_it_comes() {
        let dir = TestDir::new("short-bodies");
        let store = Store::open(dir.path(), Options::default()).unwrap();
        for len in [1, 5000, HASHED_HERE_BYTES, HASHED_HERE_BYTES + 1] {
            let payload: Vec<u8> = (0..=250).cycle().take(len).collect();
            let md5: [u8; 16] = md5::Md5::digest(&payload).into();
            let announced = len as u64;
            for (piece, announced) in [
                (len, Some(announced)),
                (len.div_ceil(3), Some(announced)),
                (len, None),
                (len.div_ceil(2), Some(announced / 2)),
            ] {
                let staged = stage(&store, &payload, piece, announced);
                assert_eq!(staged.id(), Id::of(&payload), "{len} in {piece}");
                assert_eq!(staged.md5(), md5, "{len} in {piece}");
                assert_eq!(staged.size(), len as u64);
            }
        }
        block_on(store.close()).unwrap();
        assert_eq!(store.shared.budget.used(), 0);
    }

    #[test]
    fn a_short_body_may_be_longer_than_an_extent() {
        let dir = TestDir::new("short-bodies-small-extents");
        let geometry = Geometry {
            segment_bytes: 1 << 20,
            extent_bytes: 4096,
            crc_block_bytes: 1024,
            ..Geometry::default()
        };
        let options = Options {
            geometry,
            ..Options::default()
        };
        let store = Store::open(dir.path(), options).unwrap();
        for len in [4095, 4096, 4097, 9000] {
            let payload: Vec<u8> = (0..=250).cycle().take(len).collect();
            let staged = stage(&store, &payload, len, Some(len as u64));
            assert_eq!(staged.id(), Id::of(&payload));
            assert_eq!(staged.size(), len as u64);
        }
        settle(&store, "a");
    }

    #[test]
    fn what_memory_knows_is_pinned_and_stored_once() {
        let dir = TestDir::new("known-in-memory");
        let store = Store::open(dir.path(), Options::default()).unwrap();
        let payload = vec![3; 9000];
        let id = Id::of(&payload);
        assert!(known_in_memory(&store.shared, id, 9000).is_none());
        assert_eq!(store.shared.pins.len(), 0);
        drop(stage(&store, &payload, 9000, Some(9000)));
        settle(&store, "a");
        let before = hits(&store);
        let staged = stage(&store, &payload, 9000, Some(9000));
        assert_eq!(hits(&store), before + 1);
        assert_eq!(store.shared.pins.len(), 1);
        assert!(staged.held.needs.is_empty(), "nothing is on its way");
    }

    #[test]
    fn a_damaged_record_is_not_known() {
        let dir = TestDir::new("damaged-in-memory");
        let store = Store::open(dir.path(), Options::default()).unwrap();
        let payload = vec![4; 9000];
        let id = Id::of(&payload);
        drop(stage(&store, &payload, 9000, Some(9000)));
        settle(&store, "a");
        let shared = &store.shared;
        let (place, _) = shared.recent.record_of(&id, RecordKind::Extent).unwrap();
        shared.damaged.add(place.node, place.segment, place.offset);
        assert!(known_in_memory(shared, id, 9000).is_none());
        let staged = stage(&store, &payload, 9000, Some(9000));
        assert_eq!(staged.held.needs.len(), 1, "stored anew");
    }
}

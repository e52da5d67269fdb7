//! Making one blob of the parts of an upload, without copying bytes where that can be avoided.
//!
//! The parts' extents become the blob's. Where every extent but the last is whole, the blob's id follows from chaining
//! values: those that were computed at the right offset are used as they are, the others by reading the extent again.
//! Where parts are of odd lengths, the bytes are read once for the id, and the manifest says that it proves nothing.
//!
//! What this holds is granted in one step before anything is read: one extent, and the list of all. So it waits for memory
//! while it holds nothing but the list of parts (10,000 at most, which no budget counts), and with memory only for reading
//! and hashing, which need none: it cannot be part of a deadlock. A list beyond a quarter of the budget (that of some 170,000
//! extents at 256 MiB) is counted as a quarter.
//!
//! Reading again may take minutes. So a few go on at once, and the others wait for their turn before they ask for memory:
//! however many uploads are completed, they leave the budget to bodies.

use super::blob_writer::{Held, Kind, md5_of, stage_manifest};
use super::fetch::to_usize;
use super::shared::Shared;
use super::single::{Body, stage_single};
use super::upload::Part;
use crate::budget::{Grant, SMALL_BODY_BYTES, Share};
use crate::digest::Md5;
use crate::error::{Error, Result};
use crate::format::{Digests, Manifest, ManifestExtent, chaining_value};
use crate::id::Id;
use crate::sync::Arc;
use bytes::{Bytes, BytesMut};

/// What the list takes for each extent, in bytes: its entry while parts are gathered and again in the manifest, the manifest's
/// payload, and its pin.
const LISTED_BYTES: u64 = 256;

/// The blob of these parts, in order: its id, its length, and what keeps it.
pub(crate) async fn assemble(shared: &Arc<Shared>, parts: &[Part]) -> Result<(Id, u64, Held)> {
    let limit = shared.geometry.object_max();
    let sum = parts
        .iter()
        .try_fold(0_u64, |sum, part| sum.checked_add(part.size));
    let Some(sum) = sum.filter(|sum| *sum <= limit) else {
        return Err(Error::TooLarge { limit });
    };
    let turn = shared.assemblies.acquire().await;
    let _turn = turn.map_err(|_| Error::Closed)?;
    let grant = grant(shared, parts, sum).await;
    let mut total: u64 = 0;
    let mut extents = Vec::new();
    let mut held = Held::default();
    let extent_bytes = shared.geometry.extent_bytes;
    for part in parts {
        held.pins.push(shared.pins.pin(part.manifest));
        let manifest = shared.manifest(part.manifest).await?;
        for extent in &manifest.extents {
            held.pins.push(shared.pins.pin(extent.id));
        }
        let guessed = manifest.chained && manifest.base_offset == total;
        let valid = extents.is_empty() || total.is_multiple_of(u64::from(extent_bytes));
        extents.extend(
            manifest
                .extents
                .into_iter()
                .map(|extent| (extent, guessed && valid)),
        );
        total += part.size;
        if total > limit || extents.len() > shared.geometry.extents_max() {
            return Err(Error::TooLarge { limit });
        }
    }
    let (id, mut kept) = if total <= u64::from(extent_bytes) {
        single_extent(shared, &extents, grant).await?
    } else if is_regular(&extents, extent_bytes) {
        let extents = chained(shared, extents).await?;
        let job = Arc::clone(shared);
        shared
            .compute
            .run(move || stage_manifest(&job, Kind::Blob, total, extents, None, Some(grant)))
            .await?
    } else {
        irregular(shared, extents, total, grant).await?
    };
    held.pins.append(&mut kept.pins);
    held.needs.append(&mut kept.needs);
    Ok((id, total, held))
}

/// Memory for all that making a blob of these parts, `total` bytes, holds at one time.
async fn grant(shared: &Arc<Shared>, parts: &[Part], total: u64) -> Grant {
    let extent_bytes = u64::from(shared.geometry.extent_bytes);
    let listed: u64 = parts
        .iter()
        .map(|part| part.size.div_ceil(extent_bytes).max(1))
        .sum();
    // One extent is put together of the blocks of others.
    let read = if total <= extent_bytes {
        total + total.min(shared.geometry.crc_block_bytes.into())
    } else {
        extent_bytes
    };
    let (read, list) = (to_usize(read), to_usize(listed * LISTED_BYTES));
    let budget = &shared.budget;
    let small = total <= SMALL_BODY_BYTES && read + list <= budget.most(Share::Small);
    let share = if small { Share::Small } else { Share::Large };
    let ask = read + list.min(budget.most(Share::Large));
    budget.take(share, ask).await
}

fn is_regular(extents: &[(ManifestExtent, bool)], extent_bytes: u32) -> bool {
    extents
        .split_last()
        .is_none_or(|(_, body)| body.iter().all(|(extent, _)| extent.len == extent_bytes))
}

/// The bytes of an extent, verified.
pub(crate) async fn bytes_of(shared: &Arc<Shared>, id: Id) -> Result<Bytes> {
    let locator = Arc::clone(shared);
    let source = shared.lookup.run(move || locator.locate(&id)).await?;
    shared.read_payload(&source, 0..source.len()).await
}

/// Computes the chaining values that were guessed wrong.
async fn chained(
    shared: &Arc<Shared>,
    extents: Vec<(ManifestExtent, bool)>,
) -> Result<Vec<ManifestExtent>> {
    let mut done = Vec::with_capacity(extents.len());
    let mut offset = 0;
    for (mut extent, guessed) in extents {
        if !guessed {
            let bytes = bytes_of(shared, extent.id).await?;
            let value = move || Ok(chaining_value(&bytes, offset));
            extent.chaining = shared.compute.run(value).await?;
        }
        offset += u64::from(extent.len);
        done.push(extent);
    }
    Ok(done)
}

/// A blob that fits one extent is one extent.
async fn single_extent(
    shared: &Arc<Shared>,
    extents: &[(ManifestExtent, bool)],
    grant: Grant,
) -> Result<(Id, Held)> {
    let total = extents.iter().map(|(extent, _)| extent.len as usize).sum();
    let mut whole = BytesMut::with_capacity(total);
    for (extent, _) in extents {
        append_extent(shared, extent.id, &mut whole).await?;
    }
    let body = Body::Own(whole.freeze());
    let (id, _, held) = stage_single(shared, body, Some(grant)).await?;
    Ok((id, held))
}

/// Appends the bytes of an extent, verified, a block at a time.
async fn append_extent(shared: &Arc<Shared>, id: Id, whole: &mut BytesMut) -> Result<()> {
    let locator = Arc::clone(shared);
    let source = shared.lookup.run(move || locator.locate(&id)).await?;
    let block = u64::from(shared.geometry.crc_block_bytes);
    let mut at = 0;
    while at < source.len() {
        let end = source.len().min(at + block);
        whole.extend_from_slice(&shared.read_payload(&source, at..end).await?);
        at = end;
    }
    Ok(())
}

/// Parts of odd lengths: the id is that of the bytes, read once.
async fn irregular(
    shared: &Arc<Shared>,
    extents: Vec<(ManifestExtent, bool)>,
    total: u64,
    grant: Grant,
) -> Result<(Id, Held)> {
    let (mut hasher, mut md5) = (blake3::Hasher::new(), Md5::default());
    for (extent, _) in &extents {
        let bytes = bytes_of(shared, extent.id).await?;
        let again = bytes.clone();
        let job = move || {
            hasher.update(&again);
            Ok(hasher)
        };
        hasher = shared.compute.run(job).await?;
        md5 = md5_of(shared, md5, bytes).await?;
    }
    let id = Id::from_bytes(*hasher.finalize().as_bytes());
    let md5 = md5.finish();
    let extents = extents
        .into_iter()
        .map(|(extent, _)| ManifestExtent {
            chaining: [0; 32],
            ..extent
        })
        .collect();
    let manifest = Manifest {
        total_len: total,
        base_offset: 0,
        chained: false,
        part: false,
        extents,
    };
    let payload = Bytes::from(manifest.encode());
    let job = Arc::clone(shared);
    shared
        .compute
        .run(move || {
            let mut held = Held::default();
            let digests = Digests {
                md5: Some(md5),
                sha256: None,
            };
            super::ingest::ingest_manifest(&job, id, payload, digests, Some(grant), &mut held)?;
            Ok((id, held))
        })
        .await
}

#[cfg(test)]
mod tests;

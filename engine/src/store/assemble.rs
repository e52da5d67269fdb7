//! Making one blob of the parts of an upload, without copying bytes where that can be avoided.
//!
//! The parts' extents become the blob's. Where every extent but the last is whole, the blob's id follows from chaining
//! values: those that were computed at the right offset are used as they are, the others by reading the extent again.
//! Where parts are of odd lengths, the bytes are read once for the id, and the manifest says that it proves nothing.

use super::blob_writer::{Held, Kind, md5_of, stage_manifest, stage_single};
use super::shared::Shared;
use super::upload::Part;
use crate::digest::Md5;
use crate::error::{Error, Result};
use crate::format::{Digests, Manifest, ManifestExtent, chaining_value};
use crate::id::Id;
use crate::sync::Arc;
use bytes::{Bytes, BytesMut};

/// The blob of these parts, in order: its id, its length, and what keeps it.
pub(crate) async fn assemble(shared: &Arc<Shared>, parts: &[Part]) -> Result<(Id, u64, Held)> {
    let mut total: u64 = 0;
    let mut extents = Vec::new();
    let mut held = Held::default();
    let extent_bytes = shared.geometry.extent_bytes;
    let limit = shared.geometry.object_max();
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
        single_extent(shared, &extents).await?
    } else if is_regular(&extents, extent_bytes) {
        let extents = chained(shared, extents).await?;
        let job = Arc::clone(shared);
        shared
            .compute
            .run(move || stage_manifest(&job, Kind::Blob, total, extents, None))
            .await?
    } else {
        irregular(shared, extents, total).await?
    };
    held.pins.append(&mut kept.pins);
    held.needs.append(&mut kept.needs);
    Ok((id, total, held))
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
) -> Result<(Id, Held)> {
    let mut whole = BytesMut::new();
    for (extent, _) in extents {
        whole.extend_from_slice(&bytes_of(shared, extent.id).await?);
    }
    let payload = whole.freeze();
    let (id, _, held) = stage_single(shared, payload, None).await?;
    Ok((id, held))
}

/// Parts of odd lengths: the id is that of the bytes, read once.
async fn irregular(
    shared: &Arc<Shared>,
    extents: Vec<(ManifestExtent, bool)>,
    total: u64,
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
            super::ingest::ingest_manifest(&job, id, payload, digests, &mut held)?;
            Ok((id, held))
        })
        .await
}

//! Taking a body in: cut into extents, hashed, looked up, and what is new handed to the log writer.
//!
//! Nothing has a name yet: a writer or a staged blob that is dropped leaves dead records at most. One extent gathers
//! while the one before it is hashed on another thread, so a body takes two extents of memory whatever its length.

use super::assemble::bytes_of;
use super::in_flight::InFlight;
use super::ingest::{Hashed, Piece, Plan, Taken, ingest_extent, known_manifest};
use super::pins::Pin;
use super::shared::Shared;
use super::single::{self, Body, stage_single};
use crate::budget::{Budget, Grant, Share};
use crate::digest::Md5;
use crate::error::{Error, Result};
use crate::format::{Digests, Manifest, ManifestExtent, merge};
use crate::id::Id;
use crate::stats::Counters;
use crate::sync::{Arc, oneshot};
use bytes::{Bytes, BytesMut};

/// Bytes of an extent that are granted as they come; the rest is granted at once. 1,000 connections hold 16 MiB.
const FIRST_STEP_BYTES: usize = 16 * 1024;

/// Bytes of a body that may be read again for its MD5, once it turns out that the store did not know all of it: 0.1 s of
/// hashing.
const DEFERRED_BYTES_MAX: u64 = 64 << 20;

/// Room that a payload may hold beyond its bytes and a quarter of them. It stays in memory with the payload, where only the
/// bytes are counted.
const SPARE_BYTES: usize = 4 * 1024;

/// A body on its way in.
pub struct BlobWriter {
    shared: Arc<Shared>,
    share: Share,
    kind: Kind,
    gathering: BytesMut,
    /// All of a short body, as it came in one piece: it is copied only if it has to be kept.
    whole: Option<Bytes>,
    grant: Option<Grant>,
    job: Option<oneshot::Receiver<Result<Hashed>>>,
    /// Of the first `taken` extents; away while one is hashed.
    md5: Option<Md5>,
    taken: usize,
    extents: Vec<ManifestExtent>,
    held: Held,
    total: u64,
    /// How long the body was announced to be.
    announced: Option<u64>,
    /// A write began and did not end well: the body is not whole.
    broken: bool,
}

/// Whether the body is an object, or a part of one that is thought to begin at an offset of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// An object.
    Blob,
    /// A part.
    Part {
        /// Where it is thought to begin in the object.
        base: u64,
    },
}

/// What keeps the content of a body from being reclaimed, and what its name must wait for.
#[derive(Debug, Default)]
pub(crate) struct Held {
    pub pins: Vec<Pin>,
    pub needs: Vec<Arc<InFlight>>,
}

/// A body that is in the log, or on its way there, and has no name yet.
#[derive(Debug)]
pub struct StagedBlob {
    pub(crate) id: Id,
    pub(crate) size: u64,
    pub(crate) md5: [u8; 16],
    pub(crate) part: bool,
    pub(crate) held: Held,
}

impl StagedBlob {
    /// The id of the content; for a part, the id of its manifest.
    pub const fn id(&self) -> Id {
        self.id
    }

    /// The length in bytes.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The MD5 of the content.
    pub const fn md5(&self) -> [u8; 16] {
        self.md5
    }
}

impl BlobWriter {
    pub(crate) fn new(shared: Arc<Shared>, kind: Kind, size_hint: Option<u64>) -> Self {
        Self {
            share: Budget::share(size_hint),
            shared,
            kind,
            gathering: BytesMut::new(),
            whole: None,
            grant: None,
            job: None,
            md5: Some(Md5::default()),
            taken: 0,
            extents: Vec::new(),
            held: Held::default(),
            total: 0,
            announced: size_hint,
            broken: false,
        }
    }

    /// Takes the next bytes of the body. Waits for memory and for the hashing of earlier bytes.
    ///
    /// # Errors
    /// [`Error::Poisoned`], [`Error::NoSpace`], [`Error::TooLarge`]: the body cannot be stored, nothing is named.
    pub async fn write(&mut self, chunk: Bytes) -> Result<()> {
        if std::mem::replace(&mut self.broken, true) {
            return Err(not_whole());
        }
        self.take_in(chunk).await?;
        self.broken = false;
        Ok(())
    }

    async fn take_in(&mut self, mut chunk: Bytes) -> Result<()> {
        let extent = self.shared.geometry.extent_bytes as usize;
        self.total += chunk.len() as u64;
        if self.total > self.shared.geometry.object_max() {
            return Err(Error::TooLarge {
                limit: self.shared.geometry.object_max(),
            });
        }
        Counters::add(&self.shared.counters.bytes_in, chunk.len() as u64);
        if self.is_whole(&chunk) {
            self.grant_memory(chunk.len(), chunk.len()).await;
            self.whole = Some(chunk);
            return Ok(());
        }
        // More than was announced.
        if let Some(whole) = self.whole.take() {
            self.gathering.extend_from_slice(&whole);
        }
        while !chunk.is_empty() {
            if self.gathering.len() == extent {
                self.dispatch().await?;
            }
            let take = chunk.len().min(extent - self.gathering.len());
            self.reserve(take, extent, chunk.len()).await;
            self.gathering.extend_from_slice(&chunk.split_to(take));
        }
        Ok(())
    }

    /// Whether `chunk` is all of a short body, which one extent holds.
    fn is_whole(&self, chunk: &Bytes) -> bool {
        let len = chunk.len();
        let extent = self.shared.geometry.extent_bytes as usize;
        self.kind == Kind::Blob
            && self.total == len as u64
            && self.announced == Some(self.total)
            && (1..=single::HASHED_HERE_BYTES.min(extent)).contains(&len)
    }

    /// Waits for memory for `take` more bytes of the extent that gathers.
    ///
    /// Its first bytes are granted as they come, so that a connection that sends next to nothing holds next to nothing. All
    /// that the extent may still need is granted in one step then: who waits holds one small step, so that those who wait
    /// can never use up the budget between them.
    async fn reserve(&mut self, take: usize, extent: usize, at_hand: usize) {
        let gathered = self.gathering.len();
        let bytes = if gathered + take <= FIRST_STEP_BYTES {
            take
        } else {
            let before = self.total - at_hand as u64;
            let announced = self.announced.map(|all| all.saturating_sub(before));
            let rest = announced.and_then(|rest| usize::try_from(rest).ok());
            rest.unwrap_or(extent).max(take).min(extent - gathered)
        };
        self.grant_memory(bytes, take).await;
        // All that is granted in one piece: to grow into it would copy what is there, again and again.
        self.gathering.reserve(bytes);
    }

    /// Waits for a grant of `bytes`, of which `used` come now.
    async fn grant_memory(&mut self, bytes: usize, used: usize) {
        let budget = &self.shared.budget;
        budget.ensure(&mut self.grant, self.share, bytes).await;
        if let Some(grant) = &mut self.grant {
            grant.use_up(used);
        }
    }

    /// Ends the body. Its extents and manifest are with the log writer; [`Store::put`](crate::Store::put) makes it durable
    /// and gives it a name.
    ///
    /// # Errors
    /// As [`BlobWriter::write`].
    pub async fn finish(mut self) -> Result<StagedBlob> {
        if self.broken {
            return Err(not_whole());
        }
        if self.kind == Kind::Blob && self.extents.is_empty() && self.job.is_none() {
            return self.finish_single().await;
        }
        if !self.gathering.is_empty() {
            self.dispatch().await?;
        }
        self.collect().await?;
        let (total, kind) = (self.total, self.kind);
        let (id, md5, mut held) = self.stage().await?;
        held.pins.append(&mut self.held.pins);
        held.needs.append(&mut self.held.needs);
        finish_staged(StagedBlob {
            id,
            size: total,
            md5,
            part: kind != Kind::Blob,
            held,
        })
        .await
    }

    /// A body of one extent: BLAKE3 is asked first, MD5 is computed only if the store does not know it already.
    async fn finish_single(mut self) -> Result<StagedBlob> {
        let body = match self.whole.take() {
            Some(whole) => Body::Lent(whole),
            None => Body::Own(frozen(std::mem::take(&mut self.gathering))),
        };
        let grant = self.grant.take();
        let (id, md5, held) = stage_single(&self.shared, body, grant).await?;
        finish_staged(StagedBlob {
            id,
            size: self.total,
            md5,
            part: false,
            held,
        })
        .await
    }

    /// Stores the manifest. If the store knew every extent, and knows the manifest too, it knows the MD5.
    async fn stage(&mut self) -> Result<(Id, [u8; 16], Held)> {
        let extent_bytes = self.shared.geometry.extent_bytes;
        let (total, kind) = (self.total, self.kind);
        if self.taken < self.extents.len() {
            let manifest = manifest_of(extent_bytes, kind, total, self.extents.clone());
            let shared = Arc::clone(&self.shared);
            let job = move || {
                let mut held = Held::default();
                let id = manifest_id(&manifest, &manifest.encode(), extent_bytes);
                Ok((id, known_manifest(&shared, id, &mut held)?, held))
            };
            let (id, known, held) = self.shared.compute.run(job).await?;
            if let Some(md5) = known {
                return Ok((id, md5, held));
            }
            self.catch_up().await?;
        }
        let md5 = self.md5.take().ok_or(Error::Closed)?.finish();
        let shared = Arc::clone(&self.shared);
        let extents = std::mem::take(&mut self.extents);
        let job = move || stage_manifest(&shared, kind, total, extents, Some(md5), None);
        let (id, held) = self.shared.compute.run(job).await?;
        Ok((id, md5, held))
    }

    /// Brings the MD5 up to the last extent: what was deferred is read again, verified. The bytes that came are gone, so one
    /// that cannot be read fails the body; it is then known to be damaged, and stored anew when the body comes again.
    ///
    /// A turn is for one extent: bodies that have much to read do not keep those waiting that have little.
    async fn catch_up(&mut self) -> Result<()> {
        let mut md5 = self.md5.take().ok_or(Error::Closed)?;
        for extent in self.extents.iter().skip(self.taken) {
            let turn = self.shared.rereads.acquire().await;
            let _turn = turn.map_err(|_| Error::Closed)?;
            let bytes = bytes_of(&self.shared, extent.id).await?;
            md5 = md5_of(&self.shared, md5, bytes).await?;
        }
        self.md5 = Some(md5);
        self.taken = self.extents.len();
        Ok(())
    }

    /// What is to be done with the MD5 of the next `len` bytes.
    async fn plan(&mut self, len: usize) -> Result<Plan> {
        if self.taken > 0 {
            return Ok(Plan::Hash);
        }
        if self.extents.is_empty() {
            // Who defers may have to catch up, for which there are few turns: hashing as it comes waits for nobody.
            let turn_is_free = self.shared.rereads.available_permits() > 0;
            return Ok(if turn_is_free {
                Plan::First
            } else {
                Plan::Hash
            });
        }
        if self.total_hashed() + len as u64 <= DEFERRED_BYTES_MAX {
            return Ok(Plan::Next);
        }
        self.catch_up().await?;
        Ok(Plan::Hash)
    }

    /// Sends the gathered extent to be hashed, once the one before it is done.
    async fn dispatch(&mut self) -> Result<()> {
        self.collect().await?;
        let plan = self.plan(self.gathering.len()).await?;
        let payload = frozen(std::mem::take(&mut self.gathering));
        let base = match self.kind {
            Kind::Blob => 0,
            Kind::Part { base } => base,
        };
        let offset = base + self.total_hashed();
        let grant = self.grant.take();
        let md5 = self.md5.take().ok_or(Error::Closed)?;
        let shared = Arc::clone(&self.shared);
        let piece = Piece {
            payload,
            offset,
            grant,
            md5,
            plan,
        };
        let job = move |sender| ingest_extent(&shared, piece, sender);
        self.job = Some(self.shared.compute.answer(job));
        Ok(())
    }

    /// Waits for the extent that is being hashed.
    async fn collect(&mut self) -> Result<()> {
        let Some(job) = self.job.take() else {
            return Ok(());
        };
        let mut hashed = job.await.unwrap_or(Err(Error::Closed))?;
        self.md5 = Some(hashed.md5);
        self.extents.push(hashed.extent);
        match hashed.taken {
            Taken::Yes => self.taken += 1,
            Taken::Deferred => {}
            Taken::Behind => {
                // It can be read once its record is durable, for which nobody needs memory.
                for need in &hashed.held.needs {
                    need.over().await;
                    need.failure().map_or(Ok(()), Err)?;
                }
                self.catch_up().await?;
            }
        }
        self.held.pins.append(&mut hashed.held.pins);
        self.held.needs.append(&mut hashed.held.needs);
        // What is durable already needs no waiting: a long body would gather one entry an extent.
        self.held.needs.retain(|need| !need.is_over());
        if let Some(error) = self.held.needs.iter().find_map(|need| need.failure()) {
            return Err(error);
        }
        Ok(())
    }

    fn total_hashed(&self) -> u64 {
        self.extents
            .iter()
            .map(|extent| u64::from(extent.len))
            .sum()
    }
}

/// What was gathered, in an allocation of its size: a body of unknown length was given room for a whole extent.
fn frozen(gathered: BytesMut) -> Bytes {
    let len = gathered.len();
    if gathered.capacity() > len + len / 4 + SPARE_BYTES {
        Bytes::copy_from_slice(&gathered)
    } else {
        gathered.freeze()
    }
}

/// A body that went wrong on its way cannot be ended.
const fn not_whole() -> Error {
    Error::Invalid {
        what: "body",
        why: "an earlier write of it failed or was given up",
    }
}

/// Waits until everything a name would refer to is queued in front of it.
async fn finish_staged(staged: StagedBlob) -> Result<StagedBlob> {
    for need in &staged.held.needs {
        need.decided().await;
    }
    Ok(staged)
}

/// Adds `payload` to `md5`, together with other bodies.
pub(crate) async fn md5_of(shared: &Arc<Shared>, md5: Md5, payload: Bytes) -> Result<Md5> {
    let job = Arc::clone(shared);
    let answer = shared.compute.answer(move |sender| {
        job.md5.add(md5, payload, move |md5| {
            let _ = sender.send(md5);
        });
    });
    answer.await.map_err(|_| Error::Closed)
}

/// Stores the manifest of a longer body, or of a part, unless it is known.
pub(crate) fn stage_manifest(
    shared: &Arc<Shared>,
    kind: Kind,
    total: u64,
    extents: Vec<ManifestExtent>,
    md5: Option<[u8; 16]>,
    grant: Option<Grant>,
) -> Result<(Id, Held)> {
    let extent_bytes = shared.geometry.extent_bytes;
    let manifest = manifest_of(extent_bytes, kind, total, extents);
    let payload = Bytes::from(manifest.encode());
    let id = manifest_id(&manifest, &payload, extent_bytes);
    let mut held = Held::default();
    let digests = Digests { md5, sha256: None };
    super::ingest::ingest_manifest(shared, id, payload, digests, grant, &mut held)?;
    Ok((id, held))
}

fn manifest_of(
    extent_bytes: u32,
    kind: Kind,
    total: u64,
    extents: Vec<ManifestExtent>,
) -> Manifest {
    let regular = extents
        .split_last()
        .is_none_or(|(_, body)| body.iter().all(|extent| extent.len == extent_bytes));
    Manifest {
        total_len: total,
        base_offset: if let Kind::Part { base } = kind {
            base
        } else {
            0
        },
        chained: regular,
        part: kind != Kind::Blob,
        extents,
    }
}

/// The id of a manifest with this encoding: that of the blob, or for a part its own.
fn manifest_id(manifest: &Manifest, encoded: &[u8], extent_bytes: u32) -> Id {
    if manifest.part {
        return Id::of(encoded);
    }
    let values: Vec<[u8; 32]> = manifest
        .extents
        .iter()
        .map(|extent| extent.chaining)
        .collect();
    merge(&values, u64::from(extent_bytes), manifest.total_len)
}

#[cfg(test)]
mod tests;

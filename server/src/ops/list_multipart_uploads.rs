//! ListMultipartUploads: the uploads in progress, by key, and by time of begin where several are for one key.
//!
//! The engine keeps uploads by id, so every page looks at all of them: in portions, between which other requests have
//! their turn, and in the memory of one page, for only its smallest entries are kept. Ids begin with the time, so the
//! order of ids is the order of time, and a page can begin behind an upload that is gone: clean-up aborts a page before
//! it asks for the next one.

use super::listing::{self, Encoding};
use super::part_checksums::Plan;
use crate::conditions::seconds;
use crate::context::RequestContext;
use crate::door::Door;
use moraine_engine::{BucketId, Upload, UploadId};
use s3s::dto::{
    ChecksumAlgorithm, Initiator, ListMultipartUploadsInput, ListMultipartUploadsOutput,
    MultipartUpload, Owner, StorageClass,
};
use s3s::{S3Request, S3Result, s3_error};
use std::collections::BTreeMap;

/// Uploads that are asked of the engine at a time: their records take at most 4 MiB, usually 300 KiB.
const PORTION: usize = 1000;

/// Answers the request.
pub async fn run(
    door: &Door,
    context: &RequestContext,
    request: S3Request<ListMultipartUploadsInput>,
) -> S3Result<ListMultipartUploadsOutput> {
    let input = request.input;
    let bucket = door.bucket(context, &input.bucket)?;
    let encoding = Encoding::asked(input.encoding_type.as_ref())?;
    let limit = listing::page_size(input.max_uploads, "max-uploads")?;
    let prefix = input.prefix.unwrap_or_default();
    let delimiter = input.delimiter.unwrap_or_default();
    let key_marker = input.key_marker.unwrap_or_default();
    // Without a key, S3 ignores the id.
    let id_marker = input
        .upload_id_marker
        .filter(|id| !id.is_empty() && !key_marker.is_empty());
    let start = Start::new(&key_marker, id_marker.as_deref())?;
    let mut page = Page::new(prefix.as_bytes(), delimiter.as_bytes(), start, limit);
    listing::turn(door, context).await?;
    if limit > 0 {
        collect(door, context, bucket.id, &mut page).await?;
    }
    let owner = listing::owner(door, context)?;
    let next = page.cut();
    let (mut uploads, mut prefixes) = (Vec::new(), Vec::new());
    for ((name, _), upload) in page.entries {
        match upload {
            Some(upload) => uploads.push(entry_of(*upload, encoding, &owner)?),
            None => prefixes.push(encoding.prefix(name)?),
        }
    }
    let is_truncated = next.is_some();
    let (next_key, next_id) = next.unzip();
    Ok(ListMultipartUploadsOutput {
        bucket: Some(input.bucket),
        prefix: Some(encoding.text(prefix)),
        key_marker: Some(encoding.text(key_marker)),
        upload_id_marker: Some(id_marker.unwrap_or_default()),
        next_key_marker: next_key.map(|key| encoding.name(key)).transpose()?,
        next_upload_id_marker: next_id.flatten().map(|id| id.to_string()),
        max_uploads: Some(listing::count(limit)),
        is_truncated: Some(is_truncated),
        uploads: Some(uploads),
        common_prefixes: Some(prefixes),
        delimiter: (!delimiter.is_empty()).then(|| encoding.text(delimiter)),
        encoding_type: encoding.said(),
        ..Default::default()
    })
}

/// Looks at all uploads of a bucket.
async fn collect(
    door: &Door,
    context: &RequestContext,
    bucket: BucketId,
    page: &mut Page<'_>,
) -> S3Result<()> {
    let mut after = None;
    loop {
        let uploads = door
            .store
            .uploads(bucket, after, PORTION)
            .await
            .map_err(door.failed(context))?;
        let more = uploads.len() == PORTION;
        after = uploads.last().map(|upload| upload.id);
        uploads.into_iter().for_each(|upload| page.offer(upload));
        if !more {
            return Ok(());
        }
    }
}

fn entry_of(upload: Upload, encoding: Encoding, owner: &Owner) -> S3Result<MultipartUpload> {
    let plan = Plan::from_stored(&upload.attributes.checksums);
    let class = upload.attributes.storage_class;
    Ok(MultipartUpload {
        checksum_algorithm: plan.map(|it| ChecksumAlgorithm::from_static(it.algorithm.name())),
        checksum_type: plan.map(Plan::kind),
        initiated: Some(seconds(upload.created_ms).into()),
        initiator: Some(Initiator {
            display_name: owner.display_name.clone(),
            id: owner.id.clone(),
        }),
        key: Some(encoding.name(upload.key)?),
        owner: Some(owner.clone()),
        storage_class: Some(StorageClass::from(
            class.unwrap_or_else(|| StorageClass::STANDARD.to_owned()),
        )),
        upload_id: Some(upload.id.to_string()),
    })
}

/// Where a page begins: behind a key with all its uploads, or behind one of them.
struct Start<'a> {
    key: &'a str,
    id: Option<UploadId>,
}

impl<'a> Start<'a> {
    fn new(key: &'a str, id: Option<&str>) -> S3Result<Self> {
        let id = id
            .map(str::parse)
            .transpose()
            .map_err(|_| s3_error!(InvalidArgument, "Invalid uploadId marker"))?;
        Ok(Self { key, id })
    }

    /// Whether the page may hold an upload, and its group if it belongs to one.
    fn admits(&self, upload: &Upload, group: Option<&[u8]>) -> bool {
        let marker = self.key.as_bytes();
        let key = upload.key.as_slice();
        let behind = match self.id {
            Some(id) => (key, upload.id.0) > (marker, id.0),
            None => key > marker,
        };
        // A marker that is the name of a group stands for all of it.
        behind && group != Some(marker)
    }
}

/// The name of an entry and, unless it is a common prefix, the id of its upload: what entries are ordered by.
type Rank = (Vec<u8>, Option<UploadId>);

/// The smallest entries of all that were offered: one more than the page holds, which says whether there is a next one.
struct Page<'a> {
    prefix: &'a [u8],
    delimiter: &'a [u8],
    start: Start<'a>,
    limit: usize,
    entries: BTreeMap<Rank, Option<Box<Upload>>>,
}

impl<'a> Page<'a> {
    const fn new(prefix: &'a [u8], delimiter: &'a [u8], start: Start<'a>, limit: usize) -> Self {
        Self {
            prefix,
            delimiter,
            start,
            limit,
            entries: BTreeMap::new(),
        }
    }

    fn offer(&mut self, upload: Upload) {
        if !upload.key.starts_with(self.prefix) {
            return;
        }
        let group = listing::group(&upload.key, self.prefix, self.delimiter);
        if !self.start.admits(&upload, group) {
            return;
        }
        let (rank, entry) = match group {
            Some(group) => ((group.to_vec(), None), None),
            None => (
                (upload.key.clone(), Some(upload.id)),
                Some(Box::new(upload)),
            ),
        };
        self.entries.insert(rank, entry);
        if self.entries.len() > self.limit + 1 {
            self.entries.pop_last();
        }
    }

    /// Takes away what is too much, and says behind what the next page begins if there is one.
    fn cut(&mut self) -> Option<Rank> {
        if self.entries.len() <= self.limit {
            return None;
        }
        self.entries.pop_last();
        self.entries.last_key_value().map(|(rank, _)| rank.clone())
    }
}

//! An operation with its slots resolved to ids, the future that carries it out, and what came of it.

use super::op::Abandon;
use crate::index::names::NamesError;
use crate::{
    Acl, Attributes, BlobReader, BlobWriter, Bucket, BucketId, Checksum, CompletePart, Condition,
    Error, ListEntry, ListQuery, Object, Part, Result, StagedBlob, Store, TenantId, UploadId,
};
use bytes::Bytes;
use md5::{Digest, Md5};
use std::future::Future;
use std::ops::Range;
use std::pin::Pin;
use std::task::Poll;

/// A request in flight.
pub type InFlight = Pin<Box<dyn Future<Output = Reply> + Send>>;

/// What is asked of the store.
#[derive(Clone, Debug)]
#[expect(
    missing_docs,
    reason = "the fields are the arguments of the store's functions"
)]
pub enum Request {
    CreateBucket {
        tenant: TenantId,
        name: String,
    },
    DeleteBucket {
        bucket: BucketId,
    },
    Put {
        bucket: BucketId,
        key: Vec<u8>,
        content: Bytes,
        chunk: usize,
        attributes: Attributes,
        condition: Condition,
    },
    Abandon {
        content: Bytes,
        how: Abandon,
    },
    Delete {
        bucket: BucketId,
        key: Vec<u8>,
        condition: Condition,
    },
    DeleteMany {
        bucket: BucketId,
        deletions: Vec<(Vec<u8>, Condition)>,
    },
    Copy {
        from: BucketId,
        from_key: Vec<u8>,
        bucket: BucketId,
        key: Vec<u8>,
        attributes: Option<Attributes>,
        condition: Condition,
    },
    SetAcl {
        bucket: BucketId,
        key: Vec<u8>,
        acl: Acl,
    },
    Get {
        bucket: BucketId,
        key: Vec<u8>,
        range: Range<u64>,
    },
    List {
        bucket: BucketId,
        query: ListQuery,
    },
    CreateUpload {
        bucket: BucketId,
        key: Vec<u8>,
        attributes: Attributes,
    },
    PutPart {
        bucket: BucketId,
        upload: UploadId,
        number: u16,
        content: Bytes,
        chunk: usize,
        checksums: Vec<Checksum>,
    },
    Complete {
        bucket: BucketId,
        upload: UploadId,
        parts: Vec<CompletePart>,
        min_part_bytes: u64,
        checksums: Vec<Checksum>,
        condition: Condition,
    },
    Abort {
        bucket: BucketId,
        upload: UploadId,
    },
}

/// Bytes that were read, and of what.
#[derive(Clone, Debug)]
pub struct ReadBytes {
    /// The object that the name led to.
    pub object: Object,
    /// The range, cut to the object.
    pub range: Range<u64>,
    /// Its bytes.
    pub bytes: Bytes,
}

/// What came of a request.
#[derive(Clone, Debug)]
#[expect(
    missing_docs,
    reason = "the variants are named after what the store returns"
)]
pub enum Reply {
    Bucket(Result<Bucket>),
    Object(Result<Object>),
    Existed(Result<bool>),
    Each(Result<Vec<Result<bool>>>),
    Done(Result<()>),
    Read(Result<ReadBytes>),
    Listing(Result<Vec<ListEntry>>),
    Upload(Result<UploadId>),
    Part(Result<Part>),
}

impl Reply {
    /// The error, if it was one.
    pub const fn error(&self) -> Option<&Error> {
        match self {
            Self::Bucket(Err(error))
            | Self::Object(Err(error))
            | Self::Existed(Err(error))
            | Self::Each(Err(error))
            | Self::Done(Err(error))
            | Self::Read(Err(error))
            | Self::Listing(Err(error))
            | Self::Upload(Err(error))
            | Self::Part(Err(error)) => Some(error),
            _ => None,
        }
    }
}

/// Starts a request; nothing happens until the future is polled.
pub fn send(store: &Store, request: Request) -> InFlight {
    let store = store.clone();
    Box::pin(async move {
        match request {
            Request::CreateBucket { tenant, name } => {
                Reply::Bucket(store.create_bucket(tenant, &name, false).await)
            }
            Request::DeleteBucket { bucket } => Reply::Done(store.delete_bucket(bucket).await),
            Request::Abandon { content, how } => Reply::Done(abandon(&store, content, how).await),
            Request::Delete {
                bucket,
                key,
                condition,
            } => Reply::Existed(store.delete(bucket, &key, condition).await),
            Request::DeleteMany { bucket, deletions } => {
                Reply::Each(store.delete_many(bucket, deletions).await)
            }
            Request::SetAcl { bucket, key, acl } => {
                Reply::Object(store.set_acl(bucket, &key, acl).await)
            }
            Request::Get { bucket, key, range } => {
                Reply::Read(read(&store, bucket, &key, range).await)
            }
            Request::List { bucket, query } => Reply::Listing(list(&store, bucket, query).await),
            Request::CreateUpload {
                bucket,
                key,
                attributes,
            } => Reply::Upload(store.create_upload(bucket, &key, attributes).await),
            Request::Abort { bucket, upload } => {
                Reply::Done(store.abort_upload(bucket, upload).await)
            }
            Request::PutPart { .. } => Reply::Part(put_part(&store, request).await),
            Request::Put { .. } | Request::Copy { .. } | Request::Complete { .. } => {
                Reply::Object(write(&store, request).await)
            }
        }
    })
}

async fn write(store: &Store, request: Request) -> Result<Object> {
    match request {
        Request::Put {
            bucket,
            key,
            content,
            chunk,
            attributes,
            condition,
        } => {
            let writer = store.blob_writer(Some(content.len() as u64));
            let staged = stage(writer, content, chunk).await?;
            if chunk != usize::MAX {
                pause().await;
            }
            store.put(bucket, &key, staged, attributes, condition).await
        }
        Request::Copy {
            from,
            from_key,
            bucket,
            key,
            attributes,
            condition,
        } => {
            let source = store.head(from, &from_key).await?;
            store
                .copy(&source, bucket, &key, attributes, condition)
                .await
        }
        Request::Complete {
            bucket,
            upload,
            parts,
            min_part_bytes,
            checksums,
            condition,
        } => {
            store
                .complete_upload(bucket, upload, &parts, min_part_bytes, checksums, condition)
                .await
        }
        other => unreachable!("{other:?} writes no object"),
    }
}

/// Lets others go first, the log writer among them: between a body and its name.
async fn pause() {
    const POLLS: u32 = 3;
    let mut left = POLLS;
    std::future::poll_fn(|_| {
        left = left.saturating_sub(1);
        if left == 0 {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

async fn put_part(store: &Store, request: Request) -> Result<Part> {
    let Request::PutPart {
        bucket,
        upload,
        number,
        content,
        chunk,
        checksums,
    } = request
    else {
        unreachable!("{request:?} is no part");
    };
    let hint = Some(content.len() as u64);
    let writer = store.part_writer(bucket, upload, number, hint).await?;
    let staged = stage(writer, content, chunk).await?;
    store
        .put_part(bucket, upload, number, staged, checksums)
        .await
}

async fn stage(mut writer: BlobWriter, mut content: Bytes, chunk: usize) -> Result<StagedBlob> {
    let (md5, size) = (Md5::digest(&content), content.len() as u64);
    while !content.is_empty() {
        let piece = content.split_to(chunk.min(content.len()));
        writer.write(piece).await?;
    }
    let staged = writer.finish().await?;
    assert_eq!(
        (staged.md5().as_slice(), staged.size()),
        (md5.as_slice(), size),
        "a staged blob is what was written"
    );
    Ok(staged)
}

async fn abandon(store: &Store, content: Bytes, how: Abandon) -> Result<()> {
    let mut writer = store.blob_writer(None);
    match how {
        Abandon::Writing => writer.write(content).await,
        Abandon::Staged => stage(writer, content, usize::MAX).await.map(drop),
    }
}

/// Reads a range of an object by name; the range is cut to the object.
pub async fn read(
    store: &Store,
    bucket: BucketId,
    key: &[u8],
    range: Range<u64>,
) -> Result<ReadBytes> {
    let object = store.head(bucket, key).await?;
    let range = range.start.min(object.size)..range.end.min(object.size);
    let bytes = read_object(store, &object, range.clone()).await?;
    Ok(ReadBytes {
        object,
        range,
        bytes,
    })
}

/// Reads a range of an object.
pub async fn read_object(store: &Store, object: &Object, range: Range<u64>) -> Result<Bytes> {
    let mut reader: BlobReader = store.read(object, range.clone()).await?;
    let mut out = Vec::new();
    while let Some(chunk) = reader.next().await {
        let chunk = chunk?;
        assert!(!chunk.is_empty(), "a reader ends, it does not stutter");
        out.extend_from_slice(&chunk);
    }
    assert_eq!(
        out.len() as u64,
        range.end - range.start,
        "a read is whole or an error"
    );
    Ok(out.into())
}

/// Lists all pages of a query.
pub async fn list(store: &Store, bucket: BucketId, mut query: ListQuery) -> Result<Vec<ListEntry>> {
    let mut out = Vec::new();
    loop {
        let page = store.list(bucket, query.clone()).await?;
        assert!(
            page.entries.len() <= query.limit,
            "a page holds at most its limit"
        );
        out.extend(page.entries);
        let Some(next) = page.next else {
            return Ok(out);
        };
        assert_ne!(next, query.start, "a listing goes on");
        query.start = next;
    }
}

/// Whether the error leaves open what happened: the request may have taken effect, or may yet.
pub const fn is_fault(error: &Error) -> bool {
    matches!(
        error,
        Error::Io { .. }
            | Error::NameIndex(NamesError::Io { .. })
            | Error::Poisoned { .. }
            | Error::NoSpace { .. }
            | Error::NoDescriptor { .. }
            | Error::NoRoomForIndexes { .. }
            | Error::Closed
            | Error::Damaged { .. }
            | Error::Missing { .. }
    )
}

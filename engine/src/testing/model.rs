//! The reference model: what a store with the same history must hold, as `BTreeMap`s.
//!
//! Where a fault left open whether a request took effect, the model keeps the alternatives, until
//! [`Model::reconcile`](super::reconcile) is shown a store's content: then the content must be one of them, and the
//! model goes on with it.

use super::op::BucketSlot;
use crate::{Acl, Attributes, BucketId, Checksum, Id, Object, UploadId, Version};
use bytes::Bytes;
use md5::{Digest, Md5};
use std::collections::{BTreeMap, BTreeSet};

/// A check that failed: what was expected and what was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure(pub String);

/// The outcome of a check.
pub type Check<T = ()> = Result<T, Failure>;

/// Fails with a message unless the condition holds.
#[macro_export]
#[doc(hidden)]
macro_rules! testing_ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err($crate::testing::Failure(format!($($message)+)));
        }
    };
}
pub use crate::testing_ensure as ensure;

/// An object.
#[derive(Clone, PartialEq, Debug)]
pub struct Value {
    /// Its bytes.
    pub content: Bytes,
    /// Its ETag, without quotes.
    pub etag: String,
    /// Everything else that the client said.
    pub attributes: Attributes,
    /// The sizes of the parts that it was uploaded in; none for a single put.
    pub part_sizes: Vec<u64>,
    /// Version and modification time, once the store has told.
    pub stamp: Option<(Version, u64)>,
}

impl Value {
    /// An object that a plain PUT makes.
    pub fn put(content: Bytes, attributes: Attributes) -> Self {
        let etag = hex(&Md5::digest(&content));
        Self {
            content,
            etag,
            attributes,
            part_sizes: Vec::new(),
            stamp: None,
        }
    }

    /// The same object with another ACL.
    pub fn with_acl(&self, acl: Acl) -> Self {
        let mut out = self.clone();
        out.attributes.acl = acl;
        out.stamp = None;
        out
    }

    /// Whether what the store says of an object is this one.
    pub fn describes(&self, object: &Object) -> bool {
        object.size == self.content.len() as u64
            && object.etag == self.etag
            && object.attributes == self.attributes
            && object.part_sizes == self.part_sizes
            && self
                .stamp
                .is_none_or(|stamp| stamp == (object.version, object.modified_ms))
            && object.blob == Id::of(&self.content)
    }

    /// Whether the other is the same object, where both know their stamps.
    pub fn agrees(&self, other: &Self) -> bool {
        self.content == other.content
            && self.etag == other.etag
            && self.attributes == other.attributes
            && self.part_sizes == other.part_sizes
            && (self.stamp.is_none() || other.stamp.is_none() || self.stamp == other.stamp)
    }

    /// A few words for messages.
    pub fn summary(&self) -> String {
        let (len, etag, stamp) = (self.content.len(), &self.etag, &self.stamp);
        let attributes = format!("{:?}", self.attributes);
        format!(
            "{len} B etag {etag} stamp {stamp:?} attributes {}",
            hex(&Md5::digest(attributes)).get(..6).unwrap_or("")
        )
    }
}

/// A part of an upload.
#[derive(Clone, PartialEq, Debug)]
pub struct PartValue {
    /// Its size in bytes.
    pub size: u64,
    /// The MD5 in hexadecimal digits.
    pub etag: String,
    /// What the client said.
    pub checksums: Vec<Checksum>,
    /// Its bytes; the store's content, read back, does not have them.
    pub content: Option<Bytes>,
}

impl PartValue {
    /// A part with these bytes.
    pub fn new(content: Bytes, checksums: Vec<Checksum>) -> Self {
        Self {
            size: content.len() as u64,
            etag: hex(&Md5::digest(&content)),
            checksums,
            content: Some(content),
        }
    }

    /// Whether the other is the same part.
    pub fn agrees(&self, other: &Self) -> bool {
        (self.size, &self.etag, &self.checksums) == (other.size, &other.etag, &other.checksums)
    }
}

/// An upload.
#[derive(Clone, PartialEq, Debug)]
pub struct UploadState {
    /// The key that it becomes.
    pub key: Vec<u8>,
    /// The attributes that the object gets.
    pub attributes: Attributes,
    /// Its parts.
    pub parts: BTreeMap<u16, PartValue>,
}

/// A bucket.
#[derive(Clone, PartialEq, Debug)]
pub struct BucketState {
    /// Its id.
    pub id: BucketId,
    /// Its objects.
    pub objects: BTreeMap<Vec<u8>, Value>,
    /// Its uploads.
    pub uploads: BTreeMap<UploadId, UploadState>,
}

impl BucketState {
    /// An empty bucket.
    pub const fn new(id: BucketId) -> Self {
        Self {
            id,
            objects: BTreeMap::new(),
            uploads: BTreeMap::new(),
        }
    }
}

/// Everything in a store.
pub type Contents = BTreeMap<BucketSlot, BucketState>;

/// What a fault left open.
#[derive(Clone, Default, Debug)]
pub struct Open {
    /// Objects: what may be there besides what [`Model::contents`] says.
    pub objects: BTreeMap<(BucketSlot, Vec<u8>), Vec<Option<Value>>>,
    /// Parts that may be there instead.
    pub parts: BTreeMap<(UploadId, u16), Vec<PartValue>>,
    /// Uploads that may have been aborted, wholly or in part.
    pub aborted: BTreeSet<UploadId>,
    /// Uploads that may have become this object.
    pub completed: BTreeMap<UploadId, Value>,
    /// Uploads that may have been made, under ids that nobody was told.
    pub uploads: Vec<(BucketSlot, UploadState)>,
    /// Buckets that may have been made.
    pub created: BTreeSet<BucketSlot>,
    /// Buckets that may have been removed.
    pub deleted: BTreeSet<BucketSlot>,
}

impl Open {
    /// Whether nothing is open.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
            && self.parts.is_empty()
            && self.aborted.is_empty()
            && self.completed.is_empty()
            && self.uploads.is_empty()
            && self.created.is_empty()
            && self.deleted.is_empty()
    }
}

/// The reference model of one store.
#[derive(Clone, Default, Debug)]
pub struct Model {
    /// What the store must hold, but for what is open.
    pub contents: Contents,
    /// What a fault left open.
    pub open: Open,
}

impl Model {
    /// What a key may hold now: more than one answer only where a fault or a race left it open.
    pub fn candidates(&self, bucket: BucketSlot, key: &[u8]) -> Vec<Option<Value>> {
        let base = self.object(bucket, key).cloned();
        let open = self.open.objects.get(&(bucket, key.to_vec()));
        std::iter::once(base)
            .chain(open.into_iter().flatten().cloned())
            .collect()
    }

    /// The object that a key holds.
    pub fn object(&self, bucket: BucketSlot, key: &[u8]) -> Option<&Value> {
        self.contents.get(&bucket)?.objects.get(key)
    }

    /// An upload.
    pub fn upload(&self, bucket: BucketSlot, upload: UploadId) -> Option<&UploadState> {
        self.contents.get(&bucket)?.uploads.get(&upload)
    }

    /// The ETag and the content that completing an upload with these parts gives.
    pub fn assemble<'a>(parts: impl IntoIterator<Item = &'a PartValue>) -> (String, Bytes) {
        let (mut content, mut digests, mut count) = (Vec::new(), Md5::new(), 0);
        for part in parts {
            let bytes = part
                .content
                .as_ref()
                .expect("the model knows the bytes of its parts");
            content.extend_from_slice(bytes);
            digests.update(Md5::digest(bytes));
            count += 1;
        }
        (
            format!("{}-{count}", hex(&digests.finalize())),
            content.into(),
        )
    }
}

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

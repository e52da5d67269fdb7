//! What is asked of the server, by whom. Pure data: [`crate::model`] says what the answer must be, [`crate::wire`] makes a
//! request of it.

use std::fmt;

/// Who asks. Keys are numbers of the world's keys.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Who {
    /// Nobody: no signature.
    Anonymous,
    /// The holder of a key, which may have been deleted.
    Key(usize),
    /// Someone who knows the id of a key and not its secret.
    Forger(usize),
    /// Someone with a key that never was.
    Stranger,
}

/// One request.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Who signs it.
    pub who: Who,
    /// Whether the signature lies in the query: a link.
    pub link: bool,
    /// What is asked.
    pub op: Op,
}

/// Which listing of objects.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Listing {
    /// ListObjects.
    V1,
    /// ListObjectsV2.
    V2,
    /// ListObjectVersions.
    Versions,
}

/// How an object is read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum How {
    /// GET.
    Whole,
    /// HEAD.
    Head,
    /// GET of the first byte.
    FirstByte,
    /// GET with an `If-None-Match` of this ETag.
    Unless(String),
    /// GET with `?versionId=null`.
    Version,
    /// GET with a `response-content-type`.
    Override,
}

/// The condition of a write.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum If {
    /// None.
    Always,
    /// `If-None-Match: *`.
    Absent,
    /// `If-Match` with this ETag.
    Match(String),
}

/// Bytes of a body, told by their length and how they begin.
#[derive(Clone, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = String::from_utf8_lossy(&self.0[..self.0.len().min(30)]);
        write!(f, "{} bytes {head:?}", self.0.len())
    }
}

/// A key in a bucket.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct At {
    /// The bucket's name.
    pub bucket: String,
    /// The key.
    pub key: String,
}

/// An upload as a request names it: its number in the world, and a place that need not be its own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UploadAt {
    /// The place in the request.
    pub at: At,
    /// The number of the upload; one too high for any is an id that never was.
    pub number: usize,
}

/// The operations, by S3's names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Op {
    ListBuckets,
    CreateBucket(String),
    HeadBucket(String),
    DeleteBucket(String),
    GetBucketLocation(String),
    GetBucketVersioning(String),
    GetBucketAcl(String),
    PutBucketAcl(String, bool),
    List(String, Listing),
    ListMultipartUploads(String),
    DeleteObjects(String, Vec<String>),
    Put(At, Bytes, bool, If),
    Get(At, How),
    Delete(At),
    Copy {
        from: At,
        to: At,
        public: bool,
        replace: bool,
    },
    GetObjectAcl(At),
    PutObjectAcl(At, bool),
    GetObjectTagging(At),
    CreateMultipartUpload(At, bool),
    UploadPart(UploadAt, u16, Bytes),
    UploadPartCopy(UploadAt, u16, At),
    ListParts(UploadAt),
    CompleteMultipartUpload(UploadAt, Vec<(u16, String)>),
    AbortMultipartUpload(UploadAt),
    /// What the server does not offer: a method, a bucket, a key if any, a query.
    Unknown(&'static str, String, Option<String>, &'static str),
}

impl Op {
    /// The bucket in the request's path.
    pub fn bucket(&self) -> Option<&str> {
        match self {
            Self::ListBuckets => None,
            Self::CreateBucket(bucket)
            | Self::HeadBucket(bucket)
            | Self::DeleteBucket(bucket)
            | Self::GetBucketLocation(bucket)
            | Self::GetBucketVersioning(bucket)
            | Self::GetBucketAcl(bucket)
            | Self::PutBucketAcl(bucket, _)
            | Self::List(bucket, _)
            | Self::ListMultipartUploads(bucket)
            | Self::DeleteObjects(bucket, _)
            | Self::Unknown(_, bucket, ..) => Some(bucket),
            Self::Put(at, ..)
            | Self::Get(at, _)
            | Self::Delete(at)
            | Self::Copy { to: at, .. }
            | Self::GetObjectAcl(at)
            | Self::PutObjectAcl(at, _)
            | Self::GetObjectTagging(at)
            | Self::CreateMultipartUpload(at, _) => Some(&at.bucket),
            _ => self.upload().map(|upload| upload.at.bucket.as_str()),
        }
    }

    /// The upload that the request names.
    pub fn upload(&self) -> Option<&UploadAt> {
        match self {
            Self::UploadPart(upload, ..)
            | Self::UploadPartCopy(upload, ..)
            | Self::ListParts(upload)
            | Self::CompleteMultipartUpload(upload, _)
            | Self::AbortMultipartUpload(upload) => Some(upload),
            _ => None,
        }
    }

    /// The operation's name, to be counted under.
    pub fn name(&self) -> String {
        let text = match self {
            Self::Get(_, How::Head) => "HeadObject".to_owned(),
            Self::List(_, kind) => format!("List{kind:?}"),
            other => format!("{other:?}"),
        };
        text.split(['(', ' ']).next().unwrap_or_default().to_owned()
    }

    /// Whether the answer has no body whatever it says.
    pub fn is_head(&self) -> bool {
        matches!(self, Self::HeadBucket(_) | Self::Get(_, How::Head))
    }
}

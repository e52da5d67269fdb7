//! What the model remembers, and what it can say about an answer. Pure data.

use crate::ask::At;
use crate::client::{hex, md5};
use std::collections::BTreeMap;

/// A status and a code.
pub type Fault = (u16, &'static str);

/// An object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Object {
    pub bytes: Vec<u8>,
    pub etag: String,
    pub public: bool,
}

/// A bucket.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Bucket {
    pub tenant: usize,
    pub public: bool,
    pub objects: BTreeMap<String, Object>,
}

/// Parts as a completion lists them: numbers and ETags.
pub type Parts = Vec<(u16, String)>;

/// An upload, open or not.
#[derive(Clone, PartialEq, Debug)]
pub struct Upload {
    pub at: At,
    pub public: bool,
    pub open: bool,
    pub parts: BTreeMap<u16, Vec<u8>>,
    /// Where it became an object, of which parts, and the ETag.
    pub done: Option<(At, Parts, String)>,
}

/// An access key.
#[derive(Clone, PartialEq, Debug)]
pub struct Key {
    pub tenant: usize,
    pub works: bool,
}

/// Everything there is.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Model {
    pub buckets: BTreeMap<String, Bucket>,
    pub uploads: Vec<Upload>,
    pub keys: Vec<Key>,
}

/// What an answer shows if it is no refusal.
#[derive(Clone, Debug)]
pub enum Shows {
    /// Nothing that the model knows.
    Nothing,
    /// An object, whole.
    Object(Object),
    /// The first byte of an object.
    FirstByte(Object),
    /// An ETag.
    Etag(String),
    /// Who may read: everyone or the owner.
    Public(bool),
    /// These texts, each in an element of that name, in this order.
    Elements(&'static str, Vec<String>),
    /// The uploads of these numbers, in any order.
    Uploads(Vec<usize>),
    /// The id of the upload that was just made.
    Begun,
}

/// The answers that are right: one of the statuses and codes; the code is empty for a success.
#[derive(Clone, Debug)]
pub struct Expected {
    pub any_of: Vec<Fault>,
    pub shows: Shows,
}

/// A status and what is shown, or the refusals that are right.
pub type Answer = Result<(u16, Shows), Vec<Fault>>;

impl From<Answer> for Expected {
    fn from(answer: Answer) -> Self {
        let (any_of, shows) = match answer {
            Ok((status, shows)) => (vec![(status, "")], shows),
            Err(any_of) => (any_of, Shows::Nothing),
        };
        Self { any_of, shows }
    }
}

impl Model {
    /// The objects of a bucket that exists.
    pub fn objects(&mut self, bucket: &str) -> &mut BTreeMap<String, Object> {
        &mut self.buckets.get_mut(bucket).unwrap().objects
    }
}

impl Expected {
    /// Whether the request is to be refused.
    pub fn refused(&self) -> bool {
        self.any_of.iter().all(|(_, code)| !code.is_empty())
    }
}

impl Object {
    pub fn new(bytes: Vec<u8>, etag: String, public: bool) -> Self {
        Self {
            bytes,
            etag,
            public,
        }
    }
}

impl Bucket {
    pub fn new(tenant: usize, public: bool) -> Self {
        let objects = BTreeMap::new();
        Self {
            tenant,
            public,
            objects,
        }
    }
}

impl Upload {
    pub fn new(at: At, public: bool) -> Self {
        let parts = BTreeMap::new();
        Self {
            at,
            public,
            open: true,
            parts,
            done: None,
        }
    }

    /// The ETag that it was completed with, to whoever lost the answer and asks the same again.
    pub fn repeated(&self, named: &At, parts: &[(u16, String)]) -> Option<String> {
        let (at, done, etag) = self.done.as_ref()?;
        (at == named && done == parts).then(|| etag.clone())
    }

    /// Its bucket is gone.
    pub fn forget(&mut self) {
        (self.open, self.done) = (false, None);
    }
}

/// The ETag of bytes that were uploaded at once.
pub fn etag_of(bytes: &[u8]) -> String {
    hex(&md5(bytes))
}

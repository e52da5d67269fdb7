//! Uploads that were completed lately, so that whoever lost the answer to a completion may ask again.
//!
//! S3 answers a repeated CompleteMultipartUpload with success for a while, and SDKs repeat it on their own when a
//! connection breaks. The upload is gone by then, so what became of it is remembered here: by its id, for as long as
//! [`REMEMBERED_MAX`] others have not been completed since, and not beyond a restart. A repetition must name the same
//! parts; after that, it is an upload that does not exist.
//!
//! The entry of an upload is locked while it is being completed: a repetition that overtakes the first answer waits for it.

use moraine_engine::{BucketId, Checksum, CompletePart, Object, UploadId};
use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

/// Uploads that are remembered: with keys of 1,024 bytes they take 1.5 MiB.
const REMEMBERED_MAX: usize = 1024;

/// What became of an upload, once it is completed.
pub type Entry = Arc<tokio::sync::Mutex<Option<Done>>>;

/// What became of an upload.
#[derive(Clone, Debug)]
pub struct Done {
    /// The bucket that it was completed in.
    pub bucket: BucketId,
    /// The key that it became.
    pub key: Vec<u8>,
    /// The object's ETag.
    pub etag: String,
    /// The object's checksums.
    pub checksums: Vec<Checksum>,
    parts: u64,
}

impl Done {
    /// An upload that became `object`, of these parts.
    pub fn new(object: &Object, parts: &[CompletePart]) -> Self {
        Self {
            bucket: object.bucket,
            key: object.key.clone(),
            etag: object.etag.clone(),
            checksums: object.attributes.checksums.clone(),
            parts: digest(parts),
        }
    }

    /// Whether it is what a completion of an upload for that key of that bucket with these parts asks for.
    pub fn is(&self, bucket: BucketId, key: &[u8], parts: &[CompletePart]) -> bool {
        self.bucket == bucket && self.key == key && self.parts == digest(parts)
    }
}

fn digest(parts: &[CompletePart]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for part in parts {
        (part.number, &part.etag).hash(&mut hasher);
    }
    hasher.finish()
}

/// The uploads that were completed lately, or are being completed.
#[derive(Default)]
pub struct Completions(Mutex<Recent>);

#[derive(Default)]
struct Recent {
    by_id: HashMap<UploadId, Entry>,
    order: VecDeque<UploadId>,
}

impl Completions {
    /// The entry of an upload that exists; another one may be forgotten for it.
    pub fn entry(&self, id: UploadId) -> Entry {
        let mut recent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = recent.by_id.get(&id) {
            return Arc::clone(entry);
        }
        if recent.order.len() >= REMEMBERED_MAX
            && let Some(oldest) = recent.order.pop_front()
        {
            recent.by_id.remove(&oldest);
        }
        recent.order.push_back(id);
        Arc::clone(recent.by_id.entry(id).or_default())
    }

    /// The entry of an upload, if there is one.
    pub fn find(&self, id: UploadId) -> Option<Entry> {
        let recent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        recent.by_id.get(&id).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_are_forgotten() {
        let completions = Completions::default();
        let id = |n: usize| UploadId((n as u128).to_be_bytes());
        for n in 0..REMEMBERED_MAX {
            completions.entry(id(n));
            completions.entry(id(n));
        }
        assert!(completions.find(id(0)).is_some());
        completions.entry(id(REMEMBERED_MAX));
        assert!(completions.find(id(0)).is_none());
        assert!(completions.find(id(1)).is_some());
        assert!(completions.find(id(REMEMBERED_MAX)).is_some());
    }

    #[test]
    fn parts_are_told_apart() {
        let part = |number, etag: &str| CompletePart {
            number,
            etag: etag.to_owned(),
        };
        let all = [
            vec![part(1, "a"), part(2, "b")],
            vec![part(1, "a")],
            vec![part(2, "a"), part(3, "b")],
            vec![part(1, "b"), part(2, "a")],
        ];
        for (n, one) in all.iter().enumerate() {
            for (m, other) in all.iter().enumerate() {
                assert_eq!(digest(one) == digest(other), n == m);
            }
        }
    }
}

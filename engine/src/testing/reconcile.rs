//! Compares what a store holds with what the model says it must, or may, hold.

use super::model::{BucketState, Check, Contents, Model, Open, UploadState, Value, ensure};
use super::op::BucketSlot;
use crate::UploadId;
use std::collections::BTreeSet;

impl Model {
    /// Checks that the content is one that the history allows, and goes on with it.
    pub fn reconcile(&mut self, mut found: Contents) -> Check {
        self.verify(&found)?;
        for (slot, bucket) in &mut found {
            for (id, upload) in &mut bucket.uploads {
                self.restore_parts(*slot, *id, upload);
            }
        }
        self.contents = found;
        self.open = Open::default();
        Ok(())
    }

    /// Checks that the content is one that the history allows.
    pub fn verify(&self, found: &Contents) -> Check {
        for (slot, bucket) in found {
            match self.contents.get(slot) {
                Some(expected) => {
                    ensure!(expected.id == bucket.id, "bucket {slot} has another id");
                    self.verify_objects(*slot, expected, bucket)?;
                    self.verify_uploads(*slot, expected, bucket)?;
                }
                None => {
                    ensure!(
                        self.open.created.contains(slot),
                        "bucket {slot} came from nowhere"
                    );
                    ensure!(
                        bucket.objects.is_empty(),
                        "bucket {slot} is new and holds objects"
                    );
                    ensure!(
                        bucket.uploads.is_empty(),
                        "bucket {slot} is new and holds uploads"
                    );
                }
            }
        }
        for slot in self.contents.keys() {
            let there = found.contains_key(slot) || self.open.deleted.contains(slot);
            ensure!(there, "bucket {slot} is gone");
        }
        Ok(())
    }

    fn verify_objects(
        &self,
        slot: BucketSlot,
        expected: &BucketState,
        found: &BucketState,
    ) -> Check {
        let keys: BTreeSet<_> = expected
            .objects
            .keys()
            .chain(found.objects.keys())
            .collect();
        for key in keys {
            let candidates = self.candidates(slot, key);
            let object = found.objects.get(key);
            let known = candidates
                .iter()
                .any(|candidate| match (candidate, object) {
                    (None, None) => true,
                    (Some(candidate), Some(object)) => candidate.agrees(object),
                    _ => false,
                });
            let candidates: Vec<_> = candidates
                .iter()
                .map(|candidate| candidate.as_ref().map(Value::summary))
                .collect();
            ensure!(
                known,
                "key {:?} of bucket {slot} holds {:?}; allowed: {candidates:?}",
                String::from_utf8_lossy(key),
                object.map(Value::summary)
            );
        }
        Ok(())
    }

    fn verify_uploads(
        &self,
        slot: BucketSlot,
        expected: &BucketState,
        found: &BucketState,
    ) -> Check {
        for (id, upload) in &expected.uploads {
            let ended = self.may_have_ended(slot, *id, upload, found);
            match found.uploads.get(id) {
                None => ensure!(ended, "upload {id:?} of bucket {slot} is gone"),
                Some(found) => {
                    ensure!(upload.key == found.key, "upload {id:?} has another key");
                    ensure!(
                        upload.attributes == found.attributes,
                        "upload {id:?} has other attributes"
                    );
                    self.verify_parts(*id, upload, found, ended)?;
                }
            }
        }
        let mut unknown: Vec<&UploadState> = self
            .open
            .uploads
            .iter()
            .filter_map(|(bucket, upload)| (*bucket == slot).then_some(upload))
            .collect();
        for (id, upload) in &found.uploads {
            if !expected.uploads.contains_key(id) {
                let made = unknown.iter().position(|unknown| *unknown == upload);
                ensure!(
                    made.is_some(),
                    "upload {id:?} of bucket {slot} came from nowhere"
                );
                made.map(|made| unknown.remove(made));
            }
        }
        Ok(())
    }

    /// Whether a request in flight may have ended the upload; a completion must have left its object.
    fn may_have_ended(
        &self,
        slot: BucketSlot,
        id: UploadId,
        upload: &UploadState,
        found: &BucketState,
    ) -> bool {
        if self.open.aborted.contains(&id) {
            return true;
        }
        let Some(object) = self.open.completed.get(&id) else {
            return false;
        };
        let others = self
            .candidates(slot, &upload.key)
            .iter()
            .skip(1)
            .filter(|other| other.as_ref().is_none_or(|other| !other.agrees(object)))
            .count();
        let current = found.objects.get(&upload.key);
        others > 0 || current.is_some_and(|current| current.agrees(object))
    }

    fn verify_parts(
        &self,
        id: UploadId,
        expected: &UploadState,
        found: &UploadState,
        ended: bool,
    ) -> Check {
        let numbers: BTreeSet<_> = expected.parts.keys().chain(found.parts.keys()).collect();
        for number in numbers {
            let (before, now) = (expected.parts.get(number), found.parts.get(number));
            let known = match (before, now) {
                (None, None) => true,
                (Some(before), Some(now)) if before.agrees(now) => true,
                (Some(_), None) => ended,
                (_, Some(now)) => self
                    .open
                    .parts
                    .get(&(id, *number))
                    .is_some_and(|open| open.iter().any(|open| open.agrees(now))),
            };
            ensure!(
                known,
                "part {number} of upload {id:?} is {now:?} instead of {before:?}"
            );
        }
        Ok(())
    }

    /// Gives the parts that a store told of the bytes that the model knows.
    fn restore_parts(&self, slot: BucketSlot, id: UploadId, upload: &mut UploadState) {
        for (number, part) in &mut upload.parts {
            let before = self
                .upload(slot, id)
                .and_then(|upload| upload.parts.get(number));
            let open = self.open.parts.get(&(id, *number)).into_iter().flatten();
            if let Some(known) = before
                .into_iter()
                .chain(open)
                .find(|known| known.agrees(part))
            {
                part.content.clone_from(&known.content);
            }
        }
    }
}

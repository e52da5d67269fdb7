//! Judges what concerns whole buckets: making, removing and listing them, and making uploads.

use super::listing;
use super::model::{BucketState, Check, Failure, Model, UploadState, ensure};
use super::op::Op;
use super::request::{Reply, Request};
use super::settle::{Conditions, Outcome, Step, outcome};
use crate::{Bucket, Error, ListEntry, UploadId};
use std::collections::BTreeMap;

/// Judges one request and takes it into the model; does nothing for requests of other kinds.
pub(super) fn settle(model: &mut Model, step: &Step, now: Conditions) -> Check {
    match (&step.op, &step.request, &step.reply) {
        (Op::CreateBucket { bucket }, _, Some(Reply::Bucket(reply))) => {
            create_bucket(model, *bucket, outcome(Some(reply), now)?)
        }
        (Op::CreateBucket { bucket }, _, None) => create_bucket(model, *bucket, Outcome::Unknown),
        (Op::DeleteBucket { bucket }, _, Some(Reply::Done(reply))) => {
            delete_bucket(model, *bucket, outcome(Some(reply), now)?)
        }
        (Op::DeleteBucket { bucket }, _, None) => delete_bucket(model, *bucket, Outcome::Unknown),
        (Op::CreateUpload { .. }, _, Some(Reply::Upload(reply))) => {
            create_upload(model, step, outcome(Some(reply), now)?)
        }
        (Op::CreateUpload { .. }, _, None) => create_upload(model, step, Outcome::Unknown),
        (Op::List { bucket, .. }, Request::List { query, .. }, Some(Reply::Listing(reply))) => {
            let state = model.contents.get(bucket);
            match (outcome(Some(reply), now)?, state) {
                (Outcome::Done(_), _) if !model.open.is_empty() => Ok(()),
                (Outcome::Done(entries), Some(state)) => {
                    compare(&listing::expected(state, query), &entries)
                }
                (Outcome::Refused(Error::NoSuchBucket), None) | (Outcome::Unknown, _) => Ok(()),
                (other, _) => Err(Failure(format!("a listing gives {other:?}"))),
            }
        }
        (Op::Abandon { .. }, _, Some(Reply::Done(reply))) => match outcome(Some(reply), now)? {
            Outcome::Refused(error) if !matches!(error, Error::Poisoned { .. }) => {
                Err(Failure(format!("a body that was abandoned gives: {error}")))
            }
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}

fn create_bucket(model: &mut Model, slot: u8, outcome: Outcome<Bucket>) -> Check {
    let exists = model.contents.contains_key(&slot);
    match outcome {
        Outcome::Done(bucket) => {
            ensure!(!exists, "a bucket was made twice");
            let taken = model.contents.values().any(|state| state.id == bucket.id);
            ensure!(
                !taken && bucket.id.0 != 0,
                "the bucket id {} is taken",
                bucket.id
            );
            model.contents.insert(slot, BucketState::new(bucket.id));
        }
        Outcome::Refused(Error::BucketExists { same_tenant: true }) => {
            ensure!(exists, "a bucket that does not exist is said to");
        }
        Outcome::Refused(Error::Poisoned { .. }) => {}
        Outcome::Refused(error) => return Err(Failure(format!("making a bucket gives: {error}"))),
        Outcome::Unknown if !exists => {
            model.open.created.insert(slot);
        }
        Outcome::Unknown => {}
    }
    Ok(())
}

fn delete_bucket(model: &mut Model, slot: u8, outcome: Outcome<()>) -> Check {
    let Some(state) = model.contents.get(&slot) else {
        return match outcome {
            Outcome::Refused(Error::NoSuchBucket | Error::Poisoned { .. }) | Outcome::Unknown => {
                Ok(())
            }
            other => Err(Failure(format!("removing no bucket gives {other:?}"))),
        };
    };
    match outcome {
        Outcome::Done(()) => {
            ensure!(
                state.objects.is_empty(),
                "a bucket that holds objects was removed"
            );
            model.contents.remove(&slot);
        }
        // Uploads may keep a bucket alive, or go with it: the model follows the store.
        Outcome::Refused(Error::BucketNotEmpty) => {
            ensure!(
                !state.objects.is_empty() || !state.uploads.is_empty() || !model.open.is_empty(),
                "a bucket that holds nothing is said to"
            );
        }
        Outcome::Refused(Error::Poisoned { .. }) => {}
        Outcome::Refused(error) => {
            return Err(Failure(format!("removing a bucket gives: {error}")));
        }
        Outcome::Unknown => {
            if state.objects.is_empty() {
                model.open.deleted.insert(slot);
            }
        }
    }
    Ok(())
}

fn create_upload(model: &mut Model, step: &Step, outcome: Outcome<UploadId>) -> Check {
    let (
        Op::CreateUpload { bucket, .. },
        Request::CreateUpload {
            key, attributes, ..
        },
    ) = (&step.op, &step.request)
    else {
        return Err(Failure("a request of another kind".to_owned()));
    };
    let upload = UploadState {
        key: key.clone(),
        attributes: attributes.clone(),
        parts: BTreeMap::new(),
    };
    let state = model.contents.get_mut(bucket);
    match (outcome, state) {
        (Outcome::Done(id), Some(state)) => {
            ensure!(
                state.uploads.insert(id, upload).is_none(),
                "the upload id {id:?} is taken"
            );
        }
        (Outcome::Unknown, Some(_)) => model.open.uploads.push((*bucket, upload)),
        (Outcome::Refused(Error::NoSuchBucket) | Outcome::Unknown, None)
        | (Outcome::Refused(Error::Poisoned { .. }), _) => {}
        (other, _) => return Err(Failure(format!("making an upload gives {other:?}"))),
    }
    Ok(())
}

fn compare(expected: &[listing::Line], found: &[ListEntry]) -> Check {
    for (number, line) in expected.iter().enumerate() {
        match found.get(number) {
            Some(entry) if line.describes(entry) => {}
            other => {
                return Err(Failure(format!(
                    "line {number} of a listing is {other:?} instead of {line:?}"
                )));
            }
        }
    }
    ensure!(
        found.len() == expected.len(),
        "a listing has more lines than {}: {:?}",
        expected.len(),
        found.get(expected.len())
    );
    Ok(())
}

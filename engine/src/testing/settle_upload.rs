//! Judges the requests of a group that concern uploads: parts, completions, aborts.
//!
//! An upload ends once: of the completions and aborts in flight together exactly one succeeds, unless each has a
//! reason of its own to be refused. What a completion writes is judged with the other writes to its key.

use super::model::{Check, Failure, Model, PartValue, UploadState, Value, ensure};
use super::op::{BucketSlot, Completion, Op};
use super::request::{Reply, Request};
use super::settle::{Attempt, Attempts, Conditions, Effect, Outcome, Step, outcome};
use crate::{Error, Object, Part, UploadId};
use std::collections::BTreeMap;

/// The requests of a group that concern one upload.
#[derive(Default)]
struct Requests<'a> {
    bucket: BucketSlot,
    parts: Vec<(u16, PartValue, Outcome<Part>)>,
    completions: Vec<(&'a Step, Outcome<Object>)>,
    aborts: Vec<Outcome<()>>,
}

/// Judges the requests and takes them into the model; completions become writes to their key.
pub(super) fn settle(
    model: &mut Model,
    group: &[Step],
    now: Conditions,
    attempts: &mut Attempts,
) -> Check {
    for (id, requests) in collect(model, group, now)? {
        settle_one(model, id, &requests, attempts)
            .map_err(|failure| Failure(format!("upload {id:?}: {}", failure.0)))?;
    }
    Ok(())
}

fn collect<'a>(
    model: &Model,
    group: &'a [Step],
    now: Conditions,
) -> Check<BTreeMap<UploadId, Requests<'a>>> {
    let mut out: BTreeMap<UploadId, Requests<'a>> = BTreeMap::new();
    for step in group {
        let (Request::PutPart { bucket, upload, .. }
        | Request::Complete { bucket, upload, .. }
        | Request::Abort { bucket, upload }) = &step.request
        else {
            continue;
        };
        let slot = model.contents.iter().find(|(_, state)| state.id == *bucket);
        let requests = out.entry(*upload).or_default();
        requests.bucket = slot.map_or(BucketSlot::MAX, |(slot, _)| *slot);
        match (&step.request, &step.reply) {
            (
                Request::PutPart {
                    number,
                    content,
                    checksums,
                    ..
                },
                reply,
            ) => {
                let part = PartValue::new(content.clone(), checksums.clone());
                let reply = match reply {
                    Some(Reply::Part(reply)) => Some(reply),
                    _ => None,
                };
                requests.parts.push((*number, part, outcome(reply, now)?));
            }
            (Request::Complete { .. }, reply) => {
                let reply = match reply {
                    Some(Reply::Object(reply)) => Some(reply),
                    _ => None,
                };
                requests.completions.push((step, outcome(reply, now)?));
            }
            (_, reply) => {
                let reply = match reply {
                    Some(Reply::Done(reply)) => Some(reply),
                    _ => None,
                };
                requests.aborts.push(outcome(reply, now)?);
            }
        }
    }
    Ok(out)
}

fn settle_one(
    model: &mut Model,
    id: UploadId,
    requests: &Requests<'_>,
    attempts: &mut Attempts,
) -> Check {
    let Some(upload) = model.upload(requests.bucket, id).cloned() else {
        return refused_for_none(requests);
    };
    let completed = requests
        .completions
        .iter()
        .filter(|(_, outcome)| outcome.done().is_some());
    let aborted = requests
        .aborts
        .iter()
        .filter(|outcome| outcome.done().is_some());
    let ended = completed.count() + aborted.count();
    let unknown = requests
        .completions
        .iter()
        .any(|(_, outcome)| outcome.is_unknown())
        || requests.aborts.iter().any(Outcome::is_unknown);
    ensure!(ended <= 1, "an upload ended {ended} times");
    let may_be_gone = ended > 0 || unknown;
    for outcome in &requests.aborts {
        if let Outcome::Refused(error) = outcome {
            judge_refusal(error, may_be_gone)?;
        }
    }
    for (step, outcome) in &requests.completions {
        let value = judge_completion(&upload, step, outcome, may_be_gone, &requests.parts)?;
        if let (Some(value), Request::Complete { condition, .. }) = (value, &step.request) {
            let refused_elsewhere = matches!(
                outcome,
                Outcome::Refused(error) if !matches!(error, Error::PreconditionFailed)
            );
            if !refused_elsewhere {
                let effect = Effect::Set(value.clone(), condition.clone());
                let attempt = Attempt {
                    effect,
                    outcome: outcome.clone(),
                    existed: None,
                };
                attempts
                    .entry((requests.bucket, upload.key.clone()))
                    .or_default()
                    .push(attempt);
            }
            if outcome.is_unknown() {
                model.open.completed.insert(id, value);
            }
        }
    }
    if requests.aborts.iter().any(Outcome::is_unknown) {
        model.open.aborted.insert(id);
    }
    settle_parts(model, id, requests, may_be_gone)?;
    if ended == 1 {
        if let Some(state) = model.contents.get_mut(&requests.bucket) {
            state.uploads.remove(&id);
        }
        model.open.parts.retain(|(upload, _), _| *upload != id);
        model.open.completed.remove(&id);
        model.open.aborted.remove(&id);
    }
    Ok(())
}

fn refused_for_none(requests: &Requests<'_>) -> Check {
    let parts = requests
        .parts
        .iter()
        .map(|(_, _, outcome)| error_of(outcome));
    let completions = requests
        .completions
        .iter()
        .map(|(_, outcome)| error_of(outcome));
    let aborts = requests.aborts.iter().map(error_of);
    for error in parts.chain(completions).chain(aborts) {
        match error? {
            None | Some(Error::NoSuchUpload | Error::NoSuchBucket | Error::Poisoned { .. }) => {}
            // The list of parts is judged before the upload is looked up.
            Some(Error::Invalid { what: "parts", .. }) => {}
            Some(error) => return Err(Failure(format!("an upload that is gone gives: {error}"))),
        }
    }
    Ok(())
}

fn error_of<T>(outcome: &Outcome<T>) -> Check<Option<Error>> {
    match outcome {
        Outcome::Done(_) => Err(Failure("done to an upload that is gone".to_owned())),
        Outcome::Refused(error) => Ok(Some(error.clone())),
        Outcome::Unknown => Ok(None),
    }
}

fn judge_refusal(error: &Error, may_be_gone: bool) -> Check {
    match error {
        Error::NoSuchUpload if may_be_gone => Ok(()),
        Error::Poisoned { .. } => Ok(()),
        error => Err(Failure(format!("refused without a reason: {error}"))),
    }
}

/// What the completion makes, if its parts are there. A refusal must have a reason.
fn judge_completion(
    upload: &UploadState,
    step: &Step,
    outcome: &Outcome<Object>,
    may_be_gone: bool,
    racing: &[(u16, PartValue, Outcome<Part>)],
) -> Check<Option<Value>> {
    let (
        Op::Complete { how, .. },
        Request::Complete {
            parts, checksums, ..
        },
    ) = (&step.op, &step.request)
    else {
        return Err(Failure("a request of another kind".to_owned()));
    };
    let named: Option<Vec<&PartValue>> = parts
        .iter()
        .map(|named| {
            upload
                .parts
                .get(&named.number)
                .filter(|part| part.etag == named.etag)
        })
        .collect();
    let ascending = parts.windows(2).all(|pair| match pair {
        [first, second] => first.number < second.number,
        _ => true,
    });
    let small = *how == Completion::TooSmall && parts.len() > 1;
    let must_fail = named.is_none() || !ascending || parts.is_empty() || small;
    match outcome {
        Outcome::Done(_) => ensure!(!must_fail, "completed as {how:?} with {parts:?}"),
        Outcome::Refused(error) => {
            let reason = match error {
                Error::InvalidPart { number } => {
                    named.is_none()
                        || parts.is_empty()
                        || racing.iter().any(|(racing, ..)| racing == number)
                }
                Error::PartTooSmall { .. } => small,
                Error::Invalid { .. } => !ascending || parts.is_empty(),
                Error::NoSuchUpload => may_be_gone,
                // Judged with the other writes to the key.
                Error::PreconditionFailed | Error::Poisoned { .. } => true,
                // IfMatch on a key without an object.
                Error::NoSuchKey => true,
                _ => false,
            };
            ensure!(reason, "a completion was refused without a reason: {error}");
        }
        Outcome::Unknown => {}
    }
    if must_fail {
        return Ok(None);
    }
    Ok(named.map(|parts| {
        let part_sizes = parts.iter().map(|part| part.size).collect();
        let (etag, content) = Model::assemble(parts);
        let mut attributes = upload.attributes.clone();
        attributes.checksums.clone_from(checksums);
        Value {
            content,
            etag,
            attributes,
            part_sizes,
            stamp: None,
        }
    }))
}

fn settle_parts(
    model: &mut Model,
    id: UploadId,
    requests: &Requests<'_>,
    may_be_gone: bool,
) -> Check {
    let mut by_number: BTreeMap<u16, Vec<(&PartValue, bool)>> = BTreeMap::new();
    for (number, part, outcome) in &requests.parts {
        match outcome {
            Outcome::Done(done) => {
                let found = (done.number, done.size, &done.etag, &done.checksums);
                let expected = (*number, part.size, &part.etag, &part.checksums);
                ensure!(
                    found == expected,
                    "the part {done:?} was put as {expected:?}"
                );
                by_number.entry(*number).or_default().push((part, true));
            }
            Outcome::Refused(error) => judge_refusal(error, may_be_gone)?,
            Outcome::Unknown => by_number.entry(*number).or_default().push((part, false)),
        }
    }
    let Some(state) = model.contents.get_mut(&requests.bucket) else {
        return Ok(());
    };
    let Some(upload) = state.uploads.get_mut(&id) else {
        return Ok(());
    };
    for (number, puts) in by_number {
        let acknowledged = puts.iter().find(|(_, acknowledged)| *acknowledged);
        if let Some((part, _)) = acknowledged {
            upload.parts.insert(number, (*part).clone());
            model.open.parts.remove(&(id, number));
        }
        if puts.len() > 1 || acknowledged.is_none() {
            let open = model.open.parts.entry((id, number)).or_default();
            open.extend(puts.iter().map(|(part, _)| (*part).clone()));
        }
    }
    Ok(())
}

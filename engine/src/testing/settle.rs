//! Judges what the store answered, and takes it into the model.
//!
//! Requests that were in flight together are judged as one group. For one key, the acknowledged writes are put in
//! the order of their versions, and every condition must hold at its place in that order. A request whose outcome a
//! fault left open adds an alternative; so does a delete among other writes, for it returns no version.

use super::model::{Check, Failure, Model, Value, ensure};
use super::op::{BucketSlot, Op};
use super::request::{Reply, Request, is_fault};
use super::{settle_bucket, settle_upload};
use crate::{Acl, Condition, Error, Id, Object};
use std::collections::BTreeMap;

/// A request of a group, and what came of it.
#[derive(Clone, Debug)]
pub struct Step {
    /// The operation that it carries out.
    pub op: Op,
    /// The request.
    pub request: Request,
    /// The answer; none if the process ended before.
    pub reply: Option<Reply>,
}

impl Step {
    /// What it did, if it did something.
    pub fn kind(&self) -> Option<&'static str> {
        let reply = self
            .reply
            .as_ref()
            .filter(|reply| reply.error().is_none())?;
        Some(match (&self.op, reply) {
            (Op::Put { .. }, _) => "put",
            (Op::Delete { .. }, Reply::Existed(Ok(true))) => "delete",
            (Op::DeleteMany { .. }, Reply::Each(Ok(each)))
                if each.iter().any(|it| matches!(it, Ok(true))) =>
            {
                "delete many"
            }
            (Op::Copy { .. }, Reply::Object(Ok(object))) if !object.part_sizes.is_empty() => {
                "copy of parts"
            }
            (Op::Copy { .. }, _) => "copy",
            (Op::SetAcl { .. }, _) => "set ACL",
            (Op::GetRange { .. } | Op::Get { .. }, Reply::Read(Ok(read)))
                if !read.bytes.is_empty() =>
            {
                "get"
            }
            (Op::List { .. }, Reply::Listing(Ok(lines))) if lines.len() > 2 => "list",
            (Op::PutPart { .. }, _) => "put part",
            (Op::Complete { .. }, _) => "complete",
            (Op::Abort { .. }, _) => "abort",
            (Op::DeleteBucket { .. }, _) => "delete bucket",
            _ => return None,
        })
    }
}

/// What is true while a group runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Conditions {
    /// Whether the disk may fail.
    pub faults: bool,
    /// Whether bytes on the disk may change.
    pub damage: bool,
    /// Whether the store was read-only before the group: then nothing of it may take effect.
    pub read_only: bool,
}

/// What an answer says about the effect of a request.
#[derive(Clone, Debug)]
pub(super) enum Outcome<T> {
    Done(T),
    Refused(Error),
    Unknown,
}

impl<T> Outcome<T> {
    pub(super) const fn done(&self) -> Option<&T> {
        if let Self::Done(done) = self {
            Some(done)
        } else {
            None
        }
    }

    pub(super) const fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown)
    }
}

/// Sorts an answer.
pub(super) fn outcome<T: Clone>(
    reply: Option<&Result<T, Error>>,
    now: Conditions,
) -> Check<Outcome<T>> {
    let error = match reply {
        None => return Ok(Outcome::Unknown),
        Some(Ok(done)) => {
            return Ok(Outcome::Done(done.clone()));
        }
        Some(Err(error)) => error,
    };
    let damaged = matches!(error, Error::Damaged { .. } | Error::Missing { .. });
    ensure!(
        !damaged || now.damage,
        "damage where nothing was damaged: {error}"
    );
    ensure!(
        !is_fault(error) || now.faults || now.damage,
        "an error without a fault: {error}"
    );
    Ok(match error {
        Error::Poisoned { .. } if now.read_only => Outcome::Refused(error.clone()),
        error if is_fault(error) => Outcome::Unknown,
        error => Outcome::Refused(error.clone()),
    })
}

/// What a request does to one key.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "a handful live at a time")]
pub(super) enum Effect {
    Set(Value, Condition),
    Acl(Acl),
    Remove(Condition),
}

/// A write to one key.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    pub effect: Effect,
    pub outcome: Outcome<Object>,
    /// Whether a delete found something.
    pub existed: Option<bool>,
}

/// The writes of a group, by key.
pub(super) type Attempts = BTreeMap<(BucketSlot, Vec<u8>), Vec<Attempt>>;

impl Model {
    /// Judges a group and takes it into the model.
    pub fn settle(&mut self, group: &[Step], now: Conditions) -> Check {
        let mut attempts = Attempts::new();
        for step in group {
            self.attempt(step, now, &mut attempts)
                .map_err(|failure| blame(failure, &step.op))?;
        }
        settle_upload::settle(self, group, now, &mut attempts)?;
        for step in group {
            self.judge_read(step, now, &attempts)
                .and_then(|()| settle_bucket::settle(self, step, now))
                .map_err(|failure| blame(failure, &step.op))?;
        }
        for ((bucket, key), attempts) in attempts {
            self.settle_key(bucket, &key, &attempts)
                .map_err(|Failure(failure)| {
                    let key = String::from_utf8_lossy(&key).into_owned();
                    Failure(format!("key {key:?} of bucket {bucket}: {failure}"))
                })?;
        }
        Ok(())
    }

    /// What a request does to which key; none if it writes no key, or has nothing to write.
    fn effect<'a>(
        &self,
        step: &'a Step,
        now: Conditions,
    ) -> Check<Option<(BucketSlot, &'a Vec<u8>, Effect)>> {
        Ok(Some(match (&step.op, &step.request) {
            (
                Op::Put { bucket, key, .. },
                Request::Put {
                    content,
                    attributes,
                    condition,
                    ..
                },
            ) => {
                let value = Value::put(content.clone(), attributes.clone());
                (*bucket, &key.0, Effect::Set(value, condition.clone()))
            }
            (
                Op::Copy {
                    from,
                    from_key,
                    bucket,
                    key,
                    ..
                },
                Request::Copy {
                    attributes,
                    condition,
                    ..
                },
            ) => {
                let Some(source) = self.copied(*from, &from_key.0, step) else {
                    return self.judge_sourceless_copy(step, now).map(|()| None);
                };
                let mut value = source;
                value.stamp = None;
                if let Some(attributes) = attributes {
                    value.attributes.clone_from(attributes);
                }
                (*bucket, &key.0, Effect::Set(value, condition.clone()))
            }
            (Op::SetAcl { bucket, key, .. }, Request::SetAcl { acl, .. }) => {
                (*bucket, &key.0, Effect::Acl(*acl))
            }
            (Op::Delete { bucket, key, .. }, Request::Delete { condition, .. }) => {
                (*bucket, &key.0, Effect::Remove(condition.clone()))
            }
            _ => return Ok(None),
        }))
    }

    fn attempt(&self, step: &Step, now: Conditions, attempts: &mut Attempts) -> Check {
        if let (Op::DeleteMany { bucket, .. }, Request::DeleteMany { deletions, .. }) =
            (&step.op, &step.request)
        {
            return self.attempt_each(*bucket, deletions, step.reply.as_ref(), now, attempts);
        }
        let Some((bucket, key, effect)) = self.effect(step, now)? else {
            return Ok(());
        };
        let (outcome, existed) = match &step.reply {
            Some(Reply::Existed(existed)) => deleted(Some(existed), now)?,
            Some(Reply::Object(object)) => (outcome(Some(object), now)?, None),
            None => (Outcome::Unknown, None),
            Some(other) => return Err(Failure(format!("an answer of another kind: {other:?}"))),
        };
        let attempt = Attempt {
            effect,
            outcome,
            existed,
        };
        self.add(bucket, key, attempt, attempts)
    }

    /// The deletions of one call are judged key by key: each happened or not by itself, whatever became of the others.
    fn attempt_each(
        &self,
        bucket: BucketSlot,
        deletions: &[(Vec<u8>, Condition)],
        reply: Option<&Reply>,
        now: Conditions,
        attempts: &mut Attempts,
    ) -> Check {
        let each = match reply {
            None => None,
            Some(Reply::Each(each)) => Some(each),
            Some(other) => return Err(Failure(format!("an answer of another kind: {other:?}"))),
        };
        if let Some(Ok(each)) = each {
            ensure!(
                each.len() == deletions.len(),
                "{} answers to {} deletions",
                each.len(),
                deletions.len()
            );
        }
        for (at, (key, condition)) in deletions.iter().enumerate() {
            let own = each.and_then(|each| match each {
                Ok(each) => each.get(at).cloned(),
                Err(error) => Some(Err(error.clone())),
            });
            let (outcome, existed) = deleted(own.as_ref(), now)?;
            let attempt = Attempt {
                effect: Effect::Remove(condition.clone()),
                outcome,
                existed,
            };
            self.add(bucket, key, attempt, attempts)?;
        }
        Ok(())
    }

    fn add(
        &self,
        bucket: BucketSlot,
        key: &[u8],
        attempt: Attempt,
        attempts: &mut Attempts,
    ) -> Check {
        if !self.contents.contains_key(&bucket) {
            let refused = matches!(
                &attempt.outcome,
                Outcome::Refused(Error::NoSuchBucket | Error::NoSuchKey | Error::Poisoned { .. })
            );
            let unknown = attempt.outcome.is_unknown() && attempt.existed.is_none();
            ensure!(refused || unknown, "a write to no bucket");
            return Ok(());
        }
        attempts
            .entry((bucket, key.to_vec()))
            .or_default()
            .push(attempt);
        Ok(())
    }

    /// What a copy found: where that is open, what it says that it copied.
    fn copied(&self, bucket: BucketSlot, key: &[u8], step: &Step) -> Option<Value> {
        let mut candidates = self.candidates(bucket, key);
        if candidates.len() > 1 {
            let said = match &step.reply {
                Some(Reply::Object(Ok(object))) => Some(object.blob),
                Some(Reply::Object(Err(Error::NoSuchKey))) => return None,
                _ => None,
            };
            let fits = |value: &Value| said.is_none_or(|blob| blob == Id::of(&value.content));
            candidates.retain(|candidate| candidate.as_ref().is_some_and(fits));
        }
        candidates.into_iter().next().flatten()
    }

    fn judge_sourceless_copy(&self, step: &Step, now: Conditions) -> Check {
        let Some(Reply::Object(reply)) = &step.reply else {
            return Ok(());
        };
        match outcome(Some(reply), now)? {
            Outcome::Done(object) => Err(Failure(format!("a copy of nothing: {object:?}"))),
            Outcome::Refused(Error::NoSuchKey | Error::NoSuchBucket | Error::Poisoned { .. }) => {
                Ok(())
            }
            Outcome::Refused(error) => Err(Failure(format!("a copy of nothing gives: {error}"))),
            Outcome::Unknown => Ok(()),
        }
    }

    /// What a read during the group may have met.
    fn visible(&self, bucket: BucketSlot, key: &[u8], attempts: &Attempts) -> Vec<Option<Value>> {
        let mut out = self.candidates(bucket, key);
        let writes = attempts.get(&(bucket, key.to_vec()));
        for attempt in writes.into_iter().flatten() {
            match &attempt.effect {
                Effect::Set(value, _) => out.push(Some(value.clone())),
                Effect::Remove(_) => out.push(None),
                Effect::Acl(_) => {}
            }
        }
        for attempt in writes.into_iter().flatten() {
            if let Effect::Acl(acl) = attempt.effect {
                let changed: Vec<_> = out
                    .iter()
                    .flatten()
                    .map(|value| Some(value.with_acl(acl)))
                    .collect();
                out.extend(changed);
            }
        }
        out
    }

    fn judge_read(&self, step: &Step, now: Conditions, attempts: &Attempts) -> Check {
        let Some(Reply::Read(reply)) = &step.reply else {
            return Ok(());
        };
        let (Op::Get { bucket, key } | Op::GetRange { bucket, key, .. }) = &step.op else {
            return Err(Failure("an answer of another kind".to_owned()));
        };
        let visible = self.visible(*bucket, &key.0, attempts);
        match outcome(Some(reply), now)? {
            Outcome::Done(read) => {
                let range = usize::try_from(read.range.start).unwrap_or(usize::MAX)
                    ..usize::try_from(read.range.end).unwrap_or(usize::MAX);
                let known = visible.iter().flatten().any(|value| {
                    value.describes(&read.object)
                        && value.content.get(range.clone()) == Some(&read.bytes)
                });
                ensure!(
                    known,
                    "read bytes {range:?} of {:?}, which is none of {:?}",
                    read.object,
                    visible
                        .iter()
                        .flatten()
                        .map(Value::summary)
                        .collect::<Vec<_>>()
                );
            }
            Outcome::Refused(Error::NoSuchBucket) => {
                ensure!(!self.contents.contains_key(bucket), "the bucket is there");
            }
            Outcome::Refused(Error::NoSuchKey) => {
                ensure!(visible.iter().any(Option::is_none), "the key is there");
            }
            Outcome::Refused(error) => return Err(Failure(format!("a read gives: {error}"))),
            Outcome::Unknown => {}
        }
        Ok(())
    }
}

/// What an answer to a deletion says; one that succeeded returns no object, but whether there was one.
fn deleted(
    reply: Option<&Result<bool, Error>>,
    now: Conditions,
) -> Check<(Outcome<Object>, Option<bool>)> {
    Ok(match outcome(reply, now)? {
        Outcome::Done(existed) => (Outcome::Unknown, Some(existed)),
        Outcome::Refused(error) => (Outcome::Refused(error), None),
        Outcome::Unknown => (Outcome::Unknown, None),
    })
}

fn blame(failure: Failure, op: &Op) -> Failure {
    Failure(format!("{op:?}: {}", failure.0))
}

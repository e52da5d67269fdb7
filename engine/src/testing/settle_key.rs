//! Judges the writes of a group to one key.

use super::model::{Check, Failure, Model, Value, ensure};
use super::op::BucketSlot;
use super::settle::{Attempt, Effect, Outcome};
use crate::{Condition, Error, Object};

impl Model {
    /// Judges the writes of a group to one key and takes them into the model.
    pub(super) fn settle_key(
        &mut self,
        bucket: BucketSlot,
        key: &[u8],
        attempts: &[Attempt],
    ) -> Check {
        let before = self.candidates(bucket, key);
        let mut acknowledged = acknowledged(&before, attempts)?;
        acknowledged.sort_by_key(|(value, _)| value.stamp.map(|(version, _)| version));
        ordered(&before, &acknowledged)?;
        let certain = attempts.iter().all(|attempt| !attempt.outcome.is_unknown());
        let after = match (before.as_slice(), attempts) {
            ([base], attempts) if certain => {
                vec![in_order(base.as_ref(), &acknowledged, attempts)?]
            }
            ([base], [attempt]) => alone(base.as_ref(), attempt)?,
            _ => alternatives(&before, &acknowledged, attempts),
        };
        self.set_key(bucket, key, after);
        Ok(())
    }

    fn set_key(&mut self, bucket: BucketSlot, key: &[u8], mut after: Vec<Option<Value>>) {
        let state = self
            .contents
            .get_mut(&bucket)
            .expect("writes to no bucket were sorted out");
        let rest = after.split_off(1);
        match after.into_iter().flatten().next() {
            Some(value) => state.objects.insert(key.to_vec(), value),
            None => state.objects.remove(key),
        };
        let cell = (bucket, key.to_vec());
        if rest.is_empty() {
            self.open.objects.remove(&cell);
        } else {
            self.open.objects.insert(cell, rest);
        }
    }
}

/// Checks what the store said of each write that it acknowledged.
fn acknowledged<'a>(
    before: &[Option<Value>],
    attempts: &'a [Attempt],
) -> Check<Vec<(Value, &'a Effect)>> {
    let mut out = Vec::new();
    for attempt in attempts {
        let Some(object) = attempt.outcome.done() else {
            continue;
        };
        let value = match &attempt.effect {
            Effect::Set(value, _) => value.clone(),
            Effect::Acl(acl) => {
                let written = attempts.iter().filter_map(|other| match &other.effect {
                    Effect::Set(value, _) => Some(value),
                    _ => None,
                });
                before
                    .iter()
                    .flatten()
                    .chain(written)
                    .map(|value| value.with_acl(*acl))
                    .find(|value| value.describes(object))
                    .ok_or_else(|| {
                        Failure(format!("an ACL was set on what never was: {object:?}"))
                    })?
            }
            Effect::Remove(_) => return Err(Failure("a delete returned an object".to_owned())),
        };
        ensure!(
            value.describes(object),
            "{} was written, {object:?} returned",
            value.summary()
        );
        out.push((stamped(value, object), &attempt.effect));
    }
    Ok(out)
}

fn stamped(mut value: Value, object: &Object) -> Value {
    value.stamp = Some((object.version, object.modified_ms));
    value
}

/// Versions grow: from what was there before, and among the new ones.
fn ordered(before: &[Option<Value>], acknowledged: &[(Value, &Effect)]) -> Check {
    let version = |value: &Value| value.stamp.map(|(version, _)| version);
    let mut last = before.first().and_then(Option::as_ref).and_then(version);
    for (value, _) in acknowledged {
        ensure!(
            version(value) > last,
            "version {:?} is not after {last:?}",
            version(value)
        );
        last = version(value);
    }
    Ok(())
}

fn holds(condition: &Condition, state: Option<&Value>) -> bool {
    match condition {
        Condition::None => true,
        Condition::IfAbsent => state.is_none(),
        Condition::IfMatch(etag) => state.is_some_and(|value| value.etag == *etag),
        Condition::IfPresent => state.is_some(),
    }
}

/// Replays acknowledged writes in the order of their versions; every refusal must have had its moment.
fn in_order(
    base: Option<&Value>,
    acknowledged: &[(Value, &Effect)],
    attempts: &[Attempt],
) -> Check<Option<Value>> {
    let mut states = vec![base.cloned()];
    for (value, effect) in acknowledged {
        let state = states.last().and_then(Option::as_ref);
        match effect {
            Effect::Set(_, condition) => {
                ensure!(
                    holds(condition, state),
                    "written although {condition:?} did not hold"
                );
            }
            Effect::Acl(acl) => ensure!(
                state.is_some_and(|state| state.with_acl(*acl).agrees(value)),
                "an ACL change lost a write"
            ),
            Effect::Remove(_) => {}
        }
        states.push(Some(value.clone()));
    }
    for attempt in attempts {
        let Outcome::Refused(error) = &attempt.outcome else {
            continue;
        };
        let refusable = |state: &Option<Value>| match &attempt.effect {
            Effect::Set(_, condition) | Effect::Remove(condition) => {
                !holds(condition, state.as_ref())
                    && (matches!(error, Error::PreconditionFailed)
                        || (state.is_none() && matches!(error, Error::NoSuchKey)))
            }
            Effect::Acl(_) => state.is_none() && matches!(error, Error::NoSuchKey),
        };
        ensure!(
            matches!(error, Error::Poisoned { .. }) || states.iter().any(refusable),
            "refused without a reason: {error}"
        );
    }
    Ok(states.pop().flatten())
}

/// One write alone: a delete, or one whose outcome a fault left open.
fn alone(base: Option<&Value>, attempt: &Attempt) -> Check<Vec<Option<Value>>> {
    let unchanged = base.cloned();
    Ok(match (&attempt.effect, attempt.existed) {
        (Effect::Remove(condition), Some(existed)) => {
            ensure!(
                existed == base.is_some(),
                "a delete says existed = {existed}"
            );
            ensure!(
                base.is_none() || holds(condition, base),
                "deleted although {condition:?} did not hold"
            );
            vec![None]
        }
        (Effect::Remove(condition), None) if holds(condition, base) => vec![unchanged, None],
        (Effect::Set(value, condition), _) if holds(condition, base) => {
            vec![unchanged, Some(value.clone())]
        }
        (Effect::Acl(acl), _) => {
            let changed = base.map(|value| value.with_acl(*acl));
            vec![unchanged, changed]
        }
        _ => vec![unchanged],
    })
}

/// What may be there after writes whose order or outcome nobody was told.
fn alternatives(
    before: &[Option<Value>],
    acknowledged: &[(Value, &Effect)],
    attempts: &[Attempt],
) -> Vec<Option<Value>> {
    let mut after: Vec<Option<Value>> = Vec::new();
    let removed = attempts.iter().any(|attempt| attempt.existed.is_some());
    match acknowledged.last() {
        Some((value, _)) => after.push(Some(value.clone())),
        None if removed => after.push(None),
        None => after.extend_from_slice(before),
    }
    let mut states = before.to_vec();
    for attempt in attempts {
        match &attempt.effect {
            Effect::Set(value, _) => {
                states.push(Some(value.clone()));
                if attempt.outcome.is_unknown() {
                    after.push(Some(value.clone()));
                }
            }
            Effect::Remove(_) if attempt.outcome.is_unknown() => after.push(None),
            Effect::Remove(_) | Effect::Acl(_) => {}
        }
    }
    for attempt in attempts {
        if let (Effect::Acl(acl), true) = (&attempt.effect, attempt.outcome.is_unknown()) {
            after.extend(
                states
                    .iter()
                    .flatten()
                    .map(|value| Some(value.with_acl(*acl))),
            );
        }
    }
    after
}

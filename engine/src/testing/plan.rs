//! Turns operations into requests: slots become ids, descriptions become bytes and attributes.

use super::model::Model;
use super::observe::bucket_name;
use super::op::{BucketSlot, Completion, Key, Op, UploadSlot, When};
use super::request::Request;
use crate::{
    Acl, Attributes, BucketId, Checksum, CompletePart, Condition, ListQuery, ListStart, TenantId,
    UploadId,
};
use std::collections::BTreeMap;

/// What slots stand for. Ids stay after what they named is gone, so that requests for it are made, too.
#[derive(Clone, Default, Debug)]
pub struct Slots {
    /// The ids of buckets.
    pub buckets: BTreeMap<BucketSlot, BucketId>,
    /// The ids of uploads.
    pub uploads: BTreeMap<UploadSlot, (BucketSlot, UploadId)>,
}

/// The ETag that no object has.
const IMPOSSIBLE: &str = "00000000000000000000000000000000";

/// The attributes of a number.
pub fn attributes(number: u8) -> Attributes {
    let text = |text: &str| Some(text.to_owned());
    let mut out = Attributes::default();
    match number % 4 {
        0 => {}
        1 => out.content_type = text("image/png"),
        2 => {
            out.content_type = text("text/plain; charset=utf-8");
            out.cache_control = text("max-age=31536000, immutable");
            out.metadata = vec![
                ("b".to_owned(), "2".to_owned()),
                ("a".to_owned(), "\u{e4}\u{1f600}".to_owned()),
                ("b".to_owned(), String::new()),
            ];
            out.checksums = vec![checksum("Q1JDIQ==", false)];
        }
        _ => {
            out.acl = Acl::PublicRead;
            out.content_disposition = text("inline");
            out.content_encoding = text("br");
            out.content_language = text("de");
            out.expires = text("Thu, 01 Dec 2033 16:00:00 GMT");
            out.storage_class = text("STANDARD");
        }
    }
    out
}

fn checksum(value: &str, composite: bool) -> Checksum {
    Checksum {
        algorithm: "CRC32".to_owned(),
        value: value.to_owned(),
        composite,
    }
}

/// The request for an operation; none if it names a slot that was never filled, or is none that the store is asked.
pub fn request(
    op: &Op,
    model: &Model,
    slots: &Slots,
    tenant: TenantId,
    log: &dyn Fn() -> Vec<u8>,
) -> Option<Request> {
    let bucket = |slot: &BucketSlot| slots.buckets.get(slot).copied();
    Some(match op {
        Op::CreateBucket { bucket } => Request::CreateBucket {
            tenant,
            name: bucket_name(*bucket),
        },
        Op::DeleteBucket { bucket: slot } => Request::DeleteBucket {
            bucket: bucket(slot)?,
        },
        Op::Abandon { content, how } => Request::Abandon {
            content: content.bytes(log),
            how: *how,
        },
        Op::Put { .. }
        | Op::Delete { .. }
        | Op::DeleteMany { .. }
        | Op::Copy { .. }
        | Op::SetAcl { .. } => {
            return write_request(op, model, slots, log);
        }
        Op::Get { .. } | Op::GetRange { .. } | Op::List { .. } => return read_request(op, slots),
        Op::CreateUpload { .. } | Op::PutPart { .. } | Op::Complete { .. } | Op::Abort { .. } => {
            return upload_request(op, model, slots, log);
        }
        Op::Together(_)
        | Op::Checkpoint
        | Op::Seal
        | Op::Prepare
        | Op::Idle { .. }
        | Op::Jump { .. }
        | Op::Reopen { .. } => return None,
    })
}

fn write_request(
    op: &Op,
    model: &Model,
    slots: &Slots,
    log: &dyn Fn() -> Vec<u8>,
) -> Option<Request> {
    let bucket = |slot: &BucketSlot| slots.buckets.get(slot).copied();
    Some(match op {
        Op::Put {
            bucket: slot,
            key,
            content,
            attributes: number,
            when,
            chunk,
        } => Request::Put {
            bucket: bucket(slot)?,
            key: key.0.clone(),
            content: content.bytes(log),
            chunk: *chunk,
            attributes: attributes(*number),
            condition: condition(*when, model, *slot, &key.0),
        },
        Op::Delete {
            bucket: slot,
            key,
            when,
        } => Request::Delete {
            bucket: bucket(slot)?,
            key: key.0.clone(),
            condition: deletion(*when, model, *slot, key),
        },
        Op::DeleteMany { bucket: slot, keys } => Request::DeleteMany {
            bucket: bucket(slot)?,
            deletions: keys
                .iter()
                .map(|(key, when)| (key.0.clone(), deletion(*when, model, *slot, key)))
                .collect(),
        },
        Op::Copy {
            from,
            from_key,
            bucket: slot,
            key,
            attributes: number,
            when,
        } => Request::Copy {
            from: bucket(from)?,
            from_key: from_key.0.clone(),
            bucket: bucket(slot)?,
            key: key.0.clone(),
            attributes: number.map(attributes),
            condition: condition(*when, model, *slot, &key.0),
        },
        Op::SetAcl {
            bucket: slot,
            key,
            public,
        } => Request::SetAcl {
            bucket: bucket(slot)?,
            key: key.0.clone(),
            acl: if *public {
                Acl::PublicRead
            } else {
                Acl::Private
            },
        },
        _ => return None,
    })
}

/// No deletion waits for a key to be absent.
fn deletion(when: When, model: &Model, bucket: BucketSlot, key: &Key) -> Condition {
    match when {
        When::Absent => Condition::None,
        when => condition(when, model, bucket, &key.0),
    }
}

fn read_request(op: &Op, slots: &Slots) -> Option<Request> {
    let bucket = |slot: &BucketSlot| slots.buckets.get(slot).copied();
    Some(match op {
        Op::Get { bucket: slot, key } => Request::Get {
            bucket: bucket(slot)?,
            key: key.0.clone(),
            range: 0..u64::MAX,
        },
        Op::GetRange {
            bucket: slot,
            key,
            start,
            end,
        } => Request::Get {
            bucket: bucket(slot)?,
            key: key.0.clone(),
            range: *start..*end,
        },
        Op::List {
            bucket: slot,
            prefix,
            delimiter,
            start_after,
            limit,
        } => Request::List {
            bucket: bucket(slot)?,
            query: ListQuery {
                prefix: prefix.0.clone(),
                delimiter: delimiter
                    .as_ref()
                    .map(|key| key.0.clone())
                    .unwrap_or_default(),
                start: start_after
                    .as_ref()
                    .map_or(ListStart::First, |key| ListStart::AfterKey(key.0.clone())),
                limit: *limit,
            },
        },
        _ => return None,
    })
}

fn upload_request(
    op: &Op,
    model: &Model,
    slots: &Slots,
    log: &dyn Fn() -> Vec<u8>,
) -> Option<Request> {
    let place = |slot: &UploadSlot| {
        let (bucket, upload) = *slots.uploads.get(slot)?;
        Some((bucket, *slots.buckets.get(&bucket)?, upload))
    };
    Some(match op {
        Op::CreateUpload {
            bucket,
            key,
            attributes: number,
            ..
        } => Request::CreateUpload {
            bucket: *slots.buckets.get(bucket)?,
            key: key.0.clone(),
            attributes: Attributes {
                checksums: Vec::new(),
                ..attributes(*number)
            },
        },
        Op::PutPart {
            upload,
            number,
            content,
            chunk,
        } => {
            let (_, bucket, upload) = place(upload)?;
            let checksums = if number % 2 == 0 {
                vec![checksum("UEFSVA==", false)]
            } else {
                Vec::new()
            };
            let content = content.bytes(log);
            Request::PutPart {
                bucket,
                upload,
                number: *number,
                content,
                chunk: *chunk,
                checksums,
            }
        }
        Op::Complete {
            upload: slot,
            how,
            when,
        } => {
            let (bucket_slot, bucket, upload) = place(slot)?;
            return Some(complete_request(
                model,
                (bucket_slot, bucket),
                upload,
                (*how, *when),
            ));
        }
        Op::Abort { upload } => {
            let (_, bucket, upload) = place(upload)?;
            Request::Abort { bucket, upload }
        }
        _ => return None,
    })
}

fn complete_request(
    model: &Model,
    (bucket_slot, bucket): (BucketSlot, BucketId),
    upload: UploadId,
    (how, when): (Completion, When),
) -> Request {
    let state = model.upload(bucket_slot, upload);
    let key = state.map(|state| state.key.clone()).unwrap_or_default();
    let all: Vec<CompletePart> = state
        .into_iter()
        .flat_map(|state| &state.parts)
        .map(|(number, part)| CompletePart {
            number: *number,
            etag: part.etag.clone(),
        })
        .collect();
    Request::Complete {
        bucket,
        upload,
        parts: choose(all, how),
        min_part_bytes: if how == Completion::TooSmall {
            1_000_000
        } else {
            0
        },
        checksums: vec![checksum("V0hPTEU=", true)],
        condition: condition(when, model, bucket_slot, &key),
    }
}

fn choose(mut all: Vec<CompletePart>, how: Completion) -> Vec<CompletePart> {
    match how {
        Completion::All | Completion::TooSmall => {}
        Completion::EverySecond => all = all.into_iter().step_by(2).collect(),
        Completion::WrongEtag => {
            if let Some(last) = all.last_mut() {
                IMPOSSIBLE.clone_into(&mut last.etag);
            }
        }
        Completion::MissingPart => {
            let number = all
                .last()
                .map_or(1, |last| last.number.saturating_add(1))
                .min(10_000);
            all.retain(|part| part.number != number);
            all.push(CompletePart {
                number,
                etag: IMPOSSIBLE.to_owned(),
            });
        }
        Completion::Descending => all.reverse(),
        Completion::Nothing => all.clear(),
    }
    all
}

fn condition(when: When, model: &Model, bucket: BucketSlot, key: &[u8]) -> Condition {
    match when {
        When::Always => Condition::None,
        When::Absent => Condition::IfAbsent,
        When::Unchanged => model
            .object(bucket, key)
            .map_or(Condition::IfAbsent, |value| {
                Condition::IfMatch(value.etag.clone())
            }),
        When::Impossible => Condition::IfMatch(IMPOSSIBLE.to_owned()),
    }
}

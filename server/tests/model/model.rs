//! What the server must answer, and what it then holds: the rules of S3 and of this store's tenants, written down once
//! more, from the rules and not from the server. Pure.
//!
//! Who owns a bucket owns all in it, and reaches nothing else. Others read an object if its ACL or its bucket says that
//! anyone may, and then without a signature only: a key is a tenant's, and a tenant who signs is held to its buckets.
//! If several things are wrong with a request of someone who may make it, any of them may be told.

use crate::ask::{Ask, At, How, If, Op, UploadAt, Who};
use crate::client::md5;
use crate::state::{Answer, Bucket, Expected, Fault, Model, Object, Shows, Upload, etag_of};

/// Parts other than the last hold at least as much.
const PART_BYTES_MIN: usize = 5 << 20;
const DENIED: Fault = (403, "AccessDenied");
const NOT_IMPLEMENTED: Fault = (501, "NotImplemented");
const NO_BUCKET: Fault = (404, "NoSuchBucket");
const NO_KEY: Fault = (404, "NoSuchKey");
const NO_SUCH_ID: Fault = (403, "InvalidAccessKeyId");
const NOT_EMPTY: Fault = (409, "BucketNotEmpty");
const TAKEN: Fault = (409, "BucketAlreadyExists");
const YOURS: Fault = (409, "BucketAlreadyOwnedByYou");
const CONDITION: Fault = (412, "PreconditionFailed");

fn ok(shows: Shows) -> Answer {
    Ok((200, shows))
}

fn no(fault: Fault) -> Answer {
    Err(vec![fault])
}

impl Model {
    /// The right answer; if the request changes something, it is changed.
    pub fn answer(&mut self, ask: &Ask) -> Expected {
        match ask.who {
            Who::Anonymous => self.anonymous(&ask.op),
            Who::Stranger => no(NO_SUCH_ID),
            Who::Forger(key) | Who::Key(key) if !self.keys[key].works => no(NO_SUCH_ID),
            Who::Forger(_) => no((403, "SignatureDoesNotMatch")),
            Who::Key(key) => self.signed(self.keys[key].tenant, &ask.op),
        }
        .into()
    }

    /// Without a signature objects are read, and nothing else happens.
    fn anonymous(&self, op: &Op) -> Answer {
        let Op::Get(at, how) = op else {
            return no(DENIED);
        };
        match how {
            How::Override => return no((400, "InvalidRequest")),
            How::Version => return no(DENIED),
            _ => {}
        }
        let Some(bucket) = self.buckets.get(&at.bucket) else {
            return no(NO_BUCKET);
        };
        match bucket.objects.get(&at.key) {
            Some(object) if bucket.public || object.public => read(object, how),
            None if bucket.public => no(NO_KEY),
            _ => no(DENIED),
        }
    }

    fn signed(&mut self, tenant: usize, op: &Op) -> Answer {
        let owner = op.bucket().and_then(|name| self.owner(name));
        let foreign = owner.is_some_and(|owner| owner != tenant);
        match op {
            Op::Unknown(..) if foreign => return Err(vec![DENIED, NOT_IMPLEMENTED]),
            Op::Unknown(..) => return no(NOT_IMPLEMENTED),
            Op::CreateBucket(_) if foreign => return no(TAKEN),
            Op::CreateBucket(_) if owner.is_some() => return no(YOURS),
            Op::CreateBucket(name) => {
                self.buckets
                    .insert(name.clone(), Bucket::new(tenant, false));
                return ok(Shows::Nothing);
            }
            Op::ListBuckets => {
                let own = self.buckets.iter().filter(|(_, it)| it.tenant == tenant);
                let names = own.map(|(name, _)| name.clone()).collect();
                return ok(Shows::Elements("Name", names));
            }
            _ if foreign => return no(DENIED),
            Op::Copy { .. } | Op::UploadPartCopy(..) => {}
            _ if owner.is_none() => return no(NO_BUCKET),
            _ => {}
        }
        self.in_bucket(tenant, op)
    }

    fn owner(&self, bucket: &str) -> Option<usize> {
        self.buckets.get(bucket).map(|it| it.tenant)
    }

    /// The bucket is the tenant's, or does not exist and the operation is a copy.
    fn in_bucket(&mut self, tenant: usize, op: &Op) -> Answer {
        let name = op.bucket().unwrap_or_default();
        match op {
            Op::DeleteBucket(_) if !self.buckets[name].objects.is_empty() => no(NOT_EMPTY),
            Op::DeleteBucket(_) => {
                self.buckets.remove(name);
                let inside = self.uploads.iter_mut().filter(|it| it.at.bucket == name);
                inside.for_each(Upload::forget);
                Ok((204, Shows::Nothing))
            }
            // What a bucket's objects are to strangers is the operator's to say.
            Op::PutBucketAcl(_, public) if *public || self.buckets[name].public => {
                no(NOT_IMPLEMENTED)
            }
            Op::HeadBucket(_) | Op::GetBucketLocation(_) => ok(Shows::Nothing),
            Op::GetBucketVersioning(_) | Op::GetBucketAcl(_) => ok(Shows::Nothing),
            Op::PutBucketAcl(..) => ok(Shows::Nothing),
            Op::List(..) => {
                let keys = self.objects(name).keys().cloned().collect();
                ok(Shows::Elements("Key", keys))
            }
            Op::ListMultipartUploads(_) => {
                let uploads = self.uploads.iter().enumerate();
                let inside = uploads.filter(|(_, it)| it.open && it.at.bucket == name);
                ok(Shows::Uploads(inside.map(|(number, _)| number).collect()))
            }
            Op::DeleteObjects(_, keys) => {
                self.objects(name).retain(|key, _| !keys.contains(key));
                ok(Shows::Nothing)
            }
            Op::CreateMultipartUpload(at, public) => {
                self.uploads.push(Upload::new(at.clone(), *public));
                ok(Shows::Begun)
            }
            _ => match op.upload() {
                Some(named) => self.on_upload(tenant, named, op),
                None => self.on_object(tenant, op),
            },
        }
    }

    fn on_object(&mut self, tenant: usize, op: &Op) -> Answer {
        match op {
            Op::Put(at, bytes, public, condition) => {
                let now = self.buckets[&at.bucket].objects.get(&at.key);
                match (condition, now) {
                    (If::Absent, Some(_)) => return no(CONDITION),
                    (If::Match(_), None) => return no(NO_KEY),
                    (If::Match(etag), Some(now)) if *etag != now.etag => return no(CONDITION),
                    _ => {}
                }
                let object = Object::new(bytes.0.clone(), etag_of(&bytes.0), *public);
                self.store(at, object)
            }
            Op::Delete(at) => {
                self.objects(&at.bucket).remove(&at.key);
                Ok((204, Shows::Nothing))
            }
            Op::Copy {
                from,
                to,
                public,
                replace,
            } => {
                let mut faults = self.source_faults(tenant, from);
                faults.extend(self.owner(&to.bucket).is_none().then_some(NO_BUCKET));
                if from == to && !replace {
                    faults.push((400, "InvalidRequest"));
                }
                if !faults.is_empty() {
                    return Err(faults);
                }
                let object = self.buckets[&from.bucket].objects[&from.key].clone();
                self.store(to, Object::new(object.bytes, object.etag, *public))
            }
            Op::Get(at, _)
            | Op::GetObjectAcl(at)
            | Op::PutObjectAcl(at, _)
            | Op::GetObjectTagging(at) => {
                let Some(object) = self.objects(&at.bucket).get_mut(&at.key) else {
                    return no(NO_KEY);
                };
                match op {
                    Op::Get(_, how) => read(object, how),
                    Op::GetObjectAcl(_) => ok(Shows::Public(object.public)),
                    Op::PutObjectAcl(_, public) => {
                        object.public = *public;
                        ok(Shows::Nothing)
                    }
                    _ => ok(Shows::Elements("Tag", vec![])),
                }
            }
            other => unreachable!("{other:?} is not on an object"),
        }
    }

    fn store(&mut self, at: &At, object: Object) -> Answer {
        let etag = object.etag.clone();
        self.objects(&at.bucket).insert(at.key.clone(), object);
        ok(Shows::Etag(etag))
    }

    /// What is wrong with a source: it must be the tenant's own, be it public or not.
    fn source_faults(&self, tenant: usize, from: &At) -> Vec<Fault> {
        match self.buckets.get(&from.bucket) {
            None => vec![NO_BUCKET],
            Some(bucket) if bucket.tenant != tenant => vec![DENIED],
            Some(bucket) if !bucket.objects.contains_key(&from.key) => vec![NO_KEY],
            Some(_) => vec![],
        }
    }

    /// The open upload that a request names: its id, bucket and key must belong together.
    fn find(&self, upload: &UploadAt) -> Option<&Upload> {
        let found = self.uploads.get(upload.number)?;
        (found.open && found.at == upload.at).then_some(found)
    }

    fn on_upload(&mut self, tenant: usize, named: &UploadAt, op: &Op) -> Answer {
        let mut faults = match op {
            Op::UploadPartCopy(_, _, from) => self.source_faults(tenant, from),
            _ => vec![],
        };
        if self.owner(&named.at.bucket).is_none() {
            faults.push(NO_BUCKET);
        }
        if let Op::CompleteMultipartUpload(_, parts) = op {
            let known = self.uploads.get(named.number);
            if let Some(etag) = known.and_then(|it| it.repeated(&named.at, parts)) {
                return ok(Shows::Etag(etag));
            }
            faults.extend(shape_fault(parts).filter(|_| self.find(named).is_none()));
        }
        let Some(upload) = self.find(named) else {
            faults.push((404, "NoSuchUpload"));
            return Err(faults);
        };
        if !faults.is_empty() {
            return Err(faults);
        }
        let (number, bytes) = match op {
            Op::UploadPart(_, number, bytes) => (*number, bytes.0.clone()),
            Op::UploadPartCopy(_, number, from) => {
                let object = &self.buckets[&from.bucket].objects[&from.key];
                (*number, object.bytes.clone())
            }
            Op::CompleteMultipartUpload(_, parts) => {
                return self.complete(named, &upload.clone(), parts);
            }
            Op::ListParts(_) => {
                let numbers = upload.parts.keys().map(u16::to_string).collect();
                return ok(Shows::Elements("PartNumber", numbers));
            }
            _ => {
                self.uploads[named.number].open = false;
                return Ok((204, Shows::Nothing));
            }
        };
        let etag = etag_of(&bytes);
        self.uploads[named.number].parts.insert(number, bytes);
        ok(Shows::Etag(etag))
    }

    fn complete(&mut self, named: &UploadAt, upload: &Upload, parts: &[(u16, String)]) -> Answer {
        let mut faults: Vec<Fault> = shape_fault(parts).into_iter().collect();
        let (mut bytes, mut digests) = (vec![], vec![]);
        for (at, (number, etag)) in parts.iter().enumerate() {
            match upload.parts.get(number) {
                Some(part) if etag_of(part) == *etag => {
                    if at + 1 < parts.len() && part.len() < PART_BYTES_MIN {
                        faults.push((400, "EntityTooSmall"));
                    }
                    bytes.extend_from_slice(part);
                    digests.extend_from_slice(&md5(part));
                }
                _ => faults.push((400, "InvalidPart")),
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let etag = format!("{}-{}", etag_of(&digests), parts.len());
        let completed = &mut self.uploads[named.number];
        completed.open = false;
        completed.done = Some((named.at.clone(), parts.to_vec(), etag.clone()));
        self.store(&named.at, Object::new(bytes, etag, upload.public))
    }
}

/// What is wrong with a list of parts whatever the upload is.
fn shape_fault(parts: &[(u16, String)]) -> Option<Fault> {
    match parts.is_sorted_by(|one, next| one.0 < next.0) {
        true => parts.is_empty().then_some((400, "MalformedXML")),
        false => Some((400, "InvalidPartOrder")),
    }
}

fn read(object: &Object, how: &How) -> Answer {
    match how {
        How::Unless(etag) if *etag == object.etag => Ok((304, Shows::Nothing)),
        How::FirstByte if object.bytes.is_empty() => no((416, "InvalidRange")),
        How::FirstByte => Ok((206, Shows::FirstByte(object.clone()))),
        How::Head => ok(Shows::Etag(object.etag.clone())),
        _ => ok(Shows::Object(object.clone())),
    }
}

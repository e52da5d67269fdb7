//! Draws requests: everyone, everything, most of it meaningful in the world as it is.

use crate::ask::{Ask, At, Bytes, How, If, Listing, Op, UploadAt, Who};
use crate::state::etag_of;
use crate::world::{TENANTS, World, own_key};

const BUCKETS: [&str; 8] = [
    "media", "open", "theirs", "shared", "free-1", "free-2", "free-3", "missing",
];

/// A source of numbers: SplitMix64.
pub struct Generator {
    state: u64,
    /// The owner's second key, which is deleted and made anew.
    spare: Option<usize>,
}

impl Generator {
    pub fn new(seed: u64) -> Self {
        Self {
            state: seed,
            spare: None,
        }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    /// What an operator does now and then, without a request.
    pub async fn operator(&mut self, world: &mut World) {
        if !self.chance(1) {
            return;
        }
        match (self.spare.take(), self.below(2)) {
            (Some(spare), 0) => world.delete_key(spare).await,
            (None, 0) => self.spare = Some(world.make_key(0).await),
            (spare, _) => {
                self.spare = spare;
                let name = world.bucket(BUCKETS[self.below(7)]);
                let public = self.chance(50);
                world.open_bucket(self.below(2), &name, public).await;
            }
        }
    }

    /// The next request.
    pub fn ask(&mut self, world: &World) -> Ask {
        let tenant = match self.below(100) {
            0..60 => 0,
            60..95 => 1,
            _ => 2,
        };
        let last = world.model.keys.len() - 1;
        let who = match self.below(100) {
            0..16 => Who::Anonymous,
            16..19 => Who::Forger(self.below(last + 1)),
            19..21 => Who::Stranger,
            21..26 => Who::Key(last),
            _ => Who::Key(tenant),
        };
        let link = who != Who::Anonymous && self.chance(12);
        Ask {
            who,
            link,
            op: self.op(world, tenant),
        }
    }

    /// A bucket: more often than not one of that tenant's.
    fn bucket(&mut self, world: &World, tenant: usize) -> String {
        let own = world
            .model
            .buckets
            .iter()
            .filter(|(_, it)| it.tenant == tenant);
        let own: Vec<&String> = own.map(|(name, _)| name).collect();
        if own.is_empty() || self.chance(25) {
            return world.bucket(BUCKETS[self.below(BUCKETS.len())]);
        }
        (*self.one(&own)).clone()
    }

    fn at(&mut self, world: &World, tenant: usize) -> At {
        let bucket = self.bucket(world, tenant);
        let owner = world
            .model
            .buckets
            .get(&bucket)
            .map_or(tenant, |it| it.tenant);
        let key = match self.below(8) {
            0 | 1 => "same/private".to_owned(),
            2 | 3 => "same/public".to_owned(),
            4 => "same/upload".to_owned(),
            5 => own_key(owner),
            6 => "same".to_owned(),
            _ => "missing".to_owned(),
        };
        At { bucket, key }
    }

    fn upload(&mut self, world: &World, tenant: usize) -> UploadAt {
        let model = &world.model;
        let open: Vec<usize> = (0..model.uploads.len())
            .filter(|it| model.uploads[*it].open)
            .collect();
        let own = |number: &&usize| {
            let bucket = &model.uploads[**number].at.bucket;
            model
                .buckets
                .get(bucket)
                .is_some_and(|it| it.tenant == tenant)
        };
        let own: Vec<usize> = open.iter().filter(own).copied().collect();
        let number = match self.below(10) {
            0 => model.uploads.len() + 1,
            1 => self.below(model.uploads.len()),
            2 if !open.is_empty() => *self.one(&open),
            _ if !own.is_empty() => *self.one(&own),
            _ => self.below(model.uploads.len()),
        };
        let at = match model.uploads.get(number) {
            Some(upload) if self.chance(8) => At {
                bucket: self.bucket(world, tenant),
                key: upload.at.key.clone(),
            },
            Some(upload) if !self.chance(8) => upload.at.clone(),
            _ => self.at(world, tenant),
        };
        UploadAt { at, number }
    }

    fn content(&mut self, world: &World, tenant: usize) -> Bytes {
        let kind = self.below(12);
        Bytes(world.content(tenant, kind))
    }

    fn etag(&mut self, world: &World, at: &At) -> String {
        let bucket = world.model.buckets.get(&at.bucket);
        match bucket.and_then(|it| it.objects.get(&at.key)) {
            Some(object) if self.chance(60) => object.etag.clone(),
            _ => etag_of(b"another"),
        }
    }

    fn op(&mut self, world: &World, tenant: usize) -> Op {
        match self.below(100) {
            0..18 => self.bucket_op(world, tenant),
            18..38 => {
                let at = self.at(world, tenant);
                let how = match self.below(10) {
                    0..4 => How::Whole,
                    4 | 5 => How::Head,
                    6 => How::FirstByte,
                    7 => How::Unless(self.etag(world, &at)),
                    8 => How::Version,
                    _ => How::Override,
                };
                Op::Get(at, how)
            }
            38..54 => {
                let at = self.at(world, tenant);
                let condition = match self.below(10) {
                    0 => If::Absent,
                    1 | 2 => If::Match(self.etag(world, &at)),
                    _ => If::Always,
                };
                let bytes = self.content(world, tenant);
                Op::Put(at, bytes, self.chance(40), condition)
            }
            54..60 => Op::Delete(self.at(world, tenant)),
            60..70 => {
                let (from, to) = (self.at(world, tenant), self.at(world, tenant));
                let public = from != to && self.chance(30);
                Op::Copy {
                    from,
                    to,
                    public,
                    replace: self.chance(30),
                }
            }
            70..73 => Op::GetObjectAcl(self.at(world, tenant)),
            73..77 => {
                let public = self.chance(50);
                Op::PutObjectAcl(self.at(world, tenant), public)
            }
            77..79 => Op::GetObjectTagging(self.at(world, tenant)),
            _ => self.upload_op(world, tenant),
        }
    }

    fn bucket_op(&mut self, world: &World, tenant: usize) -> Op {
        let bucket = self.bucket(world, tenant);
        match self.below(18) {
            0 => Op::ListBuckets,
            1 | 2 => Op::CreateBucket(bucket),
            3 => Op::HeadBucket(bucket),
            4 => Op::DeleteBucket(bucket),
            5 => Op::GetBucketLocation(bucket),
            6 => Op::GetBucketVersioning(bucket),
            7 => Op::GetBucketAcl(bucket),
            8 => Op::PutBucketAcl(bucket, self.chance(30)),
            9 | 10 => Op::List(bucket, Listing::V1),
            11 => Op::List(bucket, Listing::V2),
            12 => Op::List(bucket, Listing::Versions),
            13 | 14 => Op::ListMultipartUploads(bucket),
            15 | 16 => {
                let count = 1 + self.below(4);
                let mut keys: Vec<String> =
                    (0..count).map(|_| self.at(world, tenant).key).collect();
                if let Some(inside) = world.model.buckets.get(&bucket)
                    && self.chance(30)
                {
                    keys.extend(inside.objects.keys().cloned());
                }
                Op::DeleteObjects(bucket, keys)
            }
            _ => {
                let method = *self.one(&["GET", "PUT", "DELETE"]);
                let query = *self.one(&["?policy", "?cors", "?website", "?retention", "?x"]);
                let key = self.chance(50).then(|| "same/public".to_owned());
                let strange = key.is_none() || method != "GET" || query == "?retention";
                Op::Unknown(
                    method,
                    bucket,
                    key,
                    if strange { query } else { "?attributes" },
                )
            }
        }
    }

    fn upload_op(&mut self, world: &World, tenant: usize) -> Op {
        let number = u16::try_from(1 + self.below(3)).unwrap();
        match self.below(10) {
            0 | 1 => {
                let at = self.at(world, tenant);
                Op::CreateMultipartUpload(at, self.chance(40))
            }
            2 | 3 => {
                let upload = self.upload(world, tenant);
                Op::UploadPart(upload, number, self.content(world, tenant))
            }
            4 | 5 => {
                let upload = self.upload(world, tenant);
                Op::UploadPartCopy(upload, number, self.at(world, tenant))
            }
            6 => Op::ListParts(self.upload(world, tenant)),
            7 => Op::AbortMultipartUpload(self.upload(world, tenant)),
            _ => {
                let upload = self.upload(world, tenant);
                let parts = self.parts(world, &upload);
                Op::CompleteMultipartUpload(upload, parts)
            }
        }
    }

    /// Mostly one part that is there, since more would have to be large; now and then others.
    fn parts(&mut self, world: &World, upload: &UploadAt) -> Vec<(u16, String)> {
        let have = world
            .model
            .uploads
            .get(upload.number)
            .map(|it| it.parts.clone());
        let have: Vec<(u16, String)> = have
            .unwrap_or_default()
            .iter()
            .map(|(number, bytes)| (*number, etag_of(bytes)))
            .collect();
        match self.below(8) {
            0 => have,
            1 => have.into_iter().rev().collect(),
            2 => vec![(
                u16::try_from(self.below(4) + 1).unwrap(),
                etag_of(b"another"),
            )],
            3 if self.chance(30) => vec![],
            _ if have.is_empty() => vec![(1, etag_of(b""))],
            _ => vec![self.one(&have).clone()],
        }
    }
}

const _: () = assert!(TENANTS == 3, "the shares of tenants are of three");

//! Some tenants on the running server, with a model of what they have. Worlds share a server and nothing else, so that
//! several run at once while each is asked one thing after the other.

use crate::ask::{Ask, At, Bytes, How, If, Op, UploadAt, Who};
use crate::client::{Client, Credentials};
use crate::judge::judge;
use crate::observe;
use crate::server::TestServer;
use crate::state::{Bucket, Expected, Key, Model, Shows};
use crate::wire::{Line, message};
use moraine_engine::{Store, TenantId};
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// Tenants of a world: the owner, another, and one without buckets.
pub const TENANTS: usize = 3;

/// The state of a world, and the connection over which everyone in it speaks.
pub struct World {
    pub number: u64,
    pub model: Model,
    pub store: Store,
    pub tenants: Vec<TenantId>,
    /// How often which operation had which outcome.
    pub counts: BTreeMap<(String, bool), u64>,
    pub line: Line,
    address: SocketAddr,
    clients: Vec<Client>,
    ids: Vec<String>,
    asked: u64,
}

impl World {
    /// Tenants with a key each, without buckets. The number must be another for each world of a server.
    pub async fn new(server: &TestServer, number: u64) -> Self {
        let mut world = Self {
            number,
            model: Model::default(),
            store: server.store.clone(),
            tenants: vec![],
            counts: BTreeMap::new(),
            line: Line::new(server.address),
            address: server.address,
            clients: vec![],
            ids: vec![],
            asked: 0,
        };
        for tenant in 0..TENANTS {
            let name = format!("w{number}-t{tenant}");
            let made = world.store.create_tenant(&name).await.unwrap();
            world.tenants.push(made.id);
            world.make_key(tenant).await;
        }
        world
    }

    /// The same with buckets, objects of both kinds in each, uploads, and a key that was deleted.
    pub async fn furnished(server: &TestServer, number: u64) -> Self {
        let mut world = Self::new(server, number).await;
        for (tenant, name, public) in [
            (0, "media", false),
            (0, "open", true),
            (1, "theirs", false),
            (1, "shared", true),
        ] {
            let bucket = world.bucket(name);
            world.make_bucket(tenant, &bucket, public).await;
            for (key, public) in [("same/private", false), ("same/public", true)] {
                let bytes = Bytes(world.content(tenant, 1));
                let at = world.at(name, key);
                world
                    .must(tenant, Op::Put(at, bytes, public, If::Always))
                    .await;
            }
            let at = world.at(name, &own_key(tenant));
            let bytes = Bytes(world.content(tenant, 2));
            world
                .must(tenant, Op::Put(at, bytes.clone(), false, If::Always))
                .await;
            let at = world.at(name, "same/upload");
            let number = world.model.uploads.len();
            world
                .must(tenant, Op::CreateMultipartUpload(at.clone(), false))
                .await;
            world
                .must(tenant, Op::UploadPart(UploadAt { at, number }, 2, bytes))
                .await;
        }
        let spare = world.make_key(0).await;
        world.delete_key(spare).await;
        world
    }

    /// The full name of a bucket.
    pub fn bucket(&self, name: &str) -> String {
        format!("w{}-{name}", self.number)
    }

    pub fn at(&self, bucket: &str, key: &str) -> At {
        At {
            bucket: self.bucket(bucket),
            key: key.to_owned(),
        }
    }

    /// Bytes that only that tenant of this world stores.
    pub fn content(&self, tenant: usize, kind: usize) -> Vec<u8> {
        let mark = format!("<<bytes of tenant {tenant} in world {}>>", self.number);
        match kind {
            0 => vec![],
            kind => format!("{mark}{kind}").repeat(kind * kind).into_bytes(),
        }
    }

    /// What nobody but that tenant may be shown in a refusal.
    fn marks(&self, tenant: usize) -> [String; 2] {
        [format!("<<bytes of tenant {tenant} in"), own_key(tenant)]
    }

    pub async fn make_bucket(&mut self, tenant: usize, name: &str, public: bool) {
        let made = self.store.create_bucket(self.tenants[tenant], name, public);
        made.await.unwrap();
        let bucket = Bucket::new(tenant, public);
        self.model.buckets.insert(name.to_owned(), bucket);
    }

    /// What an operator does to a bucket: makes it if the name is free, and says what strangers may read.
    pub async fn open_bucket(&mut self, tenant: usize, name: &str, public: bool) {
        let (Some(bucket), Some(found)) =
            (self.model.buckets.get_mut(name), self.store.bucket(name))
        else {
            return self.make_bucket(tenant, name, public).await;
        };
        let changed = self.store.set_bucket_public_read(found.id, public);
        changed.await.unwrap();
        bucket.public = public;
    }

    /// Makes a key; returns its number.
    pub async fn make_key(&mut self, tenant: usize) -> usize {
        let number = self.model.keys.len();
        let (id, secret) = (
            format!("AK-W{}-{number}", self.number),
            format!("secret-{number}-of-{tenant}"),
        );
        let made = self
            .store
            .create_access_key(self.tenants[tenant], Some(&id), Some(&secret));
        made.await.unwrap();
        self.clients.push(self.client(&id, &secret));
        self.model.keys.push(Key {
            tenant,
            works: true,
        });
        number
    }

    pub async fn delete_key(&mut self, key: usize) {
        let id = format!("AK-W{}-{key}", self.number);
        self.store.delete_access_key(&id).await.unwrap();
        self.model.keys[key].works = false;
    }

    fn client(&self, id: &str, secret: &str) -> Client {
        Client::new(self.address, Some(Credentials::from((id, secret))))
    }

    fn client_of(&self, who: Who) -> Client {
        match who {
            Who::Anonymous => Client::new(self.address, None),
            Who::Key(key) => self.clients[key].clone(),
            Who::Forger(key) => {
                self.client(&format!("AK-W{}-{key}", self.number), "not-the-secret")
            }
            Who::Stranger => self.client("AK-NOBODY", "whatever-it-is"),
        }
    }

    /// Asks as the holder of that tenant's first key; it must succeed.
    async fn must(&mut self, tenant: usize, op: Op) {
        let ask = Ask {
            who: Who::Key(tenant),
            link: false,
            op,
        };
        let expected = self.ask(&ask).await.unwrap();
        assert!(!expected.refused(), "{ask:?}");
    }

    /// Asks, and compares the answer and what the buckets in question hold then.
    pub async fn ask(&mut self, ask: &Ask) -> Result<Expected, String> {
        let expected = self.model.answer(ask);
        let result = self.ask_for(ask, &expected).await;
        self.asked += 1;
        let refused = expected.refused();
        *self.counts.entry((ask.op.name(), refused)).or_default() += 1;
        match result {
            Ok(()) => Ok(expected),
            Err(what) => Err(format!(
                "request {} of world {}: {ask:?}: {what}",
                self.asked, self.number
            )),
        }
    }

    async fn ask_for(&mut self, ask: &Ask, expected: &Expected) -> Result<(), String> {
        let message = message(&self.client_of(ask.who), ask, &self.ids);
        let response = self.line.exchange(&message).await?;
        if let Shows::Begun = expected.shows {
            self.ids
                .push(response.element("UploadId").unwrap_or_default());
        }
        let asker = match ask.who {
            Who::Key(key) if self.model.keys[key].works => Some(self.model.keys[key].tenant),
            _ => None,
        };
        let others = (0..TENANTS).filter(|tenant| Some(*tenant) != asker);
        let foreign: Vec<String> = others.flat_map(|tenant| self.marks(tenant)).collect();
        judge(ask, expected, &response, &self.ids, &foreign)?;
        let mut buckets: Vec<&str> = ask.op.bucket().into_iter().collect();
        if let Op::Copy { from, .. } | Op::UploadPartCopy(_, _, from) = &ask.op {
            buckets.push(&from.bucket);
        }
        for bucket in buckets {
            observe::bucket(self, bucket).await?;
        }
        Ok(())
    }

    /// Compares everything, the bytes too.
    pub async fn compare(&mut self) -> Result<(), String> {
        observe::catalog(self)?;
        let names: Vec<String> = self.model.buckets.keys().cloned().collect();
        for name in names {
            observe::bucket(self, &name).await?;
            observe::uploads(self, &name).await?;
            let bucket = self.model.buckets[&name].clone();
            for key in bucket.objects.into_keys() {
                let at = At {
                    bucket: name.clone(),
                    key,
                };
                let who = Who::Key(bucket.tenant);
                self.ask(&Ask {
                    who,
                    link: false,
                    op: Op::Get(at, How::Whole),
                })
                .await?;
            }
        }
        Ok(())
    }

    /// The number of an upload by its id.
    pub fn upload_number(&self, id: &str) -> Option<usize> {
        self.ids.iter().position(|it| it == id)
    }
}

/// A key that only that tenant uses.
pub fn own_key(tenant: usize) -> String {
    format!("only-of-{tenant}/a")
}

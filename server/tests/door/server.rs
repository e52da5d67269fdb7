//! A server on a store in a temporary folder, with two tenants.

use crate::client::{Client, Credentials};
use moraine_engine::{Bucket, Geometry, Options, Secret, Store};
use moraine_server::{Limits, ServeError, Server, ServerConfig};
use std::net::SocketAddr;
use std::path::Path;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A server that runs until it is dropped or stopped.
pub struct TestServer {
    /// Where S3 is.
    pub address: SocketAddr,
    /// Where health and metrics are.
    pub admin: SocketAddr,
    /// The engine underneath.
    pub store: Store,
    /// The bucket `media` of the first tenant.
    pub media: Bucket,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<(), ServeError>>,
    folder: TempDir,
}

/// Where buckets are names of hosts.
pub const DOMAIN: &str = "s3.test";
/// The token of the admin API.
pub const ADMIN_TOKEN: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
/// The key of the first tenant.
pub const KEY: (&str, &str) = ("AKIATESTONE", "secret-of-the-first-tenant");
/// The key of the second.
pub const OTHER_KEY: (&str, &str) = ("AKIATESTTWO", "secret-of-the-second-tenant");

impl TestServer {
    /// With the default limits.
    pub async fn start() -> Self {
        Self::with(Limits::default()).await
    }

    /// With other limits.
    pub async fn with(limits: Limits) -> Self {
        let config = ServerConfig {
            limits,
            ..ServerConfig::default()
        };
        Self::configured(config).await
    }

    /// With another configuration, whose addresses do not count.
    pub async fn configured(config: ServerConfig) -> Self {
        Self::open(tempfile::tempdir().unwrap(), config).await
    }

    /// On the store in `folder`, which is made if there is none.
    async fn open(folder: TempDir, config: ServerConfig) -> Self {
        let path = folder.path().to_owned();
        let open = move || Store::open(&path, options()).unwrap();
        let store = tokio::task::spawn_blocking(open).await.unwrap();
        if store.was_created() {
            fill(&store).await;
        }
        let media = store.bucket("media").unwrap();
        let config = ServerConfig {
            listen: "127.0.0.1:0".parse().unwrap(),
            admin_listen: "127.0.0.1:0".parse().unwrap(),
            domains: vec![DOMAIN.to_owned()],
            admin_token: Some(Secret::new(ADMIN_TOKEN.to_owned())),
            ..config
        };
        let server = Server::bind(store.clone(), config).await.unwrap();
        let (address, admin) = (server.address(), server.admin_address());
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(server.run(async {
            let _ = stopped.await;
        }));
        Self {
            address,
            admin,
            store,
            media,
            stop: Some(stop),
            task,
            folder,
        }
    }

    /// Signs as the first tenant.
    pub fn client(&self) -> Client {
        Client::new(self.address, Some(Credentials::from(KEY)))
    }

    /// Signs as the second tenant.
    pub fn other(&self) -> Client {
        Client::new(self.address, Some(Credentials::from(OTHER_KEY)))
    }

    /// Does not sign.
    pub fn anonymous(&self) -> Client {
        Client::new(self.address, None)
    }

    /// The data directory.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Whether `media` holds an object of that key.
    pub async fn holds(&self, key: &str) -> bool {
        self.store.head(self.media.id, key.as_bytes()).await.is_ok()
    }

    /// Stops, lets `meddle` do something to the data directory, and starts again.
    pub async fn restart(mut self, meddle: impl FnOnce(&Path)) -> Self {
        self.begin_stop();
        self.task.await.unwrap().unwrap();
        drop(self.store);
        meddle(self.folder.path());
        Self::open(self.folder, ServerConfig::default()).await
    }

    /// Tells the server to stop, without waiting.
    pub fn begin_stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    /// Waits until it has stopped.
    pub async fn stopped(self) -> Result<(), ServeError> {
        self.task.await.unwrap()
    }
}

/// Segments so small that large uploads go over several.
fn options() -> Options {
    let geometry = Geometry {
        segment_bytes: 8 << 20,
        ..Geometry::default()
    };
    Options {
        geometry,
        memory_bytes: 64 << 20,
        ..Options::default()
    }
}

/// Two tenants with their keys and buckets.
async fn fill(store: &Store) {
    let tenant = store.create_tenant("one").await.unwrap().id;
    let other = store.create_tenant("two").await.unwrap().id;
    store
        .create_access_key(tenant, Some(KEY.0), Some(KEY.1))
        .await
        .unwrap();
    store
        .create_access_key(other, Some(OTHER_KEY.0), Some(OTHER_KEY.1))
        .await
        .unwrap();
    store.create_bucket(tenant, "media", false).await.unwrap();
    store.create_bucket(tenant, "open", true).await.unwrap();
    store.create_bucket(other, "theirs", false).await.unwrap();
}

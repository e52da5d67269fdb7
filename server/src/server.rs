//! The two listeners, from bind to drain.
//!
//! To stop: no new connections; each connection ends after the request it is in; what has not ended when the drain time
//! is over is cut off; then the store is closed. The admin listener answers until that is done.

use crate::admin::Admin;
use crate::admission::{Admission, Place, Refused};
use crate::config::ServerConfig;
use crate::connection;
use crate::front::Front;
use crate::hosts::{BadDomain, Domains};
use crate::metrics::Metrics;
use crate::refusal::Refusals;
use moraine_engine::Store;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How long to wait after an accept failed, which happens when file descriptors run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why the server could not serve, or could not stop well.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {source}: choose another address, or stop what uses it")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A configured domain is none.
    #[error(transparent)]
    Domain(#[from] BadDomain),
    /// The store could not be closed.
    #[error("the store could not be closed: {0}")]
    Close(#[from] moraine_engine::Error),
}

/// A server that listens but does not answer yet.
pub struct Server {
    store: Store,
    config: Arc<ServerConfig>,
    domains: Domains,
    listener: TcpListener,
    admin: TcpListener,
    address: SocketAddr,
    admin_address: SocketAddr,
}

/// Listens and serves until `shutdown`, then drains and closes the store.
pub async fn serve(
    store: Store,
    config: ServerConfig,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    Server::bind(store, config).await?.run(shutdown).await
}

impl Server {
    /// Listens on both addresses.
    pub async fn bind(store: Store, config: ServerConfig) -> Result<Self, ServeError> {
        let domains = Domains::new(&config.domains)?;
        let (listener, address) = listen(config.listen).await?;
        let (admin, admin_address) = listen(config.admin_listen).await?;
        Ok(Self {
            store,
            config: Arc::new(config),
            domains,
            listener,
            admin,
            address,
            admin_address,
        })
    }

    /// Where S3 is served: the port is real even if 0 was asked for.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where health, metrics and the admin API are served.
    pub const fn admin_address(&self) -> SocketAddr {
        self.admin_address
    }

    /// Serves until `shutdown`, then drains and closes the store.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), ServeError> {
        let metrics = Arc::new(Metrics::default());
        let admin = Admin::new(
            self.store.clone(),
            Arc::clone(&metrics),
            self.config.admin_token.clone(),
        );
        let mut admin_task = JoinSet::new();
        admin_task.spawn(admin.run(self.admin));
        tracing::info!(address = %self.address, admin = %self.admin_address, "serving");
        let front = Front::new(
            self.store.clone(),
            Arc::clone(&self.config),
            self.domains,
            Arc::clone(&metrics),
        );
        let mut connections = Connections::new(
            Arc::new(front),
            Arc::clone(&self.config),
            Arc::clone(&metrics),
        );
        tokio::select! {
            () = connections.take_from(&self.listener) => {}
            () = shutdown => {}
        }
        metrics.draining.store(true, Ordering::Relaxed);
        drop(self.listener);
        connections.drain().await;
        self.store.close().await?;
        tracing::info!("stopped");
        Ok(())
    }
}

async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), ServeError> {
    let failed = |source| ServeError::Bind { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let real = listener.local_addr().map_err(failed)?;
    Ok((listener, real))
}

/// The next connection, and whose it is. Failures are waited out: they pass, or the operator sees the log.
pub async fn accept(listener: &TcpListener) -> (TcpStream, IpAddr) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, peer.ip().to_canonical()),
            Err(error) => {
                tracing::warn!(%error, "accept");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// The connections that are open.
struct Connections {
    front: Arc<Front>,
    config: Arc<ServerConfig>,
    metrics: Arc<Metrics>,
    admission: Arc<Admission>,
    refusals: Refusals,
    tasks: JoinSet<()>,
    stop: watch::Sender<bool>,
}

/// Connections open at most beside those of [`Limits::connections`](crate::Limits::connections): refused ones that are read on, those of
/// the admin listener, and on each listener the one that is being looked at. Each holds a descriptor.
pub const OTHER_CONNECTIONS_MAX: usize =
    crate::refusal::READ_ON_MAX + crate::admin::CONNECTIONS_MAX + 2;

impl Connections {
    fn new(front: Arc<Front>, config: Arc<ServerConfig>, metrics: Arc<Metrics>) -> Self {
        let limits = &config.limits;
        let admission = Admission::new(
            limits.connections,
            limits.connections_per_address,
            &config.proxies,
        );
        let (stop, _) = watch::channel(false);
        Self {
            front,
            config,
            metrics,
            admission,
            refusals: Refusals::new(),
            tasks: JoinSet::new(),
            stop,
        }
    }

    /// Takes connections, no more at once than are allowed.
    async fn take_from(&mut self, listener: &TcpListener) {
        loop {
            let (stream, peer) = accept(listener).await;
            match self.admission.admit(peer).await {
                Ok(place) => self.serve(stream, peer, place),
                Err(why) => self.refuse(stream, peer, why),
            }
            while self.tasks.try_join_next().is_some() {}
        }
    }

    fn serve(&mut self, stream: TcpStream, peer: IpAddr, place: Place) {
        let (front, config) = (Arc::clone(&self.front), Arc::clone(&self.config));
        let open = Open::new(&self.metrics);
        let stop = self.stop.subscribe();
        self.tasks.spawn(async move {
            connection::serve(stream, peer, Arc::new(place), front, config, stop).await;
            drop(open);
        });
    }

    fn refuse(&self, stream: TcpStream, peer: IpAddr, why: Refused) {
        let count = match why {
            Refused::Address => &self.metrics.refused_by_address,
            Refused::Total => &self.metrics.refused_by_total,
        };
        count.fetch_add(1, Ordering::Relaxed);
        tracing::debug!(%peer, ?why, "connection refused");
        self.refusals.refuse(stream);
    }

    async fn drain(mut self) {
        self.stop.send_replace(true);
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(self.config.limits.drain, ended)
            .await
            .is_err()
        {
            tracing::warn!(
                connections = self.tasks.len(),
                "cut off at the end of the drain time"
            );
            self.tasks.shutdown().await;
        }
    }
}

/// Counts a connection while it is open.
struct Open(Arc<Metrics>);

impl Open {
    fn new(metrics: &Arc<Metrics>) -> Self {
        metrics.connections.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(metrics))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

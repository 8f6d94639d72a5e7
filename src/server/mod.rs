//! Wires the parts of one sidecar, starts its loops, and drains them in order.

pub mod access;
pub mod doubt;
mod load;
pub mod loops;
pub mod rates;
pub mod recovery;
mod replay;
mod stores;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{Mutex, watch};

use crate::api::auth::{Access, SharedAccess};
use crate::api::grpc;
use crate::api::json::BodyLimits;
use crate::api::listen::{self, BindError, Bound, Limits, Meters, Serving};
use crate::api::routes;
use crate::api::state::{App, Shared};
use crate::clock::Clock;
use crate::config::{Config, Durability, Listen};
use crate::metrics::Metrics;
use crate::root::Sharing;
use crate::service::{Options, Parts, Service, Syncing};
use crate::store::Store;
use crate::tasks::sharer::Sharer;
use crate::tasks::sync::{self, SyncLoop};

use access::AccessError;
use doubt::Doubt;
use loops::Loops;
use rates::{Copies, RatesError};
use recovery::{OpenError, Opened};

/// The longest that a request is kept waiting for work that goes on without it: shorter than proxies wait.
const PATIENCE_MAX: Duration = Duration::from_secs(10);

/// The longest name of a host that is kept.
const HOST_CHARACTERS_MAX: usize = 64;

/// Why a server did not start. Nothing was decided.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The tokens or keys cannot be used.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The rate card cannot be used.
    #[error(transparent)]
    Rates(#[from] RatesError),
    /// The journal or the store cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// An address cannot be listened on.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// Everybody may call, and somebody else than this machine could.
    #[error("{0} can be reached from other machines while no token is configured; set [auth] tokens_file or jwt")]
    OpenToAll(Listen),
    /// The limits of connections contradict each other.
    #[error("the limits of [server] cannot be used: {0}")]
    Limits(&'static str),
}

/// A sidecar at work.
pub struct Server {
    service: Arc<Service>,
    access: SharedAccess,
    copies: Copies,
    http: Serving,
    grpc: Serving,
    /// Tells streams to end.
    closing: watch::Sender<bool>,
    admin: Option<Serving>,
    loops: Loops,
}

/// How a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// Connections that were cut at the deadline.
    pub cut: usize,
    /// Everything that was decided is in the store; else it is in the journal.
    pub flushed: bool,
}

impl Server {
    /// Recovers, binds every address, then serves. Needs a tokio runtime.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start(config: &Config, clock: Clock) -> Result<Self, StartError> {
        Self::start_on(config, clock, None).await
    }

    /// As [`Server::start`], on a store that is open already.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start_on(config: &Config, clock: Clock, store: Option<Arc<dyn Store>>) -> Result<Self, StartError> {
        let access = access::load(&config.auth)?;
        let (card, copies) = (rates::load(config)?, Copies::of(config, store.is_some()));
        let limits = Limits::from(&config.server);
        limits.check().map_err(StartError::Limits)?;
        let http = bind(&config.server.http, &access)?;
        let grpc = bind(&config.server.grpc, &access)?;
        let admin = config.server.admin.as_ref().map(Bound::open).transpose()?;
        let metrics = Metrics::new();
        let opened = recovery::open(config, &clock, &metrics, store).await?;
        let (service, loops) = begin(config, opened, &clock, &metrics);
        copies.recover(&service);
        copies.put(&service, card)?;
        let access = Arc::new(ArcSwap::from_pointee(access));
        let app = app(config, &service, &access);
        let open = || metrics.connections.open.clone();
        let meters = || Meters { refused: metrics.connections.refused.clone(), open: open(), ..Meters::default() };
        let front = routes::front(app.clone(), admin.is_none());
        let http = listen::serve(http, front, limits, meters());
        let (closing, closes) = watch::channel(false);
        let of_streams = Limits { body_timeout: None, ..limits };
        let grpc = listen::serve(grpc, grpc::front(app.clone(), config.envoy.clone(), closes), of_streams, meters());
        let serve_admin = |bound| listen::serve(vec![bound], routes::admin_router(app), limits, Meters::default());
        let admin = admin.map(serve_admin);
        for address in http.addresses().iter().chain(admin.iter().flat_map(Serving::addresses)) {
            tracing::info!(%address, "listening");
        }
        for address in grpc.addresses() {
            tracing::info!(%address, "listening for gRPC");
        }
        Ok(Self { service, access, copies, http, grpc, closing, admin, loops })
    }

    /// Where it listens for HTTP, with the ports that it was given.
    pub fn addresses(&self) -> &[Listen] {
        self.http.addresses()
    }

    /// Where it listens for gRPC, with the ports that it was given.
    pub fn grpc_addresses(&self) -> &[Listen] {
        self.grpc.addresses()
    }

    /// What it serves.
    pub fn service(&self) -> &Arc<Service> {
        &self.service
    }

    /// Takes over what a reload may change. Nothing changes when it fails.
    ///
    /// # Errors
    /// The tokens, the keys or the rate card cannot be used, or an address would be open to all.
    pub fn reload(&self, config: &Config) -> Result<(), StartError> {
        let access = access::load(&config.auth)?;
        let mut addresses = self.http.addresses().iter().chain(self.grpc.addresses());
        if let Some(address) = addresses.find(|address| !access.allows(address)) {
            return Err(StartError::OpenToAll(address.clone()));
        }
        self.copies.put(&self.service, rates::load(config)?)?;
        self.access.store(Arc::new(access));
        self.service.set_on_pool_spend(*config.whitelist.on_pool_spend);
        Ok(())
    }

    /// Not ready, finish what is in flight, flush, stop: within `deadline` as far as that is possible.
    pub async fn stop(self, deadline: Duration) -> Stopped {
        self.service.stop();
        self.closing.send_replace(true);
        let (http, grpc) = tokio::join!(self.http.drain(deadline / 2), self.grpc.drain(deadline / 2));
        let cut = http.cut + grpc.cut;
        // A change of control whose caller has gone may still be at the store.
        drop(tokio::time::timeout(deadline / 4, self.service.order.lock()).await);
        let flushed = self.loops.stop(deadline / 4).await;
        if let Some(admin) = self.admin {
            admin.drain(Duration::ZERO).await;
        }
        Stopped { cut, flushed }
    }
}

fn bind(addresses: &[Listen], access: &Access) -> Result<Vec<Bound>, StartError> {
    if let Some(address) = addresses.iter().find(|address| !access.allows(address)) {
        return Err(StartError::OpenToAll(address.clone()));
    }
    Ok(addresses.iter().map(Bound::open).collect::<Result<_, _>>()?)
}

/// Puts the recovered parts together and starts the loops.
fn begin(config: &Config, opened: Opened, clock: &Clock, metrics: &Metrics) -> (Arc<Service>, Loops) {
    let Opened { meter, store, identity, last, marks, session, doubt, .. } = opened;
    let sharing = store.sharing();
    let (syncing, asks) = Syncing::new();
    let (confirmed, confirmations) = watch::channel(last);
    let order = Arc::new(Mutex::new(()));
    meter.set_on_pool_spend(*config.whitelist.on_pool_spend);
    let options = Options {
        durability: config.journal.durability,
        lease_wait: config.lease.wait,
        store_wait: config.store.timeout,
    };
    let health = Arc::default();
    let parts = Parts { meter, store, clock: clock.clone(), metrics: metrics.clone(), order, health };
    let service = Arc::new(Service::new(parts.clone(), syncing, confirmations, options));
    let options = sync::Options {
        sidecar: identity.sidecar.as_u128(),
        incarnation: identity.incarnation,
        nonce: identity.nonce,
        interval: config.store.flush_interval,
        entries_max: config.store.batch_entries_max as usize,
        timeout: config.store.timeout,
        retain_millis: millis(config.idempotency.retain),
        remembered_max: config.idempotency.entries_max,
    };
    let is_exact = config.journal.durability != Durability::Memory;
    tracing::info!(durability = %config.journal.durability, is_exact, last, "recovered");
    let sharer = (sharing == Sharing::Many)
        .then(|| Sharer::new(host(), session, clock.instant(), Box::new(move || settle(doubt.as_ref()))));
    let sync = SyncLoop::new(parts, options, asks, confirmed, marks, sharer);
    let loops = Loops::start(sync, &service, config);
    (service, loops)
}

/// Notes this run once the root has heard of it.
fn settle(doubt: Option<&(Doubt, u64)>) {
    let settled = doubt.map_or(Ok(()), |(doubt, through)| doubt.settle(*through));
    if let Err(error) = settled {
        tracing::warn!(%error, "this run cannot be noted in the data folder; the next one will doubt what it spent");
    }
}

/// What people call this machine.
fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim_end().chars().take(HOST_CHARACTERS_MAX).collect()
}

fn app(config: &Config, service: &Arc<Service>, access: &SharedAccess) -> App {
    App::new(Shared {
        service: Arc::clone(service),
        access: Arc::clone(access),
        bodies: BodyLimits::from(&config.server),
        patience: (config.server.request_timeout / 2).min(PATIENCE_MAX),
        batch_ops_max: config.server.batch_ops_max as usize,
        streams_max: config.server.streams_max as usize,
        ttl_default_millis: millis(config.holds.ttl_default),
        ttl_max_millis: millis(config.holds.ttl_max),
    })
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

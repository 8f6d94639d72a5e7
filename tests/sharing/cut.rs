//! A store whose connection can be cut, as a sidecar sees it whose network is gone for ever, and whose scans can be held up,
//! as large tables do.

// Each test binary uses a part of it.
#![allow(dead_code)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use purser::domain::{Member, SubscriptionId, Team, TeamId, Timestamp, UserId};
use purser::root::sync::{Reply, Request, SyncRefusal};
use purser::root::{Actor, MemberFunds, Sharing, Sidecar, Subscription};
use purser::store::{Audit, Changes, Controlled, Filter, Holding, LedgerEntry, Rule, Store, StoreError, Visitor};
use tokio::sync::{RwLock, RwLockWriteGuard, watch};

pub struct Cut {
    store: Arc<dyn Store>,
    is_cut: AtomicBool,
    has_forgotten: AtomicBool,
    entries_max: AtomicUsize,
    /// Taken by whoever reads whole tables.
    scans: RwLock<()>,
}

impl Cut {
    pub fn new(store: Arc<dyn Store>) -> Arc<Self> {
        let (is_cut, has_forgotten, entries_max) = (false.into(), false.into(), usize::MAX.into());
        Arc::new(Self { store, is_cut, has_forgotten, entries_max, scans: RwLock::default() })
    }

    /// From now on more entries at once take too long.
    pub fn narrow(&self, entries_max: usize) {
        self.entries_max.store(entries_max, Ordering::SeqCst);
    }

    /// From now on the store has none of the sidecar's entries.
    pub fn forget(&self) {
        self.has_forgotten.store(true, Ordering::SeqCst);
    }

    /// Nothing gets through from now on, or everything again.
    pub fn cut(&self, is_cut: bool) {
        self.is_cut.store(is_cut, Ordering::SeqCst);
    }

    /// Whoever reads whole tables waits until this is dropped.
    pub async fn hold_scans(&self) -> RwLockWriteGuard<'_, ()> {
        self.scans.write().await
    }

    fn reach(&self) -> Result<&dyn Store, StoreError> {
        match self.is_cut.load(Ordering::SeqCst) {
            true => Err(StoreError::unavailable("connecting", "the store", "the connection is cut")),
            false => Ok(&*self.store),
        }
    }
}

#[async_trait]
impl Store for Cut {
    async fn register(&self, id: u128, run: u64, nonce: u128) -> Result<Result<Sidecar, SyncRefusal>, StoreError> {
        self.reach()?.register(id, run, nonce).await
    }

    async fn sync(&self, request: &Request, now: Timestamp) -> Result<Result<Reply, SyncRefusal>, StoreError> {
        if request.batch.entries.len() > self.entries_max.load(Ordering::SeqCst) {
            return Err(StoreError::unavailable("syncing", "the store", "it takes too long"));
        }
        match self.has_forgotten.load(Ordering::SeqCst) {
            true => self.reach().map(|_| Err(SyncRefusal::Gap { last: 0 })),
            false => self.reach()?.sync(request, now).await,
        }
    }

    async fn control(&self, rule: Rule<'_>, actor: &Actor, now: Timestamp) -> Result<Controlled, StoreError> {
        self.reach()?.control(rule, actor, now).await
    }

    async fn load(&self, sidecar: u128, now: Timestamp, visit: Visitor<'_>) -> Result<(), StoreError> {
        self.reach()?.load(sidecar, now, visit).await
    }

    fn sharing(&self) -> Sharing {
        self.store.sharing()
    }

    async fn changes(&self, since: u64) -> Result<Changes, StoreError> {
        self.reach()?.changes(since).await
    }

    fn pushes(&self) -> Option<watch::Receiver<u64>> {
        self.store.pushes()
    }

    fn name(&self) -> &'static str {
        self.store.name()
    }

    async fn sidecars(&self) -> Result<Vec<Sidecar>, StoreError> {
        self.reach()?.sidecars().await
    }

    async fn member_funds(&self, team: &TeamId, users: &[UserId]) -> Result<Vec<MemberFunds>, StoreError> {
        self.reach()?.member_funds(team, users).await
    }

    async fn holdings(&self, now: Timestamp, visit: &mut (dyn FnMut(Holding) + Send)) -> Result<(), StoreError> {
        let _scan = self.scans.read().await;
        self.reach()?.holdings(now, visit).await
    }

    async fn subscription(&self, id: &SubscriptionId) -> Result<Option<Subscription>, StoreError> {
        self.reach()?.subscription(id).await
    }

    async fn team(&self, id: &TeamId) -> Result<Option<Team>, StoreError> {
        self.reach()?.team(id).await
    }

    async fn members(&self, team: &TeamId, after: Option<&UserId>, limit: usize) -> Result<Vec<Member>, StoreError> {
        self.reach()?.members(team, after, limit).await
    }

    async fn teams(&self, of: Option<&UserId>, after: Option<&TeamId>, limit: usize) -> Result<Vec<Team>, StoreError> {
        self.reach()?.teams(of, after, limit).await
    }

    async fn entries(&self, filter: &Filter, after: Option<u64>, limit: usize) -> Result<Vec<LedgerEntry>, StoreError> {
        self.reach()?.entries(filter, after, limit).await
    }

    async fn audit(&self) -> Result<Audit, StoreError> {
        let _scan = self.scans.read().await;
        self.reach()?.audit().await
    }
}

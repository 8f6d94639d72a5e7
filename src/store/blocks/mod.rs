//! A store beside which a lender lends blocks of hot pools: sidecars then borrow without asking the store,
//! which hears of it with the next entries. Everything else is the store's. What a lender may forget, and
//! why nothing is overspent, is in docs/decisions/0012-blocks.md.

mod clerk;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::audit::Audit;
use super::error::StoreError;
use super::holding::Holding;
use super::ledger::LedgerEntry;
use super::read::{Changes, Filter, Loaded, Visitor};
use super::redis::Lender;
use super::{Borrowing, Controlled, Hold, Rule, Store};
use crate::domain::{Member, SubscriptionId, Team, TeamId, Timestamp, UserId};
use crate::root::blocks::Asked;
use crate::root::subscription::Subscription;
use crate::root::sync::{Reply, Request, SyncRefusal};
use crate::root::{Actor, MemberFunds, Pending, Shares, Sharing, Sidecar};
use clerk::Clerk;

/// A store with a lender beside it.
#[derive(Debug)]
pub struct Blocks<S> {
    root: S,
    clerk: Arc<Clerk>,
    finding: JoinHandle<()>,
}

impl<S: Store> Blocks<S> {
    /// Looks for the lender as soon as it is of use, and whenever it is gone. Needs a tokio runtime.
    pub fn new(root: S, lender: Lender) -> Self {
        let clerk = Arc::new(Clerk::new(lender));
        let finding = tokio::spawn(Arc::clone(&clerk).find());
        Self { root, clerk, finding }
    }
}

impl<S> Drop for Blocks<S> {
    fn drop(&mut self) {
        self.finding.abort();
    }
}

#[async_trait]
impl<S: Store> Store for Blocks<S> {
    async fn register(
        &self,
        id: u128,
        incarnation: u64,
        nonce: u128,
    ) -> Result<Result<Sidecar, SyncRefusal>, StoreError> {
        let registered = self.root.register(id, incarnation, nonce).await?;
        if registered.is_ok() {
            self.clerk.serve(id, incarnation);
        }
        Ok(registered)
    }

    async fn sync(&self, request: &Request, now: Timestamp) -> Result<Result<Reply, SyncRefusal>, StoreError> {
        let mut synced = self.root.sync(request, now).await?;
        if let (Ok(reply), Some(shares)) = (&mut synced, &request.shares) {
            self.clerk.heard(shares, reply).await;
        }
        Ok(synced)
    }

    fn has_lender(&self) -> bool {
        true
    }

    fn tell(&self, shares: &mut Shares) {
        self.clerk.tell(shares);
    }

    async fn borrow(&self, asked: &BTreeMap<SubscriptionId, Asked>, now: Timestamp) -> Borrowing {
        self.clerk.borrow(asked, now).await
    }

    async fn call_in(&self) -> Borrowing {
        self.clerk.call_in().await
    }

    async fn load(&self, sidecar: u128, now: Timestamp, visit: Visitor<'_>) -> Result<(), StoreError> {
        let mut unheard = self.clerk.unheard(sidecar).await;
        let mut visit = |row: Loaded| match row {
            Loaded::Subscription(mut row) => {
                unheard.add_to(&mut row);
                visit(Loaded::Subscription(row));
            }
            row => visit(row),
        };
        self.root.load(sidecar, now, &mut visit).await
    }

    async fn control(&self, rule: Rule<'_>, actor: &Actor, now: Timestamp) -> Result<Controlled, StoreError> {
        self.root.control(rule, actor, now).await
    }

    fn sharing(&self) -> Sharing {
        self.root.sharing()
    }

    async fn changes(&self, since: u64) -> Result<Changes, StoreError> {
        self.root.changes(since).await
    }

    fn pushes(&self) -> Option<watch::Receiver<u64>> {
        self.root.pushes()
    }

    fn name(&self) -> &'static str {
        self.root.name()
    }

    async fn sidecars(&self) -> Result<Vec<Sidecar>, StoreError> {
        self.root.sidecars().await
    }

    async fn member_funds(&self, team: &TeamId, users: &[UserId]) -> Result<Vec<MemberFunds>, StoreError> {
        self.root.member_funds(team, users).await
    }

    async fn holdings(&self, now: Timestamp, visit: &mut (dyn FnMut(Holding) + Send)) -> Result<(), StoreError> {
        self.root.holdings(now, visit).await
    }

    async fn abandoned(&self, sidecar: u128) -> Result<(Vec<Hold>, Vec<Pending>), StoreError> {
        self.root.abandoned(sidecar).await
    }

    async fn subscription(&self, id: &SubscriptionId) -> Result<Option<Subscription>, StoreError> {
        self.root.subscription(id).await
    }

    async fn team(&self, id: &TeamId) -> Result<Option<Team>, StoreError> {
        self.root.team(id).await
    }

    async fn members(&self, team: &TeamId, after: Option<&UserId>, limit: usize) -> Result<Vec<Member>, StoreError> {
        self.root.members(team, after, limit).await
    }

    async fn teams(&self, of: Option<&UserId>, after: Option<&TeamId>, limit: usize) -> Result<Vec<Team>, StoreError> {
        self.root.teams(of, after, limit).await
    }

    async fn entries(&self, filter: &Filter, after: Option<u64>, limit: usize) -> Result<Vec<LedgerEntry>, StoreError> {
        self.root.entries(filter, after, limit).await
    }

    async fn audit(&self) -> Result<Audit, StoreError> {
        self.root.audit().await
    }
}

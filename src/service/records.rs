//! Reading what control and the ledger have recorded. Who may read it is not looked at here.

use tokio::time::timeout;

use super::{Service, Unable};
use crate::domain::{Member, SubscriptionId, Team, TeamId, UserId};
use crate::engine::balance::MemberBalance;
use crate::root::Subscription;
use crate::store::{Filter, LedgerEntry, StoreError};

impl Service {
    /// Waits until every entry that was made before this call is in the ledger.
    pub async fn flush(&self) -> Result<(), Unable> {
        self.syncing.sync(None, self.options.store_wait).await
    }

    /// A subscription as it was last saved.
    pub async fn subscription(&self, id: &SubscriptionId) -> Result<Option<Subscription>, Unable> {
        self.within(self.store.subscription(id)).await
    }

    /// A team as it was last saved.
    pub async fn team(&self, id: &TeamId) -> Result<Option<Team>, Unable> {
        self.within(self.store.team(id)).await
    }

    /// Teams by id, all or those of a user, after `after`.
    pub async fn teams(&self, of: Option<&UserId>, after: Option<&TeamId>, limit: usize) -> Result<Vec<Team>, Unable> {
        self.within(self.store.teams(of, after, limit)).await
    }

    /// Members of a team by user id, after `after`.
    pub async fn members(&self, team: &TeamId, after: Option<&UserId>, limit: usize) -> Result<Vec<Member>, Unable> {
        self.within(self.store.members(team, after, limit)).await
    }

    /// Entries of the ledger, after the position `after`.
    pub async fn entries(&self, filter: &Filter, after: Option<u64>, limit: usize) -> Result<Vec<LedgerEntry>, Unable> {
        self.within(self.store.entries(filter, after, limit)).await
    }

    /// A member with what it drew, as this sidecar has it now; `None` when there is no such member.
    /// After [`Service::refresh_pool`] the sums are those of the current window.
    pub fn member_now(&self, team: &TeamId, user: &UserId) -> Option<MemberBalance> {
        self.meter.member_balance(team, user, self.clock.now())
    }

    /// Renews the lease of a team's pool where it has run out. `user` is any member.
    pub async fn refresh_pool(&self, team: &TeamId, user: &UserId) -> Result<(), Unable> {
        let Some(pool) = self.meter.pool_of(team) else { return Ok(()) };
        if self.meter.needs_sync(Some(team), user, self.clock.now()).contains(&pool) {
            self.syncing.sync(Some(pool), self.options.store_wait).await?;
        }
        Ok(())
    }

    async fn within<T>(&self, reading: impl Future<Output = Result<T, StoreError>>) -> Result<T, Unable> {
        Ok(timeout(self.options.store_wait, reading).await.map_err(|_| Unable::Timeout)??)
    }
}

//! Balances: the root's totals with what this sidecar holds, after a sync so that they fit together.

use super::{Service, Unable};
use crate::domain::{Credits, SubscriptionId, TeamId, UserId};
use crate::engine::balance::{MemberBalance, Standing};
use crate::root::Subscription;
use crate::root::view::FundsView;

/// A subscription's funds, as its pool's members or its owner see them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FundsBalance {
    /// The subscription as the root has it.
    pub subscription: Subscription,
    /// Totals by kind of grant.
    pub view: FundsView,
    /// Charged less refunds, debt included.
    pub used: Credits,
    /// Set aside by open holds.
    pub held: Credits,
    /// What may still be drawn.
    pub remaining: Credits,
}

impl Service {
    /// A member's balance, with the leases as the root has them; `None` when there is no such member.
    pub async fn member_balance(&self, team: &TeamId, user: &UserId) -> Result<Option<MemberBalance>, Unable> {
        for subscription in self.meter.needs_sync(Some(team), user, self.clock.now()) {
            self.syncing.sync(Some(subscription), self.options.store_wait).await?;
        }
        Ok(self.meter.member_balance(team, user, self.clock.now()))
    }

    /// A team's pool; `None` when there is no such team or it has no subscription.
    pub async fn pool_balance(&self, team: &TeamId) -> Result<Option<FundsBalance>, Unable> {
        match self.meter.pool_of(team) {
            Some(subscription) => self.funds_balance(&subscription).await,
            None => Ok(None),
        }
    }

    /// A user's own credits; `None` when the user owns no subscription, or one that is a team's pool.
    pub async fn wallet_balance(&self, user: &UserId) -> Result<Option<FundsBalance>, Unable> {
        let Some(subscription) = self.meter.wallet_of(user) else { return Ok(None) };
        self.funds_balance(&subscription).await
    }

    /// A subscription's funds.
    pub async fn funds_balance(&self, id: &SubscriptionId) -> Result<Option<FundsBalance>, Unable> {
        self.syncing.sync(Some(id.clone()), self.options.store_wait).await?;
        let Some(subscription) = self.store.subscription(id).await? else { return Ok(None) };
        let now = self.clock.now();
        let view = subscription.funds_view(now);
        let (held, remaining) = self.meter.book_balance(id, now);
        let all = view.total.checked_add(view.debt).unwrap_or(Credits::MAX);
        let used = all.saturating_sub(held).saturating_sub(remaining);
        Ok(Some(FundsBalance { subscription, view, used, held, remaining }))
    }

    /// Whether there is such a team.
    pub fn has_team(&self, team: &TeamId) -> bool {
        self.meter.has_team(team)
    }

    /// Where a user stands in a team, for the rules of roles.
    pub fn standing(&self, team: &TeamId, user: &UserId) -> Standing {
        self.meter.standing(team, user)
    }
}

//! Balances: the root's totals with what this sidecar holds, after a sync so that they fit together.
//! Where many sidecars share, what all of them have said counts instead; see `across`.

use super::{Service, Unable};
use crate::domain::{Credits, SubscriptionId, TeamId, Timestamp, UserId};
use crate::engine::balance::{MemberBalance, Standing};
use crate::root::view::FundsView;
use crate::root::{Sharing, Subscription};

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
    /// What may still be drawn, by whichever sidecar.
    pub remaining: Credits,
    /// What is lent out; `None` where the store serves one sidecar, which has everything.
    pub lent: Option<LentOut>,
}

/// What of an account's current window many sidecars hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LentOut {
    /// Lent and free: only the sidecar that has it may spend it.
    pub credits: Credits,
    /// Charged without anybody knowing that it was spent: a crash or a loss took that knowledge.
    pub suspense: Credits,
    /// All that sidecars did until then is in these numbers: the oldest last sync of those that hold
    /// something.
    pub as_of: Timestamp,
}

/// A member's balance over all sidecars.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberView {
    /// The balance.
    pub balance: MemberBalance,
    /// What of the limit is lent out; `None` where the store serves one sidecar.
    pub lent: Option<LentOut>,
}

impl Service {
    /// A member's balance, with the leases as the root has them; `None` when there is no such member.
    pub async fn member_balance(&self, team: &TeamId, user: &UserId) -> Result<Option<MemberView>, Unable> {
        if self.store.sharing() == Sharing::Many {
            return self.member_across(team, user).await;
        }
        for subscription in self.meter.needs_sync(Some(team), user, self.clock.now()) {
            self.syncing.sync(Some(subscription), self.options.store_wait).await?;
        }
        let balance = self.meter.member_balance(team, user, self.clock.now());
        Ok(balance.map(|balance| MemberView { balance, lent: None }))
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
        if self.store.sharing() == Sharing::Many {
            return self.funds_across(subscription).await.map(Some);
        }
        let now = self.clock.now();
        let view = subscription.funds_view(now);
        let (held, remaining) = self.meter.book_balance(id, now);
        let all = view.total.checked_add(view.debt).unwrap_or(Credits::MAX);
        let used = all.saturating_sub(held).saturating_sub(remaining);
        Ok(Some(FundsBalance { subscription, view, used, held, remaining, lent: None }))
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

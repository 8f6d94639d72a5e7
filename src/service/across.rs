//! Balances where many sidecars share: what all of them have said, with this one's own last word.

use std::collections::BTreeMap;

use super::balances::{FundsBalance, LentOut, MemberView};
use super::{Service, Unable};
use crate::domain::{Credits, Member, Payer, TeamId, UserId};
use crate::engine::balance::MemberBalance;
use crate::root::across::{Across, told_at};
use crate::root::{Holder, MemberFunds, Sharing, Sidecar, Subscription};

impl Service {
    /// A subscription's funds over all sidecars.
    pub(super) async fn funds_across(&self, subscription: Subscription) -> Result<FundsBalance, Unable> {
        let sidecars = self.store.sidecars().await?;
        let view = subscription.funds_view(self.clock.now());
        let across = subscription.across();
        let remaining = across.remaining(view.total.checked_add(view.debt).unwrap_or(Credits::MAX));
        let lent = Some(self.lent(&across, &subscription.open_account().holders, &sidecars));
        Ok(FundsBalance { view, used: across.used, held: across.held, remaining, lent, subscription })
    }

    /// A member's balance over all sidecars, the payer's funds with it.
    pub(super) async fn member_across(&self, team: &TeamId, user: &UserId) -> Result<Option<MemberView>, Unable> {
        let Some(balance) = self.member_now(team, user) else { return Ok(None) };
        let payer = match balance.payer {
            Payer::Pool => self.meter.pool_of(team),
            Payer::Wallet => {
                self.sync_pool(team).await?;
                self.meter.wallet_of(user)
            }
        };
        let funds = match payer {
            Some(payer) => self.funds_balance(&payer).await?,
            None => None,
        };
        let Some(mut found) = self.views_across(team, vec![balance]).await?.pop() else { return Ok(None) };
        found.balance.remaining.payer = funds.as_ref().map_or(Credits::ZERO, |funds| funds.remaining);
        found.balance.window = funds.map(|funds| funds.view.window);
        Ok(Some(found))
    }

    /// Members with what they drew through all sidecars, those of `members` that are still there.
    pub async fn member_views(&self, team: &TeamId, members: &[Member]) -> Result<Vec<MemberView>, Unable> {
        let now = |member: &Member| self.member_now(team, &member.user);
        if self.store.sharing() == Sharing::Many {
            self.sync_pool(team).await?;
            return self.views_across(team, members.iter().filter_map(now).collect()).await;
        }
        if let Some(any) = members.first() {
            self.refresh_pool(team, &any.user).await?;
        }
        let view = |balance| MemberView { balance, lent: None };
        Ok(members.iter().filter_map(now).map(view).collect())
    }

    /// A member right after a change that stands: with what all sidecars said, if the store tells.
    pub async fn member_changed(&self, team: &TeamId, user: &UserId) -> Option<MemberView> {
        let own = MemberView { balance: self.member_now(team, user)?, lent: None };
        if self.store.sharing() == Sharing::Sole {
            return Some(own);
        }
        let views = self.views_across(team, vec![own.balance.clone()]).await;
        Some(views.ok().and_then(|mut views| views.pop()).unwrap_or(own))
    }

    /// What all sidecars said of these members, in the current window of the team's pool.
    async fn views_across(&self, team: &TeamId, balances: Vec<MemberBalance>) -> Result<Vec<MemberView>, Unable> {
        let pool = match self.meter.pool_of(team) {
            Some(pool) => self.store.subscription(&pool).await?,
            None => None,
        };
        let open = pool.as_ref().map(Subscription::open_account);
        let holders = open.map_or(&[][..], |open| &open.holders);
        let sidecars = self.store.sidecars().await?;
        let users: Vec<UserId> = balances.iter().map(|balance| balance.member.user.clone()).collect();
        let rows = self.store.member_funds(team, &users).await?;
        let rows: BTreeMap<&UserId, &MemberFunds> = rows.iter().map(|row| (&row.user, row)).collect();
        let view = |mut balance: MemberBalance| {
            let row = rows.get(&balance.member.user);
            let account = open.and_then(|open| row?.of(open.window.start));
            let across = account.map_or(Across::default(), |account| account.across());
            (balance.used, balance.held) = (across.used, across.held);
            if balance.payer == Payer::Pool {
                balance.remaining.member = balance.member.limit.map(|limit| across.remaining(limit));
            }
            // Who draws for the member draws on the pool: what it holds of that says how old its word is.
            MemberView { balance, lent: Some(self.lent(&across, holders, &sidecars)) }
        };
        Ok(balances.into_iter().map(view).collect())
    }

    /// Hands over what was drawn here, and brings a team's pool to the current window.
    async fn sync_pool(&self, team: &TeamId) -> Result<(), Unable> {
        self.syncing.sync(self.meter.pool_of(team), self.options.store_wait).await
    }

    fn lent(&self, across: &Across, holders: &[Holder], sidecars: &[Sidecar]) -> LentOut {
        let as_of = told_at(holders, sidecars).unwrap_or_else(|| self.clock.now());
        LentOut { credits: across.lent, suspense: across.suspense, as_of }
    }
}

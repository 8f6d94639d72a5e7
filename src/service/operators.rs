//! What operators ask: which sidecars there are and what they hold, to give one up and what it took with
//! it, and whether the books agree. Who may ask is not looked at here.
//!
//! All of it reads whole tables, so each has a form that waits for a time only and may be asked again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::job::{Job, Progress};
use super::{Service, Unable};
use crate::clock::Clock;
use crate::domain::Credits;
use crate::root::operate::{self, Leased};
use crate::root::sidecar::id_text;
use crate::root::{Actor, Refusal, Rows, SOLE, Sidecar};
use crate::store::{Audit, Holding, StoreError};

/// A sidecar with what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SidecarNow {
    /// As the store has it.
    pub sidecar: Sidecar,
    /// Of subscriptions' funds.
    pub funds: Held,
    /// Of members' limits.
    pub limits: Held,
}

/// Sums over accounts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Lent and free.
    pub lent: Credits,
    /// Charged without anybody knowing that it was spent.
    pub suspense: Credits,
}

/// What came back of a sidecar that was given up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forgiven {
    /// To subscriptions' funds.
    pub funds: Credits,
    /// To members' limits.
    pub limits: Credits,
    /// To how many accounts.
    pub accounts: u64,
}

impl Held {
    fn add(&mut self, holding: &Holding) {
        self.lent = plus(self.lent, holding.lent);
        self.suspense = plus(self.suspense, holding.suspense);
    }
}

/// What is asked of one forgiving.
type Giving = (u128, bool, Actor);

/// What runs for operators, one of each kind at a time.
#[derive(Debug)]
pub struct Jobs {
    listing: Job<(), Result<Vec<SidecarNow>, Unable>>,
    forgiving: Job<Giving, Result<Result<Forgiven, Refusal>, Unable>>,
    reconciling: Job<(), Result<Audit, Unable>>,
}

impl Jobs {
    /// Nothing runs yet.
    pub fn new(clock: &Clock) -> Self {
        let clock = || clock.clone();
        Self { listing: Job::new(clock()), forgiving: Job::new(clock()), reconciling: Job::new(clock()) }
    }
}

/// Each waits at most `patience`; asked again, it attaches to what runs.
impl Service {
    /// See [`Service::sidecars`].
    pub async fn sidecars_within(self: &Arc<Self>, patience: Duration) -> Progress<Result<Vec<SidecarNow>, Unable>> {
        let service = Arc::clone(self);
        self.jobs.listing.run((), async move { service.sidecars().await }, patience).await
    }

    /// See [`Service::forgive`].
    pub async fn forgive_within(
        self: &Arc<Self>,
        id: u128,
        force: bool,
        actor: Actor,
        patience: Duration,
    ) -> Progress<Result<Result<Forgiven, Refusal>, Unable>> {
        let (service, giving) = (Arc::clone(self), (id, force, actor.clone()));
        let work = async move { service.forgive(id, force, &actor).await };
        self.jobs.forgiving.run(giving, work, patience).await
    }

    /// See [`Service::reconcile`].
    pub async fn reconcile_within(self: &Arc<Self>, patience: Duration) -> Progress<Result<Audit, Unable>> {
        let service = Arc::clone(self);
        self.jobs.reconciling.run((), async move { service.reconcile().await }, patience).await
    }
}

impl Service {
    /// Every sidecar that ever registered, by id. Reads all accounts.
    pub async fn sidecars(&self) -> Result<Vec<SidecarNow>, Unable> {
        let mut held: BTreeMap<u128, (Held, Held)> = BTreeMap::new();
        let mut add = |holding: Holding| {
            let (funds, limits) = held.entry(holding.sidecar).or_default();
            match holding.leased {
                Leased::Funds(_) => funds.add(&holding),
                Leased::Limit(..) => limits.add(&holding),
            }
        };
        self.store.holdings(self.clock.now(), &mut add).await?;
        let sidecars = self.store.sidecars().await?;
        let now = |sidecar: Sidecar| {
            let found = held.get(&sidecar.id).or_else(|| held.get(&SOLE));
            let (funds, limits) = found.copied().unwrap_or_default();
            SidecarNow { sidecar, funds, limits }
        };
        Ok(sidecars.into_iter().map(now).collect())
    }

    /// Writes a sidecar off and gives back what it has free and in suspense, each account in a
    /// transaction of its own: after a failure it may be asked for again, and goes on.
    pub async fn forgive(&self, id: u128, force: bool, actor: &Actor) -> Result<Result<Forgiven, Refusal>, Unable> {
        let now = self.clock.now();
        let give_up = |rows: &mut Rows| operate::give_up(rows, id, force, now);
        if let Err(refusal) = self.store.control(&give_up, actor, now).await?.answer {
            return Ok(Err(refusal));
        }
        let mut leased = Vec::new();
        let mut add = |holding: Holding| leased.extend((holding.sidecar == id).then_some(holding.leased));
        self.store.holdings(now, &mut add).await?;
        let mut forgiven = Forgiven::default();
        for leased in leased {
            self.forgive_account(&leased, id, actor, &mut forgiven).await?;
        }
        self.end_abandoned().await?;
        tracing::warn!(sidecar = id_text(id), ?forgiven, "a sidecar was written off and forgiven");
        Ok(Ok(forgiven))
    }

    async fn forgive_account(
        &self,
        leased: &Leased,
        id: u128,
        actor: &Actor,
        forgiven: &mut Forgiven,
    ) -> Result<(), StoreError> {
        let rule = |rows: &mut Rows| Ok(Ok(operate::forgive(rows, leased, id)?));
        let controlled = self.store.control(&rule, actor, self.clock.now()).await?;
        let done = controlled.answer.expect("forgiving refuses nothing");
        for change in &done.changes {
            let credits = operate::came_back(change);
            match leased {
                Leased::Funds(_) => forgiven.funds = plus(forgiven.funds, credits),
                Leased::Limit(..) => forgiven.limits = plus(forgiven.limits, credits),
            }
            forgiven.accounts += 1;
        }
        Ok(())
    }

    /// Has the store recompute every sum from the ledger alone; the metric shows what came of it. Reads
    /// the whole ledger.
    pub async fn reconcile(&self) -> Result<Audit, Unable> {
        let audit = self.store.audit().await?;
        self.metrics.books.audit_differences.set(audit.differences as f64);
        Ok(audit)
    }
}

fn plus(sum: Credits, part: Credits) -> Credits {
    sum.checked_add(part).unwrap_or(Credits::MAX)
}

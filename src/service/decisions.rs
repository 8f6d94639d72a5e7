//! Draws and their ends: decided at once by the engine, waiting only for a lease that has run out
//! and for durability.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::syncing::Lacking;
use super::{Service, Unable};
use crate::domain::{AskedEnd, Credits, OperationId, Priced, RateVersion, SubscriptionId, Timestamp, UserId};
use crate::engine::ends::Ended;
use crate::engine::{Asked, Draw, DrawFault, Drawn, EndFault, Scope, Settled};
use crate::rates::Unpriced;

/// The pause between two times that one draw asks the root.
const LEASE_PAUSE: Duration = Duration::from_millis(5);

/// Why an end or a refund did not come about.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndError {
    /// The rules refuse it.
    #[error(transparent)]
    Fault(EndFault),
    /// What was used has no price.
    #[error(transparent)]
    Unpriced(Unpriced),
    /// This sidecar could not do it safely; the same request may be sent again.
    #[error(transparent)]
    Unable(#[from] Unable),
}

/// Where an end or a refund is entered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken<T> {
    /// Here.
    Here(T),
    /// It was taken in for whichever sidecar has entered the draw; this one does not know what comes of it.
    Elsewhere(Asked),
}

/// Several answers that are made durable by one wait, [`Service::durable_together`]; until it has
/// returned none of them may be given.
#[derive(Debug, Default)]
pub struct Together(AtomicU64);

impl Together {
    /// Nothing to wait for but what a draw has entered.
    pub fn of(drawn: &Drawn) -> Self {
        let seq = match drawn {
            Drawn::Allowed(allowed) => allowed.seq,
            Drawn::Denied(_) | Drawn::Short(_) => None,
        };
        Self(AtomicU64::new(seq.unwrap_or(0)))
    }

    /// Whether there is nothing to wait for.
    pub fn is_empty(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }

    /// Waits for what `other` waits for as well.
    pub fn join(&self, other: &Self) {
        self.0.fetch_max(other.0.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

impl From<EndFault> for EndError {
    fn from(fault: EndFault) -> Self {
        match fault {
            EndFault::Unavailable => Self::Unable(Unable::Journal),
            EndFault::Short(_) => Self::Unable(Unable::Timeout),
            fault => Self::Fault(fault),
        }
    }
}

impl Service {
    /// Decides a debit or a hold; the answer is durable, at once or `together` with others. Unable to
    /// decide safely is a denial too.
    pub async fn draw(&self, draw: &Draw, together: Option<&Together>) -> Result<Drawn, DrawFault> {
        let start = self.clock.instant();
        let drawn = self.draw_durably(draw, together).await;
        self.count(&drawn);
        self.took(start, 1);
        drawn
    }

    async fn draw_durably(&self, draw: &Draw, together: Option<&Together>) -> Result<Drawn, DrawFault> {
        let mut drawn = self.decide(draw, self.clock.now())?;
        if let Drawn::Short(subscription) = drawn {
            drawn = self.decide_lent(draw, subscription).await?;
        }
        match &drawn {
            Drawn::Allowed(allowed) => match allowed.seq {
                Some(seq) if self.wait(seq, together).await.is_err() => Err(DrawFault::Unconfirmed),
                _ => Ok(drawn),
            },
            Drawn::Denied(_) => Ok(drawn),
            Drawn::Short(_) => unreachable!("a lease that stays short is no answer"),
        }
    }

    /// Decides a debit or a hold as of `now`, without a future, for who decides many. What it has entered must be durable
    /// before it is answered. [`Drawn::Short`] is no answer: that one goes on with [`Self::draw_lent`].
    #[inline]
    pub fn draw_now(&self, draw: &Draw, now: Timestamp) -> Result<Drawn, DrawFault> {
        let drawn = self.decide(draw, now);
        self.count(&drawn);
        drawn
    }

    /// Decides a debit or a hold that was short of a lease of `subscription`, for who decides many.
    pub async fn draw_lent(&self, draw: &Draw, subscription: SubscriptionId) -> Result<Drawn, DrawFault> {
        let start = self.clock.instant();
        let drawn = self.decide_lent(draw, subscription).await;
        self.count(&drawn);
        self.took(start, 1);
        drawn
    }

    #[inline]
    fn decide(&self, draw: &Draw, now: Timestamp) -> Result<Drawn, DrawFault> {
        if self.may_draw() { self.meter.draw(draw, now) } else { Ok(self.meter.unavailable(draw)) }
    }

    async fn decide_lent(&self, draw: &Draw, subscription: SubscriptionId) -> Result<Drawn, DrawFault> {
        Ok(self.lease_for(draw, subscription).await?.unwrap_or_else(|| {
            self.metrics.leases.denied.increment(1);
            self.meter.unavailable(draw)
        }))
    }

    /// Tells how long decisions took that were made at once, the first of them from `start` on.
    pub fn took(&self, start: Instant, decisions: usize) {
        if decisions > 0 {
            self.metrics.decisions.seconds.record(self.clock.since(start), decisions as u64);
        }
    }

    #[inline]
    fn count(&self, drawn: &Result<Drawn, DrawFault>) {
        match drawn {
            Ok(Drawn::Allowed(_)) => self.metrics.decisions.allowed.increment(1),
            Ok(Drawn::Denied(denial)) => self.metrics.decisions.denied(denial.reason).increment(1),
            Ok(Drawn::Short(_)) | Err(_) => {}
        }
    }

    /// Asks the root for what a draw lacks, and draws again, until it is decided or has waited long
    /// enough: `None`.
    async fn lease_for(&self, draw: &Draw, mut subscription: SubscriptionId) -> Result<Option<Drawn>, DrawFault> {
        self.metrics.leases.waited.increment(1);
        let start = self.clock.instant();
        loop {
            let left = self.options.lease_wait.saturating_sub(self.clock.since(start));
            let person = draw.team.clone().map(|team| (team, draw.member.clone()));
            let lacking = Lacking { person, least: draw.ask.needed(), credits: draw.ask.credits };
            let asked = self.syncing.lend(subscription, lacking, left).await;
            match self.meter.draw_again(draw, self.clock.now())? {
                Drawn::Short(_) if asked.is_err() => return Ok(None),
                Drawn::Short(short) => subscription = short,
                drawn => return Ok(Some(drawn)),
            }
            tokio::time::sleep(LEASE_PAUSE.min(left)).await;
        }
    }

    /// Answers what a draw would be answered; changes nothing.
    pub async fn check(&self, draw: &Draw) -> Result<Drawn, DrawFault> {
        let mut drawn = self.meter.check(draw, self.clock.now())?;
        if let Drawn::Short(subscription) = drawn {
            self.lease(subscription).await;
            drawn = self.meter.check(draw, self.clock.now())?;
        }
        Ok(if matches!(drawn, Drawn::Short(_)) { self.meter.unavailable(draw) } else { drawn })
    }

    /// Ends a hold with its real cost; never refused for lack of credits.
    pub async fn settle(
        &self,
        scope: &Scope,
        id: &OperationId,
        cost: impl Into<Priced>,
        together: Option<&Together>,
    ) -> Result<Taken<Settled>, EndError> {
        let cost = cost.into();
        let mut settled = self.meter.settle(scope, id, cost, false, self.clock.now());
        if let Err(EndFault::Short(subscription)) = settled {
            self.lease(subscription).await;
            settled = self.meter.settle(scope, id, cost, true, self.clock.now());
        }
        if settled == Err(EndFault::NotFound) {
            let end = AskedEnd::Settle { credits: cost.credits };
            return self.ask_priced_end(scope, id, (end, cost.rates), together).await;
        }
        let settled = settled?;
        self.wait(settled.seq, together).await?;
        if !settled.replayed {
            self.metrics.holds.settled.increment(1);
        }
        Ok(Taken::Here(settled))
    }

    /// Cancels a hold.
    pub async fn release(
        &self,
        scope: &Scope,
        id: &OperationId,
        together: Option<&Together>,
    ) -> Result<Taken<Ended>, EndError> {
        let ended = match self.meter.release(scope, id, self.clock.now()) {
            Err(EndFault::NotFound) => return self.ask_end(scope, id, AskedEnd::Release, together).await,
            ended => ended?,
        };
        if !ended.replayed {
            self.metrics.holds.released.increment(1);
        }
        self.ended(ended, together).await
    }

    /// Gives a hold a new expiry, `ttl_millis` from now.
    pub async fn extend(
        &self,
        scope: &Scope,
        id: &OperationId,
        ttl_millis: u64,
        together: Option<&Together>,
    ) -> Result<Taken<Ended>, EndError> {
        let now = self.clock.now();
        match self.meter.extend(scope, id, ttl_millis, now) {
            Err(EndFault::NotFound) => {
                let expires_at = now.plus_millis(ttl_millis);
                self.ask_end(scope, id, AskedEnd::Extend { expires_at }, together).await
            }
            ended => self.ended(ended?, together).await,
        }
    }

    /// Gives back `credits` of a debit under the refund's own id, or without both all that is left.
    pub async fn refund(
        &self,
        scope: &Scope,
        debit: &OperationId,
        part: Option<(&OperationId, Credits)>,
        together: Option<&Together>,
    ) -> Result<Taken<Ended>, EndError> {
        match self.meter.refund(scope, debit, part, self.clock.now()) {
            Err(EndFault::NotFound) => {
                let part = part.map(|(id, credits)| (id.clone(), credits));
                self.ask_end(scope, debit, AskedEnd::Refund { part }, together).await
            }
            ended => self.ended(ended?, together).await,
        }
    }

    /// Takes an end in of what is not known here, where another sidecar may know it.
    async fn ask_end<T>(
        &self,
        scope: &Scope,
        id: &OperationId,
        end: AskedEnd,
        together: Option<&Together>,
    ) -> Result<Taken<T>, EndError> {
        self.ask_priced_end(scope, id, (end, None), together).await
    }

    async fn ask_priced_end<T>(
        &self,
        scope: &Scope,
        id: &OperationId,
        end: (AskedEnd, Option<RateVersion>),
        together: Option<&Together>,
    ) -> Result<Taken<T>, EndError> {
        let asked = self.meter.ask_priced_end(scope, id, end, self.clock.now())?;
        self.wait(asked.seq, together).await?;
        if !asked.replayed {
            self.metrics.ends.asked(&asked.end);
        }
        Ok(Taken::Elsewhere(asked))
    }

    /// Who drew an operation, for the rules of roles; `None` when it is not known in this scope.
    pub fn drawer(&self, scope: &Scope, id: &OperationId) -> Option<UserId> {
        self.meter.drawer(scope, id)
    }

    /// Waits until all answers that were taken together are durable.
    ///
    /// # Errors
    /// They may not be given then. What was entered stays; the same requests may be sent again.
    pub async fn durable_together(&self, together: Together) -> Result<(), Unable> {
        match together.0.into_inner() {
            0 => Ok(()),
            last => self.durable(last).await,
        }
    }

    async fn ended(&self, ended: Ended, together: Option<&Together>) -> Result<Taken<Ended>, EndError> {
        self.wait(ended.seq, together).await?;
        Ok(Taken::Here(ended))
    }

    /// Waits until an entry is durable, or leaves that to who waits for all.
    async fn wait(&self, seq: u64, together: Option<&Together>) -> Result<(), Unable> {
        match together {
            None => self.durable(seq).await,
            Some(Together(last)) => {
                last.fetch_max(seq, Ordering::Relaxed);
                Ok(())
            }
        }
    }

    /// Waits a little for a new lease; who asks again sees whether it came.
    pub(super) async fn lease(&self, subscription: SubscriptionId) {
        self.metrics.leases.waited.increment(1);
        if let Err(unable) = self.syncing.sync(Some(subscription), self.options.lease_wait).await {
            tracing::debug!(%unable, "no lease in time");
        }
    }
}

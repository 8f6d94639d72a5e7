//! Deciding: whether a member may draw, as a pure function of what is and of `now`.
//!
//! Nothing is changed here. The order of reasons is that of the wire contract: model, debt, the
//! member's scope, the payer's scope. Membership and the journal's room are the caller's to check
//! first, because they need no funds.

use super::access::{Access, Payer, Role};
use super::book::{Book, Funds};
use super::credits::Credits;
use super::denial::{Denial, NextStep, Numbers, Reason};
use super::draws::DrawsView;
use super::features::Features;
use super::ids::{Model, TeamId, UserId};
use super::share::Reach;
use super::team::{Membership, Team};
use super::time::Timestamp;

/// The longest that a denial for held credits asks to wait: most holds settle well before they expire.
pub const HELD_RETRY_MILLIS_MAX: u64 = 1_000;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// How much.
    pub credits: Credits,
    /// The least that will do (holds only).
    pub min_credits: Option<Credits>,
    /// For which model.
    pub model: Option<Model>,
}

impl Ask {
    /// The least that will do.
    #[inline]
    pub fn needed(&self) -> Credits {
        self.min_credits.unwrap_or(self.credits).min(self.credits)
    }
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub struct Asker<'a> {
    /// The user.
    pub user: &'a UserId,
    /// The team in whose name, and the user's place in it; `None`: own credits pay.
    pub place: Option<(&'a Team, Membership)>,
}

impl<'a> Asker<'a> {
    /// Whose credits pay.
    #[inline]
    pub fn payer(&self) -> Payer {
        self.place.map_or(Payer::Wallet, |(_, member)| member.effective_access().payer())
    }

    /// The access in effect.
    pub fn access(&self) -> Access {
        self.place.map_or(Access::Personal, |(_, member)| member.effective_access())
    }

    /// The limit that caps its draws: only on the pool (rule 4).
    fn limit(&self) -> Option<Credits> {
        self.place.filter(|_| self.payer() == Payer::Pool).and_then(|(_, member)| member.limit)
    }

    fn team(&self) -> Option<&'a TeamId> {
        self.place.map(|(team, _)| &team.id)
    }

    fn manages(&self) -> bool {
        self.place.is_none_or(|(_, member)| member.role.manages())
    }
}

/// Where the features come from that say whether the whitelist applies.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rights {
    /// Features of the subscription assigned to the team.
    pub pool: Features,
    /// Features of the user's own subscription, where it has one that is assigned to no team.
    pub own: Features,
    /// The whitelist applies to every draw on the pool (`whitelist.on_pool_spend`).
    pub on_pool_spend: bool,
}

/// What may be drawn, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Granted {
    /// How much: what was asked, or for a hold what is left.
    pub credits: Credits,
    /// The start of the window that is drawn on.
    pub window: Timestamp,
}

/// Why nothing is drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Denied, for good or for now.
    Denied(Box<Denial>),
    /// The lease has run out: a sync must come first, then the question again.
    Short,
}

/// Decides a debit or a hold. `book` is the payer's, `None` where the user has no own credits;
/// `draws` answers the member's draws on the pool in the window that starts at its argument.
pub fn decide<'a>(
    asker: &Asker<'_>,
    rights: &Rights,
    book: Option<&Book>,
    draws: impl FnOnce(Timestamp) -> Option<DrawsView<'a>>,
    ask: &Ask,
    now: Timestamp,
) -> Result<Granted, Refused> {
    decide_within(Reach::All, asker, rights, book, draws, ask, now)
}

/// As [`decide`], where this sidecar may hold but a part: what does not fit in its part is
/// [`Refused::Short`] until the root has been asked.
pub fn decide_within<'a>(
    reach: Reach<'_>,
    asker: &Asker<'_>,
    rights: &Rights,
    book: Option<&Book>,
    draws: impl FnOnce(Timestamp) -> Option<DrawsView<'a>>,
    ask: &Ask,
    now: Timestamp,
) -> Result<Granted, Refused> {
    let denied = Draft { asker, ask };
    if !model_allowed(asker, rights, ask.model.as_ref()) {
        return denied.by(Reason::ModelNotAllowed, NextStep::ChooseAnotherModel);
    }
    let Some(book) = payers(asker, book) else { return denied.exhausted(None, now) };
    let Some(funds) = book.current(now) else { return Err(Refused::Short) };
    let may_ask = matches!(reach, Reach::Part { is_asked: false, .. });
    let (free, debt) = book.standing(funds, now);
    if !debt.is_zero() {
        if may_ask {
            return Err(Refused::Short);
        }
        return denied.in_debt(debt);
    }
    let mut left = free;
    if let Some(limit) = asker.limit() {
        let draws = draws(funds.window.start).unwrap_or_default();
        let room = limit.saturating_sub(draws.taken(now));
        if room < ask.needed() {
            return denied.limited(limit, draws, funds, now);
        }
        left = left.min(room);
        if let Reach::Part { share, .. } = reach {
            let lent = share.map_or(Credits::ZERO, |share| share.free(draws, now));
            if !may_ask && lent < ask.needed() {
                return denied.limited(limit, draws, funds, now);
            }
            left = left.min(lent);
        }
    }
    if may_ask && left < ask.credits {
        return Err(Refused::Short);
    }
    if free < ask.needed() {
        return denied.exhausted(Some(funds), now);
    }
    let credits = ask.credits.min(left);
    assert!(credits >= ask.needed(), "no less is granted than will do");
    assert!(credits <= free, "no more is granted than is lent (I2)");
    Ok(Granted { credits, window: funds.window.start })
}

/// Begins to record what was used already: a hold of nothing, whose settle then charges it in full, above every limit too. So
/// neither model nor debt, limit or funds refuse it; it is denied only where nobody could be charged.
pub fn record(asker: &Asker<'_>, book: Option<&Book>, ask: &Ask, now: Timestamp) -> Result<Granted, Refused> {
    let Some(book) = payers(asker, book) else { return Draft { asker, ask }.exhausted(None, now) };
    let Some(funds) = book.current(now) else { return Err(Refused::Short) };
    Ok(Granted { credits: Credits::ZERO, window: funds.window.start })
}

/// The payer's book. A user's own credits are the pool's alone while their subscription is assigned to a team.
fn payers<'a>(asker: &Asker<'_>, book: Option<&'a Book>) -> Option<&'a Book> {
    book.filter(|book| asker.payer() == Payer::Pool || book.team.is_none())
}

/// Whether the whitelist that applies to the asker, if any, has the model (rule 6).
pub fn model_allowed(asker: &Asker<'_>, rights: &Rights, model: Option<&Model>) -> bool {
    let Some((team, _)) = asker.place else { return true };
    let features = if asker.access() == Access::Seat { rights.pool } else { rights.own };
    let on_pool = rights.on_pool_spend && asker.payer() == Payer::Pool && rights.pool.model_whitelist;
    !(features.model_whitelist || on_pool) || team.whitelist.allows(model)
}

/// The denial of a member who is not one.
pub fn not_a_member(team: Option<&TeamId>, user: &UserId, ask: &Ask) -> Denial {
    let denial = Draft { asker: &Asker { user, place: None }, ask }.make(Reason::NotAMember, NextStep::AskAdmin);
    Denial { team: team.cloned(), payer: None, ..denial }
}

/// The denial of a sidecar that cannot decide safely; ask again after `retry_after_ms`.
pub fn unavailable(team: Option<&TeamId>, user: &UserId, ask: &Ask, retry_after_ms: u64) -> Denial {
    let denial = Draft { asker: &Asker { user, place: None }, ask }.make(Reason::Unavailable, NextStep::Retry);
    Denial { team: team.cloned(), retry_after_ms: Some(retry_after_ms), payer: None, ..denial }
}

struct Draft<'a> {
    asker: &'a Asker<'a>,
    ask: &'a Ask,
}

impl Draft<'_> {
    fn make(&self, reason: Reason, next_step: NextStep) -> Denial {
        Denial {
            reason,
            team: self.asker.team().cloned(),
            member: self.asker.user.clone(),
            asked: self.ask.credits,
            model: self.ask.model.clone(),
            payer: Some(self.asker.payer()),
            of_limit: false,
            numbers: None,
            debt: None,
            resets_at: None,
            retry_after_ms: None,
            next_step,
        }
    }

    fn by<T>(&self, reason: Reason, next_step: NextStep) -> Result<T, Refused> {
        Err(Refused::Denied(Box::new(self.make(reason, next_step))))
    }

    fn in_debt<T>(&self, debt: Credits) -> Result<T, Refused> {
        let denial = Denial { debt: Some(debt), ..self.make(Reason::InDebt, NextStep::BuyCredits) };
        Err(Refused::Denied(Box::new(denial)))
    }

    fn limited<T>(&self, limit: Credits, draws: DrawsView<'_>, funds: &Funds, now: Timestamp) -> Result<T, Refused> {
        let numbers = Numbers { limit, used: draws.used(), held: draws.held(now) };
        let step = if self.asker.manages() { NextStep::RaiseLimit } else { NextStep::SwitchToPersonal };
        let denial = self.full(Reason::MemberLimit, step, numbers, draws.next_lapse(now), now);
        let denial = Denial { of_limit: true, resets_at: Some(funds.window.end), ..denial };
        Err(Refused::Denied(Box::new(denial)))
    }

    fn exhausted<T>(&self, funds: Option<&Funds>, now: Timestamp) -> Result<T, Refused> {
        let (reason, step) = match self.asker.payer() {
            Payer::Pool if self.asker.manages() => (Reason::PoolExhausted, NextStep::BuyCredits),
            Payer::Pool => (Reason::PoolExhausted, NextStep::SwitchToPersonal),
            Payer::Wallet if self.would_opting_in_help() => (Reason::WalletExhausted, NextStep::OptBackIn),
            Payer::Wallet => (Reason::WalletExhausted, NextStep::BuyCredits),
        };
        let Some(funds) = funds else { return self.by(reason, step) };
        let numbers = Numbers { limit: funds.lent(), used: funds.draws.used(), held: funds.draws.held(now) };
        let denial = self.full(reason, step, numbers, funds.draws.view().next_lapse(now), now);
        Err(Refused::Denied(Box::new(Denial { resets_at: Some(funds.window.end), ..denial })))
    }

    fn would_opting_in_help(&self) -> bool {
        self.asker.place.is_some_and(|(_, member)| {
            member.role == Role::Member && member.opted_out && member.access.payer() == Payer::Pool
        })
    }

    /// A scope that is full, or would not be if its open holds were returned.
    fn full(
        &self,
        reason: Reason,
        step: NextStep,
        numbers: Numbers,
        next_lapse: Option<Timestamp>,
        now: Timestamp,
    ) -> Denial {
        let fits_without_holds = numbers.limit.saturating_sub(numbers.used) >= self.ask.needed();
        let (reason, step) = if fits_without_holds { (Reason::Held, NextStep::Retry) } else { (reason, step) };
        let wait = next_lapse.map_or(HELD_RETRY_MILLIS_MAX, |at| at.millis_since(now));
        let retry_after_ms = fits_without_holds.then_some(wait.clamp(1, HELD_RETRY_MILLIS_MAX));
        assert_eq!(reason.retryable(), retry_after_ms.is_some(), "what is retryable says when");
        Denial { numbers: Some(numbers), retry_after_ms, ..self.make(reason, step) }
    }
}

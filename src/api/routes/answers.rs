//! What decisions and their ends answer, as it stands on the wire.

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::wire::{Amount, Wire, WireModel, WireOperation, WireSubscription, WireTeam, WireTime, WireUser};
use crate::domain::{Credits, Denial, OperationId};
use crate::engine::{Allowed, Drawn, Remaining};

/// Most answers fit, so that writing one allocates once.
pub(super) const ANSWER_BYTES: usize = 512;

/// A body of an answer with status 200.
#[derive(Clone, Copy, Debug)]
pub struct Answer<T>(pub T);

impl<T: Serialize> Answer<T> {
    /// The answer, with whatever body its sender takes.
    pub fn answer<B: From<Bytes>>(&self) -> http::Response<B> {
        let mut bytes = Vec::with_capacity(ANSWER_BYTES);
        write(&mut bytes, &self.0);
        written(bytes)
    }
}

/// Writes a body of an answer, or a part of one.
pub fn write(bytes: &mut Vec<u8>, value: &impl Serialize) {
    serde_json::to_writer(bytes, value).expect("texts and numbers always serialise");
}

/// An answer with status 200 whose body is written.
pub fn written<B: From<Bytes>>(bytes: Vec<u8>) -> http::Response<B> {
    let mut response = http::Response::new(B::from(bytes.into()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

impl<T: Serialize> IntoResponse for Answer<T> {
    fn into_response(self) -> Response {
        self.answer()
    }
}

/// The answer to a debit, a hold or a check.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(tag = "decision", rename_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "made once and written at once: a box would cost more")]
pub enum Decision {
    /// Charged, set aside, or for a check: would be.
    Allow(Allow),
    /// Nothing has changed.
    Deny(Deny),
}

/// An allowed draw.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "decision": "allow", "id": "req-81", "credits": "1.25", "payer": "pool", "subscription": "sub_1",
    "expires_at": "2026-11-22T12:01:00Z", "remaining": {"member": "48.75", "payer": "948.75"}
}))]
pub struct Allow {
    /// The operation; not there for a check that named none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<WireOperation>,
    /// What was charged or set aside.
    pub credits: Amount,
    /// Whose credits pay: `pool` or `wallet`.
    pub payer: &'static str,
    /// The subscription that is drawn on.
    pub subscription: WireSubscription,
    /// Until when a hold is open, as first answered; on holds only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<WireTime>,
    /// How many tokens the answer may have that is paid for; on holds that were asked with `usage` only. Less than was
    /// asked or expected where less is held, by `min_credits`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_tokens: Option<u64>,
    /// What is left now.
    pub remaining: Left,
    /// The same id was answered before; there only when true.
    #[serde(skip_serializing_if = "is_false")]
    pub replayed: bool,
}

/// What is left: with several sidecars this one's own share.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct Left {
    /// Of the member's limit; null without one, and where own credits pay.
    #[schema(required)]
    pub member: Option<Amount>,
    /// Of the payer's credits.
    pub payer: Amount,
}

impl Left {
    /// What a next draw may cost at most.
    pub fn least(&self) -> Amount {
        self.member.map_or(self.payer, |member| member.min(self.payer))
    }
}

/// A denied draw.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Deny {
    /// The operation; not there for a check that named none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<WireOperation>,
    /// Why, with the numbers and the way out.
    pub denial: DenialBody,
}

/// Why not: one reason, the numbers that caused it, and the way out. A problem document of its own.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Denial, example = json!({
    "type": "urn:purser:denial:member_limit", "title": "Member limit reached", "status": 403, "reason": "member_limit",
    "detail": "ana has used 99 and holds 0.5 of 100 credits of this window in team acme; 1.25 asked.",
    "team": "acme", "member": "ana", "limit": "100", "used": "99", "held": "0.5", "remaining": "0.5", "asked": "1.25",
    "payer": "pool", "resets_at": "2026-12-01T00:00:00Z", "retryable": false, "next_step": "switch_to_personal"
}))]
pub struct DenialBody {
    /// `urn:purser:denial:` and the reason.
    pub r#type: String,
    /// A short text, the same for every denial with this reason.
    pub title: &'static str,
    /// What a gateway can answer its own caller with: 402, 403, 429 or 503.
    pub status: u16,
    /// `not_a_member`, `unavailable`, `model_not_allowed`, `in_debt`, `member_limit`, `pool_exhausted`,
    /// `wallet_exhausted` or `held`; the first that applies, in this order.
    pub reason: &'static str,
    /// One sentence with the numbers.
    pub detail: String,
    /// The team in whose name was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub team: Option<WireTeam>,
    /// Who asked.
    pub member: WireUser,
    /// The model that was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<WireModel>,
    /// The member's limit, or the payer's credits, whichever failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<Amount>,
    /// What is used of that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub used: Option<Amount>,
    /// What open holds set aside of that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held: Option<Amount>,
    /// What is left of that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remaining: Option<Amount>,
    /// The payer's debt, where that is the reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub debt: Option<Amount>,
    /// What was asked.
    pub asked: Amount,
    /// Whose credits would have paid, where that is known: `pool` or `wallet`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payer: Option<&'static str>,
    /// When the window ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resets_at: Option<WireTime>,
    /// Whether the same request may be allowed later without anybody's doing.
    pub retryable: bool,
    /// When to ask again, in milliseconds; where it is retryable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// `buy_credits`, `raise_limit`, `switch_to_personal`, `opt_back_in`, `choose_another_model`,
    /// `ask_admin` or `retry`.
    pub next_step: &'static str,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands fields over by reference")]
pub(super) const fn is_false(value: &bool) -> bool {
    !*value
}

impl Decision {
    /// The answer to a draw that has been decided, and which pays for an answer of so many tokens.
    pub fn new(id: Option<OperationId>, drawn: Drawn, output_tokens: Option<u64>) -> Self {
        let id = id.map(Wire);
        match drawn {
            Drawn::Allowed(allowed) => Self::Allow(Allow { output_tokens, ..Allow::new(id, allowed) }),
            Drawn::Denied(denial) => Self::Deny(Deny { id, denial: (&*denial).into() }),
            Drawn::Short(_) => unreachable!("the service turns a lease that stays short into a denial"),
        }
    }
}

impl Allow {
    fn new(id: Option<WireOperation>, allowed: Allowed) -> Self {
        Self {
            id,
            credits: Amount(allowed.credits),
            payer: allowed.drawer.payer.as_str(),
            subscription: Wire(allowed.drawer.subscription.clone()),
            expires_at: allowed.expires_at.map(Wire),
            output_tokens: None,
            remaining: allowed.remaining.into(),
            replayed: allowed.replayed,
        }
    }
}

impl From<Remaining> for Left {
    fn from(remaining: Remaining) -> Self {
        Self { member: remaining.member.map(Amount), payer: Amount(remaining.payer) }
    }
}

impl From<&Denial> for DenialBody {
    fn from(denial: &Denial) -> Self {
        let reason = denial.reason;
        let number = |of: fn(&crate::domain::denial::Numbers) -> Credits| denial.numbers.as_ref().map(of).map(Amount);
        Self {
            r#type: format!("urn:purser:denial:{}", reason.as_str()),
            title: reason.title(),
            status: reason.status(),
            reason: reason.as_str(),
            detail: denial.to_string(),
            team: denial.team.clone().map(Wire),
            member: Wire(denial.member.clone()),
            model: denial.model.clone().map(Wire),
            limit: number(|numbers| numbers.limit),
            used: number(|numbers| numbers.used),
            held: number(|numbers| numbers.held),
            remaining: number(|numbers| numbers.remaining()),
            debt: denial.debt.map(Amount),
            asked: Amount(denial.asked),
            payer: denial.payer.map(|payer| payer.as_str()),
            resets_at: denial.resets_at.map(Wire),
            retryable: reason.retryable(),
            retry_after_ms: denial.retry_after_ms,
            next_step: denial.next_step.as_str(),
        }
    }
}

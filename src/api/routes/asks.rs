//! What decisions and their ends are asked with: bodies of requests, and what the engine takes.
//!
//! Debits, holds and checks are asked with the same body, so that a gateway can turn one into the other.

use axum::extract::FromRequestParts;
use http::HeaderMap;
use http::request::Parts;
use serde::Deserialize;
use utoipa::ToSchema;

use super::faults::unpriced;
use crate::api::auth::Caller;
use crate::api::ids::operation_id;
use crate::api::json::Fault;
use crate::api::problem::{Code, Problem};
use crate::api::state::App;
use crate::api::wire::{Amount, AskedAmount, Object, Seconds, Whole, WireModel, WireOperation, WireTeam, WireUser};
use crate::domain::decide::Ask;
use crate::domain::{OperationId, UserId};
use crate::engine::{Draw, DrawFault, Scope};
use crate::rates;
use crate::service::{Cost, Quote};

/// How long a hold stays open, in milliseconds.
pub type TtlMillis = Whole<1_000, 86_400_000>;

/// Tokens or images of one call. No model takes as many.
pub type Count = Whole<0, { rates::COUNT_MAX }>;

/// What a call has used, or may use, to be priced by the rate card. What is left out is nothing; but in a debit, a hold or
/// a check, `output_tokens` left out are as many as the card says for the model.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"input_tokens": 812, "cached_input_tokens": 512, "output_tokens": 400}))]
pub struct Usage {
    /// Tokens of the prompt.
    pub input_tokens: Option<Count>,
    /// Those of them that the model had cached.
    pub cached_input_tokens: Option<Count>,
    /// Tokens of the answer.
    pub output_tokens: Option<Count>,
    /// Those of them that the model spent on reasoning.
    pub reasoning_tokens: Option<Count>,
    /// Images that were made or looked at.
    pub images: Option<Count>,
    /// Seconds of sound or film, with up to 6 fraction digits.
    pub seconds: Option<Seconds>,
}

impl From<Usage> for rates::Usage {
    fn from(usage: Usage) -> Self {
        let count = |count: Option<Count>| count.map_or(0, Count::get);
        Self {
            input_tokens: count(usage.input_tokens),
            cached_input_tokens: count(usage.cached_input_tokens),
            output_tokens: usage.output_tokens.map(Count::get),
            reasoning_tokens: count(usage.reasoning_tokens),
            images: count(usage.images),
            second_micros: usage.seconds.map_or(0, Seconds::micros),
        }
    }
}

/// [`Usage`] as a field.
pub type UsageField = Object<Usage>;

/// A debit, a hold or a check; the last two fields mean something for holds only.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Draw, example = json!({
    "id": "req-81", "team": "acme", "member": "ana", "credits": "1.25", "model": "gpt-4o", "ttl_ms": 60000,
    "min_credits": "0.5"
}))]
pub struct DrawBody {
    /// The caller's id of it; the header `Idempotency-Key` may say it instead. A check needs none.
    pub id: Option<WireOperation>,
    /// In whose name; left out, the user's own credits pay.
    pub team: Option<WireTeam>,
    /// Who draws.
    pub member: WireUser,
    /// The cost, for a hold the estimate; `usage` may be there instead.
    #[schema(value_type = Option<AskedAmount>)]
    pub credits: Option<Amount>,
    /// What the rate card prices for the model.
    pub usage: Option<UsageField>,
    /// For which model.
    pub model: Option<WireModel>,
    /// How long a hold stays open; 60000 when left out.
    pub ttl_ms: Option<TtlMillis>,
    /// The least that will do for a hold: where less than `credits` is left but at least this, what is left is held.
    #[schema(value_type = Option<AskedAmount>)]
    pub min_credits: Option<Amount>,
}

/// The real cost of a hold.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Settle, example = json!({"team": "acme", "credits": "0.75"}))]
pub struct SettleBody {
    /// The team that the hold named.
    pub team: Option<WireTeam>,
    /// Who held; needed where no team was named.
    pub member: Option<WireUser>,
    /// The real cost; `usage` may be there instead.
    #[schema(value_type = Option<AskedAmount>)]
    pub credits: Option<Amount>,
    /// What the rate card prices, as it stood when the hold was given.
    pub usage: Option<UsageField>,
    /// For which model usage is priced where the hold named none, or is not known here; else the hold's counts.
    pub model: Option<WireModel>,
}

/// Which hold is cancelled.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Release, example = json!({"team": "acme"}))]
pub struct ReleaseBody {
    /// The team that the hold named.
    pub team: Option<WireTeam>,
    /// Who held; needed where no team was named.
    pub member: Option<WireUser>,
}

/// A new expiry of a hold.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Extend, example = json!({"team": "acme", "ttl_ms": 300_000}))]
pub struct ExtendBody {
    /// The team that the hold named.
    pub team: Option<WireTeam>,
    /// Who held; needed where no team was named.
    pub member: Option<WireUser>,
    /// How long it stays open from now.
    pub ttl_ms: TtlMillis,
}

/// What of a debit is given back: without `credits` all that is left.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Refund, example = json!({"id": "refund-7", "team": "acme", "credits": "0.5"}))]
pub struct RefundBody {
    /// The refund's own id, needed with `credits`; the header `Idempotency-Key` may say it instead.
    pub id: Option<WireOperation>,
    /// The team that the debit named.
    pub team: Option<WireTeam>,
    /// Who drew; needed where no team was named.
    pub member: Option<WireUser>,
    /// How much.
    #[schema(value_type = Option<AskedAmount>)]
    pub credits: Option<Amount>,
}

impl DrawBody {
    /// The debit that is asked for: all of `credits` or nothing.
    #[inline]
    pub fn debit(mut self, key: Key, app: &App) -> Result<Asked, Problem> {
        let id = key.needed(self.id.take())?;
        self.asked(id, None, app)
    }

    /// The hold that is asked for.
    #[inline]
    pub fn hold(mut self, key: Key, app: &App) -> Result<Asked, Problem> {
        let id = key.needed(self.id.take())?;
        let ttl_millis = ttl(self.ttl_ms, app)?;
        self.asked(id, Some(ttl_millis), app)
    }

    /// The question, and the id that its answer names. With a field that only holds have it is about
    /// a hold.
    pub fn check(mut self, key: Key, app: &App) -> Result<(Asked, Option<OperationId>), Problem> {
        let id = key.or(self.id.take())?;
        let is_hold = self.ttl_ms.is_some() || self.min_credits.is_some();
        let ttl_millis = if is_hold { Some(ttl(self.ttl_ms, app)?) } else { None };
        let unnamed = || OperationId::new("check").expect("a short text is an id");
        Ok((self.asked(id.clone().unwrap_or_else(unnamed), ttl_millis, app)?, id))
    }

    #[inline]
    fn asked(self, id: OperationId, ttl_millis: Option<u64>, app: &App) -> Result<Asked, Problem> {
        let (cost, model) = (cost(self.credits, self.usage)?, self.model.map(|model| model.0));
        let Quote { credits, pricing, unpriced } = app.service.quote(model.as_ref(), &cost, ttl_millis.is_some());
        let min_credits = self.min_credits.map(|least| least.0);
        // Who tells what may be used does not know what that costs: then the least is at most that.
        if min_credits.is_some_and(|least| least > credits) && cost.usage().is_none() {
            return Err(Fault::invalid("must be at most credits").in_field("min_credits").into());
        }
        // Only a hold may be of less than was asked.
        let ask = Ask { credits, min_credits: ttl_millis.and(min_credits), model };
        let draw = Draw { id, team: self.team.map(|team| team.0), member: self.member.0, ask, ttl_millis, pricing };
        Ok(Asked { draw, usage: cost.usage().copied(), unpriced })
    }
}

/// A draw, and what it was asked with.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The draw.
    pub draw: Draw,
    /// What may be used, where that was told in place of credits.
    pub usage: Option<rates::Usage>,
    /// Why that has no price.
    pub unpriced: Option<rates::Unpriced>,
}

impl Asked {
    /// Why it could not be decided, as a problem.
    pub fn problem(&self, fault: DrawFault) -> Problem {
        match (fault, self.unpriced) {
            (DrawFault::Unpriced, Some(why)) => unpriced(why, self.draw.ask.model.as_ref()),
            (fault, _) => fault.into(),
        }
    }
}

/// How long a hold stays open, within what the configuration allows.
#[inline]
pub fn ttl(asked: Option<TtlMillis>, app: &App) -> Result<u64, Problem> {
    let millis = asked.map_or(app.ttl_default_millis, TtlMillis::get);
    if millis > app.ttl_max_millis {
        let what = format!("must be at most {}, as this sidecar is configured", app.ttl_max_millis);
        return Err(Fault::invalid(what).in_field("ttl_ms").into());
    }
    Ok(millis)
}

/// The cost that a body tells, one way or the other.
#[inline]
pub fn cost(credits: Option<Amount>, usage: Option<UsageField>) -> Result<Cost, Problem> {
    match (credits, usage) {
        (Some(Amount(credits)), None) => Ok(Cost::Credits(credits)),
        (Some(_), Some(_)) => Err(Fault::invalid("must be left out where credits is there").in_field("usage").into()),
        (None, Some(Object(usage))) => Ok(Cost::Usage(usage.into())),
        (None, None) => Err(Fault::new(Code::MissingField, "is missing").in_field("credits").into()),
    }
}

/// Where an operation's id counts, and whose it must be, if that is named.
pub struct Place {
    /// The team, or the user where no team was named.
    pub scope: Scope,
    /// The member that the request names.
    pub member: Option<UserId>,
}

impl Place {
    /// The place that a body names.
    pub fn new(team: Option<WireTeam>, member: Option<WireUser>) -> Result<Self, Problem> {
        let member = member.map(|member| member.0);
        let scope = match (team, &member) {
            (Some(team), _) => Scope::Team(team.0),
            (None, Some(member)) => Scope::User(member.clone()),
            (None, None) => {
                let what = "is missing; name the team, or the member where no team was named";
                return Err(Fault::new(Code::MissingField, what).in_field("team").into());
            }
        };
        Ok(Self { scope, member })
    }

    /// Whether the caller may end or undo that operation: never as a user, who could settle its own
    /// calls for nothing.
    ///
    /// # Errors
    /// `forbidden` for a user, `not_found` where the request names another member.
    pub fn check(&self, caller: &Caller, app: &App, id: &OperationId) -> Result<(), Problem> {
        if caller.actor.is_some() {
            let detail = "Holds are ended and debits refunded with a gateway's or an admin's token, not as a user.";
            return Err(Problem::new(Code::Forbidden, detail));
        }
        if self.member.is_none() {
            return Ok(());
        }
        // What is not known is for the engine to say.
        let Some(drawer) = app.service.drawer(&self.scope, id) else { return Ok(()) };
        match &self.member {
            Some(member) if *member != drawer => {
                let detail = format!("The hold or debit {id} is another member's than {member}.");
                Err(Problem::new(Code::NotFound, detail).at("/member"))
            }
            _ => Ok(()),
        }
    }
}

/// Who acts as a user draws for nobody else, whatever its role.
///
/// # Errors
/// `forbidden`.
#[inline]
pub fn only_itself(caller: &Caller, member: &UserId) -> Result<(), Problem> {
    match &caller.actor {
        Some(actor) if actor != member => {
            let detail = format!("{actor} may draw for itself only, not for {member}; use a gateway's token.");
            Err(Problem::new(Code::Forbidden, detail))
        }
        _ => Ok(()),
    }
}

/// The operation's id that the header `Idempotency-Key` says, if it is there.
#[derive(Clone, Debug, Default)]
pub struct Key(pub Option<OperationId>);

impl FromRequestParts<App> for Key {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Problem> {
        Self::of(&parts.headers)
    }
}

impl Key {
    /// What these headers say.
    ///
    /// # Errors
    /// See [`operation_id`].
    pub fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        operation_id(headers, None).map(Self)
    }

    /// The id from the body or the header, or the same from both.
    ///
    /// # Errors
    /// `invalid_value` when they differ.
    #[inline]
    pub fn or(self, in_body: Option<WireOperation>) -> Result<Option<OperationId>, Problem> {
        match (self.0, in_body.map(|id| id.0)) {
            (Some(header), Some(body)) if header != body => {
                let what = "and the header Idempotency-Key differ; send one of them, or the same in both";
                Err(Fault::invalid(what).in_field("id").into())
            }
            (header, body) => Ok(body.or(header)),
        }
    }

    /// The id, where there must be one.
    ///
    /// # Errors
    /// `missing_field` without any, `invalid_value` when they differ.
    #[inline]
    pub fn needed(self, in_body: Option<WireOperation>) -> Result<OperationId, Problem> {
        let missing = || Fault::new(Code::MissingField, "is missing; send it, or the header Idempotency-Key");
        self.or(in_body)?.ok_or_else(|| missing().in_field("id").into())
    }
}

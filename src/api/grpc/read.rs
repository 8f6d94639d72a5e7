//! Messages as the bodies that the HTTP interface takes. Texts and amounts are checked here, field by field; what they mean
//! together is for who takes the body.

use super::plain::Draw;
use super::wire::purser::{ExtendRequest, RefundRequest, ReleaseRequest, SettleRequest, Usage as UsageMessage};
use crate::api::json::Fault;
use crate::api::problem::Code;
use crate::api::routes::asks::{DrawBody, ExtendBody, RefundBody, ReleaseBody, SettleBody, Usage, UsageField};
use crate::api::wire::{Amount, Object, Seconds, Text, Whole, Wire, WireOperation};
use crate::domain::Credits;
use crate::rates::SECOND_MICROS_MAX;

/// A debit, a hold or a check.
#[inline]
pub fn draw<'a>(asked: impl Into<Draw<'a>>) -> Result<DrawBody, Fault> {
    let Draw { id, team, member, credits_micros, usage, model, ttl_ms, min_credits_micros } = asked.into();
    Ok(DrawBody {
        id: text("id", id)?,
        team: text("team", team)?,
        member: needed("member", member)?,
        credits: amount("credits_micros", credits_micros)?,
        usage: usage.map(self::usage).transpose()?,
        model: text("model", model)?,
        ttl_ms: whole("ttl_ms", ttl_ms)?,
        min_credits: amount("min_credits_micros", min_credits_micros)?,
    })
}

/// The hold, and its real cost.
pub fn settle(asked: SettleRequest) -> Result<(WireOperation, SettleBody), Fault> {
    let SettleRequest { id, team, member, credits_micros, usage, model } = asked;
    let body = SettleBody {
        team: text("team", team.as_deref())?,
        member: text("member", member.as_deref())?,
        credits: amount("credits_micros", credits_micros)?,
        usage: usage.map(self::usage).transpose()?,
        model: text("model", model.as_deref())?,
    };
    Ok((needed("id", &id)?, body))
}

/// The hold, and whose it is.
pub fn release(asked: ReleaseRequest) -> Result<(WireOperation, ReleaseBody), Fault> {
    let ReleaseRequest { id, team, member } = asked;
    let body = ReleaseBody { team: text("team", team.as_deref())?, member: text("member", member.as_deref())? };
    Ok((needed("id", &id)?, body))
}

/// The hold, and its new expiry.
pub fn extend(asked: ExtendRequest) -> Result<(WireOperation, ExtendBody), Fault> {
    let ExtendRequest { id, team, member, ttl_ms } = asked;
    let body = ExtendBody {
        team: text("team", team.as_deref())?,
        member: text("member", member.as_deref())?,
        ttl_ms: whole("ttl_ms", ttl_ms)?.ok_or_else(|| missing("ttl_ms"))?,
    };
    Ok((needed("id", &id)?, body))
}

/// The debit, and what of it.
pub fn refund(asked: RefundRequest) -> Result<(WireOperation, RefundBody), Fault> {
    let RefundRequest { debit, id, team, member, credits_micros } = asked;
    let body = RefundBody {
        id: text("id", id.as_deref())?,
        team: text("team", team.as_deref())?,
        member: text("member", member.as_deref())?,
        credits: amount("credits_micros", credits_micros)?,
    };
    Ok((needed("debit", &debit)?, body))
}

/// A text that may be left out.
#[inline]
pub fn text<T: Text>(field: &'static str, text: Option<&str>) -> Result<Option<Wire<T>>, Fault> {
    let read = |text| T::read(text).map(Wire).map_err(|error| Fault::invalid(error.to_string()).in_field(field));
    text.map(read).transpose()
}

/// A text that must be there; an empty one is not.
#[inline]
fn needed<T: Text>(field: &'static str, asked: &str) -> Result<Wire<T>, Fault> {
    let asked = (!asked.is_empty()).then_some(asked);
    text(field, asked)?.ok_or_else(|| missing(field))
}

fn missing(field: &'static str) -> Fault {
    Fault::new(Code::MissingField, "is missing").in_field(field)
}

/// Micro-credits that may be left out.
#[inline]
pub fn amount(field: &'static str, micros: Option<i64>) -> Result<Option<Amount>, Fault> {
    let read = |micros| {
        let wrong = || Fault::invalid(format!("must be from 0 to {}", Credits::MAX.micros())).in_field(field);
        Credits::from_micros(micros).map(Amount).ok_or_else(wrong)
    };
    micros.map(read).transpose()
}

#[inline]
fn whole<const MIN: u64, const MAX: u64>(
    field: &'static str,
    number: Option<u64>,
) -> Result<Option<Whole<MIN, MAX>>, Fault> {
    let wrong = || Fault::invalid(format!("must be a whole number from {MIN} to {MAX}")).in_field(field);
    number.map(|number| Whole::new(number).ok_or_else(wrong)).transpose()
}

/// What was used.
pub fn usage(used: UsageMessage) -> Result<UsageField, Fault> {
    let UsageMessage { input_tokens, cached_input_tokens, output_tokens, reasoning_tokens, images, second_micros } =
        used;
    let wrong = || Fault::invalid(format!("must be from 0 to {SECOND_MICROS_MAX}")).in_field("second_micros");
    let usage = || {
        Ok(Usage {
            input_tokens: whole("input_tokens", Some(input_tokens))?,
            cached_input_tokens: whole("cached_input_tokens", cached_input_tokens)?,
            output_tokens: whole("output_tokens", output_tokens)?,
            reasoning_tokens: whole("reasoning_tokens", reasoning_tokens)?,
            images: whole("images", images)?,
            seconds: second_micros.map(|micros| Seconds::from_micros(micros).ok_or_else(wrong)).transpose()?,
        })
    };
    usage().map(Object).map_err(|fault: Fault| fault.in_field("usage"))
}

//! What a draw asks, and what it is answered.

use siphasher::sip::SipHasher13;

use super::known::{Kind, Known};
use crate::domain::{
    Ask, Book, Credits, Denial, Drawer, ID_CHARACTERS_MAX, MemberDraws, OperationId, OutOfRange, Payer, RateVersion,
    SubscriptionId, TeamId, Timestamp, UserId,
};

/// How the rate card comes into a draw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pricing {
    /// The version that priced it; for a hold, that prices its settle.
    pub rates: Option<RateVersion>,
    /// A fingerprint of the usage that it was asked with, in place of credits.
    pub usage: Option<u64>,
    /// The card has no price for that: then only a first answer can be given again.
    pub is_unpriced: bool,
}

/// A debit, a hold, or a check of either.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draw {
    /// The caller's id of it.
    pub id: OperationId,
    /// In whose name; `None`: the member's own credits pay.
    pub team: Option<TeamId>,
    /// Who draws.
    pub member: UserId,
    /// What is asked.
    pub ask: Ask,
    /// For a hold: how long it stays open, in milliseconds.
    pub ttl_millis: Option<u64>,
    /// How the rate card comes into it.
    pub pricing: Pricing,
}

/// Where the length of the member's name is written, behind which its name lies: one byte and a number of eight come before.
const NAME_AT: usize = 8;

/// The most bytes of which a fingerprint is made: a byte, a number, a name; a byte, two numbers, another name.
const CONTENT_BYTES_MAX: usize = 9 + ID_CHARACTERS_MAX + 17 + ID_CHARACTERS_MAX;

impl Draw {
    /// A fingerprint of what is asked: the same for the same content, today and after a restart.
    pub(super) fn content(&self) -> u64 {
        // In one piece, which takes half the time. A name is written with its length before it, where something else comes to lie.
        let mut bytes = [0; CONTENT_BYTES_MAX];
        let (_, name) = bytes.split_at_mut(NAME_AT);
        let end = NAME_AT + self.member.write_to(name.first_chunk_mut().expect("there is room"));
        bytes[0] = u8::from(self.ttl_millis.is_some());
        bytes[1..=NAME_AT].copy_from_slice(&self.ttl_millis.unwrap_or(0).to_le_bytes());
        let (by, asked) = match self.pricing.usage {
            None => (0, self.ask.credits.micros() as u64),
            // Another version of the card may price the same usage otherwise when it is sent again.
            Some(usage) => (1, usage),
        };
        let numbers = &mut bytes[end..end + 17];
        numbers[0] = by;
        numbers[1..9].copy_from_slice(&asked.to_le_bytes());
        numbers[9..].copy_from_slice(&self.ask.min_credits.map_or(-1, Credits::micros).to_le_bytes());
        let mut len = end + 17;
        if let Some(model) = &self.ask.model {
            let model = model.as_bytes();
            bytes[len..len + model.len()].copy_from_slice(model);
            len += model.len();
        }
        SipHasher13::new().hash(&bytes[..len])
    }
}

/// What is left after a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remaining {
    /// Of the member's limit; `None` without one.
    pub member: Option<Credits>,
    /// Of the payer's funds.
    pub payer: Credits,
}

impl Remaining {
    /// What would be left after `credits` more.
    pub(super) fn less(self, credits: Credits) -> Self {
        let (member, payer) = (self.member.map(|m| m.saturating_sub(credits)), self.payer.saturating_sub(credits));
        Self { member, payer }
    }
}

/// Allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowed {
    /// What was charged or set aside.
    pub credits: Credits,
    /// Who draws, and on what.
    pub drawer: Drawer,
    /// For a hold: until when it is open, as first answered.
    pub expires_at: Option<Timestamp>,
    /// For a hold: the version of the rate card that prices its settle.
    pub rates: Option<RateVersion>,
    /// What is left now.
    pub remaining: Remaining,
    /// The same id was answered before.
    pub replayed: bool,
    /// The entry that must be durable before this is answered; `None` for a check.
    pub seq: Option<u64>,
}

/// The answer to a draw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Drawn {
    /// Allowed, and entered unless it was a check.
    Allowed(Allowed),
    /// Denied; nothing has changed.
    Denied(Box<Denial>),
    /// The lease of this subscription has run out: sync, then ask again.
    Short(SubscriptionId),
}

/// Why a draw is no question that could be decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DrawFault {
    /// The id was used for something else.
    #[error("this id was used before with other content; use a new id")]
    IdReused,
    /// It has no price, and was not asked before.
    #[error("the rate card has no price for this, and it was not asked before")]
    Unpriced,
    /// A sum would be too large.
    #[error(transparent)]
    OutOfRange(#[from] OutOfRange),
    /// It was allowed and entered, but could not be made as durable as answers must be.
    #[error("it was entered, but is not yet as durable as answers must be; ask again with the same id")]
    Unconfirmed,
}

/// What is left of the member's limit in the current window, and of the payer's funds.
pub(super) fn remaining(
    payer: Payer,
    limit: Option<Credits>,
    book: Option<&Book>,
    member: Option<&MemberDraws>,
    now: Timestamp,
) -> Remaining {
    let book = book.filter(|book| payer == Payer::Pool || book.team.is_none());
    let funds = book.and_then(|book| book.current(now));
    let draws = funds.and_then(|funds| member?.of(funds.window.start));
    let taken = draws.map_or(Credits::ZERO, |draws| draws.taken(now));
    Remaining {
        member: limit.filter(|_| payer == Payer::Pool).map(|limit| limit.saturating_sub(taken)),
        payer: funds.map_or(Credits::ZERO, |funds| funds.free(now)),
    }
}

/// The first answer again, with what remains today (I6).
pub(super) fn replay(known: Known<'_>, drawer: Drawer, content: u64, remaining: Remaining) -> Result<Drawn, DrawFault> {
    let (credits, expires_at, rates) = match known.kind {
        Kind::Debit { credits, .. } => (credits, None, None),
        Kind::Hold(known) => (known.hold().set.credits, Some(known.first_expiry()), known.rates()),
        Kind::Elsewhere(known) => match known.first {
            Some((credits, expires_at)) if !known.reused => (credits, expires_at, None),
            _ => return Err(DrawFault::IdReused),
        },
        Kind::Refund { .. } => return Err(DrawFault::IdReused),
    };
    if known.content != content {
        return Err(DrawFault::IdReused);
    }
    let seq = Some(known.seq);
    Ok(Drawn::Allowed(Allowed { credits, drawer, expires_at, rates, remaining, replayed: true, seq }))
}

#[cfg(test)]
mod tests {
    use std::hash::Hasher;

    use super::*;
    use crate::domain::Model;

    /// The fingerprint piece by piece, as journals and stores have had it from the beginning.
    fn piece_by_piece(draw: &Draw) -> u64 {
        let mut hash = SipHasher13::new();
        hash.write_u8(u8::from(draw.ttl_millis.is_some()));
        hash.write_u64(draw.ttl_millis.unwrap_or(0));
        hash.write(draw.member.as_bytes());
        hash.write_u8(u8::from(draw.pricing.usage.is_some()));
        hash.write_u64(draw.pricing.usage.unwrap_or(draw.ask.credits.micros() as u64));
        hash.write_i64(draw.ask.min_credits.map_or(-1, Credits::micros));
        hash.write(draw.ask.model.as_ref().map_or(&[], |model| model.as_bytes()));
        hash.finish()
    }

    #[test]
    fn a_fingerprint_is_what_it_always_was() {
        let model = |length| Model::new(&"m".repeat(length)).expect("a model");
        let credits = |micros| Credits::from_micros(micros).expect("an amount");
        for length in [1, 2, 7, 8, 36, 38, 39, 127, 128] {
            let mut draw = Draw {
                id: OperationId::new("try-1").expect("an id"),
                team: None,
                member: UserId::new(&"u".repeat(length)).expect("a name"),
                ask: Ask { credits: credits(1_250_000), min_credits: None, model: None },
                ttl_millis: None,
                pricing: Pricing::default(),
            };
            assert_eq!(draw.content(), piece_by_piece(&draw));
            draw.ttl_millis = Some(60_000);
            draw.ask.min_credits = Some(credits(7));
            draw.ask.model = Some(model(length));
            assert_eq!(draw.content(), piece_by_piece(&draw));
            draw.pricing.usage = Some(u64::MAX);
            assert_eq!(draw.content(), piece_by_piece(&draw));
        }
        let named = |member| UserId::new(member).expect("a name");
        let ask = Ask { credits: credits(1_250_000), min_credits: None, model: None };
        let id = OperationId::new("try-1").expect("an id");
        let draw = Draw { id, team: None, member: named("ana"), ask, ttl_millis: None, pricing: Pricing::default() };
        assert_eq!(draw.content(), 13087880765269636128);
    }
}

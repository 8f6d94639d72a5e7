//! What a draw asks, and what it is answered.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;

use super::known::{Kind, Known};
use crate::domain::{
    Ask, Book, Credits, Denial, Drawer, MemberDraws, OperationId, OutOfRange, Payer, RateVersion, SubscriptionId,
    TeamId, Timestamp, UserId,
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

impl Draw {
    /// A fingerprint of what is asked: the same for the same content, today and after a restart.
    pub(super) fn content(&self) -> u64 {
        let mut hash = SipHasher13::new();
        hash.write_u8(u8::from(self.ttl_millis.is_some()));
        hash.write_u64(self.ttl_millis.unwrap_or(0));
        hash.write(self.member.as_bytes());
        match self.pricing.usage {
            None => {
                hash.write_u8(0);
                hash.write_i64(self.ask.credits.micros());
            }
            // Another version of the card may price the same usage otherwise when it is sent again.
            Some(usage) => {
                hash.write_u8(1);
                hash.write_u64(usage);
            }
        }
        hash.write_i64(self.ask.min_credits.map_or(-1, Credits::micros));
        hash.write(self.ask.model.as_ref().map_or(&[], |model| model.as_bytes()));
        hash.finish()
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
    let window = book.and_then(|book| book.current(now)).map(|funds| funds.window.start);
    let taken = window.and_then(|start| member?.of(start)).map_or(Credits::ZERO, |draws| draws.taken(now));
    Remaining {
        member: limit.filter(|_| payer == Payer::Pool).map(|limit| limit.saturating_sub(taken)),
        payer: book.map_or(Credits::ZERO, |book| book.free(now)),
    }
}

/// The first answer again, with what remains today (I6).
pub(super) fn replay(known: &Known, drawer: Drawer, content: u64, remaining: Remaining) -> Result<Drawn, DrawFault> {
    let (credits, expires_at, rates) = match &known.kind {
        Kind::Debit { credits, .. } => (*credits, None, None),
        Kind::Hold(known) => (known.hold.set.credits, Some(known.first_expiry), known.rates()),
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

//! An entry as bytes: the payload of a record. Drawn byte by byte in `docs/journal-format.md`.
//!
//! Numbers have eight bytes (LEB128 in entries of earlier versions), texts a length byte, what is not there has no bytes but
//! a flag. Nothing is trusted when reading: bad bytes are an error, never a panic and never another entry.

use smallvec::SmallVec;

use super::pen::Pen;
use crate::domain::{
    AskedEnd, Credits, Drawer, DrawerView, Entry, EntryView, Fact, Model, OperationId, Payer, Posting, RateVersion,
    Set, SubscriptionId, Tally, TeamId, Timestamp, UserId,
};

/// The most bytes that one entry takes: five texts of 128, two postings, and their numbers.
pub const ENTRY_BYTES_MAX: usize = 1_024;

const DEBITED: u8 = 1;
const HELD: u8 = 2;
const EXTENDED: u8 = 3;
const SETTLED: u8 = 4;
const RELEASED: u8 = 5;
const EXPIRED: u8 = 6;
const REFUNDED: u8 = 7;
const VOIDED: u8 = 8;
const SETTLE_ASKED: u8 = 9;
const RELEASE_ASKED: u8 = 10;
const EXTEND_ASKED: u8 = 11;
const REFUND_ASKED: u8 = 12;

const HAS_TEAM: u8 = 1;
const IS_WALLET: u8 = 2;
const HAS_MODEL: u8 = 4;
const IS_LATE: u8 = 8;
const IS_REUSED: u8 = 16;
const IS_PART: u8 = 32;
const HAS_RATES: u8 = 64;
/// Numbers have eight bytes each.
const IS_WIDE: u8 = 128;

const HAS_SPENT: u8 = 1;
const HAS_REFUNDED: u8 = 2;
const HAS_HELD: u8 = 4;
const HAS_UNHELD: u8 = 8;
const HAS_MEMBER: u8 = 16;

/// Why bytes are not an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// They end in the middle of an entry.
    #[error("an entry is cut short")]
    Short,
    /// There is more than an entry.
    #[error("bytes follow the end of an entry")]
    Long,
    /// A part has a value that no entry has.
    #[error("an entry has a bad {0}")]
    Bad(&'static str),
}

/// Writes an entry to the beginning of a place; answers how many bytes it takes.
pub fn encode(entry: EntryView<'_>, to: &mut [u8; ENTRY_BYTES_MAX]) -> usize {
    let (kind, model) = match entry.fact {
        Fact::Debited { model, .. } => (DEBITED, model.as_ref()),
        Fact::Held { model, .. } => (HELD, model.as_ref()),
        Fact::Extended { .. } => (EXTENDED, None),
        Fact::Settled { .. } => (SETTLED, None),
        Fact::Released { .. } => (RELEASED, None),
        Fact::Expired { .. } => (EXPIRED, None),
        Fact::Refunded { .. } => (REFUNDED, None),
        Fact::Voided { .. } => (VOIDED, None),
        Fact::EndAsked { end } => (asked_kind(end), None),
    };
    let DrawerView { team, member, payer, subscription } = entry.drawer;
    let is_late = matches!(entry.fact, Fact::Settled { late: true, .. });
    let flags = flag(team.is_some(), HAS_TEAM)
        | flag(payer == Payer::Wallet, IS_WALLET)
        | flag(model.is_some(), HAS_MODEL)
        | flag(is_late, IS_LATE)
        | flag(matches!(entry.fact, Fact::Voided { reused: true, .. }), IS_REUSED)
        | flag(matches!(entry.fact, Fact::EndAsked { end: AskedEnd::Refund { part: Some(_) } }), IS_PART)
        | flag(entry.rates.is_some(), HAS_RATES)
        | IS_WIDE;
    let pen = &mut Pen::new(to);
    pen.byte(kind);
    pen.byte(flags);
    pen.time(entry.at);
    pen.name(|to| entry.id.write_to(to));
    if let Some(team) = team {
        pen.name(|to| team.write_to(to));
    }
    pen.name(|to| member.write_to(to));
    pen.name(|to| subscription.write_to(to));
    if let Some(model) = model {
        pen.name(|to| model.write_to(to));
    }
    if let Some(rates) = entry.rates {
        pen.number(rates.bits());
    }
    put_fact(pen, entry.fact);
    pen.byte(u8::try_from(entry.postings.len()).expect("an entry has at most two postings"));
    entry.postings.iter().for_each(|posting| put_posting(pen, posting));
    pen.written()
}

fn put_fact(pen: &mut Pen<'_>, fact: &Fact) {
    match fact {
        Fact::Debited { credits, content, .. } => {
            pen.credits(*credits);
            pen.number(*content);
        }
        Fact::Held { credits, expires_at, content, .. } => {
            pen.credits(*credits);
            pen.time(*expires_at);
            pen.number(*content);
        }
        Fact::Extended { expires_at } => pen.time(*expires_at),
        Fact::Settled { charged, returned, debt, .. } => {
            pen.credits(*charged);
            pen.credits(*returned);
            pen.credits(*debt);
        }
        Fact::Released { returned } | Fact::Expired { returned } => pen.credits(*returned),
        Fact::Refunded { debit, credits, content } => {
            pen.name(|to| debit.write_to(to));
            pen.credits(*credits);
            pen.number(*content);
        }
        Fact::Voided { credits, .. } => pen.credits(*credits),
        Fact::EndAsked { end } => put_asked(pen, end),
    }
}

const fn asked_kind(end: &AskedEnd) -> u8 {
    match end {
        AskedEnd::Settle { .. } => SETTLE_ASKED,
        AskedEnd::Release => RELEASE_ASKED,
        AskedEnd::Extend { .. } => EXTEND_ASKED,
        AskedEnd::Refund { .. } => REFUND_ASKED,
    }
}

fn put_asked(pen: &mut Pen<'_>, end: &AskedEnd) {
    match end {
        AskedEnd::Settle { credits } => pen.credits(*credits),
        AskedEnd::Extend { expires_at } => pen.time(*expires_at),
        AskedEnd::Refund { part: Some((id, credits)) } => {
            pen.name(|to| id.write_to(to));
            pen.credits(*credits);
        }
        AskedEnd::Release | AskedEnd::Refund { part: None } => {}
    }
}

fn put_posting(pen: &mut Pen<'_>, posting: &Posting) {
    let Posting { window, spent, refunded, held, unheld, account, member } = posting;
    pen.byte(
        flag(!spent.is_zero(), HAS_SPENT)
            | flag(!refunded.is_zero(), HAS_REFUNDED)
            | flag(held.is_some(), HAS_HELD)
            | flag(unheld.is_some(), HAS_UNHELD)
            | flag(member.is_some(), HAS_MEMBER),
    );
    pen.time(*window);
    if !spent.is_zero() {
        pen.credits(*spent);
    }
    if !refunded.is_zero() {
        pen.credits(*refunded);
    }
    for set in [held, unheld].into_iter().flatten() {
        pen.credits(set.credits);
        pen.time(set.expires_at);
    }
    put_tally(pen, account);
    if let Some(member) = member {
        put_tally(pen, member);
    }
}

fn put_tally(pen: &mut Pen<'_>, tally: &Tally) {
    pen.credits(tally.spent);
    pen.credits(tally.refunded);
    pen.credits(tally.held);
}

fn flag(set: bool, flag: u8) -> u8 {
    if set { flag } else { 0 }
}

/// What the order of entries depends on, and who takes one over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outline<'a> {
    /// When it was decided.
    pub at: Timestamp,
    /// Its team, or its user where it has none: what names whose ids are told apart.
    pub scope: &'a [u8],
    /// What it draws on.
    pub subscription: &'a [u8],
}

/// Reads the first part of an entry; whether the names in it can be is not looked at.
pub fn outline(bytes: &[u8]) -> Result<Outline<'_>, CodecError> {
    let (mut from, _, flags) = Reader::begin(bytes)?;
    let at = from.time()?;
    from.name()?;
    let team = (flags & HAS_TEAM != 0).then(|| from.name()).transpose()?;
    let member = from.name()?;
    Ok(Outline { at, scope: team.unwrap_or(member), subscription: from.name()? })
}

/// Reads an entry that takes all of `bytes`.
pub fn decode(bytes: &[u8]) -> Result<Entry, CodecError> {
    let (mut from, kind, flags) = Reader::begin(bytes)?;
    let at = from.time()?;
    let id = from.id("operation id", OperationId::new)?;
    let team = (flags & HAS_TEAM != 0).then(|| from.id("team", TeamId::new)).transpose()?;
    let member = from.id("member", UserId::new)?;
    let subscription = from.id("subscription", SubscriptionId::new)?;
    let model = (flags & HAS_MODEL != 0).then(|| from.id("model", Model::new)).transpose()?;
    let rates = (flags & HAS_RATES != 0).then(|| from.content().map(RateVersion::from_bits)).transpose()?;
    let payer = if flags & IS_WALLET != 0 { Payer::Wallet } else { Payer::Pool };
    let fact = from.fact(kind, model, flags)?;
    let mut postings = SmallVec::new();
    let count = from.byte()?;
    if !(u8::from(!matches!(fact, Fact::Voided { .. } | Fact::EndAsked { .. }))..=2).contains(&count) {
        return Err(CodecError::Bad("number of postings"));
    }
    for _ in 0..count {
        postings.push(from.posting()?);
    }
    if !from.rest.is_empty() {
        return Err(CodecError::Long);
    }
    let drawer = Drawer { team, member, payer, subscription };
    Ok(Entry { at, id, drawer, fact, rates, postings })
}

struct Reader<'a> {
    rest: &'a [u8],
    is_wide: bool,
}

impl<'a> Reader<'a> {
    /// Reads the kind and the flags, by which the rest is read.
    fn begin(bytes: &'a [u8]) -> Result<(Self, u8, u8), CodecError> {
        let mut from = Self { rest: bytes, is_wide: false };
        let (kind, flags) = (from.byte()?, from.byte()?);
        from.is_wide = flags & IS_WIDE != 0;
        Ok((from, kind, flags))
    }

    fn take(&mut self, bytes: usize) -> Result<&'a [u8], CodecError> {
        let (taken, rest) = self.rest.split_at_checked(bytes).ok_or(CodecError::Short)?;
        self.rest = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, CodecError> {
        self.take(1).map(|byte| byte[0])
    }

    fn number(&mut self) -> Result<i64, CodecError> {
        if !self.is_wide {
            return self.leb128();
        }
        i64::try_from(self.content()?).map_err(|_| CodecError::Bad("number"))
    }

    /// A number of an entry that an earlier version wrote.
    fn leb128(&mut self) -> Result<i64, CodecError> {
        let mut number = 0_u64;
        for shift in (0..63).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return i64::try_from(number).map_err(|_| CodecError::Bad("number"));
            }
        }
        Err(CodecError::Bad("number"))
    }

    fn credits(&mut self) -> Result<Credits, CodecError> {
        Credits::from_micros(self.number()?).ok_or(CodecError::Bad("amount"))
    }

    fn time(&mut self) -> Result<Timestamp, CodecError> {
        Timestamp::from_millis(self.number()?).ok_or(CodecError::Bad("time"))
    }

    fn content(&mut self) -> Result<u64, CodecError> {
        Ok(u64::from_le_bytes(self.take(8)?.try_into().expect("eight bytes were taken")))
    }

    fn name(&mut self) -> Result<&'a [u8], CodecError> {
        let length = usize::from(self.byte()?);
        self.take(length)
    }

    fn id<T, E>(&mut self, what: &'static str, new: impl FnOnce(&str) -> Result<T, E>) -> Result<T, CodecError> {
        let text = std::str::from_utf8(self.name()?).map_err(|_| CodecError::Bad(what))?;
        new(text).map_err(|_| CodecError::Bad(what))
    }

    fn set(&mut self) -> Result<Set, CodecError> {
        Ok(Set { credits: self.credits()?, expires_at: self.time()? })
    }

    fn tally(&mut self) -> Result<Tally, CodecError> {
        let tally = Tally { spent: self.credits()?, refunded: self.credits()?, held: self.credits()? };
        if tally.refunded > tally.spent { Err(CodecError::Bad("sum")) } else { Ok(tally) }
    }

    fn fact(&mut self, kind: u8, model: Option<Model>, flags: u8) -> Result<Fact, CodecError> {
        Ok(match kind {
            DEBITED => Fact::Debited { credits: self.credits()?, model, content: self.content()? },
            HELD => {
                let (credits, expires_at) = (self.credits()?, self.time()?);
                Fact::Held { credits, expires_at, model, content: self.content()? }
            }
            EXTENDED => Fact::Extended { expires_at: self.time()? },
            SETTLED => {
                let (charged, returned, debt) = (self.credits()?, self.credits()?, self.credits()?);
                Fact::Settled { charged, returned, debt, late: flags & IS_LATE != 0 }
            }
            RELEASED => Fact::Released { returned: self.credits()? },
            EXPIRED => Fact::Expired { returned: self.credits()? },
            REFUNDED => {
                let debit = self.id("debit", OperationId::new)?;
                Fact::Refunded { debit, credits: self.credits()?, content: self.content()? }
            }
            VOIDED => Fact::Voided { credits: self.credits()?, reused: flags & IS_REUSED != 0 },
            kind => Fact::EndAsked { end: self.asked(kind, flags & IS_PART != 0)? },
        })
    }

    fn asked(&mut self, kind: u8, is_part: bool) -> Result<AskedEnd, CodecError> {
        Ok(match kind {
            SETTLE_ASKED => AskedEnd::Settle { credits: self.credits()? },
            RELEASE_ASKED => AskedEnd::Release,
            EXTEND_ASKED => AskedEnd::Extend { expires_at: self.time()? },
            REFUND_ASKED if is_part => {
                let id = self.id("refund", OperationId::new)?;
                AskedEnd::Refund { part: Some((id, self.credits()?)) }
            }
            REFUND_ASKED => AskedEnd::Refund { part: None },
            _ => return Err(CodecError::Bad("kind")),
        })
    }

    fn posting(&mut self) -> Result<Posting, CodecError> {
        let flags = self.byte()?;
        if flags & !(HAS_SPENT | HAS_REFUNDED | HAS_HELD | HAS_UNHELD | HAS_MEMBER) != 0 {
            return Err(CodecError::Bad("flag"));
        }
        let mut posting = Posting::new(self.time()?);
        if flags & HAS_SPENT != 0 {
            posting.spent = self.credits()?;
        }
        if flags & HAS_REFUNDED != 0 {
            posting.refunded = self.credits()?;
        }
        posting.held = (flags & HAS_HELD != 0).then(|| self.set()).transpose()?;
        posting.unheld = (flags & HAS_UNHELD != 0).then(|| self.set()).transpose()?;
        posting.account = self.tally()?;
        posting.member = (flags & HAS_MEMBER != 0).then(|| self.tally()).transpose()?;
        Ok(posting)
    }
}

#[cfg(test)]
mod tests;

//! One end or refund at work, under the locks of its scope and its book.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;

use super::drawn::{Remaining, remaining};
use super::ends::{EndFault, Ended, Settled};
use super::known::{By, End, HoldKnown, Key, Kind};
use super::log::Log;
use super::meter::Meter;
use super::operations::Operations;
use crate::domain::hold::refunded;
use crate::domain::{Credits, Drawer, Entry, Fact, Heading, Hold, OperationId, Priced, Scopes, Timestamp};
use crate::lease::holding;
use crate::root::Sharing;

/// What an end works on.
pub(super) struct Work<'a, 'r, L: Log + 'r> {
    /// The meter, for its log and its keys.
    pub meter: &'a Meter<L>,
    /// Room in the log.
    pub room: &'a mut L::Room<'r>,
    /// The scope's operations.
    pub operations: &'a mut Operations,
    /// What the entries move.
    pub scopes: Scopes<'a>,
    /// The member's limit today.
    pub limit: Option<Credits>,
    /// The operation that is ended or refunded.
    pub key: Key,
    /// Who drew it, and on what, by number.
    pub by: By,
    /// Who drew it, and on what.
    pub drawer: Drawer,
    /// The time of the request.
    pub now: Timestamp,
}

impl<L: Log> Work<'_, '_, L> {
    /// See [`Meter::settle`].
    pub fn settle(&mut self, id: &OperationId, priced: Priced, urged: bool) -> Result<Settled, EndFault> {
        let (cost, (hold, end)) = (priced.credits, self.hold()?);
        match end {
            Some(End::Settled { charged, returned, debt, late }) if charged == cost => {
                let (remaining, seq) = (self.remaining(), self.seq());
                return Ok(Settled { charged, returned, debt, late, remaining, replayed: true, seq });
            }
            Some(End::Expired) | None => {}
            Some(end) => return Err(EndFault::HoldEnded(end)),
        }
        let lapsed = end.is_some() || hold.has_lapsed(self.now);
        let draws_anew = lapsed || cost > hold.set.credits;
        let above = if lapsed { cost } else { cost.saturating_sub(hold.set.credits) };
        if draws_anew && !urged && self.may_be_lent(above) {
            return Err(EndFault::Short(self.drawer.subscription.clone()));
        }
        // A hold of nothing may outlive the account that it was drawn in; then only a lease can pay.
        if draws_anew && self.scopes.book.current(self.now).or(self.scopes.book.of(hold.window)).is_none() {
            return Err(EndFault::Unavailable);
        }
        if lapsed && end.is_none() {
            self.expire()?;
        }
        let heading = self.heading(id);
        let entry = match lapsed {
            true => hold.settled_late(heading, cost, &self.scopes)?,
            false => hold.settled(heading, cost, &self.scopes)?,
        };
        let entry = Entry { rates: priced.rates, ..entry };
        let seq = self.enter(&entry);
        let Fact::Settled { charged, returned, debt, late } = entry.fact else { unreachable!("it was settled") };
        Ok(Settled { charged, returned, debt, late, remaining: self.remaining(), replayed: false, seq })
    }

    /// See [`Meter::release`].
    pub fn release(&mut self, id: &OperationId) -> Result<Ended, EndFault> {
        let (hold, end) = self.hold()?;
        match end {
            Some(End::Released { returned }) => return Ok(self.ended(returned, None, true, self.seq())),
            Some(end) => return Err(EndFault::HoldEnded(end)),
            None if hold.has_lapsed(self.now) => return Err(EndFault::HoldEnded(End::Expired)),
            None => {}
        }
        let entry = hold.released(self.heading(id), &self.scopes)?;
        let seq = self.enter(&entry);
        Ok(self.ended(hold.set.credits, None, false, seq))
    }

    /// See [`Meter::extend`].
    pub fn extend_to(&mut self, id: &OperationId, expires_at: Timestamp) -> Result<Ended, EndFault> {
        let (hold, end) = self.hold()?;
        let lapsed = hold.has_lapsed(self.now).then_some(End::Expired);
        if let Some(end) = end.or(lapsed) {
            return Err(EndFault::HoldEnded(end));
        }
        if expires_at == hold.set.expires_at {
            return Ok(self.ended(hold.set.credits, Some(expires_at), true, self.seq()));
        }
        let entry = hold.extended(self.heading(id), expires_at, &self.scopes)?;
        let seq = self.enter(&entry);
        Ok(self.ended(hold.set.credits, Some(expires_at), false, seq))
    }

    /// Enters the end of a hold that has lapsed.
    pub fn expire(&mut self) -> Result<(), EndFault> {
        let Some(Kind::Hold(HoldKnown::Open { held, expires_at })) = self.kind() else {
            return Err(EndFault::NotFound);
        };
        let entry = held.hold(expires_at).expired(self.heading(&held.id), &self.scopes)?;
        self.enter(&entry);
        Ok(())
    }

    /// Gives back all that is left of a debit, once.
    pub fn refund_rest(&mut self, debit: &OperationId) -> Result<Ended, EndFault> {
        let Charge { window, left, rest } = self.debit()?;
        if let Some((refunded, seq)) = rest {
            return Ok(self.ended(refunded, None, true, seq));
        }
        self.refund(debit, debit, window, left)
    }

    /// Gives back a part of a debit under the refund's own id, once.
    pub fn refund_part(&mut self, debit: &OperationId, id: &OperationId, part: Credits) -> Result<Ended, EndFault> {
        let content = refund_content(debit, part);
        let own = self.meter.key(id);
        self.operations.refresh(own, self.meter.horizon(self.now));
        if let Some(known) = self.operations.get(own) {
            match known.kind {
                Kind::Refund { .. } if known.content != content => return Err(EndFault::IdReused),
                Kind::Refund { credits, is_asked: false } => return Ok(self.ended(credits, None, true, known.seq)),
                // It was asked for here before the debit was entered here.
                Kind::Refund { .. } => {}
                _ => return Err(EndFault::IdReused),
            }
        }
        let Charge { window, left, .. } = self.debit()?;
        if part > left {
            return Err(EndFault::AboveDebit { left });
        }
        self.refund(debit, id, window, part)
    }

    fn refund(
        &mut self,
        debit: &OperationId,
        id: &OperationId,
        window: Timestamp,
        credits: Credits,
    ) -> Result<Ended, EndFault> {
        if self.scopes.book.of(window).is_none() {
            return Err(EndFault::NotFound);
        }
        let content = refund_content(debit, credits);
        let entry = refunded(self.heading(id), debit.clone(), window, credits, content, &self.scopes)?;
        let seq = self.enter(&entry);
        Ok(self.ended(credits, None, false, seq))
    }

    pub(super) fn heading(&self, id: &OperationId) -> Heading {
        Heading { at: self.now, id: id.clone(), drawer: self.drawer.clone() }
    }

    pub(super) fn enter(&mut self, entry: &Entry) -> u64 {
        let is_doubted = self.operations.get(self.key).is_some_and(|known| self.meter.doubts(known.seq));
        self.scopes.apply(entry);
        if is_doubted && self.meter.options.sharing == Sharing::Many {
            self.doubt(entry);
        }
        let seq = self.meter.log().push(self.room, entry.view());
        self.meter.note(seq);
        self.operations.note(|id| self.meter.key(id), entry.view(), self.by, seq);
        seq
    }

    /// Puts what an operation of before a restart gives back into suspense.
    fn doubt(&mut self, entry: &Entry) {
        for posting in &entry.postings {
            let unheld = posting.unheld.map_or(Credits::ZERO, |set| set.credits);
            let kept = posting.spent.checked_add(posting.held.map_or(Credits::ZERO, |set| set.credits));
            let back = unheld.saturating_sub(kept.unwrap_or(Credits::MAX)).checked_add(posting.refunded);
            let back = back.unwrap_or(Credits::MAX);
            holding::doubt(self.scopes.book, posting.window, back);
            if let Some(member) = &mut self.scopes.member {
                holding::doubt_member(member, posting.window, back);
            }
        }
    }

    fn ended(&self, credits: Credits, expires_at: Option<Timestamp>, replayed: bool, seq: u64) -> Ended {
        Ended { credits, expires_at, remaining: self.remaining(), replayed, seq }
    }

    /// Whether the root may have what is lacking here.
    fn may_be_lent(&self, credits: Credits) -> bool {
        let is_lacking = self.meter.options.sharing == Sharing::Many && self.scopes.book.free(self.now) < credits;
        is_lacking || self.scopes.book.current(self.now).is_none()
    }

    fn remaining(&self) -> Remaining {
        let member = self.scopes.member.as_deref();
        remaining(self.drawer.payer, self.limit, Some(self.scopes.book), member, self.now)
    }

    fn kind(&self) -> Option<Kind<'_>> {
        self.operations.get(self.key).map(|known| known.kind)
    }

    fn hold(&self) -> Result<(Hold, Option<End>), EndFault> {
        match self.kind() {
            Some(Kind::Hold(known)) => Ok((known.hold(), known.end())),
            _ => Err(EndFault::NotFound),
        }
    }

    fn debit(&self) -> Result<Charge, EndFault> {
        match self.kind() {
            Some(Kind::Debit { window, credits, refunds }) => {
                let (given_back, rest) =
                    refunds.map_or_else(Default::default, |refunds| (refunds.credits, refunds.rest));
                Ok(Charge { window, left: credits.minus(given_back), rest })
            }
            _ => Err(EndFault::NotFound),
        }
    }

    fn seq(&self) -> u64 {
        self.operations.get(self.key).map_or(0, |known| known.seq)
    }
}

/// What a debit charged and what has become of it.
struct Charge {
    /// The start of the window that it was drawn in.
    window: Timestamp,
    /// What has not been refunded.
    left: Credits,
    /// What the refund of all that was left gave back, by which entry.
    rest: Option<(Credits, u64)>,
}

/// A fingerprint of what a refund asks.
pub(super) fn refund_content(debit: &OperationId, credits: Credits) -> u64 {
    let mut hash = SipHasher13::new();
    hash.write(debit.as_bytes());
    hash.write_u8(0);
    hash.write_i64(credits.micros());
    hash.finish()
}

//! Debits, holds and checks: one question, decided and entered under the locks.

use std::hash::Hasher;
use std::sync::atomic::Ordering;

use siphasher::sip::SipHasher13;

use super::cells::{BookCell, MemberCell, TeamCell};
use super::log::{Log, NoRoom};
use super::meter::Meter;
use super::operations::{Key, Kind, Known, Operations};
use crate::domain::decide::{self, decide};
use crate::domain::hold::{debited, held};
use crate::domain::{
    Ask, Asker, Book, Credits, Denial, Drawer, Entry, Features, Granted, Heading, MemberDraws, OperationId, OutOfRange,
    Payer, Refused, Rights, Scopes, SubscriptionId, TeamId, Timestamp, UserId,
};

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
}

impl Draw {
    /// A fingerprint of what is asked: the same for the same content, today and after a restart.
    fn content(&self) -> u64 {
        let mut hash = SipHasher13::new();
        hash.write_u8(u8::from(self.ttl_millis.is_some()));
        hash.write_u64(self.ttl_millis.unwrap_or(0));
        hash.write(self.member.as_str().as_bytes());
        hash.write_u8(0);
        hash.write_i64(self.ask.credits.micros());
        hash.write_i64(self.ask.min_credits.map_or(-1, Credits::micros));
        hash.write(self.ask.model.as_ref().map_or(&[], |model| model.as_str().as_bytes()));
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
    fn less(self, credits: Credits) -> Self {
        let (member, payer) = (self.member.map(|m| m.saturating_sub(credits)), self.payer.saturating_sub(credits));
        Self { member, payer }
    }
}

/// Allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowed {
    /// What was charged or set aside.
    pub credits: Credits,
    /// Whose credits pay.
    pub payer: Payer,
    /// The subscription that is drawn on.
    pub subscription: SubscriptionId,
    /// For a hold: until when it is open, as first answered.
    pub expires_at: Option<Timestamp>,
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
    /// A sum would be too large.
    #[error(transparent)]
    OutOfRange(#[from] OutOfRange),
}

/// How far a draw goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Enter,
    Check,
    /// Enter without deciding under the locks: a mistake that the exploration must find.
    #[cfg(feature = "shuttle")]
    EnterUnasked,
}

impl<L: Log> Meter<L> {
    /// Decides a debit or a hold and enters what was allowed.
    pub fn draw(&self, draw: &Draw, now: Timestamp) -> Result<Drawn, DrawFault> {
        self.decide_draw(draw, Mode::Enter, now)
    }

    /// Answers what a debit or a hold would be answered; changes nothing.
    pub fn check(&self, draw: &Draw, now: Timestamp) -> Result<Drawn, DrawFault> {
        self.decide_draw(draw, Mode::Check, now)
    }

    /// The denial of a sidecar that could not get a lease in time.
    pub fn unavailable(&self, draw: &Draw) -> Drawn {
        let after = self.options.retry_after_millis;
        Drawn::Denied(Box::new(decide::unavailable(draw.team.as_ref(), &draw.member, &draw.ask, after)))
    }

    fn decide_draw(&self, draw: &Draw, mode: Mode, now: Timestamp) -> Result<Drawn, DrawFault> {
        #[cfg(feature = "shuttle")]
        let mode = match mode {
            Mode::Enter if self.decides_unlocked.load(Ordering::Relaxed) => match self.check(draw, now)? {
                Drawn::Allowed(_) => Mode::EnterUnasked,
                other => return Ok(other),
            },
            mode => mode,
        };
        let room = self.log.reserve(1);
        match &draw.team {
            Some(team) => self.draw_in_team(team, draw, mode, room, now),
            None => self.draw_alone(draw, mode, room, now),
        }
    }

    fn draw_in_team(
        &self,
        id: &TeamId,
        draw: &Draw,
        mode: Mode,
        room: Result<L::Room<'_>, NoRoom>,
        now: Timestamp,
    ) -> Result<Drawn, DrawFault> {
        let key = self.key(&draw.id);
        let Some(cell) = self.team_cell(id) else { return Ok(stranger(draw)) };
        let mut cell = cell.lock();
        let TeamCell { team, pool, features, members, operations } = &mut *cell;
        let Some(MemberCell { member, draws }) = members.get_mut(&draw.member) else { return Ok(stranger(draw)) };
        if let Some(known) = self.known(operations, key, mode, now) {
            let Drawer { payer, subscription, .. } = &known.drawer;
            let book = self.book_cell(subscription);
            let book = book.as_ref().map(|cell| cell.lock());
            let book = book.as_deref().map(|cell| &cell.book);
            let now = book.map_or(now, |book| now.max(book.latest));
            return replay(known, draw.content(), remaining(*payer, member.limit, book, Some(draws), now));
        }
        if member.removed {
            return Ok(stranger(draw));
        }
        let asker = Asker { user: &draw.member, place: Some((team, member)) };
        let owned = match asker.payer() {
            Payer::Pool if !team.whitelist.is_on() => None,
            _ => self.owned_by(&draw.member),
        };
        let rights = Rights {
            pool: *features,
            own: owned.as_ref().map_or(Features::default(), |owned| owned.features),
            on_pool_spend: self.on_pool_spend.load(Ordering::Relaxed),
        };
        let own = match asker.payer() {
            Payer::Pool => None,
            Payer::Wallet => owned.and_then(|owned| self.book_cell(&owned.subscription)),
        };
        let book = if asker.payer() == Payer::Pool { pool.as_ref() } else { own.as_ref() };
        let mut book = book.map(|cell| cell.lock());
        let now = book.as_ref().map_or(now, |cell| now.max(cell.book.latest));
        let case = Case { draw, key, asker, rights, mode, now };
        self.decide_case(&case, book.as_mut().map(|cell| &mut cell.book), Some(draws), operations, room)
    }

    fn draw_alone(
        &self,
        draw: &Draw,
        mode: Mode,
        room: Result<L::Room<'_>, NoRoom>,
        now: Timestamp,
    ) -> Result<Drawn, DrawFault> {
        let (key, asker) = (self.key(&draw.id), Asker { user: &draw.member, place: None });
        let case = |now| Case { draw, key, asker, rights: Rights::default(), mode, now };
        let owned = self.owned_by(&draw.member).and_then(|owned| self.book_cell(&owned.subscription));
        let Some(cell) = owned else {
            return self.decide_case(&case(now), None, None, &mut Operations::default(), room);
        };
        let BookCell { book, operations } = &mut *cell.lock();
        let now = now.max(book.latest);
        if let Some(known) = self.known(operations, key, mode, now) {
            return replay(known, draw.content(), remaining(known.drawer.payer, None, Some(book), None, now));
        }
        self.decide_case(&case(now), Some(book), None, operations, room)
    }

    /// What is known of a draw's id, unless it is but a check.
    fn known<'a>(&self, operations: &'a mut Operations, key: Key, mode: Mode, now: Timestamp) -> Option<&'a Known> {
        if mode == Mode::Check {
            return None;
        }
        operations.forget(self.horizon(now));
        operations.get(key)
    }

    /// Decides under the locks: room, decision, entry.
    fn decide_case(
        &self,
        case: &Case<'_>,
        mut book: Option<&mut Book>,
        member: Option<&mut MemberDraws>,
        operations: &mut Operations,
        room: Result<L::Room<'_>, NoRoom>,
    ) -> Result<Drawn, DrawFault> {
        let (draw, now) = (case.draw, case.now);
        let Ok(mut room) = room else { return Ok(self.unavailable(draw)) };
        let draws = |window| member.as_deref().and_then(|draws| draws.of(window));
        let decision = decide(&case.asker, &case.rights, book.as_deref(), draws, &draw.ask, now);
        #[cfg(feature = "shuttle")]
        let decision = decision.or_else(|refused| case.unasked(book.as_deref()).ok_or(refused));
        let granted = match decision {
            Ok(granted) => granted,
            Err(Refused::Denied(denial)) => return Ok(Drawn::Denied(denial)),
            Err(Refused::Short) => {
                let book = book.expect("only a book runs short");
                return Ok(Drawn::Short(book.subscription.clone()));
            }
        };
        let book = book.take().expect("nothing is granted without a book");
        let mut scopes = Scopes { book, member };
        let entry = case.entry(granted, &scopes)?;
        let (mut seq, mut unentered) = (None, granted.credits);
        if case.mode != Mode::Check {
            scopes.apply(&entry);
            let number = self.log.push(&mut room, &entry);
            self.note(number);
            operations.note(|_| case.key, &entry, number);
            (seq, unentered) = (Some(number), Credits::ZERO);
        }
        Ok(Drawn::Allowed(Allowed {
            credits: granted.credits,
            payer: entry.drawer.payer,
            subscription: entry.drawer.subscription,
            expires_at: draw.ttl_millis.map(|ttl| now.plus_millis(ttl)),
            remaining: case.remaining(Some(scopes.book), scopes.member.as_deref()).less(unentered),
            replayed: false,
            seq,
        }))
    }
}

/// One question with everything that stands around it.
struct Case<'a> {
    draw: &'a Draw,
    /// Of its id; hashed before any lock is taken.
    key: Key,
    asker: Asker<'a>,
    rights: Rights,
    mode: Mode,
    now: Timestamp,
}

impl Case<'_> {
    /// What is granted by [`Mode::EnterUnasked`] whatever stands under the locks.
    #[cfg(feature = "shuttle")]
    fn unasked(&self, book: Option<&Book>) -> Option<Granted> {
        let funds = book.filter(|_| self.mode == Mode::EnterUnasked)?.current(self.now)?;
        Some(Granted { credits: self.draw.ask.credits, window: funds.window.start })
    }

    fn entry(&self, granted: Granted, scopes: &Scopes<'_>) -> Result<Entry, OutOfRange> {
        let Draw { id, team, member, ask, ttl_millis } = self.draw;
        let drawer = Drawer {
            team: team.clone(),
            member: member.clone(),
            payer: self.asker.payer(),
            subscription: scopes.book.subscription.clone(),
        };
        let heading = Heading { at: self.now, id: id.clone(), drawer };
        let (model, content) = (ask.model.clone(), self.draw.content());
        match ttl_millis {
            None => debited(heading, granted, model, content, scopes),
            Some(ttl) => held(heading, granted, self.now.plus_millis(*ttl), model, content, scopes),
        }
    }

    fn remaining(&self, book: Option<&Book>, member: Option<&MemberDraws>) -> Remaining {
        let limit = self.asker.place.map(|(_, member)| member).and_then(|member| member.limit);
        remaining(self.asker.payer(), limit, book, member, self.now)
    }
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

fn stranger(draw: &Draw) -> Drawn {
    Drawn::Denied(Box::new(decide::not_a_member(draw.team.as_ref(), &draw.member, &draw.ask)))
}

/// The first answer again, with what remains today (I6).
fn replay(known: &Known, content: u64, remaining: Remaining) -> Result<Drawn, DrawFault> {
    let (credits, expires_at) = match &known.kind {
        Kind::Debit { credits, .. } => (*credits, None),
        Kind::Hold { hold, first_expiry, .. } => (hold.set.credits, Some(*first_expiry)),
        Kind::Refund { .. } => return Err(DrawFault::IdReused),
    };
    if known.content != content {
        return Err(DrawFault::IdReused);
    }
    let Drawer { payer, subscription, .. } = known.drawer.clone();
    let seq = Some(known.seq);
    Ok(Drawn::Allowed(Allowed { credits, payer, subscription, expires_at, remaining, replayed: true, seq }))
}

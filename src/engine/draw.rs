//! Debits, holds and checks: one question, decided and entered under the locks.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::cells::{BookCell, MemberCell, TeamCell, drawer};
use super::drawn::{Allowed, Draw, DrawFault, Drawn, Remaining, remaining, replay};
use super::lack::{Lack, needs_lease};
use super::log::{Log, NoRoom};
use super::meter::Meter;
use super::operations::{Key, Known, Operations};
use super::pace::Pace;
use crate::domain::decide::{self, decide_within};
use crate::domain::hold::{debited, held};
use crate::domain::{
    Asker, Book, Credits, Drawer, Entry, Features, Granted, Heading, Member, MemberDraws, OutOfRange, Payer, Reach,
    Refused, Rights, Scopes, TeamId, Timestamp,
};
use crate::root::Sharing;

/// How far a draw goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Enter,
    /// Enter; it was asked before, and has been counted.
    Again,
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

    /// As [`Meter::draw`], after a sync for the same draw.
    pub fn draw_again(&self, draw: &Draw, now: Timestamp) -> Result<Drawn, DrawFault> {
        self.decide_draw(draw, Mode::Again, now)
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
        let question = Question { draw, key: self.key(&draw.id), mode };
        match &draw.team {
            Some(team) => self.draw_in_team(team, question, room, now),
            None => self.draw_alone(question, room, now),
        }
    }

    fn draw_in_team(
        &self,
        id: &TeamId,
        question: Question<'_>,
        room: Result<L::Room<'_>, NoRoom>,
        now: Timestamp,
    ) -> Result<Drawn, DrawFault> {
        let draw = question.draw;
        let Some(cell) = self.team_cell(id) else { return Ok(stranger(draw)) };
        let mut cell = cell.lock();
        let TeamCell { team, pool, features, members, operations } = &mut *cell;
        let Some(MemberCell { member, draws, drawer, pace }) = members.get_mut(&draw.member) else {
            return Ok(stranger(draw));
        };
        if let Some(known) = self.known(operations, question, now) {
            let Drawer { payer, subscription, .. } = &*known.drawer;
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
        let in_pool = asker.payer() == Payer::Pool;
        let person = in_pool.then_some((id, &*member, &*draws, pace));
        let is_asked = self.asked(book.as_deref_mut(), person, question, now);
        let case = Case { question, asker, rights, is_asked, now };
        let drawn = Drawing { book: book.as_mut().map(|cell| &mut cell.book), member: Some(draws), drawer, operations };
        self.decide_case(&case, drawn, room)
    }

    fn draw_alone(
        &self,
        question: Question<'_>,
        room: Result<L::Room<'_>, NoRoom>,
        now: Timestamp,
    ) -> Result<Drawn, DrawFault> {
        let draw = question.draw;
        let asker = Asker { user: &draw.member, place: None };
        let case = |is_asked, now| Case { question, asker, rights: Rights::default(), is_asked, now };
        let owned = self.owned_by(&draw.member).and_then(|owned| self.book_cell(&owned.subscription));
        let Some(cell) = owned else {
            let (drawer, operations) = (&mut None, &mut Operations::default());
            return self.decide_case(&case(None, now), Drawing { book: None, member: None, drawer, operations }, room);
        };
        let cell = &mut *cell.lock();
        let now = now.max(cell.book.latest);
        if let Some(known) = self.known(&mut cell.operations, question, now) {
            return replay(known, draw.content(), remaining(known.drawer.payer, None, Some(&cell.book), None, now));
        }
        let is_asked = self.asked(Some(cell), None, question, now);
        let BookCell { book, operations, drawer, .. } = cell;
        self.decide_case(&case(is_asked, now), Drawing { book: Some(book), member: None, drawer, operations }, room)
    }

    /// Counts what is asked where many sidecars share, and says whether the root need not be asked for
    /// what is lacking here: it has just said that it has nothing, either.
    fn asked(
        &self,
        book: Option<&mut BookCell>,
        person: Option<(&TeamId, &Member, &MemberDraws, &mut Option<Box<Pace>>)>,
        question: Question<'_>,
        now: Timestamp,
    ) -> Option<bool> {
        if self.options.sharing == Sharing::Sole {
            return None;
        }
        let Question { draw, mode, .. } = question;
        let BookCell { book, pace: of_book, .. } = book?;
        let member = person.as_ref().map(|(_, member, draws, _)| (*member, *draws));
        let lack = Lack::of(book, member, draw.ask.needed(), now);
        let of_book = self.pace_book(of_book, &book.subscription, now);
        let limited = person.filter(|(_, member, ..)| needs_lease(member));
        let of_member = limited.map(|(team, _, _, pace)| self.pace_member(pace, (team, &draw.member), now));
        let is_book_short = of_book.is_short(now);
        let is_member_short = of_member.as_ref().is_some_and(|pace| pace.is_short(now));
        if mode == Mode::Enter {
            of_book.ask(draw.ask.credits, now);
            of_member.into_iter().for_each(|pace| pace.ask(draw.ask.credits, now));
        }
        let lacks = lack.book || lack.member;
        Some(lacks && (!lack.book || is_book_short) && (!lack.member || is_member_short))
    }

    /// What is known of a draw's id, unless it is but a check.
    fn known<'a>(&self, operations: &'a mut Operations, asked: Question<'_>, now: Timestamp) -> Option<&'a Known> {
        if asked.mode == Mode::Check {
            return None;
        }
        operations.recall(asked.key, self.horizon(now))
    }

    /// Decides under the locks: room, decision, entry.
    fn decide_case(
        &self,
        case: &Case<'_>,
        Drawing { mut book, member, drawer, operations }: Drawing<'_>,
        room: Result<L::Room<'_>, NoRoom>,
    ) -> Result<Drawn, DrawFault> {
        let (Question { draw, key, mode }, now) = (case.question, case.now);
        let Ok(mut room) = room else { return Ok(self.unavailable(draw)) };
        if draw.ttl_millis.is_some() && operations.open_holds() >= self.options.open_holds_max {
            return Ok(self.unavailable(draw));
        }
        let draws = |window| member.as_deref().and_then(|draws| draws.of(window));
        let share = || member.as_deref()?.share(book.as_deref()?.current(now)?.window.start);
        let reach = case.is_asked.map_or(Reach::All, |is_asked| Reach::Part { share: share(), is_asked });
        let decision = decide_within(reach, &case.asker, &case.rights, book.as_deref(), draws, &draw.ask, now);
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
        let entry = case.entry(granted, drawer, &scopes)?;
        let (mut seq, mut unentered) = (None, granted.credits);
        if mode != Mode::Check {
            scopes.apply(&entry);
            let number = self.log.push(&mut room, &entry);
            self.note(number);
            operations.note(|_| key, &entry, number);
            (seq, unentered) = (Some(number), Credits::ZERO);
        }
        Ok(Drawn::Allowed(Allowed {
            credits: granted.credits,
            drawer: entry.drawer,
            expires_at: draw.ttl_millis.map(|ttl| now.plus_millis(ttl)),
            remaining: case.remaining(Some(scopes.book), scopes.member.as_deref()).less(unentered),
            replayed: false,
            seq,
        }))
    }
}

/// What is asked, and how far it goes.
#[derive(Clone, Copy)]
struct Question<'a> {
    draw: &'a Draw,
    key: Key,
    mode: Mode,
}

/// What a draw changes, under its locks.
struct Drawing<'a> {
    /// The payer's book.
    book: Option<&'a mut Book>,
    /// The member's draws on the pool.
    member: Option<&'a mut MemberDraws>,
    /// The drawer of the last draw.
    drawer: &'a mut Option<Arc<Drawer>>,
    /// The scope's operations.
    operations: &'a mut Operations,
}

/// One question with everything that stands around it.
struct Case<'a> {
    question: Question<'a>,
    asker: Asker<'a>,
    rights: Rights,
    /// Where many sidecars share: whether the root need not be asked for what is lacking here.
    is_asked: Option<bool>,
    now: Timestamp,
}

impl Case<'_> {
    /// What is granted by [`Mode::EnterUnasked`] whatever stands under the locks.
    #[cfg(feature = "shuttle")]
    fn unasked(&self, book: Option<&Book>) -> Option<Granted> {
        let funds = book.filter(|_| self.question.mode == Mode::EnterUnasked)?.current(self.now)?;
        Some(Granted { credits: self.question.draw.ask.credits, window: funds.window.start })
    }

    fn entry(
        &self,
        granted: Granted,
        last: &mut Option<Arc<Drawer>>,
        scopes: &Scopes<'_>,
    ) -> Result<Entry, OutOfRange> {
        let Draw { id, team, member, ask, ttl_millis } = self.question.draw;
        let drawer = drawer(last, team.as_ref(), member, self.asker.payer(), &scopes.book.subscription);
        let heading = Heading { at: self.now, id: id.clone(), drawer };
        let (model, content) = (ask.model.clone(), self.question.draw.content());
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

fn stranger(draw: &Draw) -> Drawn {
    Drawn::Denied(Box::new(decide::not_a_member(draw.team.as_ref(), &draw.member, &draw.ask)))
}

//! Debits, holds and checks: one question, decided and entered under the locks.

use std::sync::atomic::Ordering;

use super::cells::{BookCell, Pool, Source, TeamCell, drawer_in, drawer_of};
use super::drawn::{Allowed, Draw, DrawFault, Drawn, remaining, replay};
use super::enter::{Case, enter};
use super::fetch;
use super::known::{By, Key, Known};
use super::lack::{Lack, Person, needs_lease};
use super::log::Log;
use super::meter::Meter;
use super::numbered::Numbered;
use super::operations::Operations;
#[cfg(feature = "shuttle")]
use crate::domain::Granted;
use crate::domain::decide;
use crate::domain::{
    Asker, Book, Credits, DrawerView, Features, MemberDraws, Payer, Refused, Rights, Scopes, TeamId, Timestamp, UserId,
};
use crate::root::Sharing;

/// How far a draw goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Enter,
    /// Enter; it was asked before, and has been counted.
    Again,
    Check,
    /// Enter what nobody but a stranger is refused.
    Record,
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

    /// Begins to record what was used already: a hold of nothing, to be settled with it.
    pub fn record(&self, draw: &Draw, now: Timestamp) -> Result<Drawn, DrawFault> {
        assert!(draw.ask.credits.is_zero() && draw.ttl_millis.is_some(), "a record begins with a hold of nothing");
        self.decide_draw(draw, Mode::Record, now)
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
        let question = Question { draw, key: self.key(&draw.id), content: draw.content(), mode };
        match &draw.team {
            Some(team) => self.draw_in_team(team, question, now),
            None => self.draw_alone(question, now),
        }
    }

    fn draw_in_team(&self, id: &TeamId, question: Question<'_>, now: Timestamp) -> Result<Drawn, DrawFault> {
        let draw = question.draw;
        let Some(cell) = self.team_cell(id) else { return Ok(stranger(draw)) };
        fetch::whole_team(&cell);
        let mut cell = cell.lock();
        let TeamCell { team, pool, features, members, sources, operations, paces } = &mut *cell;
        pool.iter().for_each(Pool::fetch);
        operations.fetch(question.key);
        let Some(number) = members.find(&draw.member) else { return Ok(stranger(draw)) };
        let member = members.cell(number).membership();
        if let Some(known) = self.known(operations, question, now) {
            let drawer = drawer_in(id, members, sources, known.by);
            let book = self.book_cell(&drawer.subscription);
            let book = book.as_ref().map(|cell| cell.lock());
            let book = book.as_deref().map(|cell| &cell.book);
            let now = book.map_or(now, |book| now.max(book.latest));
            let draws = Some(&members.cell(number).draws);
            let remaining = remaining(drawer.payer, member.limit, book, draws, now);
            return replay(known, drawer, question.content, remaining);
        }
        if member.removed {
            return Ok(stranger(draw));
        }
        let draws = &mut members.cell_mut(number).draws;
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
        let pool = pool.as_ref().filter(|_| asker.payer() == Payer::Pool);
        let by = Register::Team { member: number, pool: pool.map(|pool| pool.source), sources };
        let book = pool.map(|pool| &pool.book).or(own.as_ref());
        let mut book = book.map(|cell| cell.lock());
        let now = book.as_ref().map_or(now, |cell| now.max(cell.book.latest));
        let in_pool = asker.payer() == Payer::Pool;
        let person = in_pool.then_some(Person { team: id, member, draws, number, paces });
        let is_asked = self.asked(book.as_deref_mut(), person, question, now);
        let case = Case { draw, content: question.content, asker, rights, is_asked, now };
        let drawn = Drawing { book: book.as_mut().map(|cell| &mut cell.book), member: Some(draws), by, operations };
        self.decide_case(question, &case, drawn)
    }

    fn draw_alone(&self, question: Question<'_>, now: Timestamp) -> Result<Drawn, DrawFault> {
        let draw = question.draw;
        let asker = Asker { user: &draw.member, place: None };
        let (content, rights) = (question.content, Rights::default());
        let case = |is_asked, now| Case { draw, content, asker, rights, is_asked, now };
        let owned = self.owned_by(&draw.member).and_then(|owned| self.book_cell(&owned.subscription));
        let Some(cell) = owned else {
            let (owners, operations) = (&mut Numbered::default(), &mut Operations::default());
            let drawing = Drawing { book: None, member: None, by: Register::Owners(owners), operations };
            return self.decide_case(question, &case(None, now), drawing);
        };
        let cell = &mut *cell.lock();
        let now = now.max(cell.book.latest);
        if let Some(known) = self.known(&mut cell.operations, question, now) {
            let remaining = remaining(Payer::Wallet, None, Some(&cell.book), None, now);
            return replay(known, drawer_of(&cell.book, &cell.owners, known.by), question.content, remaining);
        }
        let is_asked = self.asked(Some(cell), None, question, now);
        let BookCell { book, owners, operations, .. } = cell;
        let drawing = Drawing { book: Some(book), member: None, by: Register::Owners(owners), operations };
        self.decide_case(question, &case(is_asked, now), drawing)
    }

    /// Counts what is asked where many sidecars share, and says whether the root need not be asked for
    /// what is lacking here: it has just said that it has nothing, either.
    fn asked(
        &self,
        book: Option<&mut BookCell>,
        person: Option<Person<'_>>,
        question: Question<'_>,
        now: Timestamp,
    ) -> Option<bool> {
        if self.options.sharing == Sharing::Sole {
            return None;
        }
        let Question { draw, mode, .. } = question;
        let BookCell { book, pace: of_book, .. } = book?;
        let lack = Lack::of(book, person.as_ref(), draw.ask.needed(), now);
        let of_book = self.pace_book(of_book, &book.subscription, now);
        let limited = person.filter(|person| needs_lease(&person.member));
        let of_member = limited
            .map(|Person { team, number, paces, .. }| self.pace_member(paces.of(number), (team, &draw.member), now));
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
    fn known<'a>(&self, operations: &'a mut Operations, asked: Question<'_>, now: Timestamp) -> Option<Known<'a>> {
        if asked.mode == Mode::Check {
            return None;
        }
        operations.recall(asked.key, self.horizon(now))
    }

    /// Decides under the locks: room, decision, entry.
    fn decide_case(
        &self,
        Question { draw, key, mode, .. }: Question<'_>,
        case: &Case<'_>,
        Drawing { mut book, member, by, operations }: Drawing<'_>,
    ) -> Result<Drawn, DrawFault> {
        if draw.pricing.is_unpriced {
            return Err(DrawFault::Unpriced);
        }
        if !self.log.has_room() {
            return Ok(self.unavailable(draw));
        }
        if draw.ttl_millis.is_some() && operations.open_holds() >= self.options.open_holds_max {
            return Ok(self.unavailable(draw));
        }
        let decision = match mode {
            Mode::Record => case.record(book.as_deref()),
            _ => case.decide(book.as_deref(), member.as_deref()),
        };
        #[cfg(feature = "shuttle")]
        let decision = decision.or_else(|refused| unasked(case, mode, book.as_deref()).ok_or(refused));
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
        let mut drawn = case.drawn(granted);
        scopes.fill_in(case.asker.payer(), &mut drawn.1)?;
        let (mut seq, mut unentered) = (None, granted.credits);
        if mode != Mode::Check {
            let entered = enter(case, &drawn, &mut scopes, &self.log, |entry, number| {
                operations.note(|_| key, entry, by.number(entry.drawer), number);
            });
            let Ok(number) = entered else { return Ok(self.unavailable(draw)) };
            self.note(number);
            (seq, unentered) = (Some(number), Credits::ZERO);
        }
        Ok(Drawn::Allowed(Allowed {
            credits: granted.credits,
            drawer: case.drawer(scopes.book).to_drawer(),
            expires_at: draw.ttl_millis.map(|ttl| case.now.plus_millis(ttl)),
            rates: draw.pricing.rates.filter(|_| draw.ttl_millis.is_some()),
            remaining: case.remaining(&scopes).less(unentered),
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
    content: u64,
    mode: Mode,
}

/// What a draw changes, under its locks.
struct Drawing<'a> {
    /// The payer's book.
    book: Option<&'a mut Book>,
    /// The member's draws on the pool.
    member: Option<&'a mut MemberDraws>,
    /// Where who draws, and on what, has its numbers.
    by: Register<'a>,
    /// The scope's operations.
    operations: &'a mut Operations,
}

/// The numbers by which who draws, and on what, is remembered.
enum Register<'a> {
    Team { member: u32, pool: Option<u32>, sources: &'a mut Numbered<Source> },
    Owners(&'a mut Numbered<UserId>),
}

impl Register<'_> {
    fn number(self, drawer: DrawerView<'_>) -> By {
        match self {
            Self::Team { member, pool: Some(source), .. } => By { member, source },
            Self::Team { member, pool: None, sources } => {
                let (payer, subscription) = (drawer.payer, drawer.subscription.clone());
                By { member, source: sources.number(&Source { payer, subscription }).0 }
            }
            Self::Owners(owners) => By { member: owners.number(drawer.member).0, source: 0 },
        }
    }
}

/// What is granted by [`Mode::EnterUnasked`] whatever stands under the locks.
#[cfg(feature = "shuttle")]
fn unasked(case: &Case<'_>, mode: Mode, book: Option<&Book>) -> Option<Granted> {
    let funds = book.filter(|_| mode == Mode::EnterUnasked)?.current(case.now)?;
    Some(Granted { credits: case.draw.ask.credits, window: funds.window.start })
}

fn stranger(draw: &Draw) -> Drawn {
    Drawn::Denied(Box::new(decide::not_a_member(draw.team.as_ref(), &draw.member, &draw.ask)))
}

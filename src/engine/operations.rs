//! First answers by operation id, and the holds that are open, of one team or one user.
//!
//! Ids are kept as keyed 128-bit hashes. An operation is remembered for a time and for a number of
//! entries, whichever is shorter (I6); a hold that is open is always known.

use super::elsewhere::above;
use super::holds::{EndedHold, Held, Holds};
use super::keys::Key;
use super::known::{By, End, Horizon, Known};
use super::line::Line;
use super::places::Places;
use super::record::{Apart, Done, Header, Record, rest};
use super::span::Span;
use super::terms::Terms;
use crate::domain::{Credits, EntryView, Fact, Hold, OperationId, RateVersion, Set, Timestamp};

/// How many operations a draw or an end forgets at the most, so that none waits for many.
const FORGOTTEN_MAX: usize = 32;

/// The operations of one team, or of one user where no team was named.
#[derive(Debug, Default)]
pub struct Operations {
    /// All but open holds, in the order in which they are forgotten; `None` where one was taken out.
    done: Line<Option<Record>>,
    /// When these were entered, but for those that are far from the others.
    span: Span,
    /// How many of these the span tells of.
    near: usize,
    /// How many of these are there.
    len: usize,
    /// When the first of them was entered and under which number, or before.
    first: (Timestamp, u64),
    /// Where each stands in line, or as [`Place`] the number of an open hold.
    places: Places,
    open: Holds,
}

/// Where an operation is: the line's places leave the highest bit to numbers of open holds.
#[derive(Clone, Copy)]
enum Place {
    Done(u32),
    Open(u32),
}

const OPEN: u32 = 1 << 31;

impl From<u32> for Place {
    #[inline]
    fn from(place: u32) -> Self {
        if place & OPEN == 0 { Self::Done(place) } else { Self::Open(place & !OPEN) }
    }
}

impl Operations {
    /// What is known of a draw that was answered here, or of a refund, at a horizon.
    pub fn recall(&mut self, key: Key, horizon: Horizon) -> Option<Known<'_>> {
        let place = self.refresh(key, horizon)?;
        self.at(place).filter(|known| known.is_answered())
    }

    /// Sees to it that what lies before the horizon is not known under a key; answers the place of what is known.
    /// Memory is freed a little later, some at a time: see [`Horizon::put_off`].
    pub fn refresh(&mut self, key: Key, horizon: Horizon) -> Option<u32> {
        if horizon.put_off().is_after(self.first.0, self.first.1) {
            self.forget(horizon, FORGOTTEN_MAX);
        }
        let place = self.place(key)?;
        if let Place::Done(done) = place.into() {
            let (at, seq) = self.done_at(done)?.entered(&self.span);
            if horizon.is_after(at, seq) {
                self.take_out(done);
                return None;
            }
        }
        Some(place)
    }

    /// Asks for the memory in which an operation is looked for, and for that in which it is remembered then: whoever takes or
    /// gives back a lock waits for all that was written before.
    #[inline]
    pub fn fetch(&self, key: Key) {
        self.places.fetch(key);
        self.done.fetch_end();
    }

    /// What is known of an operation.
    pub fn get(&self, key: Key) -> Option<Known<'_>> {
        self.at(self.place(key)?)
    }

    /// What is known of the operation at a place.
    pub(super) fn at(&self, place: u32) -> Option<Known<'_>> {
        match place.into() {
            Place::Done(place) => self.done_at(place).map(|record| record.known(&self.span)),
            Place::Open(number) => Some(self.open.known(number)),
        }
    }

    fn done_at(&self, place: u32) -> Option<&Record> {
        self.done.get(place)?.as_ref()
    }

    /// A hold that has ended, at a place, to change it.
    pub(super) fn ended_mut(&mut self, place: u32) -> Option<&mut EndedHold> {
        match place.into() {
            Place::Done(place) => self.done.get_mut(place)?.as_mut()?.ended_mut(),
            Place::Open(_) => None,
        }
    }

    pub(super) fn place(&self, key: Key) -> Option<u32> {
        let rest = rest(key);
        self.places.find(key, |place| match place.into() {
            Place::Done(place) => self.done_at(place).is_some_and(|record| record.rest == rest),
            Place::Open(number) => self.open.get(number).rest == rest,
        })
    }

    /// How many operations are known.
    pub fn len(&self) -> usize {
        self.len + self.open.len()
    }

    /// Whether none is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many holds are open.
    pub fn open_holds(&self) -> usize {
        self.open.len()
    }

    /// When the oldest operation was entered that may be forgotten, or one before it that was taken out.
    pub fn oldest(&self) -> Option<Timestamp> {
        self.done.first().map(|_| self.first.0)
    }

    /// Takes an entry over: remembers what it begins, ends what it ends. The live path and the
    /// recovery are this same fold (I7). An end or a refund of what is not known is passed over: its
    /// beginning has been forgotten.
    pub fn note(&mut self, key: impl Fn(&OperationId) -> Key, entry: EntryView<'_>, by: By, seq: u64) {
        let own = key(entry.id);
        let header = |content| Header { at: entry.at, seq, content, by };
        match entry.fact {
            Fact::Debited { credits, content, .. } => {
                let done = Done::Debit { window: entry.postings[0].window, credits: *credits };
                self.remember(own, header(*content), done);
            }
            Fact::Held { credits, expires_at, content, model } => {
                let set = Set { credits: *credits, expires_at: *expires_at };
                let hold = Hold { window: entry.postings[0].window, set };
                let terms = Terms::of(entry.rates, model.as_ref());
                self.hold(own, Held::new(own, header(*content), entry.id.clone(), &hold, terms), *expires_at);
            }
            Fact::Refunded { debit, credits, content } => {
                let whole = debit == entry.id;
                self.note_refund(key(debit), entry.id, *credits, whole.then_some(seq));
                if !whole {
                    self.remember(own, header(*content), Done::Refund { credits: *credits, is_asked: false });
                }
            }
            Fact::Extended { expires_at } => self.extend(own, *expires_at),
            Fact::Settled { charged, returned, debt, late } => {
                let how = End::Settled { charged: *charged, returned: *returned, debt: *debt, late: *late };
                self.end(own, entry, by, seq, how);
            }
            Fact::Released { returned } => self.end(own, entry, by, seq, End::Released { returned: *returned }),
            Fact::Expired { .. } => self.end(own, entry, by, seq, End::Expired),
            Fact::Voided { reused, .. } => self.void(own, entry, seq, *reused),
            Fact::EndAsked { end } => self.ask(key, entry, by, seq, end),
        }
    }

    /// Forgets what is known under the id of an entry that begins an operation: that the entry was
    /// made proves that the id had been forgotten, perhaps by a shorter horizon than today's.
    pub fn supersede(&mut self, own: Key, entry: EntryView<'_>) {
        let begins = match entry.fact {
            Fact::Debited { .. } | Fact::Held { .. } => true,
            Fact::Refunded { debit, .. } => debit != entry.id,
            _ => false,
        };
        if begins && let Some(Place::Done(place)) = self.place(own).map(Place::from) {
            self.take_out(place);
        }
    }

    /// Remembers an operation that is done.
    #[inline]
    pub(super) fn remember(&mut self, key: Key, header: Header, done: Done) {
        let before = self.clear(key);
        self.put(key, header, done, before);
    }

    /// Remembers a hold that is open until `expires_at`.
    pub(super) fn hold(&mut self, key: Key, held: Held, expires_at: Timestamp) {
        let before = self.clear(key);
        let number = self.open.add(held, expires_at);
        assert!(number < OPEN - 1, "fewer holds are open than memory has room for");
        self.move_to(key, number | OPEN, before);
    }

    /// Takes out what was only asked for under the id of what is entered; answers its place.
    #[inline]
    fn clear(&mut self, key: Key) -> Option<u32> {
        let place = self.place(key)?;
        let may_be_entered = self.at(place).is_none_or(|known| known.may_be_entered());
        assert!(may_be_entered, "an id that is known is not entered again (I6)");
        self.take_out(place);
        Some(place)
    }

    /// Puts what is done at the line's end, where it was at another place `before`.
    #[inline]
    fn put(&mut self, key: Key, header: Header, done: Done, before: Option<u32>) {
        if self.done.len() == 0 {
            self.first = (header.at, header.seq);
        }
        if self.near == 0 {
            self.span = Span::of(header.at, header.seq);
        }
        let record = Record::new(key, header, done, &mut self.span);
        self.near += usize::from(record.is_near());
        let place = self.done.push(Some(record));
        self.len += 1;
        self.move_to(key, place, before);
    }

    /// Takes note of the place of a key, which had another one `before`.
    #[inline]
    fn move_to(&mut self, key: Key, place: u32, before: Option<u32>) {
        if let Some(before) = before {
            return self.places.change(key, before, place);
        }
        let len = self.done.len() + self.open.len();
        self.places.add(key, place, len, |place| match place.into() {
            Place::Done(place) => self.done.is_here(place),
            Place::Open(_) => true,
        });
    }

    /// Takes note of how a hold ended: an open one, one that had expired and is settled late, or one of which
    /// nothing but its end is known.
    fn end(&mut self, key: Key, entry: EntryView<'_>, by: By, seq: u64, how: End) {
        let place = self.place(key);
        let (header, mut ended) = match place.map(Place::from) {
            None => (Header { at: entry.at, seq, content: 0, by }, EndedHold::known_by_end(entry, how)),
            Some(Place::Open(number)) => {
                let (held, expires_at) = self.open.remove(number);
                (held.header(), held.ended(expires_at, how))
            }
            Some(Place::Done(place)) => self.take_expired(place),
        };
        (ended.end, ended.above) = (how, above(entry, ended.hold.window));
        self.put(key, Header { at: entry.at, seq, ..header }, Done::Apart(Box::new(Apart::Hold(ended))), place);
    }

    /// Something else is known of the operation at a place from now on.
    pub(super) fn replace(&mut self, key: Key, place: u32, entry: EntryView<'_>, seq: u64, done: Done) {
        let header = match place.into() {
            Place::Done(place) => self.take_out(place).0,
            Place::Open(number) => self.open.remove(number).0.header(),
        };
        self.put(key, Header { at: entry.at, seq, ..header }, done, Some(place));
    }

    /// Takes a hold out that has expired, to put it in again at another place.
    fn take_expired(&mut self, place: u32) -> (Header, EndedHold) {
        let (header, done) = self.take_out(place);
        let Done::Apart(apart) = done else { unreachable!("only holds end") };
        let Apart::Hold(ended) = *apart else { unreachable!("only holds end") };
        assert!(ended.end == End::Expired, "a hold ends once (I5)");
        (header, ended)
    }

    fn take_out(&mut self, place: u32) -> (Header, Done) {
        let record = self.done.get_mut(place).and_then(Option::take).expect("something is at a place that was found");
        self.len -= 1;
        self.near -= usize::from(record.is_near());
        record.into_done(&self.span)
    }

    fn extend(&mut self, key: Key, expires_at: Timestamp) {
        if let Some(Place::Open(number)) = self.place(key).map(Place::from) {
            self.open.extend(number, expires_at);
        }
    }

    fn note_refund(&mut self, debit: Key, id: &OperationId, part: Credits, rest: Option<u64>) {
        let Some(Place::Done(place)) = self.place(debit).map(Place::from) else { return };
        let record = self.done.get_mut(place).and_then(Option::as_mut);
        let refunded = record.and_then(|record| record.refunded_mut(&self.span)).expect("only debits are refunded");
        let refunds = &mut refunded.refunds;
        refunds.credits = refunds.credits.plus(part);
        assert!(refunds.credits <= refunded.credits, "no more is refunded than was charged");
        match rest {
            Some(seq) => refunds.rest = Some((part, seq)),
            None => refunds.parts.push((id.clone(), part)),
        }
    }

    /// The versions of the rate card that open holds name.
    pub fn open_rates(&self) -> impl Iterator<Item = RateVersion> {
        self.open.iter().filter_map(|held| Some(held.terms()?.rates))
    }

    /// A hold that has expired at `now` and whose end has not been entered.
    pub fn due(&self, now: Timestamp) -> Option<&OperationId> {
        self.open.first().filter(|(at, _)| *at <= now).map(|(_, held)| &held.id)
    }

    /// Frees the memory of up to `most` operations before the horizon; answers of how many.
    pub fn forget(&mut self, horizon: Horizon, most: usize) -> usize {
        let mut freed = 0;
        while freed < most
            && let Some((_, record)) = self.done.first()
        {
            if let Some(record) = record {
                let ((at, seq), is_near) = (record.entered(&self.span), record.is_near());
                self.first = (at, seq);
                if is_near {
                    self.span.begin(at, seq);
                }
                if !horizon.is_after(at, seq) {
                    break;
                }
                self.len -= 1;
                self.near -= usize::from(is_near);
            }
            self.done.pop();
            freed += 1;
        }
        freed
    }
}

#[cfg(test)]
mod tests;

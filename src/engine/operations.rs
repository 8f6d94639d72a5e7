//! First answers by operation id, and the holds that are open, of one team or one user.
//!
//! Ids are kept as keyed 128-bit hashes. An operation is remembered for a time and for a number of
//! entries, whichever is shorter (I6); a hold that is open is always known.

use std::collections::{BTreeSet, HashMap};

use super::elsewhere::above;
use super::known::{By, End, Horizon, Key, Kind, Known, begun, ended};
use super::line::Line;
use super::places::Places;
use crate::domain::{Credits, EntryView, Fact, OperationId, RateVersion, Timestamp};

/// How many operations a draw or an end forgets at the most, so that none waits for many.
const FORGOTTEN_MAX: usize = 32;

/// The operations of one team, or of one user where no team was named.
#[derive(Debug, Default)]
pub struct Operations {
    /// All but open holds, in the order in which they are forgotten; `None` where one was taken out.
    done: Line<Option<Known>>,
    /// How many of these are there.
    len: usize,
    /// When the first of them was entered and under which number, or before.
    first: (Timestamp, u64),
    places: Places,
    /// Open holds.
    open: HashMap<Key, Known, foldhash::fast::RandomState>,
    expiries: BTreeSet<(Timestamp, Key)>,
}

impl Operations {
    /// What is known of a draw that was answered here, or of a refund, at a horizon.
    pub fn recall(&mut self, key: Key, horizon: Horizon) -> Option<&Known> {
        let place = self.refresh(key, horizon);
        self.at(key, place).filter(|known| known.is_answered())
    }

    /// Sees to it that what lies before the horizon is not known under a key; answers where among those that are done what is known
    /// lies. Memory is freed a little later, some at a time: see [`Horizon::put_off`].
    pub fn refresh(&mut self, key: Key, horizon: Horizon) -> Option<u32> {
        if horizon.put_off().is_after(self.first.0, self.first.1) {
            self.forget(horizon, FORGOTTEN_MAX);
        }
        let place = self.place(key)?;
        let known = self.done_at(place)?;
        if horizon.is_after(known.at, known.seq) {
            self.take_out(place);
            return None;
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
    pub fn get(&self, key: Key) -> Option<&Known> {
        self.at(key, self.place(key))
    }

    /// What is known of an operation that is open, or done and at a place.
    fn at(&self, key: Key, place: Option<u32>) -> Option<&Known> {
        if !self.open.is_empty()
            && let Some(known) = self.open.get(&key)
        {
            return Some(known);
        }
        place.and_then(|place| self.done_at(place))
    }

    /// What is known of an operation, to change it.
    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut Known> {
        let place = self.place(key);
        let open = self.open.get_mut(&key);
        open.or_else(|| self.done.get_mut(place?)?.as_mut())
    }

    fn done_at(&self, place: u32) -> Option<&Known> {
        self.done.get(place)?.as_ref()
    }

    fn place(&self, key: Key) -> Option<u32> {
        self.places.find(key, |place| self.done_at(place).is_some_and(|known| known.key == key))
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
        match entry.fact {
            Fact::Debited { .. } | Fact::Held { .. } => self.remember(begun(own, entry, by, seq)),
            Fact::Refunded { debit, credits, .. } => {
                let whole = debit == entry.id;
                self.note_refund(key(debit), entry.id, *credits, whole.then_some(seq));
                if !whole {
                    self.remember(begun(own, entry, by, seq));
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
        if begins && let Some(place) = self.place(own) {
            self.take_out(place);
        }
    }

    /// Remembers an operation.
    pub fn remember(&mut self, known: Known) {
        let before = self.get(known.key);
        assert!(before.is_none_or(Known::may_be_entered), "an id that is known is not entered again (I6)");
        if before.is_some() {
            self.take(known.key);
        }
        match &known.kind {
            Kind::Hold(hold) if hold.end.is_none() => {
                self.expiries.insert((hold.hold.set.expires_at, known.key));
                self.open.insert(known.key, known);
            }
            _ => self.put(known),
        }
    }

    fn put(&mut self, known: Known) {
        let key = known.key;
        if self.done.len() == 0 {
            self.first = (known.at, known.seq);
        }
        let place = self.done.push(Some(known));
        self.len += 1;
        self.places.add(key, place, self.done.len(), |place| self.done.is_here(place));
    }

    /// Takes note of how a hold ended: an open one, one that had expired and is settled late, or one of which
    /// nothing but its end is known.
    fn end(&mut self, key: Key, entry: EntryView<'_>, by: By, seq: u64, how: End) {
        let Some(mut known) = self.take(key) else { return self.put(ended(key, entry, by, seq, how)) };
        let Kind::Hold(held) = &mut known.kind else { unreachable!("only holds end") };
        assert!(held.end.is_none() || held.end == Some(End::Expired), "a hold ends once (I5)");
        self.expiries.remove(&(held.hold.set.expires_at, key));
        held.above = above(entry, held.hold.window);
        held.end = Some(how);
        (known.at, known.seq) = (entry.at, seq);
        self.put(known);
    }

    /// Something else is known of an operation from now on.
    pub(super) fn replace(&mut self, key: Key, at: Timestamp, seq: u64, kind: Kind) {
        let mut known = self.take(key).expect("the caller has looked");
        if let Kind::Hold(held) = &known.kind {
            self.expiries.remove(&(held.hold.set.expires_at, key));
        }
        (known.kind, known.at, known.seq) = (kind, at, seq);
        self.put(known);
    }

    /// Takes an operation out, to put it in again at another place.
    fn take(&mut self, key: Key) -> Option<Known> {
        if let Some(known) = self.open.remove(&key) {
            return Some(known);
        }
        self.take_out(self.place(key)?)
    }

    fn take_out(&mut self, place: u32) -> Option<Known> {
        let known = self.done.get_mut(place)?.take()?;
        self.len -= 1;
        Some(known)
    }

    fn extend(&mut self, key: Key, expires_at: Timestamp) {
        let Some(known) = self.open.get_mut(&key) else { return };
        let Kind::Hold(held) = &mut known.kind else { unreachable!("only holds are open") };
        let was_open = self.expiries.remove(&(held.hold.set.expires_at, key));
        assert!(was_open, "only an open hold is extended");
        held.hold.set.expires_at = expires_at;
        self.expiries.insert((expires_at, key));
    }

    fn note_refund(&mut self, debit: Key, id: &OperationId, part: Credits, rest: Option<u64>) {
        let Some(known) = self.place(debit).and_then(|place| self.done.get_mut(place)?.as_mut()) else { return };
        let Kind::Debit { credits, refunds, .. } = &mut known.kind else { unreachable!("only debits are refunded") };
        let refunds = refunds.get_or_insert_default();
        refunds.credits = refunds.credits.plus(part);
        assert!(refunds.credits <= *credits, "no more is refunded than was charged");
        match rest {
            Some(seq) => refunds.rest = Some((part, seq)),
            None => refunds.parts.push((id.clone(), part)),
        }
    }

    /// The versions of the rate card that open holds name.
    pub fn open_rates(&self) -> impl Iterator<Item = RateVersion> {
        self.open.values().filter_map(|known| match &known.kind {
            Kind::Hold(hold) => hold.rates(),
            _ => None,
        })
    }

    /// A hold that has expired at `now` and whose end has not been entered.
    pub fn due(&self, now: Timestamp) -> Option<Key> {
        self.expiries.first().filter(|(at, _)| *at <= now).map(|(_, key)| *key)
    }

    /// Frees the memory of up to `most` operations before the horizon; answers of how many.
    pub fn forget(&mut self, horizon: Horizon, most: usize) -> usize {
        let mut freed = 0;
        while freed < most
            && let Some((_, known)) = self.done.first()
        {
            if let Some(known) = known {
                self.first = (known.at, known.seq);
                if !horizon.is_after(known.at, known.seq) {
                    break;
                }
                self.len -= 1;
            }
            self.done.pop();
            freed += 1;
        }
        freed
    }
}

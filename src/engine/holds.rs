//! Holds: what is kept of one that is open, by number, until its end, and what is then remembered of it.

use super::expiries::Expiries;
use super::keys::Key;
use super::known::{End, HoldKnown, Kind, Known};
use super::numbered::make_room;
use super::record::{Header, Rest, before, millis_after, rest};
use super::terms::Terms;
use crate::domain::{Credits, EntryView, Hold, OperationId, Set, Timestamp};

/// A hold that is open, but for when it expires.
#[derive(Debug)]
pub struct Held {
    /// Its id, which the entry of its expiry names.
    pub id: OperationId,
    pub(super) rest: Rest,
    /// How long after its window's start it was given, in milliseconds.
    after: u32,
    /// When its first answer named that it would expire, in milliseconds after it was given.
    first_ttl: u32,
    /// Its place among the expiries.
    turn: u32,
    header: Header,
    credits: Credits,
    rare: Option<Box<Rare>>,
}

const _: () = assert!(size_of::<Held>() == 112, "the allocator has no size below this one but 96");

/// What most open holds do not have.
#[derive(Debug)]
struct Rare {
    terms: Option<Terms>,
    /// The start of the window and the first expiry, where they are too far from when it was given.
    far: Option<Box<(Timestamp, Timestamp)>>,
}

impl Held {
    /// A hold that sets this aside.
    pub(super) fn new(key: Key, header: Header, id: OperationId, hold: &Hold, terms: Option<Terms>) -> Self {
        let (window, Set { credits, expires_at }) = (hold.window, hold.set);
        let near = millis_after(header.at, window).zip(millis_after(expires_at, header.at));
        let far = if near.is_none() { Some(Box::new((window, expires_at))) } else { None };
        let rare = (terms.is_some() || far.is_some()).then(|| Box::new(Rare { terms, far }));
        let (after, first_ttl) = near.unwrap_or_default();
        Self { id, rest: rest(key), after, first_ttl, turn: 0, header, credits, rare }
    }

    pub(super) fn header(&self) -> Header {
        self.header
    }

    /// What its settle is priced by, where there was a rate card.
    pub fn terms(&self) -> Option<&Terms> {
        self.rare.as_ref()?.terms.as_ref()
    }

    /// The start of the window that it was drawn in, and its first expiry, which its first answer named.
    fn window_and_first_expiry(&self) -> (Timestamp, Timestamp) {
        let far = self.rare.as_ref().and_then(|rare| rare.far.as_deref());
        let at = self.header.at;
        far.copied().unwrap_or_else(|| (before(at, self.after), at.plus_millis(self.first_ttl.into())))
    }

    /// Its first expiry, which its first answer named.
    pub fn first_expiry(&self) -> Timestamp {
        self.window_and_first_expiry().1
    }

    /// What is set aside, where it expires then.
    pub fn hold(&self, expires_at: Timestamp) -> Hold {
        Hold { window: self.window_and_first_expiry().0, set: Set { credits: self.credits, expires_at } }
    }

    /// What is remembered of it once it has ended.
    pub(super) fn ended(self, expires_at: Timestamp, end: End) -> EndedHold {
        let (hold, first_expiry) = (self.hold(expires_at), self.first_expiry());
        let terms = self.rare.and_then(|rare| rare.terms).map(Box::new);
        EndedHold { hold, first_expiry, end, above: Default::default(), terms, is_known_by_end: false }
    }
}

/// A hold that has ended.
#[derive(Clone, Debug)]
pub struct EndedHold {
    /// What was set aside.
    pub hold: Hold,
    /// Its first expiry, which its first answer named.
    pub first_expiry: Timestamp,
    /// How it ended.
    pub end: End,
    /// What its settle charged in another window than its own, and in which.
    pub above: (Timestamp, Credits),
    /// What its settle was priced by, where there was a rate card.
    pub terms: Option<Box<Terms>>,
    /// Its own entry is no longer in the journal, and its end was entered before the restart.
    pub is_known_by_end: bool,
}

impl EndedHold {
    /// What is remembered of a hold's end whose own entry the journal no longer has: it may still
    /// be settled late, and its end repeated.
    pub(super) fn known_by_end(entry: EntryView<'_>, end: End) -> Self {
        let posting = &entry.postings[0];
        let set = posting.unheld.unwrap_or(Set { credits: Credits::ZERO, expires_at: entry.at });
        let (hold, first_expiry) = (Hold { window: posting.window, set }, set.expires_at);
        Self { hold, first_expiry, end, above: Default::default(), terms: None, is_known_by_end: true }
    }
}

/// Holds that are open, each under a number that another one has later.
#[derive(Debug, Default)]
pub(super) struct Holds {
    held: Vec<Option<Box<Held>>>,
    /// Numbers that no hold has.
    vacant: Vec<u32>,
    expiries: Expiries,
}

impl Holds {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.held.len() - self.vacant.len()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Held> {
        self.held.iter().flatten().map(|held| &**held)
    }

    /// The hold of a number.
    pub fn get(&self, number: u32) -> &Held {
        self.held[number as usize].as_ref().expect("a number is that of an open hold")
    }

    /// What is known of the hold of a number.
    pub fn known(&self, number: u32) -> Known<'_> {
        let held = self.get(number);
        let expires_at = self.expiries.at(held.turn);
        Known::new(held.header, Kind::Hold(HoldKnown::Open { held, expires_at }))
    }

    /// The first to expire, and when.
    pub fn first(&self) -> Option<(Timestamp, &Held)> {
        self.expiries.first().map(|(at, number)| (at, self.get(number)))
    }

    /// Adds one; answers its number.
    pub fn add(&mut self, held: Held, expires_at: Timestamp) -> u32 {
        let number = self.vacant.pop().unwrap_or_else(|| {
            make_room(&mut self.held);
            self.held.push(None);
            self.held.len() as u32 - 1
        });
        let Self { held: all, expiries, .. } = self;
        all[number as usize] = Some(Box::new(held));
        expiries.add(expires_at, number, moved(all));
        number
    }

    /// Takes the hold of a number out, with when it would have expired.
    pub fn remove(&mut self, number: u32) -> (Held, Timestamp) {
        let held = self.held[number as usize].take().expect("a number is that of an open hold");
        self.vacant.push(number);
        let expires_at = self.expiries.at(held.turn);
        self.expiries.remove(held.turn, moved(&mut self.held));
        (*held, expires_at)
    }

    /// The hold of a number expires then instead.
    pub fn extend(&mut self, number: u32, expires_at: Timestamp) {
        let turn = self.get(number).turn;
        self.expiries.change(turn, expires_at, moved(&mut self.held));
    }
}

/// Tells holds their places among the expiries.
fn moved(held: &mut [Option<Box<Held>>]) -> impl FnMut(u32, u32) {
    |number, turn| held[number as usize].as_mut().expect("an open hold expires").turn = turn
}

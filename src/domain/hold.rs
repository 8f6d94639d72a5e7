//! How draws begin and end: the entries that a debit, a hold and their ends become.
//!
//! Making an entry reads the two scopes that it moves and changes neither; applying it cannot fail.

use smallvec::{SmallVec, smallvec};

use super::access::Payer;
use super::book::{Book, Funds};
use super::credits::Credits;
use super::decide::Granted;
use super::draws::{DrawsView, Set};
use super::entry::{Drawer, Entry, Fact, Posting};
use super::ids::{Model, OperationId};
use super::member_draws::MemberDraws;
use super::time::Timestamp;

/// An amount would rise above [`Credits::MAX`], the cap of every sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a sum would rise above 9000000000, the largest amount")]
pub struct OutOfRange;

/// The two scopes that an entry moves: the payer's book, and the member's draws where the pool pays.
#[derive(Debug)]
pub struct Scopes<'a> {
    /// The payer's book.
    pub book: &'a mut Book,
    /// The member's draws on the pool; looked at only where the pool pays.
    pub member: Option<&'a mut MemberDraws>,
}

impl Scopes<'_> {
    /// A posting with the sums after it.
    fn sum(&self, payer: Payer, mut posting: Posting) -> Result<Posting, OutOfRange> {
        self.fill_in(payer, &mut posting)?;
        Ok(posting)
    }

    /// Fills in the sums after a posting, where it lies: what is copied right after it was made waits until it has reached
    /// memory. For the same reason what a draw is made of is inlined.
    #[inline]
    pub fn fill_in(&self, payer: Payer, posting: &mut Posting) -> Result<(), OutOfRange> {
        let account = self.book.of(posting.window).map(|funds| funds.draws.tally()).unwrap_or_default();
        posting.account = account.after(posting).ok_or(OutOfRange)?;
        if let (Payer::Pool, Some(member)) = (payer, &self.member) {
            let tally = member.of(posting.window).map(DrawsView::tally).unwrap_or_default();
            posting.member = Some(tally.after(posting).ok_or(OutOfRange)?);
        }
        Ok(())
    }

    /// Applies an entry; cannot fail.
    pub fn apply(&mut self, entry: &Entry) {
        assert_eq!(entry.drawer.subscription, self.book.subscription, "an entry moves the book that it names");
        self.post(entry.at, &entry.postings);
    }

    /// Applies what an entry moves that was decided at `at` and names this book; cannot fail.
    #[inline]
    pub fn post(&mut self, at: Timestamp, postings: &[Posting]) {
        assert!(at >= self.book.latest, "a book's entries are decided in the order of their times");
        self.book.latest = at;
        for posting in postings {
            match self.book.of_mut(posting.window) {
                Some(funds) => funds.draws.post(posting, posting.account),
                None => assert!(posting.moves_nothing(), "a posting moves funds that the book has"),
            }
            if let (Some(tally), Some(member)) = (posting.member, &mut self.member) {
                member.post(posting, tally);
            }
        }
    }
}

/// What every entry names.
#[derive(Clone, Debug)]
pub struct Heading {
    /// When it is decided.
    pub at: Timestamp,
    /// The operation.
    pub id: OperationId,
    /// Who draws, and on what.
    pub drawer: Drawer,
}

impl Heading {
    /// The entry of what happened, and of what it moves; priced by no rate card.
    pub fn entry(self, fact: Fact, postings: SmallVec<[Posting; 1]>) -> Entry {
        Entry { at: self.at, id: self.id, drawer: self.drawer, fact, rates: None, postings }
    }
}

/// What a debit that was granted is, and what it moves, without the sums after it.
#[inline]
pub fn debited(granted: Granted, model: Option<Model>, content: u64) -> (Fact, Posting) {
    let Granted { credits, window } = granted;
    (Fact::Debited { credits, model, content }, Posting { spent: credits, ..Posting::new(window) })
}

/// What a hold that was granted is, open until `expires_at`, and what it moves, without the sums after it.
#[inline]
pub fn held(granted: Granted, expires_at: Timestamp, model: Option<Model>, content: u64) -> (Fact, Posting) {
    let Granted { credits, window } = granted;
    let held = Some(Set { credits, expires_at });
    (Fact::Held { credits, expires_at, model, content }, Posting { held, ..Posting::new(window) })
}

/// The entry of a refund of `credits` of a debit that was drawn in `window`.
pub fn refunded(
    heading: Heading,
    debit: OperationId,
    window: Timestamp,
    credits: Credits,
    content: u64,
    scopes: &Scopes<'_>,
) -> Result<Entry, OutOfRange> {
    let posting = scopes.sum(heading.drawer.payer, Posting { refunded: credits, ..Posting::new(window) })?;
    Ok(heading.entry(Fact::Refunded { debit, credits, content }, smallvec![posting]))
}

/// The entry that undoes a draw, or what it moved in one window, because another sidecar had entered
/// one under the same id before.
pub fn voided(
    heading: Heading,
    posting: Option<Posting>,
    reused: bool,
    scopes: &Scopes<'_>,
) -> Result<Entry, OutOfRange> {
    let unheld = posting.as_ref().and_then(|posting| posting.unheld).map_or(Credits::ZERO, |set| set.credits);
    let credits = posting.as_ref().map_or(Credits::ZERO, |posting| posting.refunded).plus(unheld);
    let posting = posting.map(|posting| scopes.sum(heading.drawer.payer, posting)).transpose()?;
    Ok(heading.entry(Fact::Voided { credits, reused }, posting.into_iter().collect()))
}

/// A hold: credits set aside in one window of one book until settled, released or expired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// The start of the window that it was drawn in.
    pub window: Timestamp,
    /// How much is set aside, and until when.
    pub set: Set,
}

impl Hold {
    /// From its expiry on a hold counts as returned, whether or not its end was entered.
    pub fn has_lapsed(&self, now: Timestamp) -> bool {
        self.set.expires_at <= now
    }

    /// The entry that settles it with its real cost. Above what was set aside it draws on the
    /// current window, and what is not there is debt.
    pub fn settled(&self, heading: Heading, charged: Credits, scopes: &Scopes<'_>) -> Result<Entry, OutOfRange> {
        let (payer, now) = (heading.drawer.payer, heading.at);
        assert!(!self.has_lapsed(now), "a lapsed hold is expired first");
        let (inside, above) = (charged.min(self.set.credits), charged.saturating_sub(self.set.credits));
        let mut posting = Posting { spent: inside, unheld: Some(self.set), ..Posting::new(self.window) };
        let current = scopes.book.current(now);
        let same = above.is_zero() || current.is_none_or(|funds| funds.window.start == self.window);
        let mut postings = SmallVec::new();
        if same {
            posting.spent = charged;
            postings.push(scopes.sum(payer, posting)?);
        } else {
            postings.push(scopes.sum(payer, posting)?);
            postings.push(above_posting(payer, self.window, above, scopes, now)?);
        }
        let debt = above.saturating_sub(current.map_or(Credits::ZERO, |funds| funds.free(now)));
        let returned = self.set.credits.minus(inside);
        Ok(heading.entry(Fact::Settled { charged, returned, debt, late: false }, postings))
    }

    /// The entry that charges the real cost after the hold's end: all of it is drawn anew.
    pub fn settled_late(&self, heading: Heading, charged: Credits, scopes: &Scopes<'_>) -> Result<Entry, OutOfRange> {
        let (payer, now) = (heading.drawer.payer, heading.at);
        let posting = above_posting(payer, self.window, charged, scopes, now)?;
        let debt = charged.saturating_sub(scopes.book.free(now));
        let fact = Fact::Settled { charged, returned: Credits::ZERO, debt, late: true };
        Ok(heading.entry(fact, smallvec![posting]))
    }

    /// The entry that cancels it.
    pub fn released(&self, heading: Heading, scopes: &Scopes<'_>) -> Result<Entry, OutOfRange> {
        let posting = Posting { unheld: Some(self.set), ..Posting::new(self.window) };
        let posting = scopes.sum(heading.drawer.payer, posting)?;
        Ok(heading.entry(Fact::Released { returned: self.set.credits }, smallvec![posting]))
    }

    /// The entry that ends it at or after its expiry.
    pub fn expired(&self, heading: Heading, scopes: &Scopes<'_>) -> Result<Entry, OutOfRange> {
        assert!(self.has_lapsed(heading.at), "a hold expires at its expiry, not before");
        let posting = Posting { unheld: Some(self.set), ..Posting::new(self.window) };
        let posting = scopes.sum(heading.drawer.payer, posting)?;
        Ok(heading.entry(Fact::Expired { returned: self.set.credits }, smallvec![posting]))
    }

    /// The entry that gives it a new expiry.
    pub fn extended(&self, heading: Heading, expires_at: Timestamp, scopes: &Scopes<'_>) -> Result<Entry, OutOfRange> {
        let held = Some(Set { credits: self.set.credits, expires_at });
        let posting = Posting { unheld: Some(self.set), held, ..Posting::new(self.window) };
        let posting = scopes.sum(heading.drawer.payer, posting)?;
        Ok(heading.entry(Fact::Extended { expires_at }, smallvec![posting]))
    }
}

/// A charge above a hold: in the current window, or where the hold was drawn while no window is open.
fn above_posting(
    payer: Payer,
    drawn_in: Timestamp,
    above: Credits,
    scopes: &Scopes<'_>,
    now: Timestamp,
) -> Result<Posting, OutOfRange> {
    let window = scopes.book.current(now).map_or(drawn_in, |funds: &Funds| funds.window.start);
    scopes.sum(payer, Posting { spent: above, ..Posting::new(window) })
}

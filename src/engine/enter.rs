//! Deciding and entering one draw: the answer of the rules, then the entry, applied and handed to the log. Who looks up,
//! locks and remembers is the caller.

use super::drawn::{Draw, Remaining, remaining};
use super::log::{Log, NoRoom};
use crate::domain::decide::{decide_within, record};
use crate::domain::hold::{debited, held};
use crate::domain::{
    Asker, Book, DrawerView, EntryView, Fact, Granted, MemberDraws, Posting, Reach, Refused, Rights, Scopes, Timestamp,
};

/// One draw with everything that stands around it.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// What is asked.
    pub draw: &'a Draw,
    /// Fingerprint of what is asked.
    pub content: u64,
    /// Who asks.
    pub asker: Asker<'a>,
    /// Whether the whitelist applies.
    pub rights: Rights,
    /// Where many sidecars share: whether the root need not be asked for what is lacking here.
    pub is_asked: Option<bool>,
    /// When.
    pub now: Timestamp,
}

impl Case<'_> {
    /// Decides by the payer's book and the member's draws on the pool.
    pub fn decide(&self, book: Option<&Book>, member: Option<&MemberDraws>) -> Result<Granted, Refused> {
        let draws = |window| member?.of(window);
        let share = || member?.share(book?.current(self.now)?.window.start);
        let reach = self.is_asked.map_or(Reach::All, |is_asked| Reach::Part { share: share(), is_asked });
        decide_within(reach, &self.asker, &self.rights, book, draws, &self.draw.ask, self.now)
    }

    /// Begins to record what was used already.
    pub fn record(&self, book: Option<&Book>) -> Result<Granted, Refused> {
        record(&self.asker, book, &self.draw.ask, self.now)
    }

    /// What becomes of what was granted, and what that moves, without the sums after it.
    #[inline]
    pub fn drawn(&self, granted: Granted) -> (Fact, Posting) {
        let Draw { ask, ttl_millis, .. } = self.draw;
        let (model, content) = (ask.model.clone(), self.content);
        match ttl_millis {
            None => debited(granted, model, content),
            Some(ttl) => held(granted, self.now.plus_millis(*ttl), model, content),
        }
    }

    /// Who draws, on a payer's book.
    #[inline]
    pub fn drawer<'a>(&'a self, book: &'a Book) -> DrawerView<'a> {
        let Draw { team, member, .. } = self.draw;
        DrawerView { team: team.as_ref(), member, payer: self.asker.payer(), subscription: &book.subscription }
    }

    /// What is left after what has been entered.
    pub fn remaining(&self, scopes: &Scopes<'_>) -> Remaining {
        let limit = self.asker.place.and_then(|(_, member)| member.limit);
        remaining(self.asker.payer(), limit, Some(scopes.book), scopes.member.as_deref(), self.now)
    }
}

/// Hands the entry of what was drawn to the log, lets it be noted with its number, and applies it, under the same locks;
/// answers its number. Without room for it nothing has changed.
pub fn enter<L: Log>(
    case: &Case<'_>,
    (fact, posting): &(Fact, Posting),
    scopes: &mut Scopes<'_>,
    log: &L,
    note: impl FnOnce(EntryView<'_>, u64),
) -> Result<u64, NoRoom> {
    let postings = std::slice::from_ref(posting);
    let Draw { id, pricing, .. } = case.draw;
    let entry = EntryView { at: case.now, id, drawer: case.drawer(scopes.book), fact, rates: pricing.rates, postings };
    let number = log.push_one(entry)?;
    note(entry, number);
    scopes.post(case.now, postings);
    Ok(number)
}

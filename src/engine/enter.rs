//! Deciding and entering one draw: the answer of the rules, then the entry, applied and handed to the log. Who looks up,
//! locks and remembers is the caller.

use super::drawn::{Draw, Remaining, remaining};
use super::log::Log;
use crate::domain::decide::decide_within;
use crate::domain::hold::{debited, held};
use crate::domain::{
    Asker, Book, Drawer, Entry, Granted, Heading, MemberDraws, OutOfRange, Reach, Refused, Rights, Scopes, Timestamp,
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

    /// The entry of what was granted.
    pub fn entry(&self, granted: Granted, scopes: &Scopes<'_>) -> Result<Entry, OutOfRange> {
        let Draw { id, team, member, ask, ttl_millis } = self.draw;
        let (payer, subscription) = (self.asker.payer(), scopes.book.subscription.clone());
        let drawer = Drawer { team: team.clone(), member: member.clone(), payer, subscription };
        let heading = Heading { at: self.now, id: id.clone(), drawer };
        let (model, content) = (ask.model.clone(), self.content);
        match ttl_millis {
            None => debited(heading, granted, model, content, scopes),
            Some(ttl) => held(heading, granted, self.now.plus_millis(*ttl), model, content, scopes),
        }
    }

    /// What is left after what has been entered.
    pub fn remaining(&self, scopes: &Scopes<'_>) -> Remaining {
        let limit = self.asker.place.and_then(|(_, member)| member.limit);
        remaining(self.asker.payer(), limit, Some(scopes.book), scopes.member.as_deref(), self.now)
    }
}

/// Applies an entry and hands it to the log, under the same locks; answers its number.
pub fn enter<L: Log>(entry: &Entry, scopes: &mut Scopes<'_>, log: &L, room: &mut L::Room<'_>) -> u64 {
    scopes.apply(entry);
    log.push(room, entry)
}

//! Where a lender lends of blocks beside the store: what pools lack that may be borrowed, and taking over
//! what was. Nothing is deducted here; what is returned is told to the root.

use std::collections::BTreeMap;

use super::cells::{BookCell, TeamCell};
use super::lack::{lent_free, needs_lease};
use super::log::Log;
use super::meter::Meter;
use super::pace::{Round, Waiting, Waits};
use crate::domain::{Credits, SubscriptionId, TeamId, Timestamp, UserId};
use crate::root::blocks::Asked;
use crate::root::shelf::Pool;

/// What is lacking.
#[derive(Clone, Debug, Default)]
pub struct Lacks {
    /// What may be borrowed of, by pool.
    pub asked: BTreeMap<SubscriptionId, Asked>,
    /// Somebody waits for more than is here, of a pool or of a limit.
    pub is_waited_for: bool,
}

impl<L: Log> Meter<L> {
    /// What pools lack that are asked of here, and whether somebody waits.
    pub fn lacks(&self, waits: &Waits, round: Round) -> Lacks {
        let mut lacks = Lacks::default();
        for id in self.books_to_tell(waits) {
            let waiting = waits.books.get(&id).copied().unwrap_or_default();
            match self.book_cell(&id) {
                Some(cell) => self.book_lacks(&mut cell.lock(), waiting, round, &mut lacks),
                None => lacks.is_waited_for |= !waiting.all.is_zero(),
            }
        }
        let waiting = waits.members.iter();
        lacks.is_waited_for |=
            waiting.into_iter().any(|(person, waiting)| self.limit_lacks(person, *waiting, round.now));
        lacks
    }

    fn book_lacks(&self, cell: &mut BookCell, waiting: Waiting, round: Round, lacks: &mut Lacks) {
        let BookCell { book, pace, .. } = cell;
        let id = book.subscription.clone();
        let free = book.free(round.now);
        lacks.is_waited_for |= free < waiting.least;
        let pace = self.pace_book(pace, &id, round.now);
        let want = pace.wants(free, waiting, round);
        let window = book.current(round.now).map(|funds| funds.window.start);
        if let (Some(want), Some(window)) = (want, window) {
            lacks.asked.insert(id, Asked { window, free, want });
        }
    }

    fn limit_lacks(&self, (team, user): &(TeamId, UserId), waiting: Waiting, now: Timestamp) -> bool {
        let Some(cell) = self.team_cell(team) else { return false };
        let TeamCell { pool, members, .. } = &*cell.lock();
        let window = pool.as_ref().and_then(|pool| Some(pool.book.lock().book.current(now)?.window));
        let Some(member) = members.get(user) else { return false };
        let free = window.map_or(Credits::ZERO, |window| lent_free(&member.draws, window, now));
        needs_lease(&member.membership()) && free < waiting.least
    }

    /// Takes over what was borrowed; the root is told of the book until it is returned.
    pub fn borrowed(&self, credits: &[(Pool, Credits)], now: Timestamp) {
        for ((id, window), credits) in credits {
            if let Some(cell) = self.book_cell(id) {
                let BookCell { book, pace, .. } = &mut *cell.lock();
                book.borrow(*window, *credits);
                self.pace_book(pace, id, now);
            }
        }
    }
}

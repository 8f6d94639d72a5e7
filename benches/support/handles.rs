//! Debits by members that have been found before, and without remembering the answers: the rules, the entry and the
//! journal's queue, on the meter's own teams, members and books and under their locks.

use std::sync::Arc;

use purser::domain::{Asker, Rights, Scopes};
use purser::engine::cells::TeamCell;
use purser::engine::enter::{Case, enter};
use purser::engine::fetch;
use purser::engine::lock::Mutex;
use purser::engine::log::Log;
use purser::engine::{Draw, JournalLog, Meter};

use super::{Sizes, now, team_id, user_id};

/// The teams of a meter by number.
pub struct Handles<'a> {
    log: &'a JournalLog,
    teams: Vec<Arc<Mutex<TeamCell>>>,
}

impl<'a> Handles<'a> {
    pub fn new(meter: &'a Meter<JournalLog>, sizes: Sizes) -> Self {
        let team = |number| meter.team_cell(&team_id(number)).expect("is known");
        let teams: Vec<_> = (0..sizes.teams).map(team).collect();
        let last = sizes.members - 1;
        assert_eq!(teams[0].lock().members.find(&user_id(0, last)), Some(last as u32), "members are numbered in order");
        Self { log: meter.log(), teams }
    }

    /// Asks for what debits touch that come next: first for the teams, then for what these lead to.
    pub fn fetch(&self, places: impl Iterator<Item = (usize, usize)> + Clone) {
        places.clone().for_each(|(team, _)| fetch::team(&self.teams[team]));
        places.for_each(|(team, member)| self.teams[team].lock().fetch(member as u32));
    }

    /// A debit by a member of a team, by their numbers.
    pub fn debit(&self, (team, member): (usize, usize), draw: &Draw) -> u64 {
        assert!(self.log.has_room());
        let TeamCell { team, pool, features, members, .. } = &mut *self.teams[team].lock();
        let pool = pool.as_ref().expect("each team has a pool");
        pool.fetch();
        let member = members.cell_mut(member as u32);
        let place = Some((&*team, member.membership()));
        let book = &mut pool.book.lock().book;
        let case = Case {
            draw,
            content: 0,
            asker: Asker { user: &draw.member, place },
            rights: Rights { pool: *features, ..Rights::default() },
            is_asked: None,
            now: now().max(book.latest),
        };
        let granted = case.decide(Some(book), Some(&member.draws)).expect("is allowed");
        let mut scopes = Scopes { book, member: Some(&mut member.draws) };
        let mut drawn = case.drawn(granted);
        scopes.fill_in(case.asker.payer(), &mut drawn.1).expect("is in range");
        enter(&case, &drawn, &mut scopes, self.log, |_, _| ()).expect("there is room")
    }
}

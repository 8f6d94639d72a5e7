//! Where an entry of a journal is entered, and where its id is noted: found by name once for both, and asked for ahead.

use std::sync::Arc;

use super::cells::{BookCell, Pool, Source, TeamCell};
use super::fetch;
use super::known::By;
use super::lock::Mutex;
use super::log::Log;
use super::meter::Meter;
use super::operations::Operations;
use crate::domain::{Drawer, Scopes, UserId};

/// Where an entry's id is noted, and of whom.
#[derive(Debug)]
pub struct Home {
    pub(super) cell: Cell,
    pub(super) by: By,
}

impl Home {
    /// Asks for what noting an id touches first.
    pub fn fetch(&self) {
        if let Cell::Team(cell, _) = &self.cell {
            fetch::operations(cell);
        }
    }
}

/// Who has the operations.
#[derive(Debug)]
pub enum Cell {
    /// A team, and the number of the entry's member once that has been looked for.
    Team(Arc<Mutex<TeamCell>>, Option<u32>),
    /// A book that was drawn on in no team's name.
    Book(Arc<Mutex<BookCell>>),
}

impl Cell {
    /// Asks for what applying an entry touches first.
    pub fn fetch(&self) {
        match self {
            Self::Team(cell, _) => fetch::team(cell),
            Self::Book(cell) => fetch::book(cell),
        }
    }

    /// Looks for a member, and asks for what applying an entry of it touches next; once the first has come.
    pub fn fetch_of(&mut self, user: &UserId) {
        if let Self::Team(cell, found) = self {
            let cell = cell.lock();
            *found = cell.members.find(user);
            found.iter().for_each(|number| cell.fetch(*number));
            cell.pool.iter().for_each(|pool| fetch::fetch(&cell.sources[pool.source], size_of::<Source>()));
        }
    }

    pub(super) fn change(&self, act: impl FnOnce(&mut Operations)) {
        match self {
            Self::Team(cell, _) => act(&mut cell.lock().operations),
            Self::Book(cell) => act(&mut cell.lock().operations),
        }
    }
}

impl<L: Log> Meter<L> {
    /// What an entry of this drawer is entered under the lock of.
    pub fn cell(&self, drawer: &Drawer) -> Option<Cell> {
        match &drawer.team {
            Some(team) => self.team_cell(team).map(|cell| Cell::Team(cell, None)),
            None => self.book_cell(&drawer.subscription).map(Cell::Book),
        }
    }

    /// Does something to what an entry of this drawer moves; answers where the entry's id is noted.
    pub(super) fn in_scope<T>(
        &self,
        cell: Option<Cell>,
        drawer: &Drawer,
        act: impl FnOnce(Scopes<'_>) -> T,
    ) -> Option<(T, Home)> {
        match cell? {
            Cell::Book(cell) => {
                let mut locked = cell.lock();
                let BookCell { book, owners, .. } = &mut *locked;
                let by = By { member: owners.number(&drawer.member).0, source: 0 };
                let done = act(Scopes { book, member: None });
                drop(locked);
                Some((done, Home { cell: Cell::Book(cell), by }))
            }
            Cell::Team(cell, found) => {
                let mut locked = cell.lock();
                let TeamCell { pool, members, sources, .. } = &mut *locked;
                let member = found.or_else(|| members.find(&drawer.member))?;
                let (payer, subscription) = (drawer.payer, drawer.subscription.clone());
                let source = Source { payer, subscription };
                let Pool { book, source } = match pool {
                    Some(pool) if sources[pool.source] == source => pool.clone(),
                    _ => Pool { book: self.book_cell(&source.subscription)?, source: sources.number(&source).0 },
                };
                let draws = &mut members.cell_mut(member).draws;
                let done = act(Scopes { book: &mut book.lock().book, member: Some(draws) });
                drop(locked);
                Some((done, Home { cell: Cell::Team(cell, found), by: By { member, source } }))
            }
        }
    }
}

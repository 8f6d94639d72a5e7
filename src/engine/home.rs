//! Where an entry of a journal is entered and its id is noted: found by name once for both, and asked for ahead.

use std::sync::Arc;

use super::cells::{BookCell, Source, TeamCell};
use super::fetch;
use super::keys::Key;
use super::known::By;
use super::lock::Mutex;
use super::log::Log;
use super::meter::Meter;
use super::operations::Operations;
use crate::domain::{Drawer, Scopes, UserId};

/// Under whose lock an entry is entered.
#[derive(Clone, Debug)]
pub enum Cell {
    /// A team's.
    Team(Arc<Mutex<TeamCell>>),
    /// That of a book that was drawn on in no team's name.
    Book(Arc<Mutex<BookCell>>),
}

/// What an entry moves, and where its id is noted, under its locks.
pub(super) struct Home<'a> {
    /// What it moves.
    pub scopes: Scopes<'a>,
    /// Where its id is noted.
    pub operations: &'a mut Operations,
    /// Who drew, and on what.
    pub by: By,
}

impl Cell {
    /// Asks for what an entry touches first.
    pub fn fetch(&self) {
        match self {
            Self::Team(cell) => fetch::whole_team(cell),
            Self::Book(cell) => fetch::book(cell),
        }
    }

    /// Asks for what an entry of this user under this key touches next, once the first has come.
    pub fn fetch_next(&self, user: &UserId, key: Key) {
        match self {
            Self::Team(cell) => {
                let cell = cell.lock();
                cell.members.fetch_place(user);
                cell.operations.fetch(key);
                if let Some(pool) = &cell.pool {
                    pool.fetch();
                    fetch::fetch(&cell.sources[pool.source], size_of::<Source>());
                }
            }
            Self::Book(cell) => cell.lock().operations.fetch(key),
        }
    }

    /// Asks for what an entry of this user touches of a member, once what leads there has come.
    pub fn fetch_member(&self, user: &UserId) {
        if let Self::Team(cell) = self {
            cell.lock().members.fetch_named(user);
        }
    }
}

impl<L: Log> Meter<L> {
    /// What an entry of this drawer is entered under the lock of.
    pub fn cell(&self, drawer: &Drawer) -> Option<Cell> {
        match &drawer.team {
            Some(team) => self.team_cell(team).map(Cell::Team),
            None => self.book_cell(&drawer.subscription).map(Cell::Book),
        }
    }

    /// Does something under the locks of what an entry of this drawer moves.
    pub(super) fn in_scope<T>(&self, cell: &Cell, drawer: &Drawer, act: impl FnOnce(Home<'_>) -> T) -> Option<T> {
        match cell {
            Cell::Book(cell) => {
                let BookCell { book, owners, operations, .. } = &mut *cell.lock();
                let by = By { member: owners.number(&drawer.member).0, source: 0 };
                Some(act(Home { scopes: Scopes { book, member: None }, operations, by }))
            }
            Cell::Team(cell) => {
                let TeamCell { pool, members, sources, operations, .. } = &mut *cell.lock();
                let member = members.find(&drawer.member)?;
                let Drawer { payer, subscription, .. } = drawer;
                let is_it = |source: &Source| source.payer == *payer && source.subscription == *subscription;
                let other;
                let (book, source) = match pool {
                    Some(pool) if is_it(&sources[pool.source]) => (&pool.book, pool.source),
                    _ => {
                        let source = Source { payer: *payer, subscription: subscription.clone() };
                        other = self.book_cell(subscription)?;
                        (&other, sources.number(&source).0)
                    }
                };
                let (draws, book) = (&mut members.cell_mut(member).draws, &mut book.lock().book);
                let scopes = Scopes { book, member: Some(draws) };
                Some(act(Home { scopes, operations, by: By { member, source } }))
            }
        }
    }
}

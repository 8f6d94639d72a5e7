//! What a hold's settle is priced by, where it tells what was used instead of what that costs. The version of the rate card
//! is that of the hold, whatever has come since.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::known::{HoldKnown, Kind, Known};
use super::log::Log;
use super::meter::{Meter, Scope};
use crate::domain::{Model, OperationId, RateVersion};

/// What a hold's settle is priced by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The version of the rate card.
    pub rates: RateVersion,
    /// The model that the hold named.
    pub model: Option<Model>,
}

impl Terms {
    /// Of a hold with this model, given while this version was in force; `None` without a rate card.
    pub fn of(rates: Option<RateVersion>, model: Option<&Model>) -> Option<Self> {
        rates.map(|rates| Self { rates, model: model.cloned() })
    }
}

/// What is known here of a hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HoldTerms {
    /// It was given here, while a version of the rate card was in force.
    Priced(Terms),
    /// It was given here, without a rate card.
    Unpriced,
    /// It has ended, and after a restart no more than that is known here.
    Ended,
    /// No hold is known here under this id.
    Unknown,
}

impl<L: Log> Meter<L> {
    /// What the settle of a hold is priced by. It never changes while the hold is known.
    pub fn hold_terms(&self, scope: &Scope, id: &OperationId) -> HoldTerms {
        let key = self.key(id);
        let found = match scope {
            Scope::Team(team) => self.team_cell(team).map(|cell| of(cell.lock().operations.get(key))),
            Scope::User(user) => {
                let owned = self.owned_by(user);
                let cell = owned.and_then(|owned| self.book_cell(&owned.subscription));
                cell.map(|cell| of(cell.lock().operations.get(key)))
            }
        };
        found.unwrap_or(HoldTerms::Unknown)
    }

    /// The versions of the rate card that open holds name.
    pub fn open_rates(&self) -> BTreeSet<RateVersion> {
        // Copied out first: a map's own lock is never held while waiting for another.
        let teams: Vec<_> = self.teams.iter().map(|cell| Arc::clone(&cell)).collect();
        let books: Vec<_> = self.books.iter().map(|cell| Arc::clone(&cell)).collect();
        let mut open = BTreeSet::new();
        teams.iter().for_each(|cell| open.extend(cell.lock().operations.open_rates()));
        books.iter().for_each(|cell| open.extend(cell.lock().operations.open_rates()));
        open
    }
}

fn of(known: Option<Known<'_>>) -> HoldTerms {
    match known.map(|known| known.kind) {
        Some(Kind::Hold(HoldKnown::Ended(ended))) if ended.is_known_by_end => HoldTerms::Ended,
        Some(Kind::Hold(hold)) => hold.terms().map_or(HoldTerms::Unpriced, |terms| HoldTerms::Priced(terms.clone())),
        _ => HoldTerms::Unknown,
    }
}

//! Doing what the root asks because of what other sidecars entered: undoing a draw whose id another one had
//! first, and ending a draw as another one was asked. Doing it again changes nothing.

use super::ends::EndFault;
use super::known::{End, HoldKnown, Kind};
use super::log::Log;
use super::meter::Meter;
use super::work::Work;
use crate::domain::hold::voided;
use crate::domain::{AskedEnd, Entry, Fact, OperationId, Posting, Priced, Scope, Timestamp};
use crate::root::pending::{Outcome, Pending, What};

impl<L: Log> Meter<L> {
    fn undo(&self, scope: &Scope, id: &OperationId, reused: bool, now: Timestamp) -> Result<(), EndFault> {
        let key = self.key(id);
        self.on_key(scope, UNDO_ENTRIES_MAX, now, |_| Some(key), |work| work.void(id, reused))
    }

    /// Does what the root asks of this sidecar. Doing it again changes nothing. `None`: not yet, there is
    /// no room for an entry.
    pub fn obey(&self, pending: &Pending, now: Timestamp) -> Option<Outcome> {
        let (scope, id) = (&pending.operation.scope, &pending.operation.id);
        let done = match &pending.what {
            What::Void { reused } => self.undo(scope, id, *reused, now),
            What::End(AskedEnd::Settle { credits }) => {
                let priced = Priced { credits: *credits, rates: pending.rates };
                self.settle(scope, id, priced, true, now).map(drop)
            }
            What::End(AskedEnd::Release) => self.release(scope, id, now).map(drop),
            What::End(AskedEnd::Extend { expires_at }) => {
                self.on(scope, id, now, |work| work.extend_to(id, *expires_at)).map(drop)
            }
            What::End(AskedEnd::Refund { part }) => {
                let part = part.as_ref().map(|(id, credits)| (id, *credits));
                self.refund(scope, id, part, now).map(drop)
            }
        };
        match done {
            Ok(()) => Some(Outcome::Entered),
            Err(EndFault::NotFound) => Some(Outcome::Unknown),
            Err(EndFault::Unavailable | EndFault::Short(_)) => None,
            Err(_) => Some(Outcome::Dropped),
        }
    }
}

/// Refunds of parts of a draw that is undone: as many are asked for elsewhere, more are lost.
const PARTS_MAX: usize = 64;

/// Entries that undo a draw at the most: in two windows, and the ends that are asked for elsewhere.
const UNDO_ENTRIES_MAX: usize = 3 + PARTS_MAX;

impl<L: Log> Work<'_, '_, L> {
    /// Undoes a draw, and asks for the ends that it had here where it was entered before.
    fn void(&mut self, id: &OperationId, reused: bool) -> Result<(), EndFault> {
        let known = self.operations.get(self.key).ok_or(EndFault::NotFound)?;
        let (mut main, mut other, mut ends) = (None, None, Vec::new());
        match known.kind {
            Kind::Elsewhere(_) => return Ok(()),
            Kind::Refund { .. } => return Err(EndFault::NotFound),
            Kind::Debit { window, credits, refunds } => {
                let refunds = refunds.cloned().unwrap_or_default();
                main = Some(Posting { refunded: credits.minus(refunds.credits), ..Posting::new(window) });
                // All that is left comes last: a part that comes after it is too much.
                let parts = refunds.parts.into_iter().take(PARTS_MAX);
                ends.extend(parts.map(|part| AskedEnd::Refund { part: Some(part) }));
                ends.extend(refunds.rest.map(|_| AskedEnd::Refund { part: None }));
            }
            Kind::Hold(HoldKnown::Open { held, expires_at }) => {
                let hold = held.hold(expires_at);
                main = Some(Posting { unheld: Some(hold.set), ..Posting::new(hold.window) });
            }
            Kind::Hold(HoldKnown::Ended(hold)) => match hold.end {
                End::Settled { charged, .. } => {
                    let (window, above) = hold.above;
                    other = Some(Posting { refunded: above, ..Posting::new(window) });
                    main = Some(Posting { refunded: charged.minus(above), ..Posting::new(hold.hold.window) });
                    ends.push(AskedEnd::Settle { credits: charged });
                }
                End::Released { .. } => ends.push(AskedEnd::Release),
                End::Expired => {}
            },
        }
        let moves = |posting: &Posting| !posting.moves_nothing() && self.scopes.book.of(posting.window).is_some();
        let (main, other) = (main.filter(moves), other.filter(moves));
        // The other window's comes first: what undoes the main one ends the matter.
        for posting in other.map(Some).into_iter().chain([main]) {
            let entry = voided(self.heading(id), posting, reused, &self.scopes)?;
            self.enter(&entry);
        }
        // What was asked under other content was not meant for the other one.
        for end in ends.into_iter().filter(|_| !reused) {
            let heading = self.heading(id);
            let (fact, postings) = (Fact::EndAsked { end }, Default::default());
            self.enter(&Entry { at: heading.at, id: heading.id, drawer: heading.drawer, fact, rates: None, postings });
        }
        Ok(())
    }
}

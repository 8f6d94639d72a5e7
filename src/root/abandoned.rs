//! Holds of a sidecar that an operator has given up. Nobody is left to end them, so the root does: when they expire,
//! or when a settle or release comes in through another sidecar. That the sidecar is never heard again is
//! what makes the root's own word as good as its report (I10).

use super::command::{Change, Done, Outcome};
use super::holder::Holder;
use super::pending::{Pending, PendingKey};
use super::rows::{Missing, Rows};
use super::sidecar::{MemberFunds, State};
use super::subscription::Subscription;
use super::sync::granted;
use crate::domain::{Credits, Drawer, Operation, Payer, Set, Timestamp, Window};

/// An open hold of a sidecar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Abandoned {
    /// The sidecar that gave it.
    pub sidecar: u128,
    /// Its name.
    pub operation: Operation,
    /// Who draws, and on what.
    pub drawer: Drawer,
    /// The start of the window that it was drawn in.
    pub window: Timestamp,
    /// What is set aside, and until when.
    pub set: Set,
}

/// How the root ends a hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With its real cost.
    Settled(Credits),
    /// Cancelled.
    Released,
    /// Run out.
    Expired,
}

impl Ending {
    /// What is charged.
    pub const fn charged(self) -> Credits {
        match self {
            Self::Settled(charged) => charged,
            Self::Released | Self::Expired => Credits::ZERO,
        }
    }
}

/// A hold that the root has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoldEnded {
    /// The hold.
    pub hold: Abandoned,
    /// How.
    pub ending: Ending,
    /// What was charged in another window than the hold's, and in which.
    pub above: Option<(Timestamp, Credits)>,
    /// What of the cost the payer could not cover.
    pub debt: Credits,
    /// What asked for it.
    pub pending: Option<PendingKey>,
}

/// Ends a hold of a sidecar that was given up. Changes nothing where it is not, where the hold has ended, or where
/// what asked for it has been dealt with.
pub fn end(
    rows: &mut Rows,
    (sidecar, operation): (u128, &Operation),
    ending: Ending,
    pending: Option<PendingKey>,
    now: Timestamp,
) -> Result<Done, Missing> {
    let all = rows.pending(sidecar)?;
    let is_asked = pending.is_none_or(|key| all.iter().any(|pending| pending.key == key));
    let (is_given_up, hold) = (is_given_up(rows, sidecar)?, rows.hold(sidecar, operation)?.cloned());
    let Some(hold) = hold.filter(|_| is_given_up && is_asked) else { return Ok(done(Vec::new())) };
    let Some(before) = rows.subscription(&hold.drawer.subscription)?.cloned() else { return Ok(done(Vec::new())) };
    let person = (hold.drawer.payer == Payer::Pool).then_some(hold.drawer.team.as_ref()).flatten();
    let funds = person.map(|team| rows.member_funds(team, &hold.drawer.member)).transpose()?.flatten().cloned();
    let mut after = before.clone();
    after.advance(now);
    let (owed, open) = (debt(&after), after.open_account().window);
    let above = ending.charged().saturating_sub(hold.set.credits);
    let above = (hold.window != open.start && !above.is_zero()).then_some((open.start, above));
    after.end_abandoned(&hold, ending, above);
    after.advance(now);
    if let Some(mut funds) = funds {
        funds.end_abandoned(&hold, ending, above.map(|(_, credits)| (open, credits)));
        rows.put_member_funds(funds);
    }
    let debt = debt(&after).saturating_sub(owed);
    let mut changes = vec![Change::HoldEnded(Box::new(HoldEnded { hold, ending, above, debt, pending }))];
    changes.extend(granted(&before, &after));
    rows.put_subscription(after);
    Ok(done(changes))
}

/// Drops what a sidecar that was given up was asked to do and nobody can do for it.
pub fn orphan(rows: &mut Rows, sidecar: u128, key: PendingKey) -> Result<Done, Missing> {
    let is_given_up = is_given_up(rows, sidecar)?;
    let pending = rows.pending(sidecar)?.iter().find(|pending| pending.key == key && is_given_up).cloned();
    Ok(done(pending.into_iter().map(|pending: Pending| Change::EndOrphaned(Box::new(pending))).collect()))
}

fn is_given_up(rows: &Rows, sidecar: u128) -> Result<bool, Missing> {
    rows.root()?;
    Ok(rows.sidecar(sidecar)?.is_some_and(|known| known.state == State::WrittenOff))
}

const fn done(changes: Vec<Change>) -> Done {
    Done { outcome: Outcome::Changed, changes }
}

fn debt(subscription: &Subscription) -> Credits {
    let debts = subscription.accounts.iter().map(|account| account.debt());
    debts.fold(Credits::ZERO, |sum, debt| sum.checked_add(debt).unwrap_or(Credits::MAX))
}

impl Subscription {
    fn end_abandoned(&mut self, hold: &Abandoned, ending: Ending, above: Option<(Timestamp, Credits)>) {
        let elsewhere = above.map_or(Credits::ZERO, |(_, credits)| credits);
        self.open_at(hold.window);
        for account in &mut self.accounts {
            if account.window.start == hold.window {
                let spent = ending.charged().minus(elsewhere);
                account.of_mut(hold.sidecar).end_abandoned(hold.set.credits, spent);
            }
            if let Some((window, credits)) = above.filter(|(window, _)| account.window.start == *window) {
                assert!(window != hold.window, "one window is charged once");
                account.of_mut(hold.sidecar).end_abandoned(Credits::ZERO, credits);
            }
        }
    }
}

impl MemberFunds {
    fn end_abandoned(&mut self, hold: &Abandoned, ending: Ending, above: Option<(Window, Credits)>) {
        let elsewhere = above.map_or(Credits::ZERO, |(_, credits)| credits);
        if let Some(window) = self.of(hold.window).map(|account| account.window) {
            let spent = ending.charged().minus(elsewhere);
            self.of_mut(window).holder_mut(hold.sidecar).end_abandoned(hold.set.credits, spent);
        }
        if let Some((window, credits)) = above {
            self.of_mut(window).holder_mut(hold.sidecar).end_abandoned(Credits::ZERO, credits);
        }
    }
}

impl Holder {
    /// A hold ends with so much charged; the rest of what it set aside comes back.
    fn end_abandoned(&mut self, set: Credits, spent: Credits) {
        self.held = self.held.saturating_sub(set);
        self.spent = self.spent.checked_add(spent).unwrap_or(Credits::MAX);
        self.owed = self.owed.checked_add(spent.saturating_sub(set)).unwrap_or(Credits::MAX);
        self.returned = self.returned.plus(set.saturating_sub(spent).min(self.free()));
        self.cover(Credits::ZERO);
    }
}

//! Brings the engine to the last entry that the store has.

use crate::domain::{Hold, Set, Timestamp};
use crate::engine::Terms;
use crate::engine::recover::{Drawn, OpenHold};
use crate::lease::Session;
use crate::root::Row;
use crate::service::JournalMeter;
use crate::store::{self, Loaded, Store};

use super::recovery::OpenError;

/// Takes over all that the store has.
pub async fn load(
    store: &dyn Store,
    meter: &JournalMeter,
    sidecar: u128,
    now: Timestamp,
) -> Result<Restored, OpenError> {
    let (mut restored, mut failed) = (Restored::default(), None);
    let mut visit = |loaded| match loaded {
        Loaded::Members(team, members) => meter.follow_members(&team, &members),
        Loaded::Subscription(row) => {
            let (id, accounts) = (row.id.clone(), row.accounts.clone());
            meter.follow(&[Row::Subscription(row)]);
            for account in accounts {
                let (drawn, own) = (Drawn::Subscription(id.clone()), account.of(sidecar));
                meter.recover_lease(&drawn, account.lease_of(sidecar));
                meter.recover_draws(&drawn, account.window.start, own.spent, own.refunded);
            }
        }
        Loaded::Team(team) => meter.follow(&[Row::Team(team)]),
        Loaded::Root(root) => restored.session = Session::new(root.generation, root.config),
        Loaded::MemberFunds(row) => {
            for account in &row.accounts {
                let drawn = Drawn::Member(row.team.clone(), row.user.clone());
                let own = account.holder(sidecar);
                meter.recover_lease(&drawn, account.lease_of(sidecar));
                meter.recover_draws(&drawn, account.window.start, own.spent, own.refunded);
            }
        }
        Loaded::Draws { team, member, window, tally } => {
            meter.recover_draws(&Drawn::Member(team, member), window, tally.spent, tally.refunded);
        }
        Loaded::Hold(row) => {
            let hold = open_hold(*row);
            failed = failed.take().or(meter.recover_hold(&hold).err());
            restored.holds.push(hold);
        }
    };
    store.load(sidecar, now, &mut visit).await?;
    match failed {
        Some(disagreement) => Err(disagreement.into()),
        None => Ok(restored),
    }
}

fn open_hold(row: store::Hold) -> OpenHold {
    let set = Set { credits: row.credits, expires_at: row.expires_at };
    let hold = Hold { window: row.window, set };
    let terms = Terms::of(row.rates, row.model.as_ref());
    OpenHold { id: row.id, at: row.held_at, content: row.content, drawer: row.drawer, hold, terms }
}

/// What a store's rows say beside what the engine takes.
#[derive(Default)]
pub struct Restored {
    /// Holds that were open.
    pub holds: Vec<OpenHold>,
    /// Which store it is, up to which change of control.
    pub session: Session,
}

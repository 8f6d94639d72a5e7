//! A restart: a fresh meter from the store's rows and the entries that the store lacks.

use std::collections::BTreeMap;

use purser::domain::{Entry, Fact, Hold, OperationId, Set};
use purser::engine::Meter;
use purser::engine::recover::{Drawn, OpenHold};

use super::{VecLog, World};

/// A meter that knows only what the store and the log have kept of a world.
pub fn recovered(world: &World, options: purser::engine::Options) -> Meter<VecLog> {
    let (store, meter) = (&world.store, Meter::new(VecLog::default(), options));
    meter.follow(&store.rows());
    for row in store.subscriptions.values() {
        for account in &row.accounts {
            let drawn = Drawn::Subscription(row.id.clone());
            meter.recover_draws(&drawn, account.window.start, account.spent(), account.refunded());
        }
    }
    for ((team, user, window), tally) in &store.draws {
        let drawn = Drawn::Member(team.clone(), user.clone());
        meter.recover_draws(&drawn, *window, tally.spent, tally.refunded);
    }
    let open = open_holds(&store.ledger);
    for hold in &open {
        meter.recover_hold(hold).expect("the store's holds fit its sums");
    }
    for (entry, seq) in store.ledger.iter().zip(1..) {
        meter.recover_id(entry, seq);
    }
    for hold in &open {
        meter.remember_hold(hold);
    }
    let stored = store.ledger.len() as u64;
    for (entry, seq) in world.meter.log().after(stored).iter().zip(stored + 1..) {
        meter.recover_entry(entry, seq).expect("the log follows from the store");
    }
    meter
}

/// Holds that are open after these entries.
fn open_holds(entries: &[Entry]) -> Vec<OpenHold> {
    let mut open: BTreeMap<(Option<String>, String, OperationId), OpenHold> = BTreeMap::new();
    for entry in entries {
        let team = entry.drawer.team.as_ref().map(ToString::to_string);
        let user = if team.is_none() { entry.drawer.member.to_string() } else { String::new() };
        let key = (team, user, entry.id.clone());
        match &entry.fact {
            Fact::Held { credits, expires_at, content, .. } => {
                let set = Set { credits: *credits, expires_at: *expires_at };
                let hold = Hold { window: entry.postings[0].window, set };
                let (id, at, drawer) = (entry.id.clone(), entry.at, entry.drawer.clone());
                open.insert(key, OpenHold { id, at, content: *content, drawer, hold, terms: None });
            }
            Fact::Extended { expires_at } => {
                open.get_mut(&key).expect("an open hold").hold.set.expires_at = *expires_at;
            }
            Fact::Settled { .. } | Fact::Released { .. } | Fact::Expired { .. } => drop(open.remove(&key)),
            Fact::Voided { .. } if entry.postings.iter().any(|posting| posting.unheld.is_some()) => {
                drop(open.remove(&key));
            }
            Fact::Debited { .. } | Fact::Refunded { .. } | Fact::Voided { .. } | Fact::EndAsked { .. } => {}
        }
    }
    open.into_values().collect()
}

//! Adds up a ledger: what every member drew on the pool, and what was drawn on every subscription.
//! Pure. It knows what the kinds of entries mean, and nothing of how the server keeps its sums.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::api::wire::{Amount, WireTime};
use crate::domain::Timestamp;

/// One entry of the ledger, as far as it is added up.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Line {
    kind: String,
    id: Option<String>,
    member: Option<String>,
    payer: Option<String>,
    subscription: Option<String>,
    credits: Option<Amount>,
    /// The start of the window that it counts in.
    window: Option<WireTime>,
    /// The later window in which a settle above a hold of an ended one counts, and with how much.
    above_window: Option<WireTime>,
    above: Option<Amount>,
    expires_at: Option<WireTime>,
}

/// What was drawn in one window, in micro-credits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums {
    /// Charged less refunds.
    pub(super) used: i128,
    /// Set aside by open holds.
    pub(super) held: i128,
}

/// Who or what was drawn on, and in which window.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Scope {
    Member(String, Timestamp),
    Account(String, Timestamp),
}

#[derive(Debug)]
struct Open {
    scopes: Vec<Scope>,
    micros: i128,
    expires_at: Timestamp,
}

/// The sums so far.
#[derive(Debug, Default)]
pub(super) struct Recount {
    pub(super) entries: u64,
    pub(super) kinds: BTreeMap<String, u64>,
    used: BTreeMap<Scope, i128>,
    open: BTreeMap<String, Open>,
}

impl Recount {
    /// Takes the next entry, in the order of the ledger.
    pub(super) fn take(&mut self, line: Line) {
        self.entries += 1;
        *self.kinds.entry(line.kind.clone()).or_default() += 1;
        let micros = line.credits.map_or(0, |Amount(credits)| i128::from(credits.micros()));
        let (Some(id), scopes) = (line.id.clone(), line.scopes(line.window)) else { return };
        let expires_at = line.expires_at.map_or(Timestamp::MAX, |at| at.0);
        match line.kind.as_str() {
            "debited" => self.charge(scopes, micros),
            "refunded" => self.charge(scopes, -micros),
            "held" => drop(self.open.insert(id, Open { scopes, micros, expires_at })),
            "extended" => {
                if let Some(open) = self.open.get_mut(&id) {
                    open.expires_at = expires_at;
                }
            }
            "settled" => {
                let above = line.above.map_or(0, |Amount(credits)| i128::from(credits.micros()));
                self.open.remove(&id);
                self.charge(scopes, micros - above);
                self.charge(line.scopes(line.above_window), above);
            }
            "released" | "expired" => drop(self.open.remove(&id)),
            _ => {}
        }
    }

    fn charge(&mut self, scopes: Vec<Scope>, micros: i128) {
        scopes.into_iter().for_each(|scope| *self.used.entry(scope).or_default() += micros);
    }

    /// What a member drew on the pool.
    pub(super) fn member(&self, member: &str, window: Timestamp, now: Timestamp) -> Sums {
        self.sums(&Scope::Member(member.to_owned(), window), now)
    }

    /// What was drawn on a subscription.
    pub(super) fn account(&self, subscription: &str, window: Timestamp, now: Timestamp) -> Sums {
        self.sums(&Scope::Account(subscription.to_owned(), window), now)
    }

    fn sums(&self, scope: &Scope, now: Timestamp) -> Sums {
        let open = self.open.values().filter(|open| open.expires_at > now && open.scopes.contains(scope));
        Sums { used: self.used.get(scope).copied().unwrap_or_default(), held: open.map(|open| open.micros).sum() }
    }
}

impl Line {
    /// The subscription in a window, and the member where the pool pays.
    fn scopes(&self, window: Option<WireTime>) -> Vec<Scope> {
        let Some(WireTime { 0: window }) = window else { return Vec::new() };
        let account = self.subscription.clone().map(|id| Scope::Account(id, window));
        let is_pool = self.payer.as_deref() == Some("pool");
        let member = self.member.clone().filter(|_| is_pool).map(|id| Scope::Member(id, window));
        account.into_iter().chain(member).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: &str = "2026-11-01T00:00:00Z";

    fn recount(lines: &[(&str, &str, &str, &str)]) -> Recount {
        let mut recount = Recount::default();
        for (kind, id, payer, credits) in lines {
            let expires_at = matches!(*kind, "held" | "extended").then_some("2026-11-22T12:01:00Z");
            let line = serde_json::json!({
                "kind": kind, "id": id, "member": "ana", "payer": payer, "credits": credits, "window": WINDOW,
                "subscription": if *payer == "pool" { "sub" } else { "own" }, "expires_at": expires_at,
            });
            recount.take(serde_json::from_str(&line.to_string()).expect("an entry"));
        }
        recount
    }

    fn at(text: &str) -> Timestamp {
        text.parse().expect(text)
    }

    #[test]
    fn every_kind_of_entry_counts_for_what_it_means() {
        let (before, after) = (at("2026-11-22T12:00:00Z"), at("2026-11-22T12:01:00Z"));
        for (lines, used, held) in [
            (&[("debited", "d", "pool", "5")][..], 5, 0),
            (&[("debited", "d", "pool", "5"), ("refunded", "r", "pool", "2")], 3, 0),
            (&[("held", "h", "pool", "5")], 0, 5),
            (&[("held", "h", "pool", "5"), ("settled", "h", "pool", "7")], 7, 0),
            (&[("held", "h", "pool", "5"), ("released", "h", "pool", "5")], 0, 0),
            (&[("held", "h", "pool", "5"), ("expired", "h", "pool", "5"), ("settled", "h", "pool", "4")], 4, 0),
        ] {
            let recount = recount(lines);
            let expected = Sums { used: used * 1_000_000, held: held * 1_000_000 };
            assert_eq!(recount.member("ana", at(WINDOW), before), expected, "{lines:?}");
            assert_eq!(recount.account("sub", at(WINDOW), before), expected, "{lines:?}");
            assert_eq!(recount.member("ana", at(WINDOW), after).held, 0, "expired: {lines:?}");
        }
    }

    #[test]
    fn own_credits_are_not_drawn_from_the_pool() {
        let (recount, now) = (recount(&[("debited", "d", "wallet", "5")]), at("2026-11-22T12:00:00Z"));
        assert_eq!(recount.member("ana", at(WINDOW), now), Sums::default());
        assert_eq!(recount.account("own", at(WINDOW), now).used, 5_000_000);
        assert_eq!(recount.account("sub", at(WINDOW), now), Sums::default());
    }
}

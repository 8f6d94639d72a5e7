//! What sidecars hold, account by account: for operators, who look at all of them and give one up.

use std::collections::BTreeMap;

use crate::domain::Credits;
use crate::root::Holder;
use crate::root::operate::Leased;
use crate::store::Loaded;

/// What one sidecar holds of one account, over all windows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holding {
    /// The sidecar, or [`SOLE`](crate::root::SOLE).
    pub sidecar: u128,
    /// The account.
    pub leased: Leased,
    /// Lent and free.
    pub lent: Credits,
    /// Charged without anybody knowing that it was spent.
    pub suspense: Credits,
}

/// What the sidecars hold that a row tells of; nothing of those that hold nothing.
pub fn holdings(row: &Loaded) -> Vec<Holding> {
    match row {
        Loaded::Subscription(row) => {
            let holders = row.accounts.iter().flat_map(|account| &account.holders);
            sums(holders, || Leased::Funds(row.id.clone()))
        }
        Loaded::MemberFunds(row) => {
            let holders = row.accounts.iter().flat_map(|account| &account.holders);
            sums(holders, || Leased::Limit(row.team.clone(), row.user.clone()))
        }
        _ => Vec::new(),
    }
}

fn sums<'a>(holders: impl Iterator<Item = &'a Holder>, leased: impl Fn() -> Leased) -> Vec<Holding> {
    let mut sums: BTreeMap<u128, (Credits, Credits)> = BTreeMap::new();
    let add = |sum: Credits, part| sum.checked_add(part).unwrap_or(Credits::MAX);
    for holder in holders.filter(|holder| !holder.free().is_zero() || !holder.suspense().is_zero()) {
        let (lent, suspense) = sums.entry(holder.sidecar).or_default();
        (*lent, *suspense) = (add(*lent, holder.free()), add(*suspense, holder.suspense()));
    }
    let holding = |(sidecar, (lent, suspense))| Holding { sidecar, leased: leased(), lent, suspense };
    sums.into_iter().map(holding).collect()
}

//! What a store and its operators do about sidecars: notice that the store is another, give a sidecar
//! up, and forgive what it took with it. Each is one transaction over fixed rows.

use super::rows::{Missing, Rows};
use super::sidecar::{Root, State};
use crate::domain::{Credits, SubscriptionId, TeamId, UserId};

/// Takes note of which store this is. Another than before may have forgotten what it lent: nothing is
/// lent until every sidecar has said what it holds. Answers whether that is so now.
pub fn identify(rows: &mut Rows, identity: &str) -> Result<bool, Missing> {
    let root = rows.root()?;
    #[cfg(feature = "faults")]
    if super::faults::has(super::faults::Fault::StaleStore) {
        return Ok(false);
    }
    if root.identity == identity {
        return Ok(false);
    }
    let is_first = root.identity.is_empty();
    let (generation, evidence) = if is_first { (root.generation, root.evidence) } else { (root.generation + 1, true) };
    rows.put_root(Root { generation, evidence, identity: identity.to_owned(), ..root });
    Ok(!is_first)
}

/// Gives a sidecar up: it is fenced for ever, and nothing waits for it any more. What it holds stays
/// charged until [`forgive_funds`] and [`forgive_limit`]. Answers whether there is such a sidecar.
pub fn write_off(rows: &mut Rows, sidecar: u128) -> Result<bool, Missing> {
    let Some(known) = rows.sidecar(sidecar)?.cloned() else { return Ok(false) };
    let mut written_off = known;
    written_off.state = State::WrittenOff;
    rows.put_sidecar(written_off);
    Ok(true)
}

/// Gives what a written-off sidecar held free of a subscription, and what is in suspense of it, back to
/// the pool; answers how much. By so much may be overspent what it spent unheard.
pub fn forgive_funds(rows: &mut Rows, id: &SubscriptionId, sidecar: u128) -> Result<Credits, Missing> {
    if rows.sidecar(sidecar)?.is_none_or(|known| known.state != State::WrittenOff) {
        return Ok(Credits::ZERO);
    }
    let Some(mut subscription) = rows.subscription(id)?.cloned() else { return Ok(Credits::ZERO) };
    let holders = subscription.accounts.iter_mut().flat_map(|account| &mut account.holders);
    let of_sidecar = holders.filter(|holder| holder.sidecar == sidecar);
    let forgiven = of_sidecar.fold(Credits::ZERO, |sum, holder| sum.plus(holder.forgive()));
    rows.put_subscription(subscription);
    Ok(forgiven)
}

/// As [`forgive_funds`], of a member's limit.
pub fn forgive_limit(rows: &mut Rows, team: &TeamId, user: &UserId, sidecar: u128) -> Result<Credits, Missing> {
    if rows.sidecar(sidecar)?.is_none_or(|known| known.state != State::WrittenOff) {
        return Ok(Credits::ZERO);
    }
    let Some(mut funds) = rows.member_funds(team, user)?.cloned() else { return Ok(Credits::ZERO) };
    let holders = funds.accounts.iter_mut().flat_map(|account| &mut account.holders);
    let of_sidecar = holders.filter(|holder| holder.sidecar == sidecar);
    let forgiven = of_sidecar.fold(Credits::ZERO, |sum, holder| sum.plus(holder.forgive()));
    rows.put_member_funds(funds);
    Ok(forgiven)
}

impl super::holder::Holder {
    /// What is free is lost, and all that is lost is forgiven.
    fn forgive(&mut self) -> Credits {
        self.lost = self.lost.plus(self.free());
        let forgiven = self.suspense();
        self.forgiven = self.lost;
        assert!(self.suspense().is_zero() && self.free().is_zero(), "nothing is left to forgive");
        forgiven
    }
}

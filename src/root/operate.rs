//! What a store and its operators do about sidecars: notice that the store is another, give a sidecar
//! up, and forgive what it took with it. Each is one transaction over fixed rows.

use super::blocks;
use super::command::{Change, Done, Outcome, Refusal};
use super::rows::{Missing, Rows, Sharing};
use super::sidecar::{Root, State, id_text};
use crate::domain::{Credits, SubscriptionId, TeamId, Timestamp, UserId};

/// A sidecar that synced within this time is taken to live: sixty beats.
pub const ALIVE_MILLIS: u64 = 60_000;

/// An account that a sidecar has a part of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Leased {
    /// A subscription's funds, in all windows.
    Funds(SubscriptionId),
    /// A member's limit, in all windows.
    Limit(TeamId, UserId),
}

/// Writes a sidecar off for an operator, who may `force` it on one that lives. Doing it again changes
/// nothing.
pub fn give_up(rows: &mut Rows, id: u128, force: bool, now: Timestamp) -> Result<Result<Done, Refusal>, Missing> {
    let known = rows.sidecar(id)?.filter(|known| known.id == id).cloned();
    // Stores number what changed by this row; it comes after the sidecar's, as in a sync.
    rows.root()?;
    let Some(known) = known else {
        return Ok(Err(Refusal::NotFound { what: "sidecar", name: id_text(id) }));
    };
    let conflict = |detail: String| Ok(Err(Refusal::Conflict { code: "sidecar_in_use", detail }));
    if rows.sharing() == Sharing::Sole {
        return conflict(
            "the store serves this sidecar alone: who starts on it next takes over all that is lent".into(),
        );
    }
    let is_alive = known.state == State::Open && now.millis_since(known.synced_at) < ALIVE_MILLIS;
    if known.state == State::Lender && !force {
        let (name, host) = (id_text(id), &known.host);
        return conflict(format!("lender {name} at {host} lends blocks: force it to be written off"));
    }
    if is_alive && !force {
        let (name, host, at) = (id_text(id), &known.host, known.synced_at);
        return conflict(format!(
            "sidecar {name} on {host} synced at {at}: stop it first, or force it to be written off"
        ));
    }
    if known.state == State::WrittenOff {
        return Ok(Ok(Done { outcome: Outcome::Changed, changes: Vec::new() }));
    }
    write_off(rows, id)?;
    let changes = vec![Change::SidecarWrittenOff { sidecar: id, host: known.host }];
    Ok(Ok(Done { outcome: Outcome::Changed, changes }))
}

/// What a change of [`forgive`] gave back.
pub fn came_back(change: &Change) -> Credits {
    match change {
        Change::FundsForgiven { credits, .. } | Change::LimitForgiven { credits, .. } => *credits,
        _ => Credits::ZERO,
    }
}

/// Gives back what a written-off sidecar has free or in suspense of one account. Doing it again gives
/// nothing back.
pub fn forgive(rows: &mut Rows, leased: &Leased, sidecar: u128) -> Result<Done, Missing> {
    rows.sidecar(sidecar)?;
    rows.root()?;
    let (credits, change) = match leased {
        Leased::Funds(id) => {
            let credits = forgive_funds(rows, id, sidecar)?;
            (credits, Change::FundsForgiven { subscription: id.clone(), sidecar, credits })
        }
        Leased::Limit(team, user) => {
            let credits = forgive_limit(rows, team, user, sidecar)?;
            (credits, Change::LimitForgiven { team: team.clone(), user: user.clone(), sidecar, credits })
        }
    };
    let changes = if credits.is_zero() { Vec::new() } else { vec![change] };
    Ok(Done { outcome: Outcome::Changed, changes })
}

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
    let root = blocks::retire(rows, root)?;
    let (generation, evidence) = if is_first { (root.generation, root.evidence) } else { (root.generation + 1, true) };
    let hears_until = Timestamp::MIN;
    rows.put_root(Root { generation, evidence, hears_until, identity: identity.to_owned(), ..root });
    Ok(!is_first)
}

/// Gives a sidecar up: it is fenced for ever, and nothing waits for it any more. What it holds stays
/// charged until [`forgive_funds`] and [`forgive_limit`]. Answers whether there is such a sidecar.
pub fn write_off(rows: &mut Rows, sidecar: u128) -> Result<bool, Missing> {
    let root = rows.root()?;
    let Some(known) = rows.sidecar(sidecar)?.cloned() else { return Ok(false) };
    if root.lender == sidecar {
        let root = blocks::retire(rows, root)?;
        rows.put_root(root);
    }
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

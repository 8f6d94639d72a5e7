//! Subscriptions and purchases: terms are checked, grants brought to `now`, funds lent anew.
//!
//! A purchase is taken even when the subscription is canceled: what was paid for is owed.

use super::authority::require_owner_of;
use super::{Stop, conflict, invalid, not_found, unchanged};
use crate::domain::{Credits, OperationId, SubscriptionId, Timestamp};
use crate::root::command::{Actor, Change, Done, Outcome, Refusal};
use crate::root::rows::{Purchase, Rows, Sharing};
use crate::root::subscription::{GrantKind, ROLLOVER_WINDOWS_MAX, SEATS_MAX, Subscription, Terms};
use crate::root::sync::granted;

/// The longest name of a plan, in characters; it is shown, never looked at.
pub const PLAN_CHARACTERS_MAX: usize = 200;

/// The most purchases of one subscription that are neither spent nor expired; every decision of the
/// root walks its grants.
pub const PURCHASES_MAX: usize = 1_000;

/// Creates a subscription or replaces its terms.
pub(super) fn put(
    rows: &mut Rows,
    id: &SubscriptionId,
    terms: &Terms,
    actor: &Actor,
    now: Timestamp,
) -> Result<Done, Stop> {
    let before = rows.subscription(id)?.cloned();
    check_actor(before.as_ref(), terms, actor)?;
    check_terms(terms)?;
    // The owner's own holds and ids are found by the owner.
    if let Some(before) = before.as_ref().filter(|before| before.terms.owner != terms.owner) {
        let detail =
            format!("{id} is {}'s and stays so; put another subscription for {}", before.terms.owner, terms.owner);
        return Err(conflict("owner_fixed", detail).into());
    }
    if let Some(other) = rows.owned(&terms.owner)?.filter(|owned| *owned != id) {
        let detail = format!("{} owns subscription {other} already; a user owns at most one", terms.owner);
        return Err(conflict("already_subscribed", detail).into());
    }
    let created = || Subscription::new(id.clone(), terms.clone(), now);
    let is_new = before.is_none();
    let mut after = before.clone().unwrap_or_else(created);
    after.advance(now);
    check_raise(&after, terms, now)?;
    let is_news = is_new || after.terms != *terms;
    let mut changes = before.map_or(Vec::new(), |before| granted(&before, &after));
    let advanced = Subscription { grants: if is_new { Vec::new() } else { after.grants.clone() }, ..after.clone() };
    if is_news {
        changes.push(Change::SubscriptionPut { subscription: id.clone(), terms: terms.clone() });
        after.put_terms(terms.clone(), now);
        after.epoch += 1;
        changes.extend(granted(&advanced, &after));
    }
    lend_all(rows, &mut after, now);
    rows.put_subscription(after);
    Ok(Done { outcome: if is_new { Outcome::Created } else { Outcome::Changed }, changes })
}

/// Lends all to the one sidecar of a store that serves no other; many ask themselves.
fn lend_all(rows: &Rows, subscription: &mut Subscription, now: Timestamp) {
    if rows.sharing() == Sharing::Sole {
        subscription.lend_all(now);
    }
}

/// Who may put these terms: a new subscription's owner itself, and the owner of one that is there.
fn check_actor(before: Option<&Subscription>, terms: &Terms, actor: &Actor) -> Result<(), Refusal> {
    let Actor::User(user) = actor else { return Ok(()) };
    match before {
        None if terms.owner != *user => {
            Err(Refusal::Forbidden("a user may create a subscription for itself only; name yourself as the owner"))
        }
        None => Ok(()),
        Some(subscription) => require_owner_of(subscription, actor),
    }
}

fn check_terms(terms: &Terms) -> Result<(), Refusal> {
    if terms.plan.chars().count() > PLAN_CHARACTERS_MAX || terms.plan.contains(char::is_control) {
        return Err(invalid("/plan", format!("has at most {PLAN_CHARACTERS_MAX} characters, none of them control")));
    }
    if terms.seats > SEATS_MAX {
        return Err(invalid("/seats", format!("is {}; at most {SEATS_MAX} seats are allowed", terms.seats)));
    }
    if terms.credits_per_seat.checked_mul(terms.seats).is_none() {
        let detail = format!("times {} seats is above {}, the largest amount", terms.seats, Credits::MAX);
        return Err(invalid("/credits_per_seat", detail));
    }
    if terms.rollover.windows > ROLLOVER_WINDOWS_MAX {
        let detail = format!("is {}; at most {ROLLOVER_WINDOWS_MAX} windows are allowed", terms.rollover.windows);
        return Err(invalid("/rollover/windows", detail));
    }
    Ok(())
}

/// What more seats grant at once must, with what is left, stay an amount.
fn check_raise(subscription: &Subscription, terms: &Terms, now: Timestamp) -> Result<(), Refusal> {
    let (raise, left) = (subscription.raise(terms), subscription.left(now));
    if raise.is_zero() || left.checked_add(raise).is_some() {
        return Ok(());
    }
    let detail =
        format!("grants {raise} more, which with the {left} left is above {}, the largest amount", Credits::MAX);
    Err(invalid("/credits_per_seat", detail))
}

/// Tops a subscription up, once per id.
pub(super) fn purchase(
    rows: &mut Rows,
    subscription: &SubscriptionId,
    id: &OperationId,
    (credits, expires_at): (Credits, Option<Timestamp>),
    actor: &Actor,
    now: Timestamp,
) -> Result<Done, Stop> {
    let Some(before) = rows.subscription(subscription)?.cloned() else {
        return Err(not_found("subscription", subscription).into());
    };
    require_owner_of(&before, actor)?;
    let purchase = Purchase { subscription: subscription.clone(), id: id.clone(), credits, expires_at };
    match rows.purchase(subscription, id)? {
        Some(made) if *made == purchase => return Ok(unchanged()),
        Some(_) => {
            let detail = format!("purchase {id} was made with other credits or another expiry; choose another id");
            return Err(conflict("id_reused", detail).into());
        }
        None => {}
    }
    let mut after = before.clone();
    after.advance(now);
    check_purchase(&after, &purchase, now)?;
    after.purchase(id, credits, expires_at, now);
    lend_all(rows, &mut after, now);
    after.epoch += 1;
    let changes = granted(&before, &after);
    rows.put_purchase(purchase);
    rows.put_subscription(after);
    Ok(Done { outcome: Outcome::Created, changes })
}

fn check_purchase(subscription: &Subscription, purchase: &Purchase, now: Timestamp) -> Result<(), Refusal> {
    if purchase.credits.is_zero() {
        return Err(invalid("/credits", "is 0; a purchase brings credits"));
    }
    if let Some(expires_at) = purchase.expires_at.filter(|&at| at <= now) {
        return Err(invalid("/expires_at", format!("is {expires_at}, which has passed; it is {now}")));
    }
    let left = subscription.left(now);
    if left.checked_add(purchase.credits).is_none() {
        let detail = format!("with the {left} that are left is above {}, the largest amount", Credits::MAX);
        return Err(invalid("/credits", detail));
    }
    let counts = |kind, left: Credits| kind == GrantKind::Purchased && !left.is_zero();
    let open = subscription.grants.iter().filter(|g| g.is_alive(now) && counts(g.kind, g.left())).count();
    if open >= PURCHASES_MAX {
        let detail =
            format!("{open} purchases are neither spent nor expired; buy more at once, or when some are spent");
        return Err(conflict("too_many_purchases", detail));
    }
    Ok(())
}

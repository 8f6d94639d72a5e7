//! What a sidecar holds, as positions to tell the root, what it returns, and what the root answers,
//! taken over.

use super::crash::Proof;
use crate::domain::{Book, Credits, DrawsView, Funds, MemberDraws, Share, Timestamp};
use crate::root::{Lease, Position};

/// Everything that a book holds, to tell the root.
pub fn positions(book: &Book) -> Vec<Position> {
    let position = |funds: &Funds| {
        let Funds { window, granted, returned, lost, .. } = *funds;
        Position { window, granted, returned, lost, tally: funds.draws.tally() }
    };
    book.funds.iter().map(position).collect()
}

/// Everything that is held of a member's limit, to tell the root.
pub fn member_positions(draws: &MemberDraws) -> Vec<Position> {
    let position = |share: &Share| {
        let Share { window, granted, returned, lost, .. } = *share;
        let tally = draws.of(window.start).map(DrawsView::tally).unwrap_or_default();
        Position { window, granted, returned, lost, tally }
    };
    draws.shares().iter().map(position).collect()
}

/// Takes leases of a book over, as the root answered them.
pub fn take(book: &mut Book, leases: &[Lease]) {
    for Lease { window, granted, returned, lost, until } in leases {
        book.lend(*window, *granted, *returned, *until);
        book.lose(window.start, *lost);
    }
    // What the root has dropped is older than something that it names.
    let newest = leases.iter().map(|lease| lease.window.start).max();
    book.forget_except(|start| Some(start) > newest || leases.iter().any(|lease| lease.window.start == start));
}

/// Takes leases of a member's limit over, as the root answered them.
pub fn take_member(draws: &mut MemberDraws, leases: &[Lease]) {
    for &Lease { window, granted, returned, lost, until } in leases {
        draws.lend(Share { window, granted, returned, lost, until });
    }
    let newest = leases.iter().map(|lease| lease.window.start).max();
    draws.forget_shares_except(|start| Some(start) > newest || leases.iter().any(|lease| lease.window.start == start));
}

/// Takes all that is free off funds whose lease has run out.
pub fn return_ended(book: &mut Book, now: Timestamp) {
    book.give_back(now);
}

/// As [`return_ended`], of a member's limit.
pub fn return_ended_of_member(draws: &mut MemberDraws, now: Timestamp) {
    let ended: Vec<_> = draws.shares().iter().filter(|share| share.until <= now).map(|s| s.window.start).collect();
    for start in ended {
        draws.give_up(start, Credits::MAX);
    }
}

/// After a restart: what an earlier incarnation held is not spent of. What is in doubt goes into
/// suspense, the rest is returned with the first sync. A grant that the store has forgotten is
/// remembered by what came of it, and where it `may_have_forgotten`, by what may have. What a hold set
/// aside that has run out may have been drawn again: it is not taken for a grant of its own. Answers by
/// window what of the doubt is pending.
pub fn close(
    book: &mut Book,
    now: Timestamp,
    may_have_forgotten: bool,
    proof: impl Fn(Timestamp) -> Proof,
) -> Vec<(Timestamp, Credits)> {
    let mut pending = Vec::new();
    for funds in &mut book.funds {
        let (tally, proof) = (funds.draws.tally(), proof(funds.window.start));
        let gone = funds.returned.plus(funds.lost).plus(funds.draws.taken(now));
        if let (Proof::Ceiling(_), true) = (proof, may_have_forgotten) {
            let doubt = proof.doubt(&tally, Credits::MAX).lost;
            funds.granted = funds.granted.max(gone.plus(doubt));
        }
        funds.granted = funds.granted.max(gone);
        let free = funds.lent().saturating_sub(tally.used().plus(tally.held));
        let doubt = proof.doubt(&tally, free);
        funds.lost = funds.lost.plus(doubt.lost);
        funds.returned = funds.returned.plus(free.minus(doubt.lost));
        funds.until = Timestamp::MIN;
        pending.push((funds.window.start, doubt.pending));
    }
    pending
}

/// As [`close`], of a member's limit.
pub fn close_member(
    draws: &mut MemberDraws,
    may_have_forgotten: bool,
    proof: impl Fn(Timestamp) -> Proof,
) -> Vec<(Timestamp, Credits)> {
    let mut pending = Vec::new();
    for mut share in draws.shares().to_vec() {
        let start = share.window.start;
        let (of_window, proof) = (draws.of(start).unwrap_or_default(), proof(start));
        let tally = of_window.tally();
        if let (Proof::Ceiling(_), true) = (proof, may_have_forgotten) {
            let doubt = proof.doubt(&tally, Credits::MAX).lost.plus(tally.used()).plus(tally.held);
            share.granted = share.granted.max(share.returned.plus(share.lost).plus(doubt));
        }
        let doubt = proof.doubt(&tally, share.spare(of_window));
        draws.lend(Share { lost: share.lost.plus(doubt.lost), until: Timestamp::MIN, ..share });
        draws.give_up(start, Credits::MAX);
        pending.push((start, doubt.pending));
    }
    pending
}

/// An operation from before a restart with a doubt has given `credits` back. They may have been given
/// back before unheard, and been spent: they are in suspense, as far as they are free.
pub fn doubt(book: &mut Book, start: Timestamp, credits: Credits) {
    if let Some(funds) = book.of(start) {
        let tally = funds.draws.tally();
        let free = funds.lent().saturating_sub(tally.used().plus(tally.held));
        book.lose(start, funds.lost.plus(credits.min(free)));
    }
}

/// As [`doubt`], of a member's limit.
pub fn doubt_member(draws: &mut MemberDraws, start: Timestamp, credits: Credits) {
    if let Some(&share) = draws.share(start) {
        let free = share.spare(draws.of(start).unwrap_or_default());
        draws.lend(Share { lost: share.lost.plus(credits.min(free)), ..share });
    }
}

/// After a restart: in suspense, in all, by what the journal tells of earlier restarts. Where the store cannot have forgotten
/// a grant, no more of it is lost than is left of it: what is told may rest on entries that this journal has not.
pub fn remember_lost(book: &mut Book, start: Timestamp, may_have_forgotten: bool, lost: Credits) {
    if let Some(funds) = book.of_mut(start) {
        let used = funds.returned.plus(funds.draws.used());
        let left = funds.granted.saturating_sub(used.plus(funds.draws.tally().held));
        let left = if may_have_forgotten { lost } else { left };
        let lost = lost.min(left);
        funds.granted = funds.granted.max(used.plus(lost));
        funds.lost = funds.lost.max(lost);
    }
}

/// As [`remember_lost`], of a member's limit.
pub fn remember_lost_of_member(draws: &mut MemberDraws, start: Timestamp, may_have_forgotten: bool, lost: Credits) {
    if let Some(&share) = draws.share(start) {
        let left = share.spare(draws.of(start).unwrap_or_default());
        let left = if may_have_forgotten { lost } else { left.plus(share.lost) };
        let lost = lost.min(left);
        let granted = share.granted.max(share.returned.plus(lost));
        draws.lend(Share { granted, lost, ..share });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Posting, Set, SubscriptionId, UserId, Window};

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis).expect("1970 to 9999")
    }

    #[test]
    fn what_a_hold_that_ran_out_left_to_others_is_not_taken_for_a_grant_that_was_forgotten() {
        let whole = |credits| Credits::from_credits(credits).expect("small");
        let (subscription, owner) = (SubscriptionId::new("s").expect("an id"), UserId::new("ana").expect("an id"));
        let mut book = Book::new(subscription, owner);
        book.lend(Window { start: at(0), end: at(1_000) }, whole(10), Credits::ZERO, at(1_000));
        let (held, debited) = (Set { credits: whole(4), expires_at: at(100) }, whole(10));
        let of_hold = Posting { held: Some(held), ..Posting::new(at(0)) };
        let of_debit = Posting { spent: debited, ..Posting::new(at(0)) };
        let funds = book.of_mut(at(0)).expect("it was lent");
        funds.draws.apply(&of_hold);
        assert_eq!(funds.free(at(200)), debited, "the hold has run out");
        funds.draws.apply(&of_debit);
        close(&mut book, at(300), false, |_| Proof::Exact);
        let funds = book.of(at(0)).expect("it was lent");
        assert_eq!((funds.granted, funds.returned), (whole(10), Credits::ZERO));
    }
}

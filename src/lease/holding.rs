//! What a sidecar holds, as positions to tell the root, what it returns, and what the root answers,
//! taken over.

use super::crash::Proof;
use crate::domain::{Book, Credits, Draws, Funds, MemberDraws, Share, Timestamp};
use crate::root::{Lease, Position};

/// Everything that a book holds, to tell the root.
pub fn positions(book: &Book) -> Vec<Position> {
    let position = |funds: &Funds| {
        let Funds { window, granted, returned, lost, .. } = *funds;
        Position { window, granted, returned, lost }
    };
    book.funds.iter().map(position).collect()
}

/// Everything that is held of a member's limit, to tell the root.
pub fn member_positions(draws: &MemberDraws) -> Vec<Position> {
    let position = |share: &Share| {
        let Share { window, granted, returned, lost, .. } = *share;
        Position { window, granted, returned, lost }
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
/// remembered by what came of it.
pub fn close(book: &mut Book, proof: impl Fn(Timestamp) -> Proof) {
    for funds in &mut book.funds {
        let tally = funds.draws.tally();
        let gone = [funds.returned, funds.lost].iter().try_fold(tally.used(), |sum, part| sum.checked_add(*part));
        funds.granted = funds.granted.max(gone.unwrap_or(Credits::MAX));
        let free = funds.lent().saturating_sub(tally.used().plus(tally.held));
        funds.lost = funds.lost.plus(proof(funds.window.start).lost(&tally, free));
        let free = funds.lent().saturating_sub(tally.used().plus(tally.held));
        funds.returned = funds.returned.plus(free);
        funds.until = Timestamp::MIN;
    }
}

/// As [`close`], of a member's limit.
pub fn close_member(draws: &mut MemberDraws, proof: impl Fn(Timestamp) -> Proof) {
    for share in draws.shares().to_vec() {
        let start = share.window.start;
        let none = Draws::default();
        let of_window = draws.of(start).unwrap_or(&none);
        let lost = share.lost.plus(proof(start).lost(&of_window.tally(), share.spare(of_window)));
        draws.lend(Share { lost, until: Timestamp::MIN, ..share });
        draws.give_up(start, Credits::MAX);
    }
}

/// A hold that was open when the journal's end was lost has ended now, with `rest` not needed as far as
/// is known. It may have ended before unheard and the rest been spent, so the rest is in suspense.
pub fn doubt(book: &mut Book, draws: &mut MemberDraws, start: Timestamp, rest: Credits) {
    if let Some(funds) = book.of(start) {
        let tally = funds.draws.tally();
        let free = funds.lent().saturating_sub(tally.used().plus(tally.held));
        book.lose(start, funds.lost.plus(rest.min(free)));
    }
    let none = Draws::default();
    if let Some(&share) = draws.share(start) {
        let free = share.spare(draws.of(start).unwrap_or(&none));
        draws.lend(Share { lost: share.lost.plus(rest.min(free)), ..share });
    }
}

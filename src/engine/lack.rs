//! What a draw lacks here, where many sidecars share: too little in the book, or too small a part of the
//! member's limit.

use super::members::Paces;
use crate::domain::{Book, Credits, MemberDraws, Membership, Payer, TeamId, Timestamp, Window};

/// Whether a member's draws on the pool need a part of its limit.
pub(super) fn needs_lease(member: &Membership) -> bool {
    member.limit.is_some() && member.effective_access().payer() == Payer::Pool
}

/// What this sidecar may let a member draw in a window.
pub(super) fn lent_free(draws: &MemberDraws, window: Window, now: Timestamp) -> Credits {
    let share = draws.share(window.start);
    share.map_or(Credits::ZERO, |share| share.free(draws.of(window.start).unwrap_or_default(), now))
}

/// What may be returned of a member's part in a window.
pub(super) fn spare(draws: &MemberDraws, window: Window) -> Credits {
    let share = draws.share(window.start);
    share.map_or(Credits::ZERO, |share| share.spare(draws.of(window.start).unwrap_or_default()))
}

/// Who draws on a pool, and how its limit is asked of.
pub(super) struct Person<'a> {
    pub team: &'a TeamId,
    pub member: Membership,
    pub draws: &'a MemberDraws,
    pub number: u32,
    pub paces: &'a mut Paces,
}

/// What a draw lacks here: only then the root is asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lack {
    /// The book has too little.
    pub book: bool,
    /// The part of the member's limit is too small.
    pub member: bool,
}

impl Lack {
    /// What a draw of at least `needed` lacks.
    pub fn of(book: &Book, person: Option<&Person<'_>>, needed: Credits, now: Timestamp) -> Self {
        let funds = book.current(now);
        let is_part_small = |Person { member, draws, .. }: &Person<'_>| {
            let window = funds.map(|funds| funds.window);
            needs_lease(member) && window.is_none_or(|window| lent_free(draws, window, now) < needed)
        };
        Self { book: book.free(now) < needed, member: person.is_some_and(is_part_small) }
    }
}

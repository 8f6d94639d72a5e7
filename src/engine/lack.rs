//! What a draw lacks here, where many sidecars share: too little in the book, or too small a part of the
//! member's limit.

use crate::domain::{Book, Credits, MemberDraws, Membership, Payer, Timestamp, Window};

/// Whether a member's draws on the pool need a part of its limit.
pub(super) fn needs_lease(member: &Membership) -> bool {
    member.limit.is_some() && member.effective_access().payer() == Payer::Pool
}

/// What this sidecar may let a member draw in a window.
pub(super) fn lent_free(draws: &MemberDraws, window: Window, now: Timestamp) -> Credits {
    let none = Default::default();
    let share = draws.share(window.start);
    share.map_or(Credits::ZERO, |share| share.free(draws.of(window.start).unwrap_or(&none), now))
}

/// What may be returned of a member's part in a window.
pub(super) fn spare(draws: &MemberDraws, window: Window) -> Credits {
    let none = Default::default();
    let share = draws.share(window.start);
    share.map_or(Credits::ZERO, |share| share.spare(draws.of(window.start).unwrap_or(&none)))
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
    pub fn of(book: &Book, member: Option<(Membership, &MemberDraws)>, needed: Credits, now: Timestamp) -> Self {
        let funds = book.current(now);
        let is_part_small = |(member, draws): (Membership, &MemberDraws)| {
            let window = funds.map(|funds| funds.window);
            needs_lease(&member) && window.is_none_or(|window| lent_free(draws, window, now) < needed)
        };
        Self { book: book.free(now) < needed, member: member.is_some_and(is_part_small) }
    }
}

//! A part of a member's limit that is lent to this sidecar, where many share a pool. What the member
//! drew here is kept apart, in its draws.

use super::credits::Credits;
use super::draws::DrawsView;
use super::time::{Timestamp, Window};

/// What this sidecar may let one member draw in one window. All sums are cumulative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// The window; its start names the account.
    pub window: Window,
    /// Lent in all; never falls.
    pub granted: Credits,
    /// Returned in all; never falls.
    pub returned: Credits,
    /// Of which a crash has taken whether they were drawn, in all.
    pub lost: Credits,
    /// From when on nothing free may be drawn before the next sync.
    pub until: Timestamp,
}

impl Share {
    /// A share of nothing.
    pub fn new(window: Window) -> Self {
        let (granted, returned, lost) = (Credits::ZERO, Credits::ZERO, Credits::ZERO);
        Self { window, granted, returned, lost, until: Timestamp::MIN }
    }

    /// Lent, and neither returned nor lost. A draw without a limit may have taken more.
    pub fn lent(&self) -> Credits {
        self.granted.minus(self.returned).saturating_sub(self.lost)
    }

    /// What the member may still draw here at `now`.
    pub fn free(&self, draws: DrawsView<'_>, now: Timestamp) -> Credits {
        if now >= self.until { Credits::ZERO } else { self.lent().saturating_sub(draws.taken(now)) }
    }

    /// What may be returned: what is set aside by holds stays until their ends have been entered.
    pub fn spare(&self, draws: DrawsView<'_>) -> Credits {
        self.lent().saturating_sub(draws.used().plus(draws.tally().held))
    }
}

/// How far what this sidecar holds reaches.
#[derive(Clone, Copy, Debug, Default)]
pub enum Reach<'a> {
    /// It holds everything there is.
    #[default]
    All,
    /// It holds a part, others hold more.
    Part {
        /// What it may let the member draw; `None`: nothing yet.
        share: Option<&'a Share>,
        /// The root has just been asked: what is not here now is nowhere.
        is_asked: bool,
    },
}

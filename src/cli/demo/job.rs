//! What a demo asks of the server, and what shall follow when it is answered.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::Credits;

/// One request.
#[derive(Clone, Debug)]
pub(super) enum Job {
    /// A debit or a hold.
    Draw(Arc<Draw>),
    /// The same once more, after it was allowed with these credits.
    Again(Arc<Draw>, Credits),
    /// Ends a hold with its real cost.
    Settle(Arc<Draw>, Credits),
    /// Cancels a hold.
    Release(Arc<Draw>),
    /// Gives a debit back: these credits, or all that is left of it.
    Refund(Arc<Draw>, Option<Credits>),
    /// A member opts out, or back in.
    Opt(Who, Direction),
}

/// Which way a member goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Out,
    BackIn,
}

/// A member of a team, by their places in the town; `None`: somebody who is in no team.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Who {
    pub(super) team: usize,
    pub(super) member: Option<usize>,
}

/// A debit or a hold.
#[derive(Clone, Debug)]
pub(super) struct Draw {
    pub(super) id: String,
    pub(super) who: Who,
    pub(super) credits: Credits,
    pub(super) model: &'static str,
    pub(super) then: Then,
}

/// What follows when a draw is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// It was a debit, and that is all.
    Charged,
    /// It was a debit; it is sent again at once.
    ChargedAgain,
    /// It was a debit, given back in part or in whole.
    Refund { credits: Option<Credits>, after: Duration },
    /// It was a hold that ends with its real cost.
    Settle { credits: Credits, after: Duration },
    /// It was a hold that is sent again at once, and then settled.
    SettleAgain { credits: Credits, after: Duration },
    /// It was a hold that is cancelled.
    Release { after: Duration },
    /// It was a hold of which nobody hears again.
    Abandon { ttl: Duration },
}

impl Draw {
    /// Whether it is a hold.
    pub(super) fn is_hold(&self) -> bool {
        !matches!(self.then, Then::Charged | Then::ChargedAgain | Then::Refund { .. })
    }

    /// What follows once it is allowed with `allowed` credits, and how long after the answer.
    pub(super) fn follow_ups(self: &Arc<Self>, allowed: Credits) -> Vec<(Duration, Job)> {
        let again = || (Duration::ZERO, Job::Again(self.clone(), allowed));
        match self.then {
            Then::Charged | Then::Abandon { .. } => Vec::new(),
            Then::ChargedAgain => vec![again()],
            Then::Refund { credits, after } => vec![(after, Job::Refund(self.clone(), credits))],
            Then::Settle { credits, after } => vec![(after, Job::Settle(self.clone(), credits))],
            Then::SettleAgain { credits, after } => vec![again(), (after, Job::Settle(self.clone(), credits))],
            Then::Release { after } => vec![(after, Job::Release(self.clone()))],
        }
    }
}

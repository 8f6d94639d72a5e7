//! What was accepted, as a list, and the sums that follow from it.

use super::history::{Draw, Scope};

/// Something that was accepted; its place in the list, counted from 1, is its number in the log.
#[derive(Clone, Debug)]
pub struct Fact {
    pub at: i64,
    pub scope: Scope,
    pub id: u8,
    pub what: What,
}

/// Where a draw draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub user: u8,
    pub on_pool: bool,
    pub subscription: u8,
    pub window: i64,
}

#[derive(Clone, Debug)]
pub enum What {
    /// A debit, or a hold where it has a time to live.
    Drawn {
        draw: Draw,
        place: Place,
        micros: i64,
    },
    /// The hold that began at fact `of` was settled: so much within it, so much in `above`.
    Settled {
        of: usize,
        charged: i64,
        inside: i64,
        above: Option<(i64, i64)>,
        returned: i64,
        debt: i64,
        late: bool,
    },
    Released {
        of: usize,
    },
    Expired {
        of: usize,
    },
    Extended {
        of: usize,
        until: i64,
    },
    /// Part of the debit at fact `of`; `own` tells whether it has an id of its own.
    Refunded {
        of: usize,
        micros: i64,
        own: bool,
    },
}

/// A hold with what became of it.
#[derive(Clone, Debug)]
pub struct Hold {
    pub fact: usize,
    pub place: Place,
    pub scope: Scope,
    pub micros: i64,
    pub until: i64,
    /// The last fact that ended it.
    pub end: Option<usize>,
    /// It no longer sets anything aside.
    pub is_entered: bool,
}

/// Sums of one window: of a subscription, or of one member of a team.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    pub spent: i64,
    pub refunded: i64,
    /// Set aside by holds whose end has not been entered.
    pub held: i64,
    /// The part of `held` that has expired.
    pub lapsed: i64,
}

impl Sums {
    pub fn used(&self) -> i64 {
        self.spent - self.refunded
    }

    pub fn taken(&self) -> i64 {
        self.used() + self.held - self.lapsed
    }
}

/// The list.
#[derive(Clone, Debug, Default)]
pub struct Facts(pub Vec<Fact>);

impl Facts {
    pub fn place(&self, of: usize) -> Place {
        match &self.0[of].what {
            What::Drawn { place, .. } => *place,
            other => panic!("{other:?} draws nothing"),
        }
    }

    /// Every hold that was given, in order.
    pub fn holds(&self) -> Vec<Hold> {
        let mut holds: Vec<Hold> = Vec::new();
        let find = |holds: &[Hold], of: usize| holds.iter().position(|hold| hold.fact == of).expect("a hold");
        for (number, fact) in self.0.iter().enumerate() {
            match &fact.what {
                What::Drawn { draw, place, micros } => {
                    if let Some(ttl) = draw.ttl {
                        let until = fact.at + ttl as i64;
                        let (micros, scope, end) = (*micros, fact.scope, None);
                        holds.push(Hold { fact: number, place: *place, scope, micros, until, end, is_entered: false });
                    }
                }
                What::Extended { of, until } => {
                    let at = find(&holds, *of);
                    holds[at].until = *until;
                }
                What::Settled { of, .. } | What::Released { of } | What::Expired { of } => {
                    let at = find(&holds, *of);
                    (holds[at].end, holds[at].is_entered) = (Some(number), true);
                }
                What::Refunded { .. } => {}
            }
        }
        holds
    }

    /// Sums over all draws that `counts` says, in the window that starts at `window`.
    pub fn sums(&self, window: i64, now: i64, counts: impl Fn(Scope, &Place) -> bool) -> Sums {
        let mut sums = Sums::default();
        for fact in &self.0 {
            let of = match &fact.what {
                What::Drawn { place, .. } => *place,
                What::Settled { of, .. } | What::Refunded { of, .. } => self.place(*of),
                _ => continue,
            };
            if !counts(fact.scope, &of) {
                continue;
            }
            let here = of.window == window;
            match &fact.what {
                What::Drawn { draw, micros, .. } if draw.ttl.is_none() && here => sums.spent += micros,
                What::Settled { inside, above, .. } => {
                    sums.spent += if here { *inside } else { 0 };
                    sums.spent += above.filter(|(at, _)| *at == window).map_or(0, |(_, micros)| micros);
                }
                What::Refunded { micros, .. } if here => sums.refunded += micros,
                _ => {}
            }
        }
        for hold in self.holds().iter().filter(|hold| !hold.is_entered && hold.place.window == window) {
            if counts(hold.scope, &hold.place) {
                sums.held += hold.micros;
                sums.lapsed += if hold.until <= now { hold.micros } else { 0 };
            }
        }
        sums
    }

    /// What was refunded of the debit at fact `of`, and whether all the rest was, by which fact.
    pub fn refunds(&self, of: usize) -> (i64, Option<usize>) {
        let mut refunded = (0, None);
        for (number, fact) in self.0.iter().enumerate() {
            if let What::Refunded { of: debit, micros, own } = fact.what
                && debit == of
            {
                refunded.0 += micros;
                refunded.1 = refunded.1.or((!own).then_some(number));
            }
        }
        refunded
    }
}

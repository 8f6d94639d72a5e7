//! The slow model: who may what, what is lent, what was accepted; and what a draw is answered.

use std::collections::BTreeMap;

use super::facts::{Fact, Facts, Hold, Place, Sums, What};
use super::history::{Draw, Scope};

/// How long and how many operations are remembered in these histories.
pub const RETAIN_MILLIS: i64 = 2 * 86_400_000;
pub const ENTRIES_MAX: usize = 60;

/// What is lent of a subscription in one window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    pub end: i64,
    pub granted: i64,
    pub returned: i64,
    pub until: i64,
}

#[derive(Clone, Debug, Default)]
pub struct Subscription {
    pub owner: u8,
    pub team: Option<u8>,
    pub has_whitelist: bool,
    /// By the start of the window.
    pub leases: BTreeMap<i64, Lease>,
}

#[derive(Clone, Debug, Default)]
pub struct Member {
    /// 0 seat, 1 credits, 2 personal.
    pub access: u8,
    pub is_out: bool,
    pub limit: Option<i64>,
    pub is_removed: bool,
    pub manages: bool,
}

#[derive(Clone, Debug, Default)]
pub struct Team {
    pub subscription: Option<u8>,
    pub is_enabled: bool,
    pub models: Vec<u8>,
    pub members: BTreeMap<u8, Member>,
}

/// The whole model.
#[derive(Clone, Debug, Default)]
pub struct Model {
    pub now: i64,
    pub teams: Vec<Team>,
    pub subscriptions: Vec<Subscription>,
    pub facts: Facts,
    pub on_pool_spend: bool,
    pub is_full: bool,
}

/// What is left: of the member's limit, of the payer.
pub type Left = (Option<i64>, i64);

/// What a draw is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Allow { micros: i64, on_pool: bool, subscription: u8, until: Option<i64>, left: Left, replayed: bool },
    Deny(Deny),
    Short(u8),
    IdReused,
}

/// Why not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deny {
    pub reason: &'static str,
    pub next: &'static str,
    /// Limit, used and held of the scope that fails.
    pub numbers: Option<(i64, i64, i64)>,
    pub resets: Option<i64>,
    pub retry: Option<i64>,
    pub debt: Option<i64>,
}

impl Model {
    pub fn push(&mut self, scope: Scope, id: u8, what: What) {
        self.facts.0.push(Fact { at: self.now, scope, id, what });
    }

    pub fn owned_by(&self, user: u8) -> Option<u8> {
        let at = self.subscriptions.iter().position(|subscription| subscription.owner == user)?;
        Some(at as u8)
    }

    /// Sums of a subscription in one window.
    pub fn of_subscription(&self, subscription: u8, window: i64) -> Sums {
        self.facts.sums(window, self.now, |_, place| place.subscription == subscription)
    }

    /// Sums of what a member drew on pools in one window.
    pub fn of_member(&self, team: u8, user: u8, window: i64) -> Sums {
        let counts = |scope, place: &Place| scope == Scope::Team(team) && place.user == user && place.on_pool;
        self.facts.sums(window, self.now, counts)
    }

    /// The lease that may be drawn on, by its window's start.
    pub fn current(&self, subscription: u8) -> Option<(i64, Lease)> {
        let (&start, &lease) = self.subscriptions[subscription as usize].leases.last_key_value()?;
        (start <= self.now && self.now < lease.end.min(lease.until)).then_some((start, lease))
    }

    pub fn free(&self, subscription: u8) -> i64 {
        self.current(subscription).map_or(0, |(start, lease)| {
            (lease.granted - lease.returned - self.of_subscription(subscription, start).taken()).max(0)
        })
    }

    pub fn debt(&self, subscription: u8) -> i64 {
        let leases = &self.subscriptions[subscription as usize].leases;
        let debts = leases.iter().map(|(&start, lease)| {
            (self.of_subscription(subscription, start).taken() - (lease.granted - lease.returned)).max(0)
        });
        debts.sum()
    }

    /// What remains where a draw draws or drew.
    pub fn left(&self, scope: Scope, place: &Place) -> Left {
        let payer = self.subscriptions[place.subscription as usize].team;
        let payer = if place.on_pool || payer.is_none() { self.free(place.subscription) } else { 0 };
        let Scope::Team(team) = scope else { return (None, payer) };
        let limit = self.teams[team as usize].members[&place.user].limit.filter(|_| place.on_pool);
        let current = self.current(place.subscription);
        let taken = current.map_or(0, |(start, _)| self.of_member(team, place.user, start).taken());
        (limit.map(|limit| (limit - taken).max(0)), payer)
    }

    /// The fact that began the operation which is known under an id, and its hold if it is one.
    pub fn known(&self, scope: Scope, id: u8) -> Option<(usize, Option<Hold>)> {
        let begins = |fact: &Fact| match fact.what {
            What::Drawn { .. } => true,
            What::Refunded { own, .. } => own,
            _ => false,
        };
        let same = |fact: &Fact| fact.scope == scope && fact.id == id && begins(fact);
        let at = self.facts.0.iter().rposition(same)?;
        let hold = self.facts.holds().into_iter().find(|hold| hold.fact == at);
        let last = match &hold {
            Some(Hold { end: None, .. }) => return Some((at, hold)),
            Some(Hold { end: Some(end), .. }) => *end,
            None => at,
        };
        let is_recent = self.facts.0[last].at >= self.now - RETAIN_MILLIS && last + ENTRIES_MAX >= self.facts.0.len();
        is_recent.then_some((at, hold))
    }

    /// What a draw is answered; when it is allowed and no check, it has been accepted then.
    pub fn draw(&mut self, draw: &Draw) -> Answer {
        let scope = draw.team.map_or(Scope::User(draw.user), Scope::Team);
        let member = draw.team.map(|team| self.teams[team as usize].members.get(&draw.user).cloned());
        if let Some(None) = member {
            return deny("not_a_member", "ask_admin");
        }
        let member = member.flatten();
        let is_kept = draw.team.is_some() || self.owned_by(draw.user).is_some();
        if let Some((at, hold)) = self.known(scope, draw.id).filter(|_| is_kept && !draw.is_check) {
            return self.replay(draw, scope, at, hold);
        }
        if member.as_ref().is_some_and(|member| member.is_removed) {
            return deny("not_a_member", "ask_admin");
        }
        if self.is_full {
            return Answer::Deny(Deny { retry: Some(1_000), ..reason("unavailable", "retry") });
        }
        let place = match self.decide(draw, member.as_ref()) {
            Ok(place) => place,
            Err(answer) => return answer,
        };
        let left = self.left(scope, &place);
        let most = left.0.map_or(left.1, |member| member.min(left.1));
        let micros = draw.micros.min(most);
        let until = draw.ttl.map(|ttl| self.now + ttl as i64);
        let left = (left.0.map(|left| left - micros), left.1 - micros);
        if !draw.is_check {
            self.push(scope, draw.id, What::Drawn { draw: draw.clone(), place, micros });
        }
        let (on_pool, subscription) = (place.on_pool, place.subscription);
        Answer::Allow { micros, on_pool, subscription, until, left, replayed: false }
    }

    fn replay(&self, draw: &Draw, scope: Scope, at: usize, hold: Option<Hold>) -> Answer {
        let fact = &self.facts.0[at];
        let What::Drawn { draw: first, place, micros } = &fact.what else { return Answer::IdReused };
        if first != draw {
            return Answer::IdReused;
        }
        let until = hold.and(draw.ttl).map(|ttl| fact.at + ttl as i64);
        let (on_pool, subscription) = (place.on_pool, place.subscription);
        let left = self.left(scope, place);
        Answer::Allow { micros: *micros, on_pool, subscription, until, left, replayed: true }
    }

    /// Where a draw would draw, or why not.
    fn decide(&self, draw: &Draw, member: Option<&Member>) -> Result<Place, Answer> {
        let team = draw.team.map(|team| &self.teams[team as usize]);
        let access = member.map_or(2, |member| if member.is_out { 2 } else { member.access });
        let own = self.owned_by(draw.user);
        let own = own.filter(|&own| self.subscriptions[own as usize].team.is_none());
        let on_pool = access != 2;
        let pool = team.and_then(|team| team.subscription);
        if let Some(team) = team.filter(|team| team.is_enabled && !team.models.is_empty()) {
            let has = |of: Option<u8>| of.is_some_and(|of| self.subscriptions[of as usize].has_whitelist);
            let applies = if access == 0 { has(pool) } else { has(own) };
            let applies = applies || (on_pool && self.on_pool_spend && has(pool));
            if applies && !draw.model.is_some_and(|model| team.models.contains(&model)) {
                return Err(deny("model_not_allowed", "choose_another_model"));
            }
        }
        let manages = member.is_none_or(|member| member.manages);
        let (why, next) = match member {
            _ if on_pool => ("pool_exhausted", if manages { "buy_credits" } else { "switch_to_personal" }),
            Some(member) if member.is_out && member.access != 2 && !manages => ("wallet_exhausted", "opt_back_in"),
            _ => ("wallet_exhausted", "buy_credits"),
        };
        let Some(payer) = (if on_pool { pool } else { own }) else { return Err(deny(why, next)) };
        let Some((window, lease)) = self.current(payer) else { return Err(Answer::Short(payer)) };
        let debt = self.debt(payer);
        if debt > 0 {
            return Err(Answer::Deny(Deny { debt: Some(debt), ..reason("in_debt", "buy_credits") }));
        }
        let needed = draw.min.map_or(draw.micros, |min| min.min(draw.micros));
        if let (Some(limit), Some(team)) = (member.and_then(|member| member.limit).filter(|_| on_pool), draw.team) {
            let sums = self.of_member(team, draw.user, window);
            let of_member =
                |scope, place: &Place| scope == Scope::Team(team) && place.user == draw.user && place.on_pool;
            if (limit - sums.taken()).max(0) < needed {
                let next = if manages { "raise_limit" } else { "switch_to_personal" };
                let deny = Deny { resets: Some(lease.end), ..reason("member_limit", next) };
                return Err(self.full(deny, limit, &sums, needed, window, of_member));
            }
        }
        if self.free(payer) < needed {
            let sums = self.of_subscription(payer, window);
            let deny = Deny { resets: Some(lease.end), ..reason(why, next) };
            let lent = lease.granted - lease.returned;
            return Err(self.full(deny, lent, &sums, needed, window, |_, place| place.subscription == payer));
        }
        Ok(Place { user: draw.user, on_pool, subscription: payer, window })
    }

    /// Exhausted, or held where the open holds of the scope alone are in the way.
    fn full(
        &self,
        deny: Deny,
        limit: i64,
        sums: &Sums,
        needed: i64,
        window: i64,
        counts: impl Fn(Scope, &Place) -> bool,
    ) -> Answer {
        let numbers = Some((limit, sums.used(), sums.held - sums.lapsed));
        if (limit - sums.used()).max(0) < needed {
            return Answer::Deny(Deny { numbers, ..deny });
        }
        let holds = self.facts.holds();
        let open = holds.iter().filter(|hold| !hold.is_entered && hold.until > self.now && hold.micros > 0);
        let here = open.filter(|hold| hold.place.window == window && counts(hold.scope, &hold.place));
        let wait = here.map(|hold| hold.until - self.now).min().expect("a hold is in the way").min(1_000);
        Answer::Deny(Deny { reason: "held", next: "retry", numbers, retry: Some(wait), ..deny })
    }
}

fn reason(reason: &'static str, next: &'static str) -> Deny {
    Deny { reason, next, ..Deny::default() }
}

fn deny(why: &'static str, next: &'static str) -> Answer {
    Answer::Deny(reason(why, next))
}

//! Everything that may happen, and how often.

use std::fmt;

use proptest::prelude::*;

/// Many things, one after the other; shown one on a line.
#[derive(Clone)]
pub struct History(pub Vec<Step>);

impl fmt::Debug for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut steps = self.0.iter().filter(|step| !matches!(step, Step::Nothing));
        steps.try_for_each(|step| write!(f, "\n  {step:?}"))
    }
}

/// A history of so many steps.
pub fn history(steps: usize) -> impl Strategy<Value = History> {
    prop::collection::vec(step(), steps).prop_map(History)
}

/// One thing that happens. Users, teams, subscriptions, ids and models are small numbers.
#[derive(Clone, Debug)]
pub enum Step {
    /// What a step is made when a mistake shows without it.
    Nothing,
    Draw(Draw),
    Settle {
        scope: Scope,
        id: u8,
        micros: i64,
    },
    Release {
        scope: Scope,
        id: u8,
    },
    Extend {
        scope: Scope,
        id: u8,
        ttl: u64,
    },
    Refund {
        scope: Scope,
        debit: u8,
        part: Option<(u8, i64)>,
    },
    Expire,
    Sync {
        subscriptions: Vec<u8>,
        is_lost: bool,
    },
    Pass {
        millis: u64,
    },
    Limit {
        team: u8,
        user: u8,
        micros: Option<i64>,
    },
    Access {
        team: u8,
        user: u8,
        access: u8,
    },
    OptOut {
        team: u8,
        user: u8,
        out: bool,
    },
    Remove {
        team: u8,
        user: u8,
    },
    Join {
        team: u8,
        user: u8,
        access: u8,
        micros: Option<i64>,
    },
    Whitelist {
        team: u8,
        enabled: bool,
        models: u8,
    },
    Assign {
        team: u8,
        subscription: u8,
    },
    Unassign {
        team: u8,
    },
    Purchase {
        subscription: u8,
        micros: i64,
        millis: Option<u64>,
    },
    Seats {
        subscription: u8,
        seats: u32,
    },
    OnPoolSpend {
        on: bool,
    },
    Journal {
        is_full: bool,
    },
    Store {
        is_away: bool,
    },
}

/// A debit, a hold or a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draw {
    pub is_check: bool,
    pub id: u8,
    pub team: Option<u8>,
    pub user: u8,
    pub micros: i64,
    pub min: Option<i64>,
    pub model: Option<u8>,
    pub ttl: Option<u64>,
}

/// A team, or a user without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    Team(u8),
    User(u8),
}

pub const TEAMS: u8 = 2;
pub const USERS: u8 = 5;
pub const SUBSCRIPTIONS: u8 = 3;
pub const MODELS: u8 = 3;
const IDS: u8 = 24;

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => Just(Step::Nothing),
        40 => draw().prop_map(Step::Draw),
        14 => (scope(), 0..IDS, micros()).prop_map(|(scope, id, micros)| Step::Settle { scope, id, micros }),
        6 => (scope(), 0..IDS).prop_map(|(scope, id)| Step::Release { scope, id }),
        4 => (scope(), 0..IDS, ttl()).prop_map(|(scope, id, ttl)| Step::Extend { scope, id, ttl }),
        8 => (scope(), 0..IDS, prop::option::of((0..IDS, micros())))
            .prop_map(|(scope, debit, part)| Step::Refund { scope, debit, part }),
        10 => span().prop_map(|millis| Step::Pass { millis }),
        10 => stand(),
        21 => control(),
    ]
}

fn stand() -> BoxedStrategy<Step> {
    let subscriptions = prop::collection::vec(0..SUBSCRIPTIONS, 0..3);
    prop_oneof![
        3 => Just(Step::Expire),
        4 => (subscriptions, any::<bool>()).prop_map(|(subscriptions, is_lost)| Step::Sync { subscriptions, is_lost }),
        1 => any::<bool>().prop_map(|on| Step::OnPoolSpend { on }),
        1 => prop::bool::weighted(0.2).prop_map(|is_full| Step::Journal { is_full }),
        1 => prop::bool::weighted(0.2).prop_map(|is_away| Step::Store { is_away }),
    ]
    .boxed()
}

fn control() -> BoxedStrategy<Step> {
    let limit = || prop::option::weighted(0.7, micros());
    prop_oneof![
        3 => (0..TEAMS, 0..USERS, limit()).prop_map(|(team, user, micros)| Step::Limit { team, user, micros }),
        2 => (0..TEAMS, 0..USERS, 0..3_u8).prop_map(|(team, user, access)| Step::Access { team, user, access }),
        3 => (0..TEAMS, 0..USERS, any::<bool>()).prop_map(|(team, user, out)| Step::OptOut { team, user, out }),
        1 => (0..TEAMS, 0..USERS).prop_map(|(team, user)| Step::Remove { team, user }),
        3 => (0..TEAMS, 0..USERS, 0..3_u8, limit())
            .prop_map(|(team, user, access, micros)| Step::Join { team, user, access, micros }),
        1 => (0..TEAMS, any::<bool>(), 0..1_u8 << MODELS)
            .prop_map(|(team, enabled, models)| Step::Whitelist { team, enabled, models }),
        2 => (0..TEAMS, 0..SUBSCRIPTIONS).prop_map(|(team, subscription)| Step::Assign { team, subscription }),
        1 => (0..TEAMS).prop_map(|team| Step::Unassign { team }),
        4 => (0..SUBSCRIPTIONS, micros(), prop::option::of(span()))
            .prop_map(|(subscription, micros, millis)| Step::Purchase { subscription, micros, millis }),
        1 => (0..SUBSCRIPTIONS, 0..6_u32).prop_map(|(subscription, seats)| Step::Seats { subscription, seats }),
    ]
    .boxed()
}

fn draw() -> impl Strategy<Value = Draw> {
    let team = prop::option::weighted(0.85, 0..TEAMS);
    let model = prop::option::weighted(0.8, 0..MODELS);
    let ttl = prop::option::weighted(0.5, ttl());
    (prop::bool::weighted(0.1), 0..IDS, team, 0..USERS, micros(), prop::option::weighted(0.2, micros()), model, ttl)
        .prop_map(|(is_check, id, team, user, micros, min, model, ttl)| {
            let min = min.filter(|_| ttl.is_some());
            Draw { is_check, id, team, user, micros, min, model, ttl }
        })
}

fn scope() -> impl Strategy<Value = Scope> {
    prop_oneof![5 => (0..TEAMS).prop_map(Scope::Team), 1 => (0..USERS).prop_map(Scope::User)]
}

/// Few amounts, so that exact fits are frequent.
fn micros() -> impl Strategy<Value = i64> {
    prop_oneof![1 => Just(0), 8 => (1..=12_i64).prop_map(|n| n * 2_500_000), 2 => 1..40_000_000_i64]
}

fn ttl() -> impl Strategy<Value = u64> {
    prop::sample::select(vec![1_000, 60_000, 3_600_000, 86_400_000])
}

fn span() -> impl Strategy<Value = u64> {
    prop_oneof![
        6 => prop::sample::select(vec![1_u64, 999, 1_000, 59_000, 60_000]),
        4 => prop::sample::select(vec![3_600_000_u64, 7_200_000, 86_400_000]),
        1 => prop::sample::select(vec![10 * 86_400_000_u64, 31 * 86_400_000]),
    ]
}

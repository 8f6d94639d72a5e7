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
    /// The same draw again as one that was accepted, so many before the last.
    Again {
        back: u8,
    },
    Settle {
        of: Target,
        cost: Cost,
    },
    Release {
        of: Target,
    },
    Extend {
        of: Target,
        ttl: u64,
    },
    Refund {
        of: Target,
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

/// What is ended or undone.
#[derive(Clone, Copy, Debug)]
pub enum Target {
    /// A hold that was given, or a debit for a refund, so many before the last.
    Recent(u8),
    /// Whatever has this id, if anything.
    Named(Scope, u8),
}

/// What a settle costs.
#[derive(Clone, Copy, Debug)]
pub enum Cost {
    /// What was set aside, or the same as before.
    Same,
    Half,
    Double,
    Micros(i64),
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
const IDS: u8 = 150;

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => Just(Step::Nothing),
        40 => draw().prop_map(Step::Draw),
        6 => back().prop_map(|back| Step::Again { back }),
        20 => (target(), cost()).prop_map(|(of, cost)| Step::Settle { of, cost }),
        8 => target().prop_map(|of| Step::Release { of }),
        6 => (target(), ttl()).prop_map(|(of, ttl)| Step::Extend { of, ttl }),
        12 => (target(), prop::option::of((0..IDS, micros()))).prop_map(|(of, part)| Step::Refund { of, part }),
        12 => span().prop_map(|millis| Step::Pass { millis }),
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
        3 => prop::bool::weighted(0.06).prop_map(|is_full| Step::Journal { is_full }),
        3 => prop::bool::weighted(0.2).prop_map(|is_away| Step::Store { is_away }),
    ]
    .boxed()
}

fn control() -> BoxedStrategy<Step> {
    let limit = || prop::option::weighted(0.7, micros());
    prop_oneof![
        3 => (0..TEAMS, 0..USERS, limit()).prop_map(|(team, user, micros)| Step::Limit { team, user, micros }),
        2 => (0..TEAMS, 0..USERS, given()).prop_map(|(team, user, access)| Step::Access { team, user, access }),
        3 => (0..TEAMS, 0..USERS, prop::bool::weighted(0.3)).prop_map(|(team, user, out)| Step::OptOut { team, user, out }),
        1 => (0..TEAMS, 0..USERS).prop_map(|(team, user)| Step::Remove { team, user }),
        9 => (0..TEAMS, 0..USERS, given(), limit())
            .prop_map(|(team, user, access, micros)| Step::Join { team, user, access, micros }),
        1 => (0..TEAMS, any::<bool>(), 0..1_u8 << MODELS)
            .prop_map(|(team, enabled, models)| Step::Whitelist { team, enabled, models }),
        6 => (0..TEAMS, 0..SUBSCRIPTIONS).prop_map(|(team, subscription)| Step::Assign { team, subscription }),
        1 => (0..TEAMS).prop_map(|team| Step::Unassign { team }),
        6 => (0..SUBSCRIPTIONS, micros(), prop::option::weighted(0.3, span()))
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

fn target() -> impl Strategy<Value = Target> {
    prop_oneof![6 => back().prop_map(Target::Recent), 1 => (scope(), 0..IDS).prop_map(|(of, id)| Target::Named(of, id))]
}

/// Most look a little back, some far.
fn back() -> impl Strategy<Value = u8> {
    prop_oneof![6 => 0..4_u8, 2 => 0..20_u8]
}

fn cost() -> impl Strategy<Value = Cost> {
    prop_oneof![3 => Just(Cost::Same), 2 => Just(Cost::Half), 2 => Just(Cost::Double), 2 => micros().prop_map(Cost::Micros)]
}

/// An access as an admin gives it: personal is rare.
fn given() -> impl Strategy<Value = u8> {
    prop_oneof![6 => Just(0), 3 => Just(1), 1 => Just(2)]
}

/// Few amounts, so that exact fits are frequent.
fn micros() -> impl Strategy<Value = i64> {
    prop_oneof![1 => Just(0), 8 => (1..=12_i64).prop_map(|n| n * 2_500_000), 2 => 1..40_000_000_i64]
}

fn ttl() -> impl Strategy<Value = u64> {
    prop::sample::select(vec![1_000, 60_000, 60_000, 3_600_000, 86_400_000, 86_400_000])
}

fn span() -> impl Strategy<Value = u64> {
    prop_oneof![
        20 => prop::sample::select(vec![1_u64, 999, 1_000, 59_000, 60_000]),
        8 => prop::sample::select(vec![3_600_000_u64, 7_200_000, 86_400_000]),
        2 => prop::sample::select(vec![10 * 86_400_000_u64, 31 * 86_400_000]),
    ]
}

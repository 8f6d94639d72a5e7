//! Names for the model's numbers, and the world that every history begins in.
//!
//! Two teams: user 0 owns team 0 and subscription 0, its pool; user 1 likewise. User 2 owns a
//! subscription of its own. User 3 is an admin of team 0, user 4 is in team 0 only.

use purser::domain::ids::Model as ModelName;
use purser::domain::{Access, Credits, Features, OperationId, Role, SubscriptionId, TeamId, Timestamp, UserId};
use purser::engine::{Options, Scope as MeterScope};
use purser::root::{Command, Rollover, Settings, Status, Terms};

use super::history::Scope;
use super::model::{ENTRIES_MAX, Member, Model, RETAIN_MILLIS, Subscription, Team};
use super::support::{World, at, credits};

pub fn team(number: u8) -> TeamId {
    TeamId::new(&format!("t{number}")).expect("a team's id")
}

pub fn user(number: u8) -> UserId {
    UserId::new(&format!("u{number}")).expect("a user's id")
}

pub fn subscription(number: u8) -> SubscriptionId {
    SubscriptionId::new(&format!("s{number}")).expect("a subscription's id")
}

pub fn operation(number: u8) -> OperationId {
    OperationId::new(&format!("op{number}")).expect("an operation's id")
}

pub fn model_name(number: u8) -> ModelName {
    ModelName::new(&format!("m{number}")).expect("a model's name")
}

/// The number in a name.
pub fn number(name: &str) -> u8 {
    name.trim_start_matches(|c: char| c.is_ascii_alphabetic()).parse().expect(name)
}

pub fn scope(scope: Scope) -> MeterScope {
    match scope {
        Scope::Team(number) => MeterScope::Team(team(number)),
        Scope::User(number) => MeterScope::User(user(number)),
    }
}

pub fn amount(micros: i64) -> Credits {
    Credits::from_micros(micros).expect("an amount")
}

pub fn instant(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis).expect("an instant")
}

pub fn access(number: u8) -> Access {
    [Access::Seat, Access::Credits, Access::Personal][number as usize]
}

pub fn options() -> Options {
    let (retain_millis, entries_max) = (RETAIN_MILLIS as u64, ENTRIES_MAX as u64);
    Options { retain_millis, entries_max, ..Options::default() }
}

pub fn terms(number: u8, seats: u32) -> Terms {
    Terms {
        owner: user(number),
        plan: String::new(),
        status: Status::Active,
        seats,
        credits_per_seat: credits(if number == 2 { "5" } else { "25" }),
        anchor: at("2026-10-31T00:00:00Z"),
        rollover: Rollover { cap: (number == 0).then(|| credits("12.5")), windows: u32::from(number == 0) * 2 },
        features: Features { model_whitelist: number != 1, ..Features::default() },
    }
}

/// The world and the model at the beginning.
pub fn begin() -> (World, Model) {
    let mut world = World::new(options(), at("2026-11-22T12:00:00Z"));
    let mut model = Model { now: world.now.millis(), ..Model::default() };
    for number in 0..3 {
        let terms = terms(number, 4);
        let has_whitelist = terms.features.model_whitelist;
        model.subscriptions.push(Subscription { owner: number, has_whitelist, ..Subscription::default() });
        world.control(&Command::PutSubscription { id: subscription(number), terms }).expect("a subscription");
    }
    for number in 0..2 {
        let command = Command::PutTeam { id: team(number), name: None, owner: Some(user(number)) };
        world.control(&command).expect("a team");
        model.subscriptions[number as usize].team = Some(number);
        let mut members = std::collections::BTreeMap::from([(number, Member { manages: true, ..Member::default() })]);
        for joining in (0..5_u8).filter(|&joining| joining != number && (joining, number) != (4, 1)) {
            let manages = (joining, number) == (3, 0);
            let role = if manages { Role::Admin } else { Role::Member };
            let given = [0, 0, 1, 0, 2][joining as usize];
            let settings = Settings { role, access: access(given), limit: None, opted_out: false };
            let command = Command::PutMember { team: team(number), user: user(joining), settings };
            world.control(&command).expect("a member");
            members.insert(joining, Member { access: given, manages, ..Member::default() });
        }
        model.teams.push(Team { subscription: Some(number), members, ..Team::default() });
    }
    (world, model)
}

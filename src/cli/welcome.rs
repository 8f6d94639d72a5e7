//! The small team that a first start creates, and the requests that try it out.
//!
//! Only what to do and what to print: whether the data folder is empty, and running the commands, is
//! for whoever starts the server.

use crate::config::Listen;
use crate::domain::{Access, Credits, Features, Role, SubscriptionId, TeamId, Timestamp, UserId};
use crate::root::command::Settings;
use crate::root::subscription::{Rollover, Status, Terms};
use crate::root::{Actor, Command};

/// The team's id.
pub const TEAM: &str = "acme";
/// Its owner, who has the subscription.
pub const OWNER: &str = "olga";
/// A member with a seat and a limit.
pub const MEMBER: &str = "ana";
/// The subscription that is the team's pool.
pub const SUBSCRIPTION: &str = "sub_demo";

/// Midnight of 1 January 2026: windows are calendar months.
const ANCHOR_MILLIS: i64 = 1_767_225_600_000;

/// Who the ledger says has asked for it.
pub fn actor() -> Actor {
    Actor::Service("welcome".to_owned())
}

/// Creates the team: three seats of 500 credits, `ana` with a seat and a limit of 100, `bo` drawing
/// on the pool without one, `cy` on own credits. In this order, each on what the one before has left.
pub fn commands() -> Vec<Command> {
    let team = TeamId::new(TEAM).expect("letters make an id");
    let member = |name: &str, access: Access, limit: Option<u32>| Command::PutMember {
        team: team.clone(),
        user: user(name),
        settings: Settings {
            role: Role::Member,
            access,
            limit: limit.and_then(Credits::from_credits),
            opted_out: false,
        },
    };
    let id = SubscriptionId::new(SUBSCRIPTION).expect("letters make an id");
    vec![
        Command::PutSubscription { id, terms: terms() },
        Command::PutTeam { id: team.clone(), name: Some("Acme".to_owned()), owner: Some(user(OWNER)) },
        member(MEMBER, Access::Seat, Some(100)),
        member("bo", Access::Credits, None),
        member("cy", Access::Personal, None),
    ]
}

fn terms() -> Terms {
    Terms {
        owner: user(OWNER),
        plan: "demo".to_owned(),
        status: Status::Active,
        seats: 3,
        credits_per_seat: Credits::from_credits(500).expect("within the largest amount"),
        anchor: Timestamp::from_millis(ANCHOR_MILLIS).expect("within the calendar"),
        rollover: Rollover::default(),
        features: Features { model_whitelist: true, ..Features::default() },
    }
}

fn user(name: &str) -> UserId {
    UserId::new(name).expect("letters make an id")
}

/// Three requests that work as they are printed: a debit, what the member has left, and the pool.
pub fn curl_lines(address: &Listen) -> [String; 3] {
    let curl = match address {
        Listen::Tcp(address) => {
            let (mut address, any) = (*address, address.ip().is_unspecified());
            if any {
                address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
            }
            format!("curl -s http://{address}")
        }
        Listen::Unix(path) => format!("curl -s --unix-socket {} http://localhost", quoted(&path.to_string_lossy())),
    };
    let body = format!(r#"{{"id":"try-1","team":"{TEAM}","member":"{MEMBER}","credits":"1.25"}}"#);
    [
        format!("{curl}/v1/debits -H 'Content-Type: application/json' -d '{body}'"),
        format!("{curl}/v1/teams/{TEAM}/members/{MEMBER}/balance"),
        format!("{curl}/v1/teams/{TEAM}/pool"),
    ]
}

/// A path as one word of a shell.
fn quoted(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte);
    if path.bytes().all(plain) { path.to_owned() } else { format!("'{}'", path.replace('\'', r"'\''")) }
}

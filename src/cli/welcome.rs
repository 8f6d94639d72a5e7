//! The small team that a first start creates, and the requests that try it out. Whether there shall be
//! one is for whoever starts the server.

use crate::config::Listen;
use crate::domain::{Access, Credits, Features, Role, SubscriptionId, TeamId, Timestamp, UserId};
use crate::root::command::Settings;
use crate::root::subscription::{Rollover, Status, Terms};
use crate::root::{Actor, Command, Refusal};
use crate::service::{Service, Unable};

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
fn actor() -> Actor {
    Actor::Service("welcome".to_owned())
}

/// Why the team was not created.
#[derive(Debug, thiserror::Error)]
pub enum WelcomeError {
    /// The store is away, or there is no journal.
    #[error(transparent)]
    Unable(#[from] Unable),
    /// A rule of control is against it.
    #[error("the demo team was refused: {0}")]
    Refused(#[from] Refusal),
}

/// Creates the team where there is no team at all; answers whether it did.
///
/// # Errors
/// See [`WelcomeError`]; some of the commands may have been done then.
pub async fn create(service: &Service) -> Result<bool, WelcomeError> {
    if !service.teams(None, None, 1).await?.is_empty() {
        return Ok(false);
    }
    for command in commands() {
        service.control(command, actor()).await?.answer?;
    }
    Ok(true)
}

/// Three seats of 500 credits, `ana` with a seat and a limit of 100, `bo` drawing
/// on the pool without one, `cy` on own credits. In this order, each on what the one before has left.
fn commands() -> Vec<Command> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_work_as_they_are_printed_wherever_the_server_listens() {
        for (address, curl) in [
            ("127.0.0.1:8080", "curl -s http://127.0.0.1:8080/v1/teams/acme/pool"),
            ("0.0.0.0:80", "curl -s http://127.0.0.1:80/v1/teams/acme/pool"),
            ("unix:/run/purser.sock", "curl -s --unix-socket /run/purser.sock http://localhost/v1/teams/acme/pool"),
            ("unix:/a b'c", r"curl -s --unix-socket '/a b'\''c' http://localhost/v1/teams/acme/pool"),
        ] {
            let lines = curl_lines(&address.parse().expect(address));
            assert_eq!(lines[2], curl);
            assert!(lines[0].contains(r#"-d '{"id":"try-1","team":"acme","member":"ana","credits":"1.25"}'"#));
        }
    }
}

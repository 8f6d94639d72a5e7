//! Names, spans and amounts as tables write them.

use purser::domain::ids::Model;
use purser::domain::{OperationId, SubscriptionId, TeamId, UserId};
use purser::engine::Scope;

/// A user in a team, or without one.
pub struct Who {
    pub user: UserId,
    pub team: Option<TeamId>,
}

/// Reads `ana`, `ana/beta` or `~ana`.
pub fn who(text: &str) -> Who {
    match (text.strip_prefix('~'), text.split_once('/')) {
        (Some(name), _) => Who { user: user(name), team: None },
        (None, Some((name, of))) => Who { user: user(name), team: Some(team(of)) },
        (None, None) => Who { user: user(text), team: Some(team("acme")) },
    }
}

/// Reads a team, or a user without one as `~ana`.
pub fn scope(text: &str) -> Scope {
    text.strip_prefix('~').map_or_else(|| Scope::Team(team(text)), |name| Scope::User(user(name)))
}

/// Reads `60s`, `15m`, `3h`, `2d` or `5ms`.
pub fn millis(text: &str) -> u64 {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 24 * 3_600_000,
        other => panic!("{text}: no such unit: {other}"),
    };
    digits.parse::<u64>().expect(text) * unit
}

pub fn user(text: &str) -> UserId {
    UserId::new(text).expect(text)
}

pub fn team(text: &str) -> TeamId {
    TeamId::new(text).expect(text)
}

pub fn subscription(text: &str) -> SubscriptionId {
    SubscriptionId::new(text).expect(text)
}

pub fn operation(text: &str) -> OperationId {
    OperationId::new(text).expect(text)
}

pub fn model(text: &str) -> Model {
    Model::new(text).expect(text)
}

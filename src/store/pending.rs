//! What sidecars have yet to enter, in plain values as stores keep them.

use crate::domain::{AskedEnd, Credits, OperationId, Scope, TeamId, Timestamp, UserId};
use crate::root::pending::{Heard, What};

/// What is to be done, in plain values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flat {
    /// `void`, `settle`, `release`, `extend` or `refund`.
    pub what: &'static str,
    /// A draw to undo was asked with other content than the one before.
    pub reused: bool,
    /// What is to be charged or given back.
    pub credits: Option<Credits>,
    /// The new expiry.
    pub expires_at: Option<Timestamp>,
    /// The refund's own id.
    pub refund: Option<OperationId>,
}

impl Flat {
    /// The plain values.
    pub fn of(what: &What) -> Self {
        let none = Self { what: "void", reused: false, credits: None, expires_at: None, refund: None };
        match what {
            What::Void { reused } => Self { reused: *reused, ..none },
            What::End(end) => {
                let ended = Self { what: end.as_str(), credits: end.credits(), ..none };
                match end {
                    AskedEnd::Extend { expires_at } => Self { expires_at: Some(*expires_at), ..ended },
                    AskedEnd::Refund { part: Some((id, _)) } => Self { refund: Some(id.clone()), ..ended },
                    _ => ended,
                }
            }
        }
    }

    /// What they say; `None` where they fit nothing.
    pub fn read(word: &str, rest: Self) -> Option<What> {
        let end = match word {
            "void" => return Some(What::Void { reused: rest.reused }),
            "settle" => AskedEnd::Settle { credits: rest.credits? },
            "release" => AskedEnd::Release,
            "extend" => AskedEnd::Extend { expires_at: rest.expires_at? },
            "refund" => AskedEnd::Refund { part: rest.refund.zip(rest.credits) },
            _ => return None,
        };
        Some(What::End(end))
    }
}

/// A scope from its text: `team:ID` or `user:ID`.
pub fn scope(text: &str) -> Option<Scope> {
    let (kind, id) = text.split_once(':')?;
    match kind {
        "team" => TeamId::new(id).ok().map(Scope::Team),
        "user" => UserId::new(id).ok().map(Scope::User),
        _ => None,
    }
}

/// Who has been heard how far, as JSON: `[[SIDECAR, INCARNATION, BEAT], ...]`.
pub fn heard_json(heard: &[Heard]) -> String {
    let rows: Vec<_> = heard.iter().map(|h| (format!("{:032x}", h.sidecar), h.incarnation, h.beat)).collect();
    serde_json::to_string(&rows).expect("texts and numbers are JSON")
}

/// What [`heard_json`] has written.
pub fn heard(json: &str) -> Option<Vec<Heard>> {
    let rows: Vec<(String, u64, u64)> = serde_json::from_str(json).ok()?;
    let row = |(sidecar, incarnation, beat): (String, u64, u64)| {
        let sidecar = u128::from_str_radix(&sidecar, 16).ok()?;
        Some(Heard { sidecar, incarnation, beat })
    };
    rows.into_iter().map(row).collect()
}

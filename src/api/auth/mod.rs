//! Who is calling: service tokens, JWTs of users, and the user that an admin acts for.
//!
//! What a caller may do is not decided here: this only says who it is. Nothing is read from disk
//! here, and no clock; a reload makes a new [`Access`] and swaps it in whole.

mod jwt;
mod tokens;

use std::sync::{Arc, LazyLock};

use arc_swap::ArcSwap;
use http::HeaderMap;
use http::header::AUTHORIZATION;

pub use jwt::{Jwt, JwtError};
pub use tokens::{Tokens, TokensError};

use super::problem::{Code, Problem};
use crate::config::Listen;
use crate::domain::{Timestamp, UserId};

/// The header in which an admin names the user it acts for.
pub const ACTOR_HEADER: &str = "purser-actor";

/// The name of every caller where nobody is asked for one.
static OPEN: LazyLock<Arc<str>> = LazyLock::new(|| "open".into());

/// What a caller is, which bounds what it may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// A gateway: decisions and balances.
    Gateway,
    /// An operator or a back end: everything.
    Admin,
    /// A user, with the roles that it has in its teams.
    User,
}

/// Who is calling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// What it is.
    pub role: Role,
    /// The token's name, or the user's id; for logs and the ledger.
    pub name: Arc<str>,
    /// The user that it acts as. Then the roles of that user's teams apply, also for an admin.
    pub actor: Option<UserId>,
}

/// Who may call.
#[derive(Debug)]
pub enum Access {
    /// Nothing is configured: every caller is an admin. For loopback and unix sockets only.
    Open,
    /// Callers need a token or a JWT.
    Closed {
        /// The service tokens.
        tokens: Tokens,
        /// How users' JWTs are checked, where they are taken.
        jwt: Option<Jwt>,
    },
}

/// Access that is replaced whole while it is in use.
pub type SharedAccess = Arc<ArcSwap<Access>>;

impl Access {
    /// Access by these tokens and JWTs; open when there are neither.
    pub fn new(tokens: Tokens, jwt: Option<Jwt>) -> Self {
        if tokens.is_empty() && jwt.is_none() { Self::Open } else { Self::Closed { tokens, jwt } }
    }

    /// This access, ready to be replaced by [`ArcSwap::store`].
    pub fn shared(self) -> SharedAccess {
        Arc::new(ArcSwap::from_pointee(self))
    }

    /// Whether an address may be listened on: with open access only what this machine alone can
    /// reach. To be asked for every listener before it is opened, and again before a reload.
    pub fn allows(&self, address: &Listen) -> bool {
        matches!(self, Self::Closed { .. }) || address.is_local()
    }

    /// Who sent these headers. Only a JWT needs to know the time.
    ///
    /// # Errors
    /// `unauthorized` without known credentials, `forbidden` when another than an admin names an
    /// actor, `invalid_value` when the actor is no user id.
    pub fn identify(&self, headers: &HeaderMap, now: impl FnOnce() -> Timestamp) -> Result<Caller, Problem> {
        let mut caller = match self {
            Self::Open => Caller { role: Role::Admin, name: Arc::clone(&OPEN), actor: None },
            Self::Closed { tokens, jwt } => {
                let bearer = bearer(headers)?;
                match (tokens.find(bearer), jwt) {
                    (Some(caller), _) => caller,
                    (None, Some(jwt)) => jwt.identify(bearer, now())?,
                    (None, None) => return Err(Problem::new(Code::Unauthorized, "The token is not known.")),
                }
            }
        };
        if let Some(actor) = actor(headers)? {
            if caller.role != Role::Admin {
                let detail = "Only an admin token may name a user in Purser-Actor; leave the header out.";
                return Err(Problem::new(Code::Forbidden, detail));
            }
            caller.actor = Some(actor);
        }
        Ok(caller)
    }
}

/// The credentials of `Authorization: Bearer ...`; the scheme's case does not matter.
fn bearer(headers: &HeaderMap) -> Result<&str, Problem> {
    let refused = |detail| Problem::new(Code::Unauthorized, detail);
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().ok_or_else(|| refused("Send `Authorization: Bearer` with a token."))?;
    if values.next().is_some() {
        return Err(refused("There are several Authorization headers; send one."));
    }
    let (scheme, token) = value.to_str().ok().and_then(|text| text.split_once(' ')).unwrap_or_default();
    let token = token.trim_ascii();
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
        return Err(refused("The Authorization header must be `Bearer` and a token."));
    }
    Ok(token)
}

fn actor(headers: &HeaderMap) -> Result<Option<UserId>, Problem> {
    let mut values = headers.get_all(ACTOR_HEADER).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Problem::new(Code::DuplicateField, "There are several Purser-Actor headers; send one."));
    }
    let invalid = |why: &str| Problem::new(Code::InvalidValue, format!("Purser-Actor {why}."));
    let text = value.to_str().map_err(|_| invalid("is not ASCII text"))?;
    UserId::new(text).map(Some).map_err(|error| invalid(&error.to_string()))
}

#[cfg(test)]
mod tests;

//! Names that callers choose, checked once when they come in. Cloning one copies no text.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// The longest id, in characters.
pub const ID_CHARACTERS_MAX: usize = 128;

/// Why a text is not an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Empty or above [`ID_CHARACTERS_MAX`].
    #[error("must have 1 to 128 characters")]
    Length,
    /// A character that ids of teams, users and subscriptions may not have.
    #[error("may have only the characters A-Z a-z 0-9 . _ : @ -")]
    Character,
    /// A path segment that means another place.
    #[error("may not be . or .., which paths resolve")]
    Dots,
    /// A character that operation ids may not have.
    #[error("may have only visible ASCII characters")]
    Invisible,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $allowed:expr, $error:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks length and characters.
            pub fn new(text: &str) -> Result<Self, IdError> {
                if text.is_empty() || text.len() > ID_CHARACTERS_MAX {
                    return Err(IdError::Length);
                }
                if matches!(text, "." | "..") {
                    return Err(IdError::Dots);
                }
                if !text.bytes().all($allowed) {
                    return Err($error);
                }
                Ok(Self(text.into()))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

id!(
    /// A team: who works together.
    TeamId, is_name, IdError::Character
);
id!(
    /// A user, who is a member of any number of teams and may own one subscription.
    UserId, is_name, IdError::Character
);
id!(
    /// A subscription: what a user bought.
    SubscriptionId, is_name, IdError::Character
);
id!(
    /// A caller's name for one debit, hold, refund or purchase; unique within a team, or within a
    /// user where no team is named.
    OperationId, is_visible, IdError::Invisible
);

id!(
    /// A model as gateways name it, such as `gpt-4o` or `vendor/model:free`.
    Model, is_visible, IdError::Invisible
);

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"._:@-".contains(&byte)
}

fn is_visible(byte: u8) -> bool {
    byte.is_ascii_graphic()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_checked_when_made() {
        assert!(TeamId::new("Acme.eu_1:a@b-c").is_ok());
        assert_eq!(TeamId::new(""), Err(IdError::Length));
        assert_eq!(TeamId::new(&"x".repeat(129)), Err(IdError::Length));
        assert_eq!(TeamId::new("a/b"), Err(IdError::Character));
        assert_eq!(TeamId::new(".."), Err(IdError::Dots));
        assert!(TeamId::new("...").is_ok());
        assert_eq!(UserId::new("a\r\nb"), Err(IdError::Character));
        assert!(OperationId::new("req/81?x={1}").is_ok());
        assert_eq!(OperationId::new("a b"), Err(IdError::Invisible));
        assert_eq!(OperationId::new("a\nb"), Err(IdError::Invisible));
    }
}

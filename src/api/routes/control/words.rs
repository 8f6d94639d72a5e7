//! The words of roles, accesses and statuses on the wire.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::{Access, Role};
use crate::root::Status;

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident of $domain:ident { $($word:ident),* })*) => {
        $($(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($word),* }

        impl From<$name> for $domain {
            fn from(word: $name) -> Self {
                match word { $($name::$word => Self::$word),* }
            }
        }

        impl From<$domain> for $name {
            fn from(value: $domain) -> Self {
                match value { $($domain::$word => Self::$word),* }
            }
        })*
    };
}

words! {
    /// What a member may change in the team.
    RoleWord of Role { Owner, Admin, Member }
    /// Whose features and whose credits a member uses.
    AccessWord of Access { Seat, Credits, Personal }
    /// Whether a subscription still grants.
    StatusWord of Status { Active, Canceled }
}

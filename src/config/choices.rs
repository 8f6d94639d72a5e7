//! Values that are one of a few words.

use std::fmt;
use std::str::FromStr;

macro_rules! choice {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
        pub enum $name {
            $($(#[$variant_doc])* #[serde(rename = $word)] $variant,)+
        }

        impl FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(format!("is {text:?}; allowed are {}", [$(concat!("\"", $word, "\"")),+].join(", "))),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Self::$variant => $word,)+ })
            }
        }
    };
}

choice!(
    /// What an answer waits for, so what it survives.
    Durability {
        /// The decision alone.
        Memory = "memory",
        /// `write(2)`: survives `kill -9`.
        Os = "os",
        /// `fdatasync`, shared by all that wait: survives power loss.
        Disk = "disk",
        /// The store's commit: survives the loss of the disk.
        Store = "store",
    }
);

choice!(
    /// The least severity of a line that is written.
    LogLevel {
        /// Only what someone must act on.
        Error = "error",
        /// Also what is wrong but handled.
        Warn = "warn",
        /// Also starts, stops, reloads and control changes.
        Info = "info",
        /// Also every request and flush.
        Debug = "debug",
        /// Everything.
        Trace = "trace",
    }
);

choice!(
    /// How a line of the log looks.
    LogFormat {
        /// For people.
        Text = "text",
        /// One JSON object.
        Json = "json",
    }
);

/// Every algorithm that users' tokens may be signed with, by its registered name.
pub(super) fn jwt_algorithm(text: &str) -> Result<jsonwebtoken::Algorithm, String> {
    text.parse().map_err(|_| {
        format!(
            "is {text:?}; allowed are HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA"
        )
    })
}

//! The domain's values as JSON writes them: ids and words as texts, credits as decimal texts, times as
//! milliseconds. The domain itself knows no serde.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::str::FromStr;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::domain::ids::Model;
use crate::domain::{
    Access, Credits, OperationId, Payer, RateVersion, Role, SubscriptionId, TeamId, Timestamp, UserId,
};
use crate::root::sidecar::State;
use crate::root::{GrantKind, Status};
use crate::store::Kind;
use crate::store::detail::status_text;

/// A value that is written as one word or one number in decimals.
pub trait Text: Sized {
    /// The text.
    fn text(&self) -> String;
    /// Reads it back.
    fn of_text(text: &str) -> Option<Self>;
}

macro_rules! text {
    ($($type:ty: $write:expr, $read:expr;)*) => {
        $(impl Text for $type {
            fn text(&self) -> String {
                let write: fn(&Self) -> String = $write;
                write(self)
            }
            fn of_text(text: &str) -> Option<Self> {
                let read: fn(&str) -> Option<Self> = $read;
                read(text)
            }
        })*
    };
}

fn word<T: Copy>(all: &[T], name: fn(T) -> &'static str, text: &str) -> Option<T> {
    all.iter().copied().find(|one| name(*one) == text)
}

fn parsed<T: FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

fn shown<T: Display>(value: &T) -> String {
    value.to_string()
}

text! {
    TeamId: shown, |text| Self::new(text).ok();
    UserId: shown, |text| Self::new(text).ok();
    SubscriptionId: shown, |text| Self::new(text).ok();
    OperationId: shown, |text| Self::new(text).ok();
    Model: shown, |text| Self::new(text).ok();
    Credits: shown, parsed;
    RateVersion: shown, parsed;
    u64: shown, parsed;
    String: Clone::clone, |text| Some(text.to_owned());
    Timestamp: |at| at.millis().to_string(), |text| Self::from_millis(text.parse().ok()?);
    Access: |access| access.as_str().to_owned(), parsed;
    Role: |role| role.as_str().to_owned(), parsed;
    State: |state| state.as_str().to_owned(), parsed;
    Kind: |kind| kind.as_str().to_owned(), parsed;
    Payer: |payer| payer.as_str().to_owned(), |text| word(&[Self::Pool, Self::Wallet], Self::as_str, text);
    Status: |status| status_text(*status).to_owned(), |text| word(&[Self::Active, Self::Canceled], status_text, text);
    GrantKind: |kind| kind.as_str().to_owned(),
        |text| word(&[Self::Rollover, Self::Monthly, Self::Purchased], Self::as_str, text);
    u128: |id| format!("{id:032x}"), |text| Self::from_str_radix(text, 16).ok();
}

/// Writes a text.
pub fn serialize<T: Text, S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&value.text())
}

/// Reads a text.
pub fn deserialize<'de, T: Text, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
    let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
    T::of_text(&text).ok_or_else(|| D::Error::custom(format!("{text:?} cannot be here")))
}

/// Texts that may be missing.
pub mod maybe {
    use super::*;

    /// Writes a text or null.
    pub fn serialize<T: Text, S: Serializer>(value: &Option<T>, to: S) -> Result<S::Ok, S::Error> {
        value.as_ref().map(Text::text).serialize(to)
    }

    /// Reads a text or null.
    pub fn deserialize<'de, T: Text, D: Deserializer<'de>>(from: D) -> Result<Option<T>, D::Error> {
        let text = Option::<String>::deserialize(from)?;
        let read = |text: String| T::of_text(&text).ok_or_else(|| D::Error::custom(format!("{text:?} cannot be here")));
        text.map(read).transpose()
    }
}

/// Sets of texts.
pub mod set {
    use super::*;

    /// Writes a list of texts.
    pub fn serialize<T: Text, S: Serializer>(value: &BTreeSet<T>, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(value.iter().map(Text::text))
    }

    /// Reads a list of texts.
    pub fn deserialize<'de, T: Text + Ord, D: Deserializer<'de>>(from: D) -> Result<BTreeSet<T>, D::Error> {
        let texts = Vec::<String>::deserialize(from)?;
        let read = |text: &String| T::of_text(text).ok_or_else(|| D::Error::custom(format!("{text:?} cannot be here")));
        texts.iter().map(read).collect()
    }
}

/// Times as milliseconds.
pub mod time {
    use super::*;

    /// Writes milliseconds since 1970.
    pub fn serialize<S: Serializer>(value: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_i64(value.millis())
    }

    /// Reads milliseconds since 1970.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
        let millis = i64::deserialize(from)?;
        Timestamp::from_millis(millis).ok_or_else(|| D::Error::custom(format!("{millis} is not a time")))
    }
}

/// Times that may be missing.
pub mod maybe_time {
    use super::*;

    /// Writes milliseconds since 1970, or null.
    pub fn serialize<S: Serializer>(value: &Option<Timestamp>, to: S) -> Result<S::Ok, S::Error> {
        value.map(Timestamp::millis).serialize(to)
    }

    /// Reads milliseconds since 1970, or null.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Timestamp>, D::Error> {
        let read = |millis| Timestamp::from_millis(millis).ok_or_else(|| D::Error::custom("not a time"));
        Option::<i64>::deserialize(from)?.map(read).transpose()
    }
}

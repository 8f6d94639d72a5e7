//! Objects inside of bodies, and fields that may be left out.

use std::fmt;
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

/// A field of a partial change: left as it is, cleared, or set. Needs `#[serde(default)]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Patch<T> {
    /// The field was not there.
    #[default]
    Keep,
    /// The field was `null`.
    Clear,
    /// The field had a value.
    Set(T),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Patch<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Self::Clear, Self::Set))
    }
}

/// A struct inside of a body. Serde would also take an array of the fields' values in their order;
/// this takes a JSON object only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ReadObject::<T>(PhantomData)).map(Self)
    }
}

struct ReadObject<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ReadObject<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use serde::Deserialize as Derive;

    use super::*;
    use crate::api::json::read;
    use crate::api::wire::Amount;
    use crate::domain::Credits;

    #[derive(Debug, PartialEq, Derive)]
    #[serde(deny_unknown_fields)]
    pub struct Change {
        #[serde(default)]
        pub limit: Patch<Amount>,
    }

    #[test]
    fn a_patch_tells_absent_from_null() {
        let limit = |json| read::<Change>(json).expect("a change").limit;
        assert_eq!(limit("{}"), Patch::Keep);
        assert_eq!(limit(r#"{"limit":null}"#), Patch::Clear);
        assert_eq!(limit(r#"{"limit":0}"#), Patch::Set(Amount(Credits::ZERO)));
    }
}

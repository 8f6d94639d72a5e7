//! Objects inside of bodies, and fields that may be left out.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{BorrowedStrDeserializer, MapAccessDeserializer, StrDeserializer};
use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize as Derive, Serialize};

use crate::api::json::{Fault, Key, read};

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
        deserializer.deserialize_map(ReadObject::<T, false>(PhantomData)).map(Self)
    }
}

/// One row of a batch: an object whose field `op` tells which struct the others make. Serde's
/// tagged enums buffer such an object and pass its numbers through a float; here the row's text is
/// read twice, by [`Op::kind`] and then as the struct that `op` stands for, which need not know of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Op<T>(pub T);

impl Op<()> {
    /// The row's `op`, whatever else is in it.
    ///
    /// # Errors
    /// The row is no object, or `op` is missing, twice, or no string.
    pub fn kind(row: &str) -> Result<Cow<'_, str>, Fault> {
        #[derive(Derive)]
        struct Kind<'a> {
            #[serde(borrow)]
            op: Key<'a>,
        }
        read::<Kind<'_>>(row).map(|kind| kind.op.0)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Op<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ReadObject::<T, true>(PhantomData)).map(Self)
    }
}

struct ReadObject<T, const SKIP_OP: bool>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const SKIP_OP: bool> Visitor<'de> for ReadObject<T, SKIP_OP> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        if SKIP_OP {
            return T::deserialize(MapAccessDeserializer::new(WithoutOp(map)));
        }
        T::deserialize(MapAccessDeserializer::new(map))
    }
}

/// The fields of an object but `op`.
struct WithoutOp<A>(A);

impl<'de, A: MapAccess<'de>> MapAccess<'de> for WithoutOp<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        while let Some(Key(key)) = self.0.next_key()? {
            if key == "op" {
                self.0.next_value::<IgnoredAny>()?;
                continue;
            }
            return match key {
                Cow::Borrowed(key) => seed.deserialize(BorrowedStrDeserializer::new(key)).map(Some),
                Cow::Owned(key) => seed.deserialize(StrDeserializer::new(&key)).map(Some),
            };
        }
        Ok(None)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.0.next_value_seed(seed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::wire::Amount;
    use crate::domain::Credits;

    #[derive(Debug, PartialEq, Derive)]
    #[serde(deny_unknown_fields)]
    struct Change {
        #[serde(default)]
        limit: Patch<Amount>,
    }

    #[test]
    fn a_patch_tells_absent_from_null() {
        let limit = |json| read::<Change>(json).expect("a change").limit;
        assert_eq!(limit("{}"), Patch::Keep);
        assert_eq!(limit(r#"{"limit":null}"#), Patch::Clear);
        assert_eq!(limit(r#"{"limit":0}"#), Patch::Set(Amount(Credits::ZERO)));
    }

    #[test]
    fn a_row_is_read_without_its_op() {
        let row = r#"{"limit":8999999999.999999,"op":"change"}"#;
        assert_eq!(Op::kind(row).as_deref(), Ok("change"));
        let Op(change) = read::<Op<Change>>(row).expect("a change");
        assert_eq!(change.limit, Patch::Set(Amount(Credits::from_micros(8_999_999_999_999_999).expect("an amount"))));
        for (row, pointer) in
            [(r#"{"limit":1}"#, "/op"), (r#"{"op":"a","op":"b"}"#, "/op"), (r#"{"op":7}"#, "/op"), ("[1]", "")]
        {
            assert_eq!(Op::kind(row).map_err(|fault| fault.pointer()), Err(pointer.to_owned()), "{row}");
        }
        let fault = read::<Op<Change>>(r#"{"op":"change","limit":-1}"#).expect_err("negative");
        assert_eq!(fault.pointer(), "/limit");
    }
}

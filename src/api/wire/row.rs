//! Rows of a batch.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::Deserialize as Derive;
use serde::de::value::{BorrowedStrDeserializer, MapAccessDeserializer, StrDeserializer};
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use crate::api::json::{Fault, Key, read};

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
        let (_, body) = deserializer.deserialize_map(ReadRow::<IgnoredAny, T>(PhantomData))?;
        Ok(Self(body))
    }
}

/// A row whose `op` is one of those of `O`, which all take the same struct: then its text is read once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownOp<O, T> {
    /// What is asked.
    pub op: O,
    /// What it takes.
    pub body: T,
}

impl<'de, O: FromStr, T: Deserialize<'de>> Deserialize<'de> for KnownOp<O, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (op, body) = deserializer.deserialize_map(ReadRow::<Key<'de>, T>(PhantomData))?;
        let op = op.ok_or_else(|| D::Error::missing_field("op"))?;
        let op = op.0.parse().map_err(|_| D::Error::custom("is another op"))?;
        Ok(Self { op, body })
    }
}

/// Reads `op` as an `O`, and the other fields as a `T`.
struct ReadRow<O, T>(PhantomData<(O, T)>);

impl<'de, O: Deserialize<'de>, T: Deserialize<'de>> Visitor<'de> for ReadRow<O, T> {
    type Value = (Option<O>, T);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        let mut op = None;
        let body = T::deserialize(MapAccessDeserializer::new(WithoutOp { map, op: &mut op }))?;
        Ok((op, body))
    }
}

/// The fields of an object but `op`, which is kept.
struct WithoutOp<'a, A, O> {
    map: A,
    op: &'a mut Option<O>,
}

impl<'de, A: MapAccess<'de>, O: Deserialize<'de>> MapAccess<'de> for WithoutOp<'_, A, O> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        while let Some(Key(key)) = self.map.next_key()? {
            if key == "op" {
                if self.op.replace(self.map.next_value()?).is_some() {
                    return Err(A::Error::duplicate_field("op"));
                }
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
        self.map.next_value_seed(seed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::wire::object::tests::Change;
    use crate::api::wire::{Amount, Patch};
    use crate::domain::Credits;

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

    #[test]
    fn a_row_of_a_known_op_is_read_at_once_or_not_at_all() {
        // As numbers are ops that are known.
        let known = |row| serde_json::from_str::<KnownOp<u8, Change>>(row).ok().map(|KnownOp { op, body }| (op, body));
        for row in
            [r#"{"limit":null,"op":"7"}"#, r#"{"\u006fp":"\u0037","limit":null}"#, r#" {"op":"7","limit":null} "#]
        {
            assert_eq!(known(row), Some((7, Change { limit: Patch::Clear })), "{row}");
        }
        for row in [
            r#"{"limit":null}"#,
            r#"{"op":"change"}"#,
            r#"{"op":7}"#,
            r#"{"op":"7","op":"7"}"#,
            r#"{"op":"7","limit":-1}"#,
            r#"{"op":"7","other":1}"#,
            r#"["7",null]"#,
            r#"{"op":"7"}{}"#,
        ] {
            assert_eq!(known(row), None, "{row}");
        }
    }
}

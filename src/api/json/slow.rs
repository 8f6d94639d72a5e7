//! A second reader of a body that the first one refused: it is slow, and it knows where it is.
//!
//! It walks the text of valid JSON value by value and offers each to the same `Deserialize` as
//! `serde_json` does, with [`Fault`] as its error: fields and rows are added to a fault on its way out. The text
//! nests at most `DEPTH_MAX` deep, which bounds the recursion; each level is scanned once more.

use std::borrow::Cow;
use std::fmt;

use serde::de::value::{BorrowedStrDeserializer, StrDeserializer};
use serde::de::{DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Unexpected, Visitor};
use serde::{Deserialize, forward_to_deserialize_any};
use serde_json::value::RawValue;

use super::fault::Fault;
use super::key::Key;
use crate::api::problem::Code;

/// The name by which `serde_json::value::RawValue` asks a deserializer for the literal.
const RAW_VALUE: &str = "$serde_json::private::RawValue";

/// Reads a value, or tells what is wrong with it and where.
pub fn read<'de, T: Deserialize<'de>>(text: &'de str) -> Result<T, Fault> {
    T::deserialize(Node(text))
}

/// The text of one valid JSON value, without white space around it.
struct Node<'de>(&'de str);

impl<'de> Node<'de> {
    fn rows(&self) -> Result<Vec<&'de RawValue>, Fault> {
        serde_json::from_str(self.0).map_err(|error| not_json(&error))
    }

    fn fields(&self) -> Result<Fields<'de>, Fault> {
        serde_json::from_str(self.0).map_err(|error| not_json(&error))
    }

    fn string(&self) -> Result<Cow<'de, str>, Fault> {
        serde_json::from_str(self.0).map(|Key(text)| text).map_err(|error| not_json(&error))
    }

    fn visit_number<V: Visitor<'de>>(&self, visitor: V) -> Result<V::Value, Fault> {
        if let Ok(number) = self.0.parse::<u64>() {
            return visitor.visit_u64(number);
        }
        if let Ok(number) = self.0.parse::<i64>() {
            return visitor.visit_i64(number);
        }
        visitor.visit_f64(self.0.parse().map_err(|_| Fault::invalid("is not a number"))?)
    }

    fn unexpected(&self) -> Unexpected<'static> {
        match self.0.as_bytes().first() {
            Some(b'{') => Unexpected::Map,
            Some(b'[') => Unexpected::Seq,
            Some(b'n') => Unexpected::Unit,
            _ => Unexpected::Other("a scalar"),
        }
    }
}

impl<'de> Deserializer<'de> for Node<'de> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.0.as_bytes().first() {
            Some(b'{') => visitor.visit_map(Members { rest: self.fields()?.0.into_iter(), value: None }),
            Some(b'[') => visitor.visit_seq(Rows { rest: self.rows()?.into_iter().enumerate() }),
            Some(b'"') => match self.string()? {
                Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
                Cow::Owned(text) => visitor.visit_string(text),
            },
            Some(b't') => visitor.visit_bool(true),
            Some(b'f') => visitor.visit_bool(false),
            Some(b'n') => visitor.visit_unit(),
            _ => self.visit_number(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        if self.0 == "null" { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Fault> {
        if name == RAW_VALUE {
            let mut json = serde_json::Deserializer::from_str(self.0);
            return json.deserialize_newtype_struct(name, visitor).map_err(|error| not_json(&error));
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        if self.0.starts_with('{') {
            return self.deserialize_any(visitor);
        }
        Err(serde::de::Error::invalid_type(self.unexpected(), &"an object"))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        if self.0.starts_with('"') {
            return visitor.visit_enum(self.string()?.into_deserializer());
        }
        Err(serde::de::Error::unknown_variant("", variants))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        seq tuple tuple_struct map identifier ignored_any
    }
}

/// `serde_json` reading a part of a text that it called valid before fails on what skipping does not
/// look at, such as half of a surrogate pair.
fn not_json(error: &serde_json::Error) -> Fault {
    Fault::new(Code::NotJson, format!("is not JSON, counted from its own start: {error}"))
}

struct Rows<'de> {
    rest: std::iter::Enumerate<std::vec::IntoIter<&'de RawValue>>,
}

impl<'de> SeqAccess<'de> for Rows<'de> {
    type Error = Fault;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Fault> {
        let Some((row, value)) = self.rest.next() else { return Ok(None) };
        seed.deserialize(Node(value.get())).map(Some).map_err(|fault| fault.in_row(row))
    }
}

struct Members<'de> {
    rest: std::vec::IntoIter<(Cow<'de, str>, &'de RawValue)>,
    value: Option<(Cow<'de, str>, &'de RawValue)>,
}

impl<'de> MapAccess<'de> for Members<'de> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Fault> {
        self.value = self.rest.next();
        match &self.value {
            None => Ok(None),
            Some((Cow::Borrowed(key), _)) => seed.deserialize(BorrowedStrDeserializer::new(key)).map(Some),
            Some((Cow::Owned(key), _)) => seed.deserialize(StrDeserializer::new(key)).map(Some),
        }
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Fault> {
        let (key, value) = self.value.take().expect("serde asks for a value after its key");
        seed.deserialize(Node(value.get())).map_err(|fault| fault.in_field(key))
    }
}

/// An object's fields in their order, the same one as often as it is there.
struct Fields<'de>(Vec<(Cow<'de, str>, &'de RawValue)>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
                let mut fields = Vec::new();
                while let Some((Key(key), value)) = map.next_entry()? {
                    fields.push((key, value));
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Read)
    }
}

//! The body of a debit or a hold as most are, alone or as a row of a batch: its fields read where they lie. Every other body, and
//! what is wrong with one, is the library's to read.

use std::str::FromStr;

use super::asks::{DrawBody, TtlMillis};
use crate::api::json::flat::{Value, fields};
use crate::api::json::{self, Fault};
use crate::api::wire::{Amount, Text, Wire};

/// Reads a body.
///
/// # Errors
/// See [`json::read`].
pub fn read(text: &str) -> Result<DrawBody, Fault> {
    plain(text, |_, _| None).map_or_else(|| json::read(text), Ok)
}

/// Reads a row of a batch, of which `op` says what it is; `None`: it is not plainly one.
pub fn row<O: FromStr>(text: &str) -> Option<(O, DrawBody)> {
    let mut op = None;
    let body = plain(text, |key, value| match (key, value) {
        ("op", Value::Text(text)) => put(&mut op, text.parse().ok()?),
        _ => None,
    })?;
    Some((op?, body))
}

/// A body without usage, whose values are all fine. What else is among its fields `other` takes.
fn plain<'a>(text: &'a str, mut other: impl FnMut(&'a str, Value<'a>) -> Option<()>) -> Option<DrawBody> {
    let (mut id, mut team, mut member, mut model) = (None, None, None, None);
    let (mut credits, mut ttl_ms, mut min_credits) = (None, None, None);
    fields(text, |key, value| match (key, value) {
        ("id", Value::Text(text)) => put(&mut id, name(text)?),
        ("team", Value::Text(text)) => put(&mut team, name(text)?),
        ("member", Value::Text(text)) => put(&mut member, name(text)?),
        ("model", Value::Text(text)) => put(&mut model, name(text)?),
        ("credits", Value::Text(text) | Value::Number(text)) => put(&mut credits, amount(text)?),
        ("min_credits", Value::Text(text) | Value::Number(text)) => put(&mut min_credits, amount(text)?),
        ("ttl_ms", Value::Number(text)) => put(&mut ttl_ms, TtlMillis::read(text).ok()?),
        _ => other(key, value),
    })?;
    Some(DrawBody { id, team, member: member?, credits, usage: None, model, ttl_ms, min_credits })
}

/// Puts a value where none is yet.
fn put<T>(place: &mut Option<T>, value: T) -> Option<()> {
    place.is_none().then(|| *place = Some(value))
}

fn name<T: Text>(text: &str) -> Option<Wire<T>> {
    T::read(text).ok().map(Wire)
}

fn amount(text: &str) -> Option<Amount> {
    text.parse().ok().map(Amount)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::api::wire::KnownOp;

    fn plain(text: &str) -> Option<DrawBody> {
        super::plain(text, |_, _| None)
    }

    #[test]
    fn a_usual_row_is_read_here_and_no_other() {
        // As numbers are ops that are known.
        let op = |text: &str| row::<u8>(text).map(|(op, _)| op);
        assert_eq!(op(r#"{"op":"7","id":"a","team":"acme","member":"ana","credits":"1"}"#), Some(7));
        assert_eq!(op(r#"{"member":"ana", "op": "7"}"#), Some(7));
        for text in [
            r#"{"member":"ana"}"#,
            r#"{"op":"7"}"#,
            r#"{"op":7,"member":"ana"}"#,
            r#"{"op":"debit","member":"ana"}"#,
            r#"{"op":"7","op":"7","member":"ana"}"#,
            r#"{"op":"7","member":"ana","other":"a"}"#,
        ] {
            assert_eq!(op(text), None, "{text}");
        }
    }

    #[test]
    fn a_usual_body_is_read_here() {
        for text in [
            r#"{"id":"a","team":"acme","member":"ana","credits":"1.25","model":"gpt-4o"}"#,
            r#"{"member": "ana", "credits": 7}"#,
            r#"{"id":"a","member":"ana","credits":"1","ttl_ms":60000,"min_credits":0.5}"#,
        ] {
            assert!(plain(text).is_some(), "{text}");
        }
    }

    #[test]
    fn what_is_not_plain_is_told_by_the_library() {
        let long = format!(r#"{{"member":"{}"}}"#, "a".repeat(129));
        for text in [
            r#"{"member":"ana","member":"ben"}"#,
            r#"{"member":"ana","memory":"ben"}"#,
            r#"{"member":"ana","credits":"-1"}"#,
            r#"{"member":"ana","credits":0.0000001}"#,
            r#"{"member":"ana","ttl_ms":1}"#,
            r#"{"member":"ana","ttl_ms":"60000"}"#,
            r#"{"member":"ana","ttl_ms":60000.0}"#,
            r#"{"member":7}"#,
            r#"{"team":"acme"}"#,
            &long,
        ] {
            assert!(plain(text).is_none(), "{text}");
            assert!(read(text).is_err(), "{text}");
        }
        for text in [
            r#"{"member":"ana","team":null}"#,
            r#"{"member":"ana","id":"a\"b"}"#,
            r#"{"member":"ana","usage":{"input_tokens":1}}"#,
        ] {
            assert!(plain(text).is_none() && read(text).is_ok(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_row_is_read_alike_both_ways(
            text in r#"\{("(op|id|team|member|credits|ttl_ms|x)" ?: ?("[a.0-9!]{0,3}"|[0-9.]{1,6}|null),?){1,5}\}"#
        ) {
            if let Some((op, body)) = row::<u8>(&text) {
                let other: KnownOp<u8, DrawBody> = serde_json::from_str(&text).expect("is one");
                prop_assert_eq!(format!("{op} {body:?}"), format!("{} {:?}", other.op, other.body));
            }
        }

        #[test]
        fn a_body_is_read_alike_both_ways(
            text in r#"\{("(id|team|member|credits|model|ttl_ms|min_credits|x)" ?: ?("[a.0-9!]{0,3}"|[0-9.]{1,6}|null),?){1,5}\}"#
        ) {
            if let Some(body) = plain(&text) {
                let other: DrawBody = json::read(&text).expect("is one");
                prop_assert_eq!(format!("{body:?}"), format!("{other:?}"));
            }
        }
    }
}

//! What a body is refused for, and where the fault is said to be.

use proptest::prelude::*;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::*;
use crate::api::wire::{Amount, Object, Whole, Wire};
use crate::domain::{OperationId, TeamId, Timestamp, UserId};

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Debit {
    id: Option<Wire<OperationId>>,
    team: Option<Wire<TeamId>>,
    member: Wire<UserId>,
    credits: Option<Amount>,
    usage: Option<Object<Usage>>,
    ttl_ms: Option<Whole<1_000, 86_400_000>>,
    expires_at: Option<Wire<Timestamp>>,
    atomic: Option<bool>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Usage {
    input_tokens: u64,
    output_tokens: Option<u64>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Batch {
    ops: Vec<Object<Debit>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rows<'a> {
    #[serde(borrow)]
    ops: Vec<&'a RawValue>,
}

/// Reads `json` as a debit and as the third row of a batch, and compares both faults.
fn check(json: &str, code: &str, pointer: &str, says: &str) {
    let fault = read::<Debit>(json).expect_err(json);
    assert_eq!((fault.code().as_str(), fault.pointer().as_str()), (code, pointer), "{json}: {fault}");
    assert!(fault.to_string().contains(says), "{json}: {fault}");
    if code == "not_json" || pointer.is_empty() {
        return;
    }
    let batch = format!(r#"{{"ops":[{{"member":"a"}},{{"member":"b"}},{json}]}}"#);
    let fault = read::<Batch>(&batch).expect_err(&batch);
    let row = format!("/ops/2{pointer}");
    assert_eq!((fault.code().as_str(), fault.pointer()), (code, row), "{batch}");
}

#[test]
fn a_debit_is_read_exactly() {
    let debit: Debit = read(
        r#" {"id":"req-81","team":"acme","member":"ana","credits":1.250001,"usage":{"input_tokens":812},
        "ttl_ms":60000,"expires_at":"2026-11-22T13:01:00+01:00","atomic":true} "#,
    )
    .expect("a debit");
    assert_eq!(debit.credits.map(|amount| amount.0.micros()), Some(1_250_001));
    assert_eq!(debit.usage, Some(Object(Usage { input_tokens: 812, output_tokens: None })));
    assert_eq!(debit.expires_at.map(|at| at.0.to_string()).as_deref(), Some("2026-11-22T12:01:00Z"));
    let debit: Debit = read(r#"{"member":"ana","team":null,"credits":"7"}"#).expect("null is absent");
    assert_eq!(debit.team, None);
}

#[test]
fn faults_of_fields_name_their_kind_and_place() {
    for (json, code, pointer, says) in [
        ("{}", "missing_field", "/member", "member is missing"),
        (r#"{"member":"a","modle":1}"#, "unknown_field", "/modle", "known are id, team"),
        (r#"{"member":"a","member":"b"}"#, "duplicate_field", "/member", "twice"),
        (r#"{"member":"a","\u006dember":"b"}"#, "duplicate_field", "/member", "twice"),
        (r#"{"member":7}"#, "invalid_value", "/member", "must be a user id as a string"),
        (r#"{"member":null}"#, "invalid_value", "/member", "must be"),
        (r#"{"member":"a b"}"#, "invalid_value", "/member", "only the characters"),
        (r#"{"member":"a\r\nb"}"#, "invalid_value", "/member", "only the characters"),
        (r#"{"member":"zoë"}"#, "invalid_value", "/member", "only the characters"),
        (r#"{"member":""}"#, "invalid_value", "/member", "1 to 128"),
        (r#"{"member":"a","id":"x\ny"}"#, "invalid_value", "/id", "visible ASCII"),
        (r#"{"member":"a","credits":-1}"#, "invalid_value", "/credits", "negative"),
        (r#"{"member":"a","credits":1e3}"#, "invalid_value", "/credits", "exponent"),
        (r#"{"member":"a","credits":1e999}"#, "invalid_value", "/credits", "exponent"),
        (r#"{"member":"a","credits":0.1234567}"#, "invalid_value", "/credits", "6 fraction"),
        (r#"{"member":"a","credits":"9000000000.000001"}"#, "invalid_value", "/credits", "largest"),
        (r#"{"member":"a","credits":9223372036854775808}"#, "invalid_value", "/credits", "largest"),
        (r#"{"member":"a","credits":"NaN"}"#, "invalid_value", "/credits", "decimal"),
        (r#"{"member":"a","credits":{"a":[]}}"#, "invalid_value", "/credits", "decimal"),
        (r#"{"member":"a","ttl_ms":999}"#, "invalid_value", "/ttl_ms", "from 1000 to 86400000"),
        (r#"{"member":"a","ttl_ms":1e4}"#, "invalid_value", "/ttl_ms", "whole number"),
        (r#"{"member":"a","ttl_ms":-5}"#, "invalid_value", "/ttl_ms", "whole number"),
        (r#"{"member":"a","ttl_ms":1e999}"#, "invalid_value", "/ttl_ms", "whole number"),
        (r#"{"member":"a","atomic":"yes"}"#, "invalid_value", "/atomic", "true or false"),
        (r#"{"member":"a","expires_at":"tomorrow"}"#, "invalid_value", "/expires_at", "RFC 3339"),
        (r#"{"member":"a","usage":[1,2]}"#, "invalid_value", "/usage", "must be an object"),
        (r#"{"member":"a","usage":{}}"#, "missing_field", "/usage/input_tokens", "usage.input_tokens is missing"),
        (r#"{"member":"a","usage":{"input_tokens":-1}}"#, "invalid_value", "/usage/input_tokens", "whole number"),
        (r#"["r","t","a"]"#, "invalid_value", "", "the body must be an object"),
        ("7", "invalid_value", "", "the body must be an object"),
    ] {
        check(json, code, pointer, says);
    }
}

#[test]
fn what_is_not_json_is_told_from_what_is_wrong_in_it() {
    let deep = format!(r#"{{"member":{}1{}}}"#, "[".repeat(16), "]".repeat(16));
    let bottomless = "[".repeat(60_000);
    for json in [
        r#"{"member":NaN}"#,
        r#"{"member":"a","credits":NaN}"#,
        r#"{"member":"a","credits":01}"#,
        r#"{"member":"a","credits":+1}"#,
        r#"{"member":"a","credits":1.}"#,
        r#"{"member":"a",}"#,
        r#"{"member":"a"} x"#,
        r#"{"member":"a"}{}"#,
        "{'member':'a'}",
        "{",
        " ",
        &deep,
        &bottomless,
    ] {
        check(json, "not_json", "", "");
    }
    check(r#"{"member":"\ud800"}"#, "not_json", "/member", "hex escape");
}

#[test]
fn rows_kept_as_text_are_read_one_by_one() {
    let rows: Rows<'_> = read(r#"{"ops":[{"member":"a"}, {"member":7}]}"#).expect("rows");
    let faults: Vec<_> = rows.ops.iter().map(|row| read::<Debit>(row.get()).err()).collect();
    assert_eq!(faults[0], None);
    let fault = faults[1].clone().expect("a fault").in_row(1).in_field("ops");
    assert_eq!(fault.pointer(), "/ops/1/member");
    assert_eq!(read::<Rows<'_>>(r#"{"ops":{}}"#).expect_err("no array").to_string(), "ops must be an array");
}

/// JSON values of all kinds, many of them close to a debit.
fn any_json() -> impl Strategy<Value = String> {
    let scalar = prop::sample::select(vec![
        "null",
        "true",
        "7",
        "-7",
        "1000",
        "1.5",
        "1e3",
        "0.0000001",
        "18446744073709551616",
        "\"a\"",
        "\"\"",
        "\"1.5\"",
        "\"\\u0061\"",
        "\"\\ud800\"",
        "\"2026-11-22T12:00:00Z\"",
        "[]",
        "{}",
        "{\"input_tokens\":3}",
        "[1,null]",
        "bad",
    ]);
    let name = prop::sample::select(vec![
        "id",
        "team",
        "member",
        "member",
        "credits",
        "usage",
        "ttl_ms",
        "expires_at",
        "atomic",
        "other",
        "\\u0069d",
    ]);
    prop::collection::vec((name, scalar), 0..6).prop_map(|fields| {
        let fields: Vec<_> = fields.into_iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        format!("{{{}}}", fields.join(","))
    })
}

proptest! {
    #[test]
    fn both_readers_take_the_same_texts(text in any_json()) {
        let fast = serde_json::from_str::<Debit>(&text);
        if serde_json::from_str::<IgnoredAny>(&text).is_ok() {
            let slow = slow::read::<Debit>(&text);
            prop_assert_eq!(fast.as_ref().ok(), slow.as_ref().ok(), "{:?} {:?}", fast, slow);
        } else {
            prop_assert!(fast.is_err());
        }
    }
}

//! Fields of an object as most callers write it: texts without escapes and plain numbers, no value within another.
//!
//! Whatever else a text is, right or wrong, is for the reader of all JSON: what is read here it reads the same.

/// A field's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// What is between the quotes.
    Text(&'a str),
    /// Digits, and perhaps a point among them.
    Number(&'a str),
}

/// Hands each field on with its key, in the order of the text. `None`: the text is not plainly such an object, or `take` did not
/// take one of them.
pub fn fields<'a>(text: &'a str, mut take: impl FnMut(&'a str, Value<'a>) -> Option<()>) -> Option<()> {
    // Of all bytes at once, which takes less than to look for it in each text.
    if text.bytes().fold(false, |found, byte| found | (byte == b'\\')) {
        return None;
    }
    let mut rest = behind(text, '{')?;
    loop {
        let (key, value_on) = quoted(spaced(rest))?;
        let (value, fields_on) = value(spaced(behind(value_on, ':')?))?;
        take(key, value)?;
        match behind(fields_on, ',') {
            Some(next) => rest = next,
            None => return spaced(behind(fields_on, '}')?).is_empty().then_some(()),
        }
    }
}

/// The text from where JSON's spaces end.
fn spaced(text: &str) -> &str {
    text.trim_start_matches([' ', '\n', '\r', '\t'])
}

/// What comes behind a sign, before which spaces may be.
fn behind(text: &str, sign: char) -> Option<&str> {
    spaced(text).strip_prefix(sign)
}

/// What is between quotes at the start of a text without backslashes, and what comes behind them.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let text = text.strip_prefix('"')?;
    let end = text.bytes().position(|byte| byte == b'"')?;
    Some((&text[..end], &text[end + 1..]))
}

fn value(text: &str) -> Option<(Value<'_>, &str)> {
    if let Some((content, rest)) = quoted(text) {
        // JSON has control characters as escapes only.
        return content.bytes().all(|byte| byte >= b' ').then_some((Value::Text(content), rest));
    }
    let end = text.bytes().position(|byte| !byte.is_ascii_digit() && byte != b'.')?;
    let (number, rest) = text.split_at(end);
    let is_number = match number.as_bytes() {
        [b'0', b'0'..=b'9', ..] | [b'.', ..] | [.., b'.'] | [] => false,
        digits => digits.iter().filter(|byte| **byte == b'.').count() <= 1,
    };
    is_number.then_some((Value::Number(number), rest))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde_json::value::RawValue;

    use super::*;

    fn read(text: &str) -> Option<Vec<(&str, Value<'_>)>> {
        let mut all = Vec::new();
        fields(text, |key, value| {
            all.push((key, value));
            Some(())
        })?;
        Some(all)
    }

    #[test]
    fn fields_are_read_with_spaces_or_without() {
        let expected = vec![("a", Value::Text("b")), ("c", Value::Number("1.5")), ("d", Value::Number("0"))];
        for text in [r#"{"a":"b","c":1.5,"d":0}"#, "\t{ \"a\" : \"b\" ,\r\n\"c\": 1.5 , \"d\":0 } \n"] {
            assert_eq!(read(text).as_ref(), Some(&expected), "{text}");
        }
        assert_eq!(fields(r#"{"a":"b"}"#, |_, _| None), None, "nobody took it");
    }

    #[test]
    fn everything_else_is_for_another_reader() {
        for text in [
            "",
            "{}",
            "[]",
            "{",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1",
            "{\"a\":1,}",
            "{\"a\":1}}",
            "{\"a\":1} b",
            "{a:1}",
            "{\"a\":01}",
            "{\"a\":.5}",
            "{\"a\":5.}",
            "{\"a\":1.2.3}",
            "{\"a\":-1}",
            "{\"a\":1e3}",
            "{\"a\":null}",
            "{\"a\":true}",
            "{\"a\":{}}",
            "{\"a\":[1]}",
            "{\"a\":\"b\\u0041\"}",
            "{\"a\":\"\n\"}",
            "{\"a\":\"b}",
            "{\"a\":1\u{c}}",
            "{\"a\":1;\"b\":2}",
            "\u{feff}{\"a\":1}",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_serde_reads(text in r#"[ \t\n]?\{( ?"[a-c]{0,2}" ?: ?("[ -~é\n]{0,3}"|[0-9.]{1,3}|[-e0-9]{1,2}|null) ?,?){0,4}\} ?"#) {
            if let Some(fields) = read(&text) {
                let all: BTreeMap<&str, &RawValue> = serde_json::from_str(&text).expect("is JSON");
                for (key, raw) in all {
                    let value = fields.iter().rev().find(|(name, _)| *name == key).expect("is there").1;
                    match value {
                        Value::Text(text) => prop_assert_eq!(serde_json::to_string(text).expect("a text"), raw.get()),
                        Value::Number(number) => prop_assert_eq!(number, raw.get()),
                    }
                }
            }
        }
    }
}
